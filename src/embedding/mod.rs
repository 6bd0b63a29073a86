//! Sentence embeddings: a trait, the models behind it, and the store that compares vectors. candle appears in this room
//! only; nothing here knows entries, lexical search or requests.

mod ngram;
mod vectors;

pub use vectors::VectorStore;

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Result};

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

    /// Identifies the weights: vectors of different fingerprints must not be compared.
    fn fingerprint(&self) -> &str;

    /// A name for people.
    fn name(&self) -> &str;

    /// One vector of length [`Embedder::dimensions`] and Euclidean norm 1 (or all zeros for a text without content) for each
    /// text, in order. Results do not depend on how texts are batched.
    ///
    /// # Errors
    /// If the model's arithmetic fails, which a loaded model should never do.
    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>>;
}

/// What `config.json` must say for the loader to choose an architecture.
#[derive(Deserialize)]
struct ModelConfig {
    model_type: Option<String>,
}

/// Loads a model from a folder in Hugging Face layout.
///
/// # Errors
/// If the folder is not one, a file is missing or damaged, or the architecture is not supported.
pub fn load(folder: &Path) -> Result<Box<dyn Embedder>> {
    if !folder.is_dir() {
        return Err(Error::model(folder, "is not a folder; give the folder that holds config.json and model.safetensors"));
    }
    let path = folder.join("config.json");
    let text = std::fs::read_to_string(&path).map_err(|source| Error::io(&path, source))?;
    let config: ModelConfig =
        serde_json::from_str(&text).map_err(|error| Error::model(folder, format!("config.json cannot be read: {error}")))?;
    match config.model_type.as_deref() {
        Some(ngram::MODEL_TYPE) => Ok(Box::new(ngram::NgramModel::load(folder, &text)?)),
        Some(other) => {
            let what = format!("architecture `{other}` is not supported; use a model of type {}", ngram::MODEL_TYPE);
            Err(Error::model(folder, what))
        }
        None => Err(Error::model(folder, "config.json has no `model_type`")),
    }
}

/// SHA-256 over the names and contents of `files` in `folder`, shortened to 16 hexadecimal digits.
pub(crate) fn fingerprint(folder: &Path, files: &[&str]) -> Result<String> {
    use sha2::{Digest, Sha256};
    let mut hasher = Sha256::new();
    for name in files {
        let path = folder.join(name);
        let bytes = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
        hasher.update(name.as_bytes());
        hasher.update((bytes.len() as u64).to_le_bytes());
        hasher.update(&bytes);
    }
    Ok(crate::hex(&hasher.finalize()[..8]))
}
