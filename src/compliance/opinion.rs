//! From what the likeness model takes for a violation to what an agent is shown: the sentence, the words that tell most, the
//! replacement of the check that speaks of the same things. It warns, and softens a block to a warning; it never blocks and
//! never lets pass what a check found.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::likeness::{self, Likeness};
use super::{Violation, applies};
use crate::corpus::{Channel, Check, CheckRule, CheckSeverity};
use crate::pattern::{Reading, Span};

/// A model and how sure it must be.
#[derive(Debug, Clone)]
pub struct Opinion {
    /// The model.
    pub model: Arc<Likeness>,
    /// Sentences with a higher probability than this are raised.
    pub raised_above: f32,
    /// What a check blocks for a sentence with a lower probability than this is only warned of.
    pub softened_below: f32,
}

impl Opinion {
    /// The opinion that raises no more than the share `warned` of clean drafts and softens no more than the share `softened` of
    /// rightly blocked ones, as measured when `model` was made; none where that comes to nothing, as with 0 and 0.
    pub fn new(model: Arc<Likeness>, warned: f32, softened: f32) -> Option<Self> {
        let (raised_above, softened_below) = (model.threshold(warned), model.softened_below(softened));
        if raised_above.is_none() && softened_below.is_none() {
            return None;
        }
        let (raised_above, softened_below) = (raised_above.unwrap_or(1.0), softened_below.unwrap_or(0.0));
        Some(Opinion { model, raised_above, softened_below })
    }

    /// Softens blocks in `violations` whose sentences read like clean ones, and returns the sentences that read like violations
    /// and in which none of them stands.
    pub(super) fn apply(&self, chars: &[char], reading: &Reading, violations: &mut [Violation]) -> Vec<Suspicion> {
        let sentences = likeness::sentences(chars, reading);
        let read = self.model.judged(&sentences);
        for violation in violations.iter_mut().filter(|violation| violation.severity == CheckSeverity::Block) {
            if highest(&read, violation.span) < self.softened_below {
                violation.severity = CheckSeverity::Warn;
            }
        }
        let raised = read.into_iter().zip(&sentences).filter(|(suspicion, _)| {
            suspicion.probability > self.raised_above && !violations.iter().any(|known| overlap(known.span, suspicion.span))
        });
        let with_words = raised.map(|(suspicion, sentence)| {
            let words = self.model.telling(sentence, suspicion.rule);
            Suspicion { words, ..suspicion }
        });
        merged(with_words, chars)
    }
}

/// The highest probability among the sentences that share characters with `span`.
pub fn highest(read: &[Suspicion], span: Span) -> f32 {
    read.iter().filter(|suspicion| overlap(suspicion.span, span)).map(|suspicion| suspicion.probability).fold(0.0, f32::max)
}

/// True if the two share a character.
pub fn overlap(a: Span, b: Span) -> bool {
    a.start < b.end && b.start < a.end
}

/// A sentence with what it reads like.
#[derive(Debug, Clone, PartialEq)]
pub struct Suspicion {
    /// The rule it breaks most probably, if it breaks one.
    pub rule: CheckRule,
    /// The probability that it breaks any.
    pub probability: f32,
    /// The sentence.
    pub span: Span,
    /// The words in it that tell most; the whole sentence as long as nobody has asked for them.
    pub words: Span,
}

impl Likeness {
    /// Every sentence with what it reads like, in order.
    pub fn read(&self, chars: &[char], reading: &Reading) -> Vec<Suspicion> {
        self.judged(&likeness::sentences(chars, reading))
    }

    fn judged(&self, sentences: &[likeness::Sentence]) -> Vec<Suspicion> {
        let judge = |sentence: &likeness::Sentence| {
            let judgement = self.judge(sentence);
            let span = sentence.span;
            Suspicion { rule: judgement.rule, probability: judgement.probability, span, words: span }
        };
        sentences.iter().map(judge).collect()
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
