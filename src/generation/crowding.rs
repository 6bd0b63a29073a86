//! How crowded the surroundings of each target are. In many dimensions some points are near to everything (hubs): a phrasing of general
//! words comes near to every question, and where two entries are equally near to a question, the one that is near to
//! everything else as well is the less likely one. After inverted softmax (Smith et al. 2017, arXiv:1702.03859), with the
//! corpus itself in place of a bank of queries, so that it costs nothing when a question comes.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};

use rayon::prelude::*;
use safetensors::tensor::{Dtype, SafeTensors, TensorView};

use super::build::Progress;
use super::units::UnitIndex;
use crate::corpus::{Entry, Kind};
use crate::embedding::VectorStore;
use crate::error::{Error, Result};

/// How sharply near phrasings count more than distant ones.
const SHARPNESS: f32 = 10.0;
/// Of more phrasings it is not measured: every one is compared with every other, and a sample of them is worse than nothing.
const MAX_PHRASINGS: usize = 16_384;
/// Phrasings at a right angle that are counted besides, so that a small corpus does not look crowded for two that are alike.
const DISTANT: f32 = 200.0;
/// Phrasings that are compared at a time, so that their vectors stay in the cache.
const BLOCK: usize = 128;
const TENSOR: &str = "crowding";

/// For each target, in order: how crowded the surroundings of its phrasings are, the mean of a soft maximum of each one's cosines to
/// the phrasings of other entries that compete with it, from 0 (far from everything) to 1. All 0 for a very large corpus.
pub(super) fn crowding(entries: &[Entry], index: &UnitIndex, vectors: &VectorStore, progress: Progress) -> Vec<f32> {
    let target_of = |unit: u32| index.units[unit as usize].target as usize;
    let entry_of = |unit: u32| index.targets[target_of(unit)].entry;
    let phrasings: Vec<u32> = (0..index.searchable as u32).filter(|unit| index.units[*unit as usize].field.is_phrase()).collect();
    let done = AtomicUsize::new(0);
    let (mut sums, mut counts) = (vec![0.0_f32; index.targets.len()], vec![0.0_f32; index.targets.len()]);
    for rivals in [&[Kind::Faq, Kind::Manual][..], &[Kind::Script], &[Kind::Risk]] {
        let competes = |unit: &u32| rivals.contains(&entries[entry_of(*unit) as usize].kind());
        let units: Vec<u32> = phrasings.iter().copied().filter(competes).collect();
        if units.len() > MAX_PHRASINGS {
            continue;
        }
        let mut rows = VectorStore::new(vectors.dimensions());
        units.iter().for_each(|unit| rows.push(vectors.row(*unit)));
        let others: Vec<u32> = units.iter().map(|unit| entry_of(*unit)).collect();
        let near = |block: &[u32]| -> Vec<f32> {
            let mut near = vec![(DISTANT, DISTANT); block.len()];
            for from in (0..units.len()).step_by(BLOCK) {
                let until = units.len().min(from + BLOCK);
                for (unit, (sum, count)) in block.iter().zip(&mut near) {
                    let own = entry_of(*unit);
                    let cosines = rows.cosines(vectors.row(*unit), from as u32..until as u32);
                    for (cosine, _) in cosines.iter().zip(&others[from..until]).filter(|(_, other)| **other != own) {
                        *sum += (SHARPNESS * cosine).exp();
                        *count += 1.0;
                    }
                }
            }
            progress("comparing", done.fetch_add(block.len(), Ordering::Relaxed) + block.len(), phrasings.len());
            near.into_iter().map(|(sum, count)| ((sum / count).ln() / SHARPNESS).max(0.0)).collect()
        };
        let near: Vec<f32> = units.par_chunks(BLOCK).flat_map_iter(near).collect();
        for (unit, near) in units.iter().zip(near) {
            sums[target_of(*unit)] += near;
            counts[target_of(*unit)] += 1.0;
        }
    }
    sums.into_iter().zip(counts).map(|(sum, count)| sum / count.max(1.0)).collect()
}

/// Writes `values` to `path`, in safetensors format.
pub(super) fn save(path: &Path, values: &[f32]) -> Result<()> {
    let bytes: Vec<u8> = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    let failed = |error: safetensors::SafeTensorError| Error::internal("cannot write crowding", error);
    let view = TensorView::new(Dtype::F32, vec![values.len()], &bytes).map_err(failed)?;
    safetensors::serialize_to_file([(TENSOR, view)], None, path).map_err(failed)
}

/// Reads what [`save`] wrote.
pub(super) fn load(path: &Path) -> Result<Vec<f32>> {
    let data = std::fs::read(path).map_err(|source| Error::io(path, source))?;
    let damaged = |what: String| Error::Internal(format!("{}: {what}", path.display()));
    let tensors = SafeTensors::deserialize(&data).map_err(|error| damaged(error.to_string()))?;
    let view = tensors.tensor(TENSOR).map_err(|error| damaged(error.to_string()))?;
    if view.dtype() != Dtype::F32 {
        return Err(damaged("has another number type".into()));
    }
    Ok(view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect())
}
