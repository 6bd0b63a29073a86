//! The decision: answer, suggest, clarify, hand over, or say that there is nothing. In this order: a person takes over where a
//! risk of level 1 was raised, the customer asks for one, or nothing has helped; a message that asks nothing is `no_match`
//! with a courtesy; below `decision.suggest_confidence` nothing is known; candidates that are close and differ in something
//! that can be asked are clarified; from the confidence on that keeps `decision.answer_precision` it is an answer; anything else is a suggestion.

use super::Reason;
use super::conversation::Conversation;
use super::find::Candidates;
use super::guard::Assessment;
use crate::config::DecisionConfig;
use crate::dialogue::content_length;
use crate::generation::Generation;
use crate::query::{Decision, Hit};
use crate::reply::{self, About, Candidate, Clarify};

/// Candidates that a question to the customer may have to separate.
const RIVALS: usize = 4;
/// Content characters up to which a question may be too short to tell candidates apart.
const SHORT: usize = 4;
/// The same where candidates differ in product, payment or state of the order.
const SHORT_WITH_FACET: usize = 8;
/// Content characters up to which a question says next to nothing (“坏了”, “怎么退”).
const BARE: usize = 1;
/// How much less close candidates of such a question need to be.
const BARE_SHARE: f32 = 0.15;
/// Share of a phrasing's characters from which a question that has all of its own in it is that phrasing.
const SAME_PHRASING: f32 = 0.6;

/// What to do, and why not to answer.
pub(super) struct Verdict {
    pub decision: Decision,
    pub reason: Option<Reason>,
    pub clarify: Option<Clarify>,
}

impl Verdict {
    fn plain(decision: Decision, reason: Option<Reason>) -> Self {
        Verdict { decision, reason, clarify: None }
    }
}

/// Why a person must take over, if one must.
pub(super) fn handoff(conversation: &Conversation, assessment: &Assessment) -> Option<Reason> {
    let reading = &conversation.reading;
    match () {
        () if assessment.risk.level == Some(1) => Some(Reason::Risk),
        () if reading.wants_person => Some(Reason::CustomerAsks),
        () if reading.repeated_failure => Some(Reason::RepeatedFailure),
        () => None,
    }
}

/// Decides on `found`; `answer_from` is the confidence from which answers keep the promised precision.
pub(super) fn decide(
    generation: &Generation,
    conversation: &Conversation,
    assessment: &Assessment,
    found: &Candidates,
    config: &DecisionConfig,
    answer_from: f32,
) -> Verdict {
    if let Some(reason) = handoff(conversation, assessment) {
        return Verdict::plain(Decision::Handoff, Some(reason));
    }
    if conversation.reading.questions.is_empty() {
        return Verdict::plain(Decision::NoMatch, Some(Reason::NoQuestion));
    }
    if found.hits.is_empty() || found.confidence < config.suggest_confidence {
        return Verdict::plain(Decision::NoMatch, Some(Reason::NothingFound));
    }
    if found.answers == 1
        && let Some(clarify) = ambiguity(generation, conversation, found, config)
    {
        return Verdict { decision: Decision::Clarify, reason: Some(Reason::Ambiguous), clarify: Some(clarify) };
    }
    if found.confidence >= answer_from {
        return Verdict::plain(Decision::Answer, None);
    }
    Verdict::plain(Decision::Suggest, Some(Reason::Unsure))
}

/// The question to ask if the leading candidates are close and the customer's words are too few to choose.
fn ambiguity(generation: &Generation, conversation: &Conversation, found: &Candidates, config: &DecisionConfig) -> Option<Clarify> {
    let first = found.hits.first()?;
    let length = content_length(&found.question);
    if length > SHORT_WITH_FACET {
        return None;
    }
    let ratio = if length <= BARE { BARE_SHARE * config.clarify_ratio } else { config.clarify_ratio };
    let close = |hit: &&Hit| odds(hit.confidence) >= ratio * odds(first.confidence) && hit.confidence >= config.suggest_confidence;
    let close: Vec<&Hit> = found.hits.iter().filter(close).take(RIVALS).collect();
    if close.iter().filter(|hit| is_phrasing(hit)).count() == 1 {
        return None;
    }
    let candidates: Vec<Candidate> = close
        .into_iter()
        .map(|hit| {
            let target = &generation.targets[hit.target as usize];
            Candidate { entry: &generation.entries[target.entry as usize], section: target.section }
        })
        .collect();
    let clarify = reply::clarify(&candidates, &found.question, &conversation.context)?;
    let faceted = matches!(clarify.about, About::Product | About::PaymentMethod | About::OrderStatus);
    (faceted || length <= SHORT).then_some(clarify)
}

/// Odds of a probability; near 1 they tell candidates apart that probabilities do not.
fn odds(probability: f32) -> f32 {
    let probability = probability.clamp(0.0, 0.9999);
    probability / (1.0 - probability)
}

/// True if the customer wrote a phrasing of the entry, almost word for word.
fn is_phrasing(hit: &Hit) -> bool {
    let features = &hit.features;
    features.exact >= 1.0 || features.chars_of_query >= 0.99 && features.chars_of_unit >= SAME_PHRASING
}
