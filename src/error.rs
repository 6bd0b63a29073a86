//! Domain errors. Each has a stable code that programs may match on; how an error becomes an HTTP status or an exit
//! code is decided in `http` and `cli`, never here.

use std::path::{Path, PathBuf};

/// Everything that can go wrong inside the engine, in words an operator can act on.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The operating system refused a file operation.
    #[error("{}: {source}", path.display())]
    Io {
        /// The file or folder concerned.
        path: PathBuf,
        /// What the operating system said.
        source: std::io::Error,
    },
    /// The corpus has problems; they were reported one by one before this error.
    #[error("the corpus has {errors} error(s); nothing was published")]
    CorpusInvalid {
        /// How many problems are errors (warnings are not counted).
        errors: usize,
    },
    /// A setting is wrong.
    #[error("config: {0}")]
    Config(String),
    /// A model folder cannot be used.
    #[error("model {}: {what}", path.display())]
    Model {
        /// The model folder or hub id.
        path: PathBuf,
        /// What is wrong and what would be right.
        what: String,
    },
    /// A published generation is damaged or made by other parts than these.
    #[error("generation {id}: {what}")]
    Generation {
        /// The generation's id.
        id: String,
        /// What is wrong and what would be right.
        what: String,
    },
    /// No generation has been published yet.
    #[error("no generation is published in {}; run `yingda index` first", .0.display())]
    NoGeneration(PathBuf),
    /// Another process holds the data folder's writer lock.
    #[error("another `yingda index` is running on {}; wait for it to finish", .0.display())]
    Locked(PathBuf),
    /// A request is not acceptable.
    #[error("{0}")]
    InvalidRequest(String),
    /// A thing that was asked for by name does not exist.
    #[error("{0}")]
    NotFound(String),
    /// A part failed in a way that its input does not explain.
    #[error("{0}")]
    Internal(String),
}

/// The engine's result type.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// The stable code of this kind of error, as in the `code` field of an HTTP error.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Io { .. } => "io_error",
            Error::CorpusInvalid { .. } => "corpus_invalid",
            Error::Config(_) => "config_invalid",
            Error::Model { .. } => "model_invalid",
            Error::Generation { .. } => "generation_invalid",
            Error::NoGeneration(_) => "not_ready",
            Error::Locked(_) => "locked",
            Error::InvalidRequest(_) => "invalid_request",
            Error::NotFound(_) => "not_found",
            Error::Internal(_) => "internal",
        }
    }

    /// An I/O error with the path it concerns.
    pub fn io(path: impl AsRef<Path>, source: std::io::Error) -> Self {
        Error::Io { path: path.as_ref().to_owned(), source }
    }

    /// A model error for the folder or id `path`.
    pub fn model(path: impl AsRef<Path>, what: impl Into<String>) -> Self {
        Error::Model { path: path.as_ref().to_owned(), what: what.into() }
    }

    /// A generation error for the generation `id`.
    pub fn generation(id: impl Into<String>, what: impl Into<String>) -> Self {
        Error::Generation { id: id.into(), what: what.into() }
    }

    /// An internal error that carries the message of `cause`.
    pub fn internal(what: &str, cause: impl std::fmt::Display) -> Self {
        Error::Internal(format!("{what}: {cause}"))
    }
}
