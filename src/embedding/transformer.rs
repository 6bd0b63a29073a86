//! Sentence vectors from a transformer: tokenise, sort by length, encode batch by batch, pool, and apply what else the model's
//! files ask for. Each batch runs on one core; order and results do not depend on how texts fall into batches.

use std::path::{Path, PathBuf};

use candle_core::Tensor;
use tokenizers::Tokenizer;

use super::checkpoint::{Checkpoint, weight_files};
use super::cores::on_all_cores;
use super::encoder::{Batch, Encoder, EncoderConfig};
use super::layers::{Activation, Linear};
use super::recipe::{Recipe, Step};
use super::{Description, Embedder, Role, fingerprint, folder_name, to_unit_norm, tokens};
use crate::error::{Error, Result};

/// Most texts of a batch.
const BATCH_TEXTS: usize = 32;
/// Most tokens of a batch, unless one text alone has more.
const BATCH_TOKENS: usize = 2_048;
/// Texts tokenised in one go.
const TOKENISE: usize = 128;

/// Least maximum length: special tokens take up to four places of it.
const SHORTEST: usize = 5;

/// Token numbers and segments of a text.
#[derive(Default)]
pub(super) struct Tokens {
    pub ids: Vec<u32>,
    pub types: Vec<u32>,
}

/// An encoder with its tokenizer; what embedders and cross-encoders have in common.
pub(super) struct Reader {
    pub encoder: Encoder,
    pub tokenizer: Tokenizer,
    pub config: EncoderConfig,
    pub max_length: usize,
    pub files: Vec<PathBuf>,
}

impl Reader {
    /// Loads encoder and tokenizer of `folder`, whose `config.json` was read as `config`. `asked` is the maximum length that
    /// the model's files or the settings ask for.
    pub fn load(folder: &Path, config: EncoderConfig, weights: &Checkpoint, asked: Option<usize>) -> Result<Self> {
        config.validate().map_err(|what| Error::model(folder, what))?;
        let most = config.max_tokens();
        let max_length = asked.or(tokens::max_length(folder)?).unwrap_or(most).min(most);
        if max_length < SHORTEST {
            return Err(Error::model(
                folder,
                format!("a maximum length of {max_length} tokens leaves no room for text; use {SHORTEST} to {most}"),
            ));
        }
        let encoder = Encoder::load(weights, &config)?;
        let rows = weights.rows(&weights.token_table()).unwrap_or(0);
        let (mut tokenizer, file) = tokens::load(folder, rows)?;
        tokens::truncate(folder, &mut tokenizer, max_length)?;
        let mut files = vec![PathBuf::from("config.json"), file.into()];
        if folder.join(tokens::TOKENIZER_CONFIG).exists() {
            files.push(tokens::TOKENIZER_CONFIG.into());
        }
        files.extend(weight_files(folder)?.into_iter().map(PathBuf::from));
        Ok(Reader { encoder, tokenizer, config, max_length, files })
    }

    /// Tokenises each of `inputs`, on all cores if there are many.
    pub fn tokenise<'s, I>(&self, inputs: &[I]) -> Result<Vec<Tokens>>
    where
        I: Clone + Sync + Into<tokenizers::EncodeInput<'s>>,
    {
        let part = |inputs: &&[I]| -> Result<Vec<Tokens>> {
            let one = |input: &I| {
                let encoding = self.tokenizer.encode_fast(input.clone(), true);
                let encoding = encoding.map_err(|error| Error::internal("tokenising failed", error))?;
                Ok(Tokens { ids: encoding.get_ids().to_vec(), types: encoding.get_type_ids().to_vec() })
            };
            inputs.iter().map(one).collect()
        };
        if inputs.len() <= TOKENISE {
            return part(&inputs);
        }
        let parts: Vec<&[I]> = inputs.chunks(TOKENISE).collect();
        Ok(on_all_cores(&parts, part)?.into_iter().flatten().collect())
    }

    /// Encodes texts in batches of similar length and calls `head` with each batch's last layer; one result a text, in order. A
    /// text without tokens gets no result.
    pub fn encode<T: Send>(
        &self,
        texts: &[Tokens],
        head: impl Fn(&Tensor, &[usize]) -> candle_core::Result<Vec<T>> + Sync,
    ) -> Result<Vec<Option<T>>> {
        let batches = batches(texts);
        let run = |members: &Vec<usize>| {
            let of = |part: fn(&Tokens) -> &[u32]| members.iter().flat_map(|&member| part(&texts[member])).copied().collect();
            let batch = Batch {
                ids: of(|text| &text.ids),
                types: of(|text| &text.types),
                lengths: members.iter().map(|&member| texts[member].ids.len()).collect(),
            };
            self.encoder
                .forward(&batch)
                .and_then(|hidden| head(&hidden, &batch.lengths))
                .map_err(|error| Error::internal("the model's arithmetic failed", error))
        };
        let done = match batches.as_slice() {
            [] => Vec::new(),
            // Nothing in it starts threads, so it stays on the core that asks: another would have to be woken first.
            [only] => vec![run(only)?],
            many => on_all_cores(many, run)?,
        };
        let mut out: Vec<Option<T>> = texts.iter().map(|_| None).collect();
        for (members, results) in batches.iter().zip(done) {
            for (&member, result) in members.iter().zip(results) {
                out[member] = Some(result);
            }
        }
        Ok(out)
    }
}

/// Numbers of the texts that have tokens, in batches of similar length, longest first.
fn batches(texts: &[Tokens]) -> Vec<Vec<usize>> {
    let length = |text: usize| texts[text].ids.len();
    let mut order: Vec<usize> = (0..texts.len()).filter(|&text| length(text) > 0).collect();
    order.sort_by_key(|&text| (std::cmp::Reverse(length(text)), text));
    let mut batches: Vec<Vec<usize>> = Vec::new();
    for text in order {
        match batches.last_mut() {
            Some(batch) if batch.len() < BATCH_TEXTS && (batch.len() + 1) * length(batch[0]) <= BATCH_TOKENS => batch.push(text),
            _ => batches.push(vec![text]),
        }
    }
    batches
}

/// A step after pooling, loaded.
enum Loaded {
    Dense(Linear),
    Normalize,
}

/// A loaded sentence transformer.
pub struct TransformerModel {
    reader: Reader,
    recipe: Recipe,
    steps: Vec<Loaded>,
    dimensions: usize,
    name: String,
    fingerprint: String,
}

impl TransformerModel {
    /// Loads the model of `folder`.
    ///
    /// # Errors
    /// [`Error::Model`] if a file is missing, damaged, or does not fit the others.
    pub fn load(folder: &Path, config: EncoderConfig, recipe: Recipe) -> Result<Self> {
        let weights = Checkpoint::open(&recipe.model)?;
        let mut dimensions = config.hidden_size * recipe.pooling.len();
        let reader = Reader::load(&recipe.model, config, &weights, recipe.max_length)?;
        let inside = recipe.model.strip_prefix(folder).unwrap_or(Path::new(""));
        let mut files: Vec<PathBuf> = reader.files.iter().map(|file| inside.join(file)).collect();
        files.extend(recipe.files.iter().cloned());
        let mut steps = Vec::new();
        for step in &recipe.steps {
            let Step::Dense { folder: at, inputs, outputs, bias, activation } = step else {
                steps.push(Loaded::Normalize);
                continue;
            };
            if *inputs != dimensions {
                return Err(Error::model(at, format!("the dense module takes {inputs} values, but gets {dimensions}")));
            }
            let weights = Checkpoint::open(at)?;
            let bias = if *bias { Some(weights.tensor("linear.bias", &[*outputs])?) } else { None };
            let activation = Activation::parse(activation).map_err(|what| Error::model(at, what))?;
            let dense = Linear::new(&weights.tensor("linear.weight", &[*outputs, *inputs])?, bias.as_ref(), activation)
                .map_err(|error| Error::internal("cannot arrange weights", error))?;
            steps.push(Loaded::Dense(dense));
            dimensions = *outputs;
            let place = at.strip_prefix(folder).unwrap_or(at);
            files.extend(weight_files(at)?.into_iter().map(|file| place.join(file)));
        }
        let fingerprint = fingerprint(folder, &files, &recipe.mark())?;
        Ok(TransformerModel { reader, recipe, steps, dimensions, name: folder_name(folder), fingerprint })
    }

    /// Tokens at a text's start that do not count in pooling.
    fn skipped(&self, role: Role) -> Result<usize> {
        let prompt = self.recipe.prompt(role);
        if self.recipe.include_prompt || prompt.is_empty() {
            return Ok(0);
        }
        let encoding = self.reader.tokenizer.encode(prompt, true).map_err(|error| Error::internal("tokenising failed", error))?;
        let last_is_special = encoding.get_special_tokens_mask().last() == Some(&1);
        Ok(encoding.len() - usize::from(last_is_special))
    }

    fn head(&self, hidden: &Tensor, lengths: &[usize], skip: usize) -> candle_core::Result<Vec<Vec<f32>>> {
        let pooled: Vec<Tensor> =
            self.recipe.pooling.iter().map(|kind| kind.apply(hidden, lengths, skip)).collect::<candle_core::Result<_>>()?;
        let mut x = if let [only] = pooled.as_slice() { only.clone() } else { Tensor::cat(&pooled, 1)? };
        for step in &self.steps {
            x = match step {
                Loaded::Dense(dense) => dense.apply(&x)?,
                Loaded::Normalize => x.broadcast_div(&x.sqr()?.sum_keepdim(1)?.sqrt()?.maximum(1e-12)?)?,
            };
        }
        let mut rows = x.to_vec2::<f32>()?;
        for row in &mut rows {
            if row.iter().any(|value| !value.is_finite()) {
                candle_core::bail!("a vector has values that are not numbers; the weights are damaged");
            }
            if self.recipe.normalize {
                to_unit_norm(row);
            }
        }
        Ok(rows)
    }
}

impl Embedder for TransformerModel {
    fn dimensions(&self) -> usize {
        self.dimensions
    }

    fn fingerprint(&self) -> &str {
        &self.fingerprint
    }

    fn name(&self) -> &str {
        &self.name
    }

    fn embed(&self, texts: &[&str], role: Role) -> Result<Vec<Vec<f32>>> {
        let skip = self.skipped(role)?;
        let prepared: Vec<String> = texts.iter().map(|text| self.recipe.prepare(text, role)).collect();
        let mut tokens = self.reader.tokenise(&prepared.iter().map(String::as_str).collect::<Vec<_>>())?;
        for (text, tokens) in texts.iter().zip(&mut tokens) {
            if text.trim().is_empty() {
                *tokens = Tokens::default();
            }
        }
        let vectors = self.reader.encode(&tokens, |hidden, lengths| self.head(hidden, lengths, skip))?;
        Ok(vectors.into_iter().map(|vector| vector.unwrap_or_else(|| vec![0.0; self.dimensions])).collect())
    }

    fn description(&self) -> Description {
        let pooling: Vec<&str> = self.recipe.pooling.iter().map(|kind| kind.name()).collect();
        Description {
            architecture: if self.reader.config.is_bert() { "bert" } else { "xlm-roberta" }.to_owned(),
            max_length: Some(self.reader.max_length),
            pooling: pooling.join("+"),
            normalize: self.recipe.normalize,
            query_prompt: self.recipe.query_prompt.clone(),
            document_prompt: self.recipe.document_prompt.clone(),
        }
    }
}
