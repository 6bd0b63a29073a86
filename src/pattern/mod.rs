//! Patterns over evasive writing: what people type so that a filter does not see it is read as what it stands for.
//!
//! A text is read once ([`Reading`]): full width, traditional characters, blanks and marks inside words, digits written in
//! Chinese, look-alikes and symbols become standard writing, and every character remembers where it stood. A [`Pattern`] is a
//! phrase with alternatives, named groups and gaps; long words also match by sound. This room knows no rules: what a match
//! means is the business of `risk`, `emotion` and `compliance`.

mod reading;
mod rulebook;
mod set;
mod syntax;
mod words;

pub use reading::{Evasions, Gap, Reading, Unit};
pub use rulebook::{RuleHits, Rulebook};
pub use set::{Hit, PatternSet};
pub use syntax::{Groups, Pattern};

use serde::Serialize;

/// A half-open span in Unicode characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Span {
    /// First character.
    pub start: u32,
    /// The character after the last.
    pub end: u32,
}
