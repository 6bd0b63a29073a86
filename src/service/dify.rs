//! Dify's External Knowledge API: what its request means here, and the records it gets. The corpus is the knowledge
//! [`KNOWLEDGE_ID`]; scripts and risk rules are for people and are never handed to a bot. HTTP and its error bodies live in
//! `http`.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::Service;
use super::dify_condition::{Matcher, MetadataCondition};
use super::search::{source, text, title};
use crate::corpus::{Entry, EntryBody};
use crate::error::{Error, Result};
use crate::query::{self, ANSWERING_KINDS, Filters, MAX_TOP_K, Query};

/// The one knowledge there is.
pub const KNOWLEDGE_ID: &str = "default";

/// `POST /dify/retrieval`. Fields that Dify may add are ignored.
#[derive(Debug, Clone, Deserialize)]
pub struct RetrievalRequest {
    /// Which knowledge; only [`KNOWLEDGE_ID`] exists.
    pub knowledge_id: String,
    /// The user's words, up to 2,000 characters.
    pub query: String,
    /// How many records, and how good.
    pub retrieval_setting: RetrievalSetting,
    /// Which entries, by their metadata.
    #[serde(default)]
    pub metadata_condition: Option<MetadataCondition>,
}

/// `retrieval_setting` of a request.
#[derive(Debug, Clone, Deserialize)]
pub struct RetrievalSetting {
    /// Most records, at least 1; more than 100 count as 100.
    pub top_k: i64,
    /// Lowest score, from 0 to 1; Dify sends 0.0 where it is switched off.
    #[serde(default)]
    pub score_threshold: Option<f64>,
}

/// The answer of `POST /dify/retrieval`.
#[derive(Debug, Clone, Serialize)]
pub struct RetrievalResponse {
    /// Records, best first.
    pub records: Vec<Record>,
}

/// One record.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    /// The answer without conditions, or the passage of the manual.
    pub content: String,
    /// Relevance, from 0 to 1.
    pub score: f32,
    /// Title of the entry; for a manual with the section's headings.
    pub title: String,
    /// The entry's fields; always an object.
    pub metadata: Map<String, Value>,
}

impl Service {
    /// Retrieves records for Dify.
    ///
    /// # Errors
    /// [`Error::NotFound`] for an unknown knowledge, [`Error::InvalidRequest`] where a setting is out of its limits or a
    /// condition cannot be read, [`Error::NoGeneration`] while nothing is published.
    pub fn retrieval(&self, request: &RetrievalRequest) -> Result<RetrievalResponse> {
        if request.knowledge_id != KNOWLEDGE_ID {
            return Err(Error::NotFound(format!("there is no knowledge “{}”; use `{KNOWLEDGE_ID}`", request.knowledge_id)));
        }
        let RetrievalSetting { top_k, score_threshold } = request.retrieval_setting;
        if top_k < 1 {
            return Err(Error::InvalidRequest(format!("retrieval_setting.top_k is {top_k}; use 1 or more")));
        }
        let threshold = score_threshold.unwrap_or(0.0);
        if !(0.0..=1.0).contains(&threshold) {
            return Err(Error::InvalidRequest(format!("retrieval_setting.score_threshold is {threshold}; use 0 to 1")));
        }
        let matcher = request.metadata_condition.as_ref().map(|condition| Matcher::new(condition, &self.zone)).transpose()?;
        let generation = self.generation()?;
        let only = matcher.map(|matcher| {
            let accepted = |entry: &&Entry| matcher.accepts(&metadata(entry));
            generation.entries.iter().filter(accepted).map(|entry| entry.id.clone()).collect::<BTreeSet<String>>()
        });
        let filters = Filters { kinds: ANSWERING_KINDS.to_vec(), only: only.map(Arc::new), ..Filters::default() };
        let top_k = usize::try_from(top_k).map_or(MAX_TOP_K, |top_k| top_k.min(MAX_TOP_K));
        let query = Query { filters, ..Query::new(&request.query, top_k, self.day(None)) };
        let found = query::search(&generation, &self.ranker, &query)?;
        let records = found.hits.iter().filter(|hit| f64::from(hit.score) >= threshold).map(|hit| {
            let target = &generation.targets[hit.target as usize];
            let entry = &generation.entries[target.entry as usize];
            let mut fields = metadata(entry);
            let place = source(entry, target.section);
            fields.insert("line".to_owned(), json!(place.line));
            if !place.section.is_empty() {
                fields.insert("section".to_owned(), json!(place.section.join(" > ")));
            }
            Record {
                content: text(&generation, entry, target.section),
                score: hit.score,
                title: title(entry, target.section),
                metadata: fields,
            }
        });
        Ok(RetrievalResponse { records: records.filter(|record| !record.content.is_empty()).collect() })
    }
}

/// The fields of an entry that a condition may name. Fields without a value are left out.
fn metadata(entry: &Entry) -> Map<String, Value> {
    let mut fields = Map::new();
    let mut put = |name: &str, value: Value| {
        let empty = value.is_null() || value.as_array().is_some_and(Vec::is_empty);
        if !empty {
            fields.insert(name.to_owned(), value);
        }
    };
    put("entry_id", json!(entry.id));
    put("kind", json!(entry.kind()));
    put("topic", json!(entry.topic));
    put("tags", json!(entry.tags));
    put("products", json!(entry.products));
    put("channels", json!(entry.channels));
    put("valid_from", json!(entry.valid_from));
    put("valid_until", json!(entry.valid_until));
    put("related", json!(entry.related));
    put("file", json!(entry.source.file));
    if let EntryBody::Manual(manual) = &entry.body {
        put("product", json!(manual.product));
        put("models", json!(manual.models));
        put("version", json!(manual.version));
        put("updated", json!(manual.updated));
    }
    fields
}
