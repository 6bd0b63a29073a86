//! Retrieval: the best units by keywords and by vectors, gathered by target.

use std::collections::BTreeMap;

use super::Mode;
use super::filter::Allowed;
use crate::error::Result;
use crate::generation::Generation;
use crate::lexical::{LexicalQuery, Part};
use crate::text::Tokens;

/// Phrasings taken from each side.
const PHRASE_POOL: usize = 80;
/// Passages taken from the keyword side.
const BODY_POOL: usize = 30;
/// From this many units on, both sides are asked at the same time.
const PARALLEL_UNITS: usize = 16_384;
/// Weight of a synonym, relative to the word the customer wrote.
const SYNONYM_WEIGHT: f32 = 0.4;

/// A target that one of the sides proposed.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Candidate {
    pub target: u32,
    /// BM25 of its best phrasing, 0 if it is not among the best.
    pub phrase_bm25: f32,
    /// BM25 of its best passage, 0 if it is not among the best.
    pub body_bm25: f32,
}

/// Proposes candidates, in order of target.
pub(super) fn retrieve(
    generation: &Generation,
    tokens: &Tokens,
    vector: &[f32],
    allowed: Option<&Allowed>,
    mode: Mode,
) -> Result<Vec<Candidate>> {
    let expansions: Vec<(String, f32)> = expand(generation, tokens);
    let query = LexicalQuery { tokens, expansions: &expansions };
    let lexical = |part, limit| match mode {
        Mode::Vector => Ok(Vec::new()),
        _ => generation.lexical.search(&query, part, limit, allowed.map(|allowed| allowed.units.clone())),
    };
    let by_vector = || match mode {
        Mode::Lexical => Vec::new(),
        _ => generation.vectors.search(vector, PHRASE_POOL, Some(&searchable_mask(generation, allowed))),
    };
    let by_keywords = || (lexical(Part::Phrase, PHRASE_POOL), lexical(Part::Body, BODY_POOL));
    // Waking another thread takes longer than looking through a small corpus, and much longer on a busy machine.
    let ((phrases, bodies), nearest) = match generation.units.len() < PARALLEL_UNITS {
        true => (by_keywords(), by_vector()),
        false => rayon::join(by_keywords, by_vector),
    };

    let mut found: BTreeMap<u32, Candidate> = BTreeMap::new();
    let mut candidate = |unit: u32, update: &dyn Fn(&mut Candidate)| {
        let target = generation.units[unit as usize].target;
        update(found.entry(target).or_insert(Candidate { target, ..Candidate::default() }));
    };
    for (unit, score) in phrases? {
        candidate(unit, &|c| c.phrase_bm25 = c.phrase_bm25.max(score));
    }
    for (unit, score) in bodies? {
        candidate(unit, &|c| c.body_bm25 = c.body_bm25.max(score));
    }
    for (unit, _) in nearest {
        candidate(unit, &|_| {});
    }
    Ok(found.into_values().collect())
}

/// Synonyms of the query's words that the query does not contain itself.
fn expand(generation: &Generation, tokens: &Tokens) -> Vec<(String, f32)> {
    let mut out: Vec<(String, f32)> = Vec::new();
    for word in &tokens.words {
        for synonym in generation.analyzer.synonyms(word) {
            if !tokens.words.contains(synonym) && !out.iter().any(|(known, _)| known == synonym) {
                out.push((synonym.clone(), SYNONYM_WEIGHT));
            }
        }
    }
    out
}

/// Marks of the units that may be found; negative phrasings never may.
fn searchable_mask(generation: &Generation, allowed: Option<&Allowed>) -> Vec<bool> {
    let mut mask = match allowed {
        Some(allowed) => allowed.units.as_ref().clone(),
        None => vec![true; generation.searchable],
    };
    mask.resize(generation.units.len(), false);
    mask
}
