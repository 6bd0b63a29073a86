//! `yingda explain`: why results stand where they stand, and which stage lost an entry.

use clap::Args;

use super::query::{Restrictions, new_id, one_line, open, place};
use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::error::Result;
use crate::query::Explanation;
use crate::service::{DiagnosisReport, SearchHit, SearchRequest};

/// Results whose features are shown to people, unless they ask for another number.
const SHOWN: i64 = 3;
/// Differences shown for each entry above.
const DIFFERENCES: usize = 8;

#[derive(Debug, Args)]
pub struct ExplainArguments {
    /// The words to search for
    #[arg(long, value_name = "TEXT")]
    query: String,
    /// Id of the entry that should have come; says which stage lost it
    #[arg(long, value_name = "ID")]
    expect: Option<String>,
    /// How many results to explain [default: 3, in JSON as many as a search gives]
    #[arg(long)]
    top_k: Option<i64>,
    #[command(flatten)]
    restrictions: Restrictions,
}

/// Explains and prints.
pub fn run(config: &Config, arguments: &ExplainArguments, format: Format) -> Result<u8> {
    let request = SearchRequest {
        top_k: arguments.top_k,
        explain: true,
        expect: arguments.expect.clone(),
        ..arguments.restrictions.request(&arguments.query)
    };
    let response = open(config)?.search(&request, &new_id())?;
    if format == Format::Json {
        output::json(&response)?;
        return Ok(EXIT_OK);
    }
    if let Some(report) = &response.diagnosis {
        diagnosis(report);
    }
    let shown = usize::try_from(arguments.top_k.unwrap_or(SHOWN)).unwrap_or(0);
    for hit in response.hits.iter().take(shown) {
        if let Some(explanation) = &hit.explain {
            explained(hit, explanation);
        }
    }
    if response.hits.is_empty() {
        output::note("nothing found");
    }
    Ok(EXIT_OK)
}

fn diagnosis(report: &DiagnosisReport) {
    let found = &report.diagnosis;
    output::text(&format!("{}: {}", found.entry_id, report.summary));
    if let (Some(rank), Some(score), Some(confidence)) = (found.rank, found.score, found.confidence) {
        let shown = if found.shown { "among the hits" } else { "not among the hits" };
        output::text(&format!("  place {rank}, {shown}; score {score:.3}, confidence {confidence:.3}"));
    }
    let list = |name: &str, tokens: &[String]| {
        if !tokens.is_empty() {
            output::text(&format!("  {name}: {}", tokens.join(" ")));
        }
    };
    list("words in common", &found.shared.words);
    list("synonyms in common", &found.shared.synonyms);
    list("bigrams in common", &found.shared.bigrams);
    list("characters in common", &found.shared.chars);
    list("words in no text of the corpus", &found.shared.unknown_words);
    for channel in &found.pools {
        let at = match (channel.rank, channel.score) {
            (Some(rank), Some(score)) => format!("place {rank}, {score:.3}"),
            _ => "no match".to_owned(),
        };
        let cut = channel.cut.map_or_else(|| "everything is kept".to_owned(), |cut| format!("cut at {}: {cut:.3}", channel.size));
        let text = channel.text.as_ref().map_or_else(String::new, |text| format!(" “{}”", one_line(text)));
        output::text(&format!("  {:<9} {at} ({cut}){text}", channel.channel));
    }
    if let Some(negative) = &found.negative {
        output::text(&format!(
            "  negative  “{}” {:.3}, own {:.3}: {:+.3}; place without it {}",
            negative.text, negative.cosine, negative.own_cosine, negative.contribution, negative.rank_without
        ));
    }
    for rival in &found.outranked_by {
        output::text(&format!(
            "  above it, at place {}: {} (ranking score {:.3}, score {:.3}, confidence {:.3})",
            rival.rank, rival.entry_id, rival.ranking_score, rival.score, rival.confidence
        ));
        for difference in rival.differences.iter().take(DIFFERENCES) {
            output::text(&format!(
                "    {:<22} {:+8.3}   {:.3} against {:.3}",
                difference.name, difference.difference, difference.rival_value, difference.value
            ));
        }
    }
    output::text("");
}

fn explained(hit: &SearchHit, e: &Explanation) {
    output::text(&format!("{:>2}. {}  score {:.3}, confidence {:.3}", e.rank, hit.title, hit.score, hit.confidence));
    output::text(&format!("    {}, matched “{}”", place(&hit.source), one_line(&hit.matched.text)));
    output::text(&format!(
        "    {:<22} {:>7} {:>9} {:>9} {:>11} {:>9} {:>9}",
        "feature", "value", "weight", "adds", "confidence", "adds", "by lead"
    ));
    for part in &e.features {
        output::text(&format!(
            "    {:<22} {:>7.3} {:>9.3} {:>9.3} {:>11.3} {:>9.3} {:>9.3}",
            part.name,
            part.value,
            part.weight,
            part.contribution,
            part.confidence_weight,
            part.confidence_contribution,
            part.lead_contribution
        ));
    }
    output::text(&format!("    {:<22} {:>7.3} {:>9} {:>9} {:>11} {:>9.3}", "margin", e.margin, "", "", "", e.margin_contribution));
    output::text(&format!("    {:<22} {:>7} {:>9} {:>9} {:>11} {:>9.3}", "constant", "", "", "", "", e.bias));
    output::text(&format!("    {:<22} {:>7} {:>9} {:>9.3} {:>11} {:>9.3}", "sum", "", "", e.ranking_score, "", e.log_odds));
    if let (Some(relevance), Some(weight)) = (e.relevance, e.relevance_weight) {
        output::text(&format!("    cross-encoder: {relevance:.3} with share {weight:.2} of score and confidence"));
    }
    output::text("");
}
