//! Training the ranker: weights by listwise softmax (ListNet with one relevant document, Cao et al. 2007), what is answerable at all by
//! logistic regression; the confidence has a room of its own, `calibrate`. Deterministic: full batches, fixed steps, no random numbers.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::calibrate::calibrate;
use super::set::EvalSet;
use crate::corpus::Date;
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::query::{self, Answerable, FEATURES, Features, Filters, NEARNESS, Query, Ranker, logistic, margin, nearness};

const WIDTH: usize = FEATURES.len();
/// Shares of the questions with an answer for which the probability that keeps them is noted.
const SHARES: &[f32] = &[0.50, 0.70, 0.80, 0.85, 0.90, 0.925, 0.95, 0.965, 0.98, 0.99];
/// What all small parts of a set weigh together, where the set itself weighs 1.
const SMALL_WEIGHT: f32 = 0.25;
const STEPS: usize = 600;
/// How much of a set there is to find.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// All of it.
    Whole,
    /// Every second document; half of the questions have no answer.
    Halved,
    /// One of so many small parts; half of the questions have no answer.
    Small(usize),
}

/// One question with its candidates.
pub struct Example {
    /// Evidence of each candidate.
    pub candidates: Vec<Features>,
    /// Entry of each candidate.
    entries: Vec<u32>,
    /// Whether each candidate is right.
    pub right: Vec<bool>,
    /// Kept out of the ranking's training, so that the confidence learns how sure the order is of questions it has not seen, too.
    held_out: bool,
    extent: Extent,
    /// Whether the corpus has an answer.
    answered: bool,
    /// How near each candidate is, for whether there is an answer at all.
    near: Vec<[f32; NEARNESS.len()]>,
    /// Counts in proportion to it.
    weight: f32,
}

/// Collects examples from a set; all sets weigh the same, and so do a set's small parts.
///
/// # Errors
/// If the index cannot be read.
pub fn examples(generation: &Generation, set: &EvalSet, filters: &Filters, extent: Extent) -> Result<Vec<Example>> {
    let of_set = if let Extent::Small(parts) = extent { SMALL_WEIGHT / parts as f32 } else { 1.0 };
    let weight = of_set / set.queries.len().max(1) as f32;
    set.queries
        .par_iter()
        .enumerate()
        .map(|(number, (id, text))| {
            let query = Query { filters: filters.clone(), ..Query::new(text, 1, Date::MIN) };
            let judged = query::judge(generation, &query::understand(generation, text)?, &query)?;
            let entries: Vec<u32> = judged.iter().map(|j| generation.targets[j.target as usize].entry).collect();
            let relevant = set.relevant.get(id);
            let right = entries
                .iter()
                .map(|entry| relevant.is_some_and(|relevant| relevant.contains(&generation.entries[*entry as usize].id)))
                .collect();
            let held_out = number % 5 >= 3;
            Ok(Example {
                candidates: judged.iter().map(|j| j.features).collect(),
                entries,
                right,
                held_out,
                extent,
                answered: relevant.is_some_and(|relevant| !relevant.is_empty()),
                near: judged.iter().map(|j| nearness(generation, j.target, &j.features)).collect(),
                weight,
            })
        })
        .collect()
}

/// Trains a ranker. `ranking` teaches the order, `decisions` (which should hold questions without an answer) the confidence.
///
/// # Errors
/// If no question has a right candidate.
/// Features named in `without` get no weight in the order.
pub fn train(ranking: &[Example], decisions: &[Example], version: String, note: String, without: &[String]) -> Result<Ranker> {
    let usable: Vec<&Example> = ranking.iter().filter(|e| !e.held_out && e.right.contains(&true)).collect();
    if usable.is_empty() {
        return Err(Error::InvalidRequest("no question of these sets has a right document among its candidates".into()));
    }
    let weights = minimise([0.0; WIDTH], 3e-4, |weights| {
        let mut gradient = listwise_gradient(&usable, weights);
        for (slot, name) in gradient.iter_mut().zip(FEATURES) {
            if without.iter().any(|other| other == name) {
                *slot = 0.0;
            }
        }
        gradient
    });
    Ok(calibrated(named(&weights), decisions, version, note))
}

/// A ranker with the order of `weights` and a confidence learnt from `decisions`.
pub fn calibrated(weights: BTreeMap<String, f32>, decisions: &[Example], version: String, note: String) -> Ranker {
    let order = in_order(&weights);
    let firsts: Vec<First> = decisions.iter().filter_map(|example| first(&order, example)).collect();
    Ranker::new(version, note, weights, calibrate(&firsts))
}

fn in_order(weights: &BTreeMap<String, f32>) -> [f32; WIDTH] {
    std::array::from_fn(|at| weights.get(FEATURES[at]).copied().unwrap_or(0.0))
}

/// Learns to tell questions with an answer from others, by the first result in `ranker`'s order. Sets that lost answers
/// are left out: what is near in them is near for a reason, and worth suggesting.
///
/// `None` if there are only questions of one kind.
pub fn train_answerable(ranker: &Ranker, examples: &[Example]) -> Option<Answerable> {
    const TERMS: usize = NEARNESS.len() + 1;
    let weights = in_order(&ranker.weights);
    let terms = |example: &Example, first: &First| -> [f32; TERMS] {
        let near = example.near[first.candidate];
        std::array::from_fn(|at| if at == 0 { 1.0 } else { near[at - 1] })
    };
    let of = |answered: bool| -> Vec<([f32; TERMS], f32)> {
        let chosen = examples.iter().filter(|example| example.extent == Extent::Whole && example.answered == answered);
        chosen.filter_map(|example| first(&weights, example).map(|first| (terms(example, &first), example.weight))).collect()
    };
    let (with, without) = (of(true), of(false));
    let total = |rows: &[([f32; TERMS], f32)]| rows.iter().map(|(_, weight)| *weight).sum::<f32>();
    let (total_with, total_without) = (total(&with), total(&without));
    if with.is_empty() || without.is_empty() {
        return None;
    }
    // Both kinds weigh the same: how many strangers write to a shop is not known from a file of examples.
    let rows: Vec<(&[f32; TERMS], f32, f32)> = with
        .iter()
        .map(|(terms, weight)| (terms, 1.0, 0.5 * weight / total_with))
        .chain(without.iter().map(|(terms, weight)| (terms, 0.0, 0.5 * weight / total_without)))
        .collect();
    let score = |weights: &[f32; TERMS], terms: &[f32; TERMS]| weights.iter().zip(terms).map(|(w, t)| w * t).sum::<f32>();
    let learnt = minimise([0.0; TERMS], 3e-4, |weights| {
        let mut sum = [0.0_f64; TERMS];
        for (terms, wanted, weight) in &rows {
            let error = logistic(score(weights, terms)) - wanted;
            for (slot, term) in sum.iter_mut().zip(*terms) {
                *slot += f64::from(weight * error * term);
            }
        }
        sum.map(|value| value as f32)
    });
    let learnt = learnt.map(round);
    let mut kept: Vec<(f32, f32)> = with.iter().map(|(terms, weight)| (logistic(score(&learnt, terms)), *weight)).collect();
    kept.sort_by(|a, b| b.0.total_cmp(&a.0));
    Some(Answerable {
        bias: learnt[0],
        weights: NEARNESS.iter().zip(&learnt[1..]).map(|(name, weight)| ((*name).to_owned(), *weight)).collect(),
        thresholds: SHARES.iter().map(|share| (*share, keeping(&kept, share * total_with))).collect(),
    })
}

/// The highest probability that `wanted` of the weight reaches, rounded down. `kept` is in falling order.
fn keeping(kept: &[(f32, f32)], wanted: f32) -> f32 {
    let mut sum = 0.0;
    let reached = kept.iter().find(|(_, weight)| {
        sum += weight;
        sum >= wanted * (1.0 - 1e-5)
    });
    reached.map_or(0.0, |(probability, _)| (probability * 1e4).floor() / 1e4)
}

fn named(weights: &[f32; WIDTH]) -> BTreeMap<String, f32> {
    FEATURES
        .iter()
        .zip(weights)
        .filter(|(_, weight)| weight.abs() > 1e-4)
        .map(|(name, weight)| ((*name).to_owned(), round(*weight)))
        .collect()
}

pub(super) fn round(value: f32) -> f32 {
    (value * 1e4).round() / 1e4
}

pub(super) fn dot<const N: usize>(weights: &[f32; N], values: &[f32; N]) -> f32 {
    weights.iter().zip(values).map(|(weight, value)| weight * value).sum()
}

/// Gradient of the mean of −log Σ_right softmax(score).
fn listwise_gradient(examples: &[&Example], weights: &[f32; WIDTH]) -> [f32; WIDTH] {
    let total: f32 = examples.iter().map(|e| e.weight).sum();
    let parts: Vec<[f64; WIDTH]> = examples
        .par_chunks(256)
        .map(|chunk| {
            let mut sum = [0.0_f64; WIDTH];
            for example in chunk {
                let scores: Vec<f32> = example.candidates.iter().map(|f| dot(weights, &f.values())).collect();
                let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                let exps: Vec<f32> = scores.iter().map(|score| (score - top).exp()).collect();
                let all: f32 = exps.iter().sum();
                let good: f32 = exps.iter().zip(&example.right).filter(|(_, right)| **right).map(|(e, _)| e).sum();
                for ((features, exp), right) in example.candidates.iter().zip(&exps).zip(&example.right) {
                    let share = exp / all - if *right { exp / good.max(1e-30) } else { 0.0 };
                    for (slot, value) in sum.iter_mut().zip(features.values()) {
                        *slot += f64::from(example.weight * share * value);
                    }
                }
            }
            sum
        })
        .collect();
    std::array::from_fn(|at| (parts.iter().map(|part| part[at]).sum::<f64>() / f64::from(total)) as f32)
}

/// Adam (Kingma & Ba 2015) with full batches and a falling step.
pub(super) fn minimise<const N: usize>(mut weights: [f32; N], decay: f32, gradient: impl Fn(&[f32; N]) -> [f32; N]) -> [f32; N] {
    let (mut first, mut second) = ([0.0_f32; N], [0.0_f32; N]);
    for step in 1..=STEPS {
        let g = gradient(&weights);
        let rate = 0.3 * (1.0 - step as f32 / (STEPS + 1) as f32);
        for at in 0..N {
            let g = g[at] + decay * weights[at];
            first[at] = 0.9 * first[at] + 0.1 * g;
            second[at] = 0.99 * second[at] + 0.01 * g * g;
            let (m, v) = (first[at] / (1.0 - 0.9_f32.powi(step as i32)), second[at] / (1.0 - 0.99_f32.powi(step as i32)));
            weights[at] -= rate * m / (v.sqrt() + 1e-8);
        }
    }
    weights
}

/// The first result of a question, as the calibration sees it.
pub(super) struct First {
    candidate: usize,
    pub margin: f32,
    pub features: Features,
    /// Evidence of the best other entry.
    pub rival: Features,
    pub right: bool,
    /// Whether the corpus has an answer.
    pub answered: bool,
    pub extent: Extent,
    pub weight: f32,
}

fn first(weights: &[f32; WIDTH], example: &Example) -> Option<First> {
    let scores: Vec<f32> = example.candidates.iter().map(|f| dot(weights, &f.values())).collect();
    let best = (0..scores.len()).max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)))?;
    let rival = (0..scores.len())
        .filter(|&at| example.entries[at] != example.entries[best])
        .max_by(|&a, &b| scores[a].total_cmp(&scores[b]).then(b.cmp(&a)));
    Some(First {
        candidate: best,
        margin: margin(scores[best], rival.map(|at| scores[at])),
        features: example.candidates[best],
        rival: rival.map(|at| example.candidates[at]).unwrap_or_default(),
        right: example.right[best],
        answered: example.answered,
        extent: example.extent,
        weight: example.weight,
    })
}
