//! The corpus: what editors write, and how it becomes checked entries.
//!
//! `read` is the only place that touches corpus files; `parse` and its parts are pure functions from bytes to entries and
//! problems; `validate` looks across entries. Nothing here knows indexes, models or requests. A bad entry is always
//! reported with file and line, and never skipped silently.

mod entry;
mod golden;
mod locate;
mod manual;
mod parse;
mod problem;
mod reachability;
mod read;
mod screening;
mod template_check;
mod validate;
mod yaml;

pub use entry::{
    Answer, ChangeLogEntry, Channel, CustomerTier, Date, Entry, EntryBody, Faq, Kind, Manual, OrderStatus, PaymentMethod, Range,
    ReplyOption, Risk, Script, Section, Source, Status, Step, TimeWindow, Triggers, When,
};
pub use golden::GoldenConversation;
pub use problem::{Problem, Severity};
pub use read::{MAX_FILE_BYTES, SourceFile, read_folder};
pub use screening::{Check, CheckRule, CheckSeverity, Emotion, EmotionSigns, Emotions, Screening};

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::Result;
use crate::text::Dictionaries;

/// A question with the entries that answer it, from `golden/*.tsv`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GoldenQuestion {
    /// The customer's words.
    pub question: String,
    /// Ids of the right entries; empty where the corpus has no answer.
    pub expected: Vec<String>,
    /// Line number in its file, from 1.
    pub line: usize,
}

/// Shop settings and named time windows from `shop.yaml`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Shop {
    /// Values for `{{ shop.key }}`.
    pub settings: BTreeMap<String, String>,
    /// Named windows for `when: {window: …}`.
    pub windows: BTreeMap<String, TimeWindow>,
}

/// A whole corpus, parsed. Usable for an index only if [`Corpus::errors`] is zero.
#[derive(Debug, Default)]
pub struct Corpus {
    /// All entries, ordered by id.
    pub entries: Vec<Entry>,
    /// Shop settings and windows.
    pub shop: Shop,
    /// The shop's words, synonyms and stop words.
    pub dictionaries: Dictionaries,
    /// Evaluation questions, by file name.
    pub golden: BTreeMap<String, Vec<GoldenQuestion>>,
    /// Evaluation conversations, by file name.
    pub conversations: BTreeMap<String, Vec<GoldenConversation>>,
    /// Checks, emotions, groups and variants of writing.
    pub screening: Screening,
    pub(crate) found: screening::Found,
    /// The files as read, to say where exactly a problem stands.
    pub(crate) files: Vec<SourceFile>,
    /// Everything found wrong, ordered by file and line.
    pub problems: Vec<Problem>,
    /// SHA-256 over all file names and contents, in hexadecimal.
    pub hash: String,
}

impl Corpus {
    /// Reads and checks the corpus in `folder`.
    ///
    /// # Errors
    /// Only if the folder itself cannot be read; everything inside it becomes a [`Problem`].
    pub fn load(folder: &Path) -> Result<Self> {
        let (files, problems) = read_folder(folder)?;
        Ok(Self::from_files(&files, problems))
    }

    /// Parses files that were read before. Pure.
    pub fn from_files(files: &[SourceFile], mut problems: Vec<Problem>) -> Self {
        let mut corpus = Corpus { hash: hash(files), files: files.to_vec(), ..Corpus::default() };
        for file in files {
            parse::parse_file(file, &mut corpus, &mut problems);
        }
        screening::fill_in(&mut corpus, &mut problems);
        let hidden = locate::hidden_ids(files, &corpus);
        validate::validate(&mut corpus, &hidden, &mut problems);
        screening::check_patterns(&corpus, &mut problems);
        corpus.report(problems);
        corpus
    }

    /// Adds problems that were found in the entries, each moved from its entry's first line to the line of its field.
    pub fn report(&mut self, mut problems: Vec<Problem>) {
        locate::refine(&self.files, &mut problems);
        self.problems.append(&mut problems);
        self.problems.sort();
        self.problems.dedup();
    }

    /// The number of problems that forbid publishing.
    pub fn errors(&self) -> usize {
        self.problems.iter().filter(|problem| problem.severity == Severity::Error).count()
    }
}

fn hash(files: &[SourceFile]) -> String {
    let mut hasher = Sha256::new();
    for file in files {
        hasher.update((file.path.len() as u64).to_le_bytes());
        hasher.update(file.path.as_bytes());
        hasher.update((file.bytes.len() as u64).to_le_bytes());
        hasher.update(&file.bytes);
    }
    crate::hex(&hasher.finalize())
}
