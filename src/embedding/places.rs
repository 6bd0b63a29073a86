//! Texts compared place by place: how well each place of one text is met by some place of another. One vector for a whole
//! text cannot say that a word of the question is answered by nothing; this can. After the late interaction of ColBERT
//! (Khattab & Zaharia 2020), with the n-gram model's own vectors instead of a transformer's.

use super::vectors::dot;

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
}

impl Places {
    /// Places from one sum of feature vectors each, `sums` holding them one after the other, `width` values a place. A place's weight is
    /// the length of its sum: frequent n-grams have short vectors.
    pub(super) fn new(width: usize, mut sums: Vec<f32>) -> Self {
        let weights: Vec<f32> = sums
            .chunks_exact_mut(width)
            .map(|place| {
                let norm = dot(place, place).sqrt();
                if norm > 0.0 {
                    place.iter_mut().for_each(|value| *value /= norm);
                }
                norm
            })
            .collect();
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

    /// Compares this text with `other`; nothing agrees with an empty text.
    pub fn agreement(&self, other: &Places) -> Agreement {
        if self.is_empty() || other.is_empty() || self.width != other.width {
            return Agreement::default();
        }
        let mut met = vec![0.0_f32; other.len()];
        let (mut sum, mut total, mut least) = (0.0, 0.0, 1.0_f32);
        let mean = self.weights.iter().sum::<f32>() / self.len() as f32;
        for (place, weight) in self.vectors.chunks_exact(self.width).zip(&self.weights) {
            let mut nearest = 0.0_f32;
            for (theirs, met) in other.vectors.chunks_exact(self.width).zip(&mut met) {
                let cosine = dot(place, theirs).min(1.0);
                nearest = nearest.max(cosine);
                *met = met.max(cosine);
            }
            sum += weight * nearest;
            total += weight;
            if *weight >= mean {
                least = least.min(nearest);
            }
        }
        let their_sum: f32 = met.iter().zip(&other.weights).map(|(met, weight)| met * weight).sum();
        let their_total: f32 = other.weights.iter().sum();
        let share = |sum: f32, total: f32| if total > 0.0 { sum / total } else { 0.0 };
        Agreement { of_first: share(sum, total), of_second: share(their_sum, their_total), least }
    }
}
