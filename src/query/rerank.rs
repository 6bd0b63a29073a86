//! The last stage, where a cross-encoder is set: it reads the best candidates together with the query.

use std::sync::Arc;

use super::Hit;
use crate::embedding::Reranker;
use crate::error::Result;
use crate::generation::Generation;

/// A cross-encoder and its part in the ranking.
///
/// With `p` for its relevance and `w` for `weight`, score and confidence of each of the best `candidates` become
/// `(1 - w) · old + w · p`; all others count as `p = 0`, so that none of them rises for not having been read. What the
/// calibration promises holds for `w = 0` only, unless it was tuned with this cross-encoder.
#[derive(Clone)]
pub struct Reranking {
    /// The cross-encoder.
    pub model: Arc<dyn Reranker>,
    /// How many of the best candidates it reads.
    pub candidates: usize,
    /// Its share, from 0 to 1.
    pub weight: f32,
}

impl Reranking {
    /// Judges the best of `hits` anew and orders all again, ties by target.
    pub(super) fn apply(&self, generation: &Generation, text: &str, mut hits: Vec<Hit>) -> Result<Vec<Hit>> {
        let read = self.candidates.min(hits.len());
        let texts: Vec<&str> = hits[..read].iter().map(|hit| generation.units[hit.matched as usize].text.as_str()).collect();
        let relevance = self.model.relevance(text, &texts)?;
        let all = relevance.into_iter().chain(std::iter::repeat(0.0));
        for (hit, relevance) in hits.iter_mut().zip(all) {
            hit.relevance = Some(relevance);
            for value in [&mut hit.score, &mut hit.confidence] {
                *value = (1.0 - self.weight) * *value + self.weight * relevance;
            }
        }
        hits.sort_by(|a, b| b.score.total_cmp(&a.score).then(a.target.cmp(&b.target)));
        Ok(hits)
    }
}

impl std::fmt::Debug for Reranking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Reranking { model, candidates, weight } = self;
        f.debug_struct("Reranking").field("model", &model.name()).field("candidates", candidates).field("weight", weight).finish()
    }
}

impl PartialEq for Reranking {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.model, &other.model) && self.candidates == other.candidates && self.weight == other.weight
    }
}
