//! Reading corpus files: the only place of the engine that opens them. It decides what belongs to the corpus, and refuses
//! what is too large, not UTF-8, or outside the folder; it does not look into the text.

use std::fs;
use std::path::Path;

use super::Problem;
use crate::error::{Error, Result};

/// Largest file that is read, in bytes.
pub const MAX_FILE_BYTES: u64 = 4 * 1024 * 1024;
/// Most files that are read.
const MAX_FILES: usize = 20_000;
/// Deepest folder below the corpus folder.
const MAX_DEPTH: usize = 6;
const FOLDERS: &[&str] = &["faq", "manual", "script", "risk", "check", "dict", "golden"];

/// A file's name and content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Path relative to the corpus folder, with `/`.
    pub path: String,
    /// Content, unchanged.
    pub bytes: Vec<u8>,
}

impl SourceFile {
    /// The text with a byte order mark removed and line ends unified, or the problem of a wrong encoding.
    pub fn text(&self) -> std::result::Result<String, Problem> {
        let bytes = self.bytes.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(&self.bytes);
        if bytes.starts_with(&[0xFF, 0xFE]) || bytes.starts_with(&[0xFE, 0xFF]) {
            return Err(Problem::error(&self.path, 1, "-", "is UTF-16, not UTF-8", "save the file as UTF-8"));
        }
        match std::str::from_utf8(bytes) {
            Ok(text) if text.contains('\0') => {
                let line = text[..text.find('\0').unwrap_or(0)].matches('\n').count() + 1;
                Err(Problem::error(&self.path, line, "-", "contains a zero byte", "save the file as plain text in UTF-8"))
            }
            Ok(text) => Ok(text.replace("\r\n", "\n").replace('\r', "\n")),
            Err(error) => {
                let good = &bytes[..error.valid_up_to()];
                let line = good.iter().filter(|byte| **byte == b'\n').count() + 1;
                let byte = bytes[error.valid_up_to()];
                let what = format!("byte 0x{byte:02X} is not UTF-8 (the file may be GBK)");
                Err(Problem::error(&self.path, line, "-", what, "save the file as UTF-8"))
            }
        }
    }
}

/// Reads all files of the corpus, ordered by path.
///
/// # Errors
/// If `folder` is not a folder that can be listed. Files that cannot be used are returned as problems.
pub fn read_folder(folder: &Path) -> Result<(Vec<SourceFile>, Vec<Problem>)> {
    let root = fs::canonicalize(folder).map_err(|source| Error::io(folder, source))?;
    let mut reader = Reader { root: root.clone(), files: Vec::new(), problems: Vec::new() };
    reader.list(&root, "", 0).map_err(|source| Error::io(folder, source))?;
    reader.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok((reader.files, reader.problems))
}

struct Reader {
    root: std::path::PathBuf,
    files: Vec<SourceFile>,
    problems: Vec<Problem>,
}

impl Reader {
    fn list(&mut self, folder: &Path, relative: &str, depth: usize) -> std::io::Result<()> {
        let mut items: Vec<_> = fs::read_dir(folder)?.collect::<std::io::Result<_>>()?;
        items.sort_by_key(fs::DirEntry::file_name);
        for item in items {
            let name = item.file_name().to_string_lossy().into_owned();
            if is_noise(&name) {
                continue;
            }
            let path = if relative.is_empty() { name.clone() } else { format!("{relative}/{name}") };
            if let Err(problem) = self.visit(&item.path(), &path, depth) {
                self.problems.push(problem);
            }
        }
        Ok(())
    }

    fn visit(&mut self, full: &Path, path: &str, depth: usize) -> std::result::Result<(), Problem> {
        let problem = |what: String, fix: &str| Problem::error(path, 1, "-", what, fix);
        let unreadable = |error: std::io::Error| problem(format!("cannot be read: {error}"), "check the file's permissions");
        let link = fs::symlink_metadata(full).map_err(unreadable)?.is_symlink();
        if link {
            let target = fs::canonicalize(full)
                .map_err(|error| problem(format!("is a symbolic link that leads nowhere: {error}"), "remove the link"))?;
            if !target.starts_with(&self.root) {
                return Err(problem("is a symbolic link out of the corpus folder".into(), "copy the file into the corpus folder"));
            }
        }
        let metadata = fs::metadata(full).map_err(unreadable)?;
        if metadata.is_dir() {
            if link {
                return Err(problem("is a symbolic link to a folder".into(), "use a real folder"));
            }
            if depth == 0 && !FOLDERS.contains(&path) {
                let fix = format!("use one of {}", FOLDERS.join(", "));
                return Err(problem("is not a folder of the corpus".into(), &fix));
            }
            if depth >= MAX_DEPTH {
                return Err(problem(format!("is more than {MAX_DEPTH} folders deep"), "move it further up"));
            }
            return self.list(full, path, depth + 1).map_err(unreadable);
        }
        if !metadata.is_file() {
            return Err(problem("is not a regular file".into(), "remove it from the corpus folder"));
        }
        if metadata.len() > MAX_FILE_BYTES {
            let what = format!("is {} bytes long, more than the limit of {MAX_FILE_BYTES}", metadata.len());
            return Err(problem(what, "split the file"));
        }
        if self.files.len() >= MAX_FILES {
            return Err(problem(format!("is one file more than the limit of {MAX_FILES}"), "join small files"));
        }
        let bytes = fs::read(full).map_err(unreadable)?;
        if bytes.len() as u64 > MAX_FILE_BYTES {
            return Err(problem(format!("grew over the limit of {MAX_FILE_BYTES} bytes while it was read"), "split the file"));
        }
        self.files.push(SourceFile { path: path.to_owned(), bytes });
        Ok(())
    }
}

/// Files that editors and operating systems leave behind, and documentation.
fn is_noise(name: &str) -> bool {
    let lower = name.to_lowercase();
    name.starts_with('.')
        || name.starts_with("~$")
        || name.ends_with('~')
        || lower.ends_with(".swp")
        || lower.ends_with(".bak")
        || lower == "thumbs.db"
        || lower == "desktop.ini"
        || lower == "readme.md"
}
