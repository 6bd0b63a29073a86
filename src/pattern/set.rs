//! Many patterns at once: an index by the first character's sound keeps a text's length the only cost that grows.

use std::collections::HashMap;

use super::words::key;
use super::{Pattern, Reading};

/// Patterns with a number each, for finding all of them in one go.
#[derive(Debug, Clone, Default)]
pub struct PatternSet {
    patterns: Vec<Pattern>,
    by_first: HashMap<u32, Vec<u32>>,
}

/// A match.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hit {
    /// Number of the pattern.
    pub pattern: u32,
    /// First character, in the original text.
    pub start: u32,
    /// The character after the last.
    pub end: u32,
    /// First unit of the reading.
    pub first: usize,
    /// The unit after the last.
    pub last: usize,
    /// True if part of it only sounds alike.
    pub heard: bool,
}

impl Hit {
    /// True if the two share a character.
    pub fn overlaps(&self, other: &Hit) -> bool {
        self.first < other.last && other.first < self.last
    }
}

impl PatternSet {
    /// Adds a pattern and returns its number.
    pub fn push(&mut self, pattern: Pattern) -> u32 {
        let number = self.patterns.len() as u32;
        let mut keys: Vec<u32> = pattern.first_units().iter().map(key).collect();
        keys.sort_unstable();
        keys.dedup();
        for key in keys {
            self.by_first.entry(key).or_default().push(number);
        }
        self.patterns.push(pattern);
        number
    }

    /// Number of patterns.
    pub fn len(&self) -> usize {
        self.patterns.len()
    }

    /// True if there are none.
    pub fn is_empty(&self) -> bool {
        self.patterns.is_empty()
    }

    /// Every match, by start and number; the matches of one pattern do not overlap.
    pub fn find(&self, reading: &Reading) -> Vec<Hit> {
        let units = &reading.units;
        let mut hits = Vec::new();
        let mut next: HashMap<u32, usize> = HashMap::new();
        for (first, unit) in units.iter().enumerate() {
            let Some(candidates) = self.by_first.get(&key(unit)) else { continue };
            for &number in candidates {
                if next.get(&number).is_some_and(|next| first < *next) {
                    continue;
                }
                if let Some((last, heard)) = self.patterns[number as usize].match_at(units, first) {
                    next.insert(number, last);
                    let (start, end) = (unit.start, units[last - 1].end);
                    hits.push(Hit { pattern: number, start, end, first, last, heard });
                }
            }
        }
        hits
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Evasions, Groups, Pattern, Reading};
    use super::PatternSet;

    fn found(pattern: &str, text: &str) -> Option<String> {
        let (evasions, _) = Evasions::parse("微信=vx,v信");
        let groups = Groups::from([("退".to_owned(), vec!["退款".to_owned(), "退钱".to_owned()])]);
        let mut set = PatternSet::default();
        set.push(Pattern::parse(pattern, &groups).expect(pattern));
        let hit = *set.find(&Reading::new(text, &evasions)).first()?;
        Some(text.chars().skip(hit.start as usize).take((hit.end - hit.start) as usize).collect())
    }

    #[test]
    fn patterns_find_what_they_describe() {
        for (pattern, text, expected) in [
            ("一定…<退>", "我们一定会给您退款的", Some("一定会给您退款")),
            ("一定…<退>", "我们一 定 会给您退 款", Some("一 定 会给您退 款")),
            ("一定…<退>", "一定。退款", None),
            ("一定…2<退>", "一定会给您退款", None),
            ("加(我|你)?微信", "加 v x", Some("加 v x")),
            ("加(我|你)?微信", "伽我V信", Some("伽我V信")),
            ("账号被盗", "我账号背盗了", Some("账号背盗")),
            ("=账号被盗", "我账号背盗了", None),
            ("触电了", "这里出店了", None),
            ("12315", "打一二三一五", Some("一二三一五")),
            ("12315", "订单9123155", None),
            ("退款", "退，款", None),
            ("全额退", "全，额，退", Some("全，额，退")),
            ("100%", "总共100元", None),
            ("等着…6(投诉)?", "你们等着", Some("等着")),
            ("等着…6(投诉)?", "你们等着，我去投诉", Some("等着，我去投诉")),
            ("等着…6(投诉)?", "你们等着。我去投诉", Some("等着")),
            ("等着…6(我)?(去)?(投诉)?", "等着明天我投诉吧", Some("等着明天我投诉")),
            ("等着…6(投诉)?吧", "等着投诉吧", Some("等着投诉吧")),
            ("(好)?…3坏", "好了又坏", Some("好了又坏")),
        ] {
            assert_eq!(found(pattern, text).as_deref(), expected, "{pattern} in {text}");
        }
    }

    #[test]
    fn faults_are_named() {
        for (pattern, part) in [
            ("(a|b", "without"),
            ("<没有>", "not defined"),
            ("…好", "gap"),
            ("好…99好", "range"),
            ("(好)?", "nothing"),
            ("a)b", "stray"),
        ] {
            let fault = Pattern::parse(pattern, &Groups::default()).expect_err(pattern);
            assert!(fault.contains(part), "{pattern}: {fault}");
        }
    }
}
