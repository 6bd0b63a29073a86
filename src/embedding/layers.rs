//! The layers that transformers and their heads are made of, as operations of candle: each is one pass over its rows, on the
//! core that calls it. Candle's own operations pass over memory once for every sum and every copy, share small work among
//! cores that other batches keep busy, and have no AVX-512; on a small model they took more than half of the time.

use candle_core::{CpuStorage, CustomOp1, CustomOp2, Layout, Result, Shape, Tensor, bail};

use super::kernels::{self, Panels, Rows};

/// Rows that go through a product together: few enough to stay in a core's cache.
const CHUNK: usize = 96;

/// Activations of feed-forward layers, heads and dense modules.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Activation {
    Identity,
    Gelu,
    GeluTanh,
    Relu,
    Silu,
    Tanh,
    Sigmoid,
}

impl Activation {
    /// The activation of this name in `config.json`, or of this class name of PyTorch.
    ///
    /// # Errors
    /// That it is not supported.
    pub fn parse(name: &str) -> std::result::Result<Self, String> {
        match name.rsplit('.').next().unwrap_or_default().to_lowercase().as_str() {
            "identity" | "linear" => Ok(Activation::Identity),
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" | "gelu_accurate" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            "silu" | "swish" => Ok(Activation::Silu),
            "tanh" => Ok(Activation::Tanh),
            "sigmoid" => Ok(Activation::Sigmoid),
            _ => Err(format!("the activation `{name}` is not supported")),
        }
    }

    fn apply(self, values: &mut [f32]) {
        let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
        match self {
            Activation::Identity => {}
            Activation::Gelu => kernels::map(values, kernels::gelu),
            Activation::GeluTanh => {
                let slope = (2.0 / std::f32::consts::PI).sqrt();
                kernels::map(values, |x| 0.5 * x * (1.0 + (slope * (x + 0.044_715 * x * x * x)).tanh()));
            }
            // Not `max`, which would hide what is not a number.
            Activation::Relu => kernels::map(values, |x| if x < 0.0 { 0.0 } else { x }),
            Activation::Silu => kernels::map(values, |x| x * sigmoid(x)),
            Activation::Tanh => kernels::map(values, f32::tanh),
            Activation::Sigmoid => kernels::map(values, sigmoid),
        }
    }
}

/// `activation(x · weight + bias)`, for `x` of `[rows, inputs]`.
pub struct Linear {
    weight: Panels,
    inputs: usize,
    bias: Vec<f32>,
    activation: Activation,
}

impl Linear {
    /// From PyTorch's layout, `weight` of `[outputs, inputs]`.
    pub fn new(weight: &Tensor, bias: Option<&Tensor>, activation: Activation) -> Result<Self> {
        let (outputs, inputs) = weight.dims2()?;
        let values: Vec<f32> = weight.flatten_all()?.to_vec1()?;
        let mut panels = Panels::default();
        panels.pack(inputs, outputs, |input, output| values[output * inputs + input]);
        let bias = bias.map_or(Ok(Vec::new()), Tensor::to_vec1)?;
        Ok(Linear { weight: panels, inputs, bias, activation })
    }

    /// Applies it.
    pub fn apply(&self, x: &Tensor) -> Result<Tensor> {
        x.apply_op1_no_bwd(self)
    }
}

impl CustomOp1 for Linear {
    fn name(&self) -> &'static str {
        "linear"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, rows) = rows(storage, layout, self.inputs)?;
        let outputs = self.weight.columns();
        let mut out = vec![0.0; rows * outputs];
        for (x, out) in x.chunks(CHUNK * self.inputs).zip(out.chunks_mut(CHUNK * outputs)) {
            let x = Rows { values: x, stride: self.inputs, count: x.len() / self.inputs };
            kernels::product(x, &self.weight, &self.bias, out, outputs);
            self.activation.apply(out);
        }
        Ok((CpuStorage::F32(out), (rows, outputs).into()))
    }
}

/// The norm of a layer, over `[rows, width]`.
pub struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl Norm {
    /// From `weight` and `bias` of `[width]`.
    pub fn new(weight: &Tensor, bias: &Tensor, epsilon: f32) -> Result<Self> {
        Ok(Norm { weight: weight.to_vec1()?, bias: bias.to_vec1()?, epsilon })
    }

    /// The norm of `x + added`.
    pub fn of_sum(&self, x: &Tensor, added: &Tensor) -> Result<Tensor> {
        x.apply_op2_no_bwd(added, self)
    }
}

impl CustomOp2 for Norm {
    fn name(&self) -> &'static str {
        "norm"
    }

    fn cpu_fwd(&self, x: &CpuStorage, x_at: &Layout, added: &CpuStorage, added_at: &Layout) -> Result<(CpuStorage, Shape)> {
        let (x, _) = rows(x, x_at, self.weight.len())?;
        let (added, _) = rows(added, added_at, self.weight.len())?;
        let mut out = x.to_vec();
        kernels::add_and_norm(&mut out, added, &self.weight, &self.bias, self.epsilon);
        Ok((CpuStorage::F32(out), x_at.shape().clone()))
    }
}

/// The sum of each token's three vectors, brought to the norm: from the table of words to `[tokens, width]`.
pub struct Embed<'a> {
    /// Row of each token in the table of words.
    pub ids: &'a [u32],
    /// Segment of each token.
    pub types: &'a [u32],
    /// Tokens of each text.
    pub lengths: &'a [usize],
    /// `[positions, width]`, from the first that counts.
    pub positions: &'a [f32],
    /// `[segments, width]`
    pub segments: &'a [f32],
    pub norm: &'a Norm,
}

impl CustomOp1 for Embed<'_> {
    fn name(&self) -> &'static str {
        "embed"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let width = self.norm.weight.len();
        let (words, _) = rows(storage, layout, width)?;
        fn row(table: &[f32], number: usize, width: usize) -> Option<&[f32]> {
            table.get(number * width..(number + 1) * width)
        }
        let mut out = Vec::with_capacity(self.ids.len() * width);
        let places = self.lengths.iter().flat_map(|&length| 0..length);
        for ((&id, &segment), position) in self.ids.iter().zip(self.types).zip(places) {
            let (id, segment) = (id as usize, segment as usize);
            let (Some(word), Some(place), Some(segment)) =
                (row(words, id, width), row(self.positions, position, width), row(self.segments, segment, width))
            else {
                bail!("token {id} at position {position} in segment {segment} has no vector");
            };
            out.extend(word.iter().zip(segment).zip(place).map(|((word, segment), place)| word + segment + place));
        }
        kernels::add_and_norm(&mut out, &[], &self.norm.weight, &self.norm.bias, self.norm.epsilon);
        Ok((CpuStorage::F32(out), (self.ids.len(), width).into()))
    }
}

/// Attention of each text's tokens to one another: from query, key and value of each token, side by side in `[tokens, 3 *
/// width]`, to `[tokens, width]`. The queries are scaled already.
pub struct Attention<'a> {
    pub heads: usize,
    /// Tokens of each text.
    pub lengths: &'a [usize],
}

impl CustomOp1 for Attention<'_> {
    fn name(&self) -> &'static str {
        "attention"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Result<(CpuStorage, Shape)> {
        let stride = layout.shape().dims2()?.1;
        let (all, tokens) = rows(storage, layout, stride)?;
        let width = stride / 3;
        let head_width = width / self.heads;
        let mut out = vec![0.0; tokens * width];
        let (mut keys, mut values, mut scores) = (Panels::default(), Panels::default(), Vec::new());
        let mut start = 0;
        for &length in self.lengths {
            let text = &all[start * stride..(start + length) * stride];
            let out = &mut out[start * width..(start + length) * width];
            for first in (0..width).step_by(head_width) {
                keys.pack(head_width, length, |at, token| text[token * stride + width + first + at]);
                values.pack(length, head_width, |token, at| text[token * stride + 2 * width + first + at]);
                // A long text's scores are made for some tokens at a time, which bounds their memory.
                for token in (0..length).step_by(CHUNK) {
                    let count = CHUNK.min(length - token);
                    scores.resize(count * length, 0.0);
                    let queries = Rows { values: &text[token * stride + first..], stride, count };
                    kernels::product(queries, &keys, &[], &mut scores, length);
                    kernels::softmax(&mut scores, length);
                    let shares = Rows { values: &scores, stride: length, count };
                    kernels::product(shares, &values, &[], &mut out[token * width + first..], width);
                }
            }
            start += length;
        }
        Ok((CpuStorage::F32(out), (tokens, width).into()))
    }
}

/// The values of a tensor whose rows have this width, and the number of rows.
pub(super) fn rows<'a>(storage: &'a CpuStorage, layout: &Layout, width: usize) -> Result<(&'a [f32], usize)> {
    let (Some((start, end)), CpuStorage::F32(values)) = (layout.contiguous_offsets(), storage) else {
        bail!("contiguous 32-bit values are needed");
    };
    let values = &values[start..end];
    if layout.shape().dims().last() != Some(&width) || width == 0 {
        bail!("rows of {width} values are needed, not {:?}", layout.shape());
    }
    Ok((values, values.len() / width))
}
