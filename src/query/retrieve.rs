//! Retrieval: the best units by keywords and by vectors, gathered by target.

use std::collections::BTreeMap;

use serde::Serialize;

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
/// From this many units on, all sides are asked at the same time.
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

/// The best units of each side with their scores, best first.
pub(super) struct Pools {
    /// Phrasings by BM25.
    pub phrases: Vec<(u32, f32)>,
    /// Passages by BM25.
    pub passages: Vec<(u32, f32)>,
    /// Units by cosine.
    pub vectors: Vec<(u32, f32)>,
}

/// How many units each pool keeps.
#[derive(Debug, Clone, Copy)]
pub(super) struct PoolSizes {
    pub phrases: usize,
    pub passages: usize,
    pub vectors: usize,
}

impl PoolSizes {
    /// The sizes of a search.
    pub const OF_A_SEARCH: PoolSizes = PoolSizes { phrases: PHRASE_POOL, passages: BODY_POOL, vectors: PHRASE_POOL };
}

/// Asks each side for its best units.
pub(super) fn pools(
    generation: &Generation,
    tokens: &Tokens,
    vector: &[f32],
    allowed: Option<&Allowed>,
    mode: Mode,
    sizes: PoolSizes,
) -> Result<Pools> {
    let expansions: Vec<(String, f32)> = expand(generation, tokens).into_iter().map(|e| (e.word, e.weight)).collect();
    let query = LexicalQuery { tokens, expansions: &expansions };
    let accepts = |unit| is_allowed(generation, allowed, unit);
    let lexical = |part, limit| match mode {
        Mode::Vector => Ok(Vec::new()),
        _ => generation.lexical.search(&query, part, limit, &accepts),
    };
    let by_vector = || match mode {
        Mode::Lexical => Vec::new(),
        _ => generation.vectors.search(vector, sizes.vectors, accepts),
    };
    let phrases = || lexical(Part::Phrase, sizes.phrases);
    let passages = || lexical(Part::Body, sizes.passages);
    // Waking another thread takes longer than looking through a small corpus, and much longer on a busy machine.
    let ((phrases, passages), vectors) = match generation.units.len() < PARALLEL_UNITS {
        true => ((phrases(), passages()), by_vector()),
        false => rayon::join(|| rayon::join(phrases, passages), by_vector),
    };
    Ok(Pools { phrases: phrases?, passages: passages?, vectors })
}

/// Gathers the units of the pools by target, in order of target.
pub(super) fn gather(generation: &Generation, pools: &Pools) -> Vec<Candidate> {
    let mut found: BTreeMap<u32, Candidate> = BTreeMap::new();
    let mut candidate = |unit: u32, update: &dyn Fn(&mut Candidate)| {
        let target = generation.units[unit as usize].target;
        update(found.entry(target).or_insert(Candidate { target, ..Candidate::default() }));
    };
    for &(unit, score) in &pools.phrases {
        candidate(unit, &|c| c.phrase_bm25 = c.phrase_bm25.max(score));
    }
    for &(unit, score) in &pools.passages {
        candidate(unit, &|c| c.body_bm25 = c.body_bm25.max(score));
    }
    for &(unit, _) in &pools.vectors {
        candidate(unit, &|_| {});
    }
    found.into_values().collect()
}

/// A word that is searched besides those of the query.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Expansion {
    /// The word.
    pub word: String,
    /// The word of the query it stands for.
    pub of: String,
    /// Its weight, relative to the word that was written.
    pub weight: f32,
}

/// Synonyms of the query's words that the query does not contain itself.
pub(super) fn expand(generation: &Generation, tokens: &Tokens) -> Vec<Expansion> {
    let mut out: Vec<Expansion> = Vec::new();
    for word in &tokens.words {
        for synonym in generation.analyzer.synonyms(word) {
            if !tokens.words.contains(synonym) && !out.iter().any(|known| known.word == *synonym) {
                out.push(Expansion { word: synonym.clone(), of: word.clone(), weight: SYNONYM_WEIGHT });
            }
        }
    }
    out
}

/// True if the unit may be found; negative phrasings never may.
fn is_allowed(generation: &Generation, allowed: Option<&Allowed>, unit: u32) -> bool {
    let entry = |unit: u32| generation.owners[unit as usize] as usize;
    (unit as usize) < generation.searchable && allowed.is_none_or(|allowed| allowed.entries[entry(unit)])
}
