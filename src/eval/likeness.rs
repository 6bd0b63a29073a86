//! Training the second opinion on drafts: multinomial logistic regression by stochastic gradients with a step for each
//! weight (AdaGrad, Duchi et al. 2011), in a fixed order, so that the same drafts give the same weights. What it is worth is
//! measured on authors that it has not read, and so are its thresholds.

use std::collections::{BTreeMap, HashMap};

use rayon::prelude::*;

use super::draft_report::{DraftReport, Seen};
use super::draft_set::{DraftSet, LabelledDraft};
use crate::compliance::likeness::{self, CLASSES, Key, LONGEST, Likeness};
use crate::compliance::{Checker, MatchedBy};
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::pattern::{Evasions, Reading};

/// Shares of clean drafts for which the probability that raises no more of them is noted.
const SHARES: &[f32] = &[0.005, 0.01, 0.02, 0.03, 0.04, 0.05, 0.06, 0.08, 0.1, 0.15];
/// Shares of rightly blocked drafts for which the probability below which no more of them lie is noted.
const SOFTENED: &[f32] = &[0.002, 0.005, 0.01, 0.02, 0.03, 0.05];
/// Sentences that must hold a feature of one, two or three signs.
const SEEN: [usize; LONGEST] = [1, 2, 3];
/// Parts into which a single set is cut for the thresholds.
const PARTS: usize = 5;
const PASSES: usize = 20;
const STEP: f32 = 0.5;
const DECAY: f32 = 2e-4;
/// Step of the constant terms, which every sentence moves.
const BIAS_STEP: f32 = 0.02;
/// What the mean square of a weight's gradients begins with.
const BEGINNING: f32 = 1e-6;

/// One sentence to learn from.
struct Lesson {
    keys: Vec<Key>,
    class: usize,
}

/// A model with what it is worth.
pub struct Learnt {
    /// The model, trained on everything, with thresholds.
    pub model: Likeness,
    /// What models found in each set that had not read it, in the order given.
    pub held_out: Vec<DraftReport>,
}

/// Learns from `sets`, and from what `corpus` says as examples of clean drafts.
///
/// # Errors
/// [`Error::InvalidRequest`] if the sets hold no violating or no clean draft.
pub fn learn(sets: &[DraftSet], corpus: &Corpus, version: &str) -> Result<Learnt> {
    let count = |bad: bool| sets.iter().flat_map(|set| &set.drafts).filter(|draft| draft.fault.is_some() == bad).count();
    if count(true) == 0 || count(false) == 0 {
        return Err(Error::InvalidRequest("the drafts are of one kind only; give violating ones and clean ones".into()));
    }
    let note = format!("trained on {} violating and {} clean drafts by `yingda tune --drafts`", count(true), count(false));
    let evasions = &corpus.screening.evasions;
    let checker = Checker::new(&corpus.screening)?;
    let own = lessons(&DraftSet::of_corpus(corpus).drafts, evasions);
    // Every part is judged by a model that learnt from the others.
    let parts: Vec<(&DraftSet, Vec<LabelledDraft>)> = match sets {
        [only] => (0..PARTS).map(|part| (only, only.drafts.iter().skip(part).step_by(PARTS).cloned().collect())).collect(),
        sets => sets.iter().map(|set| (set, set.drafts.clone())).collect(),
    };
    let taught: Vec<Vec<Lesson>> = parts.iter().map(|(_, drafts)| lessons(drafts, evasions)).collect();
    let seen: Vec<Result<Vec<Seen>>> = parts
        .par_iter()
        .enumerate()
        .map(|(left_out, (_, drafts))| {
            let others = taught.iter().enumerate().filter(|(part, _)| *part != left_out).flat_map(|(_, lessons)| lessons);
            let model = train(&others.chain(&own).collect::<Vec<_>>(), "", "");
            drafts.iter().map(|draft| see(draft, &checker, evasions, &model)).collect()
        })
        .collect();
    let mut by_set: Vec<(String, Vec<Seen>)> = Vec::new();
    for ((set, _), seen) in parts.iter().zip(seen) {
        match by_set.last_mut() {
            Some((name, all)) if *name == set.name && sets.len() == 1 => all.extend(seen?),
            _ => by_set.push((set.name.clone(), seen?)),
        }
    }
    let mut model = train(&taught.iter().flatten().chain(&own).collect::<Vec<_>>(), version, &note);
    model.softening = softening(by_set.iter().flat_map(|(_, seen)| seen));
    model.thresholds = thresholds(by_set.iter().flat_map(|(_, seen)| seen));
    let held_out = by_set.into_iter().map(|(name, seen)| DraftReport::new(name, &seen, &model)).collect();
    Ok(Learnt { model, held_out })
}

/// What the checks and `model` find in a set that it has not read.
///
/// # Errors
/// If a draft cannot be checked.
pub fn hold_out(set: &DraftSet, corpus: &Corpus, model: &Likeness) -> Result<DraftReport> {
    let checker = Checker::new(&corpus.screening)?;
    let evasions = &corpus.screening.evasions;
    let seen: Result<Vec<Seen>> = set.drafts.par_iter().map(|draft| see(draft, &checker, evasions, model)).collect();
    Ok(DraftReport::new(set.name.clone(), &seen?, model))
}

fn see(draft: &LabelledDraft, checker: &Checker, evasions: &Evasions, model: &Likeness) -> Result<Seen> {
    let chars: Vec<char> = draft.text.chars().collect();
    let violations = checker.check(&draft.text, None)?;
    debug_assert!(violations.iter().all(|violation| violation.matched_by == MatchedBy::Words));
    let suspicions = model.read(&chars, &Reading::new(&draft.text, evasions));
    Ok(Seen { fault: draft.fault, chars, violations, suspicions })
}

/// For each share the lowest probability that no more of the clean drafts exceed, with a sentence that no check finds fault
/// with; rounded up.
fn thresholds<'s>(seen: impl Iterator<Item = &'s Seen>) -> Vec<(f32, f32)> {
    let mut clean: Vec<f32> = seen.filter(|seen| seen.fault.is_none()).map(Seen::suspicion).collect();
    clean.sort_by(|a, b| b.total_cmp(a));
    let highest = |share: &f32| {
        let allowed = (share * clean.len() as f32) as usize;
        let least = clean.get(allowed).copied().unwrap_or(0.0);
        (*share, ((least * 1e4).ceil() / 1e4).min(1.0))
    };
    SHARES.iter().map(highest).collect()
}

/// For each share the highest probability below which no more of the rightly blocked drafts lie; rounded down.
fn softening<'s>(seen: impl Iterator<Item = &'s Seen>) -> Vec<(f32, f32)> {
    let mut blocked: Vec<f32> = seen.filter(|seen| seen.fault.is_some()).filter_map(Seen::blocked_at).collect();
    blocked.sort_by(f32::total_cmp);
    let lowest = |share: &f32| {
        let allowed = (share * blocked.len() as f32) as usize;
        let least = blocked.get(allowed).copied().unwrap_or(0.0);
        (*share, (least * 1e4).floor() / 1e4)
    };
    SOFTENED.iter().map(lowest).collect()
}

/// Sentences of drafts: those that hold offending words break the rule, all others are clean.
fn lessons(drafts: &[LabelledDraft], evasions: &Evasions) -> Vec<Lesson> {
    let mut out = Vec::new();
    for draft in drafts {
        let chars: Vec<char> = draft.text.chars().collect();
        for sentence in likeness::sentences(&chars, &Reading::new(&draft.text, evasions)) {
            let broken = draft.fault.filter(|(_, words)| words.start < sentence.span.end && sentence.span.start < words.end);
            out.push(Lesson { keys: sentence.features(), class: likeness::class(broken.map(|(rule, _)| rule)) });
        }
    }
    out
}

/// Learns the weights.
fn train(lessons: &[&Lesson], version: &str, note: &str) -> Likeness {
    let mut counts: BTreeMap<Key, usize> = BTreeMap::new();
    lessons.iter().flat_map(|lesson| &lesson.keys).for_each(|key| *counts.entry(*key).or_default() += 1);
    counts.retain(|key, count| *count >= SEEN[likeness::signs_of(*key).min(LONGEST) - 1]);
    let places: HashMap<Key, usize> = counts.keys().enumerate().map(|(place, key)| (*key, place)).collect();
    let rows: Vec<(Vec<usize>, f32, usize)> = lessons
        .iter()
        .map(|lesson| {
            let known = lesson.keys.iter().filter_map(|key| places.get(key).copied()).collect();
            (known, likeness::share(lesson.keys.len()), lesson.class)
        })
        .collect();
    let mut weights = vec![[0.0_f32; CLASSES]; places.len()];
    let mut squares = vec![[BEGINNING; CLASSES]; places.len()];
    let mut bias = [0.0_f32; CLASSES];
    let mut order: Vec<usize> = (0..rows.len()).collect();
    let mut shuffle = Shuffle(1);
    for pass in 0..PASSES {
        shuffle.apply(&mut order);
        let step = STEP * (1.0 - pass as f32 / PASSES as f32);
        for (known, share, class) in order.iter().map(|at| &rows[*at]) {
            let mut error = bias;
            for place in known {
                error.iter_mut().zip(&weights[*place]).for_each(|(score, weight)| *score += weight * share);
            }
            likeness::softmax(&mut error);
            error[*class] -= 1.0;
            bias.iter_mut().zip(&error).for_each(|(bias, error)| *bias -= BIAS_STEP * error);
            for place in known {
                let (row, squares) = (&mut weights[*place], &mut squares[*place]);
                for class in 0..CLASSES {
                    let gradient = error[class] * share + DECAY * row[class];
                    squares[class] += gradient * gradient;
                    row[class] -= step * gradient / squares[class].sqrt();
                }
            }
        }
    }
    let rows = places.into_iter().map(|(key, place)| (key, weights[place])).collect();
    Likeness::new(version.to_owned(), note.to_owned(), bias, rows)
}

/// A fixed sequence of orders (Fisher–Yates over a linear congruential generator, Knuth's MMIX constants).
struct Shuffle(u64);

impl Shuffle {
    fn apply(&mut self, order: &mut [usize]) {
        for at in (1..order.len()).rev() {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            order.swap(at, (self.0 >> 33) as usize % (at + 1));
        }
    }
}
