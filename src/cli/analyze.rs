//! `yingda analyze`: how a text is read, in the index and in a query.

use clap::Args;

use super::query::{new_id, open};
use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::error::Result;
use crate::service::AnalyzeRequest;
use crate::text::{DictionaryName, Inspected, InspectedToken};

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
    let (left, right) = (side(&response.readings.index), side(&query.tokens));
    output::text(&row("index", "query"));
    for at in 0..left.len().max(right.len()) {
        let cell = |side: &[String]| side.get(at).cloned().unwrap_or_default();
        output::text(row(&cell(&left), &cell(&right)).trim_end());
    }
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

/// One reading as lines.
fn side(reading: &Inspected) -> Vec<String> {
    let mut lines = vec![format!("“{}”", reading.text)];
    for (name, list) in [("words", &reading.words), ("characters", &reading.chars), ("bigrams", &reading.bigrams)] {
        lines.push(format!("{name}:"));
        lines.extend(list.iter().map(line));
    }
    lines.extend(reading.left_out.iter().map(|word| format!("left out: {} [{},{})", word.word, word.start, word.end)));
    lines
}

fn line(token: &InspectedToken) -> String {
    let InspectedToken { token, position, start, end, dictionary, within } = token;
    let dictionary = match dictionary {
        None => "",
        Some(DictionaryName::Shop) => " shop's word",
        Some(DictionaryName::Synonyms) => " synonym file",
        Some(DictionaryName::BuiltIn) => " dictionary",
        Some(DictionaryName::Latin) => " letters",
        Some(DictionaryName::Guessed) => " guessed",
    };
    let within = within.as_ref().map_or_else(String::new, |within| format!(" in {within}"));
    format!("  {position:>2} {token} [{start},{end}){dictionary}{within}")
}

/// Two cells side by side; Chinese characters and full-width signs take two columns.
fn row(left: &str, right: &str) -> String {
    const WIDTH: usize = 44;
    let columns: usize = left.chars().map(|c| if c >= '\u{2E80}' { 2 } else { 1 }).sum();
    format!("{left}{} {right}", " ".repeat(WIDTH.saturating_sub(columns)))
}
