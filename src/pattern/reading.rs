//! From written text to standard writing, with spans into the original.

use std::collections::BTreeMap;

use pinyin::ToPinyin;
use serde::{Deserialize, Serialize};

use crate::text::{is_cjk, normalise_with_map};

/// Longest variant, in characters.
const MAX_VARIANT: usize = 12;

/// What separates a character from the one before it; the later the stronger.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gap {
    /// Nothing.
    #[default]
    None,
    /// A blank or a mark that separates no clauses, such as `*`, `·` or an emoji.
    Soft,
    /// A comma, colon or the like.
    Clause,
    /// The end of a sentence or line.
    Sentence,
}

/// One character in standard writing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unit {
    /// The character; digits are ASCII however they were written.
    pub char: char,
    /// Its sound, 0 for what has none.
    pub sound: u32,
    /// First character of the original it stands for.
    pub start: u32,
    /// The character after the last.
    pub end: u32,
    /// What stands before it.
    pub gap: Gap,
    /// True for a letter or digit that was written as one.
    pub plain: bool,
}

/// A text in standard writing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reading {
    /// Its characters.
    pub units: Vec<Unit>,
}

/// Writings that stand for others: look-alikes, abbreviations and homophones that are too short to be heard as such.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Evasions {
    /// Standard writing by variant; both in the characters of a [`Reading`].
    by_variant: BTreeMap<String, String>,
}

impl Evasions {
    /// Reads `standard=variant,variant` lines; returns line number and fault of those that cannot be used.
    pub fn parse(text: &str) -> (Self, Vec<(usize, String)>) {
        let mut out = Evasions::default();
        let mut faults = Vec::new();
        for (index, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let Some((standard, variants)) = line.split_once('=') else {
                faults.push((index + 1, "has no `=` between the standard writing and its variants".to_owned()));
                continue;
            };
            let standard = Reading::plain(standard).text();
            // The standard writing stands for itself, so that a shorter variant inside it does not take its beginning.
            if (1..=MAX_VARIANT).contains(&standard.chars().count()) {
                out.by_variant.insert(standard.clone(), standard.clone());
            }
            for variant in variants.split([',', '，']).map(|variant| Reading::plain(variant).text()) {
                let length = variant.chars().count();
                if standard.is_empty() || length == 0 || length > MAX_VARIANT {
                    faults.push((index + 1, format!("has a variant that is empty or longer than {MAX_VARIANT} characters")));
                } else {
                    out.by_variant.insert(variant, standard.clone());
                }
            }
        }
        (out, faults)
    }
}

impl Reading {
    /// Reads `text` without replacing variants.
    pub fn plain(text: &str) -> Self {
        // Symbols that stand for something in evasions, before normalisation turns them into blanks.
        let text: String = text.chars().map(symbol).collect();
        let normalised = normalise_with_map(&text);
        let mut units: Vec<Unit> = Vec::new();
        let mut gap = Gap::None;
        for (c, &origin) in normalised.text.chars().zip(&normalised.origin) {
            let written = c;
            let c = digit(alike(c));
            if c.is_alphanumeric() || c == '%' {
                let gap_before = if units.is_empty() { Gap::Sentence } else { gap };
                let plain = written.is_ascii_alphanumeric() || alike(written).is_ascii_alphabetic();
                units.push(Unit { char: c, sound: sound(c), start: origin, end: origin + 1, gap: gap_before, plain });
                gap = Gap::None;
            } else {
                gap = gap.max(strength(c));
            }
        }
        // Emoji, line ends and the like are blanks by now; what the original had between two characters decides.
        let original: Vec<char> = text.chars().collect();
        for at in 1..units.len() {
            // Two letters of one character (“Ⅱ”) have nothing between them.
            let between = original.get(units[at - 1].end as usize..units[at].start as usize).unwrap_or_default();
            if between.contains(&'\n') {
                units[at].gap = Gap::Sentence;
            } else if !between.is_empty() {
                units[at].gap = units[at].gap.max(Gap::Soft);
            }
        }
        Reading { units }
    }

    /// Reads `text`, variants replaced by what they stand for.
    pub fn new(text: &str, evasions: &Evasions) -> Self {
        let plain = Self::plain(text);
        if evasions.by_variant.is_empty() {
            return plain;
        }
        let mut units = Vec::with_capacity(plain.units.len());
        let mut at = 0;
        while at < plain.units.len() {
            match variant_at(&plain.units, at, evasions) {
                Some((length, standard)) => {
                    let (start, end) = (plain.units[at].start, plain.units[at + length - 1].end);
                    for (number, c) in standard.chars().enumerate() {
                        let gap = if number == 0 { plain.units[at].gap } else { Gap::None };
                        units.push(Unit { char: c, sound: sound(c), start, end, gap, plain: false });
                    }
                    at += length;
                }
                None => {
                    units.push(plain.units[at]);
                    at += 1;
                }
            }
        }
        Reading { units }
    }

    /// The standard writing as text, without what separated it.
    pub fn text(&self) -> String {
        self.units.iter().map(|unit| unit.char).collect()
    }
}

/// The longest variant that begins at `at`: how many units it covers and what it stands for.
fn variant_at<'e>(units: &[Unit], at: usize, evasions: &'e Evasions) -> Option<(usize, &'e str)> {
    let mut key = String::new();
    let mut found = None;
    for (length, unit) in units[at..].iter().take(MAX_VARIANT).enumerate() {
        if length > 0 && unit.gap >= Gap::Clause {
            break;
        }
        key.push(unit.char);
        let cuts_word = continues_word(units, at) || continues_word(units, at + length + 1);
        if !cuts_word && let Some(standard) = evasions.by_variant.get(&key) {
            found = Some((length + 1, standard.as_str()));
        }
    }
    found
}

/// True if the unit at `at` and the one before it are letters of one word, or digits of one number.
pub(super) fn continues_word(units: &[Unit], at: usize) -> bool {
    let (Some(before), Some(unit)) = (at.checked_sub(1).and_then(|before| units.get(before)), units.get(at)) else { return false };
    unit.gap == Gap::None && before.plain && unit.plain && before.char.is_ascii_digit() == unit.char.is_ascii_digit()
}

/// Symbols that are used for a word, as that word; negative circled and regional letters as letters.
fn symbol(c: char) -> char {
    let letter = |base: u32| char::from_u32('A' as u32 + (c as u32 - base)).unwrap_or(c);
    match c {
        '❤' | '♥' | '💗' | '💕' | '💖' | '💓' | '🧡' | '💛' | '💚' | '💙' | '💜' | '🖤' | '🤍' | '💘' => {
            '心'
        }
        '➕' | '+' | '＋' => '加',
        '🛰' => '微',
        '💰' => '钱',
        '🧠' => '脑',
        '🐷' => '猪',
        '🐶' => '狗',
        '🐔' => '鸡',
        '🐎' | '🐴' => '马',
        '💩' => '屎',
        '\u{1F150}'..='\u{1F169}' => letter(0x1F150),
        '\u{1F170}'..='\u{1F189}' => letter(0x1F170),
        '\u{1F1E6}'..='\u{1F1FF}' => letter(0x1F1E6),
        other => other,
    }
}

/// Characters that are written for one another because they look alike; letters of Pinyin without their tones.
fn alike(c: char) -> char {
    match c {
        '薇' | '徽' | '溦' | '葳' | '癓' => '微',
        '亻' => '人',
        '沵' | '鉨' | '伱' | '妳' | '您' => '你',
        '莪' | '硪' => '我',
        '嘚' | '淂' => '得',
        '珈' | '伽' | '咖' | '茄' => '加',
        '鈈' | '卟' => '不',
        'ā' | 'á' | 'ǎ' | 'à' => 'a',
        'ē' | 'é' | 'ě' | 'è' => 'e',
        'ī' | 'í' | 'ǐ' | 'ì' => 'i',
        'ō' | 'ó' | 'ǒ' | 'ò' => 'o',
        'ū' | 'ú' | 'ǔ' | 'ù' => 'u',
        'ǖ' | 'ǘ' | 'ǚ' | 'ǜ' | 'ü' => 'v',
        other => other,
    }
}

fn digit(c: char) -> char {
    match c {
        '零' | '〇' => '0',
        '一' | '壹' | '幺' | '弌' => '1',
        '二' | '贰' | '弍' => '2',
        '三' | '叁' | '弎' => '3',
        '四' | '肆' => '4',
        '五' | '伍' => '5',
        '六' | '陆' => '6',
        '七' | '柒' => '7',
        '八' | '捌' => '8',
        '九' | '玖' => '9',
        other => other,
    }
}

/// What `c`, which is no letter or digit, does to a sentence. Inside a number a point separates nothing.
fn strength(c: char) -> Gap {
    match c {
        '。' | '!' | '?' | ';' | '…' | '\n' => Gap::Sentence,
        ',' | '、' | ':' => Gap::Clause,
        _ => Gap::Soft,
    }
}

/// The sound of a character, without tone and without differences that many speakers do not make.
fn sound(c: char) -> u32 {
    if !is_cjk(c) {
        return c.to_digit(10).map_or(0, digit_sound);
    }
    c.to_pinyin().map_or(0, |pinyin| pack(pinyin.plain()))
}

fn digit_sound(digit: u32) -> u32 {
    const SOUNDS: [&str; 10] = ["ling", "yi", "er", "san", "si", "wu", "liu", "qi", "ba", "jiu"];
    pack(SOUNDS[digit as usize])
}

/// Packs a syllable into a number; zh/z, ch/c, sh/s and final ng/n count as one.
fn pack(syllable: &str) -> u32 {
    let mut packed = 0;
    let letters: Vec<char> = syllable.chars().collect();
    for (at, &letter) in letters.iter().enumerate() {
        let flat = letter == 'h' && at == 1 && matches!(letters[0], 'z' | 'c' | 's');
        let nasal = letter == 'g' && at + 1 == letters.len() && at > 0 && letters[at - 1] == 'n';
        if !flat && !nasal {
            packed = packed << 5 | (letter as u32 & 31).max(1);
        }
    }
    packed
}

#[cfg(test)]
mod tests {
    use super::{Evasions, Gap, Reading};

    #[test]
    fn different_writings_read_the_same() {
        let (evasions, faults) = Evasions::parse("微信=vx,v心,威信,v\n退款=tuikuan,蹆款\n");
        assert!(faults.is_empty(), "{faults:?}");
        for (written, standard) in [
            ("加Ｖ❤", "加微信"),
            ("加 v x 号abc", "加微信号abc"),
            ("薇 信", "微信"),
            ("＋威.信", "加微信"),
            ("打壹贰叁幺五", "打12315"),
            ("TUI KUAN", "退款"),
            ("vxyz", "vxyz"),
            ("退\u{200B}款", "退款"),
            ("tuì kuǎn", "退款"),
            ("➕🛰️", "加微"),
            ("“Ⅱ”格", "ii格"),
            ("一定", "1定"),
        ] {
            assert_eq!(Reading::new(written, &evasions).text(), standard, "{written}");
        }
    }

    #[test]
    fn spans_point_into_the_original() {
        let (evasions, _) = Evasions::parse("微信=v信");
        let reading = Reading::new("😊😊 加ｖ 信，聊", &evasions);
        let spans: Vec<(char, u32, u32)> = reading.units.iter().map(|unit| (unit.char, unit.start, unit.end)).collect();
        assert_eq!(spans, [('加', 3, 4), ('微', 4, 7), ('信', 4, 7), ('聊', 8, 9)]);
        assert_eq!(reading.units[3].gap, Gap::Clause);
    }
}
