//! Texts compared place by place: how well each place of one text is met by some place of another. One vector for a whole
//! text cannot say that a word of the question is answered by nothing; this can. After the late interaction of ColBERT
//! (Khattab & Zaharia 2020), with the n-gram model's own vectors instead of a transformer's.

use super::products::{Loop, run};

/// A text as a row of places, each with a vector of norm 1 and a weight; empty for a text without content.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Places {
    width: usize,
    vectors: Vec<f32>,
    weights: Vec<f32>,
}

/// How two texts agree, place by place; all values lie between 0 and 1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Agreement {
    /// How well the first text's places are met by the second's, the mean by weight.
    pub of_first: f32,
    /// How well the second text's places are met by the first's, the mean by weight.
    pub of_second: f32,
    /// How well the worst met place of weight of the first text is met.
    pub least: f32,
    /// The same as `of_first`, but by weights that were given.
    pub weighted: f32,
}

impl Places {
    /// Places from one sum of feature vectors each, `sums` holding them one after the other, `width` values a place. A place's weight is
    /// the length of its sum: frequent n-grams have short vectors.
    pub(super) fn new(width: usize, mut sums: Vec<f32>) -> Self {
        let mut weights = vec![0.0; sums.len().checked_div(width).unwrap_or(0)];
        run(Measure { width, sums: &mut sums, weights: &mut weights });
        Places { width, vectors: sums, weights }
    }

    /// Number of places.
    pub fn len(&self) -> usize {
        self.weights.len()
    }

    /// True if there is no place.
    pub fn is_empty(&self) -> bool {
        self.weights.is_empty()
    }

    /// Compares this text with `other`; nothing agrees with an empty text. `given` are weights of this text's places, one for each.
    pub fn agreement(&self, other: &Places, given: &[f32]) -> Agreement {
        if self.is_empty() || other.is_empty() || self.width != other.width {
            return Agreement::default();
        }
        let mut met = vec![0.0_f32; other.len()];
        let mut nearest = vec![0.0_f32; self.len()];
        run(Meet { first: self, second: other, nearest: &mut nearest, met: &mut met });
        let (mut sum, mut total, mut least) = (0.0, 0.0, 1.0_f32);
        let mean = self.weights.iter().sum::<f32>() / self.len() as f32;
        for (nearest, weight) in nearest.iter().zip(&self.weights) {
            sum += weight * nearest;
            total += weight;
            if *weight >= mean {
                least = least.min(*nearest);
            }
        }
        let their_sum: f32 = met.iter().zip(&other.weights).map(|(met, weight)| met * weight).sum();
        let their_total: f32 = other.weights.iter().sum();
        let share = |sum: f32, total: f32| if total > 0.0 { sum / total } else { 0.0 };
        let weighted: f32 = given.iter().zip(&nearest).map(|(weight, nearest)| weight * nearest).sum();
        let weighted = share(weighted, given.iter().sum());
        Agreement { of_first: share(sum, total), of_second: share(their_sum, their_total), least, weighted }
    }
}

/// Brings each sum to norm 1, and its length into `weights`.
struct Measure<'a> {
    width: usize,
    sums: &'a mut [f32],
    weights: &'a mut [f32],
}

impl Loop for Measure<'_> {
    #[inline(always)]
    fn run(self, product: impl Fn(&[f32], &[f32]) -> f32) {
        for (place, weight) in self.sums.chunks_exact_mut(self.width.max(1)).zip(self.weights) {
            *weight = product(place, place).sqrt();
            if *weight > 0.0 {
                place.iter_mut().for_each(|value| *value /= *weight);
            }
        }
    }
}

/// Compares each place of one text with each of another: the greatest cosine of each, 0 at least, into `nearest` and `met`.
struct Meet<'a> {
    first: &'a Places,
    second: &'a Places,
    nearest: &'a mut [f32],
    met: &'a mut [f32],
}

impl Loop for Meet<'_> {
    #[inline(always)]
    fn run(self, product: impl Fn(&[f32], &[f32]) -> f32) {
        let width = self.first.width;
        for (place, nearest) in self.first.vectors.chunks_exact(width).zip(self.nearest) {
            for (theirs, met) in self.second.vectors.chunks_exact(width).zip(&mut *self.met) {
                let cosine = product(place, theirs).min(1.0);
                *nearest = nearest.max(cosine);
                *met = met.max(cosine);
            }
        }
    }
}
