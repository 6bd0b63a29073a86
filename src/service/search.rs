//! `POST /v1/search` and `yingda search`.

use super::{Matched, Metadata, SearchHit, SearchRequest, SearchResponse, Service, SourceRef, Span};
use crate::corpus::{Entry, EntryBody};
use crate::error::{Error, Result};
use crate::generation::{Generation, plain_template};
use crate::query::{self, Explanation, FEATURES, Features, Filters, Found, Hit, MAX_TOP_K, Query};

/// Hits if the request names no number.
const DEFAULT_TOP_K: usize = 10;

impl Service {
    /// Searches the serving generation.
    ///
    /// # Errors
    /// [`Error::InvalidRequest`] where the request is out of its limits, [`Error::NoGeneration`] while nothing is published.
    pub fn search(&self, request: &SearchRequest, request_id: &str) -> Result<SearchResponse> {
        if let Some(threshold) = request.score_threshold
            && !(0.0..=1.0).contains(&threshold)
        {
            return Err(Error::InvalidRequest(format!("score_threshold is {threshold}; use 0 to 1")));
        }
        let generation = self.generation()?;
        let query = Query {
            filters: Filters {
                kinds: request.kinds.clone(),
                products: request.filters.products.clone(),
                channels: request.filters.channels.clone(),
                tags: request.filters.tags.clone(),
                only: None,
            },
            ..Query::new(&request.query, top_k(request.top_k, DEFAULT_TOP_K)?, self.day(request.as_of))
        };
        let understood = query::understand(&generation, &query.text)?;
        let found = query::search_understood(&generation, &self.ranker, &understood, &query)?;
        let threshold = request.score_threshold.unwrap_or(0.0);
        let hits = found
            .hits
            .iter()
            .enumerate()
            .filter(|(_, hit)| hit.score >= threshold)
            .map(|(at, hit)| {
                let explain = request.explain.then(|| query::explain(&self.ranker, hit, at + 1));
                describe(&generation, &found, hit, explain)
            })
            .collect();
        let diagnosis = match &request.expect {
            None => None,
            Some(id) => Some(self.diagnose(&generation, &understood, &query, id, threshold)?),
        };
        Ok(SearchResponse { request_id: request_id.to_owned(), generation: generation.id().to_owned(), hits, diagnosis })
    }

    pub(super) fn day(&self, as_of: Option<crate::reply::Moment>) -> crate::corpus::Date {
        self.moment(as_of).to_zoned(self.zone.clone()).date()
    }
}

/// Checks `top_k` of a request.
pub(super) fn top_k(requested: Option<i64>, default: usize) -> Result<usize> {
    match requested {
        None => Ok(default),
        Some(value) => usize::try_from(value)
            .ok()
            .filter(|value| (1..=MAX_TOP_K).contains(value))
            .ok_or_else(|| Error::InvalidRequest(format!("top_k is {value}; use 1 to {MAX_TOP_K}"))),
    }
}

fn describe(generation: &Generation, found: &Found, hit: &Hit, explain: Option<Explanation>) -> SearchHit {
    let target = &generation.targets[hit.target as usize];
    let entry = &generation.entries[target.entry as usize];
    let matched = matched(generation, hit);
    let highlights = query::highlights(&matched.text, &found.tokens).into_iter().map(|(start, end)| Span { start, end }).collect();
    SearchHit {
        id: entry.id.clone(),
        kind: entry.kind(),
        title: title(entry, target.section),
        text: text(generation, entry, target.section),
        score: hit.score,
        confidence: hit.confidence,
        keyword_score: hit.keyword_score,
        vector_score: hit.vector_score,
        matched,
        highlights,
        source: source(entry, target.section),
        metadata: Metadata {
            topic: entry.topic.clone(),
            tags: entry.tags.clone(),
            products: entry.products.clone(),
            channels: entry.channels.clone(),
            related: entry.related.clone(),
        },
        features: explain.as_ref().map(|_| named(&hit.features)),
        explain,
    }
}

pub(super) fn matched(generation: &Generation, hit: &Hit) -> Matched {
    let unit = &generation.units[hit.matched as usize];
    Matched { field: unit.field, text: unit.text.clone() }
}

pub(super) fn named(features: &Features) -> serde_json::Map<String, serde_json::Value> {
    FEATURES.iter().zip(features.values()).map(|(name, value)| ((*name).to_owned(), serde_json::json!(value))).collect()
}

pub(super) fn title(entry: &Entry, section: Option<u32>) -> String {
    match (&entry.body, section) {
        (EntryBody::Manual(manual), Some(number)) => manual.sections[number as usize].path.join(" > "),
        _ => entry.title.clone(),
    }
}

pub(super) fn source(entry: &Entry, section: Option<u32>) -> SourceRef {
    let mut source = SourceRef {
        entry_id: entry.id.clone(),
        file: entry.source.file.clone(),
        line: entry.source.line,
        section: Vec::new(),
        version: entry.source.version.clone(),
    };
    if let (EntryBody::Manual(manual), Some(number)) = (&entry.body, section) {
        let section = &manual.sections[number as usize];
        source.line = section.line;
        source.section.clone_from(&section.path);
    }
    source
}

pub(super) fn text(generation: &Generation, entry: &Entry, section: Option<u32>) -> String {
    match (&entry.body, section) {
        (EntryBody::Faq(faq), _) => {
            faq.answers.last().map(|answer| plain_template(&answer.text, &generation.shop)).unwrap_or_default()
        }
        (EntryBody::Manual(manual), Some(number)) => manual.sections[number as usize].text.clone(),
        (EntryBody::Manual(_), None) => String::new(),
        (EntryBody::Script(script), _) => plain_template(&script.text, &generation.shop),
        (EntryBody::Risk(risk), _) => plain_template(&risk.reply, &generation.shop),
    }
}
