//! Text analysis: the one path from written Chinese to tokens, for the corpus and for queries alike.
//!
//! `normalise` makes different writings of the same text equal; `segment` cuts the result into words, characters and
//! character bigrams; `dictionary` holds what a shop adds (its own words, synonyms, stop words); `form` tells what
//! kind of question a text is. This room knows nothing of indexes, models or requests.

mod correct;
mod dictionary;
mod form;
mod inspect;
mod normalise;
mod segment;

pub use correct::{Correction, Corrector, apply};
pub use dictionary::{Dictionaries, DictionaryProblem};
pub use form::Form;
pub use inspect::{CharSpan, DictionaryName, Inspected, InspectedToken, LeftOut};
pub use normalise::{Normalised, is_cjk, normalise, normalise_with_map};
pub use segment::{Analyzer, Tokens, units};

/// Changes whenever the same text would be analysed differently. Part of every generation's manifest.
pub const ANALYZER_VERSION: u32 = 2;
