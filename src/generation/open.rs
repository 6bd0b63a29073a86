//! Opens a published generation as one immutable snapshot, after checking that all its parts belong together.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::Arc;

use rayon::prelude::*;

use super::build::{CONTENT_FILE, CONTEXTS_FILE, CROWDING_FILE, Content, LEXICAL_FOLDER, TOKENS_FILE, VECTORS_FILE, WORDS_FILE};
use super::crowding;
use super::manifest::Manifest;
use super::publish::DataFolder;
use super::units::{Target, Unit, UnitField, UnitIndex};
use crate::compliance::Checker;
use crate::corpus::{Entry, EntryBody, Kind, Screening, Shop, Status};
use crate::dialogue::Product;
use crate::embedding::{ContextStore, Embedder, VectorStore};
use crate::emotion::EmotionLexicon;
use crate::error::{Error, Result};
use crate::lexical::{LexicalIndex, TokenStore};
use crate::pattern::{Pattern, PatternSet, Rulebook};
use crate::text::{ANALYZER_VERSION, Analyzer, Corrector, Form, normalise};

/// Group of words that show danger.
const DANGER: &str = "险情";
/// Texts that are compared for the background.
const BACKGROUND_TEXTS: usize = 128;
/// Pairs of nothing in common that are added to them: a handful of entries says little about its model.
const BACKGROUND_PRIOR: u32 = 400;
/// Group of words that open a hypothetical question.
const HYPOTHETICAL: &str = "假设";

/// Everything a request needs, immutable. Invariant: `tokens`, `vectors`, `contexts` and `units` have one row for each unit.
pub struct Generation {
    /// What it was made from.
    pub manifest: Manifest,
    /// All entries, ordered by id.
    pub entries: Vec<Entry>,
    /// The kind of each entry that holds at any time, for all products and channels: filters ask most entries for nothing else,
    /// and a look at these is much shorter than one at all entries.
    pub general: Vec<Option<Kind>>,
    /// Shop settings and windows.
    pub shop: Shop,
    /// What can be found.
    pub targets: Vec<Target>,
    /// The texts that are searched, then negative ones.
    pub units: Vec<Unit>,
    /// The entry of each unit: filters ask for nothing else of most units.
    pub owners: Vec<u32>,
    /// Number of searchable units.
    pub searchable: usize,
    /// The analyser with the shop's words.
    pub analyzer: Analyzer,
    /// Reads misspelt words as the corpus' words.
    pub corrector: Corrector,
    /// BM25 search.
    pub lexical: LexicalIndex,
    /// Tokens of every unit.
    pub tokens: TokenStore,
    /// Vectors of every unit.
    pub vectors: VectorStore,
    /// Vectors of the second reading of every unit, without values where the model has none.
    pub contexts: ContextStore,
    /// Mean cosine of unlike texts: what any two texts of this corpus have in common by this model.
    pub background: f32,
    /// How crowded the surroundings of each target's phrasings are, from 0 to 1; all 0 where that was not measured.
    pub crowding: Vec<f32>,
    /// For each target the length of the mean of its phrasings' vectors, from 0 to 1: 1 if all are alike.
    pub centres: Vec<f32>,
    /// The form of each phrasing, by unit; nothing for passages.
    pub forms: Vec<Form>,
    /// The model that made the vectors.
    pub embedder: Arc<dyn Embedder>,
    /// Checks for drafts.
    pub checker: Checker,
    /// What messages and drafts are screened with, as written.
    pub screening: Screening,
    /// The words of the risk rules, by number of the entry.
    pub risk_words: Rulebook,
    /// Words that show that something is going wrong right now.
    pub danger_words: PatternSet,
    /// Words that open a question about what has not happened.
    pub hypothetical_words: PatternSet,
    /// Signs of emotion.
    pub emotions: EmotionLexicon,
    /// What customers call the products that there are manuals for.
    pub products: Vec<Product>,
    by_id: HashMap<String, u32>,
}

impl Generation {
    /// Opens the current generation of `data`.
    ///
    /// # Errors
    /// [`Error::NoGeneration`] if nothing was published; [`Error::Generation`] if it is damaged or was made with another
    /// analyser or model than these.
    pub fn open_current(data: &DataFolder, embedder: Arc<dyn Embedder>) -> Result<Self> {
        let id = data.current()?.ok_or_else(|| Error::NoGeneration(data.path().to_owned()))?;
        Self::open(data, &id, embedder)
    }

    /// Opens the generation `id` of `data`.
    pub fn open(data: &DataFolder, id: &str, embedder: Arc<dyn Embedder>) -> Result<Self> {
        let folder = data.generation(id);
        let manifest = Manifest::read(&folder, id)?;
        if manifest.analyzer_version != ANALYZER_VERSION {
            let what = format!("made with analyser {}, this is {ANALYZER_VERSION}; run `yingda index`", manifest.analyzer_version);
            return Err(Error::generation(id, what));
        }
        if manifest.model.fingerprint != embedder.fingerprint() || manifest.model.dimensions != embedder.dimensions() {
            let what = format!(
                "made with model {} ({}), this is {} ({}); run `yingda index`",
                manifest.model.name,
                manifest.model.fingerprint,
                embedder.name(),
                embedder.fingerprint()
            );
            return Err(Error::generation(id, what));
        }
        manifest.verify(&folder)?;
        let damaged = |what: String| Error::generation(id, what);
        let content: Content<'static> = read_json(&folder, id, CONTENT_FILE)?;
        let words: BTreeMap<String, u32> = read_json(&folder, id, WORDS_FILE)?;
        let (entries, shop) = (content.entries.into_owned(), content.shop.into_owned());
        let index = UnitIndex::new(&entries, &shop);
        let (tokens, vectors) =
            rayon::join(|| TokenStore::load(&folder.join(TOKENS_FILE)), || VectorStore::load(&folder.join(VECTORS_FILE)));
        let (tokens, vectors) = (tokens?, vectors?);
        let lexical = LexicalIndex::open(&folder.join(LEXICAL_FOLDER))?;
        let contexts = ContextStore::load(&folder.join(CONTEXTS_FILE))?;
        let crowding = crowding::load(&folder.join(CROWDING_FILE))?;
        let rows = (tokens.len(), vectors.len(), contexts.len(), lexical.len(), crowding.len());
        if rows != (index.units.len(), index.units.len(), index.units.len(), index.searchable, index.targets.len())
            || contexts.dimensions() != embedder.context_dimensions()
        {
            return Err(damaged(format!("its parts do not fit together: {rows:?} rows for {} units", index.units.len())));
        }
        let by_id = entries.iter().enumerate().map(|(number, entry)| (entry.id.clone(), number as u32)).collect();
        let general = entries.iter().map(general_kind).collect();
        let screening = content.screening.into_owned();
        let risk_words = risk_words(&entries, &screening)?;
        let background = background(&index, &vectors);
        let centres = index.targets.iter().map(|target| centre_length(&index.units, target, &vectors)).collect();
        let form = |unit: &Unit| if unit.field.is_phrase() { Form::of(&normalise(&unit.text)) } else { Form::default() };
        let forms = index.units.par_iter().map(form).collect();
        let analyzer = Analyzer::new(content.dictionaries.into_owned());
        let products = products(&entries, &analyzer);
        Ok(Generation {
            manifest,
            entries,
            general,
            shop,
            owners: index.units.iter().map(|unit| index.targets[unit.target as usize].entry).collect(),
            targets: index.targets,
            units: index.units,
            searchable: index.searchable,
            analyzer,
            corrector: Corrector::new(&words),
            lexical,
            tokens,
            vectors,
            contexts,
            background,
            crowding,
            centres,
            forms,
            embedder,
            checker: Checker::new(&screening)?,
            risk_words,
            danger_words: group(DANGER, &screening)?,
            hypothetical_words: group(HYPOTHETICAL, &screening)?,
            emotions: EmotionLexicon::new(&screening)?,
            screening,
            products,
            by_id,
        })
    }

    /// Its id.
    pub fn id(&self) -> &str {
        &self.manifest.id
    }

    /// The entry with this id.
    pub fn entry(&self, id: &str) -> Option<&Entry> {
        self.by_id.get(id).map(|&number| &self.entries[number as usize])
    }

    /// The entry that the target is of.
    pub fn entry_of(&self, target: u32) -> &Entry {
        &self.entries[self.targets[target as usize].entry as usize]
    }

    /// Number of the entry with this id.
    pub fn entry_number(&self, id: &str) -> Option<u32> {
        self.by_id.get(id).copied()
    }
}

fn read_json<T: serde::de::DeserializeOwned>(folder: &Path, id: &str, name: &str) -> Result<T> {
    let path = folder.join(name);
    let bytes = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
    serde_json::from_slice(&bytes).map_err(|error| Error::generation(id, format!("{name} cannot be read: {error}")))
}

/// The length of the mean of the vectors of `target`'s phrasings.
fn centre_length(units: &[Unit], target: &Target, vectors: &VectorStore) -> f32 {
    let mut sum = vec![0.0_f32; vectors.dimensions()];
    let mut count = 0.0_f32;
    for unit in target.units.clone().filter(|unit| units[*unit as usize].field.is_phrase()) {
        sum.iter_mut().zip(vectors.row(unit)).for_each(|(sum, value)| *sum += value);
        count += 1.0;
    }
    sum.iter().map(|value| value * value).sum::<f32>().sqrt() / count.max(1.0)
}

/// Mean cosine of pairs of phrasings of different entries, spread evenly over the corpus; drawn towards 0 where there are few.
fn background(index: &UnitIndex, vectors: &VectorStore) -> f32 {
    let is_phrasing = |unit: &u32| index.units[*unit as usize].field != UnitField::Body;
    let phrasings: Vec<u32> = (0..index.searchable as u32).filter(is_phrasing).collect();
    let entry_of = |unit: u32| index.targets[index.units[unit as usize].target as usize].entry;
    let step = phrasings.len().div_ceil(BACKGROUND_TEXTS).max(1);
    let texts: Vec<u32> = phrasings.into_iter().step_by(step).collect();
    let (mut sum, mut pairs) = (0.0_f64, 0_u32);
    for (at, &one) in texts.iter().enumerate() {
        for &other in texts[at + 1..].iter().filter(|other| entry_of(**other) != entry_of(one)) {
            sum += f64::from(vectors.cosine(vectors.row(one), other));
            pairs += 1;
        }
    }
    (sum.max(0.0) / f64::from(pairs + BACKGROUND_PRIOR)) as f32
}

/// Its kind, if it holds at any time, for all products and channels.
fn general_kind(entry: &Entry) -> Option<Kind> {
    let everywhere = entry.products.is_empty() && entry.channels.is_empty();
    (everywhere && entry.valid_from.is_none() && entry.valid_until.is_none()).then(|| entry.kind())
}

fn products(entries: &[Entry], analyzer: &Analyzer) -> Vec<Product> {
    let words = |text: &str| analyzer.analyze(text).words;
    let manuals = entries.iter().filter_map(|entry| match &entry.body {
        EntryBody::Manual(manual) => Some((entry, manual)),
        _ => None,
    });
    manuals.map(|(entry, manual)| Product::from_title(&manual.product, &entry.title, &manual.models, words)).collect()
}

fn risk_words(entries: &[Entry], screening: &Screening) -> Result<Rulebook> {
    let mut book = Rulebook::default();
    for (number, entry) in entries.iter().enumerate().filter(|(_, entry)| entry.status == Status::Published) {
        if let EntryBody::Risk(risk) = &entry.body {
            let triggers = &risk.triggers;
            book.add(number as u32, &triggers.words, &triggers.unless, &screening.groups).map_err(Error::Internal)?;
        }
    }
    Ok(book)
}

fn group(name: &str, screening: &Screening) -> Result<PatternSet> {
    let mut set = PatternSet::default();
    for word in screening.groups.get(name).into_iter().flatten() {
        set.push(Pattern::parse(word, &screening.groups).map_err(Error::Internal)?);
    }
    Ok(set)
}
