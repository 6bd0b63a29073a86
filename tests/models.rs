//! Embedding models and cross-encoders from outside: results agree with those of the libraries they come from, however texts
//! are batched, and a folder that cannot be used is refused with the reason.

use std::path::{Path, PathBuf};

use serde::Deserialize;
use yingda::embedding::{self, Embedder, Overrides, Pooling, Role};

/// Greatest allowed distance of a cosine from 1.
const PARITY: f64 = 1e-3;

#[derive(Deserialize)]
struct Reference {
    texts: Vec<String>,
    query: Vec<Vec<f64>>,
    document: Vec<Vec<f64>>,
}

#[derive(Deserialize)]
struct CrossReference {
    pairs: Vec<Judgement>,
}

#[derive(Deserialize)]
struct Judgement {
    query: String,
    texts: Vec<String>,
    relevance: Vec<f64>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name)
}

fn reference<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(folder(name).join("reference.json")).expect("the fixture has a reference");
    serde_json::from_str(&text).expect("the reference is JSON")
}

fn load(name: &str) -> Box<dyn Embedder> {
    embedding::load(&folder(name)).expect("the fixture loads")
}

fn cosine(a: &[f32], b: &[f64]) -> f64 {
    let dot: f64 = a.iter().zip(b).map(|(x, y)| f64::from(*x) * y).sum();
    let norm = |values: &mut dyn Iterator<Item = f64>| values.map(|value| value * value).sum::<f64>().sqrt();
    dot / (norm(&mut a.iter().map(|x| f64::from(*x))) * norm(&mut b.iter().copied()))
}

fn check(name: &str, dimensions: usize) {
    check_folder(&folder(name), name, Some(dimensions));
}

fn check_folder(folder: &Path, name: &str, dimensions: Option<usize>) {
    let model = embedding::load(folder).expect("the model loads");
    let text = std::fs::read_to_string(folder.join("reference.json")).expect("there is a reference");
    let reference: Reference = serde_json::from_str(&text).expect("the reference is JSON");
    let dimensions = dimensions.unwrap_or(reference.query[0].len());
    assert_eq!(model.dimensions(), dimensions, "{name}");
    let mut worst = 0.0f64;
    let texts: Vec<&str> = reference.texts.iter().map(String::as_str).collect();
    for (role, expected) in [(Role::Query, &reference.query), (Role::Document, &reference.document)] {
        let vectors = model.embed(&texts, role).expect("embedding works");
        assert_eq!(vectors.len(), texts.len());
        for ((text, vector), expected) in texts.iter().zip(&vectors).zip(expected) {
            assert_eq!(vector.len(), dimensions);
            if expected.iter().all(|value| *value == 0.0) {
                assert!(vector.iter().all(|value| *value == 0.0), "{name} {role:?} {text}: not all zeros");
                continue;
            }
            let cosine = cosine(vector, expected);
            assert!((1.0 - cosine).abs() < PARITY, "{name} {role:?} {text}: cosine {cosine}");
            worst = worst.max((1.0 - cosine).abs());
            let norm: f32 = vector.iter().map(|value| value * value).sum::<f32>().sqrt();
            assert!((norm - 1.0).abs() < 1e-4, "{name} {text}: norm {norm}");
        }
    }
    println!("{name}: {} texts, greatest distance of a cosine from 1: {worst:.1e}", texts.len());
}

#[test]
fn static_vectors_agree_with_model2vec() {
    check("static", 32);
}

#[test]
fn bert_with_cls_pooling_and_a_query_prompt_agrees() {
    check("bert-cls", 32);
}

#[test]
fn bert_from_a_pickle_with_a_word_list_agrees() {
    check("bert-mean-bin", 32);
}

#[test]
fn bert_with_joined_pooling_and_a_dense_module_agrees() {
    check("bert-dense", 16);
}

#[test]
fn xlm_roberta_from_shards_agrees() {
    check("xlm-roberta", 32);
}

/// A checkpoint from outside, with `reference.json` beside it as `models/recipe/reference.py` writes it.
#[test]
#[ignore = "needs a checkpoint that is not in the repository: YINGDA_CHECKPOINT=DIR"]
fn a_checkpoint_from_outside_agrees() {
    let folder = std::env::var_os("YINGDA_CHECKPOINT").map(PathBuf::from).expect("YINGDA_CHECKPOINT names a folder");
    check_folder(&folder, &folder.to_string_lossy(), None);
}

#[test]
fn cross_encoders_agree() {
    for name in ["bert-cross", "xlm-roberta-cross"] {
        let model = embedding::load_reranker(&folder(name)).expect("the fixture loads");
        let reference: CrossReference = reference(name);
        for Judgement { query, texts, relevance } in &reference.pairs {
            let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
            let found = model.relevance(query, &texts).expect("scoring works");
            for ((text, found), expected) in texts.iter().zip(&found).zip(relevance) {
                assert!((f64::from(*found) - expected).abs() < PARITY, "{name} {text}: {found} instead of {expected}");
            }
            let alone: Vec<f32> = texts.iter().flat_map(|text| model.relevance(query, &[text]).expect("scoring works")).collect();
            assert_near(&found, &alone, name);
        }
    }
}

fn assert_near(a: &[f32], b: &[f32], what: &str) {
    assert_eq!(a.len(), b.len(), "{what}");
    for (a, b) in a.iter().zip(b) {
        assert!((a - b).abs() < 1e-5, "{what}: {a} and {b}");
    }
}

#[test]
fn a_batch_gives_what_single_texts_give() {
    const PARTS: [&str; 7] = ["退款", "什么时候到账", "怎么修改收货地址", ",", "Wi-Fi", "我的订单号20261111", ""];
    for name in ["static", "bert-cls", "bert-mean-bin", "bert-dense", "xlm-roberta"] {
        let model = load(name);
        // Lengths from nothing to far beyond the maximum, in no order, more texts than a batch takes.
        let texts: Vec<String> =
            (0..70usize).map(|n| (0..(n * 7) % 23).map(|part| PARTS[(n + part * part) % PARTS.len()]).collect()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
        for role in [Role::Query, Role::Document] {
            let together = model.embed(&texts, role).expect("embedding works");
            for (text, vector) in texts.iter().zip(&together) {
                let alone = model.embed(&[text], role).expect("embedding works");
                assert_eq!(vector, &alone[0], "{name} {text}: the same bits in a batch and alone");
                let again = model.embed(&[text], role).expect("embedding works");
                assert_eq!(alone, again, "{name} {text}: a repeated query gives the same vector");
            }
        }
    }
}

#[test]
fn no_texts_give_no_vectors_and_blank_ones_zeros() {
    for name in ["static", "bert-cls", "xlm-roberta"] {
        let model = load(name);
        assert!(model.embed(&[], Role::Document).expect("embedding works").is_empty());
        let blank = model.embed(&["", " \n\t　"], Role::Query).expect("embedding works");
        assert_eq!(blank, vec![vec![0.0; model.dimensions()]; 2], "{name}");
    }
}

#[test]
fn settings_come_before_the_models_own_files() {
    let path = folder("bert-cls");
    let own = load("bert-cls");
    let with = |overrides: &Overrides| embedding::load_with(&path, overrides).expect("the fixture loads");
    let text = ["退款什么时候到账,我等了三天"];
    let base = own.embed(&text, Role::Query).expect("embedding works");

    let no_prompt = with(&Overrides { query_prompt: Some(String::new()), ..Overrides::default() });
    assert_eq!(no_prompt.fingerprint(), own.fingerprint(), "a query prompt leaves the corpus' vectors as they are");
    assert_eq!(
        no_prompt.embed(&text, Role::Query).expect("embedding works"),
        own.embed(&text, Role::Document).expect("embedding works")
    );
    for overrides in [
        Overrides { pooling: Some(Pooling::Mean), ..Overrides::default() },
        Overrides { max_length: Some(5), ..Overrides::default() },
        Overrides { document_prompt: Some("问:".into()), ..Overrides::default() },
        Overrides { normalize: Some(false), ..Overrides::default() },
    ] {
        let model = with(&overrides);
        assert_ne!(model.fingerprint(), own.fingerprint(), "{overrides:?}");
    }
    let mean = with(&Overrides { pooling: Some(Pooling::Mean), ..Overrides::default() });
    assert_ne!(mean.embed(&text, Role::Query).expect("embedding works"), base);
    assert_eq!(mean.description().pooling, "mean");
    assert_eq!(own.description().pooling, "cls");
    assert_eq!(own.description().max_length, Some(32));

    let short = with(&Overrides { max_length: Some(6), query_prompt: Some(String::new()), ..Overrides::default() });
    let cut = short.embed(&["退款什么时候", "退款什么到账"], Role::Query).expect("embedding works");
    assert_near(&cut[0], &cut[1], "what lies behind the maximum length does not count");
}

/// Copies a fixture, lets `damage` change it, and gives the error of loading it.
fn refused(name: &str, damage: impl FnOnce(&Path)) -> String {
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_folder(&folder(name), copy.path());
    damage(copy.path());
    match embedding::load(copy.path()) {
        Ok(_) => panic!("{name} was loaded in spite of the damage"),
        Err(error) => {
            assert_eq!(error.code(), "model_invalid", "{error}");
            error.to_string()
        }
    }
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("the fixture is a folder") {
        let path = entry.expect("the fixture can be listed").path();
        let target = to.join(path.file_name().expect("a name"));
        if path.is_dir() {
            copy_folder(&path, &target);
        } else {
            std::fs::copy(&path, &target).expect("a copy");
        }
    }
}

fn edit(path: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let mut value = serde_json::from_slice(&std::fs::read(path).expect("a file")).expect("JSON");
    change(&mut value);
    std::fs::write(path, value.to_string()).expect("written");
}

fn cut(path: &Path, share: u64) {
    let file = std::fs::OpenOptions::new().write(true).open(path).expect("a file");
    let length = file.metadata().expect("metadata").len();
    file.set_len(length * share / 100).expect("shortened");
}

/// A model's folder that is laid out otherwise, and the vectors of its texts.
fn with_layout(name: &str, change: impl FnOnce(&Path)) -> Vec<Vec<f32>> {
    let copy = tempfile::tempdir().expect("a temporary folder");
    copy_folder(&folder(name), copy.path());
    change(copy.path());
    let model = embedding::load(copy.path()).expect("the layout is read");
    model.embed(&["退款什么时候到账", "Wi-Fi连不上"], Role::Document).expect("embedding works")
}

#[test]
fn other_layouts_of_the_same_model_give_the_same_vectors() {
    let rename = |folder: &Path, name: fn(&str) -> Option<String>| {
        let path = folder.join("model.safetensors");
        let tensors = candle_core::safetensors::load(&path, &candle_core::Device::Cpu).expect("weights");
        let tensors = tensors.into_iter().filter_map(|(own, tensor)| Some((name(&own)?, tensor))).collect();
        candle_core::safetensors::save(&tensors, path).expect("written");
    };
    type Change<'a> = Box<dyn FnOnce(&Path) + 'a>;
    let layouts: Vec<(&str, Change)> = vec![
        ("prefixed", Box::new(|f| rename(f, |name| Some(format!("bert.{name}"))))),
        ("prefixed twice", Box::new(|f| rename(f, |name| Some(format!("module.bert.{name}"))))),
        ("without a pooler", Box::new(|f| rename(f, |name| (!name.contains("pooler")).then(|| name.to_owned())))),
        ("without model_type", Box::new(|f| edit(&f.join("config.json"), |v| v["model_type"] = serde_json::Value::Null))),
        (
            "behind a byte order mark",
            Box::new(|f| {
                let text = std::fs::read_to_string(f.join("config.json")).expect("a file");
                std::fs::write(f.join("config.json"), format!("\u{feff}{text}")).expect("written");
            }),
        ),
        (
            "the transformer in its own folder",
            Box::new(|f| {
                std::fs::create_dir(f.join("0_Transformer")).expect("a folder");
                for name in
                    ["config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json", "sentence_bert_config.json"]
                {
                    std::fs::rename(f.join(name), f.join("0_Transformer").join(name)).expect("moved");
                }
                edit(&f.join("modules.json"), |v| v[0]["path"] = "0_Transformer".into());
            }),
        ),
    ];
    let expected = with_layout("bert-cls", |_| {});
    for (what, change) in layouts {
        assert_eq!(with_layout("bert-cls", change), expected, "{what}");
    }
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_with_the_reason() {
    type Damage = Box<dyn FnOnce(&Path)>;
    let cases: Vec<(&str, &str, Damage)> = vec![
        ("no config.json", "bert-cls", Box::new(|f| std::fs::remove_file(f.join("config.json")).expect("removed"))),
        (
            "architecture `gpt2` is not supported",
            "bert-cls",
            Box::new(|f| edit(&f.join("config.json"), |v| v["model_type"] = "gpt2".into())),
        ),
        ("damaged or cut off", "bert-cls", Box::new(|f| cut(&f.join("model.safetensors"), 60))),
        ("damaged or cut off", "bert-cls", Box::new(|f| cut(&f.join("model.safetensors"), 0))),
        ("damaged or cut off", "static", Box::new(|f| cut(&f.join("model.safetensors"), 60))),
        ("pytorch_model.bin is damaged, cut off", "bert-mean-bin", Box::new(|f| cut(&f.join("pytorch_model.bin"), 60))),
        ("holds no weights", "bert-cls", Box::new(|f| std::fs::remove_file(f.join("model.safetensors")).expect("removed"))),
        (
            "holds no weights but model.onnx",
            "bert-cls",
            Box::new(|f| std::fs::rename(f.join("model.safetensors"), f.join("model.onnx")).expect("renamed")),
        ),
        (
            "has no tensor `encoder.layer.2.attention.self.query.weight`",
            "bert-cls",
            Box::new(|f| edit(&f.join("config.json"), |v| v["num_hidden_layers"] = 3.into())),
        ),
        ("config.json calls for", "bert-cls", Box::new(|f| edit(&f.join("config.json"), |v| v["intermediate_size"] = 48.into()))),
        ("cannot be shared among", "bert-cls", Box::new(|f| edit(&f.join("config.json"), |v| v["num_attention_heads"] = 5.into()))),
        (
            "the model has vectors for",
            "bert-mean-bin",
            Box::new(|f| {
                let path = f.join("vocab.txt");
                let mut text = std::fs::read_to_string(&path).expect("a vocabulary");
                text.push_str("甲\n乙\n");
                std::fs::write(path, text).expect("written");
            }),
        ),
        ("has neither tokenizer.json", "bert-cls", Box::new(|f| std::fs::remove_file(f.join("tokenizer.json")).expect("removed"))),
        ("tokenizer.json cannot be read", "xlm-roberta", Box::new(|f| cut(&f.join("tokenizer.json"), 50))),
        (
            "asks for a `LSTM` module",
            "bert-cls",
            Box::new(|f| edit(&f.join("modules.json"), |v| v[1]["type"] = "sentence_transformers.models.LSTM".into())),
        ),
        (
            "leads out of the folder",
            "bert-cls",
            Box::new(|f| edit(&f.join("modules.json"), |v| v[1]["path"] = "../1_Pooling".into())),
        ),
        (
            "the dense module takes",
            "bert-dense",
            Box::new(|f| edit(&f.join("2_Dense/config.json"), |v| v["in_features"] = 99.into())),
        ),
    ];
    for (expected, name, damage) in cases {
        let error = refused(name, damage);
        assert!(error.contains(expected), "expected “{expected}” in “{error}”");
    }
    let short = Overrides { max_length: Some(3), ..Overrides::default() };
    let error = embedding::load_with(&folder("bert-cls"), &short).err().expect("refused").to_string();
    assert!(error.contains("leaves no room"), "{error}");
    let error = embedding::load(&folder("no-such-folder")).err().expect("refused").to_string();
    assert!(error.contains("is not a folder"), "{error}");
    let error = embedding::load_reranker(&folder("bert-cls")).err().expect("refused").to_string();
    assert!(error.contains("not a cross-encoder"), "{error}");
}
