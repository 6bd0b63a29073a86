//! The shipped model's two readings: both agree with the recipe's own reference, the second gives the same bits however texts are
//! batched, a damaged one is refused by name, and a model without it does the same work with its vectors alone.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use safetensors::SafeTensors;
use serde::Deserialize;
use tempfile::TempDir;
use yingda::corpus::Date;
use yingda::embedding::{self, ContextStore, Embedder, Role};
use yingda::generation::{BuildOptions, DataFolder, Generation, build};
use yingda::query::{self, Query, Ranker};

use crate::support::corpora::SMALL_FAQ;
use crate::support::{TempCorpus, model, model_folder};

/// Greatest allowed distance of a cosine from 1; both sides compute with the same rounded weights.
const PARITY: f64 = 1e-5;

#[derive(Deserialize)]
struct FirstReading {
    text: String,
    vector: Vec<f64>,
}

#[derive(Deserialize)]
struct SecondReadings {
    texts: Vec<String>,
    vectors: Vec<Vec<f64>>,
}

fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let text = std::fs::read_to_string(model_folder().join(name)).expect("the model has a reference");
    serde_json::from_str(&text).expect("the reference is JSON")
}

fn shipped() -> Box<dyn Embedder> {
    embedding::load(&model_folder()).expect("the shipped model")
}

fn assert_agrees(text: &str, vector: &[f32], expected: &[f64]) {
    assert_eq!(vector.len(), expected.len(), "{text}");
    let (mut product, mut a, mut b) = (0.0, 0.0, 0.0);
    for (x, y) in vector.iter().map(|x| f64::from(*x)).zip(expected) {
        (product, a, b) = (product + x * y, a + x * x, b + y * y);
    }
    if b == 0.0 {
        assert_eq!(a, 0.0, "{text}: not all zeros");
        return;
    }
    let cosine = product / (a * b).sqrt();
    assert!((1.0 - cosine).abs() < PARITY, "{text}: cosine {cosine}");
    assert!((a.sqrt() - 1.0).abs() < 1e-4, "{text}: norm {}", a.sqrt());
}

#[test]
fn both_readings_agree_with_the_recipe() {
    let model = model();
    for FirstReading { text, vector } in json::<Vec<FirstReading>>("parity.json") {
        assert_agrees(&text, &model.embed(&[&text], Role::Query).expect("embedded")[0], &vector);
    }
    let SecondReadings { texts, vectors } = json("context.parity.json");
    assert!(texts.len() > 5);
    for (text, vector) in texts.iter().zip(vectors) {
        assert_agrees(text, &model.embed_context(&[text]).expect("read")[0], &vector);
    }
}

#[test]
fn a_batch_is_read_as_its_texts_are() {
    let model = model();
    let long = "我周一申请的退货，快递昨天显示你们签收了，我查了微信和银行卡都没有进账。".repeat(12);
    let texts: Vec<String> = (0..90)
        .map(|number| match number % 5 {
            0 => format!("订单{number}什么时候发货"),
            1 => "退款".to_owned(),
            2 => long.chars().take(number * 5).collect(),
            3 => [" ", "？！", "……"][number % 3].to_owned(),
            _ => format!("WiFi {number} 连不上 error {number}"),
        })
        .collect();
    let texts: Vec<&str> = texts.iter().map(String::as_str).collect();
    let together = model.embed_context(&texts).expect("read");
    let fresh = shipped();
    for (text, vector) in texts.iter().zip(&together) {
        assert_eq!(&fresh.embed_context(&[text]).expect("read")[0], vector, "{text}");
        let empty = !text.contains(char::is_alphanumeric);
        assert_eq!(vector.iter().all(|value| *value == 0.0), empty, "“{text}”");
    }
}

#[test]
fn marks_at_the_ends_are_not_read() {
    let model = model();
    let plain = model.embed_context(&["退款未到账"]).expect("read");
    for text in ["退款未到账！！！", "  退款未到账 ", "「退款未到賬」", "😭退款未到账……"] {
        assert_eq!(model.embed_context(&[text]).expect("read"), plain, "{text}");
    }
}

#[test]
fn the_order_of_words_is_read() {
    let model = model();
    let vectors = model.embed_context(&["退款以后能不能再换货", "换货以后能不能再退款"]).expect("read");
    let cosine: f32 = vectors[0].iter().zip(&vectors[1]).map(|(a, b)| a * b).sum();
    assert!(cosine < 0.999, "{cosine}");
}

/// Copies the shipped model and lets `change` alter it.
fn altered(change: impl FnOnce(&Path)) -> TempDir {
    let copy = TempDir::new().expect("a temporary folder");
    for entry in std::fs::read_dir(model_folder()).expect("the model is a folder") {
        let path = entry.expect("listed").path();
        std::fs::copy(&path, copy.path().join(path.file_name().expect("a name"))).expect("copied");
    }
    change(copy.path());
    copy
}

fn edit(folder: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = folder.join("config.json");
    let mut value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
    change(&mut value);
    std::fs::write(path, value.to_string()).expect("written");
}

/// Puts `value` at the end of a tensor of the second reading.
fn spoil(folder: &Path, tensor: &str, value: f32) {
    let path = folder.join("context.safetensors");
    let mut bytes = std::fs::read(&path).expect("a file");
    let range = {
        let tensors = SafeTensors::deserialize(&bytes).expect("tensors");
        let view = tensors.tensor(tensor).expect("a tensor");
        let end = view.data().as_ptr() as usize - bytes.as_ptr() as usize + view.data().len();
        end - 4..end
    };
    bytes[range].copy_from_slice(&value.to_le_bytes());
    std::fs::write(path, bytes).expect("written");
}

#[test]
fn a_damaged_second_reading_is_refused_by_name() {
    let cut = |folder: &Path, name: &str| {
        let file = std::fs::OpenOptions::new().write(true).open(folder.join(name)).expect("a file");
        file.set_len(file.metadata().expect("metadata").len() * 3 / 4).expect("shortened");
    };
    type Damage<'a> = Box<dyn FnOnce(&Path) + 'a>;
    let cases: Vec<(&str, Damage)> = vec![
        ("context.safetensors is damaged or cut off", Box::new(|f| cut(f, "context.safetensors"))),
        ("context.tokenizer.json", Box::new(|f| cut(f, "context.tokenizer.json"))),
        ("context.safetensors", Box::new(|f| std::fs::remove_file(f.join("context.safetensors")).expect("removed"))),
        ("rows of 1152 values of I8 are needed", Box::new(|f| edit(f, |config| config["context"]["width"] = 384.into()))),
        ("`out.weight` has 256 rows", Box::new(|f| edit(f, |config| config["context"]["dimensions"] = 128.into()))),
        (
            "`branch.3.norm.weight`",
            Box::new(|f| {
                edit(f, |config| config["context"]["windows"].as_array_mut().expect("a list").push(serde_json::json!([2, 0])));
            }),
        ),
        ("describes no encoder", Box::new(|f| edit(f, |config| config["context"]["windows"] = serde_json::json!([[9, 0]])))),
        ("describes no encoder", Box::new(|f| edit(f, |config| config["context"]["max_pieces"] = 0.into()))),
        ("describes no encoder", Box::new(|f| edit(f, |config| config["context"]["branch"] = (1_u64 << 40).into()))),
        ("describes no encoder", Box::new(|f| edit(f, |config| config["context"]["epsilon"] = 0.into()))),
        ("`norm.weight` holds values that are not finite", Box::new(|f| spoil(f, "norm.weight", f32::NAN))),
        ("`pieces.scale` holds values that are not finite", Box::new(|f| spoil(f, "pieces.scale", f32::INFINITY))),
        (
            "a character that context.tokenizer.json does not know",
            Box::new(|f| {
                let path = f.join("context.tokenizer.json");
                let mut value: serde_json::Value = serde_json::from_slice(&std::fs::read(&path).expect("a file")).expect("JSON");
                value["model"]["unk_id"] = serde_json::Value::Null;
                std::fs::write(path, value.to_string()).expect("written");
            }),
        ),
        ("numbers pieces up to 4000000", Box::new(|f| edit(f, |config| config["context"]["end"] = 4_000_000.into()))),
        ("unknown field `stride`", Box::new(|f| edit(f, |config| config["context"]["stride"] = 1.into()))),
    ];
    for (expected, damage) in cases {
        let folder = altered(damage);
        let error = embedding::load(folder.path()).err().unwrap_or_else(|| panic!("{expected}: loaded in spite of the damage"));
        assert!(error.to_string().contains(expected), "expected “{expected}” in “{error}”");
    }
}

#[test]
fn a_model_without_it_is_used_as_before_and_its_index_is_its_own() {
    let bare = altered(|folder| {
        edit(folder, |config| {
            config.as_object_mut().expect("an object").remove("context");
        });
        for name in ["context.safetensors", "context.tokenizer.json", "context.parity.json"] {
            std::fs::remove_file(folder.join(name)).expect("removed");
        }
    });
    let bare_model: Arc<dyn Embedder> = Arc::from(embedding::load(bare.path()).expect("a whole model"));
    assert_eq!(bare_model.context_dimensions(), 0);
    assert_ne!(bare_model.fingerprint(), model().fingerprint());

    let found = |folder: &Path| {
        let corpus = TempCorpus::small();
        let embedder: Arc<dyn Embedder> = Arc::from(embedding::load(folder).expect("a whole model"));
        let (data, options) = (DataFolder::new(corpus.data()), BuildOptions { force: false, keep: 1, ranker_version: "-".into() });
        build(&corpus.load(), &data, embedder.as_ref(), &options, &|_, _, _| {}).expect("built");
        let other = if embedder.context_dimensions() == 0 { model() } else { Arc::clone(&bare_model) };
        let error = Generation::open_current(&data, other).err().expect("made with another model").to_string();
        assert!(error.contains("made with model"), "{error}");
        let generation = Generation::open_current(&data, embedder).expect("opened");
        let query = Query::new("退款几天到", 1, Date::MIN);
        query::search(&generation, &Ranker::built_in(), &query).expect("found").hits[0].features
    };
    let (with, without) = (found(&model_folder()), found(bare.path()));
    assert_eq!(without.context, without.cosine);
    assert_eq!(without.context_body, without.cosine_body);
    assert_ne!(with.context, with.cosine);
    assert_eq!(with.cosine, without.cosine);
}

#[test]
fn stored_readings_come_back_and_are_nearly_exact() {
    let folder = TempDir::new().expect("a temporary folder");
    let path = folder.path().join("contexts.safetensors");
    let vectors = model().embed_context(&["退款多久到账", "怎么换货", "  ", "发票抬头写错了怎么改"]).expect("read");
    let mut store = ContextStore::new(vectors[0].len());
    vectors.iter().for_each(|vector| store.push(vector));
    store.save(&path).expect("saved");
    let opened = ContextStore::load(&path).expect("opened");
    assert_eq!(opened, store);
    for query in &vectors {
        let exact = vectors.iter().map(|vector| query.iter().zip(vector).map(|(a, b)| a * b).sum::<f32>());
        for (found, exact) in opened.cosines(query, 0..4).into_iter().zip(exact) {
            assert!((found - exact).abs() < 0.005, "{found} for {exact}");
        }
    }
    std::fs::write(&path, b"nothing of the kind").expect("written");
    assert!(ContextStore::load(&path).expect_err("damaged").to_string().contains("contexts.safetensors"));
}

/// The shipped model, counting the texts that are read a second time.
struct Counting {
    model: Arc<dyn Embedder>,
    read: AtomicUsize,
}

impl Embedder for Counting {
    fn dimensions(&self) -> usize {
        self.model.dimensions()
    }

    fn fingerprint(&self) -> &str {
        self.model.fingerprint()
    }

    fn name(&self) -> &str {
        self.model.name()
    }

    fn embed(&self, texts: &[&str], role: Role) -> yingda::error::Result<Vec<Vec<f32>>> {
        self.model.embed(texts, role)
    }

    fn context_dimensions(&self) -> usize {
        self.model.context_dimensions()
    }

    fn embed_context(&self, texts: &[&str]) -> yingda::error::Result<Vec<Vec<f32>>> {
        self.read.fetch_add(texts.len(), Ordering::Relaxed);
        self.model.embed_context(texts)
    }
}

#[test]
fn only_new_texts_are_read_again_and_the_index_is_the_same() {
    let counting = Counting { model: model(), read: AtomicUsize::new(0) };
    let index = |corpus: &TempCorpus, data: &Path, force: bool| {
        let options = BuildOptions { force, keep: 1, ranker_version: "-".into() };
        let data = DataFolder::new(data);
        let before = counting.read.load(Ordering::Relaxed);
        let built = build(&corpus.load(), &data, &counting, &options, &|_, _, _| {}).expect("built");
        let bytes = std::fs::read(data.generation(&built.id).join("contexts.safetensors")).expect("a file of the generation");
        (bytes, counting.read.load(Ordering::Relaxed) - before)
    };
    let corpus = TempCorpus::small();
    let data = corpus.data();
    let (first, all) = index(&corpus, &data, false);
    corpus.write("faq/refund.yaml", SMALL_FAQ.replace("查退款进度", "退款走到哪了"));
    let (changed, new) = index(&corpus, &data, false);
    assert_eq!(new, 1, "of {all} texts one is new");
    assert_ne!(changed, first);
    assert_eq!(index(&corpus, &corpus.beside("fresh"), false), (changed.clone(), all));
    assert_eq!(index(&corpus, &data, true), (changed.clone(), all), "a forced build begins anew");

    // Entries in another order, one text that was replaced before, and one that stands there twice.
    let (head, rest) = SMALL_FAQ.split_once("  - id: refund-progress\n").expect("the first entry");
    let (progress, others) = rest.split_once("  - id: refund-time\n").expect("the second entry");
    let moved = format!("{head}  - id: refund-time\n{others}  - id: zz-progress\n{progress}")
        .replace("地址写错了", "收货地址填错了怎么改？");
    corpus.write("faq/refund.yaml", moved);
    let (shuffled, new) = index(&corpus, &data, false);
    assert_eq!(new, 1);
    let (fresh, distinct) = index(&corpus, &corpus.beside("fresh-2"), false);
    assert_eq!((fresh, distinct), (shuffled, all - 1));

    // What is damaged is not taken over.
    corpus.write("faq/refund.yaml", SMALL_FAQ);
    let current = DataFolder::new(&data).current().expect("a data folder").expect("a generation");
    let file = DataFolder::new(&data).generation(&current).join("contexts.safetensors");
    let mut bytes = std::fs::read(&file).expect("a file");
    *bytes.last_mut().expect("not empty") ^= 1;
    std::fs::write(&file, bytes).expect("written");
    assert_eq!(index(&corpus, &data, false), (first, all));
}
