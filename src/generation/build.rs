//! Builds a generation from a checked corpus and publishes it. The steps stand in order in [`build`].

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fs;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use super::crowding;
use super::manifest::{self, Counts, FileInfo, Manifest, ModelInfo};
use super::publish::{DataFolder, files_below};
use super::units::{Unit, UnitField, UnitIndex};
use crate::corpus::{Corpus, Entry, Kind, Screening, Shop, Status};
use crate::embedding::{ContextStore, Embedder, Role, VectorStore};
use crate::error::{Error, Result};
use crate::lexical::{LexicalBuilder, Part, TokenStore};
use crate::text::{ANALYZER_VERSION, Analyzer, Dictionaries, Tokens};

pub(super) const CONTENT_FILE: &str = "content.json";
pub(super) const WORDS_FILE: &str = "words.json";
pub(super) const TOKENS_FILE: &str = "tokens.safetensors";
pub(super) const VECTORS_FILE: &str = "vectors.safetensors";
pub(super) const CONTEXTS_FILE: &str = "contexts.safetensors";
pub(super) const CROWDING_FILE: &str = "crowding.safetensors";
pub(super) const LEXICAL_FOLDER: &str = "lexical";
/// Texts analysed at a time.
const ANALYSE_STEP: usize = 1_024;
/// Texts embedded between two progress reports.
const EMBED_STEP: usize = 512;

/// The parts of a corpus that a generation carries.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Content<'a> {
    pub entries: Cow<'a, [Entry]>,
    pub shop: Cow<'a, Shop>,
    pub dictionaries: Cow<'a, Dictionaries>,
    pub screening: Cow<'a, Screening>,
}

/// How to build.
#[derive(Debug, Clone)]
pub struct BuildOptions {
    /// Build even if nothing changed.
    pub force: bool,
    /// How many generations to keep, the new one counted.
    pub keep: usize,
    /// Version of the ranker in use, for the manifest.
    pub ranker_version: String,
}

/// What a build did.
#[derive(Debug, Clone)]
pub struct Built {
    /// Id of the generation that is current now.
    pub id: String,
    /// False if nothing had changed and the old generation stays.
    pub published: bool,
    /// What it holds.
    pub counts: Counts,
}

/// Told how far a build is: name of the step, units done, units in all.
pub type Progress<'a> = &'a (dyn Fn(&str, usize, usize) + Sync);

/// Builds and publishes a generation.
///
/// # Errors
/// [`Error::CorpusInvalid`] if the corpus has errors, [`Error::Locked`] if another build runs, and I/O errors; in every case
/// the generation published before stays untouched.
pub fn build(
    corpus: &Corpus,
    data: &DataFolder,
    embedder: &dyn Embedder,
    options: &BuildOptions,
    progress: Progress,
) -> Result<Built> {
    if corpus.errors() > 0 {
        return Err(Error::CorpusInvalid { errors: corpus.errors() });
    }
    let lock = data.lock()?;
    let model = ModelInfo {
        name: embedder.name().to_owned(),
        fingerprint: embedder.fingerprint().to_owned(),
        dimensions: embedder.dimensions(),
    };
    if !options.force
        && let Some(id) = data.current()?
        && let Ok(manifest) = Manifest::read(&data.generation(&id), &id)
        && manifest.corpus_hash == corpus.hash
        && manifest.analyzer_version == ANALYZER_VERSION
        && manifest.model == model
        && manifest.verify(&data.generation(&id)).is_ok()
    {
        return Ok(Built { id, published: false, counts: manifest.counts });
    }

    let staging = data.staging(&lock)?;
    let index = UnitIndex::new(&corpus.entries, &corpus.shop);
    let analyzer = Analyzer::new(corpus.dictionaries.clone());
    write_words(&staging, corpus, &index, &analyzer, progress)?;
    drop(analyzer);
    let vectors = write_vectors(&staging, &index.units, embedder, progress)?;
    crowding::save(&staging.join(CROWDING_FILE), &crowding::crowding(&corpus.entries, &index, &vectors, progress))?;
    drop(vectors);
    let former = if options.force { None } else { former_readings(data, &model, embedder)? };
    write_contexts(&staging, &index.units, embedder, former.as_ref(), progress)?;
    drop(former);
    write_content(&staging, corpus)?;

    let id = format!("g{:06}-{}", data.next_number()?, &corpus.hash[..8]);
    let counts = count(corpus, &index);
    let mut files = BTreeMap::new();
    for name in files_below(&staging)? {
        let path = staging.join(&name);
        files.insert(name, FileInfo::of(&path).map_err(|source| Error::io(path, source))?);
    }
    let manifest = Manifest {
        format: manifest::FORMAT,
        id: id.clone(),
        created_at: jiff::Timestamp::now(),
        corpus_hash: corpus.hash.clone(),
        analyzer_version: ANALYZER_VERSION,
        model,
        ranker_version: options.ranker_version.clone(),
        counts,
        files,
    };
    write_json(&staging.join(manifest::FILE), &manifest)?;
    data.publish(&staging, &id, options.keep, &lock)?;
    Ok(Built { id, published: true, counts })
}

/// Writes what comes of the words of all texts: the lexical index, the tokens, and in how many phrasings each word stands, for
/// reading misspelt queries. The tokens of a text take far more memory than it does itself, so only a few are held at a time.
fn write_words(staging: &Path, corpus: &Corpus, index: &UnitIndex, analyzer: &Analyzer, progress: Progress) -> Result<()> {
    let folder = staging.join(LEXICAL_FOLDER);
    fs::create_dir(&folder).map_err(|source| Error::io(&folder, source))?;
    let mut lexical = LexicalBuilder::create(&folder)?;
    let mut store = TokenStore::default();
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for (step, part) in index.units.chunks(ANALYSE_STEP).enumerate() {
        progress("analysing", step * ANALYSE_STEP, index.units.len());
        let analysed: Vec<Tokens> = part.par_iter().map(|unit| analyzer.analyze(&unit.text)).collect();
        for (number, (unit, tokens)) in (step * ANALYSE_STEP..).zip(part.iter().zip(&analysed)) {
            store.push(tokens, unit.field.is_phrase());
            if number < index.searchable {
                add_to(&mut lexical, corpus, index, number, tokens, analyzer)?;
                if unit.field.is_phrase() {
                    count_words(tokens, &mut counts);
                }
            }
        }
    }
    progress("analysing", index.units.len(), index.units.len());
    lexical.finish()?;
    store.save(&staging.join(TOKENS_FILE))?;
    write_json(&staging.join(WORDS_FILE), &counts)
}

/// Adds the unit numbered `number` to the lexical index.
fn add_to(
    lexical: &mut LexicalBuilder,
    corpus: &Corpus,
    index: &UnitIndex,
    number: usize,
    tokens: &Tokens,
    analyzer: &Analyzer,
) -> Result<()> {
    let unit = &index.units[number];
    let target = &index.targets[unit.target as usize];
    let stands_for_entry = target.units.start as usize == number;
    let tags = stands_for_entry.then(|| analyzer.analyze(&corpus.entries[target.entry as usize].tags.join(" ")));
    let part = if unit.field == UnitField::Body { Part::Body } else { Part::Phrase };
    lexical.add(number as u32, part, tokens, tags.as_ref())
}

/// Counts each word of a phrasing once.
fn count_words(tokens: &Tokens, counts: &mut BTreeMap<String, u32>) {
    let distinct: BTreeSet<&String> = tokens.words.iter().collect();
    for word in distinct {
        match counts.get_mut(word) {
            Some(count) => *count += 1,
            None => {
                counts.insert(word.clone(), 1);
            }
        }
    }
}

fn write_vectors(staging: &Path, units: &[Unit], embedder: &dyn Embedder, progress: Progress) -> Result<VectorStore> {
    let mut store = VectorStore::new(embedder.dimensions());
    for (step, part) in units.chunks(EMBED_STEP).enumerate() {
        progress("embedding", step * EMBED_STEP, units.len());
        let texts: Vec<&str> = part.iter().map(|unit| unit.text.as_str()).collect();
        embedder.embed(&texts, Role::Document)?.iter().for_each(|vector| store.push(vector));
    }
    progress("embedding", units.len(), units.len());
    store.save(&staging.join(VECTORS_FILE))?;
    Ok(store)
}

/// The second reading of the texts of a former generation.
struct Readings {
    of: HashMap<String, u32>,
    store: ContextStore,
}

/// What the current generation of `data` has read already, if it is whole and was made with the same model. Reading is the slowest step
/// by far, and an editor changes a few texts at a time. What is damaged or of another kind is read anew.
fn former_readings(data: &DataFolder, model: &ModelInfo, embedder: &dyn Embedder) -> Result<Option<Readings>> {
    let Some(id) = data.current()?.filter(|_| embedder.context_dimensions() > 0) else { return Ok(None) };
    let folder = data.generation(&id);
    let needed = [CONTENT_FILE, CONTEXTS_FILE];
    let Ok(manifest) = Manifest::read(&folder, &id) else { return Ok(None) };
    if manifest.model != *model
        || manifest.analyzer_version != ANALYZER_VERSION
        || !needed.iter().all(|name| manifest.files.contains_key(*name))
        || manifest.verify_some(&folder, |name| needed.contains(&name)).is_err()
    {
        return Ok(None);
    }
    let Ok(bytes) = fs::read(folder.join(CONTENT_FILE)) else { return Ok(None) };
    let Ok(content) = serde_json::from_slice::<Content<'static>>(&bytes) else { return Ok(None) };
    let Ok(store) = ContextStore::load(&folder.join(CONTEXTS_FILE)) else { return Ok(None) };
    let units = UnitIndex::new(&content.entries, &content.shop).units;
    if store.len() != units.len() || store.dimensions() != embedder.context_dimensions() {
        return Ok(None);
    }
    Ok(Some(Readings { of: units.into_iter().map(|unit| unit.text).zip(0..).collect(), store }))
}

/// Writes the vectors of the second reading; a text that stands there twice, or was read for the former generation, is not read again.
fn write_contexts(
    staging: &Path,
    units: &[Unit],
    embedder: &dyn Embedder,
    former: Option<&Readings>,
    progress: Progress,
) -> Result<()> {
    let known = |text: &str| former.and_then(|former| former.of.get(text).map(|row| (&former.store, *row)));
    let mut store = ContextStore::new(embedder.context_dimensions());
    let mut rows: HashMap<&str, u32> = HashMap::new();
    for (step, part) in units.chunks(EMBED_STEP).enumerate() {
        progress("reading", step * EMBED_STEP, units.len());
        let numbered = || ((step * EMBED_STEP) as u32..).zip(part.iter().map(|unit| unit.text.as_str()));
        let mut new: Vec<&str> = Vec::new();
        for (row, text) in numbered() {
            if *rows.entry(text).or_insert(row) == row && known(text).is_none() {
                new.push(text);
            }
        }
        let mut read = embedder.embed_context(&new)?.into_iter();
        for (row, text) in numbered() {
            match (rows.get(text), known(text)) {
                (Some(first), _) if *first < row => store.push_again(*first),
                (_, Some((former, row))) => store.push_of(former, row),
                _ => store.push(&read.next().ok_or_else(|| Error::Internal("a text was not read".into()))?),
            }
        }
    }
    progress("reading", units.len(), units.len());
    store.save(&staging.join(CONTEXTS_FILE))
}

fn write_content(staging: &Path, corpus: &Corpus) -> Result<()> {
    let Corpus { entries, shop, dictionaries, screening, .. } = corpus;
    let content = Content {
        entries: Cow::Borrowed(entries.as_slice()),
        shop: Cow::Borrowed(shop),
        dictionaries: Cow::Borrowed(dictionaries),
        screening: Cow::Borrowed(screening),
    };
    write_json(&staging.join(CONTENT_FILE), &content)
}

fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    let bytes = serde_json::to_vec(value).map_err(|error| Error::internal("cannot write JSON", error))?;
    fs::write(path, bytes).map_err(|source| Error::io(path, source))
}

fn count(corpus: &Corpus, index: &UnitIndex) -> Counts {
    let published = |kind| corpus.entries.iter().filter(|e| e.kind() == kind && e.status == Status::Published).count();
    Counts {
        faq: published(Kind::Faq),
        manual: published(Kind::Manual),
        script: published(Kind::Script),
        risk: published(Kind::Risk),
        unpublished: corpus.entries.iter().filter(|entry| entry.status != Status::Published).count(),
        units: index.searchable,
    }
}
