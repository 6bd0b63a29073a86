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
/// Marks that end a clause wherever they stand; a comma or full stop of ASCII may also stand inside a number or an address.
const CLAUSE_MARKS: &[char] = &['，', '。', '！', '？', '；', '!', '?', ';', '\n', '\r'];
/// Characters that a clause reaches to either side of the words; longer ones are cut.
const CLAUSE_REACH: usize = 40;
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
    /// The clause that `replacement` may stand for, as a half-open span in Unicode characters of the draft.
    pub span: Span,
    /// That clause.
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

    /// One violation for each place and rule: overlapping matches of one rule are one, the most severe speaks for it.
    fn violations(&self, mut found: Vec<(usize, Hit)>, chars: &[char]) -> Vec<Violation> {
        let rank = |owner: usize, hit: &Hit| (self.checks[owner].severity, hit.last - hit.first);
        found.sort_by(|a, b| {
            (self.checks[a.0].rule, a.1.start).cmp(&(self.checks[b.0].rule, b.1.start)).then(rank(b.0, &b.1).cmp(&rank(a.0, &a.1)))
        });
        let mut merged: Vec<(usize, Hit, Span)> = Vec::new();
        for (owner, hit) in found {
            let span = clause(chars, Span { start: hit.start, end: hit.end });
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

/// The clause around `words`, without blanks at its ends.
fn clause(chars: &[char], words: Span) -> Span {
    let ends = |at: usize| {
        let inside = |at: Option<&char>| at.is_some_and(char::is_ascii_alphanumeric);
        let around = inside(at.checked_sub(1).and_then(|before| chars.get(before))) && inside(chars.get(at + 1));
        CLAUSE_MARKS.contains(&chars[at]) || matches!(chars[at], ',' | '.') && !around
    };
    let (first, last) = (words.start as usize, words.end as usize);
    let mut start = first;
    while start > 0 && first - start < CLAUSE_REACH && !ends(start - 1) {
        start -= 1;
    }
    let mut end = last;
    while end < chars.len() && end - last < CLAUSE_REACH && !ends(end) {
        end += 1;
    }
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
