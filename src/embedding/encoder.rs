//! The transformer encoder of the BERT and XLM-RoBERTa families: token, position and type vectors, then layers of attention
//! and feed-forward with the norm after each. The families differ in where positions start to count, and in names.

use candle_core::{Result as Computed, Tensor};
use serde::Deserialize;

use super::checkpoint::Checkpoint;
use super::layers::{Activation, Attention, Embed, Linear, Norm};
use crate::error::{Error, Result};

/// `config.json` of the two families.
#[derive(Debug, Clone, Deserialize)]
pub struct EncoderConfig {
    /// Set by [`EncoderConfig::set_family`]: files name it in several ways, or not at all.
    #[serde(skip)]
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

    /// Sets the family, `bert` or `xlm-roberta`.
    pub(super) fn set_family(&mut self, family: &str) {
        family.clone_into(&mut self.model_type);
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

/// Token numbers of a batch of texts, one text behind the other without padding.
pub struct Batch {
    /// The number of each token.
    pub ids: Vec<u32>,
    /// The segment of each token.
    pub types: Vec<u32>,
    /// Tokens of each text.
    pub lengths: Vec<usize>,
}

/// A loaded encoder.
pub struct Encoder {
    heads: usize,
    words: Tensor,
    /// From the first position that counts.
    positions: Vec<f32>,
    segments: Vec<f32>,
    last_segment: u32,
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
        let activation = Activation::parse(&config.hidden_act).map_err(Error::Internal)?;
        let linear = |name: &str, inputs: usize, outputs: usize, activation: Activation| {
            let weight = weights.encoder(&format!("{name}.weight"), &[outputs, inputs])?;
            let bias = weights.encoder(&format!("{name}.bias"), &[outputs])?;
            Linear::new(&weight, Some(&bias), activation).map_err(failed)
        };
        let norm = |name: &str| {
            let weight = weights.encoder(&format!("{name}.weight"), &[width])?;
            let bias = weights.encoder(&format!("{name}.bias"), &[width])?;
            Norm::new(&weight, &bias, config.layer_norm_eps as f32).map_err(failed)
        };
        // Scores are scaled by the root of a head's width; scaled queries save a pass over them.
        let scale = 1.0 / ((width / config.num_attention_heads) as f64).sqrt();
        let attention = |at: &str| -> Result<Linear> {
            let part = |kind: &str, shape: &[usize]| -> Result<Tensor> {
                let get = |name: &str| weights.encoder(&format!("{at}.attention.self.{name}.{kind}"), shape);
                let query = (get("query")? * scale).map_err(failed)?;
                Tensor::cat(&[query, get("key")?, get("value")?], 0).map_err(failed)
            };
            Linear::new(&part("weight", &[width, width])?, Some(&part("bias", &[width])?), Activation::Identity).map_err(failed)
        };
        let layer = |number: usize| -> Result<Layer> {
            let at = format!("encoder.layer.{number}");
            Ok(Layer {
                attention: attention(&at)?,
                attention_output: linear(&format!("{at}.attention.output.dense"), width, width, Activation::Identity)?,
                attention_norm: norm(&format!("{at}.attention.output.LayerNorm"))?,
                inner: linear(&format!("{at}.intermediate.dense"), width, config.intermediate_size, activation)?,
                outer: linear(&format!("{at}.output.dense"), config.intermediate_size, width, Activation::Identity)?,
                output_norm: norm(&format!("{at}.output.LayerNorm"))?,
            })
        };
        let table = |name: &str, rows: usize| weights.encoder(&format!("embeddings.{name}.weight"), &[rows, width]);
        let values = |table: Tensor| table.flatten_all().and_then(|values| values.to_vec1::<f32>()).map_err(failed);
        let mut positions = values(table("position_embeddings", config.max_position_embeddings)?)?;
        positions.drain(..config.first_position() * width);
        Ok(Encoder {
            heads: config.num_attention_heads,
            words: table("word_embeddings", config.vocab_size)?,
            positions,
            segments: values(table("token_type_embeddings", config.type_vocab_size)?)?,
            last_segment: (config.type_vocab_size as u32).saturating_sub(1),
            norm: norm("embeddings.LayerNorm")?,
            layers: (0..config.num_hidden_layers).map(layer).collect::<Result<_>>()?,
        })
    }

    /// The last layer's vectors, `[tokens, width]`, those of one text behind those of the other.
    pub fn forward(&self, batch: &Batch) -> Computed<Tensor> {
        let types: Vec<u32> = batch.types.iter().map(|&segment| segment.min(self.last_segment)).collect();
        let mut x = self.words.apply_op1_no_bwd(&Embed {
            ids: &batch.ids,
            types: &types,
            lengths: &batch.lengths,
            positions: &self.positions,
            segments: &self.segments,
            norm: &self.norm,
        })?;
        let attention = Attention { heads: self.heads, lengths: &batch.lengths };
        for layer in &self.layers {
            let attended = layer.attention.apply(&x)?.apply_op1_no_bwd(&attention)?;
            x = layer.attention_norm.of_sum(&layer.attention_output.apply(&attended)?, &x)?;
            x = layer.output_norm.of_sum(&layer.outer.apply(&layer.inner.apply(&x)?)?, &x)?;
        }
        Ok(x)
    }
}
