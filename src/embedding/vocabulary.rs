//! The n-grams of a model by number: 64 bits made of an n-gram's bytes from the last to the first, so that all n-grams that end
//! at one place are looked up in one walk to the left. That two of some hundred thousand n-grams share a number happens once
//! in some billion vocabularies, and would cost one wrong feature.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

/// The number of the empty text.
pub(super) const EMPTY: u64 = 0xcbf2_9ce4_8422_2325;

/// The number of `unit` followed by the text whose number is `number`: FNV-1a, backwards.
#[inline]
pub(super) fn extend(number: u64, unit: &str) -> u64 {
    unit.bytes().rev().fold(number, |number, byte| (number ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// Rows of the table by n-gram.
#[derive(Default)]
pub(super) struct Vocabulary {
    rows: HashMap<u64, u32, BuildHasherDefault<Spread>>,
    last: Option<(String, u32)>,
}

impl Vocabulary {
    /// The row of `token`.
    pub fn get(&self, token: &str) -> Option<u32> {
        self.find(extend(EMPTY, token))
    }

    /// The row of the n-gram of this number.
    #[inline]
    pub fn find(&self, number: u64) -> Option<u32> {
        self.rows.get(&number).copied()
    }

    /// The greatest row with its n-gram.
    pub fn last(&self) -> Option<&(String, u32)> {
        self.last.as_ref()
    }

    fn insert(&mut self, token: String, row: u32) {
        self.rows.insert(extend(EMPTY, &token), row);
        if self.last.as_ref().is_none_or(|(_, last)| *last < row) {
            self.last = Some((token, row));
        }
    }
}

/// Reads a map of n-grams and rows.
impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Tokens;
        impl<'de> Visitor<'de> for Tokens {
            type Value = Vocabulary;

            fn expecting(&self, out: &mut fmt::Formatter) -> fmt::Result {
                out.write_str("a map of n-grams and rows")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Vocabulary, A::Error> {
                let mut vocabulary = Vocabulary::default();
                while let Some((token, row)) = map.next_entry::<String, u32>()? {
                    vocabulary.insert(token, row);
                }
                Ok(vocabulary)
            }
        }
        deserializer.deserialize_map(Tokens)
    }
}

/// Hashes numbers that are hashes already: only spreads their bits.
#[derive(Default)]
struct Spread(u64);

impl Hasher for Spread {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.write_u64(self.0 ^ u64::from(*byte)));
    }

    #[inline]
    fn write_u64(&mut self, number: u64) {
        self.0 = (number ^ (number >> 32)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}
