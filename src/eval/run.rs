//! Runs a set's questions through a throw-away generation.

use std::sync::Arc;
use std::time::Instant;

use super::metrics::Outcome;
use super::set::EvalSet;
use crate::corpus::{Corpus, Date};
use crate::embedding::Embedder;
use crate::error::{Error, Result};
use crate::generation::{BuildOptions, DataFolder, Generation, build};
use crate::query::{self, Filters, Mode, Query, Ranker};

/// How many results are looked at.
const DEPTH: usize = 10;

/// A generation that is deleted when it goes out of use.
pub struct Bench {
    /// The generation.
    pub generation: Generation,
    folder: TemporaryFolder,
}

struct TemporaryFolder(std::path::PathBuf);

impl Drop for TemporaryFolder {
    fn drop(&mut self) {
        if let Err(error) = std::fs::remove_dir_all(&self.0) {
            tracing::warn!(%error, folder = %self.0.display(), "cannot remove a temporary folder");
        }
    }
}

impl Bench {
    /// Builds a generation of `corpus` in the system's folder for temporary files.
    pub fn new(corpus: &Corpus, embedder: Arc<dyn Embedder>) -> Result<Self> {
        let path = std::env::temp_dir().join(format!("yingda-eval-{}", uuid::Uuid::new_v4()));
        let folder = TemporaryFolder(path.clone());
        std::fs::create_dir(&path).map_err(|source| Error::io(&path, source))?;
        let data = DataFolder::new(&path);
        let options = BuildOptions { force: true, keep: 1, ranker_version: String::new() };
        build(corpus, &data, embedder.as_ref(), &options, &|_, _, _| {})?;
        let generation = Generation::open_current(&data, embedder)?;
        Ok(Bench { generation, folder })
    }

    /// The data folder it lies in.
    pub fn data(&self) -> &std::path::Path {
        &self.folder.0
    }
}

/// Asks every question of `set` and compares the results with the labels.
pub fn outcomes(generation: &Generation, ranker: &Ranker, set: &EvalSet, mode: Mode, filters: &Filters) -> Result<Vec<Outcome>> {
    let today = Date::MIN;
    set.queries
        .iter()
        .map(|(id, text)| {
            let started = Instant::now();
            // Sections of one manual count as one document: look deeper, then keep the first ten documents.
            let query = Query { mode, filters: filters.clone(), ..Query::new(text, 5 * DEPTH, today) };
            let found = query::search(generation, ranker, &query)?;
            let milliseconds = started.elapsed().as_secs_f64() * 1000.0;
            let mut documents: Vec<&str> = Vec::new();
            for hit in &found.hits {
                let entry = generation.entries[generation.targets[hit.target as usize].entry as usize].id.as_str();
                if !documents.contains(&entry) {
                    documents.push(entry);
                }
            }
            let relevant = set.relevant.get(id);
            let ranks = documents
                .iter()
                .take(DEPTH)
                .enumerate()
                .filter(|(_, document)| relevant.is_some_and(|relevant| relevant.contains(**document)))
                .map(|(rank, _)| rank)
                .collect();
            Ok(Outcome {
                query: id.clone(),
                relevant: relevant.map_or(0, |relevant| relevant.len()),
                ranks,
                confidence: found.hits.first().map_or(0.0, |hit| hit.confidence),
                answerable: found.hits.first().map_or(0.0, |hit| ranker.answerable(generation, hit)),
                milliseconds,
            })
        })
        .collect()
}
