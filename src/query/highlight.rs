//! Which characters of a text the query's words cover, for display.

use crate::text::{Tokens, normalise_with_map};

/// Half-open spans in Unicode characters of `text` that the query's words cover, joined and in order.
pub fn highlights(text: &str, query: &Tokens) -> Vec<(u32, u32)> {
    let normalised = normalise_with_map(text);
    let chars: Vec<char> = normalised.text.chars().collect();
    let mut covered = vec![false; chars.len()];
    let long_words = query.words.iter().filter(|word| word.chars().count() > 1);
    for word in long_words.chain(&query.bigrams) {
        let word: Vec<char> = word.chars().collect();
        for at in 0..(chars.len() + 1).saturating_sub(word.len()) {
            if chars[at..at + word.len()] == word[..] {
                covered[at..at + word.len()].fill(true);
            }
        }
    }
    let mut spans: Vec<(u32, u32)> = Vec::new();
    for (at, _) in covered.iter().enumerate().filter(|(_, covered)| **covered) {
        let origin = normalised.origin[at];
        match spans.last_mut() {
            Some(last) if last.1 >= origin => last.1 = last.1.max(origin + 1),
            _ => spans.push((origin, origin + 1)),
        }
    }
    spans
}
