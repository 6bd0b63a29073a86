//! Labelled sets: documents, questions, and which document answers which question.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::corpus::{Answer, Corpus, Entry, EntryBody, Faq, Source, Status};
use crate::error::{Error, Result};
use crate::text::Dictionaries;

/// A labelled set.
#[derive(Debug, Clone, Default)]
pub struct EvalSet {
    /// Name, for reports.
    pub name: String,
    /// Document ids with their texts.
    pub documents: BTreeMap<String, String>,
    /// Further phrasings by document id.
    pub similar: BTreeMap<String, Vec<String>>,
    /// Questions in order, with their ids.
    pub queries: Vec<(String, String)>,
    /// Right documents by question id; a question that is not here has no answer.
    pub relevant: BTreeMap<String, BTreeSet<String>>,
}

impl EvalSet {
    /// Reads `corpus.tsv`, `queries.tsv`, `qrels.tsv` and, if there is one, `similar.tsv` from `folder`.
    ///
    /// # Errors
    /// If a file is missing, a line has too few columns, or an id is not known; the message names file and line.
    pub fn load(folder: &Path) -> Result<Self> {
        let name = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mut set = EvalSet { name, ..EvalSet::default() };
        for (_, [id, text]) in rows::<2>(&folder.join("corpus.tsv"))? {
            set.documents.insert(id, text);
        }
        for (_, [id, text]) in rows::<2>(&folder.join("queries.tsv"))? {
            set.queries.push((id, text));
        }
        let known: BTreeSet<&String> = set.queries.iter().map(|(id, _)| id).collect();
        let path = folder.join("qrels.tsv");
        for (line, [query, document]) in rows::<2>(&path)? {
            if !known.contains(&query) || !set.documents.contains_key(&document) {
                let what = format!("{}:{line}: “{query}” or “{document}” is in neither queries.tsv nor corpus.tsv", path.display());
                return Err(Error::InvalidRequest(what));
            }
            set.relevant.entry(query).or_default().insert(document);
        }
        let path = folder.join("similar.tsv");
        if path.exists() {
            for (line, [document, text]) in rows::<2>(&path)? {
                if !set.documents.contains_key(&document) {
                    return Err(Error::InvalidRequest(format!("{}:{line}: “{document}” is not in corpus.tsv", path.display())));
                }
                set.similar.entry(document).or_default().push(text);
            }
        }
        if set.documents.is_empty() || set.queries.is_empty() {
            return Err(Error::InvalidRequest(format!("{}: the set has no documents or no questions", folder.display())));
        }
        Ok(set)
    }

    /// The set's documents as a corpus of FAQ entries, analysed with `dictionaries`.
    pub fn corpus(&self, dictionaries: &Dictionaries) -> Corpus {
        let entries = self.documents.iter().map(|(id, text)| self.entry(id, text)).collect();
        Corpus { entries, dictionaries: dictionaries.clone(), hash: "0".repeat(64), ..Corpus::default() }
    }

    fn entry(&self, id: &str, text: &str) -> Entry {
        let similar = self.similar.get(id).cloned().unwrap_or_default();
        Entry {
            id: id.to_owned(),
            title: text.to_owned(),
            topic: None,
            tags: Vec::new(),
            products: Vec::new(),
            channels: Vec::new(),
            status: Status::Published,
            valid_from: None,
            valid_until: None,
            related: Vec::new(),
            source: Source::default(),
            body: EntryBody::Faq(Faq {
                question: text.to_owned(),
                similar,
                negative: Vec::new(),
                answers: vec![Answer { when: None, text: String::new() }],
                options: Vec::new(),
            }),
        }
    }

    /// The golden questions of a corpus as sets, one for each file, all over the same corpus.
    pub fn golden(corpus: &Corpus) -> Vec<EvalSet> {
        let documents: BTreeMap<String, String> =
            corpus.entries.iter().map(|entry| (entry.id.clone(), entry.title.clone())).collect();
        let set = |(file, questions): (&String, &Vec<crate::corpus::GoldenQuestion>)| {
            let mut set = EvalSet { name: file.clone(), documents: documents.clone(), ..EvalSet::default() };
            for (number, question) in questions.iter().enumerate() {
                let id = format!("q{number:05}");
                set.queries.push((id.clone(), question.question.clone()));
                if !question.expected.is_empty() {
                    set.relevant.insert(id, question.expected.iter().cloned().collect());
                }
            }
            set
        };
        corpus.golden.iter().map(set).collect()
    }

    /// The lines of `path` as questions to the documents of `other`, which has an answer to none of them.
    ///
    /// # Errors
    /// If the file cannot be read or has no lines.
    pub fn strangers(path: &Path, other: &EvalSet) -> Result<EvalSet> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        let lines = text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
        let queries: Vec<(String, String)> = lines.enumerate().map(|(at, line)| (format!("s{at:05}"), line.to_owned())).collect();
        if queries.is_empty() {
            return Err(Error::InvalidRequest(format!("{}: has no texts; write one a line", path.display())));
        }
        let name = format!("{}, asked of {}", path.display(), other.name);
        Ok(EvalSet { name, documents: other.documents.clone(), similar: other.similar.clone(), queries, ..EvalSet::default() })
    }

    /// The same set with every second document (by order of id) taken out: half of the questions have no answer then.
    pub fn halved(&self) -> EvalSet {
        self.with_documents("half of the answers taken out", self.documents.keys().step_by(2).cloned().collect())
    }

    /// What small corpora would be like: up to four of each of some sizes, with the questions that they answer and as many others. Those
    /// with hardly any questions are left out.
    pub fn small_parts(&self) -> Vec<EvalSet> {
        const SIZES: [usize; 4] = [4, 12, 40, 120];
        const PARTS: usize = 4;
        const FEWEST_QUERIES: usize = 20;
        let mut parts = Vec::new();
        for size in SIZES {
            let of = self.documents.len().div_ceil(size);
            for part in (0..of.min(PARTS)).filter(|_| of > 1) {
                let kept: BTreeSet<String> = self.documents.keys().skip(part).step_by(of).cloned().collect();
                let mut small = self.with_documents(&format!("{} documents, part {}", kept.len(), part + 1), kept);
                let queries = std::mem::take(&mut small.queries);
                let (answered, others): (Vec<_>, Vec<_>) = queries.into_iter().partition(|(id, _)| small.relevant.contains_key(id));
                let (wanted, step) = (answered.len(), (others.len() / answered.len().max(1)).max(1));
                small.queries = answered;
                small.queries.extend(others.into_iter().step_by(step).take(wanted));
                if small.queries.len() >= FEWEST_QUERIES {
                    parts.push(small);
                }
            }
        }
        parts
    }

    /// The same set with the documents `kept` only.
    fn with_documents(&self, what: &str, kept: BTreeSet<String>) -> EvalSet {
        let mut part = self.clone();
        part.name = format!("{} ({what})", self.name);
        part.documents.retain(|id, _| kept.contains(id));
        part.similar.retain(|id, _| kept.contains(id));
        part.relevant.retain(|_, documents| {
            documents.retain(|id| kept.contains(id));
            !documents.is_empty()
        });
        part
    }
}

/// Lines of a tab-separated file as their first `N` columns, with line numbers.
fn rows<const N: usize>(path: &Path) -> Result<Vec<(usize, [String; N])>> {
    let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
    let mut out = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        let mut columns = line.split('\t').map(str::trim);
        let mut row: [String; N] = std::array::from_fn(|_| String::new());
        for cell in &mut row {
            *cell = columns
                .next()
                .filter(|text| !text.is_empty())
                .ok_or_else(|| Error::InvalidRequest(format!("{}:{}: needs {N} columns", path.display(), number + 1)))?
                .to_owned();
        }
        out.push((number + 1, row));
    }
    Ok(out)
}
