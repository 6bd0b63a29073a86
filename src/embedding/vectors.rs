//! Vectors of all units, and exact nearest-neighbour search over them. Exact and in order, so that the same query always
//! gives the same answer. Large stores are searched in a coarse copy first, whose bounds lose none of the nearest.

use std::ops::Range;
use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::coarse::Coarse;
use super::products::{dot, dots};
use crate::error::{Error, Result};

/// From this many rows on a coarse copy is made and searched; below it, that costs more than it saves.
const COARSE_ROWS: usize = 2_048;
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

    /// Cosines between `query` and the rows of `units`, in order: what [`VectorStore::cosine`] gives for each, in one go.
    pub fn cosines(&self, query: &[f32], units: Range<u32>) -> Vec<f32> {
        let mut out = vec![0.0; units.len()];
        dots(query, &self.values[units.start as usize * self.dimensions..units.end as usize * self.dimensions], &mut out);
        out
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
            return best(near.into_iter().map(|unit| (unit, self.cosine(query, unit))), limit, |_| true);
        }
        let cosines = self.cosines(query, 0..self.len() as u32);
        best((0..).zip(cosines), limit, allowed)
    }

    /// Writes the matrix to `path`, in safetensors format.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let failed = |error: safetensors::SafeTensorError| Error::internal("cannot write vectors", error);
        let view = TensorView::new(Dtype::F32, vec![self.len(), self.dimensions], &bytes).map_err(failed)?;
        safetensors::serialize_to_file([(TENSOR, view)], None, path).map_err(failed)
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

/// Keeps the `limit` best of `scored` that `allowed` accepts, best first, ties by unit number.
fn best(scored: impl Iterator<Item = (u32, f32)>, limit: usize, allowed: impl Fn(u32) -> bool) -> Vec<(u32, f32)> {
    let better = |a: &(u32, f32), b: &(u32, f32)| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0));
    let mut kept: Vec<(u32, f32)> = Vec::with_capacity(2 * limit);
    let mut floor = f32::NEG_INFINITY;
    for item in scored {
        // Most fall short, and that is quicker to see than whether they are allowed.
        if item.1 < floor || !allowed(item.0) {
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
