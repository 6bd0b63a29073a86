//! An inverted file (Sivic & Zisserman 2003; Jégou, Douze & Schmid 2011): rows that point the same way stand in one list, and a
//! search looks through the lists whose centres are nearest to the query until it has seen a certain number of rows that may be
//! found. Which lists those are does not depend on how many results are wanted. What is seen is compared exactly; what is
//! not seen is missed, which is why only stores too large to be looked through whole have lists, and why a search that is to
//! find only a small part of the rows goes on until it has seen all of that part.

use rayon::prelude::*;

use super::coarse::Coarse;
use super::products::{Loop, dot, dots, run};
use super::to_unit_norm;

/// From this many rows on a store has lists.
const LISTED_ROWS: usize = 50_000;
/// Lists, as a multiple of the root of the number of rows.
const LISTS_BY_ROOT: f32 = 2.0;
/// Rows that centres are learned from, for each list.
const SAMPLE_BY_LIST: usize = 32;
/// Rounds of learning.
const ROUNDS: usize = 5;
/// A search sees one row of so many,
const SEEN_SHARE: usize = 12;
/// and so many at least.
const SEEN_LEAST: usize = 10_000;
/// How far the length of a row may be from 1.
const UNIT_SLACK: f32 = 1e-3;
/// Rows and centres that are multiplied with each other at a time, so that both stay near the processor.
const TILE: usize = 32;
/// Rows that one thread assigns at a time.
const PART: usize = 1_024;

/// Which list each row stands in.
pub(super) struct Lists {
    /// One row for each list, of length 1.
    pub centres: Vec<f32>,
    /// The list of each row.
    pub of: Vec<u32>,
}

/// A coarse copy in the order of lists.
pub(super) struct Listed {
    centres: Vec<f32>,
    /// Where the rows of a list end in the copy.
    ends: Vec<u32>,
    /// The rows in the copy's order.
    units: Vec<u32>,
    coarse: Coarse,
}

impl Lists {
    /// Sorts the rows of `values` into lists. None where there are too few for that, or where rows are not of length 1, so that the
    /// nearest could stand far from where the query points.
    pub fn new(values: &[f32], dimensions: usize) -> Option<Self> {
        let rows = values.len().checked_div(dimensions)?;
        let is_unit = |row: &[f32]| {
            let length = dot(row, row).sqrt();
            length == 0.0 || (length - 1.0).abs() <= UNIT_SLACK
        };
        if rows < LISTED_ROWS || !values.par_chunks_exact(dimensions).all(is_unit) {
            return None;
        }
        let lists = ((rows as f32).sqrt() * LISTS_BY_ROOT) as usize;
        let sample: Vec<f32> = sample(rows, lists * SAMPLE_BY_LIST)
            .into_iter()
            .flat_map(|row| &values[row * dimensions..(row + 1) * dimensions])
            .copied()
            .collect();
        let centres = learn(&sample, lists, dimensions);
        let of = assign(values, &centres, dimensions).into_iter().map(|(list, _)| list).collect();
        Some(Lists { centres, of })
    }

    /// Lists that were written before, for a store of `rows` rows.
    ///
    /// # Errors
    /// What does not fit.
    pub fn read(centres: Vec<f32>, of: Vec<u32>, rows: usize, dimensions: usize) -> Result<Self, &'static str> {
        let lists = centres.len().checked_div(dimensions).unwrap_or(0);
        if dimensions == 0 || of.len() != rows || centres.len() != lists * dimensions {
            return Err("lists and rows do not fit together");
        }
        if of.iter().any(|list| *list as usize >= lists) {
            return Err("a row stands in a list that there is not");
        }
        Ok(Lists { centres, of })
    }
}

/// `wanted` of `rows` rows, scattered: by steps of the golden section, which fall in with no period that a corpus could have, such
/// as the number of texts of an entry.
fn sample(rows: usize, wanted: usize) -> Vec<usize> {
    let mut scattered: Vec<(u64, usize)> = (0..rows).map(|row| ((row as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15), row)).collect();
    scattered.sort_unstable();
    scattered.truncate(wanted);
    scattered.into_iter().map(|(_, row)| row).collect()
}

/// Centres by k-means on the sphere (Dhillon & Modha 2001), beginning with rows of the sample. A centre without rows moves to
/// the row that is farthest from its own.
fn learn(sample: &[f32], lists: usize, dimensions: usize) -> Vec<f32> {
    let rows = sample.len() / dimensions;
    let mut centres: Vec<f32> = (0..lists).flat_map(|at| row(sample, at * rows / lists, dimensions)).copied().collect();
    for _ in 0..ROUNDS {
        let nearest = assign(sample, &centres, dimensions);
        let (mut sums, mut counts) = (vec![0.0_f32; centres.len()], vec![0_u32; lists]);
        for ((list, _), values) in nearest.iter().zip(sample.chunks_exact(dimensions)) {
            let sum = &mut sums[*list as usize * dimensions..][..dimensions];
            sum.iter_mut().zip(values).for_each(|(sum, value)| *sum += value);
            counts[*list as usize] += 1;
        }
        let mut farthest: Vec<usize> = (0..rows).collect();
        farthest.sort_by(|&a, &b| nearest[a].1.total_cmp(&nearest[b].1).then(a.cmp(&b)));
        let mut farthest = farthest.into_iter().peekable();
        for ((centre, sum), count) in centres.chunks_exact_mut(dimensions).zip(sums.chunks_exact_mut(dimensions)).zip(counts) {
            to_unit_norm(sum);
            match farthest.next_if(|_| count == 0) {
                Some(at) => centre.copy_from_slice(row(sample, at, dimensions)),
                None => centre.copy_from_slice(sum),
            }
        }
    }
    centres
}

fn row(values: &[f32], at: usize, dimensions: usize) -> &[f32] {
    &values[at * dimensions..][..dimensions]
}

/// The nearest centre of each row with the product, the first of equal ones.
fn assign(values: &[f32], centres: &[f32], dimensions: usize) -> Vec<(u32, f32)> {
    let mut nearest = vec![(0, f32::NEG_INFINITY); values.len() / dimensions];
    let parts = nearest.par_chunks_mut(PART).zip(values.par_chunks(PART * dimensions));
    parts.for_each(|(nearest, rows)| run(Nearest { rows, centres, dimensions, nearest }));
    nearest
}

struct Nearest<'a> {
    rows: &'a [f32],
    centres: &'a [f32],
    dimensions: usize,
    nearest: &'a mut [(u32, f32)],
}

impl Loop for Nearest<'_> {
    #[inline(always)]
    fn run(self, product: impl Fn(&[f32], &[f32]) -> f32) {
        let width = TILE * self.dimensions;
        for (rows, nearest) in self.rows.chunks(width).zip(self.nearest.chunks_mut(TILE)) {
            for (centres, first) in self.centres.chunks(width).zip((0_u32..).step_by(TILE)) {
                for (row, nearest) in rows.chunks_exact(self.dimensions).zip(&mut *nearest) {
                    for (centre, list) in centres.chunks_exact(self.dimensions).zip(first..) {
                        let product = product(row, centre);
                        if product > nearest.1 {
                            *nearest = (list, product);
                        }
                    }
                }
            }
        }
    }
}

impl Listed {
    /// Copies the rows of `values` in the order of `lists`; none where rows are too long.
    pub fn new(values: &[f32], dimensions: usize, lists: Lists) -> Option<Self> {
        let mut ends = vec![0_u32; lists.centres.len() / dimensions];
        lists.of.iter().for_each(|list| ends[*list as usize] += 1);
        let mut end = 0;
        for list in &mut ends {
            end += *list;
            *list = end;
        }
        let mut units: Vec<u32> = (0..lists.of.len() as u32).collect();
        units.sort_unstable_by_key(|unit| (lists.of[*unit as usize], *unit));
        let coarse = Coarse::new(units.par_iter().map(|unit| row(values, *unit as usize, dimensions)), dimensions)?;
        Some(Listed { centres: lists.centres, ends, units, coarse })
    }

    /// Rows that `allowed` accepts, in order: of those that are looked through all of the `limit` nearest to `query`.
    pub fn nearest(&self, query: &[f32], limit: usize, allowed: impl Fn(u32) -> bool) -> Vec<u32> {
        let mut products = vec![0.0; self.ends.len()];
        dots(query, &self.centres, &mut products);
        let mut order: Vec<u32> = (0..self.ends.len() as u32).collect();
        order.sort_unstable_by(|a, b| products[*b as usize].total_cmp(&products[*a as usize]).then(a.cmp(b)));
        let enough = (self.units.len() / SEEN_SHARE).max(SEEN_LEAST);
        let mut seen: Vec<u32> = Vec::with_capacity(enough);
        for list in order {
            if seen.len() >= enough {
                break;
            }
            let start = if list == 0 { 0 } else { self.ends[list as usize - 1] };
            let places = start..self.ends[list as usize];
            seen.extend(places.filter(|place| allowed(self.units[*place as usize])));
        }
        let mut units = self.coarse.nearest_of(query, &seen, limit);
        units.iter_mut().for_each(|place| *place = self.units[*place as usize]);
        units.sort_unstable();
        units
    }
}
