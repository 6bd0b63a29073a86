//! Labelled drafts: folders with `bad_drafts.tsv` (rule, draft, the words that break the rule) and `clean_drafts.tsv` (a
//! draft a line), best one folder for each author.

use std::path::Path;

use crate::compliance::{MAX_DRAFT_CHARS, texts};
use crate::corpus::{CheckRule, Corpus, Status};
use crate::error::{Error, Result};
use crate::pattern::Span;

const BAD: &str = "bad_drafts.tsv";
const CLEAN: &str = "clean_drafts.tsv";

/// A draft with what is known of it.
#[derive(Debug, Clone, PartialEq)]
pub struct LabelledDraft {
    /// The draft.
    pub text: String,
    /// The rule it breaks and where, in characters; none for a clean one.
    pub fault: Option<(CheckRule, Span)>,
}

/// The drafts of one author.
#[derive(Debug, Clone, PartialEq)]
pub struct DraftSet {
    /// The folder's name.
    pub name: String,
    /// Violating drafts, then clean ones, in the order of the files.
    pub drafts: Vec<LabelledDraft>,
}

impl DraftSet {
    /// Reads a folder.
    ///
    /// # Errors
    /// [`Error::Io`] if a file cannot be read, [`Error::InvalidRequest`] with file and line of the first line that is not as it
    /// should be.
    pub fn load(folder: &Path) -> Result<Self> {
        let mut drafts = read(&folder.join(BAD), bad)?;
        drafts.extend(read(&folder.join(CLEAN), clean)?);
        let name = folder.file_name().unwrap_or(folder.as_os_str()).to_string_lossy().into_owned();
        Ok(DraftSet { name, drafts })
    }

    /// What `corpus` itself says to customers, the replacements of its checks among it, as clean drafts.
    pub fn of_corpus(corpus: &Corpus) -> Self {
        let published = corpus.entries.iter().filter(|entry| entry.status != Status::Archived);
        let said = published.flat_map(|entry| texts(entry).into_iter().map(|(_, text)| text.to_owned()));
        let replacements = corpus.screening.checks.iter().map(|check| check.replacement.clone());
        let drafts = said.chain(replacements).map(|text| LabelledDraft { text, fault: None }).collect();
        DraftSet { name: "corpus".to_owned(), drafts }
    }
}

type Line = fn(&[&str]) -> std::result::Result<LabelledDraft, String>;

fn read(path: &Path, parse: Line) -> Result<Vec<LabelledDraft>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty() && !line.starts_with('#')) {
        let at = |what: String| Error::InvalidRequest(format!("{}:{}: {what}", path.display(), number + 1));
        let fields: Vec<&str> = line.split('\t').map(str::trim).collect();
        let draft = parse(&fields).map_err(at)?;
        let length = draft.text.chars().count();
        if length == 0 || length > MAX_DRAFT_CHARS {
            return Err(at(format!("the draft has {length} characters; a draft has 1 to {MAX_DRAFT_CHARS}")));
        }
        out.push(draft);
    }
    Ok(out)
}

fn bad(fields: &[&str]) -> std::result::Result<LabelledDraft, String> {
    let [rule, text, words] = fields else {
        return Err(format!("has {} fields; write the rule, the draft and its offending words, with tabs between", fields.len()));
    };
    let rule = CheckRule::parse(rule).ok_or_else(|| format!("“{rule}” is no rule; use one of {}", CheckRule::NAMES.join(", ")))?;
    let from = text.find(words).filter(|_| !words.is_empty());
    let from = from.ok_or_else(|| format!("the draft does not hold “{words}”; write the offending words as they stand in it"))?;
    let start = text[..from].chars().count() as u32;
    let span = Span { start, end: start + words.chars().count() as u32 };
    Ok(LabelledDraft { text: (*text).to_owned(), fault: Some((rule, span)) })
}

fn clean(fields: &[&str]) -> std::result::Result<LabelledDraft, String> {
    match fields {
        [text] => Ok(LabelledDraft { text: (*text).to_owned(), fault: None }),
        _ => Err(format!("has {} fields; write one draft a line, without tabs", fields.len())),
    }
}
