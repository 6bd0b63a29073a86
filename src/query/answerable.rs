//! Whether the corpus has anything on a question at all. That is another question than whether the first result is right: near the
//! right answer stand others, and then no single one is sure; far from all of them the lead of the first says nothing.
//!
//! The evidence is how near the first result's texts are, on a scale of the corpus and its model: 0 is what two unlike texts of the
//! corpus have in common, 1 is the same text. So what was learnt from one corpus holds for another, and a model whose
//! cosines are all high does not make every question look known. An entry with one phrasing is asked for in words that are less
//! near than one with twenty, so that their number counts as well.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::features::Features;
use super::ranker::logistic;
use crate::generation::{Generation, UnitField};

/// What the probability is built on: the features it is rescaled from, and how few phrasings the entry has.
pub const NEARNESS: [&str; 4] = ["cosine", "cosine_mean3", "cosine_body", "few_phrasings"];

/// A logistic model of the probability that the corpus has an answer to a question, and the thresholds that keep a share of the
/// questions it has one to.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Answerable {
    /// Constant term.
    pub bias: f32,
    /// Weights by the names of [`NEARNESS`].
    pub weights: BTreeMap<String, f32>,
    /// Pairs (share, probability), rising and falling: of the questions with an answer so many have at least this probability.
    pub thresholds: Vec<(f32, f32)>,
}

/// The evidence in the `features` of a result for `target`, in the order of [`NEARNESS`].
pub fn nearness(generation: &Generation, target: u32, features: &Features) -> [f32; NEARNESS.len()] {
    let of = |field: &dyn Fn(UnitField) -> bool| {
        generation.targets[target as usize].units.clone().filter(|unit| field(generation.units[*unit as usize].field)).count()
    };
    let background = generation.background;
    let near = |cosine: f32| ((cosine - background) / (1.0 - background).max(1e-3)).clamp(0.0, 1.0);
    let phrasings = of(&|field| field != UnitField::Body);
    let cosine = if phrasings == 0 { features.cosine_body } else { features.cosine };
    // An entry without a passage is judged by its phrasings, and the other way round.
    let body = if of(&|field| field == UnitField::Body) == 0 { features.cosine } else { features.cosine_body };
    let mean = if phrasings == 0 { cosine } else { features.cosine_mean3 };
    [near(cosine), near(mean), near(body), 1.0 / phrasings.max(1) as f32]
}

impl Answerable {
    /// Names in `weights` that are not known.
    pub(super) fn unknown(&self) -> Option<&String> {
        self.weights.keys().find(|name| !NEARNESS.contains(&name.as_str()))
    }

    /// The probability that a question has an answer whose best result is `target` with these `features`.
    pub fn probability(&self, generation: &Generation, target: u32, features: &Features) -> f32 {
        let evidence = NEARNESS.iter().zip(nearness(generation, target, features));
        logistic(self.bias + evidence.map(|(name, value)| value * self.weights.get(*name).copied().unwrap_or(0.0)).sum::<f32>())
    }

    /// The probability from which the share `kept` of the questions with an answer is kept, interpolated between measured shares;
    /// beyond the highest one nothing is refused.
    pub fn threshold(&self, kept: f32) -> f32 {
        match self.thresholds.iter().position(|(share, _)| *share >= kept) {
            None => 0.0,
            Some(0) => self.thresholds[0].1,
            Some(at) => {
                let ((low, from), (high, to)) = (self.thresholds[at - 1], self.thresholds[at]);
                from + (to - from) * (kept - low) / (high - low)
            }
        }
    }
}
