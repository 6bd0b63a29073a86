//! The transformer encoder of the BERT and XLM-RoBERTa families: token, position and type vectors, then layers of attention
//! and feed-forward with the norm after each. The families differ in where positions start to count, and in names.

use candle_core::{CpuStorage, CustomOp1, D, Device, Layout, Result as Computed, Shape, Tensor};
use candle_nn::ops::{layer_norm, softmax_last_dim};
use serde::Deserialize;

use super::checkpoint::Checkpoint;
use crate::error::{Error, Result};

/// From this many tokens on, attention is computed for so many rows at a time, which bounds its memory.
const ATTENTION_ROWS: usize = 1024;
/// Added to the attention of padding; far below any score, and finite, so that no row becomes a division by zero.
const MASKED: f32 = -1e30;

/// `config.json` of the two families.
#[derive(Debug, Clone, Deserialize)]
pub struct EncoderConfig {
    #[serde(default)]
    model_type: String,
    vocab_size: usize,
    pub hidden_size: usize,
    num_hidden_layers: usize,
    num_attention_heads: usize,
    intermediate_size: usize,
    #[serde(default = "gelu")]
    hidden_act: String,
    max_position_embeddings: usize,
    #[serde(default = "one")]
    type_vocab_size: usize,
    #[serde(default = "tiny")]
    layer_norm_eps: f64,
    #[serde(default)]
    pad_token_id: Option<u32>,
    #[serde(default)]
    position_embedding_type: Option<String>,
    #[serde(default)]
    is_decoder: bool,
}

fn gelu() -> String {
    "gelu".to_owned()
}

fn one() -> usize {
    1
}

fn tiny() -> f64 {
    1e-12
}

impl EncoderConfig {
    /// Checks what the encoder relies on.
    ///
    /// # Errors
    /// What is wrong.
    pub fn validate(&self) -> std::result::Result<(), String> {
        let sizes = [self.vocab_size, self.hidden_size, self.num_hidden_layers, self.num_attention_heads, self.intermediate_size];
        if sizes.contains(&0) {
            return Err("config.json: sizes and numbers of layers and heads must be above zero".into());
        }
        if !self.hidden_size.is_multiple_of(self.num_attention_heads) {
            let (size, heads) = (self.hidden_size, self.num_attention_heads);
            return Err(format!("config.json: hidden_size {size} cannot be shared among {heads} attention heads"));
        }
        if let Some(kind) = self.position_embedding_type.as_deref().filter(|kind| *kind != "absolute") {
            return Err(format!("config.json: position_embedding_type `{kind}` is not supported; only `absolute` is"));
        }
        if self.is_decoder {
            return Err("config.json: is_decoder is set; only encoders are supported".into());
        }
        if self.max_position_embeddings <= self.first_position() + 2 {
            return Err(format!("config.json: max_position_embeddings {} leaves no room for text", self.max_position_embeddings));
        }
        Activation::parse(&self.hidden_act).map(|_| ())
    }

    /// Most tokens of a text, special ones counted.
    pub fn max_tokens(&self) -> usize {
        self.max_position_embeddings - self.first_position()
    }

    /// The padding token.
    pub fn padding(&self) -> u32 {
        self.pad_token_id.unwrap_or(if self.is_bert() { 0 } else { 1 })
    }

    /// True for the BERT family, false for that of RoBERTa.
    pub fn is_bert(&self) -> bool {
        self.model_type == "bert"
    }

    /// RoBERTa models count positions from behind the padding token's number.
    fn first_position(&self) -> usize {
        if self.is_bert() { 0 } else { self.padding() as usize + 1 }
    }

    /// Sets the family where `config.json` names it by its architecture only.
    pub(super) fn set_family(&mut self, family: &str) {
        family.clone_into(&mut self.model_type);
    }
}

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

    /// Applies it.
    pub fn apply(self, x: &Tensor) -> Computed<Tensor> {
        match self {
            Activation::Identity => Ok(x.clone()),
            Activation::Gelu => x.contiguous()?.apply_op1_no_bwd(&Gelu),
            Activation::GeluTanh => x.gelu(),
            Activation::Relu => x.relu(),
            Activation::Silu => x.silu(),
            Activation::Tanh => x.tanh(),
            Activation::Sigmoid => candle_nn::ops::sigmoid(x),
        }
    }
}

/// GELU by a rational approximation of the error function, exact to 1e-6, whose loop the compiler turns into vector instructions;
/// candle's own calls a function for each value, which takes a fifth of a small model's time.
struct Gelu;

impl Gelu {
    fn of(x: f32) -> f32 {
        const ABOVE: [f32; 7] =
            [-2.726_142_3e-10, 2.770_681_4e-8, -2.101_024e-6, -5.692_506_4e-5, -7.349_906_3e-4, -2.954_6e-3, -1.609_603_3e-2];
        const BELOW: [f32; 5] = [-1.456_607_2e-5, -2.133_740_6e-4, -1.682_827e-3, -7.373_329_2e-3, -1.426_473_9e-2];
        let z = (x * std::f32::consts::FRAC_1_SQRT_2).clamp(-4.0, 4.0);
        let square = z * z;
        let polynomial = |parts: &[f32]| parts.iter().fold(0.0, |sum, part| sum * square + part);
        0.5 * x * (1.0 + z * polynomial(&ABOVE) / polynomial(&BELOW))
    }
}

impl CustomOp1 for Gelu {
    fn name(&self) -> &'static str {
        "gelu"
    }

    fn cpu_fwd(&self, storage: &CpuStorage, layout: &Layout) -> Computed<(CpuStorage, Shape)> {
        let (Some((start, end)), CpuStorage::F32(values)) = (layout.contiguous_offsets(), storage) else {
            candle_core::bail!("gelu takes contiguous 32-bit values");
        };
        let out = values[start..end].iter().map(|&value| Gelu::of(value)).collect();
        Ok((CpuStorage::F32(out), layout.shape().clone()))
    }
}

/// `x · weight + bias`, for `x` of two dimensions.
pub struct Linear {
    /// `[inputs, outputs]`
    weight: Tensor,
    bias: Option<Tensor>,
}

impl Linear {
    /// From PyTorch's layout, `weight` of `[outputs, inputs]`.
    pub fn new(weight: &Tensor, bias: Option<Tensor>) -> Computed<Self> {
        Ok(Linear { weight: weight.t()?.contiguous()?, bias })
    }

    /// Applies it.
    pub fn apply(&self, x: &Tensor) -> Computed<Tensor> {
        let y = x.matmul(&self.weight)?;
        match &self.bias {
            Some(bias) => y.broadcast_add(bias),
            None => Ok(y),
        }
    }
}

struct Norm {
    weight: Tensor,
    bias: Tensor,
    epsilon: f32,
}

impl Norm {
    fn load(weights: &Checkpoint, name: &str, config: &EncoderConfig) -> Result<Self> {
        let shape = [config.hidden_size];
        Ok(Norm {
            weight: weights.encoder(&format!("{name}.weight"), &shape)?,
            bias: weights.encoder(&format!("{name}.bias"), &shape)?,
            epsilon: config.layer_norm_eps as f32,
        })
    }

    fn apply(&self, x: &Tensor) -> Computed<Tensor> {
        layer_norm(x, &self.weight, &self.bias, self.epsilon)
    }
}

struct Layer {
    /// Query, key and value in one product.
    attention: Linear,
    attention_output: Linear,
    attention_norm: Norm,
    inner: Linear,
    outer: Linear,
    output_norm: Norm,
}

/// Token numbers of a batch, padded to one length.
pub struct Batch {
    /// `texts * tokens` numbers.
    pub ids: Vec<u32>,
    /// `texts * tokens` segment numbers.
    pub types: Vec<u32>,
    /// Tokens of each text, padding not counted.
    pub lengths: Vec<usize>,
    /// Tokens of the longest text.
    pub tokens: usize,
}

/// A loaded encoder.
pub struct Encoder {
    config: EncoderConfig,
    activation: Activation,
    words: Tensor,
    positions: Tensor,
    types: Tensor,
    norm: Norm,
    layers: Vec<Layer>,
}

impl Encoder {
    /// Loads the encoder that `config` describes out of `weights`.
    ///
    /// # Errors
    /// [`Error::Model`] if a tensor is missing or of another shape.
    pub fn load(weights: &Checkpoint, config: &EncoderConfig) -> Result<Self> {
        let width = config.hidden_size;
        let failed = |error: candle_core::Error| Error::internal("cannot arrange weights", error);
        let linear = |name: &str, inputs: usize, outputs: usize| {
            let weight = weights.encoder(&format!("{name}.weight"), &[outputs, inputs])?;
            let bias = weights.encoder(&format!("{name}.bias"), &[outputs])?;
            Linear::new(&weight, Some(bias)).map_err(failed)
        };
        let layer = |number: usize| -> Result<Layer> {
            let at = format!("encoder.layer.{number}");
            let part = |kind: &str, shape: &[usize]| -> Result<Tensor> {
                let parts: Vec<Tensor> = ["query", "key", "value"]
                    .iter()
                    .map(|name| weights.encoder(&format!("{at}.attention.self.{name}.{kind}"), shape))
                    .collect::<Result<_>>()?;
                Tensor::cat(&parts, 0).map_err(failed)
            };
            Ok(Layer {
                attention: Linear::new(&part("weight", &[width, width])?, Some(part("bias", &[width])?)).map_err(failed)?,
                attention_output: linear(&format!("{at}.attention.output.dense"), width, width)?,
                attention_norm: Norm::load(weights, &format!("{at}.attention.output.LayerNorm"), config)?,
                inner: linear(&format!("{at}.intermediate.dense"), width, config.intermediate_size)?,
                outer: linear(&format!("{at}.output.dense"), config.intermediate_size, width)?,
                output_norm: Norm::load(weights, &format!("{at}.output.LayerNorm"), config)?,
            })
        };
        Ok(Encoder {
            activation: Activation::parse(&config.hidden_act).map_err(Error::Internal)?,
            words: weights.encoder("embeddings.word_embeddings.weight", &[config.vocab_size, width])?,
            positions: weights.encoder("embeddings.position_embeddings.weight", &[config.max_position_embeddings, width])?,
            types: weights.encoder("embeddings.token_type_embeddings.weight", &[config.type_vocab_size, width])?,
            norm: Norm::load(weights, "embeddings.LayerNorm", config)?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
            config: config.clone(),
        })
    }

    /// The last layer's vectors, `[texts, tokens, width]`.
    pub fn forward(&self, batch: &Batch) -> Computed<Tensor> {
        let (texts, tokens, width) = (batch.lengths.len(), batch.tokens, self.config.hidden_size);
        let device = &Device::Cpu;
        let rows = texts * tokens;
        let words = self.words.index_select(&Tensor::from_slice(&batch.ids, rows, device)?, 0)?;
        let last_type = self.config.type_vocab_size as u32 - 1;
        let types: Vec<u32> = batch.types.iter().map(|&segment| segment.min(last_type)).collect();
        let types = self.types.index_select(&Tensor::from_vec(types, rows, device)?, 0)?;
        let positions = self.positions.narrow(0, self.config.first_position(), tokens)?.unsqueeze(0)?;
        let x = (words + types)?.reshape((texts, tokens, width))?.broadcast_add(&positions)?.reshape((rows, width))?;
        let mut x = self.norm.apply(&x)?;
        let mask = self.mask(batch)?;
        for layer in &self.layers {
            let attended = self.attend(layer, &x, mask.as_ref(), (texts, tokens))?;
            x = layer.attention_norm.apply(&(layer.attention_output.apply(&attended)? + x)?)?;
            let inner = self.activation.apply(&layer.inner.apply(&x)?)?;
            x = layer.output_norm.apply(&(layer.outer.apply(&inner)? + x)?)?;
        }
        x.reshape((texts, tokens, width))
    }

    /// What is added to attention scores, `[texts, 1, 1, tokens]`; nothing where no text is padded.
    fn mask(&self, batch: &Batch) -> Computed<Option<Tensor>> {
        if batch.lengths.iter().all(|&length| length == batch.tokens) {
            return Ok(None);
        }
        let values: Vec<f32> = batch
            .lengths
            .iter()
            .flat_map(|&length| (0..batch.tokens).map(move |at| if at < length { 0.0 } else { MASKED }))
            .collect();
        Tensor::from_vec(values, (batch.lengths.len(), 1, 1, batch.tokens), &Device::Cpu).map(Some)
    }

    fn attend(&self, layer: &Layer, x: &Tensor, mask: Option<&Tensor>, shape: (usize, usize)) -> Computed<Tensor> {
        let (texts, tokens) = shape;
        let heads = self.config.num_attention_heads;
        let width = self.config.hidden_size / heads;
        let all = layer.attention.apply(x)?.reshape((texts, tokens, 3, heads, width))?;
        let part = |number: usize| all.narrow(2, number, 1)?.squeeze(2)?.transpose(1, 2)?.contiguous();
        let (query, key, value) = ((part(0)? * (1.0 / (width as f64).sqrt()))?, part(1)?, part(2)?);
        let key = key.transpose(D::Minus1, D::Minus2)?;
        let mut parts = Vec::with_capacity(tokens.div_ceil(ATTENTION_ROWS));
        for start in (0..tokens).step_by(ATTENTION_ROWS) {
            let rows = query.narrow(2, start, ATTENTION_ROWS.min(tokens - start))?.contiguous()?;
            let mut scores = rows.matmul(&key)?;
            if let Some(mask) = mask {
                scores = scores.broadcast_add(mask)?;
            }
            parts.push(softmax_last_dim(&scores)?.matmul(&value)?);
        }
        let attended = if parts.len() == 1 { parts.swap_remove(0) } else { Tensor::cat(&parts, 2)? };
        attended.transpose(1, 2)?.contiguous()?.reshape((texts * tokens, heads * width))
    }
}
