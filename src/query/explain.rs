//! How score and confidence of a hit come about: every feature with its value, weight and contribution, as the ranker
//! used them.

use serde::Serialize;

use super::{FEATURES, Hit, Ranker};

/// How score and confidence of a hit came about: `ranking_score` is the sum of the contributions, `score` a logistic function of it;
/// `log_odds` is `bias` plus `margin_contribution` plus the sum of the confidence and lead contributions, and `confidence` its
/// logistic.
/// A cross-encoder changes both afterwards.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Explanation {
    /// Place among all candidates, from 1.
    pub rank: usize,
    /// Weighted sum of the features.
    pub ranking_score: f32,
    /// Log odds of the confidence, before a cross-encoder.
    pub log_odds: f32,
    /// Constant term of the log odds, among what surrounds this result.
    pub bias: f32,
    /// Distance to the best rival's ranking score, squashed to -1 to 1.
    pub margin: f32,
    /// Its part in the log odds.
    pub margin_contribution: f32,
    /// All features, in the ranker's order.
    pub features: Vec<FeaturePart>,
    /// What a cross-encoder made of it (0 if it was not among those read), if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance: Option<f32>,
    /// The cross-encoder's share in score and confidence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub relevance_weight: Option<f32>,
}

/// One feature's part in score and confidence.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct FeaturePart {
    /// Its name.
    pub name: &'static str,
    /// Its value.
    pub value: f32,
    /// Its weight in the ranking.
    pub weight: f32,
    /// Value times weight.
    pub contribution: f32,
    /// Its weight in the log odds of the confidence, among what surrounds this result.
    pub confidence_weight: f32,
    /// Value times that weight.
    pub confidence_contribution: f32,
    /// Value less that of the best rival.
    pub lead: f32,
    /// The weight of the lead in the log odds of the confidence, likewise.
    pub lead_weight: f32,
    /// Lead times that weight.
    pub lead_contribution: f32,
}

/// Explains the hit at place `rank` (from 1) of a hybrid search.
pub fn explain(ranker: &Ranker, hit: &Hit, rank: usize) -> Explanation {
    let terms = ranker.terms(&hit.features);
    let features: Vec<FeaturePart> = FEATURES
        .iter()
        .zip(hit.features.values().into_iter().zip(hit.rival.values()))
        .zip(ranker.ordered().iter().zip(&terms.weights).zip(&terms.leads))
        .map(|((name, (value, rival)), ((&weight, &confidence_weight), &lead_weight))| FeaturePart {
            name,
            value,
            weight,
            // Adding 0 turns a negative zero into a plain one.
            contribution: value * weight + 0.0,
            confidence_weight,
            confidence_contribution: value * confidence_weight + 0.0,
            lead: value - rival + 0.0,
            lead_weight,
            lead_contribution: (value - rival) * lead_weight + 0.0,
        })
        .collect();
    let (bias, margin_contribution) = (terms.bias, terms.margin * hit.margin);
    Explanation {
        rank,
        ranking_score: hit.ranking_score,
        log_odds: bias
            + margin_contribution
            + features.iter().map(|part| part.confidence_contribution + part.lead_contribution).sum::<f32>(),
        bias,
        margin: hit.margin,
        margin_contribution,
        features,
        relevance: hit.relevance,
        relevance_weight: ranker.reranking_weight(),
    }
}
