//! Sentence embeddings: a trait, the models behind it, and the store that compares vectors. candle appears in this room
//! only; nothing here knows entries, lexical search or requests. Models come from a folder in Hugging Face layout; nothing
//! here reaches for the network, but for [`hub::fetch`].

mod cache;
mod checkpoint;
mod coarse;
mod context;
mod contexts;
mod cores;
mod encoder;
mod glance;
pub mod hub;
mod kernels;
mod layers;
mod lists;
mod ngram;
mod places;
mod pooling;
mod products;
mod recipe;
mod rerank;
mod static_model;
mod table;
mod tokens;
mod transformer;
mod vectors;
mod vocabulary;

pub use contexts::ContextStore;
pub use glance::{Glance, glance};
pub use places::{Agreement, Places};
pub use pooling::Pooling;
pub use recipe::Overrides;
pub use rerank::{Reranker, load_reranker};
pub use vectors::VectorStore;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;

use crate::error::{Error, Result};
use encoder::EncoderConfig;
use recipe::Recipe;

/// What a text is to be embedded as; some models treat the two differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A customer's words.
    Query,
    /// A text of the corpus.
    Document,
}

/// A sentence-embedding model.
pub trait Embedder: Send + Sync {
    /// Number of values in a vector.
    fn dimensions(&self) -> usize;

    /// Identifies the weights and how texts are read: vectors of different fingerprints must not be compared.
    fn fingerprint(&self) -> &str;

    /// A name for people.
    fn name(&self) -> &str;

    /// One vector of length [`Embedder::dimensions`] and Euclidean norm 1 (or all zeros for a text without content) for each
    /// text, in order; the norm is another only where normalisation is switched off ([`Overrides::normalize`]). Results do not
    /// depend on how texts are batched. Many texts are embedded on all cores, a single one on one.
    ///
    /// # Errors
    /// If the model's arithmetic fails, which a loaded model should never do.
    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>>;

    /// `text` place by place, at most the first `limit` places; empty where the model cannot say what stands at a place without
    /// reading the whole text (transformers) or where it was not trained for it.
    fn places(&self, _text: &str, _limit: usize) -> Arc<Places> {
        Arc::default()
    }

    /// Number of values in a vector of the second reading; 0 where the model has none.
    fn context_dimensions(&self) -> usize {
        0
    }

    /// The second reading, slower and sharper: one vector of length [`Embedder::context_dimensions`] and norm 1 (or all zeros for a text
    /// without content) for each text, in order, to be compared with one another and not with those of [`Embedder::embed`]. It makes no
    /// difference whether a text is a query or belongs to the corpus, nor how texts are batched.
    ///
    /// # Errors
    /// As [`Embedder::embed`].
    fn embed_context(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        Ok(vec![Vec::new(); texts.len()])
    }

    /// How the model reads texts.
    fn description(&self) -> Description {
        Description::default()
    }
}

/// How a model reads texts, for people.
#[derive(Debug, Clone, Default, PartialEq, serde::Serialize)]
pub struct Description {
    /// `yingda-ngram`, `model2vec`, `bert` or `xlm-roberta`.
    pub architecture: String,
    /// Tokens of a text that are read (units for the n-gram model); none where there is no bound.
    pub max_length: Option<usize>,
    /// How token vectors become one.
    pub pooling: String,
    /// True if vectors have norm 1.
    pub normalize: bool,
    /// Put before each query.
    pub query_prompt: String,
    /// Put before each text of the corpus.
    pub document_prompt: String,
}

/// Architectures that are loaded, as an error names them.
const SUPPORTED: &str = "bert, xlm-roberta, roberta, model2vec (static) and yingda-ngram";

/// What `config.json` must say for the loader to choose an architecture.
#[derive(Deserialize)]
struct ModelConfig {
    model_type: Option<String>,
    #[serde(default)]
    architectures: Option<Vec<String>>,
    /// Only model2vec writes it; its newer versions name neither type nor architecture.
    #[serde(default)]
    embedding_dtype: Option<String>,
}

/// A supported architecture.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Family {
    Ngram,
    Static,
    Bert,
    Roberta,
}

impl ModelConfig {
    /// The family, or what the file says instead.
    fn family(&self) -> std::result::Result<Family, String> {
        if let Some(name) = self.model_type.as_deref() {
            return match name {
                ngram::MODEL_TYPE => Ok(Family::Ngram),
                static_model::MODEL_TYPE => Ok(Family::Static),
                "bert" => Ok(Family::Bert),
                "xlm-roberta" | "roberta" | "camembert" => Ok(Family::Roberta),
                other => Err(format!("architecture `{other}` is not supported; supported are {SUPPORTED}")),
            };
        }
        let name = self.architectures.iter().flatten().next().map_or("", String::as_str);
        match name {
            "StaticModel" => Ok(Family::Static),
            "" if self.embedding_dtype.is_some() => Ok(Family::Static),
            _ if name.starts_with("Bert") => Ok(Family::Bert),
            _ if name.starts_with("XLMRoberta") || name.starts_with("Roberta") => Ok(Family::Roberta),
            "" => Err(format!("config.json names no `model_type`; supported are {SUPPORTED}")),
            _ => Err(format!("architecture `{name}` is not supported; supported are {SUPPORTED}")),
        }
    }
}

/// Loads the model of a folder in Hugging Face layout as its own files say.
///
/// # Errors
/// See [`load_with`].
pub fn load(folder: &Path) -> Result<Box<dyn Embedder>> {
    load_with(folder, &Overrides::default())
}

/// Loads the model of a folder in Hugging Face layout; `overrides` come before what its files say. Repeated queries are
/// remembered.
///
/// # Errors
/// [`Error::Model`] if the folder is not one, a file is missing or damaged, files do not fit together, or the architecture is
/// not supported.
pub fn load_with(folder: &Path, overrides: &Overrides) -> Result<Box<dyn Embedder>> {
    if !folder.is_dir() {
        return Err(Error::model(folder, "is not a folder; give the folder that holds config.json and model.safetensors"));
    }
    let recipe = Recipe::read(folder, overrides)?;
    if recipe.is_static {
        return Ok(Box::new(cache::Cached::new(static_model::StaticModel::load(folder, recipe)?)));
    }
    let Some(config) = recipe::read_json::<serde_json::Value>(&recipe.model, "config.json")? else {
        return Err(Error::model(folder, "has no config.json; give the folder of a model in Hugging Face layout"));
    };
    let family = family(&recipe.model, &config)?;
    let unread = |error: serde_json::Error| Error::model(&recipe.model, format!("config.json: {error}"));
    let model: Box<dyn Embedder> = match family {
        Family::Ngram => {
            let text = serde_json::to_string(&config).map_err(unread)?;
            if *overrides != Overrides::default() {
                let what =
                    "pooling, normalisation, prompts and length of this architecture are fixed; leave [model] settings empty";
                return Err(Error::model(folder, what));
            }
            Box::new(ngram::NgramModel::load(folder, &text)?)
        }
        Family::Static => Box::new(static_model::StaticModel::load(folder, recipe)?),
        Family::Bert | Family::Roberta => {
            let config = encoder_config(family, config).map_err(unread)?;
            Box::new(transformer::TransformerModel::load(folder, config, recipe)?)
        }
    };
    Ok(Box::new(cache::Cached::new(model)))
}

fn family(folder: &Path, config: &serde_json::Value) -> Result<Family> {
    let config = ModelConfig::deserialize(config).map_err(|error| Error::model(folder, format!("config.json: {error}")))?;
    config.family().map_err(|what| Error::model(folder, what))
}

fn encoder_config(family: Family, config: serde_json::Value) -> std::result::Result<EncoderConfig, serde_json::Error> {
    let mut config: EncoderConfig = serde_json::from_value(config)?;
    config.set_family(if family == Family::Bert { "bert" } else { "xlm-roberta" });
    Ok(config)
}

/// The folder's own name.
fn folder_name(folder: &Path) -> String {
    hub::name_of_snapshot(folder)
        .or_else(|| folder.file_name().map(|name| name.to_string_lossy().into_owned()))
        .unwrap_or_else(|| folder.to_string_lossy().into_owned())
}

/// Scales `vector` to Euclidean norm 1; a zero vector stays as it is.
fn to_unit_norm(vector: &mut [f32]) {
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    if norm > 0.0 {
        vector.iter_mut().for_each(|value| *value /= norm);
    }
}

/// SHA-256 over the names and contents of `files` in `folder`, then `mark`, shortened to 16 hexadecimal digits.
fn fingerprint(folder: &Path, files: &[PathBuf], mark: &str) -> Result<String> {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for name in files {
        let path = folder.join(name);
        let failed = |source| Error::io(&path, source);
        let mut file = std::fs::File::open(&path).map_err(failed)?;
        hasher.update(name.to_string_lossy().as_bytes());
        hasher.update(file.metadata().map_err(failed)?.len().to_le_bytes());
        std::io::copy(&mut file, &mut hasher).map_err(failed)?;
    }
    hasher.update(mark.as_bytes());
    Ok(crate::hex(&hasher.finalize()[..8]))
}
