//! Yingda.

#![forbid(unsafe_code)]

pub mod cli;
pub mod compliance;
pub mod config;
pub mod corpus;
pub mod embedding;
pub mod error;
pub mod eval;
pub mod generation;
pub mod http;
pub mod lexical;
pub mod pattern;
pub mod query;
pub mod reply;
pub mod risk;
pub mod service;
pub mod text;

pub use error::{Error, Result};

/// Lower-case hexadecimal digits of `bytes`.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
