//! Reading a conversation: what the customer asks now, what was said before that the question needs, and whether anything is
//! asked at all. It knows how people talk, from `lexicon.toml`; it knows neither entries nor rankings, and never searches.

mod clauses;
mod lexicon;
mod signals;
mod slots;

pub use clauses::{Question, content, content_length, has_question_word};
pub use signals::{Courtesy, CourtesyKind};
pub use slots::{Mention, Mentions, Product, Slots, payment_label, status_label};

/// A message of the conversation, as this room needs it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Turn<'a> {
    /// True if the customer said it.
    pub customer: bool,
    /// What was said.
    pub text: &'a str,
}

/// A conversation, read.
#[derive(Debug, Clone, PartialEq)]
pub struct Reading {
    /// What the customer wrote since the last answer, courtesies left out; what was written if there is nothing else.
    pub text: String,
    /// The questions in it, in order, at most three; empty if nothing is asked.
    pub questions: Vec<Question>,
    /// Something is the matter, and neither this message nor an earlier one says what.
    pub vague: bool,
    /// What the message is if it asks nothing.
    pub courtesy: Option<Courtesy>,
    /// The customer asks for a person.
    pub wants_person: bool,
    /// The customer has said repeatedly that it does not help.
    pub repeated_failure: bool,
    /// How many times this was asked, this time counted.
    pub asked_times: i64,
    /// What the customer has told about order, payment and product.
    pub slots: Slots,
}

/// Reads the conversation whose last customer message is `turns[last]`; `products` are those the shop has manuals for.
pub fn read(turns: &[Turn], last: usize, products: &[Product]) -> Reading {
    let turns = &turns[..=last.min(turns.len().saturating_sub(1))];
    let begin = turns.iter().rposition(|turn| !turn.customer).map_or(0, |at| at + 1);
    let (earlier, current) = turns.split_at(begin);
    let pieces: Vec<&str> = current.iter().map(|turn| turn.text.trim()).filter(|text| !text.is_empty()).collect();
    let spoken: Vec<&str> = clauses::without_courtesies(&pieces);
    let wants_person = pieces.iter().any(|text| signals::wants_person(text));
    let asked_back = clauses::asks_back(earlier);
    let previous = clauses::last_question(earlier);
    let text = if spoken.is_empty() { pieces.join("\n") } else { spoken.join("\n") };
    // “是的” to a question about the matter keeps the matter open; elsewhere it asks nothing.
    let confirmed = previous.as_deref().filter(|_| asked_back && clauses::confirms(&text));
    let courteous = spoken.is_empty() && !wants_person && confirmed.is_none();
    let courtesy = if courteous { signals::courtesy(&pieces.join(" ")) } else { None };
    let questions = match confirmed {
        Some(previous) => vec![Question::plain(previous)],
        None if courtesy.is_some() || text.trim().is_empty() => Vec::new(),
        None => clauses::questions(&text, previous.as_deref(), asked_back),
    };
    Reading {
        wants_person,
        repeated_failure: signals::repeated_failure(turns),
        asked_times: signals::asked_times(earlier, &text),
        slots: slots::read(turns, products),
        vague: !questions.is_empty() && previous.is_none() && clauses::only_points(&text),
        text,
        questions,
        courtesy,
    }
}
