//! `yingda search` and `yingda suggest`: one question to the published generation.

use std::sync::Arc;

use clap::Args;

use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::corpus::{Channel, Kind};
use crate::error::{Error, Result};
use crate::reply::{Context, Moment};
use crate::service::{Message, Reason, Role, SearchFilters, SearchRequest, Service, SourceRef, SuggestRequest, load_model};

#[derive(Debug, Args)]
pub struct SearchArguments {
    /// The words to search for
    text: String,
    /// How many hits
    #[arg(long, default_value_t = 10)]
    top_k: i64,
    #[command(flatten)]
    restrictions: Restrictions,
    /// Show the evidence behind each score
    #[arg(long)]
    explain: bool,
}

/// What may be found.
#[derive(Debug, Clone, Args)]
pub struct Restrictions {
    /// Kinds to search, separated by commas: faq, manual, script, risk
    #[arg(long, value_delimiter = ',', value_parser = kind)]
    kinds: Vec<Kind>,
    /// Product ids, separated by commas
    #[arg(long, value_delimiter = ',')]
    products: Vec<String>,
    /// Channels, separated by commas
    #[arg(long, value_delimiter = ',', value_parser = channel)]
    channels: Vec<Channel>,
    /// Tags, separated by commas
    #[arg(long, value_delimiter = ',')]
    tags: Vec<String>,
    /// Leave out hits below this score
    #[arg(long)]
    score_threshold: Option<f32>,
    /// The day for which entries must be valid, such as 2026-11-11
    #[arg(long)]
    as_of: Option<Moment>,
}

impl Restrictions {
    /// A search for `text` under these restrictions.
    pub(super) fn request(&self, text: &str) -> SearchRequest {
        let Restrictions { kinds, products, channels, tags, score_threshold, as_of } = self.clone();
        let filters = SearchFilters { products, channels, tags };
        SearchRequest { query: text.to_owned(), kinds, filters, score_threshold, as_of, ..SearchRequest::default() }
    }
}

#[derive(Debug, Args)]
pub struct SuggestArguments {
    /// The customer's words
    text: String,
    /// How many suggestions
    #[arg(long, default_value_t = 3)]
    top_k: i64,
    /// What is known of channel, product, order and customer, as JSON
    #[arg(long, value_name = "JSON")]
    context: Option<String>,
    /// The moment the reply is for, such as 2026-11-11T00:00
    #[arg(long)]
    as_of: Option<Moment>,
    /// Show the evidence behind each suggestion
    #[arg(long)]
    explain: bool,
}

impl SuggestArguments {
    fn request(&self) -> Result<SuggestRequest> {
        let context: Context = match &self.context {
            None => Context::default(),
            Some(text) => serde_json::from_str(text).map_err(|error| Error::InvalidRequest(format!("--context: {error}")))?,
        };
        Ok(SuggestRequest {
            messages: vec![Message { role: Role::Customer, text: self.text.clone() }],
            context,
            top_k: Some(self.top_k),
            as_of: self.as_of,
            explain: self.explain,
            ..SuggestRequest::default()
        })
    }
}

fn kind(text: &str) -> std::result::Result<Kind, String> {
    Kind::parse(text).ok_or_else(|| format!("use one of {}", Kind::NAMES.join(", ")))
}

pub(super) fn channel(text: &str) -> std::result::Result<Channel, String> {
    Channel::parse(text).ok_or_else(|| format!("use one of {}", Channel::NAMES.join(", ")))
}

pub(super) fn open(config: &Config) -> Result<Service> {
    let service = Service::new(config, Arc::clone(&load_model(config)?))?;
    service.live().refresh()?;
    Ok(service)
}

pub(super) fn new_id() -> String {
    uuid::Uuid::new_v4().to_string()
}

/// Searches and prints.
pub fn search(config: &Config, arguments: &SearchArguments, format: Format) -> Result<u8> {
    let request = SearchRequest {
        top_k: Some(arguments.top_k),
        explain: arguments.explain,
        ..arguments.restrictions.request(&arguments.text)
    };
    let response = open(config)?.search(&request, &new_id())?;
    if format == Format::Json {
        output::json(&response)?;
        return Ok(EXIT_OK);
    }
    for (rank, hit) in response.hits.iter().enumerate() {
        output::text(&format!("{:>2}. {:.3}  [{}] {}", rank + 1, hit.score, hit.kind.as_str(), hit.title));
        output::text(&format!("           {}", place(&hit.source)));
        output::text(&format!(
            "           keyword {:.2}, vector {:.2}, matched {}: {}",
            hit.keyword_score,
            hit.vector_score,
            serde_json::to_value(hit.matched.field).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default(),
            one_line(&hit.matched.text)
        ));
        if let Some(features) = &hit.features {
            let shown: Vec<String> =
                features.iter().map(|(name, value)| format!("{name}={:.3}", value.as_f64().unwrap_or(0.0))).collect();
            output::text(&format!("           {}", shown.join(" ")));
        }
    }
    if response.hits.is_empty() {
        output::note("nothing found");
    }
    Ok(EXIT_OK)
}

/// Suggests and prints.
pub fn suggest(config: &Config, arguments: &SuggestArguments, format: Format) -> Result<u8> {
    let request = arguments.request()?;
    let response = open(config)?.suggest(&request, &new_id())?;
    if format == Format::Json {
        output::json(&response)?;
        return Ok(EXIT_OK);
    }
    let decision = serde_json::to_value(response.decision).ok().and_then(|v| v.as_str().map(str::to_owned)).unwrap_or_default();
    output::text(&format!("decision: {decision} (confidence {:.2})", response.confidence));
    if let Some(clarify) = &response.clarify {
        output::text(&format!("ask: {}", clarify.question));
        clarify.options.iter().for_each(|option| output::text(&format!("   ◦ {}", option.label)));
    }
    for text in response.handoff.iter().map(|reply| &reply.text).chain(response.courtesy.iter().map(|reply| &reply.text)) {
        output::text(&format!("say: {text}"));
    }
    for (rank, suggestion) in response.suggestions.iter().enumerate() {
        output::text(&format!("\n{}. {} — {:.2}", rank + 1, suggestion.title, suggestion.confidence));
        output::text(&format!("   {}", suggestion.sources.iter().map(place).collect::<Vec<_>>().join("; ")));
        for line in suggestion.text.lines() {
            output::text(&format!("   {line}"));
        }
        for option in &suggestion.options {
            output::text(&format!("   ◦ {}: {}", option.label, one_line(&option.text)));
        }
    }
    if !response.scripts.is_empty() {
        output::text("\nscripts:");
        for script in &response.scripts {
            output::text(&format!("   [{} · {}] {}", script.scene, script.step.as_str(), one_line(&script.text)));
        }
    }
    Ok(EXIT_OK)
}

/// Answers and prints.
pub fn answer(config: &Config, arguments: &SuggestArguments, format: Format) -> Result<u8> {
    let response = open(config)?.answer(&arguments.request()?, &new_id())?;
    if format == Format::Json {
        output::json(&response)?;
        return Ok(EXIT_OK);
    }
    match (&response.text, &response.next) {
        (Some(text), _) => {
            output::text(text);
            output::note(&response.sources.iter().map(place).collect::<Vec<_>>().join("; "));
        }
        (None, next) => {
            let reason = response.reason.map_or("unsure", Reason::as_str);
            output::text(&format!("no answer: {reason} (confidence {:.2})", response.confidence));
            if let Some(next) = next {
                output::text(&format!("say: {}", next.text));
                next.options.iter().for_each(|option| output::text(&format!("   ◦ {}", option.label)));
            }
        }
    }
    Ok(EXIT_OK)
}

pub(super) fn place(source: &SourceRef) -> String {
    let section = if source.section.is_empty() { String::new() } else { format!(" ({})", source.section.join(" > ")) };
    format!("{} {}:{}{section}", source.entry_id, source.file, source.line)
}

pub(super) fn one_line(text: &str) -> String {
    const SHOWN: usize = 80;
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if line.chars().count() <= SHOWN { line } else { format!("{}…", line.chars().take(SHOWN).collect::<String>()) }
}
