//! Evidence: what is measured of a candidate, in a form that can be compared between queries and corpora.

use super::retrieve::Candidate;
use super::{Mode, Understood};
use crate::corpus::Kind;
use crate::generation::{Generation, UnitField};
use crate::lexical::{Channel, SHORT_CHARS};

/// Declares the features once: name and meaning.
macro_rules! features {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Evidence for one candidate. Unless said otherwise values lie between 0 and 1.
        #[derive(Debug, Clone, Copy, Default, PartialEq)]
        pub struct Features { $($(#[$doc])* pub $name: f32),+ }

        /// Names of all features, in order.
        pub const FEATURES: &[&str] = &[$(stringify!($name)),+];

        impl Features {
            /// All values, in the order of [`FEATURES`].
            pub fn values(&self) -> [f32; FEATURES.len()] {
                [$(self.$name),+]
            }
        }
    };
}

features! {
    /// Cosine of the nearest phrasing.
    cosine,
    /// `cosine` less the best one of any other entry: positive for the leader, negative for the rest.
    cosine_lead,
    /// How far `cosine` stands out from all candidates, in sixths of a standard deviation around their mean.
    cosine_z,
    /// Mean cosine of the three nearest phrasings.
    cosine_mean3,
    /// Cosine of the centre of an entry's phrasings less that of the nearest one; 0 where there is only one phrasing.
    cosine_centre,
    /// How near its phrasings are to those of other entries, whatever was asked.
    crowding,
    /// Cosine of the nearest passage.
    cosine_body,
    /// How well the places of the query are met by those of the best phrasing. Like the next four it is measured for the candidates
    /// that come near, and the others get the least of what was measured; where the model knows no places, the cosine stands in.
    aligned,
    /// The same with each place weighing as much as its character is rare in the corpus.
    aligned_rare,
    /// How well the places of that phrasing are met by those of the query.
    aligned_of_unit,
    /// How well the worst met place of weight of the query is met by that phrasing.
    aligned_least,
    /// How well the places of the query are met by those of the best passage.
    aligned_body,
    /// Cosine of the nearest phrasing by the second reading, which knows the order of words; where the model has none, `cosine`.
    context,
    /// Mean of that of the three nearest phrasings.
    context_mean3,
    /// `context` times `long`.
    context_long,
    /// Cosine of the nearest passage by the second reading; where the model has none, `cosine_body`.
    context_body,
    /// Mean `context` of the five best other entries, at least .3: how much of the corpus resembles the query.
    context_around,
    /// Reciprocal rank by `cosine`.
    cosine_rank,
    /// BM25 of the best phrasing, relative to the best among the candidates.
    bm25,
    /// `bm25` less the best one of any other entry.
    bm25_lead,
    /// Reciprocal rank by BM25.
    bm25_rank,
    /// BM25 of the best passage, relative to the best among the candidates.
    bm25_body,
    /// Share of the query's characters in the best phrasing.
    chars_of_query,
    /// Share of that phrasing's characters in the query.
    chars_of_unit,
    /// Share of the query's bigrams in the best phrasing.
    bigrams_of_query,
    /// Share of that phrasing's bigrams in the query.
    bigrams_of_unit,
    /// Share of the query's words in the best phrasing.
    words_of_query,
    /// Share of that phrasing's words in the query.
    words_of_unit,
    /// Rarity of the rarest character pair of the query that the best phrasing lacks, relative to the rarest of all.
    rare_missing,
    /// Share of the query's bigrams in the best passage.
    body_bigrams_of_query,
    /// 1 if the query equals a phrasing.
    exact,
    /// `cosine` where the words of the corpus do not cover the query: times one minus the best coverage of any candidate.
    cosine_uncovered,
    /// `bm25` where they do: times the best coverage of any candidate.
    bm25_covered,
    /// How much the nearest phrasing is a passage rather than a question, by its length; the next four are `cosine`, `aligned`, `bm25` and
    /// `bigrams_of_query` times this: against long texts keywords say more and one vector for the whole says less.
    long,
    /// `cosine` times `long`.
    cosine_long,
    /// `aligned` times `long`.
    aligned_long,
    /// `bm25` times `long`.
    bm25_long,
    /// `bigrams_of_query` times `long`.
    bigrams_long,
    /// Greatest share of the query's bigrams in a stretch of the nearest phrasing, times `long`: words that stand together belong together.
    bigrams_close_long,
    /// Length of the shorter of query and nearest phrasing over the longer.
    length_ratio,
    /// 1 if just one of query and nearest phrasing speaks of what fails or is undone; this and the next two are 0 for passages.
    adversity_differs,
    /// Half the number, up to two, of pairs of opposites of which the query means one side and the nearest phrasing the other.
    opposed,
    /// Half the number, up to two, of things that the nearest phrasing asks for (why, when, how much …) and the query does not.
    asks_beyond,
    /// How much nearer the query is to a negative phrasing than to any of its own.
    negative,
    /// 1 if the nearest phrasing is the standard question.
    in_question,
    /// 1 for a manual.
    is_manual,
    /// 1 for a script.
    is_script,
    /// 1 for a risk rule.
    is_risk,
}

/// A candidate with its evidence.
#[derive(Debug, Clone, Copy)]
pub struct Judged {
    /// Index of the target in the generation.
    pub target: u32,
    /// The evidence.
    pub features: Features,
    /// The unit that speaks most for it.
    pub matched: u32,
}

/// Candidates that are compared with the query place by place.
const ALIGNED: usize = 24;
/// Candidates whose passages are.
const ALIGNED_BODIES: usize = 6;
/// Entries that show how much of the corpus resembles the query.
const AROUND: usize = 5;
/// In a corpus of a few entries nothing else is near, whatever is asked; that says no more than what is usual in a larger one.
const LEAST_AROUND: f32 = 0.3;
/// Length from which it is a passage.
const LONG_CHARS: f32 = 80.0;
/// Places of a unit that are compared.
const UNIT_PLACES: usize = 192;

/// The units of a candidate that its evidence came from.
#[derive(Clone, Copy, Default)]
struct Sources {
    nearest: Option<u32>,
    phrase: Option<u32>,
    passage: Option<u32>,
}

/// Measures all candidates.
pub(super) fn compute(generation: &Generation, understood: &Understood, candidates: &[Candidate], mode: Mode) -> Vec<Judged> {
    let Understood { tokens, vector, .. } = understood;
    let query_tokens = generation.tokens.query(tokens);
    let query_length = tokens.chars.len() as f32;
    let top_bm25 = candidates.iter().map(|c| c.phrase_bm25).fold(0.0, f32::max);
    let top_body = candidates.iter().map(|c| c.body_bm25).fold(0.0, f32::max);
    let (mut judged, sources): (Vec<Judged>, Vec<Sources>) = candidates
        .iter()
        .map(|candidate| {
            let target = &generation.targets[candidate.target as usize];
            let mut f = Features::default();
            let mut nearest = [f32::NEG_INFINITY; 3];
            let (mut best_unit, mut best_evidence) = (target.units.start, f32::NEG_INFINITY);
            let (mut sum, mut phrasings) = (0.0_f32, 0_u32);
            let (mut nearest_unit, mut best_overlap) = (target.units.start, -1.0);
            let (mut sources, mut best_phrase, mut best_passage) = (Sources::default(), f32::NEG_INFINITY, f32::NEG_INFINITY);
            let cosines = generation.vectors.cosines(vector, target.units.clone());
            for (unit, cosine) in target.units.clone().zip(cosines) {
                let field = generation.units[unit as usize].field;
                if field == UnitField::Body {
                    f.cosine_body = f.cosine_body.max(cosine);
                    let bigrams = generation.tokens.overlap(&query_tokens, unit, Channel::Bigrams).of_query;
                    f.body_bigrams_of_query = f.body_bigrams_of_query.max(bigrams);
                    let evidence = 0.5 * (cosine + bigrams);
                    if evidence > best_passage {
                        (sources.passage, best_passage) = (Some(unit), evidence);
                    }
                    if evidence > best_evidence {
                        (best_unit, best_evidence) = (unit, evidence);
                    }
                    continue;
                }
                if cosine > nearest[0] {
                    nearest_unit = unit;
                    sources.nearest = Some(unit);
                }
                insert_sorted(&mut nearest, cosine);
                (sum, phrasings) = (sum + cosine, phrasings + 1);
                let chars = generation.tokens.overlap(&query_tokens, unit, Channel::Chars);
                let bigrams = generation.tokens.overlap(&query_tokens, unit, Channel::Bigrams);
                let overlap = chars.of_query + bigrams.of_query + 0.5 * (chars.of_unit + bigrams.of_unit);
                if overlap > best_overlap {
                    best_overlap = overlap;
                    (f.chars_of_query, f.chars_of_unit) = (chars.of_query, chars.of_unit);
                    (f.bigrams_of_query, f.bigrams_of_unit) = (bigrams.of_query, bigrams.of_unit);
                    let words = generation.tokens.overlap(&query_tokens, unit, Channel::Words);
                    (f.words_of_query, f.words_of_unit) = (words.of_query, words.of_unit);
                    f.rare_missing = generation.tokens.rarest_missing(&query_tokens, unit, Channel::Bigrams);
                }
                if chars.of_query >= 1.0 && chars.of_unit >= 1.0 && bigrams.of_query >= 1.0 && bigrams.of_unit >= 1.0 {
                    f.exact = 1.0;
                }
                let evidence = cosine + overlap / 3.0;
                if evidence > best_phrase {
                    (sources.phrase, best_phrase) = (Some(unit), evidence);
                }
                if evidence > best_evidence {
                    (best_unit, best_evidence) = (unit, evidence);
                }
            }
            let known: Vec<f32> = nearest.into_iter().filter(|cosine| cosine.is_finite()).collect();
            f.cosine = nearest[0].max(0.0);
            f.cosine_mean3 = if known.is_empty() { 0.0 } else { known.iter().sum::<f32>() / known.len() as f32 };
            let centre = generation.centres[candidate.target as usize];
            if phrasings > 1 && centre > 0.0 {
                f.cosine_centre = sum / (phrasings as f32 * centre) - nearest[0];
            }
            f.crowding = generation.crowding[candidate.target as usize];
            f.bm25 = ratio(candidate.phrase_bm25, top_bm25);
            f.bm25_body = ratio(candidate.body_bm25, top_body);
            let unit_length = generation.tokens.length(nearest_unit, Channel::Chars) as f32;
            f.long = ((unit_length - SHORT_CHARS as f32) / (LONG_CHARS - SHORT_CHARS as f32)).clamp(0.0, 1.0);
            if f.long > 0.0 {
                f.bigrams_close_long = f.long * generation.tokens.closeness(&query_tokens, nearest_unit);
            }
            f.length_ratio = ratio(query_length.min(unit_length), query_length.max(unit_length));
            if sources.nearest.is_some() {
                let (asked, form) = (&understood.form, &generation.forms[nearest_unit as usize]);
                let short = 1.0 - f.long;
                f.adversity_differs = short * f32::from(u8::from(asked.differs_in_adversity(form)));
                f.opposed = short * asked.opposed(form).min(2) as f32 / 2.0;
                f.asks_beyond = short * form.asks_beyond(asked).min(2) as f32 / 2.0;
            }
            for cosine in generation.vectors.cosines(vector, target.negatives.clone()) {
                f.negative = f.negative.max(cosine - f.cosine);
            }
            f.in_question = f32::from(generation.units[nearest_unit as usize].field == UnitField::Question);
            match generation.entries[target.entry as usize].kind() {
                Kind::Faq => {}
                Kind::Manual => f.is_manual = 1.0,
                Kind::Script => f.is_script = 1.0,
                Kind::Risk => f.is_risk = 1.0,
            }
            (Judged { target: candidate.target, features: f, matched: best_unit }, sources)
        })
        .unzip();
    if mode == Mode::Hybrid {
        read_again(generation, understood, &mut judged);
        look_around(generation, &mut judged);
        align(generation, understood, &mut judged, &sources);
    }
    for Judged { features: f, .. } in &mut judged {
        f.cosine_long = f.cosine * f.long;
        f.context_long = f.context * f.long;
        f.aligned_long = f.aligned * f.long;
        f.bm25_long = f.bm25 * f.long;
        f.bigrams_long = f.bigrams_of_query * f.long;
    }
    relate(generation, &mut judged);
    judged
}

/// Compares the candidates with the query by the second reading, or by the first where the model has no second one.
fn read_again(generation: &Generation, understood: &Understood, judged: &mut [Judged]) {
    for Judged { target, features: f, .. } in judged {
        if understood.context.is_empty() {
            (f.context, f.context_mean3, f.context_body) = (f.cosine, f.cosine_mean3, f.cosine_body);
            continue;
        }
        let units = generation.targets[*target as usize].units.clone();
        let mut nearest = [f32::NEG_INFINITY; 3];
        for (unit, cosine) in units.clone().zip(generation.contexts.cosines(&understood.context, units)) {
            if generation.units[unit as usize].field == UnitField::Body {
                f.context_body = f.context_body.max(cosine);
            } else {
                insert_sorted(&mut nearest, cosine);
            }
        }
        let known: Vec<f32> = nearest.into_iter().filter(|cosine| cosine.is_finite()).collect();
        f.context = nearest[0].max(0.0);
        f.context_mean3 = if known.is_empty() { 0.0 } else { known.iter().sum::<f32>() / known.len() as f32 };
    }
}

/// Measures, for each candidate, how near the best other entries come.
fn look_around(generation: &Generation, judged: &mut [Judged]) {
    let entry_of = |j: &Judged| generation.targets[j.target as usize].entry;
    // one more than are counted, since a candidate's own entry does not count
    let mut best: Vec<(u32, f32)> = Vec::with_capacity(AROUND + 1);
    for at in order_by(judged, |f| f.context) {
        let entry = entry_of(&judged[at]);
        if best.iter().all(|(other, _)| *other != entry) {
            best.push((entry, judged[at].features.context));
        }
        if best.len() > AROUND {
            break;
        }
    }
    for j in judged {
        let own = entry_of(j);
        let others: Vec<f32> = best.iter().filter(|(entry, _)| *entry != own).map(|(_, context)| *context).take(AROUND).collect();
        let mean = others.iter().sum::<f32>() / others.len().max(1) as f32;
        j.features.context_around = mean.max(LEAST_AROUND);
    }
}

/// Compares the candidates that come near with the query, place by place.
fn align(generation: &Generation, understood: &Understood, judged: &mut [Judged], sources: &[Sources]) {
    let asked = &understood.places;
    if asked.is_empty() {
        for Judged { features: f, .. } in judged {
            (f.aligned, f.aligned_rare, f.aligned_of_unit, f.aligned_least) = (f.cosine, f.cosine, f.cosine, f.cosine);
            f.aligned_body = f.cosine_body.max(0.0);
        }
        return;
    }
    let agreement = |unit: u32| {
        let unit = &generation.units[unit as usize];
        asked.agreement(&generation.embedder.places(&unit.text, UNIT_PLACES), &understood.rarities)
    };
    let near = order_by(judged, |f| f.cosine + 0.3 * f.bigrams_of_query);
    let (near, far) = near.split_at(ALIGNED.min(near.len()));
    let mut least = [1.0_f32; 4];
    for &at in near {
        let f = &mut judged[at].features;
        let Sources { nearest, phrase, .. } = sources[at];
        for unit in nearest.into_iter().chain(phrase.filter(|phrase| Some(*phrase) != nearest)) {
            let found = agreement(unit);
            if found.of_first > f.aligned {
                (f.aligned, f.aligned_of_unit, f.aligned_least) = (found.of_first, found.of_second, found.least);
            }
            f.aligned_rare = f.aligned_rare.max(found.weighted);
        }
        for (least, value) in least.iter_mut().zip([f.aligned, f.aligned_rare, f.aligned_of_unit, f.aligned_least]) {
            *least = least.min(value);
        }
    }
    for &at in far {
        let f = &mut judged[at].features;
        [f.aligned, f.aligned_rare, f.aligned_of_unit, f.aligned_least] = least;
    }
    for at in order_by(judged, |f| f.cosine_body + 0.3 * f.body_bigrams_of_query).into_iter().take(ALIGNED_BODIES) {
        if let Some(unit) = sources[at].passage {
            judged[at].features.aligned_body = agreement(unit).of_first;
        }
    }
}

/// Fills in the features that compare candidates with each other.
fn relate(generation: &Generation, judged: &mut [Judged]) {
    let entry_of = |j: &Judged| generation.targets[j.target as usize].entry;
    let cosine_rivals = best_of_others(judged, entry_of, |f| f.cosine);
    let bm25_rivals = best_of_others(judged, entry_of, |f| f.bm25);
    let count = judged.len().max(1) as f32;
    let mean = judged.iter().map(|j| j.features.cosine).sum::<f32>() / count;
    let variance = judged.iter().map(|j| (j.features.cosine - mean).powi(2)).sum::<f32>() / count;
    let covered = judged.iter().map(|j| j.features.bigrams_of_query.max(j.features.body_bigrams_of_query)).fold(0.0, f32::max);
    for (j, (cosine, bm25)) in judged.iter_mut().zip(cosine_rivals.into_iter().zip(bm25_rivals)) {
        j.features.cosine_lead = j.features.cosine - cosine;
        j.features.bm25_lead = j.features.bm25 - bm25;
        j.features.cosine_z = (j.features.cosine - mean) / (6.0 * variance.sqrt().max(1e-3));
        j.features.cosine_uncovered = j.features.cosine * (1.0 - covered);
        j.features.bm25_covered = j.features.bm25 * covered;
    }
    reciprocal_ranks(judged, |f| f.cosine, |f, rank| f.cosine_rank = rank);
    reciprocal_ranks(judged, |f| f.bm25, |f, rank| f.bm25_rank = rank);
}

/// For each candidate the best value among candidates of other entries; 0 where there are none.
fn best_of_others(judged: &[Judged], entry_of: impl Fn(&Judged) -> u32, key: fn(&Features) -> f32) -> Vec<f32> {
    let (mut first, mut second) = ((0.0, u32::MAX), 0.0_f32);
    for j in judged {
        let (value, entry) = (key(&j.features), entry_of(j));
        if entry == first.1 {
            first.0 = f32::max(first.0, value);
        } else if value > first.0 {
            second = first.0;
            first = (value, entry);
        } else {
            second = second.max(value);
        }
    }
    judged.iter().map(|j| if entry_of(j) == first.1 { second } else { first.0 }).collect()
}

/// Places of candidates by falling `key`, ties by target.
fn order_by(judged: &[Judged], key: fn(&Features) -> f32) -> Vec<usize> {
    let mut order: Vec<usize> = (0..judged.len()).collect();
    order.sort_by(|&a, &b| {
        key(&judged[b].features).total_cmp(&key(&judged[a].features)).then(judged[a].target.cmp(&judged[b].target))
    });
    order
}

fn reciprocal_ranks(judged: &mut [Judged], key: fn(&Features) -> f32, set: fn(&mut Features, f32)) {
    for (rank, at) in order_by(judged, key).into_iter().enumerate() {
        let value = if key(&judged[at].features) > 0.0 { 1.0 / (1.0 + rank as f32) } else { 0.0 };
        set(&mut judged[at].features, value);
    }
}

fn insert_sorted(top: &mut [f32; 3], value: f32) {
    let mut value = value;
    for slot in top {
        if value > *slot {
            std::mem::swap(slot, &mut value);
        }
    }
}

fn ratio(part: f32, whole: f32) -> f32 {
    if whole > 0.0 { part / whole } else { 0.0 }
}
