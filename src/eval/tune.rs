//! Training the ranker: weights by listwise softmax (ListNet with one relevant document, Cao et al. 2007), the confidence
//! by logistic regression, the thresholds by counting. Deterministic: full
//! batches, fixed steps, no random numbers.

use std::collections::BTreeMap;

use rayon::prelude::*;

use super::set::EvalSet;
use crate::corpus::Date;
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::query::{
    self, Answerable, Calibration, FEATURES, Features, Filters, NEARNESS, Query, Ranker, Terms, logistic, margin, nearness,
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
const LEADS: &[&str] = &[
    "cosine",
    "context",
    "context_mean3",
    "aligned",
    "bm25",
    "bigrams_of_query",
    "chars_of_query",
    "aligned_of_unit",
    "aligned_least",
];
/// Features that say what surrounds a result. How much the evidence counts depends on them: among look-alikes a great resemblance and a
/// small lead mean less.
const SURROUNDINGS: &[&str] = &["context_around", "crowding"];
/// Features whose weight depends on the surroundings.
const DEPENDENT: &[&str] = &["cosine", "cosine_mean3", "cosine_centre", "context", "context_mean3"];
/// Features the weight of whose lead depends on them.
const DEPENDENT_LEADS: &[&str] = &["cosine", "context", "aligned"];
/// Precisions for which thresholds are kept.
const PRECISIONS: &[f32] = &[0.50, 0.60, 0.70, 0.80, 0.85, 0.90, 0.925, 0.95, 0.965, 0.98, 0.99];
/// Shares of the questions with an answer for which the probability that keeps them is noted.
const SHARES: &[f32] = &[0.50, 0.70, 0.80, 0.85, 0.90, 0.925, 0.95, 0.965, 0.98, 0.99];
/// What a threshold must keep beyond its precision on the calibration's questions, for corpora that are harder.
const RESERVE: f64 = 0.01;
/// How much of a promised precision may be lost where half of the questions have no answer.
const HALVED_ALLOWANCE: f64 = 0.06;
/// What all small parts of a set weigh together, where the set itself weighs 1.
const SMALL_WEIGHT: f32 = 0.25;
const STEPS: usize = 600;
/// How strongly the confidence's weights are held small.
const CALIBRATION_DECAY: f32 = 3e-4;
/// How much more a row weighs the more confident it is: the power of its probability.
const FOCUS: i32 = 4;
/// Terms that hardly ever deviate are taken for no more than this, or a few questions would give them any weight.
const LEAST_DEVIATION: f64 = 0.1;

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

fn round(value: f32) -> f32 {
    (value * 1e4).round() / 1e4
}

fn dot<const N: usize>(weights: &[f32; N], values: &[f32; N]) -> f32 {
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
    answered: bool,
    extent: Extent,
    weight: f32,
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

/// What a confidence is built on: a constant, the margin, features and leads, each once as it is and once times each surrounding feature.
const OWN: usize = 2 + CONFIDENCE_FEATURES.len() + LEADS.len();
const ADDED: usize = 2 + DEPENDENT.len() + DEPENDENT_LEADS.len();
const TERMS: usize = OWN + SURROUNDINGS.len() * ADDED;

fn terms(first: &First) -> [f32; TERMS] {
    let (values, rival) = (first.features.values(), first.rival.values());
    let place = |name: &&str| FEATURES.iter().position(|feature| feature == name).expect("a feature's name");
    let evidence = |own: &[&str], leads: &[&str]| -> Vec<f32> {
        let own = own.iter().map(|name| values[place(name)]);
        let leads = leads.iter().map(place).map(|at| values[at] - rival[at]);
        [1.0, first.margin].into_iter().chain(own).chain(leads).collect()
    };
    let (own, dependent) = (evidence(CONFIDENCE_FEATURES, LEADS), evidence(DEPENDENT, DEPENDENT_LEADS));
    let surroundings = SURROUNDINGS.iter().map(|name| values[place(name)]);
    let mut all = own.into_iter().chain(surroundings.flat_map(|share| dependent.iter().map(move |term| share * term)));
    std::array::from_fn(|_| all.next().expect("as many terms as are counted"))
}

/// `weights` of [`terms`] by the names of what they weigh.
fn named_terms(weights: &[f32], features: &[&str], leads: &[&str]) -> Terms {
    let named = |names: &[&str], weights: &[f32]| -> BTreeMap<String, f32> {
        names.iter().zip(weights).map(|(name, weight)| ((*name).to_owned(), round(*weight))).collect()
    };
    let (own, ahead) = weights[2..].split_at(features.len());
    Terms { bias: round(weights[0]), margin: round(weights[1]), weights: named(features, own), leads: named(leads, ahead) }
}

fn calibrate(firsts: &[First]) -> Calibration {
    let all: Vec<Row<TERMS>> =
        firsts.iter().map(|f| Row { terms: terms(f), right: f.right, weight: f64::from(f.weight) }).collect();
    // Answers are given where the confidence is high, so that is where it has to be right: learnt twice, the second time with the weight
    // on what was confident the first time.
    let at_first = logistic_regression(&all);
    let confident: Vec<Row<TERMS>> = all
        .iter()
        .map(|row| Row { weight: row.weight * f64::from(logistic(dot(&at_first, &row.terms))).powi(FOCUS), ..*row })
        .collect();
    let focused = logistic_regression(&confident);
    // That and the halved sets make it too low a probability for a corpus as it is; one line through the questions that whole
    // sets have an answer to mends that (Platt 1999) and leaves the order. Whether there is one is told by another probability.
    // Where all are right there is nothing to draw a line by.
    let whole: Vec<Row<2>> = all
        .iter()
        .zip(firsts)
        .filter(|(_, f)| f.extent == Extent::Whole && f.answered)
        .map(|(row, _)| Row { terms: [1.0, dot(&focused, &row.terms)], right: row.right, weight: row.weight })
        .collect();
    let told_apart = whole.iter().any(|row| row.right) && whole.iter().any(|row| !row.right);
    let line = told_apart.then(|| logistic_regression(&whole)).filter(|[_, slope]| *slope > 0.0);
    let [shift, slope] = line.unwrap_or([0.0, 1.0]);
    let mut weights = focused.map(|weight| slope * weight);
    weights[0] += shift;

    let mut calibration = Calibration::default();
    let Terms { bias, margin, weights: own, leads } = named_terms(&weights[..OWN], CONFIDENCE_FEATURES, LEADS);
    (calibration.bias, calibration.margin, calibration.weights, calibration.leads) = (bias, margin, own, leads);
    let added = weights[OWN..].chunks(ADDED).map(|weights| named_terms(weights, DEPENDENT, DEPENDENT_LEADS));
    calibration.surroundings = SURROUNDINGS.iter().map(|name| (*name).to_owned()).zip(added).collect();
    let scored = |of: fn(Extent) -> bool| -> Vec<(f32, bool, f32)> {
        let chosen = all.iter().zip(firsts).filter(|(_, f)| of(f.extent));
        chosen.map(|(row, f)| (logistic(dot(&weights, &row.terms)), f.right, f.weight)).collect()
    };
    let whole = scored(|extent| extent == Extent::Whole);
    let halved = [scored(|extent| extent == Extent::Halved), scored(|extent| matches!(extent, Extent::Small(_)))];
    calibration.thresholds = thresholds(whole, halved);
    calibration
}

/// Something that happened or did not.
#[derive(Clone, Copy)]
struct Row<const N: usize> {
    terms: [f32; N],
    right: bool,
    weight: f64,
}

/// Weights of terms, the first of which is 1, for the log odds that a row is right. The other terms are brought to mean 0 and deviation 1
/// first; otherwise so many that go together would not be learnt in [`STEPS`].
fn logistic_regression<const N: usize>(rows: &[Row<N>]) -> [f32; N] {
    let total: f64 = rows.iter().map(|row| row.weight).sum::<f64>().max(f64::MIN_POSITIVE);
    let mean_of = |value: &dyn Fn(&Row<N>) -> f64| rows.iter().map(|row| row.weight * value(row)).sum::<f64>() / total;
    let means: [f64; N] = std::array::from_fn(|at| if at == 0 { 0.0 } else { mean_of(&|row| f64::from(row.terms[at])) });
    let scales: [f64; N] = std::array::from_fn(|at| {
        let deviation = mean_of(&|row| (f64::from(row.terms[at]) - means[at]).powi(2)).sqrt();
        1.0 / deviation.max(LEAST_DEVIATION)
    });
    let scaled = |row: &Row<N>| std::array::from_fn(|at| ((f64::from(row.terms[at]) - means[at]) * scales[at]) as f32);
    let rows: Vec<Row<N>> = rows.iter().map(|row| Row { terms: scaled(row), ..*row }).collect();
    let learnt = minimise([0.0; N], CALIBRATION_DECAY, |weights| {
        let mut sum = [0.0_f64; N];
        for Row { terms, right, weight } in &rows {
            let error = weight * f64::from(logistic(dot(weights, terms)) - f32::from(u8::from(*right)));
            for (slot, term) in sum.iter_mut().zip(terms) {
                *slot += error * f64::from(*term);
            }
        }
        sum.map(|value| (value / total) as f32)
    });
    let mut weights: [f64; N] = std::array::from_fn(|at| f64::from(learnt[at]) * scales[at]);
    weights[0] -= weights.iter().zip(means).map(|(weight, mean)| weight * mean).sum::<f64>();
    weights.map(|weight| weight as f32)
}

/// For each precision the lowest confidence above which it holds, with the reserve, on whole sets, and above which the
/// allowance holds on sets that lost half of their answers and on small ones; rising with the precision.
fn thresholds(whole: Vec<(f32, bool, f32)>, halved: [Vec<(f32, bool, f32)>; 2]) -> Vec<(f32, f32)> {
    let falling = |mut scored: Vec<(f32, bool, f32)>| {
        scored.sort_by(|a, b| b.0.total_cmp(&a.0));
        scored
    };
    let (whole, halved) = (falling(whole), halved.map(falling));
    let mut out: Vec<(f32, f32)> = Vec::new();
    for &precision in PRECISIONS {
        let wanted = f64::from(precision) + RESERVE.min((1.0 - f64::from(precision)) / 2.0);
        let with_gaps = halved.iter().filter(|scored| !scored.is_empty());
        let with_gaps = with_gaps.map(|scored| lowest_keeping(scored, wanted - HALVED_ALLOWANCE));
        let lowest: Option<Vec<f32>> = with_gaps.chain([lowest_keeping(&whole, wanted)]).collect();
        let floor = out.last().map_or(0.0, |(_, confidence)| *confidence);
        if let Some(lowest) = lowest {
            out.push((precision, round(lowest.into_iter().fold(floor, f32::max))));
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
