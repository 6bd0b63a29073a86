//! `yingda check`: every problem of the corpus at once, and `yingda check-text`: the faults of one draft.

use clap::Args;

use super::{EXIT_OK, EXIT_PROBLEMS, Format, output, query};
use crate::compliance::{self, Verdict, Violation};
use crate::config::Config;
use crate::corpus::{Channel, Corpus, Kind, Severity};
use crate::error::Result;
use crate::service::CheckRequest;

/// Checks the corpus.
pub fn run(config: &Config, format: Format) -> Result<u8> {
    let corpus = load(config)?;
    let (errors, warnings) = (corpus.errors(), corpus.problems.len() - corpus.errors());
    match format {
        Format::Text => {
            corpus.problems.iter().for_each(|problem| output::text(&problem.to_string()));
            let count = |kind| corpus.entries.iter().filter(|entry| entry.kind() == kind).count();
            output::note(&format!(
                "{errors} error(s), {warnings} warning(s) in {} faq, {} manual, {} script and {} risk entries",
                count(Kind::Faq),
                count(Kind::Manual),
                count(Kind::Script),
                count(Kind::Risk)
            ));
        }
        Format::Json => {
            let report = serde_json::json!({ "errors": errors, "warnings": warnings, "problems": corpus.problems });
            output::json(&report)?;
        }
    }
    Ok(if errors > 0 { EXIT_PROBLEMS } else { EXIT_OK })
}

/// Reads the corpus, checks it, and holds its texts against its own rules for drafts.
pub fn load(config: &Config) -> Result<Corpus> {
    let mut corpus = Corpus::load(&config.corpus.path)?;
    compliance::review(&mut corpus)?;
    Ok(corpus)
}

#[derive(Debug, Args)]
pub struct CheckTextArguments {
    /// The draft
    text: String,
    /// Where it will be sent: im, app, web, email or phone
    #[arg(long, value_parser = query::channel)]
    channel: Option<Channel>,
}

/// Checks a draft and prints what is wrong with it.
pub fn text(config: &Config, arguments: &CheckTextArguments, format: Format) -> Result<u8> {
    let request = CheckRequest { text: arguments.text.clone(), channel: arguments.channel };
    let response = query::open(config)?.check(&request, &query::new_id())?;
    if format == Format::Json {
        output::json(&response)?;
        return Ok(EXIT_OK);
    }
    for violation in &response.violations {
        let Violation { rule, severity, span, text, reason, replacement, .. } = violation;
        let (rule, severity) = (rule.as_str(), severity.as_str());
        output::text(&format!("{}..{} {severity} {rule}: “{text}” {reason}", span.start, span.end));
        output::text(&format!("     → {replacement}"));
    }
    output::note(match response.verdict {
        Verdict::Pass => "pass: nothing found",
        Verdict::Warn => "warn: look at it again before sending",
        Verdict::Block => "block: must not be sent like this",
    });
    Ok(EXIT_OK)
}

/// Prints problems to standard error, for commands whose result is something else; warnings only as a count.
pub fn report(corpus: &Corpus) {
    for problem in corpus.problems.iter().filter(|problem| problem.severity == Severity::Error) {
        output::note(&problem.to_string());
    }
    let warnings = corpus.problems.len() - corpus.errors();
    if warnings > 0 {
        output::note(&format!("{warnings} warning(s); `yingda check` lists them"));
    }
}
