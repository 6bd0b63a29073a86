//! A coarse copy of a matrix of vectors, eight bits a value with one scale a row: a quarter of the memory that a search has to
//! read, which is what a search over many rows takes its time for. A row's rounding error is known, so the rows it leaves out
//! are certain not to be among the nearest; what is left is to be compared exactly. Sums are of whole numbers and so do not
//! depend on the machine or on how rows were cut into parts.

use pulp::{Arch, Simd, WithSimd};
use rayon::prelude::*;

use super::products::dot;

/// Rows looked through by one thread at a time.
const PART: usize = 4_096;
/// From this many rows on all cores look through them; waking others for less takes longer than it saves.
const PARALLEL_ROWS: usize = 16_384;
/// Greatest value of a rounded row.
const ROW_MOST: f32 = 127.0;
/// Greatest value of a rounded query: finer than rows, so that rows alone make the error.
const QUERY_MOST: f32 = 4_095.0;
/// Longer rows could overflow a sum of 32 bits.
const MOST_DIMENSIONS: usize = 4_096;
/// What the rounding of exact products may come to, as a share of the lengths.
const SLACK: f32 = 1e-5;

/// The copy.
pub(super) struct Coarse {
    dimensions: usize,
    values: Vec<i8>,
    rows: Vec<Row>,
}

/// What is known of a row besides its rounded values.
#[derive(Clone, Copy, Default)]
struct Row {
    /// What a rounded value of 1 stands for.
    scale: f32,
    /// Length of the difference between the row and its rounded copy.
    error: f32,
    /// Length of the rounded copy.
    length: f32,
}

/// A rounded query.
struct Rounded {
    values: Vec<i16>,
    scale: f32,
    length: f32,
    error: f32,
}

impl Coarse {
    /// Copies `values`, one row after the other; none where rows are too long.
    pub fn new<'v>(values: impl IndexedParallelIterator<Item = &'v [f32]>, dimensions: usize) -> Option<Self> {
        if dimensions == 0 || dimensions > MOST_DIMENSIONS {
            return None;
        }
        let mut rounded = vec![0_i8; values.len() * dimensions];
        let mut rows = vec![Row::default(); values.len()];
        let each = rounded.par_chunks_exact_mut(dimensions).zip(&mut rows).zip(values);
        each.for_each(|((rounded, row), exact)| {
            let scale = scale(exact, ROW_MOST);
            let (mut error, mut length) = (0.0_f32, 0.0_f32);
            for (rounded, exact) in rounded.iter_mut().zip(exact) {
                *rounded = (exact / scale).round() as i8;
                let value = f32::from(*rounded) * scale;
                error += (exact - value) * (exact - value);
                length += value * value;
            }
            *row = Row { scale, error: error.sqrt(), length: length.sqrt() };
        });
        Some(Coarse { dimensions, values: rounded, rows })
    }

    /// Rows that `allowed` accepts, all of the `limit` nearest to `query` among them, in order.
    pub fn nearest(&self, query: &[f32], limit: usize, allowed: &(impl Fn(u32) -> bool + Sync)) -> Vec<u32> {
        let query = Rounded::new(query);
        let part = |(part, (values, rows)): (usize, (&[i8], &[Row]))| {
            let mut sums = vec![0_i32; rows.len()];
            Arch::new().dispatch(Products { query: &query.values, rows: values, sums: &mut sums });
            let first = (part * PART) as u32;
            let bounds = sums.iter().zip(rows).zip(first..).map(|((sum, row), unit)| query.bounds(*sum, row, unit));
            keep(bounds, limit, allowed)
        };
        let width = PART * self.dimensions;
        let parts: Vec<Vec<Bounds>> = if self.rows.len() < PARALLEL_ROWS {
            self.values.chunks(width).zip(self.rows.chunks(PART)).enumerate().map(part).collect()
        } else {
            self.values.par_chunks(width).zip(self.rows.par_chunks(PART)).enumerate().map(part).collect()
        };
        let mut units: Vec<u32> = keep(parts.into_iter().flatten(), limit, |_| true).into_iter().map(|row| row.unit).collect();
        units.sort_unstable();
        units
    }

    /// Those of `rows` among which all of the `limit` nearest to `query` are.
    pub fn nearest_of(&self, query: &[f32], rows: &[u32], limit: usize) -> Vec<u32> {
        let query = Rounded::new(query);
        let mut sums = vec![0_i32; rows.len()];
        Arch::new().dispatch(ProductsOf { query: &query.values, values: &self.values, rows, sums: &mut sums });
        let bounds = sums.iter().zip(rows).map(|(sum, row)| query.bounds(*sum, &self.rows[*row as usize], *row));
        keep(bounds, limit, |_| true).into_iter().map(|row| row.unit).collect()
    }
}

impl Rounded {
    fn new(query: &[f32]) -> Self {
        let scale = scale(query, QUERY_MOST);
        let values: Vec<i16> = query.iter().map(|value| (value / scale).round() as i16).collect();
        let difference: Vec<f32> = query.iter().zip(&values).map(|(exact, value)| exact - f32::from(*value) * scale).collect();
        Rounded { values, scale, length: dot(query, query).sqrt(), error: dot(&difference, &difference).sqrt() }
    }

    /// Between what the exact product with a row lies, by the inequality of Cauchy and Schwarz.
    fn bounds(&self, sum: i32, row: &Row, unit: u32) -> Bounds {
        let product = sum as f32 * (self.scale * row.scale);
        let rounding = SLACK * self.length * (row.length + row.error);
        let error = self.length * row.error + self.error * row.length + rounding;
        Bounds { unit, least: product - error, most: product + error }
    }
}

/// What a rounded value of 1 stands for where the greatest of `values` becomes `most`.
fn scale(values: &[f32], most: f32) -> f32 {
    let greatest = values.iter().fold(0.0_f32, |greatest, value| greatest.max(value.abs()));
    if greatest > 0.0 { greatest / most } else { 1.0 }
}

/// What is known of a row's product with the query.
#[derive(Clone, Copy)]
struct Bounds {
    unit: u32,
    least: f32,
    most: f32,
}

/// The rows of which less than `limit` others are certain to be nearer.
fn keep(rows: impl Iterator<Item = Bounds>, limit: usize, allowed: impl Fn(u32) -> bool) -> Vec<Bounds> {
    let mut kept: Vec<Bounds> = Vec::with_capacity(2 * limit);
    let (mut floor, mut full) = (f32::NEG_INFINITY, 2 * limit);
    let cut = |kept: &mut Vec<Bounds>| {
        let mut least: Vec<f32> = kept.iter().map(|row| row.least).collect();
        least.select_nth_unstable_by(limit - 1, |a, b| b.total_cmp(a));
        let floor = least[limit - 1];
        kept.retain(|row| row.most >= floor);
        floor
    };
    for row in rows {
        if row.most >= floor && allowed(row.unit) {
            kept.push(row);
            if kept.len() >= full {
                floor = cut(&mut kept);
                full = 2 * limit.max(kept.len());
            }
        }
    }
    if kept.len() > limit {
        cut(&mut kept);
    }
    kept
}

/// The products of a query with many rows, in the widest vector instructions that the processor has.
struct Products<'a> {
    query: &'a [i16],
    rows: &'a [i8],
    sums: &'a mut [i32],
}

impl WithSimd for Products<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        for (row, sum) in self.rows.chunks_exact(self.query.len()).zip(self.sums) {
            *sum = product(row, self.query);
        }
    }
}

/// The same for some of the rows.
struct ProductsOf<'a> {
    query: &'a [i16],
    values: &'a [i8],
    rows: &'a [u32],
    sums: &'a mut [i32],
}

impl WithSimd for ProductsOf<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _simd: S) {
        let width = self.query.len();
        for (row, sum) in self.rows.iter().zip(self.sums) {
            *sum = product(&self.values[*row as usize * width..][..width], self.query);
        }
    }
}

#[inline(always)]
fn product(row: &[i8], query: &[i16]) -> i32 {
    row.iter().zip(query).map(|(x, y)| i32::from(*x) * i32::from(*y)).sum()
}
