//! Yingda 应答: knowledge-base search and reply suggestions for Chinese customer service, as one library and a thin program.
//!
//! A shop writes what it knows as files: questions with conditional answers, product manuals, script templates (话术), risk
//! rules (风险预警) and rules for drafts. Yingda turns them into an index and answers four kinds of requests with it: *find*
//! (`/v1/search`), *suggest a reply to this conversation* (`/v1/suggest`), *answer it without a person, or say why not*
//! (`/v1/answer`), and *check this draft* (`/v1/check`). Dify asks through its own interface (`/dify/retrieval`).
//!
//! # One way through
//!
//! ```text
//! corpus files ─▶ corpus: read ─▶ parse ─▶ validate ─▶ entries + problems ◀─ compliance: the corpus' own texts
//!                                                        │
//!                                  text: normalise ─▶ segment          (the one analyser, for corpus and queries alike)
//!                                     ├─▶ lexical:   BM25 over words, characters and bigrams
//!                                     ├─▶ embedding: two vectors for each text, one to find it by and one to compare it by
//!                                     ├─▶ pattern:   words of rules, compiled for evasive writing
//!                                     └─▶ generation: staged ─▶ synced ─▶ published by one rename
//!
//! request ─▶ http or cli ─▶ service ─▶ one generation (Arc)
//!                                     ├─▶ dialogue: what is asked now, what was told, whether a person is wanted
//!                                     ├─▶ risk, emotion: what the words call for besides knowledge
//!                                     ├─▶ query: understand ─▶ retrieve (keywords ∥ vectors) ─▶ judge ─▶ rank ─▶ calibrate
//!                                     │          (judging compares the candidates once more by a slower reading that knows the order of words)
//!                                     │          (─▶ a cross-encoder reads the best again, where one is set)
//!                                     ├─▶ decide: handoff · no_match · clarify · answer · suggest, in this order
//!                                     └─▶ reply: conditions ─▶ templates ─▶ tone and length of the channel
//! draft ─▶ http or cli ─▶ service ─▶ compliance: what is wrong, where, and what may be said instead
//! ```
//!
//! # What always holds
//!
//! - **A generation is immutable.** Entries, lexical index, tokens, vectors of both readings and manifest are made together, carry a checksum
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
//! - **Retrieval is exact, but for one thing.** Among 50,000 texts or more, vectors are compared by lists of neighbours, which find
//!   99 of 100 of the nearest. Keywords, filters and the vectors of smaller corpora lose nothing.
//! - **A reply has no holes.** A template with a variable that the context does not know is not sent; the fallback answer is,
//!   and the missing variables are named.
//! - **Confidence is a probability.** [`query::Ranker`] calibrates it on labelled questions, and decisions compare it with the
//!   confidence from which answers kept the precision the shop promises, on these questions.
//! - **A risk goes first.** A raised rule of level 1 hands the conversation to a person, however sure an answer is. Nothing is
//!   sent to a customer in place of that.
//! - **A draft is never changed.** A check names faults, places and wordings that may be used; whether to use them is the
//!   agent's business. What a trained model makes of a draft never blocks it; only words that a check names do.
//! - **Whatever a request controls has a limit**: body, query, messages, `top_k`, time, template steps, reply length.
//! - **Settings are resolved once**, in [`config`]. Nothing else reads the environment.
//!
//! # What is left out on purpose
//!
//! - No text generation. Replies are what an editor wrote and a reviewer saw; the models here only compare texts.
//! - No network access while serving, no telemetry, no update check. Models are fetched by `yingda model fetch` and by nothing
//!   else.
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
//! 4. [`pattern`]: phrases with alternatives, groups and gaps over evasive writing, with the places where they stand. Knows no
//!    rules; what a match means is decided in the rooms that use it.
//! 5. [`corpus`]: from files to checked entries, with the rules for drafts, risks and emotions among them. Never imports
//!    `lexical` or `embedding`.
//! 6. [`compliance`]: faults of a draft, and of the corpus' own texts, by words and by what a sentence reads like. Needs neither
//!    embeddings nor index.
//! 7. [`emotion`]: what a customer feels, from a lexicon. Needs neither model nor index.
//! 8. [`dialogue`]: reading a conversation: questions, follow-ups, what the customer told, courtesies, the wish for a person.
//!    Knows neither entries nor rankings, and never searches.
//! 9. [`lexical`]: keyword search. tantivy appears here only.
//! 10. [`embedding`]: the model behind a trait, its two readings of a text, vector search, cross-encoders, and the one place that downloads (`hub`, on
//!     request). candle appears here only.
//! 11. [`generation`]: units of search, build, publication, opening with everything compiled, the live holder.
//! 12. [`query`]: from words to ranked, explained candidates, and which stage lost an entry that was expected. Never imports
//!     `http` or `cli`, and knows no conversations.
//! 13. [`risk`]: which risk rules a conversation raises, by words and by nearness in meaning. Ranks no answers.
//! 14. [`reply`]: which answer applies, its template filled in, the tone and length of a channel, and the question to ask where
//!     candidates cannot be told apart. Does not search.
//! 15. [`eval`]: labelled sets, metrics, reports, training of the ranker and of the second opinion on drafts; through the real
//!     pipeline.
//! 16. [`service`]: the application. What an endpoint does and what the command of the same name does is one function here,
//!     which is why `yingda search --format json` prints what `POST /v1/search` answers, and why handlers and commands stay thin. The
//!     decision is made here, in one function, from what the rooms above found. It knows requests as data; it knows neither
//!     HTTP nor terminals.
//! 17. [`http`]: routes, limits, keys, errors to status codes in one table; Dify's own in `dify`.
//! 18. [`cli`]: one file a verb. Uses `http` only to start it (`serve`).

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
