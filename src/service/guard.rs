//! What must be known before any answer: whether the conversation carries a risk, and how the customer feels. This is the one
//! place where the decision learns of either.

use super::{Message, Role};
use crate::corpus::{EntryBody, Risk, Status};
use crate::generation::Generation;
use crate::reply::Mood;
use crate::text::{normalise, units};

/// The judgement on a conversation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Assessment {
    /// The gravest risk level found, 1 to 3.
    pub level: Option<u8>,
    /// How the customer feels.
    pub mood: Mood,
}

/// Judges what the customer has written since the last answer, by the words of the corpus' risk rules.
pub(super) fn assess(generation: &Generation, messages: &[Message]) -> Assessment {
    let customer = messages.iter().rev().skip_while(|message| message.role != Role::Customer);
    let said: Vec<String> = customer
        .take_while(|message| matches!(message.role, Role::Customer | Role::System))
        .filter(|message| message.role == Role::Customer)
        .map(|message| folded(&message.text))
        .collect();
    let raised = |risk: &&Risk| {
        // Words stand in their standard writing, so only the customer's text is folded.
        let named = |words: &[String], text: &str| words.iter().any(|word| text.contains(word.as_str()));
        said.iter().any(|text| named(&risk.triggers.words, text) && !named(&risk.triggers.unless, text))
    };
    let level = generation
        .entries
        .iter()
        .filter(|entry| entry.status == Status::Published)
        .filter_map(|entry| if let EntryBody::Risk(risk) = &entry.body { Some(risk) } else { None })
        .filter(raised)
        .map(|risk| risk.level)
        .min();
    Assessment { level, mood: Mood::default() }
}

fn folded(text: &str) -> String {
    units(&normalise(text)).into_iter().map(|(_, unit)| unit).collect()
}
