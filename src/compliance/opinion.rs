//! From what the likeness model takes for a violation to what an agent is shown: the sentence, the words that tell most, the
//! replacement of the check that speaks of the same things.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::likeness::{self, Likeness};
use super::{Violation, applies};
use crate::corpus::{Channel, Check, CheckRule};
use crate::pattern::{Reading, Span};

/// A model and how sure it must be.
#[derive(Debug, Clone)]
pub struct Opinion {
    /// The model.
    pub model: Arc<Likeness>,
    /// Sentences with a higher probability than this are raised.
    pub least: f32,
}

impl Opinion {
    /// The opinion that raises no more than `share` of clean drafts, as measured when `model` was made; none where it knows no
    /// probability for so low a share, 0 above all.
    pub fn new(model: Arc<Likeness>, share: f32) -> Option<Self> {
        let least = model.threshold(share)?;
        Some(Opinion { model, least })
    }
}

/// A sentence that reads like a violation.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspicion {
    /// The rule it seems to break.
    pub rule: CheckRule,
    /// The probability that it breaks any.
    pub probability: f32,
    /// The sentence.
    pub span: Span,
    /// The words in it that tell most.
    pub words: Span,
}

impl Likeness {
    /// Sentences whose probability is above `least` and in which nothing of `known` stands, in order; neighbours that seem to
    /// break the same rule as one.
    pub fn suspicions(&self, chars: &[char], reading: &Reading, least: f32, known: &[Violation]) -> Vec<Suspicion> {
        merged(self.single_suspicions(chars, reading, least, known), chars)
    }

    /// The same, sentence by sentence.
    pub fn single_suspicions(&self, chars: &[char], reading: &Reading, least: f32, known: &[Violation]) -> Vec<Suspicion> {
        let overlaps = |a: Span, b: Span| a.start < b.end && b.start < a.end;
        likeness::sentences(chars, reading)
            .iter()
            .filter(|sentence| !known.iter().any(|violation| overlaps(violation.span, sentence.span)))
            .filter_map(|sentence| {
                let judgement = self.judge(sentence);
                (judgement.probability > least).then(|| Suspicion {
                    rule: judgement.rule,
                    probability: judgement.probability,
                    span: sentence.span,
                    words: self.telling(sentence, judgement.rule),
                })
            })
            .collect()
    }
}

/// `suspicions` in order, neighbours that seem to break the same rule as one.
pub fn merged(suspicions: impl IntoIterator<Item = Suspicion>, chars: &[char]) -> Vec<Suspicion> {
    let blank = |from: u32, to: u32| chars[from as usize..to as usize].iter().all(|c| c.is_whitespace());
    let mut merged: Vec<Suspicion> = Vec::new();
    for next in suspicions {
        match merged.last_mut() {
            Some(last) if last.rule == next.rule && blank(last.span.end, next.span.start) => {
                last.span.end = next.span.end;
                if next.probability > last.probability {
                    (last.probability, last.words) = (next.probability, next.words);
                }
            }
            _ => merged.push(next),
        }
    }
    merged
}

/// Why a sentence is shown that no check has words for.
pub(super) fn reason(rule: CheckRule) -> String {
    let name = match rule {
        CheckRule::OverPromise => "过度承诺",
        CheckRule::Evasion => "推诿",
        CheckRule::Vague => "含糊",
        CheckRule::Superlative => "极限用语",
        CheckRule::OffPlatform => "引导站外",
        CheckRule::Credential => "索要密码验证码",
        CheckRule::Blame => "指责顾客",
        CheckRule::MedicalClaim => "医疗功效",
        CheckRule::Insult => "辱骂",
    };
    format!("没有命中具体字词，但整句与“{name}”的违规例句相似，发送前请再看一眼")
}

/// What the checks speak of: the pairs of characters in their phrases, reasons and replacements, by number of the check.
#[derive(Debug, Clone)]
pub(super) struct Themes {
    pairs: Vec<BTreeSet<(char, char)>>,
}

impl Themes {
    pub fn new(checks: &[Check]) -> Self {
        let pairs_of = |check: &Check| {
            let texts = check.patterns.iter().chain([&check.reason, &check.replacement]);
            texts.flat_map(|text| pairs(&Reading::plain(text))).collect()
        };
        Themes { pairs: checks.iter().map(pairs_of).collect() }
    }

    /// The check of `rule` for `channel` that speaks most of what `sentence` speaks of, for its size; the first of equals.
    pub fn nearest<'c>(
        &self,
        checks: &'c [Check],
        rule: CheckRule,
        channel: Option<Channel>,
        sentence: &Reading,
    ) -> Option<&'c Check> {
        let said = pairs(sentence);
        let mut best: Option<(f32, &Check)> = None;
        for (check, theme) in checks.iter().zip(&self.pairs).filter(|(check, _)| check.rule == rule && applies(check, channel)) {
            let shared = said.intersection(theme).count() as f32 / (theme.len().max(1) as f32).sqrt();
            if best.is_none_or(|(most, _)| shared > most) {
                best = Some((shared, check));
            }
        }
        best.map(|(_, check)| check)
    }
}

fn pairs(reading: &Reading) -> BTreeSet<(char, char)> {
    reading.units.windows(2).map(|pair| (pair[0].char, pair[1].char)).collect()
}
