//! Tokenizers: `tokenizer.json`, or for BERT models without one the word pieces of `vocab.txt`.

use std::path::Path;

use serde::Deserialize;
use tokenizers::models::wordpiece::WordPiece;
use tokenizers::normalizers::bert::BertNormalizer;
use tokenizers::pre_tokenizers::bert::BertPreTokenizer;
use tokenizers::processors::bert::BertProcessing;
use tokenizers::{AddedToken, Tokenizer, TruncationParams};

use super::recipe::read_json;
use crate::error::{Error, Result};

const TOKENIZER: &str = "tokenizer.json";
const VOCABULARY: &str = "vocab.txt";
pub(super) const TOKENIZER_CONFIG: &str = "tokenizer_config.json";

#[derive(Default, Deserialize)]
struct TokenizerConfig {
    #[serde(default)]
    do_lower_case: Option<bool>,
    #[serde(default)]
    strip_accents: Option<bool>,
    #[serde(default)]
    tokenize_chinese_chars: Option<bool>,
    /// Often a nonsense number above all bounds, hence a float.
    #[serde(default)]
    model_max_length: Option<f64>,
}

/// Loads the tokenizer of `folder`, without truncation or padding, and the file it came from.
///
/// # Errors
/// [`Error::Model`] if there is none, it is damaged, or a token's number lies outside the `rows` of the token table.
pub fn load(folder: &Path, rows: usize) -> Result<(Tokenizer, &'static str)> {
    let bad = |file: &str, error: &dyn std::fmt::Display| Error::model(folder, format!("{file} cannot be read: {error}"));
    let (mut tokenizer, file) = if folder.join(TOKENIZER).is_file() {
        let bytes = std::fs::read(folder.join(TOKENIZER)).map_err(|source| Error::io(folder.join(TOKENIZER), source))?;
        (Tokenizer::from_bytes(bytes).map_err(|error| bad(TOKENIZER, &error))?, TOKENIZER)
    } else if folder.join(VOCABULARY).is_file() {
        (word_pieces(folder).map_err(|error| bad(VOCABULARY, &error))?, VOCABULARY)
    } else {
        return Err(Error::model(
            folder,
            format!("has neither {TOKENIZER} nor {VOCABULARY}; save the tokenizer in the fast format"),
        ));
    };
    tokenizer.with_padding(None);
    tokenizer.with_truncation(None).map_err(|error| bad(file, &error))?;
    let last = tokenizer.get_vocab(true).into_iter().max_by(|a, b| a.1.cmp(&b.1).then(b.0.cmp(&a.0)));
    match last {
        None => Err(bad(file, &"the vocabulary is empty")),
        Some((token, number)) if number as usize >= rows => {
            let what = format!("{file} gives “{token}” the number {number}, but the model has vectors for {rows} tokens only");
            Err(Error::model(folder, what))
        }
        Some(_) => Ok((tokenizer, file)),
    }
}

/// Cuts texts to `max_length` tokens, special ones counted.
pub fn truncate(folder: &Path, tokenizer: &mut Tokenizer, max_length: usize) -> Result<()> {
    tokenizer
        .with_truncation(Some(TruncationParams { max_length, ..TruncationParams::default() }))
        .map(|_| ())
        .map_err(|error| Error::model(folder, format!("a maximum length of {max_length} tokens is not possible: {error}")))
}

/// `model_max_length` of `tokenizer_config.json`, where it is a sensible number.
pub fn max_length(folder: &Path) -> Result<Option<usize>> {
    const SENSIBLE: f64 = 1e6;
    let config: TokenizerConfig = read_json(folder, TOKENIZER_CONFIG)?.unwrap_or_default();
    Ok(config.model_max_length.filter(|length| (1.0..SENSIBLE).contains(length)).map(|length| length as usize))
}

fn word_pieces(folder: &Path) -> std::result::Result<Tokenizer, Box<dyn std::error::Error + Send + Sync>> {
    let config: TokenizerConfig = read_json(folder, TOKENIZER_CONFIG)?.unwrap_or_default();
    let bytes = std::fs::read(folder.join(VOCABULARY))?;
    let model = WordPiece::builder().vocab(WordPiece::read_bytes(&bytes)?).unk_token("[UNK]".into()).build()?;
    let mut tokenizer = Tokenizer::new(model);
    let id = |token: &str| tokenizer.token_to_id(token).ok_or_else(|| format!("has no {token} token"));
    let (cls, sep) = (id("[CLS]")?, id("[SEP]")?);
    let lower_case = config.do_lower_case.unwrap_or(true);
    let normalizer = BertNormalizer::new(true, config.tokenize_chinese_chars.unwrap_or(true), config.strip_accents, lower_case);
    tokenizer.with_normalizer(Some(normalizer))?;
    tokenizer.with_pre_tokenizer(Some(BertPreTokenizer));
    tokenizer.with_post_processor(Some(BertProcessing::new(("[SEP]".into(), sep), ("[CLS]".into(), cls))));
    let special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].into_iter().filter(|token| tokenizer.token_to_id(token).is_some());
    let special: Vec<AddedToken> = special.map(|token| AddedToken::from(token, true)).collect();
    tokenizer.add_special_tokens(special)?;
    Ok(tokenizer)
}
