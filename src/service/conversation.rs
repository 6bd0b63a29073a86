//! Reads the question out of a conversation.

use super::{MAX_MESSAGES, Message, Role};
use crate::error::{Error, Result};
use crate::query::MAX_QUERY_CHARS;

/// The customer's messages after the last answer, joined; the latest text wins where it would get too long.
///
/// # Errors
/// [`Error::InvalidRequest`] if there are too many messages, or the customer has not said anything.
pub(super) fn question(messages: &[Message]) -> Result<String> {
    if messages.len() > MAX_MESSAGES {
        let what = format!("messages has {} items; send the last {MAX_MESSAGES} at most", messages.len());
        return Err(Error::InvalidRequest(what));
    }
    for (index, message) in messages.iter().enumerate() {
        let length = message.text.chars().count();
        if length > MAX_QUERY_CHARS {
            let what = format!("messages[{index}].text has {length} characters; the limit is {MAX_QUERY_CHARS}");
            return Err(Error::InvalidRequest(what));
        }
    }
    let spoken = |message: &&Message| message.role == Role::Customer && !message.text.trim().is_empty();
    let Some(last) = messages.iter().rposition(|message| spoken(&message)) else {
        return Err(Error::InvalidRequest("messages has no text of role `customer`; send the customer's words".into()));
    };
    let mut parts: Vec<&str> = Vec::new();
    let mut length = 0;
    for message in messages[..=last].iter().rev().take_while(|message| matches!(message.role, Role::Customer | Role::System)) {
        length += message.text.chars().count() + 1;
        if length > MAX_QUERY_CHARS && !parts.is_empty() {
            break;
        }
        if spoken(&message) {
            parts.push(message.text.trim());
        }
    }
    parts.reverse();
    Ok(parts.join("\n"))
}
