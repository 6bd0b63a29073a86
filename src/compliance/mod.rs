//! Checks an agent's draft before it is sent: promises beyond authority, evasions, superlatives and the like, each with the
//! words concerned and a wording that may be sent instead. The rules are data of the corpus; what is here decides whether
//! the context makes a match harmless (a negation, a quotation, an exception). Where it is asked for, a second opinion that
//! learnt from examples adds what the rules have no words for. It never changes a draft.

mod context;
pub mod likeness;
mod opinion;
mod review;
mod sentences;

pub use likeness::Likeness;
pub use opinion::{Opinion, Suspicion, highest, merged, overlap};
pub use review::{review, texts};

use serde::Serialize;

use crate::corpus::{Channel, Check, CheckRule, CheckSeverity, Screening};
use crate::error::{Error, Result};
use crate::pattern::{Evasions, Hit, Pattern, PatternSet, Reading, Rulebook, Span};
use context::Context;
use opinion::Themes;

/// Longest draft, in characters.
pub const MAX_DRAFT_CHARS: usize = 8_000;
/// Group of words that turn what follows into its opposite.
const NEGATIONS: &str = "否定";
/// Group of words that announce somebody else's words.
const ATTRIBUTIONS: &str = "转述";
/// Group of words that speak about the quotation before them.
const MENTIONS: &str = "指称";
/// Words that only calm (“不用担心了”), as a pattern over the groups of which it is made.
const REASSURANCE: &str = "<宽慰><担忧><语气>?";
const REASSURANCE_GROUPS: [&str; 3] = ["宽慰", "担忧", "语气"];

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
    /// How it was noticed.
    pub matched_by: MatchedBy,
}

/// How a fault was noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum MatchedBy {
    /// By words that a check names.
    Words,
    /// The sentence reads like others that broke the rule. A guess, which never blocks.
    Likeness,
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
    themes: Themes,
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
            themes: Themes::new(&screening.checks),
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
        self.check_with(text, channel, None)
    }

    /// The same with a second `opinion`: sentences that no check finds fault with but that read like a violation are warned of,
    /// and what is blocked for a sentence that reads like a clean one is warned of only.
    ///
    /// # Errors
    /// As of [`Checker::check`].
    pub fn check_with(&self, text: &str, channel: Option<Channel>, opinion: Option<&Opinion>) -> Result<Vec<Violation>> {
        let chars: Vec<char> = text.chars().collect();
        if chars.len() > MAX_DRAFT_CHARS {
            let what = format!("text has {} characters; the limit is {MAX_DRAFT_CHARS}", chars.len());
            return Err(Error::InvalidRequest(what));
        }
        let reading = Reading::new(text, &self.evasions);
        let bare = self.context.without_reassurance(reading.clone());
        let surroundings = self.context.read(&bare, &chars);
        let mut found: Vec<(usize, Hit)> = Vec::new();
        for (owner, hit) in self.rules.find(&bare) {
            let check = &self.checks[owner as usize];
            let harmless = surroundings.quoted(&hit) || check.negatable && surroundings.negated(&bare, &hit);
            if applies(check, channel) && !harmless {
                found.push((owner as usize, hit));
            }
        }
        let mut violations = self.violations(found, &chars);
        if let Some(opinion) = opinion {
            let suspicions = opinion.apply(&chars, &reading, &mut violations);
            violations.extend(suspicions.into_iter().filter_map(|suspicion| self.suspect(&suspicion, &chars, channel)));
            violations.sort_by_key(|violation| (violation.span, violation.rule));
        }
        Ok(violations)
    }

    /// A suspicion as a violation; none where the corpus has no check of its rule for `channel`, and so no replacement.
    fn suspect(&self, suspicion: &Suspicion, chars: &[char], channel: Option<Channel>) -> Option<Violation> {
        let Span { start, end } = suspicion.span;
        let text: String = chars[start as usize..end as usize].iter().collect();
        let check = self.themes.nearest(&self.checks, suspicion.rule, channel, &Reading::new(&text, &self.evasions))?;
        Some(Violation {
            rule: suspicion.rule,
            check: check.id.clone(),
            severity: CheckSeverity::Warn,
            span: suspicion.span,
            text,
            words: suspicion.words,
            replacement: check.replacement.clone(),
            reason: opinion::reason(suspicion.rule),
            matched_by: MatchedBy::Likeness,
        })
    }

    /// One violation for each sentence and rule: of several matches the most severe speaks for all.
    fn violations(&self, mut found: Vec<(usize, Hit)>, chars: &[char]) -> Vec<Violation> {
        let rank = |owner: usize, hit: &Hit| (self.checks[owner].severity, hit.last - hit.first);
        found.sort_by(|a, b| {
            (self.checks[a.0].rule, a.1.start).cmp(&(self.checks[b.0].rule, b.1.start)).then(rank(b.0, &b.1).cmp(&rank(a.0, &a.1)))
        });
        let mut merged: Vec<(usize, Hit, Span)> = Vec::new();
        for (owner, hit) in found {
            let span = sentences::around(chars, Span { start: hit.start, end: hit.end });
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
                    matched_by: MatchedBy::Words,
                }
            })
            .collect();
        violations.sort_by_key(|violation| (violation.span, violation.rule));
        violations
    }
}

/// True if `check` is for `channel`, or the channel is not known.
fn applies(check: &Check, channel: Option<Channel>) -> bool {
    check.channels.is_empty() || channel.is_none_or(|channel| check.channels.contains(&channel))
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

/// The pattern of reassurances; empty where the corpus lacks one of its groups.
fn reassurances(screening: &Screening) -> Result<PatternSet> {
    let mut set = PatternSet::default();
    if REASSURANCE_GROUPS.iter().all(|name| screening.groups.contains_key(*name)) {
        set.push(compile(REASSURANCE, screening)?);
    }
    Ok(set)
}
