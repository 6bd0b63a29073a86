//! The vectors of the second reading of all texts of a corpus. They are compared for candidates only, so nothing here searches.

use std::ops::Range;
use std::path::Path;

use pulp::Arch;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use crate::error::{Error, Result};

const TENSOR: &str = "contexts";
const SCALES: &str = "contexts.scale";
/// Largest whole number that a value becomes.
const LARGEST: f32 = 127.0;

/// A matrix of unit vectors, one row for each unit, in eight bits a value. Cosines of the shipped model's vectors come out right to .005.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ContextStore {
    dimensions: usize,
    values: Vec<i8>,
    /// What 1 stands for in each row.
    scales: Vec<f32>,
}

impl ContextStore {
    /// An empty store for vectors of `dimensions` values; with none, every cosine is 0.
    pub fn new(dimensions: usize) -> Self {
        ContextStore { dimensions, values: Vec::new(), scales: Vec::new() }
    }

    /// Adds a row.
    ///
    /// # Panics
    /// If `vector` has another length than the store's dimensions.
    pub fn push(&mut self, vector: &[f32]) {
        assert_eq!(vector.len(), self.dimensions, "a vector has the store's dimensions");
        let largest = vector.iter().fold(0.0_f32, |largest, value| largest.max(value.abs()));
        let scale = largest / LARGEST;
        let to_whole = |value: &f32| if scale > 0.0 { (value / scale).round().clamp(-LARGEST, LARGEST) as i8 } else { 0 };
        self.values.extend(vector.iter().map(to_whole));
        self.scales.push(scale);
    }

    /// Adds row `unit` of `other`, which has the same dimensions.
    ///
    /// # Panics
    /// If it has others.
    pub fn push_of(&mut self, other: &ContextStore, unit: u32) {
        assert_eq!(other.dimensions, self.dimensions, "both stores are of one model");
        let unit = unit as usize;
        self.values.extend_from_slice(&other.values[unit * self.dimensions..(unit + 1) * self.dimensions]);
        self.scales.push(other.scales[unit]);
    }

    /// Adds row `unit` once more.
    ///
    /// # Panics
    /// If there is no such row.
    pub fn push_again(&mut self, unit: u32) {
        let unit = unit as usize;
        self.values.extend_from_within(unit * self.dimensions..(unit + 1) * self.dimensions);
        self.scales.push(self.scales[unit]);
    }

    /// Number of rows.
    pub fn len(&self) -> usize {
        self.scales.len()
    }

    /// True if there are no rows.
    pub fn is_empty(&self) -> bool {
        self.scales.is_empty()
    }

    /// Values in a row.
    pub fn dimensions(&self) -> usize {
        self.dimensions
    }

    /// Cosines between `query`, which has the store's dimensions and norm 1, and the rows of `units`, in order.
    ///
    /// # Panics
    /// If there are no such rows.
    pub fn cosines(&self, query: &[f32], units: Range<u32>) -> Vec<f32> {
        let units = units.start as usize..units.end as usize;
        let mut out = self.scales[units.clone()].to_vec();
        if self.dimensions == 0 {
            return out;
        }
        let rows = self.values[units.start * self.dimensions..units.end * self.dimensions].chunks_exact(self.dimensions);
        Arch::new().dispatch(
            #[inline(always)]
            || out.iter_mut().zip(rows).for_each(|(cosine, row)| *cosine *= dot(query, row)),
        );
        out
    }

    /// Writes the matrix to `path`, in safetensors format.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |error: safetensors::SafeTensorError| Error::internal("cannot write vectors", error);
        let values: Vec<u8> = self.values.iter().map(|value| value.cast_unsigned()).collect();
        let scales: Vec<u8> = self.scales.iter().flat_map(|scale| scale.to_le_bytes()).collect();
        let views = [
            (TENSOR, TensorView::new(Dtype::I8, vec![self.len(), self.dimensions], &values).map_err(failed)?),
            (SCALES, TensorView::new(Dtype::F32, vec![self.len()], &scales).map_err(failed)?),
        ];
        safetensors::serialize_to_file(views, None, path).map_err(failed)
    }

    /// Reads a matrix written by [`ContextStore::save`].
    ///
    /// # Errors
    /// If the file cannot be read or holds something else.
    pub fn load(path: &Path) -> Result<Self> {
        let data = std::fs::read(path).map_err(|source| Error::io(path, source))?;
        let damaged = |what: String| Error::Internal(format!("{}: {what}", path.display()));
        let tensors = SafeTensors::deserialize(&data).map_err(|error| damaged(error.to_string()))?;
        let get = |name: &str| tensors.tensor(name).map_err(|error| damaged(error.to_string()));
        let (values, scales) = (get(TENSOR)?, get(SCALES)?);
        match (values.dtype(), values.shape(), scales.dtype(), scales.shape()) {
            (Dtype::I8, &[rows, dimensions], Dtype::F32, &[count]) if rows == count => Ok(ContextStore {
                dimensions,
                values: values.data().iter().map(|byte| byte.cast_signed()).collect(),
                scales: scales.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect(),
            }),
            _ => Err(damaged("contexts have another layout".into())),
        }
    }
}

/// Sums kept side by side, so that they become vector instructions; always added up in the same order.
const LANES: usize = 16;

#[inline(always)]
fn dot(query: &[f32], row: &[i8]) -> f32 {
    let mut sums = [0.0_f32; LANES];
    let (a, a_rest) = query.as_chunks::<LANES>();
    let (b, b_rest) = row.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        sums.iter_mut().zip(a.iter().zip(b)).for_each(|(sum, (a, b))| *sum += a * f32::from(*b));
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * f32::from(*b)).sum();
    sums.iter().sum::<f32>() + rest
}
