//! What is wrong with a corpus, said so that an editor can mend it.

use std::fmt;

use serde::Serialize;

/// Whether a problem forbids publishing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Nothing is published while it is there.
    Error,
    /// Worth a look; does not stop publishing.
    Warning,
}

/// One thing that is wrong, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Problem {
    /// File, relative to the corpus folder, with `/`.
    pub file: String,
    /// Line number, from 1.
    pub line: usize,
    /// The field, as a path inside the entry (`answers[0].text`); `-` where the whole file is meant.
    pub field: String,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: String,
    /// Whether it forbids publishing.
    pub severity: Severity,
}

impl Problem {
    /// An error at `file:line` in `field`.
    pub fn error(file: &str, line: usize, field: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        let field = if field.is_empty() { "-" } else { field };
        Problem {
            file: file.to_owned(),
            line: line.max(1),
            field: field.to_owned(),
            what: what.into(),
            fix: fix.into(),
            severity: Severity::Error,
        }
    }

    /// The same as a warning.
    pub fn warning(file: &str, line: usize, field: &str, what: impl Into<String>, fix: impl Into<String>) -> Self {
        Problem { severity: Severity::Warning, ..Self::error(file, line, field, what, fix) }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let warning = if self.severity == Severity::Warning { "warning: " } else { "" };
        write!(f, "{}:{}: {}: {warning}{}; {}", self.file, self.line, self.field, self.what, self.fix)
    }
}
