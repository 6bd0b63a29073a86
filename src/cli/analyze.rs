//! `yingda analyze`: how a text is read, in the index and in a query.

use clap::Args;

use super::query::{new_id, open};
use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::error::Result;
use crate::service::AnalyzeRequest;
use crate::text::{CharSpan, DictionaryName, Inspected, InspectedToken};

#[derive(Debug, Args)]
pub struct AnalyzeArguments {
    /// The text
    text: String,
}

/// Analyses and prints.
pub fn run(config: &Config, arguments: &AnalyzeArguments, format: Format) -> Result<u8> {
    let response = open(config)?.analyze(&AnalyzeRequest { text: arguments.text.clone() }, &new_id())?;
    if format == Format::Json {
        output::json(&response)?;
        return Ok(EXIT_OK);
    }
    let query = &response.readings.query;
    let (index, asked) = (&response.readings.index, &query.tokens);
    beside("index", "query", &[quoted(index)], &[quoted(asked)]);
    beside("words", "words", &lines(&index.words), &lines(&asked.words));
    beside("characters", "characters", &lines(&index.chars), &lines(&asked.chars));
    beside("bigrams", "bigrams", &lines(&index.bigrams), &lines(&asked.bigrams));
    let left_out = |reading: &Inspected| reading.left_out.iter().map(|word| at(&word.word, &word.span)).collect::<Vec<_>>();
    beside("left out", "left out", &left_out(index), &left_out(asked));
    for correction in &query.corrections {
        output::text(&format!("read as: {} → {}", correction.written, correction.read_as));
    }
    for expansion in &query.expansions {
        output::text(&format!("searched as well: {} for {}, weight {}", expansion.word, expansion.of, expansion.weight));
    }
    if !query.unknown_words.is_empty() {
        output::text(&format!("in no text of the corpus: {}", query.unknown_words.join(" ")));
    }
    Ok(EXIT_OK)
}

/// Prints two lists next to each other, if there is anything in them.
fn beside(left_title: &str, right_title: &str, left: &[String], right: &[String]) {
    if left.is_empty() && right.is_empty() {
        return;
    }
    output::text(&row(&format!("{left_title}:"), &format!("{right_title}:")));
    for number in 0..left.len().max(right.len()) {
        let cell = |side: &[String]| side.get(number).map_or_else(String::new, |text| format!("  {text}"));
        output::text(row(&cell(left), &cell(right)).trim_end());
    }
}

fn quoted(reading: &Inspected) -> String {
    format!("“{}”", reading.text)
}

fn lines(tokens: &[InspectedToken]) -> Vec<String> {
    tokens.iter().map(line).collect()
}

fn at(text: &str, span: &CharSpan) -> String {
    format!("{text} [{},{})", span.start, span.end)
}

fn line(token: &InspectedToken) -> String {
    let InspectedToken { token, position, span, dictionary, within } = token;
    let dictionary = match dictionary {
        None => "",
        Some(DictionaryName::Shop) => " shop's word",
        Some(DictionaryName::Synonyms) => " synonym file",
        Some(DictionaryName::BuiltIn) => " dictionary",
        Some(DictionaryName::Latin) => " letters",
        Some(DictionaryName::Guessed) => " guessed",
    };
    let within = within.as_ref().map_or_else(String::new, |within| format!(" in {within}"));
    format!("{position:>2} {}{dictionary}{within}", at(token, span))
}

/// Two cells side by side; Chinese characters and full-width signs take two columns.
fn row(left: &str, right: &str) -> String {
    const WIDTH: usize = 44;
    let columns: usize = left.chars().map(|c| if c >= '\u{2E80}' { 2 } else { 1 }).sum();
    format!("{left}{} {right}", " ".repeat(WIDTH.saturating_sub(columns)))
}
