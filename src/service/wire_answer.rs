//! Reasons, courtesies and next steps as programs see them, and the answer of `POST /v1/answer`.

use serde::Serialize;

use super::wire::SourceRef;
use crate::dialogue::CourtesyKind;
use crate::query::Decision;
use crate::reply::ClarifyOption;

/// Why a conversation is not answered outright.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A risk of level 1 was raised.
    Risk,
    /// The customer asks for a person.
    CustomerAsks,
    /// The customer has said repeatedly that it does not help.
    RepeatedFailure,
    /// The message asks nothing.
    NoQuestion,
    /// The corpus has nothing on it.
    NothingFound,
    /// Candidates are too close to choose without asking.
    Ambiguous,
    /// There is an answer, but not at the promised precision.
    Unsure,
}

impl Reason {
    /// The written form.
    pub fn as_str(self) -> &'static str {
        match self {
            Reason::Risk => "risk",
            Reason::CustomerAsks => "customer_asks",
            Reason::RepeatedFailure => "repeated_failure",
            Reason::NoQuestion => "no_question",
            Reason::NothingFound => "nothing_found",
            Reason::Ambiguous => "ambiguous",
            Reason::Unsure => "unsure",
        }
    }
}

/// An entry that answers the next need.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct RelatedEntry {
    /// Its id.
    pub entry_id: String,
    /// Its title, for instance the question.
    pub title: String,
}

/// What to say while a person takes over.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct HandoffReply {
    /// Why.
    pub reason: Reason,
    /// The words.
    pub text: String,
}

/// The reply to a message that asks nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CourtesyReply {
    /// What the message is.
    pub kind: CourtesyKind,
    /// The words.
    pub text: String,
}

/// The answer of `POST /v1/answer`.
#[derive(Debug, Clone, Serialize)]
pub struct AnswerResponse {
    /// Id of the request.
    pub request_id: String,
    /// The request's id of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The generation that answered.
    pub generation: String,
    /// The question as it was read from the conversation.
    pub question: String,
    /// The decision; `text` is there if and only if it is `answer`.
    pub decision: Decision,
    /// Calibrated probability that the best candidate is right.
    pub confidence: f32,
    /// The reply to send, or null.
    pub text: Option<String>,
    /// Ids of the entries the reply is from.
    pub entry_ids: Vec<String>,
    /// Where they are written.
    pub sources: Vec<SourceRef>,
    /// Entries for what the customer will need next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedEntry>,
    /// Why there is no text; null if there is one.
    pub reason: Option<Reason>,
    /// What to do instead; null if there is a text.
    pub next: Option<Next>,
}

/// What a program does when it has no answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Next {
    /// The step.
    pub action: NextAction,
    /// What to say to the customer meanwhile.
    pub text: String,
    /// What to offer for a click, with `clarify`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<ClarifyOption>,
}

/// The next step of a program that has no answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum NextAction {
    /// Ask the question and offer the options.
    Clarify,
    /// Hand the conversation to a person.
    Handoff,
    /// Ask the customer to say it differently.
    Rephrase,
    /// Say the text and wait: nothing was asked.
    Reply,
}
