//! The data folder: staging, atomic publication, the writer lock, and what is kept for a rollback.
//!
//! Order matters: every file is synced, then the folder is moved into place, then `CURRENT` is replaced by a rename. A
//! process that dies at any moment leaves either the old `CURRENT` or the new one, never half of either.

use std::fs::{self, File, TryLockError};
use std::io::Write;
use std::path::{Path, PathBuf};

use super::manifest::Manifest;
use crate::error::{Error, Result};

const CURRENT: &str = "CURRENT";
const GENERATIONS: &str = "generations";
const STAGING: &str = "staging";
const LOCK: &str = "lock";

/// The folder that holds all generations.
#[derive(Debug, Clone)]
pub struct DataFolder {
    root: PathBuf,
}

/// Held while a process writes into a data folder; let go when dropped, also when the process dies.
#[derive(Debug)]
pub struct WriterLock {
    _file: File,
}

impl DataFolder {
    /// The data folder at `root`, which need not exist yet.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        DataFolder { root: root.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.root
    }

    /// Takes the writer lock.
    ///
    /// # Errors
    /// [`Error::Locked`] if another process has it.
    pub fn lock(&self) -> Result<WriterLock> {
        fs::create_dir_all(self.root.join(GENERATIONS)).map_err(|source| Error::io(&self.root, source))?;
        let path = self.root.join(LOCK);
        let file =
            File::options().create(true).truncate(false).write(true).open(&path).map_err(|source| Error::io(&path, source))?;
        match file.try_lock() {
            Ok(()) => Ok(WriterLock { _file: file }),
            Err(TryLockError::WouldBlock) => Err(Error::Locked(self.root.clone())),
            Err(TryLockError::Error(source)) => Err(Error::io(&path, source)),
        }
    }

    /// Id of the published generation, if there is one.
    pub fn current(&self) -> Result<Option<String>> {
        let path = self.root.join(CURRENT);
        match fs::read_to_string(&path) {
            Ok(text) => {
                let id = text.trim();
                if id.is_empty() || !id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-') {
                    return Err(Error::generation("?", format!("{} does not hold a generation's id", path.display())));
                }
                Ok(Some(id.to_owned()))
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(Error::io(path, source)),
        }
    }

    /// The folder of a generation.
    pub fn generation(&self, id: &str) -> PathBuf {
        self.root.join(GENERATIONS).join(id)
    }

    /// Ids of all generations that are kept, oldest first.
    pub fn list(&self) -> Result<Vec<String>> {
        let path = self.root.join(GENERATIONS);
        let items = match fs::read_dir(&path) {
            Ok(items) => items,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => return Err(Error::io(path, source)),
        };
        let mut ids = Vec::new();
        for item in items {
            let item = item.map_err(|source| Error::io(&path, source))?;
            ids.push(item.file_name().to_string_lossy().into_owned());
        }
        ids.sort();
        Ok(ids)
    }

    /// Empties the staging folder, whatever an interrupted run left there, and returns it. Needs the lock.
    pub(super) fn staging(&self, _lock: &WriterLock) -> Result<PathBuf> {
        let path = self.root.join(STAGING);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(Error::io(path, error)),
            _ => {}
        }
        fs::create_dir_all(&path).map_err(|source| Error::io(&path, source))?;
        Ok(path)
    }

    /// The number the next generation gets.
    pub(super) fn next_number(&self) -> Result<u64> {
        let numbers = self.list()?.into_iter().filter_map(|id| id.strip_prefix('g')?.split('-').next()?.parse::<u64>().ok());
        Ok(numbers.max().unwrap_or(0) + 1)
    }

    /// Moves the staged generation into place and makes it current.
    pub(super) fn publish(&self, staging: &Path, id: &str, keep: usize, lock: &WriterLock) -> Result<()> {
        sync_tree(staging)?;
        let target = self.generation(id);
        fs::rename(staging, &target).map_err(|source| Error::io(&target, source))?;
        sync_folder(&self.root.join(GENERATIONS))?;
        self.set_current(id, lock)?;
        self.prune(id, keep)
    }

    /// Makes a kept generation current again.
    pub fn set_current(&self, id: &str, _lock: &WriterLock) -> Result<()> {
        Manifest::read(&self.generation(id), id)?;
        let temporary = self.root.join("CURRENT.new");
        let mut file = File::create(&temporary).map_err(|source| Error::io(&temporary, source))?;
        writeln!(file, "{id}").and_then(|()| file.sync_all()).map_err(|source| Error::io(&temporary, source))?;
        let path = self.root.join(CURRENT);
        fs::rename(&temporary, &path).map_err(|source| Error::io(&path, source))?;
        sync_folder(&self.root)
    }

    /// Removes the oldest generations but the `keep` newest and the current one.
    fn prune(&self, current: &str, keep: usize) -> Result<()> {
        let ids = self.list()?;
        let surplus = ids.len().saturating_sub(keep.max(1));
        for id in ids.iter().take(surplus).filter(|id| *id != current) {
            let path = self.generation(id);
            fs::remove_dir_all(&path).map_err(|source| Error::io(path, source))?;
        }
        Ok(())
    }
}

/// All files below `folder`, as paths relative to it with `/`, in order.
pub(super) fn files_below(folder: &Path) -> Result<Vec<String>> {
    fn walk(folder: &Path, prefix: &str, out: &mut Vec<String>) -> std::io::Result<()> {
        for item in fs::read_dir(folder)? {
            let item = item?;
            let name = format!("{prefix}{}", item.file_name().to_string_lossy());
            if item.file_type()?.is_dir() {
                walk(&item.path(), &format!("{name}/"), out)?;
            } else {
                out.push(name);
            }
        }
        Ok(())
    }
    let mut out = Vec::new();
    walk(folder, "", &mut out).map_err(|source| Error::io(folder, source))?;
    out.sort();
    Ok(out)
}

fn sync_tree(folder: &Path) -> Result<()> {
    let mut folders = vec![folder.to_owned()];
    for name in files_below(folder)? {
        let path = folder.join(name);
        File::open(&path).and_then(|file| file.sync_all()).map_err(|source| Error::io(&path, source))?;
        if let Some(parent) = path.parent().filter(|parent| !folders.iter().any(|known| known == parent)) {
            folders.push(parent.to_owned());
        }
    }
    folders.iter().try_for_each(|folder| sync_folder(folder))
}

#[cfg(unix)]
fn sync_folder(folder: &Path) -> Result<()> {
    File::open(folder).and_then(|file| file.sync_all()).map_err(|source| Error::io(folder, source))
}

#[cfg(not(unix))]
fn sync_folder(_folder: &Path) -> Result<()> {
    Ok(())
}
