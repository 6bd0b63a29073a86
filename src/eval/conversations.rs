//! Golden conversations: whole requests through the service, held against what should come of them.

use serde_json::{Value, json};

use crate::corpus::{Corpus, GoldenConversation};
use crate::error::{Error, Result};
use crate::service::{Service, SuggestRequest};

/// How many suggestions an expected entry must be among.
const SHOWN: usize = 3;

/// How the golden conversations of a corpus came out.
#[derive(Debug, Clone, Default)]
pub struct ConversationReport {
    /// Number of conversations.
    pub total: usize,
    /// What is wrong with those that failed: file and line, the last message, and the difference.
    pub failures: Vec<String>,
}

impl ConversationReport {
    /// Share that passed; 1 if there are none.
    pub fn pass_rate(&self) -> f64 {
        if self.total == 0 { 1.0 } else { 1.0 - self.failures.len() as f64 / self.total as f64 }
    }
}

/// Runs all golden conversations of `corpus` through `service`.
///
/// # Errors
/// If a request cannot be made or answered at all.
pub fn converse(service: &Service, corpus: &Corpus) -> Result<ConversationReport> {
    let mut report = ConversationReport::default();
    for (file, conversations) in &corpus.conversations {
        for golden in conversations {
            report.total += 1;
            if let Some(what) = differs(service, golden)? {
                let last = golden.messages.last().map_or("", |(_, text)| text.as_str());
                report.failures.push(format!("{file}:{}: {last}: {what}", golden.line));
            }
        }
    }
    Ok(report)
}

fn request(golden: &GoldenConversation) -> Result<SuggestRequest> {
    let messages: Vec<Value> = golden.messages.iter().map(|(role, text)| json!({"role": role, "text": text})).collect();
    let context = if golden.context.is_null() { json!({}) } else { golden.context.clone() };
    serde_json::from_value(json!({"messages": messages, "context": context, "as_of": golden.as_of}))
        .map_err(|error| Error::InvalidRequest(format!("golden conversation on line {}: {error}", golden.line)))
}

/// What is wrong with the service's reply to `golden`, if anything.
fn differs(service: &Service, golden: &GoldenConversation) -> Result<Option<String>> {
    let response = service.suggest(&request(golden)?, "golden")?;
    let decision = serde_json::to_value(response.decision).map_err(|error| Error::internal("cannot write a decision", error))?;
    let decision = decision.as_str().unwrap_or_default();
    if !golden.decisions.is_empty() && !golden.decisions.iter().any(|expected| expected == decision) {
        let expected = golden.decisions.join(" or ");
        return Ok(Some(format!("decision {decision} (confidence {:.2}), not {expected}", response.confidence)));
    }
    let first: Vec<&str> = response.suggestions.iter().take(SHOWN).map(|suggestion| suggestion.entry_id.as_str()).collect();
    let found = |id: &String| first.contains(&id.as_str());
    let right = if golden.every_entry { golden.entries.iter().all(found) } else { golden.entries.iter().any(found) };
    if !golden.entries.is_empty() && !right {
        return Ok(Some(format!("suggests {first:?}, not {:?}", golden.entries)));
    }
    let mut said: Vec<String> = Vec::new();
    said.extend(response.handoff.map(|reply| reply.text));
    said.extend(response.courtesy.map(|reply| reply.text));
    said.extend(response.suggestions.first().map(|suggestion| suggestion.text.clone()));
    if let Some(missing) = golden.must_contain.iter().find(|words| !said.iter().any(|text| text.contains(words.as_str()))) {
        return Ok(Some(format!("lacks “{missing}”: {said:?}")));
    }
    let shown = |words: &&String| response.suggestions.iter().any(|suggestion| suggestion.text.contains(words.as_str()));
    Ok(golden.must_not_contain.iter().find(shown).map(|words| format!("says “{words}”")))
}
