//! Vectors of all units, and exact nearest-neighbour search over them. Exact and in order, so that the same query always
//! gives the same answer. Large stores are searched in a coarse copy first, whose bounds lose none of the nearest.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::coarse::Coarse;
use crate::error::{Error, Result};

/// From this many rows on a coarse copy is made and searched on all cores; below it, that costs more than it saves.
const COARSE_ROWS: usize = 16_384;
const TENSOR: &str = "vectors";

/// A matrix of unit vectors, one row for each unit.
pub struct VectorStore {
    dimensions: usize,
    values: Vec<f32>,
    /// For large stores; made when one is opened.
    coarse: Option<Coarse>,
}

impl VectorStore {
    /// An empty store for vectors of `dimensions` values.
    pub fn new(dimensions: usize) -> Self {
        VectorStore { dimensions, values: Vec::new(), coarse: None }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If `vector` has another length than the store's dimensions.
    pub fn push(&mut self, vector: &[f32]) {
        assert_eq!(vector.len(), self.dimensions, "a vector has the store's dimensions");
        self.values.extend_from_slice(vector);
        self.coarse = None;
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.values.len().checked_div(self.dimensions).unwrap_or(0)
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.values.is_empty()
    }

    /// Values in a row.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// The row of `unit`.
    pub fn row(&self, unit: u32) -> &[f32] {
        let start = unit as usize * self.dimensions;
        &self.values[start..start + self.dimensions]
    }

    /// Cosine between `query` and the row of `unit`, from -1 to 1; both have norm 1.
    pub fn cosine(&self, query: &[f32], unit: u32) -> f32 {
        dot(query, self.row(unit))
    }

    /// The `limit` rows nearest to `query` with their cosines, best first, ties by unit number. Only rows that `allowed`
    /// accepts are counted.
    pub fn search(&self, query: &[f32], limit: usize, allowed: impl Fn(u32) -> bool + Sync) -> Vec<(u32, f32)> {
        if limit == 0 || query.len() != self.dimensions || self.is_empty() {
            return Vec::new();
        }
        if let Some(coarse) = &self.coarse
            && limit < self.len() / 2
        {
            let near = coarse.nearest(query, limit, &allowed);
            return best(near.into_iter().map(|unit| (unit, self.cosine(query, unit))), limit);
        }
        let rows = self.values.chunks_exact(self.dimensions).zip(0..);
        best(rows.filter(|(_, unit)| allowed(*unit)).map(|(row, unit)| (unit, dot(query, row))), limit)
    }

    /// Writes the matrix to `path`, in safetensors format.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let failed = |error: safetensors::SafeTensorError| Error::internal("cannot write vectors", error);
        let view = TensorView::new(Dtype::F32, vec![self.len(), self.dimensions], &bytes).map_err(failed)?;
        let data = safetensors::serialize([(TENSOR, view)], None).map_err(failed)?;
        std::fs::write(path, data).map_err(|source| Error::io(path, source))
    }

    /// Reads a matrix written by [`VectorStore::save`].
    pub fn load(path: &Path) -> Result<Self> {
        let data = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let damaged = |what: String| Error::Internal(format!("{}: {what}", path.display()));
        let tensors = SafeTensors::deserialize(&data).map_err(|error| damaged(error.to_string()))?;
        let view = tensors.tensor(TENSOR).map_err(|error| damaged(error.to_string()))?;
        let &[_, dimensions] = view.shape() else {
            return Err(damaged("is not a matrix".into()));
        };
        if view.dtype() != Dtype::F32 {
            return Err(damaged("has another number type".into()));
        }
        let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let coarse = (values.len() >= COARSE_ROWS * dimensions).then(|| Coarse::new(&values, dimensions)).flatten();
        Ok(VectorStore { dimensions, values, coarse })
    }
}

/// Keeps the `limit` best of `scored`, best first, ties by unit number.
fn best(scored: impl Iterator<Item = (u32, f32)>, limit: usize) -> Vec<(u32, f32)> {
    let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let mut kept: Vec<(u32, f32)> = Vec::with_capacity(2 * limit);
    let mut floor = f32::NEG_INFINITY;
    for item in scored {
        if item.1 < floor {
            continue;
        }
        kept.push(item);
        if kept.len() == 2 * limit {
            kept.select_nth_unstable_by(limit - 1, better);
            kept.truncate(limit);
            floor = kept.iter().map(|(_, score)| *score).fold(f32::INFINITY, f32::min);
        }
    }
    kept.sort_unstable_by(better);
    kept.truncate(limit);
    kept
}

/// Running sums of a dot product: enough that one addition does not wait for the one before it.
const SUMS: usize = 32;

/// Dot product in [`SUMS`] running sums: the same order of additions whatever the machine and its thread count.
pub(super) fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0_f32; SUMS];
    let (a_chunks, b_chunks) = (a.chunks_exact(SUMS), b.chunks_exact(SUMS));
    let tail: f32 = a_chunks.remainder().iter().zip(b_chunks.remainder()).map(|(x, y)| x * y).sum();
    for (x, y) in a_chunks.zip(b_chunks) {
        for ((sum, x), y) in sums.iter_mut().zip(x).zip(y) {
            *sum += x * y;
        }
    }
    let mut width = SUMS;
    while width > 1 {
        width /= 2;
        for at in 0..width {
            sums[at] += sums[at + width];
        }
    }
    sums[0] + tail
}
