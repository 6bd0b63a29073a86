//! The ranker: a logistic model over the features, and the calibration that turns its score into a probability. Its
//! weights are data, in a readable file; this room only applies them.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::answerable::{Answerable, NEARNESS};
use super::features::{FEATURES, Features, Judged};
use super::{Hit, Mode, Reranking};
use crate::error::{Error, Result};
use crate::generation::Generation;

/// Weight of a passage against a phrasing when only keywords count.
const LEXICAL_BODY: f32 = 0.7;
/// Ranking score at which a result is shown as 0.5.
const SCORE_MIDDLE: f32 = 13.8;
/// Distance in ranking score that moves what is shown by one unit of log odds; wide enough that scores do not crowd at 1.
const SCORE_SCALE: f32 = 3.5;
/// Distance in ranking score at which a lead counts as clear.
const MARGIN_SCALE: f32 = 3.0;

/// The ranker shipped with the program.
const BUILT_IN: &str = include_str!("../../models/ranker.json");

/// Weights of the ranking and of the calibration.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ranker {
    /// Changes whenever the weights do.
    pub version: String,
    /// How the weights came about, for people.
    #[serde(default)]
    pub note: String,
    /// Weight of each feature by name; features that are not named count nothing. The ranking score is their weighted sum.
    pub weights: BTreeMap<String, f32>,
    /// From the evidence of the first result to the probability that it is right.
    pub calibration: Calibration,
    /// From the evidence of the first result to the probability that there is a right one at all; without it nothing is refused for that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answerable: Option<Answerable>,
    #[serde(skip)]
    ordered: Vec<f32>,
    /// A cross-encoder that reads the best candidates again.
    #[serde(skip)]
    reranking: Option<Reranking>,
}

/// A logistic model of the probability that a result is right, and the thresholds that keep a promised precision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Calibration {
    /// Constant term.
    pub bias: f32,
    /// Weight of the distance to the best rival's ranking score, squashed to 0–1.
    pub margin: f32,
    /// Weight of each feature by name.
    pub weights: BTreeMap<String, f32>,
    /// Weight of each feature's lead by name: its value less that of the best rival, which is another entry.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub leads: BTreeMap<String, f32>,
    /// What is added to the terms above for each unit of a feature that says what surrounds the result, by its name: among
    /// look-alikes the same evidence means less.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub surroundings: BTreeMap<String, Terms>,
    /// Pairs (precision, confidence), rising: answers whose confidence is at least the second keep the first.
    pub thresholds: Vec<(f32, f32)>,
    #[serde(skip)]
    ordered: Ordered,
    /// The place of each surrounding feature, with what it adds.
    #[serde(skip)]
    ordered_surroundings: Vec<(usize, Ordered)>,
}

/// Terms of a [`Calibration`]; those that are not named are 0.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Terms {
    /// Of the constant.
    pub bias: f32,
    /// Of the distance to the best rival's ranking score.
    pub margin: f32,
    /// Of each feature.
    pub weights: BTreeMap<String, f32>,
    /// Of each feature's lead.
    pub leads: BTreeMap<String, f32>,
}

/// Terms of the log odds of a confidence; weights are in the order of [`FEATURES`].
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Ordered {
    pub bias: f32,
    pub margin: f32,
    pub weights: [f32; FEATURES.len()],
    pub leads: [f32; FEATURES.len()],
}

impl Default for Ordered {
    fn default() -> Self {
        Ordered { bias: 0.0, margin: 0.0, weights: [0.0; FEATURES.len()], leads: [0.0; FEATURES.len()] }
    }
}

impl Ordered {
    fn new(bias: f32, margin: f32, weights: &BTreeMap<String, f32>, leads: &BTreeMap<String, f32>) -> Self {
        Ordered { bias, margin, weights: in_order(weights), leads: in_order(leads) }
    }

    fn add(&mut self, share: f32, other: &Ordered) {
        self.bias += share * other.bias;
        self.margin += share * other.margin;
        self.weights.iter_mut().zip(&other.weights).for_each(|(weight, other)| *weight += share * other);
        self.leads.iter_mut().zip(&other.leads).for_each(|(weight, other)| *weight += share * other);
    }
}

/// Weights in the order of [`FEATURES`].
fn in_order(weights: &BTreeMap<String, f32>) -> [f32; FEATURES.len()] {
    std::array::from_fn(|at| weights.get(FEATURES[at]).copied().unwrap_or(0.0))
}

impl Ranker {
    /// The shipped ranker.
    ///
    /// # Panics
    /// Never: a test reads the shipped file.
    pub fn built_in() -> Self {
        Self::parse(BUILT_IN).expect("models/ranker.json is valid")
    }

    /// Reads a ranker from a file written by `yingda tune`.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::parse(&text).map_err(|what| Error::Config(format!("ranker {}: {what}", path.display())))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let ranker: Ranker = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let Calibration { weights, leads, surroundings, .. } = &ranker.calibration;
        let added = surroundings.values().flat_map(|terms| terms.weights.keys().chain(terms.leads.keys()));
        for name in ranker.weights.keys().chain(weights.keys()).chain(leads.keys()).chain(surroundings.keys()).chain(added) {
            if !FEATURES.contains(&name.as_str()) {
                return Err(format!("`{name}` is not a feature; known ones: {}", FEATURES.join(", ")));
            }
        }
        if let Some(name) = ranker.answerable.as_ref().and_then(Answerable::unknown) {
            return Err(format!("`{name}` says nothing on whether there is an answer; known ones: {}", NEARNESS.join(", ")));
        }
        Ok(ranker.prepared())
    }

    /// Makes a ranker from its weights.
    pub fn new(version: String, note: String, weights: BTreeMap<String, f32>, calibration: Calibration) -> Self {
        Ranker { version, note, weights, calibration, answerable: None, ordered: Vec::new(), reranking: None }.prepared()
    }

    fn prepared(mut self) -> Self {
        self.ordered = in_order(&self.weights).to_vec();
        let Calibration { bias, margin, weights, leads, surroundings, ordered, ordered_surroundings, .. } = &mut self.calibration;
        *ordered = Ordered::new(*bias, *margin, weights, leads);
        let of = |(at, name): (usize, &&str)| {
            surroundings.get(*name).map(|terms| (at, Ordered::new(terms.bias, terms.margin, &terms.weights, &terms.leads)))
        };
        *ordered_surroundings = FEATURES.iter().enumerate().filter_map(of).collect();
        self
    }

    /// The same ranker with this judgement of whether there is an answer.
    pub fn with_answerable(self, answerable: Option<Answerable>) -> Self {
        Ranker { answerable, ..self }
    }

    /// The probability that the corpus has an answer to a question whose first result is `hit`; 1 where the ranker cannot tell.
    pub fn answerable(&self, generation: &Generation, hit: &Hit) -> f32 {
        self.answerable.as_ref().map_or(1.0, |answerable| answerable.probability(generation, hit.target, &hit.features))
    }

    /// The probability of that from which the share `kept` of the questions with an answer is kept; 0 where the ranker cannot tell.
    pub fn answerable_from(&self, kept: f32) -> f32 {
        self.answerable.as_ref().map_or(0.0, |answerable| answerable.threshold(kept))
    }

    /// The same ranker with a cross-encoder behind it, or with none.
    pub fn with_reranking(self, reranking: Option<Reranking>) -> Self {
        Ranker { reranking, ..self }
    }

    /// Lets the cross-encoder, if there is one, judge the best of `hits` anew.
    pub(super) fn rerank(&self, generation: &Generation, text: &str, hits: Vec<Hit>) -> Result<Vec<Hit>> {
        match &self.reranking {
            Some(reranking) => reranking.apply(generation, text, hits),
            None => Ok(hits),
        }
    }

    /// Weights of all features in the ranking score, in the order of [`FEATURES`].
    pub(super) fn ordered(&self) -> &[f32] {
        &self.ordered
    }

    /// The terms of the log odds of the confidence of a result with `features`, among what surrounds it.
    pub(super) fn terms(&self, features: &Features) -> Ordered {
        self.calibration.among(features)
    }

    /// The cross-encoder's share, if there is one.
    pub(super) fn reranking_weight(&self) -> Option<f32> {
        self.reranking.as_ref().map(|reranking| reranking.weight)
    }

    fn score(&self, features: &Features, mode: Mode) -> f32 {
        match mode {
            Mode::Lexical => features.bm25.max(LEXICAL_BODY * features.bm25_body),
            Mode::Vector => features.cosine.max(features.cosine_body),
            Mode::Hybrid => features.values().iter().zip(&self.ordered).map(|(value, weight)| value * weight).sum::<f32>(),
        }
    }

    /// Orders candidates, best first, ties by target (that is, by entry id and section).
    pub fn rank(&self, generation: &Generation, judged: &[Judged], mode: Mode) -> Vec<Hit> {
        let mut scored: Vec<(f32, &Judged)> = judged.iter().map(|j| (self.score(&j.features, mode), j)).collect();
        scored.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.target.cmp(&b.1.target)));
        let entry_of = |j: &Judged| generation.targets[j.target as usize].entry;
        (0..scored.len())
            .map(|at| {
                let (score, j) = scored[at];
                let rival = if at == 0 { scored.iter().find(|(_, other)| entry_of(other) != entry_of(j)) } else { scored.first() };
                let margin = margin(score, rival.map(|(score, _)| *score));
                let rival = rival.map(|(_, other)| other.features).unwrap_or_default();
                let confidence = match mode {
                    Mode::Hybrid => self.calibration.confidence(margin, &j.features, &rival),
                    Mode::Lexical | Mode::Vector => score.clamp(0.0, 1.0),
                };
                Hit {
                    target: j.target,
                    ranking_score: score,
                    margin,
                    rival,
                    relevance: None,
                    score: if mode == Mode::Hybrid {
                        logistic((score - SCORE_MIDDLE) / SCORE_SCALE)
                    } else {
                        score.clamp(0.0, 1.0)
                    },
                    confidence,
                    keyword_score: (0.5 * (j.features.chars_of_query + j.features.bigrams_of_query))
                        .max(j.features.body_bigrams_of_query),
                    vector_score: j.features.cosine.max(j.features.cosine_body).max(0.0),
                    matched: j.matched,
                    features: j.features,
                }
            })
            .collect()
    }

    /// The confidence from which answers keep `precision`, as measured when the ranker was calibrated. Between measured
    /// precisions it is interpolated; above the highest one nothing is sure enough.
    pub fn threshold(&self, precision: f32) -> f32 {
        let table = &self.calibration.thresholds;
        match table.iter().position(|(known, _)| *known >= precision) {
            None => f32::INFINITY,
            Some(0) => table[0].1,
            Some(at) => {
                let ((low, from), (high, to)) = (table[at - 1], table[at]);
                from + (to - from) * (precision - low) / (high - low)
            }
        }
    }
}

/// The distance to the best rival, squashed to 0–1 where the first result is ahead and to negative values where it is not.
pub fn margin(score: f32, rival: Option<f32>) -> f32 {
    rival.map_or(1.0, |rival| ((score - rival) / MARGIN_SCALE).tanh())
}

impl Calibration {
    fn among(&self, features: &Features) -> Ordered {
        let (mut terms, values) = (self.ordered, features.values());
        self.ordered_surroundings.iter().for_each(|(at, added)| terms.add(values[*at], added));
        terms
    }

    fn confidence(&self, margin: f32, features: &Features, rival: &Features) -> f32 {
        let terms = self.among(features);
        let evidence: f32 = features.values().iter().zip(&terms.weights).map(|(value, weight)| value * weight).sum();
        let leads = features.values().into_iter().zip(rival.values()).zip(&terms.leads);
        let ahead: f32 = leads.map(|((value, rival), weight)| (value - rival) * weight).sum();
        logistic(terms.bias + terms.margin * margin + evidence + ahead)
    }
}

pub(crate) fn logistic(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}
