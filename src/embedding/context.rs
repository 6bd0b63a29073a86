//! The second reading of the shipped model: a convolution over the pieces of a text, which knows what stands beside what. The bag of
//! n-grams finds candidates in no time; this reads a question once and is compared with the candidates only, whose vectors were
//! made when the corpus was indexed.
//!
//! The architecture is that of Google's multilingual Universal Sentence Encoder (Yang et al. 2019, arXiv:1907.04307) in its convolutional
//! form: vectors of pieces, three branches of two convolutions each, a sum over the text and a small feed-forward network.

use std::path::Path;

use safetensors::tensor::{Dtype, SafeTensors, TensorView};
use serde::Deserialize;
use tokenizers::Tokenizer;

use super::cores::on_all_cores;
use super::kernels::{self, Panels, Rows};
use super::to_unit_norm;
use crate::error::{Error, Result};
use crate::text::normalise;

/// The files in the model's folder that the encoder is made of.
pub(super) const FILES: [&str; 2] = ["context.tokenizer.json", "context.safetensors"];
/// Belongs to the model's fingerprint: another one whenever texts are read otherwise.
pub(super) const VERSION: &str = "context-1";
/// Largest number of values or pieces that a description may name; far above what such a small encoder has.
const LARGEST: usize = 1 << 16;
/// A character that stands for nothing yet, and that no tokenizer knows therefore, among others.
const UNKNOWN: &str = "退\u{378}款";
/// Rows of nothing between two texts: as many as the widest window reaches beyond a text.
const GAP: usize = 2;
/// Pieces that are worked off together, those of a longer text aside.
const BATCH_PIECES: usize = 384;
/// Rows that go through a product together: few enough to stay in a core's cache.
const CHUNK: usize = 96;

/// `context` in `config.json`.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContextConfig {
    /// Values of a piece's vector.
    width: usize,
    /// Values of each branch.
    branch: usize,
    /// Values of the result.
    dimensions: usize,
    /// For each branch how many pieces its window holds, and how many of them stand before the one it is made for.
    windows: Vec<[usize; 2]>,
    /// Pieces of a text that are read; what comes after is cut off.
    max_pieces: usize,
    /// Added to variances.
    epsilon: f32,
    /// Numbers of the pieces put before and after a text.
    begin: u32,
    end: u32,
}

/// The encoder.
pub(super) struct ContextEncoder {
    config: ContextConfig,
    tokenizer: Tokenizer,
    pieces: Pieces,
    project: Layer,
    branches: Vec<Branch>,
    norm: Norm,
    pool: Layer,
    /// The feed-forward network: two layers, each with a way around it, then a third.
    first: Layer,
    first_around: Layer,
    second: Layer,
    third: Layer,
    second_around: Layer,
    fourth: Layer,
    out: Layer,
}

/// Two convolutions over a projection of the pieces.
struct Branch {
    before: usize,
    norm: Norm,
    convolutions: [Layer; 2],
}

/// Vectors of pieces in eight bits a value, each with what 1 stands for.
struct Pieces {
    width: usize,
    values: Vec<i8>,
    scales: Vec<f32>,
}

/// A product with a matrix; an empty bias is none.
struct Layer {
    weight: Panels,
    inputs: usize,
    bias: Vec<f32>,
}

struct Norm {
    weight: Vec<f32>,
    bias: Vec<f32>,
    epsilon: f32,
}

impl ContextEncoder {
    /// Loads the encoder of `folder`, whose `config.json` describes it by `config`.
    ///
    /// # Errors
    /// [`Error::Model`] if a file is missing, damaged or does not fit the description.
    pub fn load(folder: &Path, config: ContextConfig) -> Result<Self> {
        let bad = |what: String| Error::model(folder, what);
        let [tokenizer_file, weights_file] = FILES;
        let sizes = [config.width, config.branch, config.dimensions, config.max_pieces, config.windows.len()];
        let sane = config.epsilon.is_finite() && config.epsilon > 0.0 && sizes.iter().all(|size| (1..=LARGEST).contains(size));
        if !sane || config.windows.iter().any(|[size, before]| before >= size || *before > GAP || size - before - 1 > GAP) {
            return Err(bad(format!("config.json: `context` describes no encoder: {config:?}")));
        }
        let read = |name: &str| {
            let path = folder.join(name);
            std::fs::read(&path).map_err(|source| Error::io(&path, source))
        };
        let mut tokenizer =
            Tokenizer::from_bytes(read(tokenizer_file)?).map_err(|error| bad(format!("{tokenizer_file}: {error}")))?;
        tokenizer.with_padding(None);
        tokenizer.with_truncation(None).map_err(|error| bad(format!("{tokenizer_file}: {error}")))?;
        let bytes = read(weights_file)?;
        let damaged = |error| bad(format!("{weights_file} is damaged or cut off: {error}"));
        let weights = Weights { tensors: SafeTensors::deserialize(&bytes).map_err(damaged)?, epsilon: config.epsilon };
        let encoder = Self::arrange(config, tokenizer, &weights).map_err(|what| bad(format!("{weights_file}: {what}")))?;
        let last =
            encoder.tokenizer.get_vocab(true).into_values().max().unwrap_or(0).max(encoder.config.begin).max(encoder.config.end);
        let rows = encoder.pieces.scales.len();
        if last as usize >= rows {
            return Err(bad(format!("{tokenizer_file} numbers pieces up to {last}, but there are {rows} vectors")));
        }
        if let Err(error) = encoder.embed(&[UNKNOWN]) {
            return Err(bad(format!("cannot read a character that {tokenizer_file} does not know: {error}")));
        }
        Ok(encoder)
    }

    fn arrange(config: ContextConfig, tokenizer: Tokenizer, weights: &Weights) -> std::result::Result<Self, String> {
        let ContextConfig { width, branch, dimensions, ref windows, .. } = config;
        let wide = width + windows.len() * branch;
        let branches = windows.iter().enumerate().map(|(at, &[size, before])| {
            let layer = |number: usize| weights.layer(&format!("branch.{at}.{number}"), size * branch, Some(branch));
            let norm = weights.norm(&format!("branch.{at}.norm"), branch)?;
            Ok::<_, String>(Branch { before, norm, convolutions: [layer(0)?, layer(1)?] })
        });
        let branches = branches.collect::<std::result::Result<_, _>>()?;
        let pool = weights.layer("pool", wide, None)?;
        let pooled = pool.weight.columns();
        let first = weights.layer("first", pooled, None)?;
        let hidden = first.weight.columns();
        let third = weights.layer("third", hidden, None)?;
        let inner = third.weight.columns();
        let fourth = weights.layer("fourth", inner, None)?;
        let last = fourth.weight.columns();
        Ok(ContextEncoder {
            pieces: weights.pieces("pieces", width)?,
            project: weights.layer("project", width, Some(windows.len() * branch))?,
            branches,
            norm: weights.norm("norm", wide)?,
            pool,
            first_around: weights.layer("first_around", pooled, Some(hidden))?,
            second: weights.layer("second", hidden, Some(hidden))?,
            second_around: weights.layer("second_around", hidden, Some(last))?,
            first,
            third,
            fourth,
            out: weights.layer("out", last, Some(dimensions))?,
            tokenizer,
            config,
        })
    }

    /// Number of values in a vector.
    pub fn dimensions(&self) -> usize {
        self.config.dimensions
    }

    /// One vector of norm 1 for each text, in order; all zeros for one without content. Many texts are read on all cores, a single one
    /// on one.
    ///
    /// # Errors
    /// If a text cannot be cut into pieces, which a loaded tokenizer should never fail to do.
    pub fn embed(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let mut batches: Vec<&[&str]> = Vec::new();
        let (mut from, mut chars) = (0, 0);
        for (at, text) in texts.iter().enumerate() {
            // A piece has at least one character of three bytes, or stands for many of one.
            chars += (text.len() / 3 + 1).min(self.config.max_pieces);
            if chars >= BATCH_PIECES {
                batches.push(&texts[from..=at]);
                (from, chars) = (at + 1, 0);
            }
        }
        if from < texts.len() {
            batches.push(&texts[from..]);
        }
        Ok(on_all_cores(&batches, |batch| self.embed_batch(batch))?.into_iter().flatten().collect())
    }

    fn embed_batch(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>> {
        let numbers: Vec<Vec<u32>> = texts.iter().map(|text| self.numbers(text)).collect::<Result<_>>()?;
        let with_content: Vec<&Vec<u32>> = numbers.iter().filter(|numbers| !numbers.is_empty()).collect();
        let vectors = if with_content.is_empty() { Vec::new() } else { self.read(&with_content) };
        if vectors.iter().flatten().any(|value| !value.is_finite()) {
            return Err(Error::Internal("a vector of the second reading is not finite; the weights are damaged".into()));
        }
        let mut vectors = vectors.into_iter();
        let empty = || vec![0.0; self.config.dimensions];
        Ok(numbers.iter().map(|numbers| if numbers.is_empty() { empty() } else { vectors.next().unwrap_or_else(empty) }).collect())
    }

    /// The pieces of `text` with those before and after it; none for a text without content.
    fn numbers(&self, text: &str) -> Result<Vec<u32>> {
        let text = normalise(text);
        // Marks at the ends say nothing of what is asked: a question and the same one with three exclamation marks are read alike.
        let text = text.trim_matches(|c: char| !c.is_alphanumeric());
        if text.is_empty() {
            return Ok(Vec::new());
        }
        let encoding = self
            .tokenizer
            .encode_fast(text, false)
            .map_err(|error| Error::Internal(format!("cannot cut a text into pieces: {error}")))?;
        let pieces = encoding.get_ids();
        if pieces.is_empty() {
            return Ok(Vec::new());
        }
        let pieces = &pieces[..pieces.len().min(self.config.max_pieces)];
        Ok([self.config.begin].iter().chain(pieces).chain([&self.config.end]).copied().collect())
    }

    /// The vectors of texts of at least one piece each.
    fn read(&self, texts: &[&Vec<u32>]) -> Vec<Vec<f32>> {
        let ContextConfig { width, branch, .. } = self.config;
        let wide = width + self.branches.len() * branch;
        // Texts stand one after the other, nothing before, between and after them.
        let starts: Vec<usize> = texts
            .iter()
            .scan(GAP, |next, text| {
                let start = *next;
                *next += text.len() + GAP;
                Some(start)
            })
            .collect();
        let places = GAP + texts.iter().map(|text| text.len() + GAP).sum::<usize>();
        let spans = || starts.iter().zip(texts).map(|(start, text)| *start..start + text.len());
        let mut pieces = vec![0.0; places * width];
        for (span, text) in spans().zip(texts) {
            for (row, &number) in pieces[span.start * width..span.end * width].chunks_exact_mut(width).zip(text.iter()) {
                self.pieces.row(number, row);
            }
        }
        let projected = self.project.apply(&pieces, width, places);
        let all = self.branches.len() * branch;
        let mut wide_rows = vec![0.0; places * wide];
        for (from, to) in pieces.chunks_exact(width).zip(wide_rows.chunks_exact_mut(wide)) {
            to[..width].copy_from_slice(from);
        }
        // Windows of the outermost places reach beyond what there is.
        let mut rows = vec![0.0; (places + 2 * GAP) * branch];
        for (at, part) in self.branches.iter().enumerate() {
            rows.fill(0.0);
            for span in spans() {
                for place in span {
                    let to = &mut rows[(place + GAP) * branch..][..branch];
                    to.copy_from_slice(&projected[place * all + at * branch..][..branch]);
                    part.norm.apply(to);
                }
            }
            for convolution in &part.convolutions {
                let found = convolution.apply(&rows[(GAP - part.before) * branch..], branch, places);
                for span in spans() {
                    let found = &found[span.start * branch..span.end * branch];
                    let rows = &mut rows[(span.start + GAP) * branch..];
                    // Not `max`, which would hide what is not a number.
                    rows.iter_mut().zip(found).for_each(|(value, found)| *value += if *found < 0.0 { 0.0 } else { *found });
                }
            }
            let rows = rows[GAP * branch..].chunks_exact(branch);
            for (from, to) in rows.zip(wide_rows.chunks_exact_mut(wide)) {
                to[width + at * branch..][..branch].copy_from_slice(from);
            }
        }
        let mut sums = vec![0.0; texts.len() * wide];
        for (span, sum) in spans().zip(sums.chunks_exact_mut(wide)) {
            for row in wide_rows[span.start * wide..span.end * wide].chunks_exact_mut(wide) {
                self.norm.apply(row);
                sum.iter_mut().zip(row).for_each(|(sum, value)| *sum += *value);
            }
        }
        self.conclude(&sums, texts)
    }

    /// From the sums over texts to their vectors.
    fn conclude(&self, sums: &[f32], texts: &[&Vec<u32>]) -> Vec<Vec<f32>> {
        let count = texts.len();
        let mut mean = self.pool.apply(sums, self.pool.inputs, count);
        let pooled = mean.len() / count;
        for (row, text) in mean.chunks_exact_mut(pooled).zip(texts) {
            // The sum of as many projections as there are pieces: the bias counts once for each.
            let length = text.len() as f32;
            let more = (length - 1.0) / length.sqrt();
            row.iter_mut().zip(&self.pool.bias).for_each(|(value, bias)| *value = *value / length.sqrt() + more * bias);
        }
        let relu = |mut values: Vec<f32>| {
            kernels::map(&mut values, |x| if x < 0.0 { 0.0 } else { x });
            values
        };
        let add = |mut values: Vec<f32>, more: Vec<f32>| {
            values.iter_mut().zip(more).for_each(|(value, more)| *value += more);
            values
        };
        let on = |layer: &Layer, values: &[f32]| layer.apply(values, layer.inputs, count);
        let first = relu(on(&self.first, &mean));
        let second = relu(add(on(&self.first_around, &mean), on(&self.second, &first)));
        let third = relu(on(&self.third, &second));
        let mut last = add(on(&self.second_around, &second), on(&self.fourth, &third));
        last.iter_mut().for_each(|value| *value = value.tanh());
        let mut out = on(&self.out, &last);
        out.chunks_exact_mut(self.config.dimensions)
            .map(|row| {
                to_unit_norm(row);
                row.to_vec()
            })
            .collect()
    }
}

impl Pieces {
    fn row(&self, number: u32, out: &mut [f32]) {
        let scale = self.scales[number as usize];
        let values = &self.values[number as usize * self.width..][..self.width];
        out.iter_mut().zip(values).for_each(|(out, value)| *out = f32::from(*value) * scale);
    }
}

impl Layer {
    /// The product for `count` rows that begin `stride` apart.
    fn apply(&self, values: &[f32], stride: usize, count: usize) -> Vec<f32> {
        let outputs = self.weight.columns();
        let mut out = vec![0.0; count * outputs];
        for (part, out) in out.chunks_mut(CHUNK * outputs).enumerate() {
            let rows = Rows { values: &values[part * CHUNK * stride..], stride, count: out.len() / outputs };
            kernels::product(rows, &self.weight, &self.bias, out, outputs);
        }
        out
    }
}

impl Norm {
    fn apply(&self, row: &mut [f32]) {
        kernels::add_and_norm(row, &[], &self.weight, &self.bias, self.epsilon);
    }
}

/// The tensors of `context.safetensors`: matrices of whole numbers from -127 to 127 with what 1 stands for in each row, and plain numbers.
struct Weights<'a> {
    tensors: SafeTensors<'a>,
    epsilon: f32,
}

impl Weights<'_> {
    fn get(&self, name: &str) -> std::result::Result<TensorView<'_>, String> {
        self.tensors.tensor(name).map_err(|error| format!("`{name}`: {error}"))
    }

    fn floats(&self, name: &str, count: usize) -> std::result::Result<Vec<f32>, String> {
        let view = self.get(name)?;
        if view.dtype() != Dtype::F32 || view.shape() != [count] {
            return Err(format!("`{name}` is {:?} of {:?}; {count} values of F32 are needed", view.dtype(), view.shape()));
        }
        let values: Vec<f32> = view.data().chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        if values.iter().any(|value| !value.is_finite()) {
            return Err(format!("`{name}` holds values that are not finite"));
        }
        Ok(values)
    }

    /// Whole numbers of `[rows, columns]` and the scale of each row.
    fn matrix(&self, name: &str, columns: usize) -> std::result::Result<(Vec<i8>, Vec<f32>), String> {
        let view = self.get(name)?;
        let &[rows, width] = view.shape() else { return Err(format!("`{name}` is not a matrix")) };
        if view.dtype() != Dtype::I8 || width != columns || rows == 0 {
            return Err(format!("`{name}` is {:?} of {:?}; rows of {columns} values of I8 are needed", view.dtype(), view.shape()));
        }
        Ok((view.data().iter().map(|byte| byte.cast_signed()).collect(), self.floats(&format!("{name}.scale"), rows)?))
    }

    fn pieces(&self, name: &str, width: usize) -> std::result::Result<Pieces, String> {
        self.matrix(name, width).map(|(values, scales)| Pieces { width, values, scales })
    }

    /// The layer `name`, of `[outputs, inputs]`, with its bias if it has one.
    fn layer(&self, name: &str, inputs: usize, outputs: Option<usize>) -> std::result::Result<Layer, String> {
        let (values, scales) = self.matrix(&format!("{name}.weight"), inputs)?;
        let found = scales.len();
        if outputs.is_some_and(|outputs| outputs != found) {
            return Err(format!("`{name}.weight` has {found} rows; config.json calls for {}", outputs.unwrap_or_default()));
        }
        let bias = format!("{name}.bias");
        let bias = if self.tensors.names().contains(&bias.as_str()) { self.floats(&bias, found)? } else { Vec::new() };
        let mut weight = Panels::default();
        weight.pack(inputs, found, |input, output| f32::from(values[output * inputs + input]) * scales[output]);
        Ok(Layer { weight, inputs, bias })
    }

    fn norm(&self, name: &str, width: usize) -> std::result::Result<Norm, String> {
        let get = |kind: &str| self.floats(&format!("{name}.{kind}"), width);
        Ok(Norm { weight: get("weight")?, bias: get("bias")?, epsilon: self.epsilon })
    }
}
