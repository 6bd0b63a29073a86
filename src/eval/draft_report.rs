//! What checks and the second opinion find in labelled drafts, by threshold and by rule.

use std::fmt::{self, Display, Formatter};

use serde::Serialize;

use crate::compliance::{Likeness, Suspicion, Violation, highest, merged, overlap};
use crate::corpus::{CheckRule, CheckSeverity};
use crate::pattern::Span;

/// Shares of clean drafts raised that are shown, of those that the model knows a threshold for.
const SHOWN: &[f32] = &[0.01, 0.02, 0.03, 0.04, 0.05, 0.08];
/// The share at which results are shown by rule.
const USUAL: f32 = 0.03;
/// The share of rightly blocked drafts that may be softened to warnings.
const USUALLY_SOFTENED: f32 = 0.02;

/// A draft with what was found in it.
pub(super) struct Seen {
    /// What is wrong with it, if anything is.
    pub fault: Option<(CheckRule, Span)>,
    /// Its characters.
    pub chars: Vec<char>,
    /// What checks found.
    pub violations: Vec<Violation>,
    /// Every sentence with its probability, also where checks found something.
    pub suspicions: Vec<Suspicion>,
}

impl Seen {
    /// The highest probability of a sentence that no check finds fault with.
    pub fn suspicion(&self) -> f32 {
        self.unflagged().map(|suspicion| suspicion.probability).fold(0.0, f32::max)
    }

    /// The highest probability of a sentence for which a check blocks it, if one does: with a lower limit it stays blocked.
    pub fn blocked_at(&self) -> Option<f32> {
        let blocking = self.violations.iter().filter(|violation| violation.severity == CheckSeverity::Block);
        blocking.map(|violation| highest(&self.suspicions, violation.span)).max_by(f32::total_cmp)
    }

    fn unflagged(&self) -> impl Iterator<Item = &Suspicion> {
        let flagged = |span: Span| self.violations.iter().any(|violation| overlap(violation.span, span));
        self.suspicions.iter().filter(move |suspicion| !flagged(suspicion.span))
    }
}

/// What was found of violating drafts, and raised of clean ones.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub struct Tally {
    /// Violating drafts with a span over the offending words.
    pub found: usize,
    /// Those of them whose rule is right as well.
    pub right_rule: usize,
    /// Violating drafts that are blocked.
    pub stopped: usize,
    /// Clean drafts that are blocked.
    pub blocked: usize,
    /// Clean drafts that are warned of.
    pub warned: usize,
}

/// The same at one threshold of the model.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct AtThreshold {
    /// The share of clean drafts that the threshold is made for.
    pub share: f32,
    /// The threshold.
    pub least: f32,
    /// By the model alone.
    pub likeness: Tally,
    /// By checks and model together, blocks softened as usual.
    pub both: Tally,
}

/// What was found of one rule.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct OfRule {
    /// The rule.
    pub rule: CheckRule,
    /// Drafts that break it.
    pub drafts: usize,
    /// Found by words.
    pub words: usize,
    /// Found by words or likeness, at the usual threshold.
    pub both: usize,
}

/// What was found in a set.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DraftReport {
    /// The set.
    pub name: String,
    /// Violating drafts in it.
    pub violating: usize,
    /// Clean drafts in it.
    pub clean: usize,
    /// What checks find alone.
    pub words: Tally,
    /// With the model.
    pub thresholds: Vec<AtThreshold>,
    /// By rule.
    pub rules: Vec<OfRule>,
}

impl DraftReport {
    pub(super) fn new(name: String, seen: &[Seen], model: &Likeness) -> Self {
        let softened_below = model.softened_below(USUALLY_SOFTENED).unwrap_or(0.0);
        let at = |share: f32| {
            model.threshold(share).map(|least| AtThreshold {
                share,
                least,
                likeness: tally(seen, false, Some(least), 0.0),
                both: tally(seen, true, Some(least), softened_below),
            })
        };
        let usual = model.threshold(USUAL);
        let of_rule = |name: &&str| {
            let rule = CheckRule::parse(name)?;
            let broken: Vec<&Seen> = seen.iter().filter(|seen| seen.fault.is_some_and(|(broken, _)| broken == rule)).collect();
            let found = |least| broken.iter().filter(|seen| !covering(seen, true, least).is_empty()).count();
            Some(OfRule { rule, drafts: broken.len(), words: found(None), both: found(usual) })
        };
        DraftReport {
            name,
            violating: seen.iter().filter(|seen| seen.fault.is_some()).count(),
            clean: seen.iter().filter(|seen| seen.fault.is_none()).count(),
            words: tally(seen, true, None, 0.0),
            thresholds: SHOWN.iter().filter_map(|share| at(*share)).collect(),
            rules: CheckRule::NAMES.iter().filter_map(of_rule).collect(),
        }
    }
}

/// The rules of which a span covers the offending words: found by checks if `words`, and by the model above `least`.
fn covering(seen: &Seen, words: bool, least: Option<f32>) -> Vec<CheckRule> {
    let by_words = seen.violations.iter().filter(|_| words).map(|violation| (violation.rule, violation.span));
    // A sentence in which a check finds fault is not raised again.
    let unflagged: Vec<&Suspicion> = if words { seen.unflagged().collect() } else { seen.suspicions.iter().collect() };
    let raised = unflagged.into_iter().filter(|suspicion| least.is_some_and(|least| suspicion.probability > least));
    let by_likeness = merged(raised.cloned(), &seen.chars).into_iter().map(|suspicion| (suspicion.rule, suspicion.span));
    let covers = |(rule, span): (CheckRule, Span)| {
        let (_, offending) = seen.fault?;
        (span.start <= offending.start && offending.end <= span.end).then_some(rule)
    };
    by_words.chain(by_likeness).filter_map(covers).collect()
}

fn tally(seen: &[Seen], words: bool, least: Option<f32>, softened_below: f32) -> Tally {
    let mut tally = Tally::default();
    for seen in seen {
        let blocked = words && seen.blocked_at().is_some_and(|probability| probability >= softened_below);
        match seen.fault {
            Some((rule, _)) => {
                tally.stopped += usize::from(blocked);
                let rules = covering(seen, words, least);
                tally.found += usize::from(!rules.is_empty());
                tally.right_rule += usize::from(rules.contains(&rule));
            }
            None => {
                let most = if words { seen.suspicion() } else { seen.suspicions.iter().map(|s| s.probability).fold(0.0, f32::max) };
                let raised = least.is_some_and(|least| most > least);
                tally.blocked += usize::from(blocked);
                tally.warned += usize::from(!blocked && (raised || words && !seen.violations.is_empty()));
            }
        }
    }
    tally
}

impl Display for DraftReport {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let percent = |part: usize, whole: usize| 100.0 * part as f32 / whole.max(1) as f32;
        writeln!(f, "{}: {} violating drafts, {} clean ones", self.name, self.violating, self.clean)?;
        let mut row = |what: &str, tally: &Tally| {
            writeln!(
                f,
                "  {what:<28} found {:5.1}% (right rule {:5.1}%), blocked {:5.1}%; clean blocked {:4.1}% warned {:4.1}%",
                percent(tally.found, self.violating),
                percent(tally.right_rule, self.violating),
                percent(tally.stopped, self.violating),
                percent(tally.blocked, self.clean),
                percent(tally.warned, self.clean)
            )
        };
        row("words", &self.words)?;
        for at in &self.thresholds {
            row(&format!("likeness > {:.3} ({:.0}%)", at.least, 100.0 * at.share), &at.likeness)?;
            row("  with words", &at.both)?;
        }
        let rules = self.rules.iter().filter(|of| of.drafts > 0);
        let rules = rules.map(|of| format!("{} {}→{}/{}", of.rule.as_str(), of.words, of.both, of.drafts));
        write!(f, "  by rule, words→with likeness: {}", rules.collect::<Vec<_>>().join(", "))
    }
}
