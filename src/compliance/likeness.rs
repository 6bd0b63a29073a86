//! A second opinion on drafts: how much a sentence reads like sentences that broke a rule, whatever words it uses.
//!
//! A multinomial logistic model over characters, pairs and triples of characters of the *standard writing*, so that what
//! evades a rule does not evade it either. It guesses, and can only ask the agent to look again; what must not be sent is
//! decided by rules alone. Its weights are data in a readable file, learnt by `eval` from labelled drafts; this file applies
//! them and knows no rules beyond their names.

use std::collections::{BTreeMap, HashMap};
use std::path::Path;
use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use super::sentences;
use crate::corpus::CheckRule;
use crate::error::{Error, Result};
use crate::pattern::{Gap, Reading, Span};

/// The weights shipped with the program.
const BUILT_IN: &str = include_str!("../../models/drafts.json");
/// Signs of the longest feature.
pub const LONGEST: usize = 3;
/// What a sentence may be: clean, or a breach of one of the rules.
pub const CLASSES: usize = 1 + CheckRule::NAMES.len();
/// Steps into which a unit of weight is divided in the file.
const STEPS: f32 = 5.0;
/// Largest weight in the file, in steps.
const LARGEST: i32 = 1_000;

const BEGIN: char = '^';
const END: char = '$';
const QUESTION: char = '?';
const COMMA: char = '，';
const NUMBER: char = '#';

/// A feature: up to [`LONGEST`] signs, packed.
pub type Key = u64;

/// A sentence of a draft as the model sees it.
#[derive(Debug, Clone)]
pub struct Sentence {
    /// Where it stands, in characters of the draft.
    pub span: Span,
    /// Standard writing with marks for begin, end, clauses and numbers, each with its place in the draft.
    signs: Vec<(char, Span)>,
}

/// The sentences of a draft that have something to read. `chars` are the draft's characters, of which `reading` was made.
pub fn sentences(chars: &[char], reading: &Reading) -> Vec<Sentence> {
    let mut units = reading.units.iter().peekable();
    let mut out = Vec::new();
    for span in sentences::all(chars) {
        let at = |place: u32| Span { start: place, end: place };
        let mut signs = vec![(BEGIN, at(span.start))];
        while let Some(unit) = units.next_if(|unit| unit.start < span.end) {
            let place = Span { start: unit.start, end: unit.end };
            if signs.len() > 1 && unit.gap >= Gap::Clause {
                signs.push((COMMA, at(unit.start)));
            }
            let is_number = unit.plain && unit.char.is_ascii_digit();
            match signs.last_mut() {
                // All numbers are alike.
                Some((NUMBER, whole)) if is_number => whole.end = place.end,
                _ => signs.push((if is_number { NUMBER } else { unit.char }, place)),
            }
        }
        // A question is another thing than the same words in a statement; an exclamation mark is a matter of style.
        let asks = chars[span.start as usize..span.end as usize].iter().rev().take_while(|c| !c.is_alphanumeric());
        let end = if asks.into_iter().any(|c| matches!(c, '？' | '?')) { QUESTION } else { END };
        if signs.len() > 1 {
            signs.push((end, at(span.end)));
            out.push(Sentence { span, signs });
        }
    }
    out
}

impl Sentence {
    /// Its features, each once, in a fixed order.
    pub fn features(&self) -> Vec<Key> {
        let signs: Vec<char> = self.signs.iter().map(|(sign, _)| *sign).collect();
        let mut keys: Vec<Key> = (1..=LONGEST).flat_map(|length| signs.windows(length).map(pack)).collect();
        keys.sort_unstable();
        keys.dedup();
        keys
    }
}

/// What each of `count` features of a sentence counts: long sentences have more of them.
pub fn share(count: usize) -> f32 {
    1.0 / (count.max(1) as f32).sqrt()
}

/// Turns scores into probabilities.
pub fn softmax(scores: &mut [f32; CLASSES]) {
    let top = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    scores.iter_mut().for_each(|score| *score = (*score - top).exp());
    let sum: f32 = scores.iter().sum();
    scores.iter_mut().for_each(|score| *score /= sum);
}

/// The class of a sentence: 0 for clean, then the rules in order.
pub fn class(rule: Option<CheckRule>) -> usize {
    rule.and_then(|rule| CheckRule::NAMES.iter().position(|name| *name == rule.as_str())).map_or(0, |at| at + 1)
}

/// How many signs a feature has.
pub fn signs_of(key: Key) -> usize {
    (0..LONGEST).filter(|at| key >> (21 * at) != 0).count()
}

fn pack(signs: &[char]) -> Key {
    signs.iter().fold(0, |key, sign| key << 21 | u64::from(*sign as u32))
}

fn unpack(key: Key) -> String {
    (0..LONGEST).rev().filter_map(|at| char::from_u32((key >> (21 * at)) as u32 & 0x1F_FFFF)).filter(|sign| *sign != '\0').collect()
}

/// The file, as it is written.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    version: String,
    #[serde(default)]
    note: String,
    thresholds: Vec<(f32, f32)>,
    softening: Vec<(f32, f32)>,
    classes: Vec<String>,
    bias: Vec<i32>,
    weights: BTreeMap<String, Vec<i32>>,
}

/// What a sentence reads like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Judgement {
    /// The rule it breaks most probably, if it breaks one.
    pub rule: CheckRule,
    /// The probability that it breaks any, from 0 to 1.
    pub probability: f32,
}

/// The model.
#[derive(Debug, Clone, PartialEq)]
pub struct Likeness {
    /// Changes whenever the weights do.
    pub version: String,
    /// How the weights came about, for people.
    pub note: String,
    /// Pairs (share, probability), by share: of clean drafts by authors that the model had not read, no more than the first held a
    /// sentence above the second.
    pub thresholds: Vec<(f32, f32)>,
    /// Pairs (share, probability), by share: of violating drafts by such authors that a check blocked, no more than the first
    /// were blocked only for sentences below the second.
    pub softening: Vec<(f32, f32)>,
    bias: [f32; CLASSES],
    rows: HashMap<Key, [f32; CLASSES]>,
}

fn json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| Error::internal("cannot write the weights for drafts", error))
}

/// What `table`, by rising share, has for the greatest share that is not above `share`.
fn greatest(table: &[(f32, f32)], share: f32) -> Option<f32> {
    table.iter().rev().find(|(known, _)| *known <= share).map(|(_, probability)| *probability)
}

impl Likeness {
    /// The shipped model, read once in a process.
    ///
    /// # Panics
    /// Never: a test reads the shipped file.
    pub fn built_in() -> Arc<Self> {
        static SHIPPED: LazyLock<Arc<Likeness>> =
            LazyLock::new(|| Arc::new(Likeness::parse(BUILT_IN).expect("models/drafts.json is valid")));
        Arc::clone(&SHIPPED)
    }

    /// Reads a file written by `yingda tune --drafts`.
    ///
    /// # Errors
    /// [`Error::Io`] if it cannot be read, [`Error::Config`] with the fault if it is no such file.
    pub fn load(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|source| Error::io(path, source))?;
        Self::parse(&text).map_err(|what| Error::Config(format!("weights for drafts {}: {what}", path.display())))
    }

    fn parse(text: &str) -> std::result::Result<Self, String> {
        let file: File = serde_json::from_str(text).map_err(|error| error.to_string())?;
        let classes: Vec<&str> = std::iter::once("clean").chain(CheckRule::NAMES.iter().copied()).collect();
        if file.classes != classes {
            return Err(format!("classes are {}; this program needs {}", file.classes.join(", "), classes.join(", ")));
        }
        let rising = |table: &[(f32, f32)]| table.windows(2).all(|pair| pair[0].0 < pair[1].0);
        let within = |table: &[(f32, f32)]| table.iter().all(|(a, b)| (0.0..=1.0).contains(a) && (0.0..=1.0).contains(b));
        for (name, table) in [("thresholds", &file.thresholds), ("softening", &file.softening)] {
            if !rising(table) || !within(table) {
                return Err(format!("`{name}` are not pairs of a share and a probability, both from 0 to 1, by rising share"));
            }
        }
        let row = |name: &str, steps: &[i32]| -> std::result::Result<[f32; CLASSES], String> {
            let row: [i32; CLASSES] = steps
                .try_into()
                .map_err(|_| format!("`{name}` has {} weights; write {CLASSES}, one for each class", steps.len()))?;
            match row.iter().find(|step| step.abs() > LARGEST) {
                Some(step) => Err(format!("`{name}` has the weight {step}; use -{LARGEST} to {LARGEST}")),
                None => Ok(row.map(|step| step as f32 / STEPS)),
            }
        };
        let mut rows = HashMap::with_capacity(file.weights.len());
        for (name, steps) in &file.weights {
            let signs: Vec<char> = name.chars().collect();
            if signs.is_empty() || signs.len() > LONGEST {
                return Err(format!("`{name}` has {} signs; a feature has 1 to {LONGEST}", signs.len()));
            }
            rows.insert(pack(&signs), row(name, steps)?);
        }
        Ok(Likeness {
            version: file.version,
            note: file.note,
            thresholds: file.thresholds,
            softening: file.softening,
            bias: row("bias", &file.bias)?,
            rows,
        })
    }

    /// Makes a model from its weights; they are rounded to what the file can hold, and features that would say nothing are left out.
    pub fn new(version: String, note: String, bias: [f32; CLASSES], rows: HashMap<Key, [f32; CLASSES]>) -> Self {
        let round = |row: [f32; CLASSES]| row.map(|w| (w * STEPS).round().clamp(-LARGEST as f32, LARGEST as f32) / STEPS);
        let rows = rows.into_iter().map(|(key, row)| (key, round(row))).filter(|(_, row)| row.iter().any(|w| *w != 0.0)).collect();
        Likeness { version, note, thresholds: Vec::new(), softening: Vec::new(), bias: round(bias), rows }
    }

    /// The file's text: a line for each feature, in order.
    ///
    /// # Errors
    /// [`Error::Internal`] if a text cannot be written as JSON.
    pub fn to_json(&self) -> Result<String> {
        let steps = |row: &[f32; CLASSES]| row.iter().map(|w| format!("{:.0}", w * STEPS + 0.0)).collect::<Vec<_>>().join(",");
        let classes: Vec<&str> = std::iter::once("clean").chain(CheckRule::NAMES.iter().copied()).collect();
        let sorted: BTreeMap<String, &[f32; CLASSES]> = self.rows.iter().map(|(key, row)| (unpack(*key), row)).collect();
        let mut lines = Vec::with_capacity(sorted.len());
        for (name, row) in sorted {
            lines.push(format!("{}:[{}]", json(&name)?, steps(row)));
        }
        Ok(format!(
            "{{\n\"version\": {},\n\"note\": {},\n\"thresholds\": {},\n\"softening\": {},\n\"classes\": {},\n\"bias\": [{}],\n\"weights\": {{\n{}\n}}\n}}\n",
            json(&self.version)?,
            json(&self.note)?,
            json(&self.thresholds)?,
            json(&self.softening)?,
            json(&classes)?,
            steps(&self.bias),
            lines.join(",\n")
        ))
    }

    /// What `sentence` reads like.
    pub fn judge(&self, sentence: &Sentence) -> Judgement {
        let keys = sentence.features();
        let share = share(keys.len());
        let mut scores = self.bias;
        for row in keys.iter().filter_map(|key| self.rows.get(key)) {
            scores.iter_mut().zip(row).for_each(|(score, weight)| *score += weight * share);
        }
        softmax(&mut scores);
        // Of equal ones the first.
        let mut best = 1;
        for class in 2..CLASSES {
            if scores[class] > scores[best] {
                best = class;
            }
        }
        let rule = CheckRule::parse(CheckRule::NAMES[best - 1]).unwrap_or(CheckRule::Vague);
        Judgement { rule, probability: 1.0 - scores[0] }
    }

    /// The stretch of `sentence` that speaks most for `rule` and against clean: the one with the greatest sum of weights
    /// (Kadane), the first of equals; the whole sentence if nothing speaks for it.
    pub fn telling(&self, sentence: &Sentence, rule: CheckRule) -> Span {
        let class = class(Some(rule));
        let signs: Vec<char> = sentence.signs.iter().map(|(sign, _)| *sign).collect();
        let mut weight = vec![0.0_f32; signs.len()];
        for length in 1..=LONGEST {
            for (at, window) in signs.windows(length).enumerate() {
                if let Some(row) = self.rows.get(&pack(window)) {
                    let part = (row[class] - row[0]) / length as f32;
                    weight[at..at + length].iter_mut().for_each(|slot| *slot += part);
                }
            }
        }
        let (mut best, mut found) = (0.0, None);
        let (mut sum, mut start) = (0.0, 0);
        for (at, weight) in weight.iter().enumerate() {
            if sum <= 0.0 {
                (sum, start) = (0.0, at);
            }
            sum += weight;
            if sum > best {
                (best, found) = (sum, Some((start, at)));
            }
        }
        let stretch = found.map(|(first, last)| Span { start: sentence.signs[first].1.start, end: sentence.signs[last].1.end });
        stretch.filter(|span| span.start < span.end).unwrap_or(sentence.span)
    }

    /// The probability above which a sentence is raised so that no more than `share` of clean drafts are; none where the file
    /// knows none for so low a share.
    pub fn threshold(&self, share: f32) -> Option<f32> {
        greatest(&self.thresholds, share)
    }

    /// The probability below which a block may be softened so that no more than `share` of rightly blocked drafts are; none where
    /// the file knows none for so low a share.
    pub fn softened_below(&self, share: f32) -> Option<f32> {
        greatest(&self.softening, share)
    }
}
