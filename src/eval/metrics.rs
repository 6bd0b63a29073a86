//! Metrics over outcomes. Definitions: R@k is the share of answerable questions with a right document among the first k;
//! MRR@10 and nDCG@10 are as usual with binary relevance. A decision answers a question or does not; answering a question
//! without a right document, or with a wrong one first, is wrong.

use serde::Serialize;

/// What happened to one question.
#[derive(Debug, Clone, PartialEq)]
pub struct Outcome {
    /// Id of the question.
    pub query: String,
    /// Number of right documents; 0 for a question without an answer.
    pub relevant: usize,
    /// Ranks (from 0) of the right documents among the first ten.
    pub ranks: Vec<usize>,
    /// Confidence of the first result; 0 if there was none.
    pub confidence: f32,
    /// Probability that there is an answer at all, by the first result; 0 if there was none.
    pub answerable: f32,
    /// Time to answer, in milliseconds.
    pub milliseconds: f64,
}

impl Outcome {
    fn right(&self) -> bool {
        self.ranks.first() == Some(&0)
    }
}

/// Metrics of one run.
#[derive(Debug, Clone, Serialize)]
pub struct Summary {
    /// Number of questions.
    pub queries: usize,
    /// Questions without a right document.
    pub unanswerable: usize,
    /// R@1.
    pub recall_at_1: f64,
    /// R@3.
    pub recall_at_3: f64,
    /// R@10.
    pub recall_at_10: f64,
    /// MRR@10.
    pub mrr_at_10: f64,
    /// nDCG@10.
    pub ndcg_at_10: f64,
    /// Share of all questions answered directly at the promised precision.
    pub answer_coverage: f64,
    /// Precision of those answers; none if nothing was answered.
    pub answer_precision: Option<f64>,
    /// Share of the questions with a right document that are taken for answerable; none if there are no such questions.
    pub kept: Option<f64>,
    /// Share of the questions without one that are; none if there are no such questions.
    pub let_in: Option<f64>,
    /// Largest coverage whose precision is at least 90%, by the order of confidence.
    pub coverage_at_90: f64,
    /// The same at 95%.
    pub coverage_at_95: f64,
    /// The same at 98%.
    pub coverage_at_98: f64,
    /// Expected calibration error over ten bins of equal width.
    pub expected_calibration_error: f64,
    /// Median time of a query, in milliseconds.
    pub p50_ms: f64,
    /// 99th percentile of it.
    pub p99_ms: f64,
}

/// Summarises outcomes; `threshold` is the confidence from which a question is answered directly, `answerable_from` the probability of
/// an answer from which anything is suggested.
pub fn summarise(outcomes: &[Outcome], threshold: f32, answerable_from: f32) -> Summary {
    let answerable: Vec<&Outcome> = outcomes.iter().filter(|o| o.relevant > 0).collect();
    let mean = |value: &dyn Fn(&Outcome) -> f64| {
        if answerable.is_empty() { 0.0 } else { answerable.iter().map(|o| value(o)).sum::<f64>() / answerable.len() as f64 }
    };
    let recall = |k: usize| mean(&|o| f64::from(u8::from(o.ranks.first().is_some_and(|rank| *rank < k))));
    let discount = |rank: usize| 1.0 / (rank as f64 + 2.0).log2();
    let ndcg = |o: &Outcome| {
        let ideal: f64 = (0..o.relevant.min(10)).map(discount).sum();
        o.ranks.iter().map(|rank| discount(*rank)).sum::<f64>() / ideal
    };
    let answered: Vec<&Outcome> = outcomes.iter().filter(|o| o.confidence >= threshold).collect();
    let right = answered.iter().filter(|o| o.right()).count();
    let taken = |wanted: bool| {
        let of: Vec<&Outcome> = outcomes.iter().filter(|o| (o.relevant > 0) == wanted).collect();
        (!of.is_empty()).then(|| share(of.iter().filter(|o| o.answerable >= answerable_from).count(), of.len()))
    };
    let mut times: Vec<f64> = outcomes.iter().map(|o| o.milliseconds).collect();
    times.sort_by(f64::total_cmp);
    let percentile = |p: f64| times.get(((times.len() as f64 - 1.0) * p).round() as usize).copied().unwrap_or(0.0);
    Summary {
        queries: outcomes.len(),
        unanswerable: outcomes.len() - answerable.len(),
        recall_at_1: recall(1),
        recall_at_3: recall(3),
        recall_at_10: recall(10),
        mrr_at_10: mean(&|o| o.ranks.first().map_or(0.0, |rank| 1.0 / (*rank as f64 + 1.0))),
        ndcg_at_10: mean(&ndcg),
        answer_coverage: share(answered.len(), outcomes.len()),
        answer_precision: (!answered.is_empty()).then(|| share(right, answered.len())),
        kept: taken(true),
        let_in: taken(false),
        coverage_at_90: reachable(outcomes, 0.90),
        coverage_at_95: reachable(outcomes, 0.95),
        coverage_at_98: reachable(outcomes, 0.98),
        expected_calibration_error: calibration_error(outcomes),
        p50_ms: percentile(0.5),
        p99_ms: percentile(0.99),
    }
}

fn share(part: usize, whole: usize) -> f64 {
    if whole == 0 { 0.0 } else { part as f64 / whole as f64 }
}

/// The largest share of questions, most confident first, of which `precision` are right. Equal confidences stay together.
fn reachable(outcomes: &[Outcome], precision: f64) -> f64 {
    let mut order: Vec<&Outcome> = outcomes.iter().collect();
    order.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.query.cmp(&b.query)));
    let (mut right, mut best) = (0, 0);
    for (at, outcome) in order.iter().enumerate() {
        right += usize::from(outcome.right());
        let ends_here = order.get(at + 1).is_none_or(|next| next.confidence < outcome.confidence);
        if ends_here && right as f64 >= precision * (at + 1) as f64 {
            best = at + 1;
        }
    }
    share(best, order.len())
}

/// Bins of the reliability diagram: mean confidence, share right, number of questions.
pub fn reliability(outcomes: &[Outcome]) -> Vec<(f64, f64, usize)> {
    const BINS: usize = 10;
    (0..BINS)
        .map(|bin| {
            let inside: Vec<&Outcome> =
                outcomes.iter().filter(|o| ((o.confidence * BINS as f32) as usize).min(BINS - 1) == bin).collect();
            let confidence = inside.iter().map(|o| f64::from(o.confidence)).sum::<f64>() / inside.len().max(1) as f64;
            (confidence, share(inside.iter().filter(|o| o.right()).count(), inside.len()), inside.len())
        })
        .collect()
}

/// Points (coverage, precision), most confident first, for a plot.
pub fn precision_by_coverage(outcomes: &[Outcome]) -> Vec<(f64, f64)> {
    let mut order: Vec<&Outcome> = outcomes.iter().collect();
    order.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.query.cmp(&b.query)));
    let mut right = 0;
    order
        .iter()
        .enumerate()
        .map(|(at, outcome)| {
            right += usize::from(outcome.right());
            (share(at + 1, order.len()), share(right, at + 1))
        })
        .collect()
}

fn calibration_error(outcomes: &[Outcome]) -> f64 {
    reliability(outcomes)
        .into_iter()
        .map(|(confidence, right, count)| (confidence - right).abs() * share(count, outcomes.len()))
        .sum()
}
