//! The lexical side of retrieval: tantivy finds candidate units by BM25 over words, characters and character bigrams;
//! [`TokenStore`] keeps each unit's tokens for exact comparison afterwards. tantivy appears in this room only, and nothing
//! here knows entries, vectors or requests.

mod best;
mod index;
mod peaks;
mod tokens;

pub use index::{LexicalBuilder, LexicalIndex, LexicalQuery, Part};
pub use tokens::{Channel, Overlap, QueryTokens, SHORT_CHARS, TokenStore};
