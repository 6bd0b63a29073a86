//! Which stage of a search lost an entry. It is read off the stages of the real search: the same pools, evidence and ranker, asked
//! once more with greater limits where a number beyond the cut is wanted. Nothing here ranks on its own.

use std::collections::BTreeSet;

use serde::Serialize;

use super::filter::{self, Refusal};
use super::retrieve::{self, PoolSizes, Pools};
use super::{FEATURES, Hit, Judged, Mode, Query, Ranker, Understood, order};
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::lexical::Channel;
use crate::text::Tokens;

/// Where an entry can be lost, in the order in which a search comes by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Stage {
    /// It is not published, or the request's filters exclude it.
    Filter,
    /// It is not valid on the day.
    Validity,
    /// The query shares no token with it and points away from it: nothing reaches it.
    Analysis,
    /// Neither side has it among its best.
    CandidatePool,
    /// It would be first if the query were not so near to one of its negative phrasings.
    Negative,
    /// The ranker puts another entry first.
    Fusion,
    /// The ranker had it first, the cross-encoder has not.
    CrossEncoder,
    /// It is first, and not sure enough.
    Threshold,
}

impl Stage {
    /// The written form.
    pub fn as_str(self) -> &'static str {
        match self {
            Stage::Filter => "filter",
            Stage::Validity => "validity",
            Stage::Analysis => "analysis",
            Stage::CandidatePool => "candidate_pool",
            Stage::Negative => "negative",
            Stage::Fusion => "fusion",
            Stage::CrossEncoder => "cross_encoder",
            Stage::Threshold => "threshold",
        }
    }
}

/// What a first result must reach.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Thresholds {
    /// Score below which the request leaves hits out.
    pub score_threshold: f32,
    /// Probability of an answer below which nothing is suggested.
    pub answerable: f32,
    /// Confidence below which nothing is suggested.
    pub suggest_confidence: f32,
    /// Confidence from which it is answered directly; none if nothing is sure enough for the promise.
    pub answer_confidence: Option<f32>,
    /// The promised precision that this confidence keeps.
    pub answer_precision: f32,
}

/// What became of one entry in one search.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The entry.
    pub entry_id: String,
    /// The stage that lost it; none if it is first and sure enough to be answered.
    pub stage: Option<Stage>,
    /// What keeps it from being found, if anything does.
    pub refused_by: Vec<Refusal>,
    /// Tokens that the query has in common with the entry.
    pub shared: Shared,
    /// Its best text on each side of retrieval, against the cut; empty if it is refused.
    pub pools: Vec<ChannelStanding>,
    /// Place of its best result among all candidates, from 1; none if it is not a candidate.
    pub rank: Option<usize>,
    /// Its final score.
    pub score: Option<f32>,
    /// Its confidence.
    pub confidence: Option<f32>,
    /// Probability, by its evidence, that the corpus has an answer at all.
    pub answerable: Option<f32>,
    /// Its weighted sum of features.
    pub ranking_score: Option<f32>,
    /// True if it is among the `top_k` hits of the request.
    pub shown: bool,
    /// The negative phrasing that pushes it down, if one does.
    pub negative: Option<NegativePart>,
    /// The entry that is ranked just above it and, if that is another, the first one.
    pub outranked_by: Vec<Rival>,
    /// What a first result must reach.
    pub thresholds: Thresholds,
}

/// Tokens of the query, after corrections, that an entry's texts have or lack.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Shared {
    /// Words.
    pub words: Vec<String>,
    /// Characters.
    pub chars: Vec<String>,
    /// Character bigrams.
    pub bigrams: Vec<String>,
    /// Synonyms of the query's words.
    pub synonyms: Vec<String>,
    /// Words of the query that no text of the corpus has.
    pub unknown_words: Vec<String>,
}

/// An entry's best text in one channel of retrieval.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ChannelStanding {
    /// `phrases` and `passages` (BM25) or `vectors` (cosine).
    pub channel: &'static str,
    /// How many texts the channel passes on.
    pub size: usize,
    /// Score of the last text that is passed on; none if all fit.
    pub cut: Option<f32>,
    /// Place of the entry's best text, from 1; none if no text of it matches.
    pub rank: Option<usize>,
    /// Its score.
    pub score: Option<f32>,
    /// The text.
    pub text: Option<String>,
    /// True if it is passed on.
    pub kept: bool,
}

/// A negative phrasing that counts against its entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NegativePart {
    /// The phrasing.
    pub text: String,
    /// Its cosine with the query.
    pub cosine: f32,
    /// Best cosine of the entry's own phrasings.
    pub own_cosine: f32,
    /// Contribution to the ranking score.
    pub contribution: f32,
    /// Place the entry would have without it, before a cross-encoder.
    pub rank_without: usize,
}

/// A result that stands above the entry.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Rival {
    /// Its entry.
    pub entry_id: String,
    /// Its place, from 1.
    pub rank: usize,
    /// Its final score.
    pub score: f32,
    /// Its confidence.
    pub confidence: f32,
    /// Its weighted sum of features.
    pub ranking_score: f32,
    /// Where the two ranking scores differ, greatest difference first.
    pub differences: Vec<Difference>,
}

/// What one feature contributes to two results.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Difference {
    /// Name of the feature.
    pub name: &'static str,
    /// Value of the entry asked about.
    pub value: f32,
    /// Value of the result above it.
    pub rival_value: f32,
    /// What the rival gains by it in ranking score; below 0 where the feature speaks for the entry.
    pub difference: f32,
}

/// Finds out what becomes of the entry `id` in the search `query`.
///
/// # Errors
/// [`Error::NotFound`] if there is no such entry.
pub fn diagnose(
    generation: &Generation,
    ranker: &Ranker,
    understood: &Understood,
    query: &Query,
    id: &str,
    thresholds: Thresholds,
) -> Result<Diagnosis> {
    let number = generation
        .entry_number(id)
        .ok_or_else(|| Error::NotFound(format!("there is no entry “{id}” in {}; ids are in the corpus files", generation.id())))?;
    let of_entry = |target: u32| generation.targets[target as usize].entry == number;
    let mut out = Diagnosis {
        entry_id: id.to_owned(),
        stage: None,
        refused_by: filter::refusals(&query.filters, &generation.entries[number as usize], query.as_of),
        shared: shared(generation, &understood.tokens, number),
        pools: Vec::new(),
        rank: None,
        score: None,
        confidence: None,
        answerable: None,
        ranking_score: None,
        shown: false,
        negative: None,
        outranked_by: Vec::new(),
        thresholds,
    };
    if let Some(first) = out.refused_by.first() {
        let by_date = matches!(first, Refusal::ValidFrom | Refusal::ValidUntil);
        out.stage = Some(if by_date { Stage::Validity } else { Stage::Filter });
        return Ok(out);
    }
    out.pools = standings(generation, understood, query, number)?;
    let judged = super::judge(generation, understood, query)?;
    let hits = order(generation, ranker, understood, &judged, query.mode)?;
    let Some(at) = hits.iter().position(|hit| of_entry(hit.target)) else {
        out.stage = Some(if is_reached(&out.pools) { Stage::CandidatePool } else { Stage::Analysis });
        return Ok(out);
    };
    let hit = &hits[at];
    out.rank = Some(at + 1);
    (out.score, out.confidence, out.ranking_score) = (Some(hit.score), Some(hit.confidence), Some(hit.ranking_score));
    out.answerable = Some(ranker.answerable(generation, hit));
    out.shown = at < query.top_k && hit.score >= thresholds.score_threshold;
    out.negative = negative(generation, ranker, understood, &judged, hit, query.mode);
    let weights = ranker.ordered();
    out.outranked_by = at
        .checked_sub(1)
        .into_iter()
        .chain((at > 1).then_some(0))
        .map(|rival| rival_of(generation, weights, &hits, at, rival))
        .collect();
    out.stage = match () {
        () if !is_reached(&out.pools) => Some(Stage::Analysis),
        () if at > 0 && ranker.rank(generation, &judged, query.mode).first().is_some_and(|first| of_entry(first.target)) => {
            Some(Stage::CrossEncoder)
        }
        () if at > 0 && out.negative.as_ref().is_some_and(|negative| negative.rank_without == 1) => Some(Stage::Negative),
        () if at > 0 => Some(Stage::Fusion),
        () if is_sure(hit, out.answerable, &thresholds) => None,
        () => Some(Stage::Threshold),
    };
    Ok(out)
}

fn is_sure(hit: &Hit, answerable: Option<f32>, thresholds: &Thresholds) -> bool {
    hit.score >= thresholds.score_threshold
        && answerable.is_none_or(|answerable| answerable >= thresholds.answerable)
        && hit.confidence >= thresholds.suggest_confidence
        && thresholds.answer_confidence.is_some_and(|needed| hit.confidence >= needed)
}

/// True if any side has a score above 0 for the entry.
fn is_reached(pools: &[ChannelStanding]) -> bool {
    pools.iter().any(|channel| channel.score.is_some_and(|score| score > 0.0))
}

/// Asks the sides of retrieval once more, for all texts, and looks where the entry's best ones stand.
fn standings(generation: &Generation, understood: &Understood, query: &Query, entry: u32) -> Result<Vec<ChannelStanding>> {
    let allowed = filter::allowed(generation, &query.filters, query.as_of);
    let all = PoolSizes { phrases: generation.searchable, passages: generation.searchable, vectors: generation.searchable };
    let Understood { tokens, vector, .. } = understood;
    let sizes = PoolSizes::OF_A_SEARCH;
    let ask = |sizes| retrieve::pools(generation, tokens, vector, allowed.as_ref(), query.mode, sizes);
    // Among very many vectors a search may miss one that stands before its cut.
    let (Pools { phrases, passages, vectors }, searched) = (ask(all)?, ask(sizes)?);
    let is_of_entry = |(unit, _): &(u32, f32)| generation.owners[*unit as usize] == entry;
    let standing = |channel, pool: &[(u32, f32)], searched: &[(u32, f32)], size: usize| {
        let at = pool.iter().position(is_of_entry);
        ChannelStanding {
            channel,
            size,
            cut: pool.get(size - 1).filter(|_| pool.len() > size).map(|(_, score)| *score),
            rank: at.map(|at| at + 1),
            score: at.map(|at| pool[at].1),
            text: at.map(|at| generation.units[pool[at].0 as usize].text.clone()),
            kept: searched.iter().any(is_of_entry),
        }
    };
    Ok(vec![
        standing("phrases", &phrases, &searched.phrases, sizes.phrases),
        standing("passages", &passages, &searched.passages, sizes.passages),
        standing("vectors", &vectors, &searched.vectors, sizes.vectors),
    ])
}

/// Tokens that the query and the texts of an entry have in common. An entry that is not published has no texts.
fn shared(generation: &Generation, tokens: &Tokens, entry: u32) -> Shared {
    let mut texts = [BTreeSet::new(), BTreeSet::new(), BTreeSet::new()];
    for target in generation.targets.iter().filter(|target| target.entry == entry) {
        for unit in target.units.clone() {
            let Tokens { words, chars, bigrams, .. } = generation.analyzer.analyze(&generation.units[unit as usize].text);
            texts.iter_mut().zip([words, chars, bigrams]).for_each(|(known, tokens)| known.extend(tokens));
        }
    }
    let [words, chars, bigrams] = &texts;
    let common = |tokens: &[String], known: &BTreeSet<String>| distinct(tokens.iter().filter(|token| known.contains(*token)));
    let expansions: Vec<String> = retrieve::expand(generation, tokens).into_iter().map(|expansion| expansion.word).collect();
    Shared {
        words: common(&tokens.words, words),
        chars: common(&tokens.chars, chars),
        bigrams: common(&tokens.bigrams, bigrams),
        synonyms: common(&expansions, words),
        unknown_words: unknown_words(generation, tokens),
    }
}

/// Words of a query that no text of the corpus has.
pub(super) fn unknown_words(generation: &Generation, tokens: &Tokens) -> Vec<String> {
    distinct(tokens.words.iter().filter(|word| !generation.tokens.knows(Channel::Words, word)))
}

/// Each token once, in order of first appearance.
fn distinct<'t>(tokens: impl Iterator<Item = &'t String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for token in tokens {
        if !out.contains(token) {
            out.push(token.clone());
        }
    }
    out
}

/// The negative phrasing that counts against `hit`, and where the entry would stand without the penalty.
fn negative(
    generation: &Generation,
    ranker: &Ranker,
    understood: &Understood,
    judged: &[Judged],
    hit: &Hit,
    mode: Mode,
) -> Option<NegativePart> {
    if hit.features.negative <= 0.0 {
        return None;
    }
    let target = &generation.targets[hit.target as usize];
    let cosine = |unit: u32| generation.vectors.cosine(&understood.vector, unit);
    let (nearest, nearness) =
        target.negatives.clone().map(|unit| (unit, cosine(unit))).max_by(|a, b| a.1.total_cmp(&b.1).then(b.0.cmp(&a.0)))?;
    let mut without = judged.to_vec();
    without.iter_mut().filter(|judged| judged.target == hit.target).for_each(|judged| judged.features.negative = 0.0);
    let reordered = ranker.rank(generation, &without, mode);
    let rank_without = reordered.iter().position(|other| other.target == hit.target)? + 1;
    let at = FEATURES.iter().position(|name| *name == "negative")?;
    Some(NegativePart {
        text: generation.units[nearest as usize].text.clone(),
        cosine: nearness,
        own_cosine: hit.features.cosine,
        contribution: hit.features.negative * ranker.ordered()[at],
        rank_without,
    })
}

/// Compares the hit at `at` with the one at `rival`, which stands above it.
fn rival_of(generation: &Generation, weights: &[f32], hits: &[Hit], at: usize, rival: usize) -> Rival {
    let (own, other) = (&hits[at], &hits[rival]);
    let values = own.features.values().into_iter().zip(other.features.values());
    let mut differences: Vec<Difference> = FEATURES
        .iter()
        .zip(values)
        .zip(weights)
        .map(|((name, (value, rival_value)), weight)| Difference {
            name,
            value,
            rival_value,
            difference: (rival_value - value) * weight,
        })
        .filter(|difference| difference.difference != 0.0)
        .collect();
    differences.sort_by(|a, b| b.difference.abs().total_cmp(&a.difference.abs()).then(a.name.cmp(b.name)));
    let entry = generation.targets[other.target as usize].entry;
    Rival {
        entry_id: generation.entries[entry as usize].id.clone(),
        rank: rival + 1,
        score: other.score,
        confidence: other.confidence,
        ranking_score: other.ranking_score,
        differences,
    }
}
