//! Whether what stands around a match makes it harmless: “不能保证” promises nothing, and who repeats the customer's words in
//! quotation marks does not say them.

use super::{ATTRIBUTIONS, MENTIONS, NEGATIONS, group, reassurances};
use crate::corpus::Screening;
use crate::error::Result;
use crate::pattern::{Gap, Hit, PatternSet, Reading};

/// Characters that may stand between a negation and what it negates.
const NEGATION_REACH: usize = 2;
/// Characters that may stand between an announcement and the quotation mark.
const ATTRIBUTION_REACH: u32 = 5;
/// Characters that may stand between a quotation and what speaks about it.
const MENTION_REACH: u32 = 2;
const QUOTES: &[(char, char)] = &[('“', '”'), ('‘', '’'), ('「', '」'), ('『', '』'), ('"', '"'), ('《', '》')];

/// The words that make a context.
#[derive(Debug, Clone)]
pub(super) struct Context {
    negations: PatternSet,
    attributions: PatternSet,
    mentions: PatternSet,
    reassurances: PatternSet,
}

/// What was found around the words of one draft.
pub(super) struct Surroundings {
    negations: Vec<Hit>,
    attributions: Vec<Hit>,
    /// Quotations of somebody else's words, as spans of the original.
    quotations: Vec<(u32, u32)>,
}

impl Context {
    pub fn new(screening: &Screening) -> Result<Self> {
        Ok(Context {
            negations: group(NEGATIONS, screening)?,
            attributions: group(ATTRIBUTIONS, screening)?,
            mentions: group(MENTIONS, screening)?,
            reassurances: reassurances(screening)?,
        })
    }

    /// The draft without its reassurances (“不用担心，”): their 不用 or 别 negates a feeling, and must not be taken for the
    /// negation or the exception of what stands beside them. Only those that a clause ends with: “不用担心副作用” speaks about its object.
    pub fn without_reassurance(&self, reading: Reading) -> Reading {
        let mut said = vec![false; reading.units.len()];
        for hit in self.reassurances.find(&reading) {
            if reading.units.get(hit.last).is_none_or(|next| next.gap >= Gap::Clause) {
                said[hit.first..hit.last].fill(true);
            }
        }
        let mut units = Vec::with_capacity(reading.units.len());
        let mut gap = Gap::None;
        for (mut unit, said) in reading.units.into_iter().zip(said) {
            gap = gap.max(unit.gap);
            if !said {
                unit.gap = std::mem::take(&mut gap);
                units.push(unit);
            }
        }
        Reading { units }
    }

    pub fn read(&self, reading: &Reading, chars: &[char]) -> Surroundings {
        let attributions = self.attributions.find(reading);
        let mentions = self.mentions.find(reading);
        let near = |from: u32, to: u32, reach: u32| to >= from && to - from <= reach;
        let quotations = quotations(chars)
            .into_iter()
            .filter(|&(open, close)| {
                attributions.iter().any(|hit| near(hit.end, open, ATTRIBUTION_REACH))
                    || mentions.iter().any(|hit| near(close, hit.start, MENTION_REACH))
            })
            .collect();
        Surroundings { negations: self.negations.find(reading), attributions, quotations }
    }
}

impl Surroundings {
    /// True if a negation stands directly before the match, in the same clause.
    pub fn negated(&self, reading: &Reading, hit: &Hit) -> bool {
        self.negations.iter().any(|negation| {
            negation.last <= hit.first
                && hit.first - negation.last <= NEGATION_REACH
                && reading.units[negation.last..=hit.first].iter().all(|unit| unit.gap < Gap::Clause)
        })
    }

    /// True if the match repeats somebody else's words; it may begin with what announces them (“之前同事说‘肯定到’”).
    pub fn quoted(&self, hit: &Hit) -> bool {
        self.quotations.iter().any(|&(open, close)| open < hit.end && hit.end < close)
            || self.attributions.iter().any(|said| said.last == hit.first)
    }
}

/// Pairs of quotation marks: position of the opening one, position after the closing one.
fn quotations(chars: &[char]) -> Vec<(u32, u32)> {
    let mut out = Vec::new();
    let mut open: Option<(usize, char)> = None;
    for (at, &c) in chars.iter().enumerate() {
        match open {
            Some((start, close)) if c == close => {
                out.push((start as u32, at as u32 + 1));
                open = None;
            }
            Some(_) => {}
            None => open = QUOTES.iter().find(|(mark, _)| *mark == c).map(|(_, close)| (at, *close)),
        }
    }
    out
}
