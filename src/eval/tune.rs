//! Training the ranker: weights by listwise softmax (ListNet with one relevant document, Cao et al. 2007), the confidence
//! by logistic regression on questions kept out of the ranking's training, the thresholds by counting. Deterministic: full
//! batches, fixed steps, no random numbers.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::set::EvalSet;
use crate::corpus::Date;
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::query::{
    self, Answerable, Calibration, FEATURES, Features, Filters, NEARNESS, Query, Ranker, logistic, margin, nearness,
};

const WIDTH: usize = FEATURES.len();
/// Features that say how much a result resembles the question; the confidence is built on these, because they mean the same
/// in every corpus.
const CONFIDENCE_FEATURES: &[&str] = &[
    "cosine",
    "cosine_mean3",
    "cosine_body",
    "context",
    "context_mean3",
    "context_body",
    "aligned",
    "aligned_of_unit",
    "aligned_body",
    "bigrams_of_query",
    "body_bigrams_of_query",
    "rare_missing",
    "length_ratio",
    "long",
    "negative",
    "is_manual",
];
/// Features whose lead over the best rival the confidence is built on as well: what the first result has and the next one lacks.
const LEADS: &[&str] =
    &["cosine", "context", "aligned", "bm25", "bigrams_of_query", "chars_of_query", "aligned_of_unit", "aligned_least"];
/// Precisions for which thresholds are kept.
const PRECISIONS: &[f32] = &[0.50, 0.60, 0.70, 0.80, 0.85, 0.90, 0.925, 0.95, 0.965, 0.98, 0.99];
/// Shares of the questions with an answer for which the probability that keeps them is noted.
const SHARES: &[f32] = &[0.50, 0.70, 0.80, 0.85, 0.90, 0.925, 0.95, 0.965, 0.98, 0.99];
/// What a threshold must keep beyond its precision on the calibration's questions, for corpora that are harder.
const RESERVE: f64 = 0.01;
/// How much of a promised precision may be lost where half of the questions have no answer.
const HALVED_ALLOWANCE: f64 = 0.055;
const STEPS: usize = 600;

/// One question with its candidates.
pub struct Example {
    /// Evidence of each candidate.
    pub candidates: Vec<Features>,
    /// Entry of each candidate.
    entries: Vec<u32>,
    /// Whether each candidate is right.
    pub right: Vec<bool>,
    /// Kept out of the ranking's training, for the calibration.
    held_out: bool,
    /// From a set with half of its answers taken out.
    halved: bool,
    /// Whether the corpus has an answer.
    answered: bool,
    /// How near each candidate is, for whether there is an answer at all.
    near: Vec<[f32; NEARNESS.len()]>,
    /// Counts in proportion to it.
    weight: f32,
}

/// Collects examples from a set; all sets weigh the same. `halved` says that the set has lost half of its answers.
pub fn examples(generation: &Generation, set: &EvalSet, filters: &Filters, halved: bool) -> Result<Vec<Example>> {
    let weight = 1.0 / set.queries.len().max(1) as f32;
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
                halved,
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
    let firsts: Vec<First> = decisions.iter().filter(|e| e.held_out).filter_map(|example| first(&order, example)).collect();
    Ranker::new(version, note, weights, calibrate(&firsts))
}

fn in_order(weights: &BTreeMap<String, f32>) -> [f32; WIDTH] {
    std::array::from_fn(|at| weights.get(FEATURES[at]).copied().unwrap_or(0.0))
}

/// Learns to tell questions with an answer from others, by the first result in `ranker`'s order. Sets that lost half of their answers
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
        let chosen = examples.iter().filter(|example| !example.halved && example.answered == answered);
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

fn round(value: f32) -> f32 {
    (value * 1e4).round() / 1e4
}

fn dot(weights: &[f32; WIDTH], features: &Features) -> f32 {
    weights.iter().zip(features.values()).map(|(weight, value)| weight * value).sum()
}

/// Gradient of the mean of −log Σ_right softmax(score).
fn listwise_gradient(examples: &[&Example], weights: &[f32; WIDTH]) -> [f32; WIDTH] {
    let total: f32 = examples.iter().map(|e| e.weight).sum();
    let parts: Vec<[f64; WIDTH]> = examples
        .par_chunks(256)
        .map(|chunk| {
            let mut sum = [0.0_f64; WIDTH];
            for example in chunk {
                let scores: Vec<f32> = example.candidates.iter().map(|f| dot(weights, f)).collect();
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
fn minimise<const N: usize>(mut weights: [f32; N], decay: f32, gradient: impl Fn(&[f32; N]) -> [f32; N]) -> [f32; N] {
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
struct First {
    candidate: usize,
    margin: f32,
    features: Features,
    rival: Features,
    right: bool,
    halved: bool,
    weight: f32,
}

fn first(weights: &[f32; WIDTH], example: &Example) -> Option<First> {
    let scores: Vec<f32> = example.candidates.iter().map(|f| dot(weights, f)).collect();
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
        halved: example.halved,
        weight: example.weight,
    })
}

fn calibrate(firsts: &[First]) -> Calibration {
    const OWN: usize = CONFIDENCE_FEATURES.len() + 2;
    const TERMS: usize = OWN + LEADS.len();
    let positions = |names: &[&str]| -> Vec<usize> {
        names.iter().filter_map(|name| FEATURES.iter().position(|feature| feature == name)).collect()
    };
    let (own, ahead) = (positions(CONFIDENCE_FEATURES), positions(LEADS));
    let terms = |f: &First| -> [f32; TERMS] {
        let (values, rival) = (f.features.values(), f.rival.values());
        std::array::from_fn(|at| match at {
            0 => 1.0,
            1 => f.margin,
            _ if at < OWN => values[own[at - 2]],
            _ => values[ahead[at - OWN]] - rival[ahead[at - OWN]],
        })
    };
    let total: f32 = firsts.iter().map(|f| f.weight).sum();
    let weights = minimise([0.0; TERMS], 3e-4, |weights| {
        let mut sum = [0.0_f64; TERMS];
        for f in firsts {
            let terms = terms(f);
            let score: f32 = weights.iter().zip(terms).map(|(weight, term)| weight * term).sum();
            let error = logistic(score) - f32::from(u8::from(f.right));
            for (slot, term) in sum.iter_mut().zip(terms) {
                *slot += f64::from(f.weight * error * term);
            }
        }
        sum.map(|value| (value / f64::from(total)) as f32)
    });
    let mut calibration = Calibration::default();
    (calibration.bias, calibration.margin) = (round(weights[0]), round(weights[1]));
    let named = |names: &[&str], weights: &[f32]| -> BTreeMap<String, f32> {
        names.iter().zip(weights).map(|(name, weight)| ((*name).to_owned(), round(*weight))).collect()
    };
    calibration.weights = named(CONFIDENCE_FEATURES, &weights[2..OWN]);
    calibration.leads = named(LEADS, &weights[OWN..]);
    let scored = |halved: bool| -> Vec<(f32, bool, f32)> {
        let chosen = firsts.iter().filter(|f| f.halved == halved);
        chosen
            .map(|f| {
                let score: f32 = weights.iter().zip(terms(f)).map(|(weight, term)| weight * term).sum();
                (logistic(score), f.right, f.weight)
            })
            .collect()
    };
    calibration.thresholds = thresholds(scored(false), scored(true));
    calibration
}

/// For each precision the lowest confidence above which it holds, with the reserve, on whole sets, and above which the
/// allowance holds on sets that lost half of their answers; rising with the precision.
fn thresholds(mut whole: Vec<(f32, bool, f32)>, mut halved: Vec<(f32, bool, f32)>) -> Vec<(f32, f32)> {
    whole.sort_by(|a, b| b.0.total_cmp(&a.0));
    halved.sort_by(|a, b| b.0.total_cmp(&a.0));
    let mut out: Vec<(f32, f32)> = Vec::new();
    for &precision in PRECISIONS {
        let wanted = f64::from(precision) + RESERVE.min((1.0 - f64::from(precision)) / 2.0);
        let lowest = lowest_keeping(&whole, wanted).zip(if halved.is_empty() {
            Some(0.0)
        } else {
            lowest_keeping(&halved, wanted - HALVED_ALLOWANCE)
        });
        let floor = out.last().map_or(0.0, |(_, confidence)| *confidence);
        if let Some((whole, halved)) = lowest {
            out.push((precision, round(whole.max(halved)).max(floor)));
        }
    }
    out
}

/// The lowest confidence such that what lies above it is right in the share `wanted`. `scored` is in falling order.
fn lowest_keeping(scored: &[(f32, bool, f32)], wanted: f64) -> Option<f32> {
    let (mut right, mut all, mut lowest) = (0.0, 0.0, None);
    for (confidence, is_right, weight) in scored {
        all += f64::from(*weight);
        right += if *is_right { f64::from(*weight) } else { 0.0 };
        if right >= wanted * all {
            lowest = Some(*confidence);
        }
    }
    lowest
}
