//! Normalisation: NFKC, lower case, traditional to simplified, emoji and control characters to blanks, runs of
//! punctuation and long repetitions shortened. It must stay a pure function of the text: no dictionaries, no settings.

use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};

use ferrous_opencc::{OpenCC, config::BuiltinConfig};
use unicode_normalization::UnicodeNormalization;

/// Longest run of one character that survives: “好好好好好” is read as “好好”.
const MAX_RUN: usize = 2;

static TO_SIMPLIFIED: LazyLock<OpenCC> =
    LazyLock::new(|| OpenCC::from_config(BuiltinConfig::T2s).expect("the built-in t2s dictionary is complete"));

/// A normalised text together with where each of its characters came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normalised {
    /// The normalised text.
    pub text: String,
    /// For each character of `text`, the index of the original character (in characters, not bytes).
    pub origin: Vec<u32>,
}

/// True for a Chinese character (unified ideographs, their extensions, and 〇).
pub fn is_cjk(c: char) -> bool {
    matches!(c, '\u{4E00}'..='\u{9FFF}' | '\u{3400}'..='\u{4DBF}' | '\u{20000}'..='\u{323AF}' | '\u{F900}'..='\u{FAFF}' | '〇')
}

/// Normalises `text`. Idempotent: normalising twice gives the same as once.
pub fn normalise(text: &str) -> String {
    let plain: String = text.chars().map(plainly).collect::<Option<_>>().unwrap_or_else(|| text.nfkc().flat_map(fold).collect());
    let simplified = if is_simplified(&plain) { plain } else { to_simplified(plain) };
    let mut squeezer = Squeezer::default();
    simplified.chars().for_each(|c| {
        squeezer.push(c);
    });
    squeezer.finish()
}

/// What NFKC and [`fold`] make of one of the characters that nearly all texts consist of, and that no other of them combines with.
/// To look at each is quicker than to be ready for all there are.
fn plainly(c: char) -> Option<char> {
    /// From full width to ASCII.
    const NARROWER: u32 = 0xFEE0;
    let ascii = match c {
        '\u{4E00}'..='\u{9FFF}' | '、' | '。' | '《' | '》' | '【' | '】' | '“' | '”' | '‘' | '’' | '—' => {
            return Some(c);
        }
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(u32::from(c) - NARROWER)?,
        _ if c.is_ascii() => c,
        _ => return None,
    };
    Some(if is_blank_like(ascii) { ' ' } else { ascii.to_ascii_lowercase() })
}

/// True if `text` is certain to be without traditional characters: each character stays what it is when it stands alone, and none
/// is one that other characters around it change.
fn is_simplified(text: &str) -> bool {
    /// Characters that OpenCC leaves alone but replaces in some phrases of characters that it leaves alone: 回覆, 沈默, 明瞭.
    const BY_NEIGHBOURS: [char; 6] = ['沈', '牴', '瞭', '藉', '衹', '覆'];
    text.chars().all(|c| !is_cjk(c) || simplified_alone(c) == Some(c) && !BY_NEIGHBOURS.contains(&c))
}

/// Converts traditional characters until nothing changes: a few (薴 → 苧 → 苎) take two steps, and one step would make two
/// writings of the same word differ.
fn to_simplified(mut text: String) -> String {
    const MAX_STEPS: usize = 4;
    for _ in 0..MAX_STEPS {
        if !text.chars().any(is_cjk) {
            break;
        }
        let converted = TO_SIMPLIFIED.convert(&text);
        if converted == text {
            break;
        }
        text = converted;
    }
    text
}

/// The simplified form of a character that stands alone; `None` if that is not one character.
///
/// A look-up takes microseconds, and every request asks for each of its characters several times, so what was looked up is kept.
fn simplified_alone(c: char) -> Option<char> {
    const FIRST: u32 = 0x3400;
    const LAST: u32 = 0x9FFF;
    static KEPT: LazyLock<Vec<AtomicU32>> = LazyLock::new(|| (FIRST..=LAST).map(|_| AtomicU32::new(0)).collect());
    if !is_cjk(c) {
        return Some(c);
    }
    let slot = u32::from(c).checked_sub(FIRST).and_then(|at| KEPT.get(at as usize));
    if let Some(kept) = slot.and_then(|slot| char::from_u32(slot.load(Ordering::Relaxed))).filter(|kept| *kept != '\0') {
        return Some(kept);
    }
    let simplified = to_simplified(c.to_string());
    let mut chars = simplified.chars();
    let (Some(only), None) = (chars.next(), chars.next()) else { return None };
    if let Some(slot) = slot {
        // Whoever writes second writes the same: the value depends on `c` alone.
        slot.store(u32::from(only), Ordering::Relaxed);
    }
    Some(only)
}

/// Normalises `text` one character at a time and remembers origins, for spans that point into the original.
///
/// Traditional characters are converted without looking at their neighbours, so a few phrases may come out differently
/// than in [`normalise`]; for pointing at words that difference does not matter.
pub fn normalise_with_map(text: &str) -> Normalised {
    let mut squeezer = Squeezer::default();
    let mut origin = Vec::new();
    for (index, original) in text.chars().enumerate() {
        let mut push = |c| {
            if squeezer.push(c) {
                origin.push(index as u32);
            }
        };
        let plain = plainly(original);
        let others = plain.is_none().then(|| original.nfkc().flat_map(fold));
        for c in plain.into_iter().chain(others.into_iter().flatten()) {
            match simplified_alone(c) {
                Some(simplified) => push(simplified),
                None => to_simplified(c.to_string()).chars().for_each(&mut push),
            }
        }
    }
    let text = squeezer.finish();
    origin.truncate(text.chars().count());
    Normalised { text, origin }
}

/// Lower-cases, and turns what carries no meaning for search into a blank or nothing.
fn fold(c: char) -> impl Iterator<Item = char> {
    let (blank, drop) = (is_blank_like(c), is_invisible(c));
    let lower = (!blank && !drop).then(|| c.to_lowercase());
    lower.into_iter().flatten().chain(blank.then_some(' '))
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200B}'..='\u{200F}' | '\u{202A}'..='\u{202E}' | '\u{2060}'..='\u{206F}' | '\u{FE00}'..='\u{FE0F}'
        | '\u{FEFF}' | '\u{00AD}' | '\u{E0000}'..='\u{E007F}')
}

fn is_blank_like(c: char) -> bool {
    let emoji =
        matches!(c, '\u{1F000}'..='\u{1FAFF}' | '\u{2600}'..='\u{27BF}' | '\u{2B00}'..='\u{2BFF}' | '\u{E000}'..='\u{F8FF}');
    !is_invisible(c) && (c.is_whitespace() || c.is_control() || emoji)
}

/// Joins blanks, shortens runs of punctuation to one and of other characters to [`MAX_RUN`], trims.
#[derive(Default)]
struct Squeezer {
    out: String,
    last: Option<char>,
    run: usize,
}

impl Squeezer {
    /// Adds a character; false where it was left out.
    fn push(&mut self, c: char) -> bool {
        if c == ' ' && matches!(self.last, None | Some(' ')) {
            return false;
        }
        self.run = if self.last == Some(c) { self.run + 1 } else { 1 };
        self.last = Some(c);
        let allowed = if c.is_ascii_digit() {
            usize::MAX
        } else if c.is_alphanumeric() {
            MAX_RUN
        } else {
            1
        };
        let keep = self.run <= allowed;
        if keep {
            self.out.push(c);
        }
        keep
    }

    fn finish(mut self) -> String {
        self.out.truncate(self.out.trim_end().len());
        self.out
    }
}
