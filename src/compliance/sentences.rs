//! Where sentences of a draft begin and end. Both the words that rules find and what the likeness model reads are shown as
//! sentences, because a replacement is one.

use crate::pattern::Span;

/// Marks that end a sentence wherever they stand; a full stop of ASCII may also stand inside a number or an address.
const MARKS: &[char] = &['。', '！', '？', '；', '!', '?', ';', '\n', '\r'];
/// Characters that a sentence reaches to either side of the words; a longer one is cut where a clause ends.
const REACH: usize = 40;

/// The sentence around `words` with the marks that end it, as a replacement has its own; without blanks at its ends.
pub(super) fn around(chars: &[char], words: Span) -> Span {
    let (first, last) = (words.start as usize, words.end as usize);
    let (near, far) = (first.saturating_sub(REACH), chars.len().min(last + REACH));
    let begins = (near..first).rev().find(|at| ends(chars, *at)).map(|mark| mark + 1).or((near == 0).then_some(0));
    let start = begins.or_else(|| (near..first).find(|at| separates(chars, *at)).map(|mark| mark + 1)).unwrap_or(near);
    let stops =
        (last..far).find(|at| ends(chars, *at)).map(|mark| after_marks(chars, mark)).or((far == chars.len()).then_some(far));
    let end = stops.or_else(|| (last..far).rev().find(|at| separates(chars, *at))).unwrap_or(far);
    without_blanks(chars, start, end, words)
}

/// All sentences, in order, each with its marks and, without them, of at most twice the reach; without blanks at their ends, and
/// none that is empty.
pub(super) fn all(chars: &[char]) -> Vec<Span> {
    let mut spans = Vec::new();
    let (mut start, mut comma) = (0, None);
    for at in 0..=chars.len() {
        if at < start {
            // One of several marks together.
            continue;
        }
        if at == chars.len() || ends(chars, at) {
            spans.push((start, after_marks(chars, at)));
            (start, comma) = (after_marks(chars, at).max(at + 1), None);
        } else if at - start >= 2 * REACH {
            let end = comma.unwrap_or(at);
            spans.push((start, end));
            (start, comma) = (end + usize::from(comma.is_some()), None);
        } else if separates(chars, at) {
            comma = Some(at);
        }
    }
    let trimmed = spans.into_iter().map(|(start, end)| {
        let inner = Span { start: end as u32, end: start as u32 };
        without_blanks(chars, start, end, inner)
    });
    trimmed.filter(|span| span.start < span.end).collect()
}

/// `start..end` without blanks at its ends, as far as `words` are not cut.
fn without_blanks(chars: &[char], mut start: usize, mut end: usize, words: Span) -> Span {
    while start < words.start as usize && chars[start].is_whitespace() {
        start += 1;
    }
    while end > (words.end as usize).max(start) && chars[end - 1].is_whitespace() {
        end -= 1;
    }
    Span { start: start as u32, end: end as u32 }
}

/// The place after the marks at `mark`, of which line ends are none to keep.
fn after_marks(chars: &[char], mark: usize) -> usize {
    let is_kept = |at: &usize| ends(chars, *at) && !matches!(chars[*at], '\n' | '\r');
    (mark..chars.len()).take_while(is_kept).last().map_or(mark, |last| last + 1)
}

fn ends(chars: &[char], at: usize) -> bool {
    MARKS.contains(&chars[at]) || chars[at] == '.' && stands_free(chars, at)
}

fn separates(chars: &[char], at: usize) -> bool {
    chars[at] == '，' || chars[at] == ',' && stands_free(chars, at)
}

fn stands_free(chars: &[char], at: usize) -> bool {
    let inside = |at: Option<&char>| at.is_some_and(char::is_ascii_alphanumeric);
    !(inside(at.checked_sub(1).and_then(|before| chars.get(before))) && inside(chars.get(at + 1)))
}
