//! Questions about what has not happened: “会不会漏电”, “怎么防止被盗号”, “这个会爆炸吗”. They ask for knowledge, not for help.

use crate::generation::Generation;
use crate::pattern::{Gap, Hit, Reading};

/// Characters that may stand between the words that open such a question and what it is about.
const REACH: usize = 8;
/// The same between what it is about and the particle that closes it.
const CLOSING_REACH: usize = 3;

/// The openings of such questions in one message.
pub(super) struct Questions<'a> {
    reading: &'a Reading,
    openings: Vec<Hit>,
}

impl<'a> Questions<'a> {
    pub fn new(generation: &Generation, reading: &'a Reading) -> Self {
        Questions { reading, openings: generation.hypothetical_words.find(reading) }
    }

    /// True if the message asks anything of the kind.
    pub fn any(&self) -> bool {
        !self.openings.is_empty()
    }

    /// True if `hit` is what such a question is about.
    pub fn cover(&self, hit: &Hit) -> bool {
        let units = &self.reading.units;
        let opened = self.openings.iter().any(|opening| {
            opening.first <= hit.first
                && hit.first.saturating_sub(opening.last) <= REACH
                && units[opening.first + 1..=hit.first.max(opening.first + 1).min(units.len() - 1)]
                    .iter()
                    .all(|unit| unit.gap < Gap::Clause)
                && !self.announced(opening.last, hit.first)
        });
        let modal = hit.first.checked_sub(1).is_some_and(|before| matches!(units[before].char, '会' | '能' | '易' | '防'));
        let rest = &units[hit.last..units.len().min(hit.last + CLOSING_REACH)];
        let closed =
            rest.iter().take_while(|unit| unit.gap < Gap::Clause).any(|unit| matches!(unit.char, '吗' | '么' | '嘛' | '不'));
        opened || modal && closed
    }

    /// True if what stands between a condition and its consequence says what the speaker will do: “如果要不回来我就跳江” asks
    /// nothing.
    fn announced(&self, from: usize, to: usize) -> bool {
        let units = &self.reading.units;
        (from..to).any(|at| {
            let rest = &units[at + 1..to.min(at + 3)];
            let follows = |word: &str| word.chars().count() <= rest.len() && word.chars().zip(rest).all(|(c, unit)| c == unit.char);
            matches!(units[at].char, '我' | '俺' | '咱') && ["就", "便", "只能", "只好"].into_iter().any(follows)
        })
    }
}
