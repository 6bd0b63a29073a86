//! Questions that nothing was found for, for the people who write the knowledge base: one line of JSON each, in `unanswered.jsonl` of the
//! data folder. Numbers and addresses that could be told are masked, the file keeps to its size, and a failure to write is logged and
//! fails no request. Names stay as they were written: who may read the data folder may read them.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::text::normalise;

/// The file's name in the data folder.
pub const UNANSWERED_FILE: &str = "unanswered.jsonl";
/// Characters of a question that are kept.
const MAX_CHARS: usize = 200;
/// Digits from which a run of letters and digits is an order, a phone or an account.
const SECRET_DIGITS: usize = 5;
/// What stands in its place.
const MASK: &str = "***";

/// A question without an answer, as it is written to the file.
#[derive(Debug, Serialize)]
pub(super) struct Unanswered<'a> {
    /// When it was asked, in UTC.
    pub at: Timestamp,
    pub request_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub conversation_id: Option<&'a str>,
    pub generation: &'a str,
    /// The question as it was read, masked.
    pub question: String,
    /// Probability that the corpus has an answer.
    pub answerable: f32,
    /// Confidence of the nearest result.
    pub confidence: f32,
}

/// Counts questions without an answer and, if it is to, keeps the last ones.
#[derive(Default)]
pub(super) struct Ledger {
    count: AtomicU64,
    file: Option<Mutex<Tail>>,
}

/// A file of lines that is cut to the last `keep` whenever it has twice as many.
struct Tail {
    path: PathBuf,
    keep: usize,
    /// Lines in the file; none while that is not known.
    lines: Option<usize>,
}

impl Ledger {
    /// Keeps the last `keep` questions in `folder`, between that and twice as many at any time; with 0 it only counts.
    pub fn new(folder: &Path, keep: usize) -> Self {
        let tail = Tail { path: folder.join(UNANSWERED_FILE), keep, lines: None };
        Ledger { count: AtomicU64::new(0), file: (keep > 0).then(|| Mutex::new(tail)) }
    }

    /// Questions without an answer since the start.
    pub fn count(&self) -> u64 {
        self.count.load(Ordering::Relaxed)
    }

    /// Counts one, and keeps it.
    pub fn add(&self, question: &Unanswered) {
        self.count.fetch_add(1, Ordering::Relaxed);
        let Some(file) = &self.file else { return };
        let mut tail = file.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        if let Err(error) = tail.append(question) {
            tail.lines = None;
            tracing::warn!(%error, "a question without an answer cannot be kept");
        }
    }
}

impl Tail {
    fn append(&mut self, question: &Unanswered) -> Result<()> {
        let io = |source| Error::io(&self.path, source);
        let mut line = serde_json::to_string(question).map_err(|error| Error::internal("cannot write a question", error))?;
        line.push('\n');
        let lines = match self.lines {
            Some(lines) => lines,
            None if self.path.exists() => fs::read_to_string(&self.path).map_err(io)?.lines().count(),
            None => 0,
        };
        let mut file = OpenOptions::new().create(true).append(true).open(&self.path).map_err(io)?;
        file.write_all(line.as_bytes()).map_err(io)?;
        self.lines = Some(lines + 1);
        if lines + 1 >= 2 * self.keep { self.cut() } else { Ok(()) }
    }

    /// Leaves the last lines only: written beside the file and moved into its place.
    fn cut(&mut self) -> Result<()> {
        let text = fs::read_to_string(&self.path).map_err(|source| Error::io(&self.path, source))?;
        let lines: Vec<&str> = text.lines().collect();
        let kept = &lines[lines.len().saturating_sub(self.keep)..];
        let beside = self.path.with_extension("jsonl.new");
        let mut shorter = kept.join("\n");
        shorter.push('\n');
        fs::write(&beside, shorter).map_err(|source| Error::io(&beside, source))?;
        fs::rename(&beside, &self.path).map_err(|source| Error::io(&self.path, source))?;
        self.lines = Some(kept.len());
        Ok(())
    }
}

/// `text` without runs of letters and digits that hold an `@` or five digits (blanks and hyphens between digits do not end a run), cut
/// to a length.
pub(super) fn masked(text: &str) -> String {
    let chars: Vec<char> = normalise(text).chars().collect();
    let inside = |c: char| c.is_ascii_alphanumeric() || "@._+-".contains(c);
    let mut out = String::new();
    let mut at = 0;
    while at < chars.len() {
        if !inside(chars[at]) {
            out.push(chars[at]);
            at += 1;
            continue;
        }
        let mut end = at;
        while end < chars.len() {
            let bridges = chars[end] == ' '
                && end > at
                && chars[end - 1].is_ascii_digit()
                && chars.get(end + 1).is_some_and(char::is_ascii_digit);
            if !inside(chars[end]) && !bridges {
                break;
            }
            end += 1;
        }
        let run = &chars[at..end];
        if run.contains(&'@') || run.iter().filter(|c| c.is_ascii_digit()).count() >= SECRET_DIGITS {
            out.push_str(MASK);
        } else {
            out.extend(run);
        }
        at = end;
    }
    out.chars().take(MAX_CHARS).collect()
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn numbers_and_addresses_are_masked_and_the_rest_is_not() {
        for (text, expected) in [
            ("我的手机是13812345678，今天下雨吗", "我的手机是***,今天下雨吗"),
            ("１３８ １２３４ ５６７８打给我", "***打给我"),
            ("身份证11010119900307123x", "身份证***"),
            ("发到li.lei@example.com谢谢", "发到***谢谢"),
            ("AP300 报 E03", "ap300 报 e03"),
            ("2024年的事", "2024年的事"),
        ] {
            assert_eq!(masked(text), expected, "{text}");
        }
        assert_eq!(masked(&"问了又问，".repeat(100)).chars().count(), 200);
    }
}
