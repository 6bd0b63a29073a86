//! Weights of a checkpoint in Hugging Face layout: `model.safetensors`, a sharded index of such files, or
//! `pytorch_model.bin`. The last is a pickle; candle reads the tensors out of it as data, nothing in it is ever executed.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use candle_core::pickle::PthTensors;
use candle_core::safetensors::BufferedSafetensors;
use candle_core::{DType, Device, Tensor};
use serde::Deserialize;

use crate::error::{Error, Result};

const SAFETENSORS: &str = "model.safetensors";
const SAFETENSORS_INDEX: &str = "model.safetensors.index.json";
const PICKLE: &str = "pytorch_model.bin";
const PICKLE_INDEX: &str = "pytorch_model.bin.index.json";
/// Weights of other programs that models are published with, to name them where they are all there is.
const OTHER_FORMATS: [&str; 5] =
    ["onnx/model.onnx", "model.onnx", "onnx/model_quantized.onnx", "tf_model.h5", "flax_model.msgpack"];
/// The tensor by which an encoder's place among the tensors is found.
const ANCHOR: &str = "embeddings.word_embeddings.weight";

#[derive(Deserialize)]
struct ShardIndex {
    weight_map: BTreeMap<String, String>,
}

enum Shard {
    Safetensors(BufferedSafetensors),
    Pickle(PthTensors),
}

/// Opened weights; tensors are read when they are asked for.
pub struct Checkpoint {
    folder: PathBuf,
    files: Vec<String>,
    shards: Vec<Shard>,
    /// From a tensor's name to its shard.
    names: BTreeMap<String, usize>,
    prefix: String,
}

/// The weight files of `folder`, by preference: safetensors, whole or sharded, then pickles. An index file is named first,
/// then its shards.
///
/// # Errors
/// [`Error::Model`] if there are none, or an index names files it must not name.
pub fn weight_files(folder: &Path) -> Result<Vec<String>> {
    for (whole, index) in [(SAFETENSORS, SAFETENSORS_INDEX), (PICKLE, PICKLE_INDEX)] {
        if folder.join(whole).is_file() {
            return Ok(vec![whole.to_owned()]);
        }
        if folder.join(index).is_file() {
            let text = std::fs::read(folder.join(index)).map_err(|source| Error::io(folder.join(index), source))?;
            let mut files = vec![index.to_owned()];
            files.extend(shards_of_index(&text).map_err(|what| Error::model(folder, format!("{index}: {what}")))?);
            return Ok(files);
        }
    }
    let mut what = format!("holds no weights; {SAFETENSORS} or {PICKLE} is needed");
    if let Some(other) = OTHER_FORMATS.iter().find(|file| folder.join(file).is_file()) {
        what = format!("holds no weights but {other}, a format that is not read; {SAFETENSORS} or {PICKLE} is needed");
    }
    Err(Error::model(folder, what))
}

/// The files that a shard index names, in order.
pub(super) fn shards_of_index(text: &[u8]) -> std::result::Result<Vec<String>, String> {
    let index: ShardIndex = serde_json::from_slice(text).map_err(|error| error.to_string())?;
    let files: BTreeSet<String> = index.weight_map.into_values().collect();
    match files.iter().find(|file| file.contains(['/', '\\']) || file.starts_with('.')) {
        Some(file) => Err(format!("names the shard “{file}”; shards lie beside the index")),
        None if files.is_empty() => Err("names no shards".to_owned()),
        None => Ok(files.into_iter().collect()),
    }
}

impl Checkpoint {
    /// Opens the weights of `folder`.
    ///
    /// # Errors
    /// [`Error::Model`] if there are none, or a file is damaged, cut off or of a format that is not read.
    pub fn open(folder: &Path) -> Result<Self> {
        let mut files = weight_files(folder)?;
        files.retain(|file| !file.ends_with(".json"));
        let mut shards = Vec::new();
        let mut names = BTreeMap::new();
        for file in &files {
            let path = folder.join(file);
            let shard = if file.ends_with(".bin") { open_pickle(folder, file)? } else { open_safetensors(folder, file)? };
            let number = shards.len();
            match &shard {
                Shard::Safetensors(tensors) => names.extend(tensors.tensors().into_iter().map(|(name, _)| (name, number))),
                Shard::Pickle(tensors) => names.extend(tensors.tensor_infos().keys().map(|name| (name.clone(), number))),
            }
            if names.is_empty() {
                return Err(Error::model(path, "holds no tensors"));
            }
            shards.push(shard);
        }
        let prefix = names
            .keys()
            .filter_map(|name| name.strip_suffix(ANCHOR))
            .filter(|prefix| prefix.is_empty() || prefix.ends_with('.'))
            .min_by_key(|prefix| prefix.len())
            .unwrap_or("")
            .to_owned();
        Ok(Checkpoint { folder: folder.to_owned(), files, shards, names, prefix })
    }

    /// The tensor `name` of the encoder, wherever the encoder hangs (`bert.`, `roberta.`, nothing), with this shape, as F32.
    pub fn encoder(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        self.tensor(&format!("{}{name}", self.prefix), shape)
    }

    /// The tensor `name` with this shape, as F32. `LayerNorm.gamma` and `LayerNorm.beta` of old checkpoints are found too.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor> {
        let old = name.replace("LayerNorm.weight", "LayerNorm.gamma").replace("LayerNorm.bias", "LayerNorm.beta");
        let known = [name, old.as_str()].into_iter().find_map(|name| self.names.get_key_value(name));
        let Some((name, &number)) = known else {
            return Err(self.bad(format!("has no tensor `{name}`; it is not a whole checkpoint of this architecture")));
        };
        let failed = |error: candle_core::Error| self.bad(format!("`{name}` cannot be read: {error}"));
        let tensor = match &self.shards[number] {
            Shard::Safetensors(tensors) => tensors.load(name, &Device::Cpu).map_err(failed)?,
            Shard::Pickle(tensors) => {
                tensors.get(name).map_err(failed)?.ok_or_else(|| self.bad(format!("`{name}` has no data")))?
            }
        };
        if tensor.dims() != shape {
            return Err(self.bad(format!("`{name}` has the shape {:?}; config.json calls for {shape:?}", tensor.dims())));
        }
        tensor.to_dtype(DType::F32).and_then(|tensor| tensor.contiguous()).map_err(failed)
    }

    /// Rows of the matrix `name`.
    pub fn rows(&self, name: &str) -> Option<usize> {
        let &number = self.names.get(name)?;
        match &self.shards[number] {
            Shard::Safetensors(tensors) => tensors.get(name).ok().and_then(|view| view.shape().first().copied()),
            Shard::Pickle(tensors) => tensors.tensor_infos().get(name).and_then(|info| info.layout.dims().first().copied()),
        }
    }

    /// Name of the encoder's token table.
    pub fn token_table(&self) -> String {
        format!("{}{ANCHOR}", self.prefix)
    }

    fn bad(&self, what: impl std::fmt::Display) -> Error {
        Error::model(&self.folder, format!("{}: {what}", self.files.join(", ")))
    }
}

fn open_safetensors(folder: &Path, file: &str) -> Result<Shard> {
    let path = folder.join(file);
    let bytes = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
    BufferedSafetensors::new(bytes)
        .map(Shard::Safetensors)
        .map_err(|error| Error::model(folder, format!("{file} is damaged or cut off: {error}")))
}

fn open_pickle(folder: &Path, file: &str) -> Result<Shard> {
    let path = folder.join(file);
    if !path.is_file() {
        return Err(Error::model(folder, format!("{file} is missing")));
    }
    let bad = |error: String| {
        let what = format!("{file} is damaged, cut off, or older than PyTorch 1.6 ({error}); save it as {SAFETENSORS}");
        Error::model(folder, what)
    };
    let tensors = PthTensors::new(&path, None).map_err(|error| bad(error.to_string()))?;
    if !tensors.tensor_infos().is_empty() {
        return Ok(Shard::Pickle(tensors));
    }
    // Training programs often keep the weights one level down.
    PthTensors::new(&path, Some("state_dict")).map(Shard::Pickle).map_err(|error| bad(error.to_string()))
}
