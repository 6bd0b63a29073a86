//! What a model folder holds, without loading it: for lists.

use std::io::Read;
use std::path::Path;

use serde::Serialize;

use super::recipe::{Recipe, Step, read_json};
use super::{Family, Overrides, family, ngram, static_model};
use crate::error::{Error, Result};

/// Longest header of a safetensors file that is read.
const LONGEST_HEADER: u64 = 100 << 20;

/// A model folder in brief.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Glance {
    /// `yingda-ngram`, `model2vec`, `bert` or `xlm-roberta`; `… cross-encoder` for a reranker.
    pub architecture: String,
    /// Values in a vector; none for a reranker.
    pub dimensions: Option<usize>,
    /// Size of all files.
    pub bytes: u64,
}

/// Looks into `folder`.
///
/// # Errors
/// [`Error::Model`] if it is not a model folder, or one of an architecture that is not supported.
pub fn glance(folder: &Path) -> Result<Glance> {
    let recipe = Recipe::read(folder, &Overrides::default())?;
    let config: Option<serde_json::Value> = read_json(&recipe.model, "config.json")?;
    let family = match &config {
        _ if recipe.is_static => Family::Static,
        Some(config) => family(&recipe.model, config)?,
        None => return Err(Error::model(folder, "has no config.json")),
    };
    let bytes = size(folder)?;
    let hidden = config.as_ref().and_then(|config| config["hidden_size"].as_u64()).and_then(|size| usize::try_from(size).ok());
    let transformer = if family == Family::Bert { "bert" } else { "xlm-roberta" };
    if config.as_ref().is_some_and(is_cross_encoder) {
        return Ok(Glance { architecture: format!("{transformer} cross-encoder"), dimensions: None, bytes });
    }
    let (architecture, dimensions) = match family {
        Family::Ngram => (ngram::MODEL_TYPE, hidden),
        Family::Static => (static_model::MODEL_TYPE, static_width(&recipe.model)?),
        Family::Bert | Family::Roberta => {
            let dense = recipe.steps.iter().rev().find_map(|step| match step {
                Step::Dense { outputs, .. } => Some(*outputs),
                Step::Normalize => None,
            });
            (transformer, dense.or(hidden.map(|size| size * recipe.pooling.len())))
        }
    };
    Ok(Glance { architecture: architecture.to_owned(), dimensions, bytes })
}

/// True if `config.json` is that of a sequence classifier, as rerankers are.
pub(super) fn is_cross_encoder(config: &serde_json::Value) -> bool {
    config["architectures"][0].as_str().is_some_and(|name| name.ends_with("ForSequenceClassification"))
}

/// Columns of the table of a static model, out of the header of its weights.
fn static_width(folder: &Path) -> Result<Option<usize>> {
    let path = folder.join("model.safetensors");
    let failed = |source| Error::io(&path, source);
    let mut file = std::fs::File::open(&path).map_err(failed)?;
    let mut length = [0u8; 8];
    file.read_exact(&mut length).map_err(failed)?;
    let mut header = Vec::new();
    file.take(u64::from_le_bytes(length).min(LONGEST_HEADER)).read_to_end(&mut header).map_err(failed)?;
    let header: serde_json::Value =
        serde_json::from_slice(&header).map_err(|error| Error::model(&path, format!("damaged or cut off: {error}")))?;
    let shape = |name: &str| header[name]["shape"][1].as_u64();
    Ok(static_model::TABLES.iter().find_map(|name| shape(name)).and_then(|size| usize::try_from(size).ok()))
}

/// Size of the files below `folder`; of links, of what they lead to.
fn size(folder: &Path) -> Result<u64> {
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder).map_err(|source| Error::io(folder, source))? {
        let path = entry.map_err(|source| Error::io(folder, source))?.path();
        let metadata = path.metadata().map_err(|source| Error::io(&path, source))?;
        bytes += if metadata.is_dir() { size(&path)? } else { metadata.len() };
    }
    Ok(bytes)
}
