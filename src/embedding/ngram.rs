//! The shipped model's architecture: a weighted bag of trained vectors of character n-grams.
//!
//! A text is normalised and cut into units (single Chinese characters, latin words, numbers); every run of one to `max_ngram`
//! neighbouring units that stands in the vocabulary is a feature; the text's vector is the sum of its features' vectors,
//! brought to norm 1. The file layout is that of Hugging Face: `config.json`, `tokenizer.json` with a word-level vocabulary
//! and `model.safetensors`.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use candle_core::{DType, Device, Tensor};
use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;

use super::{Description, Embedder, Places, Role, fingerprint, to_unit_norm};
use crate::error::{Error, Result};
use crate::text::{normalise, units};

/// `model_type` in `config.json`.
pub const MODEL_TYPE: &str = "yingda-ngram";
/// Texts computed at once.
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
}

#[derive(Deserialize)]
struct TokenizerFile {
    model: WordLevel,
}

#[derive(Deserialize)]
struct WordLevel {
    vocab: HashMap<String, u32>,
    unk_token: String,
}

/// A loaded n-gram model.
pub struct NgramModel {
    config: Config,
    name: String,
    fingerprint: String,
    vocabulary: HashMap<String, u32>,
    unknown: u32,
    /// `[vocabulary, hidden_size]`, half precision.
    table: Tensor,
    /// The leading `place_width` values of each row, for comparing places.
    place_table: Vec<f32>,
    place_width: usize,
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
        let unknown = *vocab
            .get(&unk_token)
            .ok_or_else(|| bad(format!("tokenizer.json: the unknown token {unk_token} is not in the vocabulary")))?;
        let (_, weights) = read("model.safetensors")?;
        let tensors =
            SafeTensors::deserialize(&weights).map_err(|error| bad(format!("model.safetensors is damaged or cut off: {error}")))?;
        let table = read_table(&tensors, config.hidden_size).map_err(bad)?;
        let rows = table.dims()[0];
        if let Some((token, row)) = vocab.iter().find(|(_, row)| **row as usize >= rows) {
            return Err(bad(format!("tokenizer.json names row {row} for “{token}”, but there are {rows} vectors")));
        }
        let name = config
            .name
            .clone()
            .or_else(|| folder.file_name().map(|name| name.to_string_lossy().into_owned()))
            .unwrap_or_else(|| MODEL_TYPE.to_owned());
        let fingerprint = fingerprint(folder, &["config.json", "tokenizer.json", "model.safetensors"].map(PathBuf::from), "")?;
        let width = config.matryoshka_dims.iter().copied().filter(|&dims| dims > 0).fold(config.hidden_size, usize::min);
        let leading = table.narrow(1, 0, width).and_then(|t| t.to_dtype(DType::F32)?.contiguous()?.flatten_all()?.to_vec1::<f32>());
        let place_table = leading.map_err(|error| bad(error.to_string()))?;
        Ok(NgramModel { config, name, fingerprint, vocabulary: vocab, unknown, table, place_table, place_width: width })
    }

    /// All features of the first `limit` units of `text`, in order of their end, shorter ones first, and the number of units.
    fn features(&self, text: &str, limit: usize) -> (Vec<Feature>, usize) {
        let text = normalise(text);
        let mut out = Vec::new();
        let mut parts = units(&text);
        parts.truncate(limit.min(self.config.max_units));
        for end in 0..parts.len() {
            let stop = parts[end].0 + parts[end].1.len();
            let mut begin = end;
            for _ in 0..self.config.max_ngram {
                let start = parts[begin].0;
                if let Some(&row) = self.vocabulary.get(&text[start..stop]) {
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

    fn embed_batch(&self, texts: &[&str]) -> candle_core::Result<Vec<Vec<f32>>> {
        let mut rows = Vec::new();
        let mut owners = Vec::new();
        for (text_number, text) in texts.iter().enumerate() {
            rows.extend(self.features(text, usize::MAX).0.into_iter().map(|feature| feature.row));
            owners.resize(rows.len(), text_number as u32);
        }
        if rows.is_empty() {
            return Ok(vec![vec![0.0; self.config.hidden_size]; texts.len()]);
        }
        let device = &Device::Cpu;
        let vectors = self.table.index_select(&Tensor::from_vec(rows, owners.len(), device)?, 0)?.to_dtype(DType::F32)?;
        let owners = Tensor::from_vec(owners, vectors.dims()[0], device)?;
        let sums = Tensor::zeros((texts.len(), self.config.hidden_size), DType::F32, device)?.index_add(&owners, &vectors, 0)?;
        let mut out = sums.to_vec2::<f32>()?;
        out.iter_mut().for_each(|vector| to_unit_norm(vector));
        Ok(out)
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
        let batch = |texts: &[&str]| self.embed_batch(texts).map_err(|error| Error::internal("embedding failed", error));
        if texts.len() <= BATCH {
            return batch(texts);
        }
        let batches: Vec<Vec<Vec<f32>>> = texts.par_chunks(BATCH).map(batch).collect::<Result<_>>()?;
        Ok(batches.into_iter().flatten().collect())
    }

    fn places(&self, text: &str, limit: usize) -> Arc<Places> {
        let (features, count) = self.features(text, limit);
        let width = self.place_width;
        // An n-gram speaks for its units and their neighbours. Sums of stretches as differences: a row is added where its stretch
        // begins and taken away behind its end.
        let mut sums = vec![0.0_f32; (count + 1) * width];
        for Feature { row, first, last } in features {
            let (from, until) = (first.saturating_sub(1), (last + 2).min(count));
            let share = 1.0 / (last - first + 3) as f32;
            let vector = &self.place_table[row as usize * width..][..width];
            sums[from * width..].iter_mut().zip(vector).for_each(|(sum, value)| *sum += share * value);
            sums[until * width..].iter_mut().zip(vector).for_each(|(sum, value)| *sum -= share * value);
        }
        for at in width..count * width {
            sums[at] += sums[at - width];
        }
        sums.truncate(count * width);
        Arc::new(Places::new(width, sums))
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

/// Reads `embeddings` as F32, F16, or I8 with one scale a row in `embeddings.scale`.
fn read_table(tensors: &SafeTensors, width: usize) -> std::result::Result<Tensor, String> {
    let view = tensors.tensor("embeddings").map_err(|error| format!("model.safetensors: {error}"))?;
    let &[rows, columns] = view.shape() else {
        return Err("model.safetensors: `embeddings` is not a matrix".into());
    };
    if columns != width {
        return Err(format!("model.safetensors: `embeddings` has {columns} columns, config.json says hidden_size {width}"));
    }
    let values: Vec<f32> = match view.dtype() {
        Dtype::F32 | Dtype::F16 => floats(&view)?,
        Dtype::I8 => {
            let scale = tensors
                .tensor("embeddings.scale")
                .map_err(|_| "model.safetensors: int8 `embeddings` need `embeddings.scale`".to_owned())?;
            let scale = floats(&scale)?;
            if scale.len() != rows {
                return Err(format!("model.safetensors: {} scales for {rows} rows", scale.len()));
            }
            let bytes = view.data();
            bytes.iter().enumerate().map(|(at, byte)| f32::from(byte.cast_signed()) * scale[at / columns]).collect()
        }
        other => return Err(format!("model.safetensors: `embeddings` of type {other:?} are not supported; use F32, F16 or I8")),
    };
    Tensor::from_vec(values, (rows, columns), &Device::Cpu)
        .and_then(|table| table.to_dtype(DType::F16))
        .map_err(|error| error.to_string())
}

fn floats(view: &TensorView) -> std::result::Result<Vec<f32>, String> {
    match view.dtype() {
        Dtype::F32 => Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()),
        Dtype::F16 => Ok(view.data().chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()),
        other => Err(format!("model.safetensors: type {other:?} where numbers were expected")),
    }
}
