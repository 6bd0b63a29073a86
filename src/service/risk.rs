//! Risk and emotion in an answer: what the customer's words call for besides knowledge, and the wording for a handover.

use super::search::source;
use super::{Matched, Message, Role, SuggestResponse, Suggestion};
use crate::corpus::Kind;
use crate::error::Result;
use crate::generation::{Generation, UnitField};
use crate::query::Decision;
use crate::reply::{Renderer, Situation};
use crate::risk::{self, MatchedBy, RiskAssessment};

/// Confidence of a rule raised by its words.
const BY_WORDS: f32 = 0.95;

/// Assesses the conversation: what the customer said before, then `question`, the words to be answered.
pub(super) fn assess(generation: &Generation, messages: &[Message], question: &str) -> Result<RiskAssessment> {
    let answered = messages.iter().rposition(|message| matches!(message.role, Role::Agent | Role::Bot)).unwrap_or(0);
    let mut texts: Vec<&str> = messages[..answered]
        .iter()
        .filter(|message| message.role == Role::Customer && !message.text.trim().is_empty())
        .map(|message| message.text.as_str())
        .collect();
    texts.push(question);
    risk::assess(generation, &texts)
}

/// Puts the risk into `response`. A customer at risk of level 1 is handed to a person, and the rule's wording is the
/// first thing to say.
pub(super) fn apply(
    response: &mut SuggestResponse,
    generation: &Generation,
    renderer: &Renderer,
    situation: &Situation,
    assessment: RiskAssessment,
    top_k: usize,
) {
    if assessment.level == Some(1) {
        response.decision = Decision::Handoff;
        if let Some(first) = opening(generation, renderer, situation, &assessment, &response.request_id) {
            response.confidence = first.confidence;
            response.suggestions.insert(0, first);
            response.suggestions.truncate(top_k);
        }
    }
    response.risk = assessment;
}

/// The wording of the gravest rule as a suggestion.
fn opening(
    generation: &Generation,
    renderer: &Renderer,
    situation: &Situation,
    assessment: &RiskAssessment,
    request_id: &str,
) -> Option<Suggestion> {
    let rule = assessment.rules.first()?;
    let entry = generation.entry(&rule.id)?;
    let rendered = renderer.render(&rule.reply, situation.context);
    let confidence = if rule.matched_by == MatchedBy::Meaning { rule.similarity } else { BY_WORDS };
    Some(Suggestion {
        suggestion_id: format!("{request_id}.risk"),
        entry_id: rule.id.clone(),
        kind: Kind::Risk,
        title: rule.title.clone(),
        text: rendered.text,
        confidence,
        score: confidence,
        keyword_score: f32::from(u8::from(rule.matched_by == MatchedBy::Words)),
        vector_score: rule.similarity,
        matched: Matched { field: UnitField::Similar, text: rule.text.clone() },
        missing_variables: rendered.missing,
        options: Vec::new(),
        sources: vec![source(entry, None)],
        related: entry.related.clone(),
        features: None,
    })
}
