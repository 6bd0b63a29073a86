//! `yingda check`: every problem of the corpus at once.

use super::{EXIT_OK, EXIT_PROBLEMS, Format, output};
use crate::config::Config;
use crate::corpus::{Corpus, Kind, Severity};
use crate::error::Result;

/// Checks the corpus.
pub fn run(config: &Config, format: Format) -> Result<u8> {
    let corpus = Corpus::load(&config.corpus.path)?;
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
