//! Vectors of all units, and nearest-neighbour search over them, in order, so that the same query always gives the same answer.
//! Large stores are searched in a coarse copy first, whose bounds lose none of the nearest. In very large ones, with 50,000 rows
//! or more, only a part of the copy is looked through (`lists`), and of a hundred of the nearest one may be missed; what is found
//! has its exact cosine all the same.

use std::ops::Range;
use std::path::Path;

use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::coarse::Coarse;
use super::lists::{Listed, Lists};
use super::products::{dot, dots};
use crate::error::{Error, Result};

/// From this many rows on a coarse copy is made and searched; below it, that costs more than it saves.
const COARSE_ROWS: usize = 2_048;
/// More results than this are looked for in all rows.
const LISTED_LIMIT: usize = 1_000;
const TENSOR: &str = "vectors";
/// Names of the lists' tensors; a store without lists has neither.
const LIST_TENSORS: [&str; 2] = ["lists.centres", "lists.of"];

/// A matrix of unit vectors, one row for each unit.
pub struct VectorStore {
    dimensions: usize,
    values: Vec<f32>,
    /// For large stores; made when one is opened.
    scan: Option<Scan>,
}

/// What is looked through before vectors are compared.
enum Scan {
    Whole(Coarse),
    Listed(Listed),
}

impl VectorStore {
    /// An empty store for vectors of `dimensions` values.
    pub fn new(dimensions: usize) -> Self {
        VectorStore { dimensions, values: Vec::new(), scan: None }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If `vector` has another length than the store's dimensions.
    pub fn push(&mut self, vector: &[f32]) {
        assert_eq!(vector.len(), self.dimensions, "a vector has the store's dimensions");
        self.values.extend_from_slice(vector);
        self.scan = None;
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
    /// accepts are counted. In a store of 50,000 rows or more some of the nearest may be missing, others standing in
    /// their place; which ones does not depend on `limit` up to 1,000, and above that none are.
    pub fn search(&self, query: &[f32], limit: usize, allowed: impl Fn(u32) -> bool + Sync) -> Vec<(u32, f32)> {
        if limit == 0 || query.len() != self.dimensions || self.is_empty() {
            return Vec::new();
        }
        let near = match &self.scan {
            Some(Scan::Whole(coarse)) if limit < self.len() / 2 => coarse.nearest(query, limit, &allowed),
            Some(Scan::Listed(listed)) if limit <= LISTED_LIMIT => listed.nearest(query, limit, allowed),
            _ => return best((0..).zip(self.cosines(query, 0..self.len() as u32)), limit, allowed),
        };
        best(near.into_iter().map(|unit| (unit, self.cosine(query, unit))), limit, |_| true)
    }

    /// Writes the matrix to `path`, in safetensors format, with the lists that a very large one is searched by.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |error: safetensors::SafeTensorError| Error::internal("cannot write vectors", error);
        let floats = |values: &[f32]| values.iter().flat_map(|value| value.to_le_bytes()).collect::<Vec<u8>>();
        let lists = Lists::new(&self.values, self.dimensions).map(|lists| {
            let of: Vec<u8> = lists.of.iter().flat_map(|list| list.to_le_bytes()).collect();
            (lists.centres.len() / self.dimensions, floats(&lists.centres), of)
        });
        let bytes = floats(&self.values);
        let mut views = vec![(TENSOR, TensorView::new(Dtype::F32, vec![self.len(), self.dimensions], &bytes).map_err(failed)?)];
        if let Some((count, centres, of)) = &lists {
            let [name_centres, name_of] = LIST_TENSORS;
            let centres = TensorView::new(Dtype::F32, vec![*count, self.dimensions], centres).map_err(failed)?;
            views.push((name_centres, centres));
            views.push((name_of, TensorView::new(Dtype::U32, vec![self.len()], of).map_err(failed)?));
        }
        safetensors::serialize_to_file(views, None, path).map_err(failed)
    }

    /// Reads a matrix written by [`VectorStore::save`]; one that was written without lists is searched without.
    pub fn load(path: &Path) -> Result<Self> {
        let data = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let damaged = |what: String| Error::Internal(format!("{}: {what}", path.display()));
        let tensors = SafeTensors::deserialize(&data).map_err(|error| damaged(error.to_string()))?;
        let matrix = |name: &str| {
            let view = tensors.tensor(name).map_err(|error| damaged(error.to_string()))?;
            let &[_, width] = view.shape() else {
                return Err(damaged(format!("{name} is not a matrix")));
            };
            if view.dtype() != Dtype::F32 {
                return Err(damaged(format!("{name} has another number type")));
            }
            let values: Vec<f32> = words(view.data()).map(f32::from_le_bytes).collect();
            Ok((values, width))
        };
        let (values, dimensions) = matrix(TENSOR)?;
        let mut store = VectorStore { dimensions, values, scan: None };
        let [name_centres, name_of] = LIST_TENSORS;
        let names = tensors.names();
        if LIST_TENSORS.iter().any(|name| names.contains(name)) {
            let (centres, width) = matrix(name_centres)?;
            let of = tensors.tensor(name_of).map_err(|error| damaged(error.to_string()))?;
            if of.dtype() != Dtype::U32 || width != dimensions {
                return Err(damaged("lists have another layout".into()));
            }
            let of = words(of.data()).map(u32::from_le_bytes).collect();
            let lists = Lists::read(centres, of, store.len(), dimensions).map_err(|what| damaged(what.into()))?;
            store.scan = Listed::new(&store.values, dimensions, lists).map(Scan::Listed);
        } else if store.len() >= COARSE_ROWS {
            store.scan = Coarse::new(store.values.par_chunks_exact(dimensions), dimensions).map(Scan::Whole);
        }
        Ok(store)
    }
}

/// Four bytes at a time.
fn words(data: &[u8]) -> impl Iterator<Item = [u8; 4]> {
    data.as_chunks().0.iter().copied()
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
