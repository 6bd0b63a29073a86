//! Replies: which answer of an entry applies in a conversation's context, and its template filled in. It knows entries and
//! contexts; it does not search.

mod conditions;
mod context;
mod templates;

pub use conditions::{Situation, choose_answer, choose_options, matches};
pub use context::{Agent, Context, Customer, Moment, Order, Product};
pub use templates::{Rendered, Renderer};
