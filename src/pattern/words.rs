//! The alternatives of one place of a pattern, found by the sound they begin with: groups have dozens of them, and a gap asks
//! for them at every character that it reaches.

use super::reading::Unit;

/// Words of which one is to stand at a place; none is empty.
#[derive(Debug, Clone)]
pub(super) struct Words {
    /// By the key of their first character, longest first among those of one key.
    words: Vec<(u32, Vec<Unit>)>,
}

impl Words {
    /// Orders `words`.
    pub fn new(words: Vec<Vec<Unit>>) -> Self {
        let mut words: Vec<(u32, Vec<Unit>)> = words.into_iter().filter_map(|word| Some((key(word.first()?), word))).collect();
        words.sort_by_key(|(key, word)| (*key, std::cmp::Reverse(word.len())));
        Words { words }
    }

    /// Those that can begin with `unit`, longest first.
    pub fn starting_like(&self, unit: &Unit) -> impl Iterator<Item = &[Unit]> {
        let wanted = key(unit);
        let from = self.words.partition_point(|(key, _)| *key < wanted);
        self.words[from..].iter().take_while(move |(key, _)| *key == wanted).map(|(_, word)| word.as_slice())
    }

    /// The first characters of all.
    pub fn first_units(&self) -> impl Iterator<Item = Unit> {
        self.words.iter().filter_map(|(_, word)| word.first().copied())
    }
}

/// Characters that may stand for one another share a key.
pub(super) fn key(unit: &Unit) -> u32 {
    if unit.sound == 0 { 1 << 31 | unit.char as u32 } else { unit.sound }
}
