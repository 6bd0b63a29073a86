//! The shipped model's architecture: a weighted bag of trained vectors of character n-grams.
//!
//! A text is normalised and cut into units (single Chinese characters, latin words, numbers); every run of one to `max_ngram`
//! neighbouring units that stands in the vocabulary is a feature; the text's vector is the sum of its features' vectors,
//! brought to norm 1. The file layout is that of Hugging Face: `config.json`, `tokenizer.json` with a word-level vocabulary
//! and `model.safetensors`.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rayon::prelude::*;
use serde::Deserialize;

use super::context::{self, ContextConfig, ContextEncoder};
use super::table::{Stretch, Table};
use super::vocabulary::{EMPTY, Vocabulary, extend};
use super::{Description, Embedder, Places, Role, fingerprint, to_unit_norm};
use crate::error::{Error, Result};
use crate::text::{normalise, units};

/// `model_type` in `config.json`.
pub const MODEL_TYPE: &str = "yingda-ngram";
/// Fewer texts are computed on one core.
const BATCH: usize = 256;

#[derive(Debug, Deserialize)]
struct Config {
    hidden_size: usize,
    max_ngram: usize,
    max_units: usize,
    #[serde(default)]
    name: Option<String>,
    /// Numbers of leading values that can be used alone.
    #[serde(default)]
    matryoshka_dims: Vec<usize>,
    /// The second reading, where the model has one.
    #[serde(default)]
    context: Option<ContextConfig>,
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: WordLevel,
}

#[derive(Deserialize)]
struct WordLevel {
    vocab: Vocabulary,
    unk_token: String,
}

/// A loaded n-gram model.
pub struct NgramModel {
    config: Config,
    name: String,
    fingerprint: String,
    vocabulary: Vocabulary,
    unknown: u32,
    table: Table,
    /// How many leading values of each row are used for comparing places.
    place_width: usize,
    context: Option<ContextEncoder>,
}

/// A feature of a text: a row of the table, and the first and last unit of its n-gram.
struct Feature {
    row: u32,
    first: usize,
    last: usize,
}

impl NgramModel {
    /// Loads the model in `folder`, whose `config.json` reads `config`.
    pub fn load(folder: &Path, config: &str) -> Result<Self> {
        let bad = |what: String| Error::model(folder, what);
        let config: Config = serde_json::from_str(config).map_err(|error| bad(format!("config.json: {error}")))?;
        if config.hidden_size == 0 || config.max_ngram == 0 || config.max_units == 0 {
            return Err(bad("config.json: hidden_size, max_ngram and max_units must be above zero".into()));
        }
        let read = |name: &str| -> Result<(PathBuf, Vec<u8>)> {
            let path = folder.join(name);
            std::fs::read(&path).map(|bytes| (path.clone(), bytes)).map_err(|source| Error::io(&path, source))
        };
        let (_, tokenizer) = read("tokenizer.json")?;
        let tokenizer: TokenizerFile =
            serde_json::from_slice(&tokenizer).map_err(|error| bad(format!("tokenizer.json: {error}")))?;
        let WordLevel { vocab, unk_token } = tokenizer.model;
        let unknown = vocab
            .get(&unk_token)
            .ok_or_else(|| bad(format!("tokenizer.json: the unknown token {unk_token} is not in the vocabulary")))?;
        let (_, weights) = read("model.safetensors")?;
        let table = Table::read(weights, config.hidden_size).map_err(bad)?;
        if let Some((token, row)) = vocab.last().filter(|(_, row)| *row as usize >= table.rows()) {
            let rows = table.rows();
            return Err(bad(format!("tokenizer.json names row {row} for “{token}”, but there are {rows} vectors")));
        }
        let name = config
            .name
            .clone()
            .or_else(|| folder.file_name().map(|name| name.to_string_lossy().into_owned()))
            .unwrap_or_else(|| MODEL_TYPE.to_owned());
        let context = config.context.clone().map(|context| ContextEncoder::load(folder, context)).transpose()?;
        let mut files = ["config.json", "tokenizer.json", "model.safetensors"].map(PathBuf::from).to_vec();
        files.extend(context.iter().flat_map(|_| context::FILES.map(PathBuf::from)));
        let fingerprint = fingerprint(folder, &files, if context.is_some() { context::VERSION } else { "" })?;
        let width = config.matryoshka_dims.iter().copied().filter(|&dims| dims > 0).fold(config.hidden_size, usize::min);
        Ok(NgramModel { config, name, fingerprint, vocabulary: vocab, unknown, table, place_width: width, context })
    }

    /// All features of the first `limit` units of `text`, in order of their end, shorter ones first, and the number of units.
    fn features(&self, text: &str, limit: usize) -> (Vec<Feature>, usize) {
        let text = normalise(text);
        let mut out = Vec::new();
        let mut parts = units(&text);
        parts.truncate(limit.min(self.config.max_units));
        for end in 0..parts.len() {
            let mut begin = end;
            let mut number = EMPTY;
            for _ in 0..self.config.max_ngram {
                let (start, unit) = parts[begin];
                number = extend(number, unit);
                if let Some(row) = self.vocabulary.find(number) {
                    out.push(Feature { row, first: begin, last: end });
                }
                if begin == 0 || parts[begin - 1].0 + parts[begin - 1].1.len() != start {
                    break;
                }
                begin -= 1;
            }
        }
        if out.is_empty() && !parts.is_empty() {
            out.push(Feature { row: self.unknown, first: 0, last: parts.len() - 1 });
        }
        (out, parts.len())
    }

    fn embed_one(&self, text: &str) -> Vec<f32> {
        let rows: Vec<u32> = self.features(text, usize::MAX).0.into_iter().map(|feature| feature.row).collect();
        let mut vector = vec![0.0; self.config.hidden_size];
        self.table.sum(&rows, &mut vector);
        to_unit_norm(&mut vector);
        vector
    }
}

impl Embedder for NgramModel {
    fn dimensions(&self) -> usize {
        self.config.hidden_size
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn embed(&self, texts: &[&str], _role: Role) -> Result<Vec<Vec<f32>>> {
        if texts.len() <= BATCH {
            return Ok(texts.iter().map(|text| self.embed_one(text)).collect());
        }
        Ok(texts.par_iter().with_min_len(BATCH).map(|text| self.embed_one(text)).collect())
    }

    fn places(&self, text: &str, limit: usize) -> Arc<Places> {
        let (features, count) = self.features(text, limit);
        let width = self.place_width;
        // An n-gram speaks for its units and their neighbours. Sums of stretches as differences: a row is added where its stretch
        // begins and taken away behind its end.
        let stretch = |Feature { row, first, last }| Stretch {
            row,
            from: first.saturating_sub(1),
            until: (last + 2).min(count),
            share: 1.0 / (last - first + 3) as f32,
        };
        let stretches: Vec<Stretch> = features.into_iter().map(stretch).collect();
        let mut sums = vec![0.0_f32; (count + 1) * width];
        self.table.spread(&stretches, width, &mut sums);
        sums.truncate(count * width);
        Arc::new(Places::new(width, sums))
    }

    fn context_dimensions(&self) -> usize {
        self.context.as_ref().map_or(0, ContextEncoder::dimensions)
    }

    fn embed_context(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        self.context.as_ref().map_or_else(|| Ok(vec![Vec::new(); texts.len()]), |context| context.embed(texts))
    }

    fn description(&self) -> Description {
        Description {
            architecture: MODEL_TYPE.to_owned(),
            max_length: Some(self.config.max_units),
            pooling: "weighted sum".to_owned(),
            normalize: true,
            ..Description::default()
        }
    }
}
