//! The confidence: from the evidence of a first result to the probability that it is right, by logistic regression, and the thresholds
//! that keep a promised precision, by counting. Which result is first is not its business.

use std::collections::BTreeMap;

use super::tune::{Extent, First, dot, minimise, round};
use crate::query::{Calibration, FEATURES, Terms, logistic};

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
/// What a threshold must keep beyond its precision on the calibration's questions, for corpora that are harder.
const RESERVE: f64 = 0.01;
/// How much of a promised precision may be lost where half of the questions have no answer.
const HALVED_ALLOWANCE: f64 = 0.06;
/// How strongly the confidence's weights are held small.
const CALIBRATION_DECAY: f32 = 3e-4;
/// How much more a row weighs the more confident it is: the power of its probability.
const FOCUS: i32 = 4;
/// Terms that hardly ever deviate are taken for no more than this, or a few questions would give them any weight.
const LEAST_DEVIATION: f64 = 0.1;

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

/// Learns the confidence of first results.
pub(super) fn calibrate(firsts: &[First]) -> Calibration {
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
