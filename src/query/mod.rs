//! The query service: from a customer's words to ranked, explained candidates. [`search`] reads as the list of stages. It
//! never imports `http` or `cli`, and it takes its generation as an argument.

mod answerable;
mod diagnose;
mod explain;
mod features;
mod filter;
mod highlight;
mod ranker;
mod read;
mod rerank;
mod retrieve;

pub use answerable::{Answerable, NEARNESS, nearness};
pub use diagnose::{ChannelStanding, Diagnosis, Difference, NegativePart, Rival, Shared, Stage, Thresholds, diagnose};
pub use explain::{Explanation, FeaturePart, explain};
pub use features::{FEATURES, Features, Judged};
pub use filter::{Filters, Refusal};
pub use highlight::highlights;
pub(crate) use ranker::logistic;
pub use ranker::{Calibration, Ranker, Terms, margin};
pub use read::{Readings, read};
pub use rerank::Reranking;
pub use retrieve::Expansion;

use retrieve::PoolSizes;
use std::sync::Arc;

use serde::Serialize;

use crate::corpus::{Date, Kind};
use crate::embedding::{Places, Role};
use crate::error::{Error, Result};
use crate::generation::{Generation, UnitField};
use crate::lexical::Channel;
use crate::text::{Correction, Form, Tokens, apply, normalise, units};

/// Longest query, in characters.
pub const MAX_QUERY_CHARS: usize = 2_000;
/// Places of a query that are compared with those of candidates.
const MAX_PLACES: usize = 96;
/// Most results of one query.
pub const MAX_TOP_K: usize = 100;

/// Which evidence to use.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Mode {
    /// Keywords only.
    Lexical,
    /// Vectors only.
    Vector,
    /// Both.
    #[default]
    Hybrid,
}

/// A search to be done.
#[derive(Debug, Clone)]
pub struct Query {
    /// The customer's words.
    pub text: String,
    /// How many results, from 1 to [`MAX_TOP_K`].
    pub top_k: usize,
    /// Which entries may be found.
    pub filters: Filters,
    /// The day on which entries must be valid.
    pub as_of: Date,
    /// Which evidence to use.
    pub mode: Mode,
}

impl Query {
    /// A query for the best `top_k` entries of any kind, valid on `as_of`.
    pub fn new(text: impl Into<String>, top_k: usize, as_of: Date) -> Self {
        Query { text: text.into(), top_k, filters: Filters::default(), as_of, mode: Mode::default() }
    }
}

/// One thing that was found.
#[derive(Debug, Clone)]
pub struct Hit {
    /// Index of the target in the generation.
    pub target: u32,
    /// Final score, from 0 to 1; results are ordered by it.
    pub score: f32,
    /// What the ranker made of the evidence: the weighted sum of the features where both sides are used.
    pub ranking_score: f32,
    /// Distance to the best rival's ranking score, as [`margin`] has it.
    pub margin: f32,
    /// Evidence of the rival: for the first result the best one of another entry, for the others the first; nothing but zeros without one.
    pub rival: Features,
    /// What a cross-encoder made of it, 0 if it was not read; none without a cross-encoder.
    pub relevance: Option<f32>,
    /// Calibrated probability that this is a right answer.
    pub confidence: f32,
    /// Keyword evidence, from 0 to 1: the share of the query's weight that the best unit covers.
    pub keyword_score: f32,
    /// Cosine of the nearest unit, from 0 to 1 (negative ones count as 0).
    pub vector_score: f32,
    /// The unit that speaks most for this result.
    pub matched: u32,
    /// All evidence.
    pub features: Features,
}

/// The result of a search.
#[derive(Debug, Clone)]
pub struct Found {
    /// Results, best first; ties by entry id and section.
    pub hits: Vec<Hit>,
    /// How the query was read.
    pub tokens: Tokens,
    /// How many targets were compared.
    pub candidates: usize,
}

/// How sure the answer as a whole is, for decisions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Decision {
    /// Sure enough to answer without a person, at the promised precision.
    Answer,
    /// Worth showing to an agent.
    Suggest,
    /// One question to the customer would separate the leading candidates.
    Clarify,
    /// A person must take over.
    Handoff,
    /// The corpus has nothing on this.
    NoMatch,
}

/// A customer's words, analysed and embedded once, for any number of searches in the same generation.
pub struct Understood {
    /// The tokens.
    pub tokens: Tokens,
    /// The words as they were read, if some were misspelt.
    pub corrected: Option<String>,
    text: String,
    vector: Vec<f32>,
    /// By the second reading; empty where the model has none.
    context: Vec<f32>,
    places: Arc<Places>,
    /// How rare each place's character is in the corpus; empty where the model has places of another kind.
    rarities: Vec<f32>,
    form: Form,
}

/// Analyses and embeds `text`.
///
/// # Errors
/// [`Error::InvalidRequest`] if it is empty or longer than [`MAX_QUERY_CHARS`].
pub fn understand(generation: &Generation, text: &str) -> Result<Understood> {
    check_length("query", text)?;
    let normalised = normalise(text);
    let corrected = apply(&normalised, &corrections(generation, &normalised));
    let text = corrected.as_deref().unwrap_or(text);
    let vector = generation.embedder.embed(&[text], Role::Query)?.pop().unwrap_or_default();
    let context = generation.embedder.embed_context(&[text])?.pop().unwrap_or_default();
    let places = generation.embedder.places(text, MAX_PLACES);
    let tokens = generation.analyzer.analyze(text);
    let rarity = |(_, unit): &(usize, &str)| generation.tokens.rarity(Channel::Chars, unit);
    let rarities: Vec<f32> = units(&tokens.text).iter().take(places.len()).map(rarity).collect();
    let form = Form::of(&tokens.text);
    Ok(Understood { tokens, text: text.to_owned(), vector, context, places, rarities, form, corrected })
}

/// Checks that `text`, the request's field `name`, is neither empty nor too long.
fn check_length(name: &str, text: &str) -> Result<()> {
    let length = text.chars().count();
    if text.trim().is_empty() {
        return Err(Error::InvalidRequest(format!("{name} is empty; send the customer's words")));
    }
    if length > MAX_QUERY_CHARS {
        return Err(Error::InvalidRequest(format!("{name} has {length} characters; the limit is {MAX_QUERY_CHARS}")));
    }
    Ok(())
}

/// Misspelt words of a normalised query with what they are read as.
fn corrections(generation: &Generation, normalised: &str) -> Vec<Correction> {
    let known = |pair: &str| generation.tokens.knows(Channel::Bigrams, pair);
    generation.corrector.corrections(normalised, &generation.analyzer, known)
}

/// Searches `generation`.
///
/// # Errors
/// [`Error::InvalidRequest`] if the query is empty or beyond its limits.
pub fn search(generation: &Generation, ranker: &Ranker, query: &Query) -> Result<Found> {
    let understood = understand(generation, &query.text)?;
    search_understood(generation, ranker, &understood, query)
}

/// Searches `generation` with words that were understood before; `query.text` is not looked at.
///
/// # Errors
/// [`Error::InvalidRequest`] if `top_k` is out of its limits.
pub fn search_understood(generation: &Generation, ranker: &Ranker, understood: &Understood, query: &Query) -> Result<Found> {
    if !(1..=MAX_TOP_K).contains(&query.top_k) {
        return Err(Error::InvalidRequest(format!("top_k is {}; use 1 to {MAX_TOP_K}", query.top_k)));
    }
    let judged = judge(generation, understood, query)?;
    let mut hits = order(generation, ranker, understood, &judged, query.mode)?;
    hits.truncate(query.top_k);
    Ok(Found { hits, tokens: understood.tokens.clone(), candidates: judged.len() })
}

/// Orders all candidates, best first.
fn order(generation: &Generation, ranker: &Ranker, understood: &Understood, judged: &[Judged], mode: Mode) -> Result<Vec<Hit>> {
    let hits = ranker.rank(generation, judged, mode);
    if mode == Mode::Hybrid { ranker.rerank(generation, &understood.text, hits) } else { Ok(hits) }
}

/// Retrieves candidates and measures the evidence for each, in order of target; what a ranker is trained on.
///
/// # Errors
/// If the index cannot be read.
pub fn judge(generation: &Generation, understood: &Understood, query: &Query) -> Result<Vec<Judged>> {
    let allowed = filter::allowed(generation, &query.filters, query.as_of);
    let Understood { tokens, vector, .. } = understood;
    let pools = retrieve::pools(generation, tokens, vector, allowed.as_ref(), query.mode, PoolSizes::OF_A_SEARCH)?;
    Ok(features::compute(generation, understood, &retrieve::gather(generation, &pools), query.mode))
}

/// The kinds of entries that answer a customer.
pub const ANSWERING_KINDS: &[Kind] = &[Kind::Faq, Kind::Manual];

/// The field of a hit's best unit.
pub fn matched_field(generation: &Generation, hit: &Hit) -> UnitField {
    generation.units[hit.matched as usize].field
}
