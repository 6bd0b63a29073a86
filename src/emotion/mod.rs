//! What a customer feels, with the words that show it. A lexicon of the corpus decides; a negation before a sign undoes it,
//! and repeated exclamation and question marks strengthen it. Politeness (“谢谢” after a question) is no emotion. This room
//! looks at words only: it needs no model and no index.

use serde::Serialize;

use crate::corpus::{Emotion, Screening};
use crate::error::{Error, Result};
use crate::pattern::{Evasions, Gap, Hit, Pattern, PatternSet, Reading, Rulebook, Span};

/// Characters that may stand between a negation and the sign it undoes.
const NEGATION_REACH: usize = 1;
/// Score of a single sign of each strength.
const STRENGTHS: [f32; 3] = [0.35, 0.6, 0.85];
/// What each further sign adds of the room that is left.
const FURTHER: f32 = 0.4;
/// What “！！”, “？？” and the like add.
const EMPHASIS: f32 = 0.1;
/// A longer message that thanks is about something else.
const THANKS_CHARS: usize = 16;

/// A customer's emotion.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct EmotionReading {
    /// Which one.
    pub label: Emotion,
    /// How strong, from 0 to 1; 0 for neutral.
    pub intensity: f32,
    /// The words that show it best, in Unicode characters of the message; none for neutral.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub span: Option<Span>,
    /// These words.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub text: Option<String>,
}

/// The lexicon, compiled.
#[derive(Debug, Clone)]
pub struct EmotionLexicon {
    signs: Vec<(Emotion, f32)>,
    rules: Rulebook,
    symbols: Vec<(Vec<char>, usize)>,
    negators: PatternSet,
    evasions: Evasions,
}

/// A sign found in a message.
struct Sign {
    label: Emotion,
    score: f32,
    span: Span,
}

impl EmotionLexicon {
    /// Compiles the lexicon of `screening`.
    ///
    /// # Errors
    /// [`Error::Internal`] if a pattern does not compile, which the corpus reader reports before.
    pub fn new(screening: &Screening) -> Result<Self> {
        let mut lexicon = EmotionLexicon {
            signs: Vec::new(),
            rules: Rulebook::default(),
            symbols: Vec::new(),
            negators: PatternSet::default(),
            evasions: screening.evasions.clone(),
        };
        for (number, signs) in screening.emotions.signs.iter().enumerate() {
            lexicon.rules.add(number as u32, &signs.words, &signs.unless, &screening.groups).map_err(Error::Internal)?;
            lexicon.symbols.extend(signs.symbols.iter().map(|symbol| (symbol.chars().collect(), number)));
            lexicon.signs.push((signs.label, STRENGTHS[usize::from(signs.strength.clamp(1, 3)) - 1]));
        }
        for text in &screening.emotions.negators {
            lexicon.negators.push(Pattern::parse(text, &screening.groups).map_err(Error::Internal)?);
        }
        Ok(lexicon)
    }

    /// Reads the emotion out of a customer's message.
    pub fn read(&self, message: &str) -> EmotionReading {
        let reading = Reading::new(message, &self.evasions);
        let chars: Vec<char> = message.chars().collect();
        let signs = self.signs(&reading, &chars);
        let emphasis = f32::from(u8::from(emphatic(&chars))) * EMPHASIS;
        let mut best: Option<(Emotion, f32, &Sign)> = None;
        for label in signs.iter().map(|sign| sign.label) {
            let strongest = |a: &&Sign, b: &&Sign| a.score.total_cmp(&b.score).then(b.span.cmp(&a.span));
            let Some(shown) = signs.iter().filter(|sign| sign.label == label).max_by(strongest) else { continue };
            let further = signs.iter().filter(|sign| sign.label == label).count() - 1;
            let gained = (0..further.min(4)).fold(shown.score, |score, _| score + (1.0 - score) * FURTHER);
            let score = (gained + emphasis).min(1.0);
            // Whoever threatens to complain is angry as well, and whoever is angry does not mean the thanks; the later label wins
            // unless it is much weaker.
            let better = best.is_none_or(|(other, known, _)| match label.cmp(&other) {
                std::cmp::Ordering::Greater => score + 0.3 >= known || other == Emotion::Thanks,
                std::cmp::Ordering::Less => known + 0.3 < score && label != Emotion::Thanks,
                std::cmp::Ordering::Equal => score > known,
            });
            if better {
                best = Some((label, score, shown));
            }
        }
        match best {
            Some((Emotion::Thanks, ..)) if !is_thanks(&reading, &chars) => EmotionReading::default(),
            Some((label, intensity, sign)) => EmotionReading {
                label,
                intensity,
                span: Some(sign.span),
                text: Some(chars[sign.span.start as usize..sign.span.end as usize].iter().collect()),
            },
            None => EmotionReading::default(),
        }
    }

    fn signs(&self, reading: &Reading, chars: &[char]) -> Vec<Sign> {
        let negations = self.negators.find(reading);
        let mut kept: Vec<(u32, Hit)> = Vec::new();
        for (number, hit) in self.rules.find(reading) {
            let known = kept
                .iter()
                .any(|(other, kept)| self.signs[*other as usize].0 == self.signs[number as usize].0 && kept.overlaps(&hit));
            if !known && !negated(reading, &negations, &hit) {
                kept.push((number, hit));
            }
        }
        let mut signs: Vec<Sign> = kept
            .into_iter()
            .map(|(number, hit)| {
                let (label, score) = self.signs[number as usize];
                Sign { label, score, span: Span { start: hit.start, end: hit.end } }
            })
            .collect();
        for (symbol, number) in &self.symbols {
            for (start, window) in chars.windows(symbol.len().max(1)).enumerate() {
                if window == symbol.as_slice() {
                    let (label, score) = self.signs[*number];
                    signs.push(Sign { label, score, span: Span { start: start as u32, end: (start + symbol.len()) as u32 } });
                }
            }
        }
        signs
    }
}

impl Default for EmotionReading {
    /// Neutral.
    fn default() -> Self {
        EmotionReading { label: Emotion::Neutral, intensity: 0.0, span: None, text: None }
    }
}

fn negated(reading: &Reading, negations: &[Hit], hit: &Hit) -> bool {
    negations.iter().any(|negation| {
        negation.last <= hit.first
            && hit.first - negation.last <= NEGATION_REACH
            && reading.units[negation.last..=hit.first].iter().all(|unit| unit.gap < Gap::Clause)
    })
}

/// Two exclamation or question marks in a row, in any width.
fn emphatic(chars: &[char]) -> bool {
    let mark = |c: &char| matches!(c, '!' | '！' | '?' | '？' | '‼' | '❗' | '❓' | '⁉');
    chars.windows(2).any(|pair| pair.iter().all(mark))
}

/// True if thanking is what the message is for: it is short and asks nothing.
fn is_thanks(reading: &Reading, chars: &[char]) -> bool {
    let asks = |c: &char| matches!(c, '?' | '？' | '吗' | '呢' | '帮' | '请' | '啥' | '查' | '改' | '催');
    reading.units.len() <= THANKS_CHARS && !chars.iter().any(asks)
}
