//! Risk: whether a customer's words call for more than an answer. Words (with their evasions) and meaning (nearness to a rule's
//! examples) speak for a rule; a hypothetical question, and nearness to an ordinary question, speak against it.
//!
//! Level 1 is read for recall: the customer is handed to a person, and a needless handover costs less than a missed fire. The
//! thresholds belong to the shipped model; `tests/risks.rs` measures what they give.

mod hypothetical;

use std::cell::OnceCell;

use serde::{Deserialize, Serialize};

use crate::corpus::{EntryBody, Risk};
use crate::embedding::Role;
use crate::error::Result;
use crate::generation::{Generation, Target, UnitField};
use crate::pattern::{Gap, Reading, Span};

/// Thresholds on the cosine, shipped beside the ranker because they belong to the model.
const THRESHOLDS: &str = include_str!("thresholds.json");
/// Messages of a conversation that are looked at, the last ones.
pub const MAX_MESSAGES: usize = 10;
/// Messages whose meaning is looked at; for the others words are enough.
const MEANING_MESSAGES: usize = 3;
/// Sentences of a message whose meaning is looked at one by one.
const MAX_SENTENCES: usize = 6;
/// Shorter sentences have no meaning of their own.
const SENTENCE_CHARS: usize = 5;

/// What raised a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum MatchedBy {
    /// One of its words, evasions read as what they stand for.
    Words,
    /// One of its words, by sound, and the meaning fits.
    Sound,
    /// The meaning of one of its examples.
    Meaning,
}

/// What is known of the risk in a conversation.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct RiskAssessment {
    /// The gravest level, 1 to 3; none if there is no risk.
    pub level: Option<u8>,
    /// The rules raised, gravest and surest first.
    pub rules: Vec<RaisedRule>,
    /// The last message comes so near a rule of level 1 that no program should answer it alone, raised or not.
    #[serde(skip)]
    pub doubtful: bool,
}

/// A rule that was raised.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RaisedRule {
    /// Id of the entry.
    pub id: String,
    /// Its title.
    pub title: String,
    /// 1 (hand over at once) to 3.
    pub level: u8,
    /// Who takes over.
    pub team: String,
    /// Minutes until somebody must have reacted.
    pub deadline_minutes: u32,
    /// Which of the customer's messages raised it: 0 for the last, 1 for the one before, and so on.
    pub message: usize,
    /// The words concerned, in Unicode characters of that message.
    pub span: Span,
    /// These words.
    pub text: String,
    /// What raised it.
    pub matched_by: MatchedBy,
    /// How near the meaning is to the rule's examples, from 0 to 1; 0 where only words were looked at.
    pub similarity: f32,
    /// How near the nearest ordinary question is, from 0 to 1.
    #[serde(skip)]
    pub ordinary: f32,
    /// What the reply must say.
    pub must_say: Vec<String>,
    /// What may not be promised.
    pub must_not_promise: Vec<String>,
    /// Compliant wording, a template.
    #[serde(skip)]
    pub reply: String,
}

/// From where on meaning speaks for a rule.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thresholds {
    /// For rules of level 1.
    pub level_1: Threshold,
    /// For rules of level 2.
    pub level_2: Threshold,
    /// For rules of level 3.
    pub level_3: Threshold,
    /// For rules of level 1 where a word of danger stands in the text.
    pub danger: Threshold,
    /// For rules of level 1, from where on an answer is left to a person although nothing was raised.
    pub doubt: Threshold,
    /// Least cosine where a word was only heard.
    pub heard: f32,
    /// What a hypothetical question adds to all of them.
    pub hypothetical: f32,
}

/// One threshold.
#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Threshold {
    /// Least cosine to an example.
    pub cosine: f32,
    /// Least distance to the cosine of the nearest ordinary question.
    pub margin: f32,
}

impl Thresholds {
    /// Reads thresholds.
    ///
    /// # Errors
    /// If `text` is not the JSON of all of them.
    pub fn parse(text: &str) -> Result<Self> {
        serde_json::from_str(text).map_err(|error| crate::Error::internal("risk thresholds cannot be read", error))
    }
}

/// Evidence for one rule in one message.
#[derive(Clone, Copy)]
struct Evidence {
    span: Span,
    matched_by: MatchedBy,
    similarity: f32,
    ordinary: f32,
}

/// A part of a message with its vector's nearest neighbours.
struct Sentence {
    span: Span,
    vector: Vec<f32>,
    /// Greatest cosine by entry, for risk rules only.
    by_rule: Vec<(u32, f32)>,
    /// See [`Sentence::ordinary`].
    ordinary: OnceCell<f32>,
}

impl Sentence {
    /// Greatest cosine to a phrasing of an ordinary question. It takes a look at all of them, so only sentences that come near
    /// a rule are asked.
    fn ordinary(&self, generation: &Generation) -> f32 {
        let is_ordinary = |unit: u32| {
            let unit = &generation.units[unit as usize];
            let entry = generation.targets[unit.target as usize].entry;
            matches!(unit.field, UnitField::Question | UnitField::Similar)
                && matches!(generation.entries[entry as usize].body, EntryBody::Faq(_))
        };
        *self.ordinary.get_or_init(|| {
            let nearest = generation.vectors.search(&self.vector, 1, is_ordinary);
            nearest.first().map_or(0.0, |(_, cosine)| cosine.max(0.0))
        })
    }
}

/// Assesses the customer's messages, oldest first. The last one may raise every level; what was said before it only matters
/// while it is of level 1.
///
/// # Errors
/// If the model fails, or its thresholds cannot be read.
pub fn assess(generation: &Generation, messages: &[&str]) -> Result<RiskAssessment> {
    assess_with(generation, messages, &Thresholds::parse(THRESHOLDS)?)
}

/// The same with other thresholds, for measuring them.
///
/// # Errors
/// If the model fails.
pub fn assess_with(generation: &Generation, messages: &[&str], thresholds: &Thresholds) -> Result<RiskAssessment> {
    let first = messages.len().saturating_sub(MAX_MESSAGES);
    let mut rules: Vec<RaisedRule> = Vec::new();
    let mut doubtful = false;
    for (number, message) in messages.iter().enumerate().skip(first) {
        let last = number + 1 == messages.len();
        let with_meaning = number + MEANING_MESSAGES >= messages.len();
        let (found, near) = message_evidence(generation, thresholds, message, with_meaning)?;
        doubtful = near;
        for (entry, evidence) in found {
            let entry = &generation.entries[entry as usize];
            let EntryBody::Risk(risk) = &entry.body else { continue };
            if last || risk.level == 1 {
                let raised = raised(entry.id.clone(), entry.title.clone(), risk, messages.len() - 1 - number, message, evidence);
                match rules.iter_mut().find(|other| other.id == raised.id) {
                    Some(other) => *other = raised,
                    None => rules.push(raised),
                }
            }
        }
    }
    rules.sort_by(|a, b| {
        let words = |rule: &RaisedRule| rule.matched_by != MatchedBy::Words;
        (a.level, words(a)).cmp(&(b.level, words(b))).then(b.similarity.total_cmp(&a.similarity)).then(a.id.cmp(&b.id))
    });
    Ok(RiskAssessment { level: rules.first().map(|rule| rule.level), rules, doubtful })
}

/// The rules one message raises, each with its best evidence; and whether it comes doubtfully near one of level 1.
fn message_evidence(
    generation: &Generation,
    thresholds: &Thresholds,
    message: &str,
    with_meaning: bool,
) -> Result<(Vec<(u32, Evidence)>, bool)> {
    let reading = Reading::new(message, &generation.screening.evasions);
    if reading.units.is_empty() {
        return Ok((Vec::new(), false));
    }
    let is_rule = |target: &&Target| matches!(generation.entries[target.entry as usize].body, EntryBody::Risk(_));
    let rules: Vec<&Target> = if with_meaning { generation.targets.iter().filter(is_rule).collect() } else { Vec::new() };
    let sentences = if with_meaning { sentences(generation, &reading, message, &rules)? } else { Vec::new() };
    let similarity = |entry: u32| {
        sentences.iter().flat_map(|s| &s.by_rule).filter(|(rule, _)| *rule == entry).map(|(_, cosine)| *cosine).fold(0.0, f32::max)
    };
    let ordinary = || sentences.first().map_or(0.0, |sentence| sentence.ordinary(generation));
    let asks = hypothetical::Questions::new(generation, &reading);
    let mut found: Vec<(u32, Evidence)> = Vec::new();
    let mut add = |entry: u32, evidence: Evidence| {
        if !found.iter().any(|(known, _)| *known == entry) {
            found.push((entry, evidence));
        }
    };
    let (hits, exceptions) = generation.risk_words.find_with_exceptions(&reading);
    for (entry, hit) in hits {
        let near = similarity(entry);
        if asks.cover(&hit) || hit.heard && near < thresholds.heard {
            continue;
        }
        let matched_by = if hit.heard { MatchedBy::Sound } else { MatchedBy::Words };
        add(entry, Evidence { span: Span { start: hit.start, end: hit.end }, matched_by, similarity: near, ordinary: ordinary() });
    }
    let danger = generation.danger_words.find(&reading).iter().any(|hit| !asks.cover(hit));
    let extra = if asks.any() { thresholds.hypothetical } else { 0.0 };
    let mut doubtful = false;
    for sentence in &sentences {
        for &(entry, cosine) in &sentence.by_rule {
            let EntryBody::Risk(risk) = &generation.entries[entry as usize].body else { continue };
            let threshold = match risk.level {
                1 if danger => thresholds.danger,
                1 => thresholds.level_1,
                2 => thresholds.level_2,
                _ => thresholds.level_3,
            };
            let beyond = |threshold: Threshold, extra: f32, sentence: &Sentence, cosine: f32| {
                cosine >= threshold.cosine + extra && cosine - sentence.ordinary(generation) >= threshold.margin + extra
            };
            let raises = |sentence: &Sentence, cosine: f32| beyond(threshold, extra, sentence, cosine);
            doubtful |= risk.level == 1 && beyond(thresholds.doubt, 0.0, sentence, cosine);
            if !raises(sentence, cosine) {
                continue;
            }
            // What the rule calls harmless says nothing for it, by meaning no more than by words: the rest must.
            let harmless: Vec<Span> = exceptions
                .iter()
                .filter(|(rule, hit)| *rule == entry && hit.start < sentence.span.end && sentence.span.start < hit.end)
                .map(|(_, hit)| Span { start: hit.start, end: hit.end })
                .collect();
            if !harmless.is_empty() {
                let rest = without(generation, message, sentence, &harmless, &rules)?;
                let near = rest.by_rule.iter().find(|(rule, _)| *rule == entry).map_or(0.0, |(_, cosine)| *cosine);
                if !raises(&rest, near) {
                    continue;
                }
            }
            add(
                entry,
                Evidence {
                    span: sentence.span,
                    matched_by: MatchedBy::Meaning,
                    similarity: cosine,
                    ordinary: sentence.ordinary(generation),
                },
            );
        }
    }
    Ok((found, doubtful))
}

/// The whole message and its longer sentences, compared with all examples.
fn sentences(generation: &Generation, reading: &Reading, message: &str, rules: &[&Target]) -> Result<Vec<Sentence>> {
    let mut spans = vec![(0, reading.units.len())];
    let mut begin = 0;
    for at in 1..=reading.units.len() {
        if at == reading.units.len() || reading.units[at].gap == Gap::Sentence {
            if at - begin >= SENTENCE_CHARS && (begin, at) != spans[0] && spans.len() <= MAX_SENTENCES {
                spans.push((begin, at));
            }
            begin = at;
        }
    }
    let chars: Vec<char> = message.chars().collect();
    let spans: Vec<Span> =
        spans.into_iter().map(|(from, to)| Span { start: reading.units[from].start, end: reading.units[to - 1].end }).collect();
    let texts: Vec<String> = spans.iter().map(|span| chars[span.start as usize..span.end as usize].iter().collect()).collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let vectors = generation.embedder.embed(&texts, Role::Query)?;
    Ok(spans.into_iter().zip(vectors).map(|(span, vector)| compare(generation, rules, span, vector)).collect())
}

/// `sentence` again, without what stands in `harmless`.
fn without(generation: &Generation, message: &str, sentence: &Sentence, harmless: &[Span], rules: &[&Target]) -> Result<Sentence> {
    let Span { start, end } = sentence.span;
    let kept: String = (start..end)
        .zip(message.chars().skip(start as usize))
        .filter(|(at, _)| !harmless.iter().any(|span| (span.start..span.end).contains(at)))
        .map(|(_, c)| c)
        .collect();
    if !kept.chars().any(char::is_alphanumeric) {
        return Ok(Sentence { span: sentence.span, vector: Vec::new(), by_rule: Vec::new(), ordinary: OnceCell::new() });
    }
    let vector = generation.embedder.embed(&[kept.as_str()], Role::Query)?.pop().unwrap_or_default();
    Ok(compare(generation, rules, sentence.span, vector))
}

fn compare(generation: &Generation, rules: &[&Target], span: Span, vector: Vec<f32>) -> Sentence {
    let nearest = |target: &Target| {
        let cosines = generation.vectors.cosines(&vector, target.units.clone());
        let examples = target.units.clone().zip(cosines);
        let examples = examples.filter(|(unit, _)| generation.units[*unit as usize].field == UnitField::Similar);
        examples.map(|(_, cosine)| cosine).fold(0.0, f32::max)
    };
    let mut by_rule: Vec<(u32, f32)> = rules.iter().map(|target| (target.entry, nearest(target))).collect();
    by_rule.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
    Sentence { span, vector, by_rule, ordinary: OnceCell::new() }
}

fn raised(id: String, title: String, risk: &Risk, message: usize, text: &str, evidence: Evidence) -> RaisedRule {
    let Evidence { span, matched_by, similarity, ordinary } = evidence;
    RaisedRule {
        id,
        title,
        level: risk.level,
        team: risk.team.clone(),
        deadline_minutes: risk.deadline_minutes,
        message,
        span,
        text: text.chars().skip(span.start as usize).take((span.end - span.start) as usize).collect(),
        matched_by,
        similarity,
        ordinary,
        must_say: risk.must_say.clone(),
        must_not_promise: risk.must_not_promise.clone(),
        reply: risk.reply.clone(),
    }
}
