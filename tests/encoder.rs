//! The encoder beside an implementation by other authors: random weights of odd shapes in the layout of Hugging Face, read by
//! the product and by candle-transformers. The fixtures of `models` are of one shape and short; here widths are no multiples of
//! vectors, texts reach over several blocks of rows, and activations differ.

use std::collections::HashMap;
use std::path::Path;

use candle_core::{Device, Tensor};
use candle_nn::VarBuilder;
use candle_transformers::models::{bert, xlm_roberta};
use serde_json::json;
use tokenizers::Tokenizer;
use yingda::embedding::{self, Overrides, Pooling, Role};

/// Greatest difference of a value of a vector of norm 1.
const PARITY: f32 = 1e-5;
const VOCABULARY: usize = 120;
const POSITIONS: usize = 330;

struct Shape {
    family: &'static str,
    hidden: usize,
    heads: usize,
    inner: usize,
    layers: usize,
    activation: &'static str,
    /// Put before the tensors' names, as models with a head have it.
    prefix: &'static str,
}

const SHAPES: [Shape; 4] = [
    Shape { family: "bert", hidden: 80, heads: 5, inner: 200, layers: 2, activation: "gelu", prefix: "" },
    Shape { family: "bert", hidden: 36, heads: 2, inner: 50, layers: 3, activation: "relu", prefix: "bert." },
    Shape { family: "xlm-roberta", hidden: 96, heads: 1, inner: 97, layers: 1, activation: "gelu", prefix: "" },
    Shape { family: "xlm-roberta", hidden: 112, heads: 7, inner: 330, layers: 2, activation: "gelu", prefix: "roberta." },
];

/// Numbers around 0, the same in every run.
struct Noise(u64);

impl Noise {
    fn tensor(&mut self, shape: &[usize], around: f32, spread: f32) -> Tensor {
        let mut next = || {
            self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            around + spread * ((self.0 >> 40) as f32 / (1u32 << 23) as f32 - 1.0)
        };
        let values: Vec<f32> = (0..shape.iter().product()).map(|_| next()).collect();
        Tensor::from_vec(values, shape, &Device::Cpu).expect("a tensor")
    }
}

fn weights(shape: &Shape) -> HashMap<String, Tensor> {
    let (hidden, inner) = (shape.hidden, shape.inner);
    let types = if shape.family == "bert" { 2 } else { 1 };
    let mut noise = Noise(7 + hidden as u64);
    let mut out = HashMap::new();
    let spread = 1.5 / (hidden as f32).sqrt();
    for (name, rows) in [("word", VOCABULARY), ("position", POSITIONS), ("token_type", types)] {
        out.insert(format!("embeddings.{name}_embeddings.weight"), noise.tensor(&[rows, hidden], 0.0, 1.0));
    }
    let mut norms = vec!["embeddings.LayerNorm".to_owned()];
    for layer in 0..shape.layers {
        let at = |name: &str| format!("encoder.layer.{layer}.{name}");
        let square = ["attention.self.query", "attention.self.key", "attention.self.value", "attention.output.dense"];
        let linear = square.map(|name| (name, hidden, hidden));
        for (name, outputs, inputs) in
            linear.into_iter().chain([("intermediate.dense", inner, hidden), ("output.dense", hidden, inner)])
        {
            out.insert(at(&format!("{name}.weight")), noise.tensor(&[outputs, inputs], 0.0, 2.0 * spread));
            out.insert(at(&format!("{name}.bias")), noise.tensor(&[outputs], 0.0, 0.3));
        }
        norms.extend([at("attention.output.LayerNorm"), at("output.LayerNorm")]);
    }
    for name in norms {
        out.insert(format!("{name}.weight"), noise.tensor(&[hidden], 1.0, 0.4));
        out.insert(format!("{name}.bias"), noise.tensor(&[hidden], 0.0, 0.3));
    }
    out
}

fn config(shape: &Shape) -> serde_json::Value {
    json!({
        "model_type": shape.family, "vocab_size": VOCABULARY, "hidden_size": shape.hidden, "num_hidden_layers": shape.layers,
        "num_attention_heads": shape.heads, "intermediate_size": shape.inner, "hidden_act": shape.activation,
        "hidden_dropout_prob": 0.1, "attention_probs_dropout_prob": 0.1, "max_position_embeddings": POSITIONS,
        "type_vocab_size": if shape.family == "bert" { 2 } else { 1 }, "initializer_range": 0.02, "layer_norm_eps": 1e-6,
        "pad_token_id": i32::from(shape.family != "bert"), "position_embedding_type": "absolute",
    })
}

/// The last layer's vectors of one text by candle-transformers, `[tokens, hidden]`.
fn reference(shape: &Shape, weights: &HashMap<String, Tensor>, ids: &[u32]) -> Vec<Vec<f32>> {
    let builder = VarBuilder::from_tensors(weights.clone(), candle_core::DType::F32, &Device::Cpu);
    let ids = Tensor::from_slice(ids, (1, ids.len()), &Device::Cpu).expect("a tensor");
    let (types, mask) = (ids.zeros_like().expect("a tensor"), ids.ones_like().expect("a tensor"));
    let hidden = if shape.family == "bert" {
        let config: bert::Config = serde_json::from_value(config(shape)).expect("a configuration");
        bert::BertModel::load(builder, &config).and_then(|model| model.forward(&ids, &types, Some(&mask)))
    } else {
        let config: xlm_roberta::Config = serde_json::from_value(config(shape)).expect("a configuration");
        xlm_roberta::XLMRobertaModel::new(&config, builder).and_then(|model| model.forward(&ids, &mask, &types, None, None, None))
    };
    hidden.and_then(|hidden| hidden.squeeze(0)?.to_vec2()).expect("the reference works")
}

fn pooled(tokens: &[Vec<f32>], pooling: Pooling) -> Vec<f32> {
    let of = |at: usize| -> f32 {
        let mut values = tokens.iter().map(|token| token[at]);
        match pooling {
            Pooling::Cls => tokens[0][at],
            Pooling::LastToken => tokens[tokens.len() - 1][at],
            Pooling::Max => values.fold(f32::NEG_INFINITY, f32::max),
            Pooling::WeightedMean => values.enumerate().map(|(n, value)| (n + 1) as f32 * value).sum(),
            Pooling::Mean | Pooling::MeanSqrtLen => values.by_ref().sum(),
        }
    };
    let vector: Vec<f32> = (0..tokens[0].len()).map(of).collect();
    let norm = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
    vector.into_iter().map(|value| value / norm).collect()
}

#[test]
fn vectors_agree_with_candle_transformers() {
    let fixtures = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models");
    // From one token to more than three blocks of rows.
    let texts: Vec<String> = [1, 2, 7, 8, 9, 47, 48, 96, 97, 200, 300]
        .iter()
        .map(|&count| (0..count).map(|n| ["退款", "换地址", "优惠券", "发票"][(n * n + count) % 4]).collect::<String>())
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    for (at, shape) in SHAPES.iter().enumerate() {
        let folder = tempfile::tempdir().expect("a temporary folder");
        let weights = weights(shape);
        let named = weights.iter().map(|(name, tensor)| (format!("{}{name}", shape.prefix), tensor.clone())).collect();
        candle_core::safetensors::save(&named, folder.path().join("model.safetensors")).expect("written");
        std::fs::write(folder.path().join("config.json"), config(shape).to_string()).expect("written");
        let tokenizer = if shape.family == "bert" { "bert-cls" } else { "xlm-roberta" };
        let tokenizer = fixtures.join(tokenizer).join("tokenizer.json");
        std::fs::copy(&tokenizer, folder.path().join("tokenizer.json")).expect("copied");
        let mut tokenizer = Tokenizer::from_file(tokenizer).expect("a tokenizer");
        let most = POSITIONS - if shape.family == "bert" { 0 } else { 2 };
        let cut = tokenizers::TruncationParams { max_length: most, ..Default::default() };
        tokenizer.with_padding(None).with_truncation(Some(cut)).expect("a length");
        let hidden: Vec<Vec<Vec<f32>>> =
            texts.iter().map(|text| reference(shape, &weights, tokenizer.encode(*text, true).expect("tokens").get_ids())).collect();
        // Pooling does not depend on the shape: one shape with every kind, the others with the mean.
        for (pooling, name, _) in Pooling::ALL.into_iter().filter(|(pooling, ..)| at == 0 || *pooling == Pooling::Mean) {
            let overrides = Overrides { pooling: Some(pooling), ..Overrides::default() };
            let model = embedding::load_with(folder.path(), &overrides).expect("the model loads");
            let vectors = model.embed(&texts, Role::Document).expect("embedding works");
            for (n, (vector, hidden)) in vectors.iter().zip(&hidden).enumerate() {
                let expected = pooled(hidden, pooling);
                let worst = vector.iter().zip(&expected).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
                let (family, width, tokens) = (shape.family, shape.hidden, hidden.len());
                assert!(worst < PARITY, "{family} {width} wide, {name}, text {n} of {tokens} tokens: {worst}");
                assert!(vector.iter().all(|value| value.is_finite()), "{family} {name}: not a number");
            }
        }
    }
}
