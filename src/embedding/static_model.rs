//! Static token vectors, as model2vec and the `StaticEmbedding` module of sentence-transformers keep them: the mean of the
//! vectors of a text's tokens.

use std::path::{Path, PathBuf};

use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use tokenizers::Tokenizer;

use super::recipe::{Recipe, read_json};
use super::{Description, Embedder, Role, fingerprint, folder_name, to_unit_norm, tokens};
use crate::error::{Error, Result};

/// `model_type` of model2vec's `config.json`.
pub const MODEL_TYPE: &str = "model2vec";
/// model2vec reads so many tokens of a text.
const MAX_TOKENS: usize = 512;
const WEIGHTS: &str = "model.safetensors";
/// Names of the table: model2vec's, then that of sentence-transformers.
pub(super) const TABLES: [&str; 2] = ["embeddings", "embedding.weight"];
/// Texts that one core takes at a time.
const SHARE: usize = 64;

#[derive(Debug, Default, Deserialize)]
struct Config {
    #[serde(default)]
    max_length: Option<usize>,
}

/// A loaded static model.
pub struct StaticModel {
    tokenizer: Tokenizer,
    recipe: Recipe,
    dimensions: usize,
    /// Row by row.
    table: Vec<f32>,
    /// Weight of each token, where the model has them.
    weights: Option<Vec<f32>>,
    /// Row of each token, where it is not its own number.
    mapping: Option<Vec<u32>>,
    /// The unknown token, where it does not count.
    ignored: Option<u32>,
    max_length: usize,
    name: String,
    fingerprint: String,
}

impl StaticModel {
    /// Loads the model of `folder`.
    ///
    /// # Errors
    /// [`Error::Model`] if a file is missing, damaged, or does not fit the others.
    pub fn load(folder: &Path, recipe: Recipe) -> Result<Self> {
        let at = recipe.model.as_path();
        let bad = |what: String| Error::model(at, format!("{WEIGHTS}: {what}"));
        let config: Config = read_json(at, "config.json")?.unwrap_or_default();
        let bytes = std::fs::read(at.join(WEIGHTS)).map_err(|source| Error::io(at.join(WEIGHTS), source))?;
        let tensors = SafeTensors::deserialize(&bytes).map_err(|error| bad(format!("damaged or cut off: {error}")))?;
        let (name, table) = TABLES
            .iter()
            .find_map(|name| tensors.tensor(name).ok().map(|table| (*name, table)))
            .ok_or_else(|| bad(format!("has no tensor `{}`; it is not a static model", TABLES[0])))?;
        let &[rows, dimensions] = table.shape() else { return Err(bad("the table of vectors is not a matrix".into())) };
        if rows == 0 || dimensions == 0 {
            return Err(bad("the table of vectors is empty".into()));
        }
        let optional = |name: &str| tensors.tensor(name).ok().map(|view| numbers(&view)).transpose().map_err(bad);
        let weights = optional("weights")?;
        let mapping = optional("mapping")?.map(|rows| rows.into_iter().map(|row| row as u32).collect::<Vec<u32>>());
        if let Some(&row) = mapping.iter().flatten().find(|row| **row as usize >= rows) {
            return Err(bad(format!("`mapping` names row {row}, but there are {rows} vectors")));
        }
        let known = mapping.as_ref().map_or(rows, Vec::len);
        if let Some(weights) = weights.as_ref().filter(|weights| weights.len() < known) {
            return Err(bad(format!("{} weights for {known} tokens", weights.len())));
        }
        let (tokenizer, tokenizer_file) = tokens::load(at, known)?;
        // sentence-transformers counts unknown tokens and reads texts to their end; model2vec does neither.
        let is_model2vec = name == TABLES[0];
        let inside = at.strip_prefix(folder).unwrap_or(Path::new(""));
        let mut files: Vec<PathBuf> = [tokenizer_file, WEIGHTS].iter().map(|file| inside.join(file)).collect();
        if at.join("config.json").exists() {
            files.push(inside.join("config.json"));
        }
        files.extend(recipe.files.iter().cloned());
        Ok(StaticModel {
            fingerprint: fingerprint(folder, &files, &recipe.mark())?,
            ignored: if is_model2vec { unknown(&tokenizer) } else { None },
            max_length: recipe.max_length.or(config.max_length).unwrap_or(if is_model2vec { MAX_TOKENS } else { usize::MAX }),
            table: numbers(&table).map_err(bad)?,
            tokenizer,
            recipe,
            dimensions,
            weights,
            mapping,
            name: folder_name(folder),
        })
    }

    fn embed_one(&self, text: &str, role: Role) -> Result<Vec<f32>> {
        let mut sum = vec![0.0f32; self.dimensions];
        if text.trim().is_empty() {
            return Ok(sum);
        }
        let text = self.recipe.prepare(text, role);
        let encoding =
            self.tokenizer.encode_fast(text.as_str(), false).map_err(|error| Error::internal("tokenising failed", error))?;
        let mut count = 0u32;
        let counted = encoding.get_ids().iter().filter(|token| Some(**token) != self.ignored).take(self.max_length);
        for &token in counted {
            let token = token as usize;
            let row = self.mapping.as_ref().map_or(token, |mapping| mapping[token] as usize);
            let weight = self.weights.as_ref().map_or(1.0, |weights| weights[token]);
            let vector = &self.table[row * self.dimensions..(row + 1) * self.dimensions];
            sum.iter_mut().zip(vector).for_each(|(sum, value)| *sum += weight * value);
            count += 1;
        }
        if self.recipe.normalize {
            to_unit_norm(&mut sum);
        } else if count > 0 {
            sum.iter_mut().for_each(|value| *value /= count as f32);
        }
        Ok(sum)
    }
}

impl Embedder for StaticModel {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>> {
        if texts.len() <= SHARE {
            return texts.iter().map(|text| self.embed_one(text, role)).collect();
        }
        texts.par_iter().with_min_len(SHARE).map(|text| self.embed_one(text, role)).collect()
    }

    fn description(&self) -> Description {
        Description {
            architecture: MODEL_TYPE.to_owned(),
            max_length: Some(self.max_length).filter(|&length| length < usize::MAX),
            pooling: "mean".to_owned(),
            normalize: self.recipe.normalize,
            query_prompt: self.recipe.query_prompt.clone(),
            document_prompt: self.recipe.document_prompt.clone(),
        }
    }
}

/// The number of the tokenizer's unknown token.
fn unknown(tokenizer: &Tokenizer) -> Option<u32> {
    use tokenizers::ModelWrapper;
    let token = match tokenizer.get_model() {
        ModelWrapper::WordPiece(model) => model.unk_token.clone(),
        ModelWrapper::WordLevel(model) => model.unk_token.clone(),
        ModelWrapper::BPE(model) => model.unk_token.clone()?,
        // A unigram model knows its unknown token by number, which only its serialised form tells.
        ModelWrapper::Unigram(model) => {
            let number = serde_json::to_value(model).ok()?.get("unk_id")?.as_u64()?;
            return u32::try_from(number).ok();
        }
    };
    tokenizer.token_to_id(&token)
}

/// A tensor's values as F32.
fn numbers(view: &TensorView) -> std::result::Result<Vec<f32>, String> {
    fn each<const N: usize>(bytes: &[u8], value: impl Fn([u8; N]) -> f32) -> Vec<f32> {
        bytes.as_chunks::<N>().0.iter().map(|chunk| value(*chunk)).collect()
    }
    let bytes = view.data();
    match view.dtype() {
        Dtype::F32 => Ok(each(bytes, f32::from_le_bytes)),
        Dtype::F64 => Ok(each(bytes, |b| f64::from_le_bytes(b) as f32)),
        Dtype::F16 => Ok(each(bytes, |b| half::f16::from_le_bytes(b).to_f32())),
        Dtype::BF16 => Ok(each(bytes, |b| half::bf16::from_le_bytes(b).to_f32())),
        Dtype::I8 => Ok(each(bytes, |b: [u8; 1]| f32::from(b[0].cast_signed()))),
        Dtype::I32 => Ok(each(bytes, |b| i32::from_le_bytes(b) as f32)),
        Dtype::I64 => Ok(each(bytes, |b| i64::from_le_bytes(b) as f32)),
        other => Err(format!("tensors of type {other:?} are not supported")),
    }
}
