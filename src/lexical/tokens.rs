//! Each unit's tokens as numbers, for exact comparison of a query with a candidate: how much of the query the candidate
//! covers, and how much of the candidate the query covers, weighted by how rare the tokens are.

use std::collections::HashMap;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result};
use crate::text::Tokens;

/// A kind of token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Channel {
    /// jieba words.
    Words = 0,
    /// Single characters.
    Chars = 1,
    /// Character bigrams.
    Bigrams = 2,
}

/// A phrasing of more characters is a passage, whose pairs are kept in their order as well.
pub const SHORT_CHARS: usize = 20;
/// Neighbouring pairs that make a stretch.
const STRETCH: usize = 25;
/// Name of the lists in order.
const ORDERED: &str = "bigrams_in_order";

const CHANNELS: [&str; 3] = ["words", "chars", "bigrams"];

/// How two texts overlap in one channel; all values lie between 0 and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Overlap {
    /// Share of the query's weight that the unit has.
    pub of_query: f32,
    /// Share of the unit's weight that the query has.
    pub of_unit: f32,
}

/// A token as a number: 32 bits of FNV-1a over its UTF-8 bytes. A collision among some hundred thousand tokens is rare and costs
/// one wrong overlap of one token.
fn token_id(token: &str) -> u32 {
    let hash = token.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3));
    (hash ^ (hash >> 32)) as u32
}

/// Ragged lists of token numbers, one for each unit; sorted where nothing else is said.
#[derive(Default)]
struct Ragged {
    ends: Vec<u32>,
    ids: Vec<u32>,
    /// The rarity of each of `ids`: comparing reads them in a row, where looking each one up would take most of a query's time.
    weights: Vec<f32>,
    /// The sum of each unit's weights.
    totals: Vec<f32>,
}

impl Ragged {
    fn push(&mut self, tokens: &[String]) {
        let start = self.ids.len();
        self.push_in_order(tokens);
        self.ids[start..].sort_unstable();
    }

    fn push_in_order(&mut self, tokens: &[String]) {
        self.ids.extend(tokens.iter().map(|token| token_id(token)));
        self.ends.push(self.ids.len() as u32);
    }

    fn get(&self, unit: u32) -> &[u32] {
        &self.ids[self.range(unit)]
    }

    fn range(&self, unit: u32) -> std::ops::Range<usize> {
        let unit = unit as usize;
        let start = if unit == 0 { 0 } else { self.ends[unit - 1] as usize };
        start..self.ends[unit] as usize
    }
}

/// The tokens of all units, with the rarity of each token.
#[derive(Default)]
pub struct TokenStore {
    lists: [Ragged; 3],
    /// The pairs of long phrasings as they stand in the text; empty for the rest.
    ordered: Ragged,
    rarity: [HashMap<u32, f32>; 3],
    unknown: [f32; 3],
}

/// A query's tokens as numbers with their weights.
pub struct QueryTokens {
    lists: [Vec<(u32, f32)>; 3],
    totals: [f32; 3],
    /// The weight of all pairs, one that was asked twice counted once.
    pairs: f32,
    marks: [Marks; 3],
}

/// A look at one bit tells of most tokens that a query does not have them.
#[derive(Clone, Copy, Default)]
struct Marks([u64; 16]);

impl Marks {
    fn of(list: &[(u32, f32)]) -> Self {
        let mut marks = Marks::default();
        for (id, _) in list {
            marks.0[*id as usize / 64 % 16] |= 1 << (id % 64);
        }
        marks
    }

    /// False only where `id` is not marked.
    fn may_have(&self, id: u32) -> bool {
        self.0[id as usize / 64 % 16] >> (id % 64) & 1 == 1
    }
}

impl TokenStore {
    /// Adds the next unit; `phrasing` if it is one.
    pub fn push(&mut self, tokens: &Tokens, phrasing: bool) {
        let passage = phrasing && tokens.chars.len() > SHORT_CHARS;
        self.ordered.push_in_order(if passage { &tokens.bigrams } else { &[] });
        for (list, tokens) in self.lists.iter_mut().zip([&tokens.words, &tokens.chars, &tokens.bigrams]) {
            list.push(tokens);
        }
    }

    /// Number of units.
    pub fn len(&self) -> usize {
        self.lists[0].ends.len()
    }

    /// True if there is no unit.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Counts in how many units each token occurs. To be called once after the last `push`.
    pub fn weigh(&mut self) {
        let total = self.len() as f32;
        for channel in 0..CHANNELS.len() {
            let mut counts: HashMap<u32, u32> = HashMap::new();
            for unit in 0..self.len() as u32 {
                let mut previous = None;
                for &id in self.lists[channel].get(unit) {
                    if previous.replace(id) != Some(id) {
                        *counts.entry(id).or_default() += 1;
                    }
                }
            }
            let rarity = |count: f32| (1.0 + (total - count + 0.5) / (count + 0.5)).ln();
            self.unknown[channel] = rarity(0.0);
            self.rarity[channel] = counts.into_iter().map(|(id, count)| (id, rarity(count as f32))).collect();
            let weights: Vec<f32> = self.lists[channel].ids.iter().map(|&id| self.rarity_of(channel, id)).collect();
            let list = &mut self.lists[channel];
            list.totals = (0..list.ends.len() as u32)
                .map(|unit| weights[list.range(unit)].iter().fold(0.0, |sum, weight| sum + weight))
                .collect();
            list.weights = weights;
        }
    }

    /// Inverse document frequency of a token; that of an unseen one for a token no unit has.
    pub fn rarity(&self, channel: Channel, token: &str) -> f32 {
        self.rarity_of(channel as usize, token_id(token))
    }

    /// True if any unit has this token.
    pub fn knows(&self, channel: Channel, token: &str) -> bool {
        self.rarity[channel as usize].contains_key(&token_id(token))
    }

    fn rarity_of(&self, channel: usize, id: u32) -> f32 {
        self.rarity[channel].get(&id).copied().unwrap_or(self.unknown[channel])
    }

    /// Prepares a query for comparisons.
    pub fn query(&self, tokens: &Tokens) -> QueryTokens {
        let mut lists: [Vec<(u32, f32)>; 3] = Default::default();
        let mut totals = [0.0; 3];
        let mut marks = [Marks::default(); 3];
        for (channel, tokens) in [&tokens.words, &tokens.chars, &tokens.bigrams].into_iter().enumerate() {
            let mut list: Vec<(u32, f32)> =
                tokens.iter().map(|token| token_id(token)).map(|id| (id, self.rarity_of(channel, id))).collect();
            list.sort_unstable_by_key(|(id, _)| *id);
            totals[channel] = list.iter().map(|(_, weight)| weight).sum();
            marks[channel] = Marks::of(&list);
            lists[channel] = list;
        }
        let pairs = lists[Channel::Bigrams as usize].chunk_by(|a, b| a.0 == b.0).map(|same| same[0].1).sum();
        QueryTokens { lists, totals, pairs, marks }
    }

    /// Compares a query with a unit in one channel.
    pub fn overlap(&self, query: &QueryTokens, unit: u32, channel: Channel) -> Overlap {
        let channel = channel as usize;
        let (query_list, list) = (&query.lists[channel], &self.lists[channel]);
        let range = list.range(unit);
        let (mut i, mut shared) = (0, 0.0);
        let marks = &query.marks[channel];
        let units = list.ids[range.clone()].iter().zip(&list.weights[range]);
        for (&id, &weight) in units.filter(|(id, _)| marks.may_have(**id)) {
            while i < query_list.len() && query_list[i].0 < id {
                i += 1;
            }
            let Some(&(asked, _)) = query_list.get(i) else { break };
            if asked == id {
                shared += weight;
                i += 1;
            }
        }
        let ratio = |whole: f32| if whole > 0.0 { (shared / whole).min(1.0) } else { 0.0 };
        Overlap { of_query: ratio(query.totals[channel]), of_unit: ratio(list.totals[unit as usize]) }
    }

    /// Weight of the rarest token of the query that the unit lacks, over that of the query's rarest token; 0 to 1.
    pub fn rarest_missing(&self, query: &QueryTokens, unit: u32, channel: Channel) -> f32 {
        let channel = channel as usize;
        let unit_list = self.lists[channel].get(unit);
        let (mut rarest, mut missing) = (0.0_f32, 0.0_f32);
        for (id, weight) in &query.lists[channel] {
            rarest = rarest.max(*weight);
            if unit_list.binary_search(id).is_err() {
                missing = missing.max(*weight);
            }
        }
        if rarest > 0.0 { missing / rarest } else { 0.0 }
    }

    /// How much of the query stands close together in a long phrasing: the greatest share of the weight of the query's pairs that a
    /// stretch of it has, from 0 to 1; 0 for a short one, which is one stretch.
    pub fn closeness(&self, query: &QueryTokens, unit: u32) -> f32 {
        let (asked, marks) = (&query.lists[Channel::Bigrams as usize], &query.marks[Channel::Bigrams as usize]);
        // Where pairs of the query stand, and which.
        let mut places: Vec<(usize, usize)> = Vec::new();
        for (place, id) in self.ordered.get(unit).iter().enumerate().filter(|(_, id)| marks.may_have(**id)) {
            let found = asked.partition_point(|(asked, _)| asked < id);
            if asked.get(found).is_some_and(|(asked, _)| asked == id) {
                places.push((place, found));
            }
        }
        if places.is_empty() {
            return 0.0;
        }
        let (mut counts, mut first) = (vec![0_u32; asked.len()], 0);
        let (mut sum, mut best) = (0.0_f32, 0.0_f32);
        for &(place, found) in &places {
            counts[found] += 1;
            if counts[found] == 1 {
                sum += asked[found].1;
            }
            while places[first].0 + STRETCH < place {
                let left = places[first].1;
                counts[left] -= 1;
                if counts[left] == 0 {
                    sum -= asked[left].1;
                }
                first += 1;
            }
            best = best.max(sum);
        }
        if query.pairs > 0.0 { (best / query.pairs).min(1.0) } else { 0.0 }
    }

    /// Number of tokens of a unit in one channel.
    pub fn length(&self, unit: u32, channel: Channel) -> usize {
        self.lists[channel as usize].get(unit).len()
    }

    /// Writes the lists to `path`, in safetensors format.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes: Vec<(String, Vec<u8>)> = CHANNELS
            .iter()
            .zip(&self.lists)
            .chain([(&ORDERED, &self.ordered)])
            .flat_map(|(name, list)| {
                let raw = |values: &[u32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
                [(format!("{name}.ends"), raw(&list.ends)), (format!("{name}.ids"), raw(&list.ids))]
            })
            .collect();
        let views: Vec<(&str, TensorView)> = bytes
            .iter()
            .map(|(name, bytes)| {
                TensorView::new(Dtype::U32, vec![bytes.len() / 4], bytes)
                    .map(|view| (name.as_str(), view))
                    .map_err(|error| Error::internal("cannot write tokens", error))
            })
            .collect::<Result<_>>()?;
        let data = safetensors::serialize(views, None).map_err(|error| Error::internal("cannot write tokens", error))?;
        std::fs::write(path, data).map_err(|source| Error::io(path, source))
    }

    /// Reads lists written by [`TokenStore::save`].
    pub fn load(path: &Path) -> Result<Self> {
        let data = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let damaged = |what: &str| Error::Internal(format!("{}: {what}", path.display()));
        let tensors = SafeTensors::deserialize(&data).map_err(|error| damaged(&error.to_string()))?;
        let read = |name: String| -> Result<Vec<u32>> {
            let view = tensors.tensor(&name).map_err(|error| damaged(&error.to_string()))?;
            if view.dtype() != Dtype::U32 {
                return Err(damaged("has another number type"));
            }
            Ok(view.data().chunks_exact(4).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
        };
        let mut store = TokenStore::default();
        for (name, list) in CHANNELS.iter().zip(&mut store.lists).chain([(&ORDERED, &mut store.ordered)]) {
            *list = Ragged { ends: read(format!("{name}.ends"))?, ids: read(format!("{name}.ids"))?, ..Ragged::default() };
            let ordered = list.ends.is_sorted() && list.ends.last().copied().unwrap_or(0) as usize == list.ids.len();
            if !ordered {
                return Err(damaged("lists do not fit together"));
            }
        }
        if store.lists.iter().chain([&store.ordered]).any(|list| list.ends.len() != store.len()) {
            return Err(damaged("lists have different lengths"));
        }
        store.weigh();
        Ok(store)
    }
}
