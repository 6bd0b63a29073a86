//! Pooling: from one vector a token to one vector a text.

use candle_core::{Result, Tensor};

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

    /// Pools `hidden` (`[texts, tokens, width]`) into `[texts, width]`. Text `n` counts its tokens from `skip` to `lengths[n]`.
    pub fn apply(self, hidden: &Tensor, lengths: &[usize], skip: usize) -> Result<Tensor> {
        let (texts, tokens, _) = hidden.dims3()?;
        let weights = |weight: &dyn Fn(usize, usize) -> f32| {
            let values: Vec<f32> = lengths
                .iter()
                .flat_map(|&length| {
                    let skip = skip.min(length);
                    (0..tokens).map(move |at| (length, skip, at))
                })
                .map(|(length, skip, at)| if at < skip || at >= length { 0.0 } else { weight(at, length - skip) })
                .collect();
            Tensor::from_vec(values, (texts, 1, tokens), hidden.device())
        };
        let weighted = |weight: &dyn Fn(usize, usize) -> f32| weights(weight)?.matmul(hidden)?.squeeze(1);
        match self {
            Pooling::Cls => hidden.narrow(1, 0, 1)?.contiguous()?.squeeze(1),
            Pooling::Mean => weighted(&|_, count| 1.0 / count as f32),
            Pooling::MeanSqrtLen => weighted(&|_, count| 1.0 / (count as f32).sqrt()),
            Pooling::WeightedMean => {
                let sums: Vec<f32> = lengths
                    .iter()
                    .map(|&length| (skip.min(length)..length).map(|at| (at + 1) as f32).sum::<f32>().max(1e-9))
                    .collect();
                let sums = Tensor::from_vec(sums, (texts, 1), hidden.device())?;
                weighted(&|at, _| (at + 1) as f32)?.broadcast_div(&sums)
            }
            Pooling::LastToken => {
                let rows: Vec<Tensor> = lengths
                    .iter()
                    .enumerate()
                    .map(|(text, &length)| hidden.narrow(0, text, 1)?.narrow(1, length.max(1) - 1, 1)?.flatten_all())
                    .collect::<Result<_>>()?;
                Tensor::stack(&rows, 0)
            }
            Pooling::Max => {
                let outside = weights(&|_, _| 1.0)?.transpose(1, 2)?.affine(1e9, -1e9)?;
                hidden.broadcast_add(&outside)?.max(1)
            }
        }
    }
}
