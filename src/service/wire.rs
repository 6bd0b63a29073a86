//! Requests and answers as programs see them. Plain data with serde; the documentation of the fields is the documentation
//! of the interface.

use serde::{Deserialize, Serialize};

use super::explain::DiagnosisReport;
use super::wire_answer::{CourtesyReply, HandoffReply, Reason, RelatedEntry};
use crate::compliance::{Verdict, Violation};
use crate::corpus::{Channel, Kind, Step};
use crate::emotion::EmotionReading;
use crate::generation::{Counts, ModelInfo, UnitField};
use crate::query::{Decision, Explanation};
use crate::reply::{Clarify, Context, Moment};
use crate::risk::RiskAssessment;

/// Longest id of a conversation, in characters.
pub const MAX_CONVERSATION_ID: usize = 128;
/// Most messages of one conversation.
pub const MAX_MESSAGES: usize = 50;

/// `POST /v1/search`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SearchRequest {
    /// The words to search for, up to 2,000 characters.
    pub query: String,
    /// How many hits, from 1 to 100; 10 if not given.
    pub top_k: Option<i64>,
    /// Kinds to search; all if empty.
    #[serde(default)]
    pub kinds: Vec<Kind>,
    /// Further restrictions.
    #[serde(default)]
    pub filters: SearchFilters,
    /// Hits below this score are left out.
    pub score_threshold: Option<f32>,
    /// The moment for which entries must be valid; now if not given.
    pub as_of: Option<Moment>,
    /// Adds the evidence behind each score.
    #[serde(default)]
    pub explain: bool,
    /// Id of an entry that was expected; adds what became of it.
    pub expect: Option<String>,
}

/// Restrictions of a search; an empty list allows all.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SearchFilters {
    /// Product ids.
    pub products: Vec<String>,
    /// Channels.
    pub channels: Vec<Channel>,
    /// Tags, of which an entry must have one.
    pub tags: Vec<String>,
}

/// The answer of `POST /v1/search`.
#[derive(Debug, Clone, Serialize)]
pub struct SearchResponse {
    /// Id of the request.
    pub request_id: String,
    /// The generation that answered.
    pub generation: String,
    /// Hits, best first.
    pub hits: Vec<SearchHit>,
    /// What became of the entry that was expected, if the request names one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub diagnosis: Option<DiagnosisReport>,
}

/// One hit.
#[derive(Debug, Clone, Serialize)]
pub struct SearchHit {
    /// Id of the entry.
    pub id: String,
    /// Kind of the entry.
    pub kind: Kind,
    /// Its title; for a manual with the section's heading.
    pub title: String,
    /// The answer (the one without conditions), the passage, the script or the compliant wording.
    pub text: String,
    /// Final score, from 0 to 1.
    pub score: f32,
    /// Calibrated probability that the entry answers the query.
    pub confidence: f32,
    /// Keyword evidence, from 0 to 1.
    pub keyword_score: f32,
    /// Cosine of the nearest text, from 0 to 1.
    pub vector_score: f32,
    /// What matched.
    pub matched: Matched,
    /// Where in `matched.text` the query's words stand, as half-open spans in Unicode characters.
    pub highlights: Vec<Span>,
    /// Where it is written.
    pub source: SourceRef,
    /// Further fields of the entry.
    pub metadata: Metadata,
    /// The evidence by name, if `explain` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<serde_json::Map<String, serde_json::Value>>,
    /// How score and confidence come about, if `explain` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub explain: Option<Explanation>,
}

/// The text of an entry that speaks most for it.
#[derive(Debug, Clone, Serialize)]
pub struct Matched {
    /// Which part of the entry it is.
    pub field: UnitField,
    /// The text.
    pub text: String,
}

/// A half-open span in Unicode characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Span {
    /// First character.
    pub start: u32,
    /// The character after the last.
    pub end: u32,
}

/// Where something is written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SourceRef {
    /// Id of the entry.
    pub entry_id: String,
    /// File, relative to the corpus folder.
    pub file: String,
    /// Line, from 1.
    pub line: usize,
    /// Headings down to the section, for a manual.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub section: Vec<String>,
    /// The document's version, for a manual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Further fields of an entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Metadata {
    /// FAQ topic or script scene.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Tags.
    pub tags: Vec<String>,
    /// Products; empty for all.
    pub products: Vec<String>,
    /// Channels; empty for all.
    pub channels: Vec<Channel>,
    /// Ids of entries that answer the next need.
    pub related: Vec<String>,
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The customer.
    Customer,
    /// The person who answers.
    Agent,
    /// A program that answers.
    Bot,
    /// Neither: a notice in the conversation.
    System,
}

/// One message of a conversation.
#[derive(Debug, Clone, Deserialize)]
pub struct Message {
    /// Who said it.
    pub role: Role,
    /// What was said.
    pub text: String,
}

/// `POST /v1/suggest`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SuggestRequest {
    /// Your id of the conversation, up to 128 characters: it comes back in the answer and stands in the log. It changes nothing else.
    pub conversation_id: Option<String>,
    /// The conversation so far, oldest first, up to 50 messages; the last ones of the customer are the question.
    #[serde(default)]
    pub messages: Vec<Message>,
    /// What is known of channel, product, order and customer.
    #[serde(default)]
    pub context: Context,
    /// How many suggestions, from 1 to 100; 3 if not given.
    pub top_k: Option<i64>,
    /// The moment the reply is for; now if not given.
    pub as_of: Option<Moment>,
    /// Adds the evidence behind each suggestion.
    #[serde(default)]
    pub explain: bool,
}

/// The answer of `POST /v1/suggest`.
#[derive(Debug, Clone, Serialize)]
pub struct SuggestResponse {
    /// Id of the request.
    pub request_id: String,
    /// The request's id of the conversation.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<String>,
    /// The generation that answered.
    pub generation: String,
    /// The question as it was read from the conversation.
    pub question: String,
    /// What to do with the suggestions. A message that asks nothing (thanks, a greeting) is `no_match` with `courtesy`.
    pub decision: Decision,
    /// Why the decision is not `answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
    /// Calibrated probability that the first suggestion is right; of several questions the lowest; 0 if there is none.
    pub confidence: f32,
    /// Suggestions, best first; of several questions in one message the best of each first. Empty with `no_match`.
    pub suggestions: Vec<Suggestion>,
    /// Script templates for the situation, best first.
    pub scripts: Vec<ScriptSuggestion>,
    /// Entries for what the customer will need next.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub related: Vec<RelatedEntry>,
    /// The question to ask, if the decision is `clarify`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clarify: Option<Clarify>,
    /// What to say while a person takes over, if the decision is `handoff`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub handoff: Option<HandoffReply>,
    /// The fitting reply to a message that asks nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub courtesy: Option<CourtesyReply>,
    /// What the customer's words call for besides an answer; of level 1, `decision` is `handoff` and the first suggestion is
    /// the rule's wording.
    pub risk: RiskAssessment,
    /// What the customer feels; spans count characters of what was written since the last answer, messages joined by a line
    /// break.
    pub emotion: EmotionReading,
}

/// One suggestion.
#[derive(Debug, Clone, Serialize)]
pub struct Suggestion {
    /// Id for feedback.
    pub suggestion_id: String,
    /// Id of the entry.
    pub entry_id: String,
    /// Kind of the entry.
    pub kind: Kind,
    /// Its title; for a manual with the section's heading.
    pub title: String,
    /// The reply, filled in; the entry's fallback answer where the chosen one has `missing_variables`.
    pub text: String,
    /// Calibrated probability that it is right.
    pub confidence: f32,
    /// Final score, from 0 to 1.
    pub score: f32,
    /// Keyword evidence, from 0 to 1.
    pub keyword_score: f32,
    /// Cosine of the nearest text, from 0 to 1.
    pub vector_score: f32,
    /// The question (or other text) of the entry that matched.
    pub matched: Matched,
    /// Variables of the chosen answer that the context did not know.
    pub missing_variables: Vec<String>,
    /// Different remedies the agent may choose from.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub options: Vec<OptionText>,
    /// Where it is written.
    pub sources: Vec<SourceRef>,
    /// Ids of entries that answer the next need.
    pub related: Vec<String>,
    /// The evidence by name, if `explain` was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub features: Option<serde_json::Map<String, serde_json::Value>>,
}

/// A remedy the agent may choose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OptionText {
    /// A short name.
    pub label: String,
    /// The reply.
    pub text: String,
}

/// A script template that fits the situation.
#[derive(Debug, Clone, Serialize)]
pub struct ScriptSuggestion {
    /// Id of the entry.
    pub entry_id: String,
    /// The situation it is for.
    pub scene: String,
    /// The step of the conversation.
    pub step: Step,
    /// The text, filled in.
    pub text: String,
    /// Final score, from 0 to 1.
    pub score: f32,
}

/// `POST /v1/check`
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The draft, up to 8,000 characters.
    pub text: String,
    /// Where it will be sent; the checks of all channels apply if not given.
    pub channel: Option<Channel>,
}

/// The answer of `POST /v1/check`.
#[derive(Debug, Clone, Serialize)]
pub struct CheckResponse {
    /// Id of the request.
    pub request_id: String,
    /// What is wrong with the draft, by place.
    pub violations: Vec<Violation>,
    /// What to do with it.
    pub verdict: Verdict,
}

/// `GET /v1/status`
#[derive(Debug, Clone, Serialize)]
pub struct StatusResponse {
    /// The program's version.
    pub version: String,
    /// When it was started, in UTC.
    pub started_at: jiff::Timestamp,
    /// The serving generation, if there is one.
    pub generation: Option<GenerationSummary>,
    /// Version of the ranker's weights.
    pub ranker_version: String,
    /// The promised precision of direct answers.
    pub answer_precision: f32,
    /// Questions since the start that nothing was found for.
    pub unanswered: u64,
}

/// What a generation is made of.
#[derive(Debug, Clone, Serialize)]
pub struct GenerationSummary {
    /// Its id.
    pub id: String,
    /// When it was built, in UTC.
    pub created_at: jiff::Timestamp,
    /// Hash of the corpus.
    pub corpus_hash: String,
    /// The embedding model.
    pub model: ModelInfo,
    /// How much it holds.
    pub counts: Counts,
}

impl crate::generation::Manifest {
    /// The part of the manifest that programs see.
    pub fn summary(&self) -> GenerationSummary {
        GenerationSummary {
            id: self.id.clone(),
            created_at: self.created_at,
            corpus_hash: self.corpus_hash.clone(),
            model: self.model.clone(),
            counts: self.counts,
        }
    }
}
