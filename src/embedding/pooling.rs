//! Pooling: from one vector a token to one vector a text.

use candle_core::{CpuStorage, CustomOp1, Layout, Result, Shape, Tensor};

use super::layers::rows;

/// How token vectors become a sentence vector.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pooling {
    /// The first token's vector.
    Cls,
    /// The mean over all tokens.
    Mean,
    /// The greatest value of each dimension.
    Max,
    /// The sum over all tokens, divided by the root of their number.
    MeanSqrtLen,
    /// The mean with weights that grow with the position.
    WeightedMean,
    /// The last token's vector.
    LastToken,
}

impl Pooling {
    /// Every kind with its name in settings and in `pooling_mode`, and its flag in older `1_Pooling/config.json`; where a model
    /// sets several flags, their vectors are joined in this order.
    pub const ALL: [(Pooling, &'static str, &'static str); 6] = [
        (Pooling::Cls, "cls", "pooling_mode_cls_token"),
        (Pooling::Max, "max", "pooling_mode_max_tokens"),
        (Pooling::Mean, "mean", "pooling_mode_mean_tokens"),
        (Pooling::MeanSqrtLen, "mean_sqrt_len", "pooling_mode_mean_sqrt_len_tokens"),
        (Pooling::WeightedMean, "weightedmean", "pooling_mode_weightedmean_tokens"),
        (Pooling::LastToken, "lasttoken", "pooling_mode_lasttoken"),
    ];

    /// The kind of this name.
    pub fn parse(name: &str) -> Option<Self> {
        let name = match name {
            "mean_sqrt_len_tokens" => "mean_sqrt_len",
            "weighted_mean" => "weightedmean",
            "last" | "last_token" => "lasttoken",
            other => other,
        };
        Self::ALL.iter().find(|(_, known, _)| *known == name).map(|(kind, ..)| *kind)
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        Self::ALL.iter().find(|(kind, ..)| *kind == self).map_or("", |(_, name, _)| name)
    }

    /// Pools `hidden` (`[tokens, width]`, one text behind the other) into `[texts, width]`. Text `n` has `lengths[n]` tokens and
    /// counts them from `skip` on.
    pub fn apply(self, hidden: &Tensor, lengths: &[usize], skip: usize) -> Result<Tensor> {
        hidden.apply_op1_no_bwd(&Pool { kind: self, lengths, skip })
    }

    /// Adds one text's pooled vector to `out`, which is all zeros.
    fn pool(self, tokens: &[f32], skip: usize, out: &mut [f32]) {
        let width = out.len();
        let mut add = |token: &[f32], weight: f32| out.iter_mut().zip(token).for_each(|(sum, value)| *sum += weight * value);
        let count = tokens.len() / width;
        let counted = || tokens.chunks_exact(width).enumerate().skip(skip);
        let number = count.saturating_sub(skip) as f32;
        match self {
            Pooling::Cls => tokens.chunks_exact(width).take(1).for_each(|token| add(token, 1.0)),
            Pooling::LastToken => tokens.chunks_exact(width).rev().take(1).for_each(|token| add(token, 1.0)),
            Pooling::Mean => counted().for_each(|(_, token)| add(token, 1.0 / number)),
            Pooling::MeanSqrtLen => counted().for_each(|(_, token)| add(token, 1.0 / number.sqrt())),
            Pooling::WeightedMean => {
                let sum: f32 = counted().map(|(at, _)| (at + 1) as f32).sum();
                counted().for_each(|(at, token)| add(token, (at + 1) as f32 / sum));
            }
            Pooling::Max => {
                for (nth, (_, token)) in counted().enumerate() {
                    for (highest, &value) in out.iter_mut().zip(token) {
                        if nth == 0 || value > *highest || value.is_nan() {
                            *highest = value;
                        }
                    }
                }
            }
        }
    }
}

/// Pooling as an operation of candle.
struct Pool<'a> {
    kind: Pooling,
    lengths: &'a [usize],
    skip: usize,
}

impl CustomOp1 for Pool<'_> {
    fn name(&self) -> &'static str {
        "pool"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = layout.shape().dims2()?.1;
        let (mut hidden, _) = rows(storage, layout, width)?;
        let mut out = vec![0.0; self.lengths.len() * width];
        for (&length, out) in self.lengths.iter().zip(out.chunks_exact_mut(width)) {
            let (tokens, rest) = hidden.split_at(length * width);
            self.kind.pool(tokens, self.skip, out);
            hidden = rest;
        }
        Ok((CpuStorage::F32(out), (self.lengths.len(), width).into()))
    }
}
