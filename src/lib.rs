//! Yingda 应答: knowledge-base search and reply suggestions for Chinese customer service, as one library and a thin program.
//!
//! A shop writes what it knows as files: questions with conditional answers, product manuals, script templates (话术) and
//! risk rules (风险预警). Yingda turns them into an index and answers two kinds of requests with it: *find* (`/v1/search`) and
//! *suggest a reply to this conversation* (`/v1/suggest`).
//!
//! # One way through
//!
//! ```text
//! corpus files ─▶ corpus: read ─▶ parse ─▶ validate ─▶ entries + problems
//!                                                        │
//!                                  text: normalise ─▶ segment          (the one analyser, for corpus and queries alike)
//!                                     ├─▶ lexical:   BM25 over words, characters and bigrams
//!                                     ├─▶ embedding: one vector for each text
//!                                     └─▶ generation: staged ─▶ synced ─▶ published by one rename
//!
//! request ─▶ http or cli ─▶ service ─▶ one generation (Arc)
//!                                     ├─▶ query: understand ─▶ retrieve (keywords ∥ vectors) ─▶ judge ─▶ rank ─▶ calibrate
//!                                     └─▶ reply: conditions ─▶ templates ─▶ answer
//! ```
//!
//! # What always holds
//!
//! - **A generation is immutable.** Entries, lexical index, tokens, vectors and manifest are made together, carry a checksum
//!   for every file, and open together or not at all. The manifest names the analyser's version and the model's fingerprint; a
//!   generation made with others than the program's is refused by name.
//! - **A request sees one generation.** It takes an `Arc` at the top and passes it down. Publishing in mid-request mixes
//!   nothing, and a generation that cannot be opened never replaces one that serves.
//! - **Publication is atomic.** All files are synced before a rename makes them current. A process killed at any moment leaves
//!   the old generation or the new one. One writer at a time holds the data folder's lock.
//! - **Corpus and queries go through the same analyser.** Whatever changes its output raises [`text::ANALYZER_VERSION`].
//! - **Nothing in a corpus is skipped silently.** A bad entry is a [`corpus::Problem`] with file, line, field, what is wrong and
//!   what would be right; one run reports them all; with one error nothing is published.
//! - **The same input gives the same output.** Every ranking ends with a tie-break by entry id and section. Nothing depends on
//!   the order of a hash map or on how work was cut into threads. `top_k` cuts; it does not change scores.
//! - **A reply has no holes.** A template with a variable that the context does not know is not sent; the fallback answer is,
//!   and the missing variables are named.
//! - **Confidence is a probability.** [`query::Ranker`] calibrates it on labelled questions, and decisions compare it with the
//!   precision the shop promises.
//! - **Whatever a request controls has a limit**: body, query, messages, `top_k`, time, template steps, reply length.
//! - **Settings are resolved once**, in [`config`]. Nothing else reads the environment.
//!
//! # What is left out on purpose
//!
//! - No text generation. Replies are what an editor wrote and a reviewer saw; the models here only compare texts.
//! - No network access while serving, no telemetry, no update check.
//! - No database server, no queue: the data folder is files, and a copy of it is a backup.
//! - No hot editing over HTTP. Knowledge changes through files, a check and a publication, so that there is always a version to
//!   go back to.
//! - No query language. Customers do not write one; their punctuation is never an operator.
//! - No `unsafe` code in this crate, and no cleverness that would need it.
//!
//! # The rooms, in reading order
//!
//! Dependencies point upward in this list only; `tests/architecture.rs` holds that, and which room may use which.
//!
//! 1. [`error`]: what can go wrong, each with a stable code; neither status nor exit code.
//! 2. [`config`]: defaults, file, environment, flags, in one validated value.
//! 3. [`text`]: the analyser. Knows nothing of indexes, models or requests.
//! 4. [`corpus`]: from files to checked entries. Never imports `lexical` or `embedding`.
//! 5. [`lexical`]: keyword search. tantivy appears here only.
//! 6. [`embedding`]: the model behind a trait, and vector search. candle appears here only.
//! 7. [`generation`]: units of search, build, publication, opening, the live holder.
//! 8. [`query`]: from words to ranked, explained candidates. Never imports `http` or `cli`.
//! 9. [`reply`]: which answer applies, and its template filled in.
//! 10. [`eval`]: labelled sets, metrics, training of the ranker; through the real pipeline.
//! 11. [`service`]: the application. What an endpoint does and what the command of the same name does is one function here,
//!     which is why `yingda search --format json` prints what `POST /v1/search` answers, and why handlers and commands stay thin. It
//!     knows requests as data; it knows neither HTTP nor terminals.
//! 12. [`http`]: routes, limits, keys, errors to status codes in one table.
//! 13. [`cli`]: one file a verb. Uses `http` only to start it (`serve`).

#![forbid(unsafe_code)]

pub mod cli;
pub mod compliance;
pub mod config;
pub mod corpus;
pub mod dialogue;
pub mod embedding;
pub mod emotion;
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
