//! Homophones and pinyin: what a customer typed with an input method's wrong choice (“退宽”) or in latin letters (“tuikuan”)
//! is read as the word of the corpus that sounds the same. Only what is certainly not meant as written is changed: a
//! clean question must come out as it went in.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::ops::Range;
use std::sync::LazyLock;

use pinyin::ToPinyin;

use super::{Analyzer, is_cjk};

/// Longest word that is looked up, in syllables.
const MAX_SYLLABLES: usize = 4;
/// Shortest run of latin letters that may be pinyin.
const MIN_LATIN: usize = 4;
/// Longest run of latin letters that is tried.
const MAX_LATIN: usize = 40;
/// How often a word must stand in the corpus before anything is read as it.
const MIN_COUNT: u32 = 2;

/// Every syllable of Mandarin, without tones.
static SYLLABLES: LazyLock<HashSet<&'static str>> =
    LazyLock::new(|| ('\u{4E00}'..='\u{9FA5}').filter_map(|c| c.to_pinyin().map(|pinyin| pinyin.plain())).collect());

/// Words of the corpus by their sound.
#[derive(Debug, Default)]
pub struct Corrector {
    by_sound: HashMap<String, String>,
}

/// A misspelt word and the word of the corpus that it is read as.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Correction {
    /// Where it stands in the normalised text, in bytes.
    pub bytes: Range<usize>,
    /// The word that sounds the same.
    pub read_as: String,
    /// True if it was written in latin letters, at least in part.
    pub latin: bool,
}

/// A character or a syllable in latin letters.
struct Piece<'a> {
    surface: &'a str,
    sound: &'a str,
    latin: bool,
    /// Byte offset in the text.
    start: usize,
    /// True if nothing stands between it and the piece before.
    joined: bool,
}

impl Corrector {
    /// A corrector for a corpus whose words occur as often as `words` says. Of words that sound the same the most frequent one is
    /// kept, of equally frequent ones the first in order.
    pub fn new(words: &BTreeMap<String, u32>) -> Self {
        let mut best: HashMap<String, (u32, &String)> = HashMap::new();
        for (word, &count) in words.iter().filter(|(_, count)| **count >= MIN_COUNT) {
            let Some(sound) = sound(word) else { continue };
            let slot = best.entry(sound).or_insert((count, word));
            if count > slot.0 {
                *slot = (count, word);
            }
        }
        Corrector { by_sound: best.into_iter().map(|(sound, (_, word))| (sound, word.clone())).collect() }
    }

    /// The misspelt words of the normalised `text`, in order, with what they are read as. `known` says whether two neighbouring
    /// characters stand together anywhere in the corpus.
    pub fn corrections(&self, text: &str, analyzer: &Analyzer, known: impl Fn(&str) -> bool) -> Vec<Correction> {
        let pieces = pieces(text);
        let loose = loose_characters(text, analyzer);
        let mut out = Vec::new();
        let mut at = 0;
        while at < pieces.len() {
            let longest = MAX_SYLLABLES.min(pieces.len() - at);
            let found = (2..=longest).rev().find_map(|length| {
                let window = &pieces[at..at + length];
                if window[1..].iter().any(|piece| !piece.joined) {
                    return None;
                }
                let key = window.iter().map(|piece| piece.sound).collect::<Vec<_>>().join(" ");
                let word = self.by_sound.get(&key)?;
                let surface: String = window.iter().map(|piece| piece.surface).collect();
                let latin = window.iter().any(|piece| piece.latin);
                let acceptable = if latin {
                    latin_ends_with(&pieces, at, length)
                } else {
                    let shared = surface.chars().zip(word.chars()).filter(|(a, b)| a == b).count();
                    let pairs: Vec<String> =
                        window.windows(2).map(|pair| format!("{}{}", pair[0].surface, pair[1].surface)).collect();
                    shared * 2 >= length
                        && surface != *word
                        && !analyzer.is_word(&surface)
                        && !pairs.iter().any(|pair| known(pair))
                        && window.iter().all(|piece| loose.contains(&piece.start))
                };
                acceptable.then_some((length, word, latin))
            });
            match found {
                Some((length, word, latin)) => {
                    let last = &pieces[at + length - 1];
                    let bytes = pieces[at].start..last.start + last.surface.len();
                    out.push(Correction { bytes, read_as: word.clone(), latin });
                    at += length;
                }
                None => at += 1,
            }
        }
        out
    }
}

/// The normalised `text` with `corrections`, which are in order, put in; `None` if there are none.
pub fn apply(text: &str, corrections: &[Correction]) -> Option<String> {
    if corrections.is_empty() {
        return None;
    }
    let mut out = String::new();
    let mut copied = 0;
    for correction in corrections {
        out.push_str(&text[copied..correction.bytes.start]);
        out.push_str(&correction.read_as);
        copied = correction.bytes.end;
    }
    out.push_str(&text[copied..]);
    Some(out)
}

/// The sound of a word of two to four Chinese characters, syllables separated by blanks.
fn sound(word: &str) -> Option<String> {
    let length = word.chars().count();
    if !(2..=MAX_SYLLABLES).contains(&length) || !word.chars().all(is_cjk) {
        return None;
    }
    let syllables: Option<Vec<&str>> = word.to_pinyin().map(|pinyin| pinyin.map(|pinyin| pinyin.plain())).collect();
    syllables.map(|syllables| syllables.join(" "))
}

/// True if the window covers whole runs of latin syllables, so that no rest of a latin word is left over.
fn latin_ends_with(pieces: &[Piece], at: usize, length: usize) -> bool {
    let splits = |left: usize, right: usize| pieces[left].latin && pieces[right].latin && pieces[right].joined;
    let cut_before = at > 0 && splits(at - 1, at);
    let end = at + length;
    let rest_is_words = end < pieces.len() && splits(end - 1, end) && (end + 1 >= pieces.len() || !splits(end, end + 1));
    // A run may be cut after a word if more than one syllable follows, which then is a word of its own.
    !rest_is_words && (!cut_before || at >= 2)
}

fn pieces(text: &str) -> Vec<Piece<'_>> {
    let mut out: Vec<Piece> = Vec::new();
    let mut end_of_last = None;
    let mut rest = text.char_indices().peekable();
    while let Some((start, c)) = rest.next() {
        let joined = end_of_last == Some(start);
        if is_cjk(c) {
            if let Some(pinyin) = c.to_pinyin() {
                let surface = &text[start..start + c.len_utf8()];
                out.push(Piece { surface, sound: pinyin.plain(), latin: false, start, joined });
                end_of_last = Some(start + c.len_utf8());
            }
        } else if c.is_ascii_lowercase() {
            let mut end = start + 1;
            while let Some(&(at, next)) = rest.peek()
                && next.is_ascii_lowercase()
            {
                end = at + 1;
                rest.next();
            }
            let run = &text[start..end];
            let after_character = joined && out.last().is_some_and(|piece| !piece.latin);
            let long_enough = run.len() >= MIN_LATIN || after_character && run.len() > 1;
            if long_enough && let Some(syllables) = split_syllables(run) {
                let mut at = start;
                for syllable in syllables {
                    let joined = if at == start { joined } else { true };
                    out.push(Piece { surface: syllable, sound: syllable, latin: true, start: at, joined });
                    at += syllable.len();
                }
                end_of_last = Some(end);
            }
        }
    }
    out
}

/// Cuts a run of letters into as few syllables as possible; `None` if it is not pinyin.
fn split_syllables(run: &str) -> Option<Vec<&str>> {
    if run.len() > MAX_LATIN {
        return None;
    }
    let mut best: Vec<Option<(usize, usize)>> = vec![None; run.len() + 1];
    best[0] = Some((0, 0));
    for end in 1..=run.len() {
        for start in end.saturating_sub(6)..end {
            if let Some((count, _)) = best[start]
                && SYLLABLES.contains(&run[start..end])
                && best[end].is_none_or(|(known, _)| count + 1 < known)
            {
                best[end] = Some((count + 1, start));
            }
        }
    }
    let mut out = Vec::new();
    let mut end = run.len();
    while end > 0 {
        let (_, start) = best[end]?;
        out.push(&run[start..end]);
        end = start;
    }
    out.reverse();
    Some(out)
}

/// Byte offsets of characters that the segmenter could not join to a word it knows.
fn loose_characters(text: &str, analyzer: &Analyzer) -> HashSet<usize> {
    let mut out = HashSet::new();
    let mut at = 0;
    for word in analyzer.cut(text) {
        let single = word.chars().count() == 1;
        if single || !analyzer.is_word(word) {
            out.extend(word.char_indices().map(|(offset, _)| at + offset));
        }
        at += word.len();
    }
    out
}
