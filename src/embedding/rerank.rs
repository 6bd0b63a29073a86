//! Cross-encoders: a query and a text read together give one relevance, slower and sharper than comparing vectors. Of the
//! sequence-classification kind with one logit, as the bge-reranker family is.

use std::path::Path;

use candle_core::Tensor;
use tokenizers::EncodeInput;

use super::checkpoint::Checkpoint;
use super::layers::{Activation, Linear};
use super::pooling::Pooling;
use super::recipe::read_json;
use super::transformer::Reader;
use super::{Family, encoder_config, family, folder_name};
use crate::error::{Error, Result};

/// Judges how well texts answer a query.
pub trait Reranker: Send + Sync {
    /// A name for people.
    fn name(&self) -> &str;

    /// The relevance of each text for `query`, from 0 to 1, in order. Results do not depend on how texts are batched.
    ///
    /// # Errors
    /// If the model's arithmetic fails, which a loaded model should never do.
    fn relevance(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>>;
}

/// Loads the cross-encoder of `folder`.
///
/// # Errors
/// [`Error::Model`] if it is not a cross-encoder of the BERT or XLM-RoBERTa family with one output, or is damaged.
pub fn load_reranker(folder: &Path) -> Result<Box<dyn Reranker>> {
    let bad = |what: String| Error::model(folder, what);
    let Some(config) = read_json::<serde_json::Value>(folder, "config.json")? else {
        return Err(bad("has no config.json; give the folder of a cross-encoder in Hugging Face layout".into()));
    };
    let family = family(folder, &config)?;
    if !matches!(family, Family::Bert | Family::Roberta) {
        return Err(bad("is no cross-encoder; use a sequence-classification model of the bert or xlm-roberta family".into()));
    }
    let config = encoder_config(family, config).map_err(|error| bad(format!("config.json: {error}")))?;
    let weights = Checkpoint::open(folder)?;
    let (width, bert) = (config.hidden_size, config.is_bert());
    let (dense, output) = if bert { ("pooler.dense", "classifier") } else { ("classifier.dense", "classifier.out_proj") };
    let Some(outputs) = weights.rows(&format!("{output}.weight")) else {
        return Err(bad(format!("has no tensor `{output}.weight`; it is an encoder, not a cross-encoder")));
    };
    if outputs != 1 {
        return Err(bad(format!("gives {outputs} values for a pair of texts; only cross-encoders with one are supported")));
    }
    let linear = |name: &str, outputs: usize, in_encoder: bool, activation: Activation| -> Result<Linear> {
        let get = |kind: &str, shape: &[usize]| {
            let name = format!("{name}.{kind}");
            if in_encoder { weights.encoder(&name, shape) } else { weights.tensor(&name, shape) }
        };
        Linear::new(&get("weight", &[outputs, width])?, Some(&get("bias", &[outputs])?), activation)
            .map_err(|error| Error::internal("cannot arrange weights", error))
    };
    let dense = linear(dense, width, bert, Activation::Tanh)?;
    let output = linear(output, 1, false, Activation::Identity)?;
    let reader = Reader::load(folder, config, &weights, None)?;
    Ok(Box::new(CrossEncoder { reader, dense, output, name: folder_name(folder) }))
}

/// A loaded cross-encoder.
struct CrossEncoder {
    reader: Reader,
    dense: Linear,
    output: Linear,
    name: String,
}

impl CrossEncoder {
    fn head(&self, hidden: &Tensor, lengths: &[usize]) -> candle_core::Result<Vec<f32>> {
        let first = Pooling::Cls.apply(hidden, lengths, 0)?;
        let logits = self.output.apply(&self.dense.apply(&first)?)?.squeeze(1)?.to_vec1::<f32>()?;
        if logits.iter().any(|logit| !logit.is_finite()) {
            candle_core::bail!("a relevance is not a number; the weights are damaged");
        }
        Ok(logits.into_iter().map(|logit| 1.0 / (1.0 + (-logit).exp())).collect())
    }
}

impl Reranker for CrossEncoder {
    fn name(&self) -> &str {
        &self.name
    }

    fn relevance(&self, query: &str, texts: &[&str]) -> Result<Vec<f32>> {
        let pairs: Vec<EncodeInput> = texts.iter().map(|text| EncodeInput::from((query, *text))).collect();
        let tokens = self.reader.tokenise(&pairs)?;
        let scores = self.reader.encode(&tokens, |hidden, lengths| self.head(hidden, lengths))?;
        Ok(scores.into_iter().map(|score| score.unwrap_or(0.0)).collect())
    }
}
