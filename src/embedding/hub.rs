//! Models by hub id: where the local cache keeps them, and the explicit download. [`resolve`] only looks into the cache, so
//! that serving never waits for a network; [`fetch`] is the one place that downloads, in the cache layout that all Hugging Face
//! tools share.

use std::path::{Path, PathBuf};

use hf_hub::api::Progress;
use hf_hub::api::sync::{ApiBuilder, ApiError, ApiRepo};
use hf_hub::{Cache, Repo, RepoType};

use super::checkpoint::shards_of_index;
use super::context;
use super::recipe::read_json;
use crate::error::{Error, Result};

/// The branch that is meant where none is named.
const MAIN: &str = "main";
/// Files of a model besides weights, tokenizer and modules.
const SMALL_FILES: [&str; 6] = [
    "config.json",
    "modules.json",
    "config_sentence_transformers.json",
    "sentence_bert_config.json",
    "sentence_xlm-roberta_config.json",
    "tokenizer_config.json",
];
/// Weights by preference, each whole or as the index of its shards.
const WEIGHTS: [(&str, &str); 2] =
    [("model.safetensors", "model.safetensors.index.json"), ("pytorch_model.bin", "pytorch_model.bin.index.json")];

/// Where models are downloaded from and kept.
#[derive(Debug, Clone)]
pub struct Hub {
    /// Address of the hub or of a mirror.
    pub endpoint: String,
    /// The cache folder (`$HF_HOME/hub`).
    pub cache: PathBuf,
    /// Access token; none for the one that `huggingface-cli login` left behind, if any.
    pub token: Option<String>,
    /// True if nothing may be downloaded.
    pub offline: bool,
}

/// A hub id with its revision, `org/name` or `org/name@revision`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModelId {
    /// `org/name`; old models have no organisation.
    pub id: String,
    /// Branch, tag or commit.
    pub revision: String,
}

impl ModelId {
    /// Reads `org/name@revision`; `None` if `text` cannot be an id.
    pub fn parse(text: &str) -> Option<Self> {
        let (id, revision) = text.split_once('@').unwrap_or((text, MAIN));
        let good = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_alphanumeric())
                && !part.contains("..")
                && part.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
        };
        let parts = id.split('/').count();
        let fits = parts <= 2 && id.split('/').all(good) && revision.split('/').all(good);
        fits.then(|| ModelId { id: id.to_owned(), revision: revision.to_owned() })
    }

    fn repo(&self) -> Repo {
        Repo::with_revision(self.id.clone(), RepoType::Model, self.revision.clone())
    }
}

impl std::fmt::Display for ModelId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.id)?;
        if self.revision == MAIN { Ok(()) } else { write!(f, "@{}", self.revision) }
    }
}

/// The folder that `path` means: itself if it is one, else the cached snapshot of that hub id. Downloads nothing.
///
/// # Errors
/// [`Error::Model`] if there is neither.
pub fn resolve(path: &Path, cache: &Path) -> Result<PathBuf> {
    if path.is_dir() {
        return Ok(path.to_owned());
    }
    if path.exists() {
        return Err(Error::model(path, "is a file; give the folder that holds config.json, or a hub id"));
    }
    let Some(id) = path.to_str().and_then(ModelId::parse) else {
        return Err(Error::model(path, "is no folder; give the folder that holds config.json, or a hub id such as org/name"));
    };
    snapshot(&id, cache).ok_or_else(|| {
        let what = format!(
            "is no folder here, nor a hub id in the cache {}; if it is an id, run `yingda model fetch {id}` first",
            cache.display()
        );
        Error::model(path, what)
    })
}

/// The cached snapshot of `id`.
fn snapshot(id: &ModelId, cache: &Path) -> Option<PathBuf> {
    let folder = cache.join(id.repo().folder_name());
    let commit = std::fs::read_to_string(folder.join("refs").join(&id.revision)).unwrap_or_else(|_| id.revision.clone());
    let commit = commit.trim();
    let plain = !commit.is_empty() && commit.chars().all(|c| c.is_ascii_alphanumeric());
    Some(folder.join("snapshots").join(commit)).filter(|folder| plain && folder.is_dir())
}

/// `org/name` if `folder` is a snapshot in a cache.
pub(super) fn name_of_snapshot(folder: &Path) -> Option<String> {
    let snapshots = folder.parent().filter(|parent| parent.file_name().is_some_and(|name| name == "snapshots"))?;
    let name = snapshots.parent()?.file_name()?.to_str()?.strip_prefix("models--")?;
    Some(name.replacen("--", "/", 1))
}

/// The ids in the cache with their snapshot folders, by id; a model is listed under the revisions that were fetched by name.
///
/// # Errors
/// If the cache cannot be read.
pub fn cached(cache: &Path) -> Result<Vec<(ModelId, PathBuf)>> {
    let mut found = Vec::new();
    for model in folders(cache)? {
        let Some(name) = model.file_name().and_then(|name| name.to_str()?.strip_prefix("models--")) else { continue };
        let id = name.replacen("--", "/", 1);
        for reference in files_of(&model.join("refs"))? {
            let Some(id) = ModelId::parse(&format!("{id}@{reference}")) else { continue };
            if let Some(folder) = snapshot(&id, cache).filter(|folder| folder.join("config.json").exists()) {
                found.push((id, folder));
            }
        }
    }
    found.sort_by(|a, b| (&a.0.id, &a.0.revision).cmp(&(&b.0.id, &b.0.revision)));
    Ok(found)
}

fn folders(folder: &Path) -> Result<Vec<PathBuf>> {
    Ok(entries(folder)?.into_iter().filter(|path| path.is_dir()).collect())
}

fn files_of(folder: &Path) -> Result<Vec<String>> {
    let files = entries(folder)?.into_iter().filter(|path| path.is_file());
    Ok(files.filter_map(|path| path.file_name().and_then(|name| name.to_str()).map(str::to_owned)).collect())
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(Error::io(folder, error)),
        Ok(entries) => entries.map(|entry| entry.map(|e| e.path()).map_err(|error| Error::io(folder, error))).collect(),
    }
}

/// Told how far a download is: file, bytes done, bytes in all.
pub type Told<'a> = &'a dyn Fn(&str, u64, u64);

/// Downloads what loading `id` needs into the cache and gives its snapshot folder. Files that are there already are kept, a
/// broken download goes on where it broke.
///
/// # Errors
/// [`Error::Model`] that says what the hub answered, and how to come further.
pub fn fetch(hub: &Hub, id: &ModelId, told: Told) -> Result<PathBuf> {
    let bad = |what: String| Error::model(id.to_string(), what);
    if hub.offline {
        return snapshot(id, &hub.cache)
            .ok_or_else(|| bad("is not in the cache, and HF_HUB_OFFLINE forbids downloads; unset it, or copy the cache".into()));
    }
    std::fs::create_dir_all(&hub.cache).map_err(|source| Error::io(&hub.cache, source))?;
    let mut builder = ApiBuilder::from_cache(Cache::new(hub.cache.clone()))
        .with_endpoint(hub.endpoint.trim_end_matches('/').to_owned())
        .with_progress(false)
        .with_user_agent("yingda", env!("CARGO_PKG_VERSION"));
    if hub.token.is_some() {
        builder = builder.with_token(hub.token.clone());
    }
    let api = builder.build().map_err(|error| bad(error.to_string()))?;
    let info = api.repo(id.repo()).info().map_err(|error| bad(refusal(hub, &error)))?;
    let folder = hub.cache.join(id.repo().folder_name()).join("snapshots").join(&info.sha);
    let download = Download { hub, id, api: &api, repo: api.repo(id.repo()), folder: &folder, told };
    let there: Vec<String> = info.siblings.into_iter().map(|sibling| sibling.rfilename).collect();
    download.model(&there)?;
    if !folder.is_dir() {
        return Err(bad("changed on the hub during the download; run the command again".into()));
    }
    let cache = Cache::new(hub.cache.clone()).repo(id.repo());
    cache.create_ref(&info.sha).map_err(|source| Error::io(&hub.cache, source))?;
    Ok(folder)
}

/// What the hub's refusal means for the user.
fn refusal(hub: &Hub, error: &ApiError) -> String {
    let text = error.to_string();
    let endpoint = &hub.endpoint;
    if text.contains("404") {
        format!("is not on {endpoint} (or not in this revision); check the id")
    } else if text.contains("401") || text.contains("403") {
        format!("may not be read from {endpoint} ({text}); check the id, and set HF_TOKEN if the model is gated")
    } else {
        format!(
            "cannot be fetched from {endpoint}: {text}; check the network, set HF_ENDPOINT to a mirror or HTTPS_PROXY to a proxy, and run the command again: it goes on where it broke"
        )
    }
}

struct Download<'a> {
    hub: &'a Hub,
    id: &'a ModelId,
    api: &'a hf_hub::api::sync::Api,
    repo: ApiRepo,
    folder: &'a Path,
    told: Told<'a>,
}

impl Download<'_> {
    /// Everything that loading needs: the modules that `modules.json` names, or the root alone.
    fn model(&self, there: &[String]) -> Result<()> {
        let has = |file: &str| there.iter().any(|known| known == file);
        for file in SMALL_FILES.iter().filter(|file| has(file)) {
            self.file(file)?;
        }
        let mut places = vec![String::new()];
        let modules: Vec<serde_json::Value> = read_json(self.folder, "modules.json")?.unwrap_or_default();
        for path in modules.iter().filter_map(|module| module["path"].as_str()).filter(|path| !path.is_empty() && *path != ".") {
            places.push(format!("{}/", path.trim_end_matches('/')));
        }
        for file in context::FILES.iter().filter(|file| has(file)) {
            self.file(file)?;
        }
        let mut weights = 0;
        for place in &places {
            for file in SMALL_FILES.iter().map(|file| format!("{place}{file}")).filter(|file| has(file)) {
                self.file(&file)?;
            }
            let tokenizer = ["tokenizer.json", "vocab.txt"].iter().map(|file| format!("{place}{file}")).find(|file| has(file));
            tokenizer.map_or(Ok(()), |file| self.file(&file))?;
            weights += usize::from(self.weights(place, &has)?);
        }
        if weights == 0 {
            let what = "holds neither model.safetensors nor pytorch_model.bin on the hub; choose a model for PyTorch";
            return Err(Error::model(self.id.to_string(), what));
        }
        Ok(())
    }

    fn weights(&self, place: &str, has: &dyn Fn(&str) -> bool) -> Result<bool> {
        for (whole, index) in WEIGHTS {
            let (whole, index) = (format!("{place}{whole}"), format!("{place}{index}"));
            if has(&whole) {
                self.file(&whole)?;
                return Ok(true);
            }
            if has(&index) {
                self.file(&index)?;
                let path = self.folder.join(&index);
                let text = std::fs::read(&path).map_err(|source| Error::io(&path, source))?;
                for shard in shards_of_index(&text).map_err(|what| Error::model(&path, what))? {
                    self.file(&format!("{place}{shard}"))?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Downloads `file` unless it is there. As long as each attempt brings further bytes, a break is followed by another.
    fn file(&self, file: &str) -> Result<()> {
        if self.folder.join(file).exists() {
            return Ok(());
        }
        let bad = |what: String| Error::model(self.id.to_string(), format!("{file}: {what}"));
        let metadata = self.api.metadata(&self.repo.url(file)).map_err(|error| bad(refusal(self.hub, &error)))?;
        let (etag, size) = (metadata.etag().to_owned(), metadata.size() as u64);
        if etag.is_empty() || etag.contains(['/', '\\']) || etag.starts_with('.') {
            return Err(bad(format!("the hub names it “{etag}”, which cannot be a file's name")));
        }
        let blob = self.hub.cache.join(self.id.repo().folder_name()).join("blobs").join(&etag);
        let part = blob.with_extension("part");
        let mut before = shorten(&part, size)?;
        loop {
            let progress = Reporter { file, done: 0, total: size, told: self.told };
            let Err(error) = self.repo.download_with_progress(file, progress) else { break };
            let now = length(&part);
            if now <= before {
                return Err(bad(refusal(self.hub, &error)));
            }
            tracing::debug!(file, now, %error, "download broke; going on");
            before = shorten(&part, size)?;
        }
        verify(&blob, &etag, size).map_err(|what| {
            // Neither may stand for the file; the next attempt begins anew.
            let removed = std::fs::remove_file(self.folder.join(file)).and_then(|()| std::fs::remove_file(&blob));
            let hint = if removed.is_ok() { "run the command again" } else { "remove the model from the cache, then try again" };
            bad(format!("{what}; {hint}"))
        })
    }
}

fn length(path: &Path) -> u64 {
    path.metadata().map_or(0, |metadata| metadata.len())
}

/// Leaves at least one byte of a partial file to be downloaded, since a server refuses to send nothing; gives its length.
fn shorten(part: &Path, size: u64) -> Result<u64> {
    let now = length(part);
    if now == 0 || now < size {
        return Ok(now);
    }
    let left = if now == size { size - 1 } else { 0 };
    let file = std::fs::OpenOptions::new().write(true).open(part).and_then(|file| file.set_len(left));
    file.map(|()| left).map_err(|source| Error::io(part, source))
}

/// Checks a download against what the hub said of it: its size, and its SHA-256 where the entity tag is one.
fn verify(blob: &Path, etag: &str, size: u64) -> std::result::Result<(), String> {
    use sha2::{Digest, Sha256};
    let found = length(blob);
    if found != size {
        return Err(format!("{found} bytes arrived instead of {size}"));
    }
    if etag.len() == 64 && etag.chars().all(|c| c.is_ascii_hexdigit()) {
        let mut hasher = Sha256::new();
        let mut file = std::fs::File::open(blob).map_err(|error| error.to_string())?;
        std::io::copy(&mut file, &mut hasher).map_err(|error| error.to_string())?;
        if crate::hex(&hasher.finalize()) != etag.to_lowercase() {
            return Err("what arrived differs from what the hub holds".into());
        }
    }
    Ok(())
}

/// Passes hf-hub's progress on.
struct Reporter<'a> {
    file: &'a str,
    done: u64,
    total: u64,
    told: Told<'a>,
}

impl Progress for Reporter<'_> {
    fn init(&mut self, size: usize, _file: &str) {
        self.done = 0;
        self.total = size as u64;
    }

    fn update(&mut self, bytes: usize) {
        self.done += bytes as u64;
        (self.told)(self.file, self.done, self.total);
    }

    fn finish(&mut self) {
        (self.told)(self.file, self.total, self.total);
    }
}
