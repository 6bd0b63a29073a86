//! The same checks over the corpus itself, so that a forbidden promise is never published.

use super::Checker;
use crate::corpus::{CheckSeverity, Corpus, Entry, EntryBody, Problem, Status};
use crate::error::Result;

/// Adds what the checks find in the answers, options, scripts and risk replies of `corpus` to its problems: an error for what
/// is blocked, a warning for the rest.
///
/// # Errors
/// If the checks themselves cannot be compiled although the corpus reader found no fault in them.
pub fn review(corpus: &mut Corpus) -> Result<()> {
    if corpus.errors() > 0 {
        // Patterns may be what is wrong; the editor mends that first.
        return Ok(());
    }
    let checker = Checker::new(&corpus.screening)?;
    let mut problems = Vec::new();
    for entry in corpus.entries.iter().filter(|entry| entry.status != Status::Archived) {
        for (field, text) in texts(entry) {
            for violation in checker.check(text, None)? {
                let what = format!("“{}” breaks the rule {}: {}", violation.text, violation.rule.as_str(), violation.reason);
                let fix = format!("say for instance “{}”", violation.replacement);
                let (file, line) = (&entry.source.file, entry.source.line);
                problems.push(match violation.severity {
                    CheckSeverity::Block => Problem::error(file, line, &field, what, fix),
                    CheckSeverity::Warn => Problem::warning(file, line, &field, what, fix),
                });
            }
        }
    }
    corpus.report(problems);
    Ok(())
}

/// The texts of an entry that are sent to customers in the shop's own words; a manual is quoted, and belongs to its maker.
pub fn texts(entry: &Entry) -> Vec<(String, &str)> {
    match &entry.body {
        EntryBody::Faq(faq) => {
            let answers = faq.answers.iter().enumerate().map(|(i, answer)| (format!("answers[{i}].text"), answer.text.as_str()));
            let options = faq.options.iter().enumerate().map(|(i, option)| (format!("options[{i}].text"), option.text.as_str()));
            answers.chain(options).collect()
        }
        EntryBody::Script(script) => vec![("text".to_owned(), script.text.as_str())],
        EntryBody::Risk(risk) => vec![("reply".to_owned(), risk.reply.as_str())],
        EntryBody::Manual(_) => Vec::new(),
    }
}
