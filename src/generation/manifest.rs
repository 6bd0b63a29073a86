//! A generation's manifest: what it was made from, and a checksum for each of its files.

use std::collections::BTreeMap;
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::error::{Error, Result};

/// Changes whenever the files of a generation are laid out differently.
pub(super) const FORMAT: u32 = 4;
/// The manifest's file name.
pub(super) const FILE: &str = "manifest.json";

/// What a generation was made from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Layout version.
    pub format: u32,
    /// The generation's id.
    pub id: String,
    /// When it was built, in UTC.
    pub created_at: jiff::Timestamp,
    /// Hash of all corpus files.
    pub corpus_hash: String,
    /// Version of the analyser.
    pub analyzer_version: u32,
    /// The embedding model.
    pub model: ModelInfo,
    /// Version of the ranker it was built beside.
    pub ranker_version: String,
    /// What is inside.
    pub counts: Counts,
    /// Size and checksum of every other file, by path.
    pub files: BTreeMap<String, FileInfo>,
}

/// Which model made the vectors.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ModelInfo {
    /// Name for people.
    pub name: String,
    /// Identifies the weights.
    pub fingerprint: String,
    /// Values in a vector.
    pub dimensions: usize,
}

/// How much a generation holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Counts {
    /// FAQ entries, published ones.
    pub faq: usize,
    /// Manuals.
    pub manual: usize,
    /// Scripts.
    pub script: usize,
    /// Risk rules.
    pub risk: usize,
    /// Entries that are not published.
    pub unpublished: usize,
    /// Texts that are searched.
    pub units: usize,
}

/// A file's size and checksum.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileInfo {
    /// Size in bytes.
    pub bytes: u64,
    /// SHA-256 in hexadecimal.
    pub sha256: String,
}

impl Manifest {
    /// Reads the manifest of the generation `id` in `folder`.
    pub(super) fn read(folder: &Path, id: &str) -> Result<Self> {
        let path = folder.join(FILE);
        let text = std::fs::read_to_string(&path)
            .map_err(|error| Error::generation(id, format!("{FILE} cannot be read: {error}; run `yingda index`")))?;
        let manifest: Manifest = serde_json::from_str(&text)
            .map_err(|error| Error::generation(id, format!("{FILE} is damaged: {error}; run `yingda index`")))?;
        if manifest.format != FORMAT {
            let what = format!("has layout {}, this program reads {FORMAT}; run `yingda index`", manifest.format);
            return Err(Error::generation(id, what));
        }
        if manifest.id != id {
            return Err(Error::generation(id, format!("the manifest inside names {}", manifest.id)));
        }
        Ok(manifest)
    }

    /// Compares every file in `folder` with the manifest.
    pub(super) fn verify(&self, folder: &Path) -> Result<()> {
        self.verify_some(folder, |_| true)
    }

    /// Compares the files in `folder` whose names `chosen` accepts with the manifest.
    pub(super) fn verify_some(&self, folder: &Path, chosen: impl Fn(&str) -> bool) -> Result<()> {
        for (name, expected) in self.files.iter().filter(|(name, _)| chosen(name)) {
            let path = folder.join(name);
            let found = FileInfo::of(&path).map_err(|error| Error::generation(&self.id, format!("file {name}: {error}")))?;
            if found != *expected {
                let what = format!("file {name} is damaged (its checksum differs); roll back or run `yingda index --force`");
                return Err(Error::generation(&self.id, what));
            }
        }
        Ok(())
    }
}

impl FileInfo {
    /// Measures the file at `path`.
    pub(super) fn of(path: &Path) -> std::io::Result<Self> {
        let mut file = std::fs::File::open(path)?;
        let mut hasher = Sha256::new();
        let bytes = std::io::copy(&mut file, &mut hasher)?;
        Ok(FileInfo { bytes, sha256: crate::hex(&hasher.finalize()) })
    }
}
