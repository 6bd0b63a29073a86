//! Checks an agent's draft before it is sent: promises beyond authority, evasions, superlatives and the like, each with the
//! words concerned and a wording that may be sent instead. The rules are data of the corpus; what is here decides whether
//! the context makes a match harmless (a negation, a quotation, an exception). It never changes a draft.

mod context;
mod review;

pub use review::review;

use serde::Serialize;

use crate::corpus::{Channel, Check, CheckRule, CheckSeverity, Screening};
use crate::error::{Error, Result};
use crate::pattern::{Evasions, Hit, Pattern, PatternSet, Reading, Rulebook, Span};
use context::Context;

/// Longest draft, in characters.
pub const MAX_DRAFT_CHARS: usize = 8_000;
/// Marks that end a sentence wherever they stand; a full stop of ASCII may also stand inside a number or an address.
const SENTENCE_MARKS: &[char] = &['。', '！', '？', '；', '!', '?', ';', '\n', '\r'];
/// Characters that a sentence reaches to either side of the words; a longer one is cut where a clause ends.
const SENTENCE_REACH: usize = 40;
/// Group of words that turn what follows into its opposite.
const NEGATIONS: &str = "否定";
/// Group of words that announce somebody else's words.
const ATTRIBUTIONS: &str = "转述";
/// Group of words that speak about the quotation before them.
const MENTIONS: &str = "指称";

/// A fault in a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// The rule that is broken.
    pub rule: CheckRule,
    /// The check that found it.
    pub check: String,
    /// What is done with the draft.
    pub severity: CheckSeverity,
    /// The sentence that `replacement`, a sentence itself, may stand for, as a half-open span in Unicode characters of the draft.
    pub span: Span,
    /// That sentence.
    pub text: String,
    /// The words in it that break the rule.
    pub words: Span,
    /// What may be said instead.
    pub replacement: String,
    /// Why it is a fault.
    pub reason: String,
}

/// What is to be done with a draft as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It may be sent.
    Pass,
    /// The agent should look at it again.
    Warn,
    /// It must not be sent.
    Block,
}

impl Verdict {
    /// The verdict on a draft with these violations.
    pub fn of(violations: &[Violation]) -> Self {
        match violations.iter().map(|violation| violation.severity).max() {
            None => Verdict::Pass,
            Some(CheckSeverity::Warn) => Verdict::Warn,
            Some(CheckSeverity::Block) => Verdict::Block,
        }
    }
}

/// All checks of a corpus, compiled.
#[derive(Debug, Clone)]
pub struct Checker {
    checks: Vec<Check>,
    rules: Rulebook,
    context: Context,
    evasions: Evasions,
}

impl Checker {
    /// Compiles the checks of `screening`.
    ///
    /// # Errors
    /// [`Error::Internal`] if a pattern does not compile, which the corpus reader reports before.
    pub fn new(screening: &Screening) -> Result<Self> {
        let mut checker = Checker {
            checks: screening.checks.clone(),
            rules: Rulebook::default(),
            context: Context::new(screening)?,
            evasions: screening.evasions.clone(),
        };
        for (number, check) in screening.checks.iter().enumerate() {
            let added = checker.rules.add(number as u32, &check.patterns, &check.unless, &screening.groups);
            added.map_err(Error::Internal)?;
        }
        Ok(checker)
    }

    /// Checks a draft for `channel` (every channel's checks apply where it is not known); violations by place.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] if the draft is longer than [`MAX_DRAFT_CHARS`].
    pub fn check(&self, text: &str, channel: Option<Channel>) -> Result<Vec<Violation>> {
        let chars: Vec<char> = text.chars().collect();
        if chars.len() > MAX_DRAFT_CHARS {
            let what = format!("text has {} characters; the limit is {MAX_DRAFT_CHARS}", chars.len());
            return Err(Error::InvalidRequest(what));
        }
        let reading = Reading::new(text, &self.evasions);
        let surroundings = self.context.read(&reading, &chars);
        let mut found: Vec<(usize, Hit)> = Vec::new();
        for (owner, hit) in self.rules.find(&reading) {
            let check = &self.checks[owner as usize];
            let for_channel = check.channels.is_empty() || channel.is_none_or(|channel| check.channels.contains(&channel));
            let harmless = surroundings.quoted(&hit) || check.negatable && surroundings.negated(&reading, &hit);
            if for_channel && !harmless {
                found.push((owner as usize, hit));
            }
        }
        Ok(self.violations(found, &chars))
    }

    /// One violation for each sentence and rule: of several matches the most severe speaks for all.
    fn violations(&self, mut found: Vec<(usize, Hit)>, chars: &[char]) -> Vec<Violation> {
        let rank = |owner: usize, hit: &Hit| (self.checks[owner].severity, hit.last - hit.first);
        found.sort_by(|a, b| {
            (self.checks[a.0].rule, a.1.start).cmp(&(self.checks[b.0].rule, b.1.start)).then(rank(b.0, &b.1).cmp(&rank(a.0, &a.1)))
        });
        let mut merged: Vec<(usize, Hit, Span)> = Vec::new();
        for (owner, hit) in found {
            let span = sentence(chars, Span { start: hit.start, end: hit.end });
            match merged.last_mut() {
                Some((kept, best, whole)) if self.checks[*kept].rule == self.checks[owner].rule && span.start < whole.end => {
                    whole.end = whole.end.max(span.end);
                    if rank(owner, &hit) > rank(*kept, best) {
                        (*kept, *best) = (owner, hit);
                    }
                }
                _ => merged.push((owner, hit, span)),
            }
        }
        let mut violations: Vec<Violation> = merged
            .into_iter()
            .map(|(owner, hit, span)| {
                let check = &self.checks[owner];
                Violation {
                    rule: check.rule,
                    check: check.id.clone(),
                    severity: check.severity,
                    span,
                    text: chars[span.start as usize..span.end as usize].iter().collect(),
                    words: Span { start: hit.start, end: hit.end },
                    replacement: check.replacement.clone(),
                    reason: check.reason.clone(),
                }
            })
            .collect();
        violations.sort_by_key(|violation| (violation.span, violation.rule));
        violations
    }
}

/// The sentence around `words`, without blanks at its ends.
fn sentence(chars: &[char], words: Span) -> Span {
    let stands_free = |at: usize| {
        let inside = |at: Option<&char>| at.is_some_and(char::is_ascii_alphanumeric);
        !(inside(at.checked_sub(1).and_then(|before| chars.get(before))) && inside(chars.get(at + 1)))
    };
    let ends = |at: &usize| SENTENCE_MARKS.contains(&chars[*at]) || chars[*at] == '.' && stands_free(*at);
    let separates = |at: &usize| chars[*at] == '，' || chars[*at] == ',' && stands_free(*at);
    let (first, last) = (words.start as usize, words.end as usize);
    let (near, far) = (first.saturating_sub(SENTENCE_REACH), chars.len().min(last + SENTENCE_REACH));
    let begins = (near..first).rev().find(ends).map(|mark| mark + 1).or((near == 0).then_some(0));
    let mut start = begins.or_else(|| (near..first).find(separates).map(|mark| mark + 1)).unwrap_or(near);
    let stops = (last..far).find(ends).or((far == chars.len()).then_some(far));
    let mut end = stops.or_else(|| (last..far).rev().find(separates)).unwrap_or(far);
    while start < first && chars[start].is_whitespace() {
        start += 1;
    }
    while end > last && chars[end - 1].is_whitespace() {
        end -= 1;
    }
    Span { start: start as u32, end: end as u32 }
}

fn compile(text: &str, screening: &Screening) -> Result<Pattern> {
    Pattern::parse(text, &screening.groups).map_err(|fault| Error::Internal(format!("the pattern “{text}” {fault}")))
}

fn group(name: &str, screening: &Screening) -> Result<PatternSet> {
    let mut set = PatternSet::default();
    for word in screening.groups.get(name).into_iter().flatten() {
        set.push(compile(word, screening)?);
    }
    Ok(set)
}
