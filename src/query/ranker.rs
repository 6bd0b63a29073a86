//! The ranker: a logistic model over the features, and the calibration that turns its score into a probability. Its
//! weights are data, in a readable file; this room only applies them.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::features::{FEATURES, Features, Judged};
use super::{Hit, Mode, Reranking};
use crate::error::{Error, Result};
use crate::generation::Generation;

/// The ranker shipped with the program.
const BUILT_IN: &str = include_str!("../../models/ranker.json");

/// Weights of the ranking and of the calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranker {
    /// Changes whenever the weights do.
    pub version: String,
    /// Constant term of the ranking score.
    pub bias: f32,
    /// Weight of each feature by name; features that are not named count nothing.
    pub weights: std::collections::BTreeMap<String, f32>,
    /// From the evidence of the first result to the probability that it is right.
    pub calibration: Calibration,
    #[serde(skip)]
    ordered: Vec<f32>,
    /// A cross-encoder that reads the best candidates again.
    #[serde(skip)]
    reranking: Option<Reranking>,
}

/// A logistic model of the probability that a result is right.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Constant term.
    pub bias: f32,
    /// Weight of the ranking score (before the logistic function).
    pub score: f32,
    /// Weight of the distance to the next different entry's ranking score.
    pub margin: f32,
    /// Weight of each feature by name.
    pub weights: std::collections::BTreeMap<String, f32>,
}

impl Ranker {
    /// The shipped ranker.
    ///
    /// # Panics
    /// Never: a test reads the shipped file.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("models/ranker.json is valid")
    }

    /// Reads a ranker from a file written by `yingda tune`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::parse(&text).map_err(|what| Error::Config(format!("ranker {}: {what}", path.display())))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let mut ranker: Ranker = serde_json::from_str(text).map_err(|error| error.to_string())?;
        for name in ranker.weights.keys().chain(ranker.calibration.weights.keys()) {
            if !FEATURES.contains(&name.as_str()) {
                return Err(format!("`{name}` is not a feature; known ones: {}", FEATURES.join(", ")));
            }
        }
        ranker.ordered = FEATURES.iter().map(|name| ranker.weights.get(*name).copied().unwrap_or(0.0)).collect();
        Ok(ranker)
    }

    /// The same ranker with a cross-encoder behind it, or with none.
    pub fn with_reranking(self, reranking: Option<Reranking>) -> Self {
        Ranker { reranking, ..self }
    }

    /// Lets the cross-encoder, if there is one, judge the best of `hits` anew.
    pub(super) fn rerank(&self, generation: &Generation, text: &str, hits: Vec<Hit>) -> Result<Vec<Hit>> {
        match &self.reranking {
            Some(reranking) => reranking.apply(generation, text, hits),
            None => Ok(hits),
        }
    }

    fn score(&self, features: &Features, mode: Mode) -> f32 {
        match mode {
            Mode::Lexical => 6.0 * (features.bm25 - 0.5),
            Mode::Vector => 12.0 * (features.cosine.max(0.8 * features.cosine_body) - 0.5),
            Mode::Hybrid => {
                self.bias + features.values().iter().zip(&self.ordered).map(|(value, weight)| value * weight).sum::<f32>()
            }
        }
    }

    /// Orders candidates, best first, ties by target (that is, by entry id and section).
    pub(super) fn rank(&self, generation: &Generation, judged: &[Judged], mode: Mode) -> Vec<Hit> {
        let mut scored: Vec<(f32, &Judged)> = judged.iter().map(|j| (self.score(&j.features, mode), j)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.target.cmp(&b.1.target)));
        let entry_of = |j: &Judged| generation.targets[j.target as usize].entry;
        (0..scored.len())
            .map(|at| {
                let (score, j) = scored[at];
                let rival = if at == 0 {
                    scored.iter().find(|(_, other)| entry_of(other) != entry_of(j)).map_or(score - 6.0, |(other, _)| *other)
                } else {
                    scored[0].0
                };
                Hit {
                    target: j.target,
                    score: logistic(score),
                    confidence: self.confidence(score, score - rival, &j.features),
                    keyword_score: (0.5 * (j.features.chars_of_query + j.features.bigrams_of_query))
                        .max(j.features.body_bigrams_of_query),
                    vector_score: j.features.cosine.max(j.features.cosine_body).max(0.0),
                    matched: j.matched,
                    features: j.features,
                }
            })
            .collect()
    }

    fn confidence(&self, score: f32, margin: f32, features: &Features) -> f32 {
        let c = &self.calibration;
        let values = features.values();
        let evidence: f32 =
            FEATURES.iter().zip(values).map(|(name, value)| c.weights.get(*name).copied().unwrap_or(0.0) * value).sum();
        logistic(c.bias + c.score * score + c.margin * margin.clamp(-6.0, 6.0) + evidence)
    }
}

fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
