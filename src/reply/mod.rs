//! Replies: which answer of an entry applies in a conversation's context, its template filled in, the reply built for its
//! channel, and the question to ask where candidates cannot be told apart. It knows entries and contexts; it does not search.

mod clarify;
mod compose;
mod conditions;
mod context;
mod templates;
mod wording;

pub use clarify::{About, Candidate, Clarify, ClarifyOption, clarify, clarify_open, named_in};
pub use compose::{Mood, Tone, compose, fill, fit, join, max_chars, quote};
pub use conditions::{Situation, choose_answer, choose_options, matches};
pub use context::{Agent, Context, Customer, Moment, Order, Product};
pub use templates::{Rendered, Renderer};
pub use wording::{Wording, wording};
