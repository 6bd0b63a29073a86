//! Synthetic corpora for the benches: derived by arithmetic from the number of entries, so that every run and every machine
//! measures the same texts.

#![allow(dead_code, reason = "not every bench uses every helper")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use yingda::corpus::{Answer, Corpus, Entry, EntryBody, Faq, Source, Status};
use yingda::embedding::Embedder;
use yingda::error::Result;
use yingda::generation::{BuildOptions, DataFolder, Generation, build};

const THINGS: &[&str] = &[
    "空气净化器",
    "路由器",
    "扫地机器人",
    "蓝牙耳机",
    "洗衣机",
    "电饭煲",
    "热水器",
    "智能门锁",
    "空气炸锅",
    "吹风机",
    "电动牙刷",
    "投影仪",
    "平板电脑",
    "充电宝",
    "加湿器",
    "豆浆机",
    "电暖器",
    "行李箱",
    "羽绒服",
    "运动鞋",
    "床垫",
    "书桌",
    "台灯",
    "保温杯",
    "面霜",
    "口红",
    "奶粉",
    "坚果",
    "车厘子",
    "大闸蟹",
];
const ACTS: &[&str] = &[
    "退款",
    "退货",
    "换货",
    "开发票",
    "改地址",
    "取消订单",
    "查物流",
    "申请价保",
    "用优惠券",
    "预约安装",
    "报修",
    "以旧换新",
    "查积分",
    "补差价",
    "催发货",
    "投诉",
    "绑定手机",
    "恢复出厂设置",
    "更换滤芯",
    "清洁保养",
];
const WAYS: &[&str] = &[
    "怎么操作",
    "要多久",
    "需要什么条件",
    "收不收费",
    "为什么失败了",
    "在哪里看进度",
    "超过时间了怎么办",
    "没有入口怎么办",
    "可以找别人代办吗",
    "周末能不能办",
    "要不要原包装",
    "忘了密码怎么办",
];

/// A text that stands for number `n`; different numbers give different texts.
fn question(n: usize) -> String {
    let (thing, act, way) = (THINGS[n % 30], ACTS[n / 30 % 20], WAYS[n / 600 % 12]);
    let batch = n / 7_200;
    if batch == 0 { format!("{thing}{act}{way}？") } else { format!("{thing}第{batch}代{act}{way}？") }
}

/// A customer's words for the entry number `n`: the same matter, otherwise said.
pub fn customer(n: usize) -> String {
    let (thing, act, way) = (THINGS[n % 30], ACTS[n / 30 % 20], WAYS[n / 600 % 12]);
    match n % 3 {
        0 => format!("{act} {thing}"),
        1 => format!("我买的{thing}想{act}，{way}啊"),
        _ => format!("你好 {way} 就是那个{thing} {act}"),
    }
}

fn entry(n: usize) -> Entry {
    let text = question(n);
    let answer = format!("您好，关于{text}请在“我的—服务”里选择对应订单，按页面提示提交，一般 {} 小时内有人联系您。", 1 + n % 72);
    Entry {
        id: format!("e{n:06}"),
        title: text.clone(),
        topic: None,
        tags: vec![ACTS[n / 30 % 20].to_owned()],
        products: Vec::new(),
        channels: Vec::new(),
        status: Status::Published,
        valid_from: None,
        valid_until: None,
        related: Vec::new(),
        source: Source { file: "faq/bench.yaml".into(), line: n + 1, version: None },
        body: EntryBody::Faq(Faq {
            question: text.clone(),
            similar: (0..4).map(|way| format!("{}{}", customer(n), ["呀", "？", "求助", "急"][way])).collect(),
            negative: Vec::new(),
            answers: vec![Answer { when: None, text: answer }],
            options: Vec::new(),
        }),
    }
}

/// A corpus of `entries` FAQ entries with four similar questions each, and the starter corpus' dictionaries.
pub fn corpus(entries: usize) -> Corpus {
    let dictionaries = Corpus::load(&root().join("corpus")).expect("the starter corpus").dictionaries;
    let mut corpus = Corpus::default();
    corpus.entries = (0..entries).map(entry).collect();
    corpus.dictionaries = dictionaries;
    corpus.hash = "0".repeat(64);
    corpus
}

/// Parts of brand names; two of them make one.
const SYLLABLES: &[&str] = &[
    "安", "博", "晨", "达", "恩", "飞", "格", "海", "佳", "康", "乐", "美", "诺", "欧", "品", "奇", "瑞", "森", "泰", "维", "希",
    "雅", "优", "卓",
];
const LETTERS: &[&str] = &["A", "C", "E", "G", "H", "K", "M", "P", "Q", "S", "T", "X"];

/// A shop of any size in a language that people write: what a customer may ask and how it is answered is the starter
/// corpus' own, recombined by arithmetic with brands, products and model numbers. Words are as frequent as they are there.
pub struct Shop {
    questions: Vec<Faq>,
    golden: Vec<String>,
}

impl Shop {
    /// Reads the starter corpus.
    pub fn new() -> Self {
        let starter = starter();
        let faq = |entry: &Entry| match &entry.body {
            EntryBody::Faq(faq) => Some(faq.clone()),
            _ => None,
        };
        let questions = starter.entries.iter().filter_map(faq).collect();
        let golden = starter.golden.values().flatten().map(|golden| golden.question.clone()).collect();
        Shop { questions, golden }
    }

    /// `entries` FAQ entries with three similar questions and an answer each, and all manuals, scripts, risk rules and
    /// dictionaries of the starter corpus.
    pub fn corpus(&self, entries: usize) -> Corpus {
        let mut corpus = starter();
        corpus.golden.clear();
        corpus.entries.retain(|entry| !matches!(entry.body, EntryBody::Faq(_)));
        corpus.entries.iter_mut().for_each(|entry| entry.related.clear());
        corpus.entries.extend((0..entries).map(|n| self.entry(n)));
        corpus.entries.sort_by(|a, b| a.id.cmp(&b.id));
        corpus.hash = "0".repeat(64);
        corpus
    }

    fn entry(&self, n: usize) -> Entry {
        let base = &self.questions[n % self.questions.len()];
        // Steps without a common divisor with the number of questions, so that neighbours and rounds differ.
        let other = |step: usize| &self.questions[(n * step + n / self.questions.len()) % self.questions.len()];
        let product = product(n / self.questions.len() * 7 + n);
        let similar = |at: usize| {
            let text = &base.similar[(n / self.questions.len() + at) % base.similar.len()];
            if at == 0 { format!("{text} {}", thing(&product)) } else { format!("{}{text}", thing(&product)) }
        };
        let question = format!("{product}：{}", base.question);
        let sentence = other(31).answers[0].text.split_inclusive('。').next().unwrap_or_default();
        let answer = format!("关于{product}，{}{sentence}", base.answers[0].text);
        Entry {
            id: format!("e{n:06}"),
            title: question.clone(),
            body: EntryBody::Faq(Faq {
                question,
                similar: if base.similar.is_empty() { Vec::new() } else { (0..3).map(similar).collect() },
                negative: base.negative.iter().take(1).cloned().collect(),
                answers: vec![Answer { when: None, text: answer }],
                options: Vec::new(),
            }),
            ..entry(n)
        }
    }

    /// A customer's words: a golden question, every second time with a product before it or a second question behind it.
    pub fn customer(&self, n: usize) -> String {
        let golden = |n: usize| &self.golden[n * 7 % self.golden.len()];
        match n % 4 {
            0 | 2 => golden(n).clone(),
            1 => format!("{}{}", product(n * 13), golden(n)),
            _ => format!("你好，我上周买的{}，{}，{}", thing(&product(n)), golden(n), golden(n + 5)),
        }
    }
}

fn starter() -> Corpus {
    Corpus::load(&root().join("corpus")).expect("the starter corpus")
}

/// A product's full name: brand, thing and model number.
fn product(n: usize) -> String {
    let (first, second) = (SYLLABLES[n % 24], SYLLABLES[n / 24 % 24]);
    format!("{first}{second}{}{}{}", THINGS[n * 17 % 30], LETTERS[n % 12], 100 + n * 37 % 900)
}

/// What a customer calls it: the name without the model number.
fn thing(product: &str) -> &str {
    product.trim_end_matches(|c: char| c.is_ascii())
}

/// The shipped model.
pub fn model() -> Arc<dyn Embedder> {
    yingda::embedding::load(&root().join("models/yingda-embed-zh")).map(Arc::from).expect("the shipped model")
}

/// A model that gives every text the same vector: what is left is the work that is not embedding.
pub struct NoModel(pub usize);

impl Embedder for NoModel {
    fn dimensions(&self) -> usize {
        self.0
    }

    fn fingerprint(&self) -> &str {
        "none"
    }

    fn name(&self) -> &str {
        "none"
    }

    fn embed(&self, texts: &[&str], _: yingda::embedding::Role) -> Result<Vec<Vec<f32>>> {
        let mut vector = vec![0.0; self.0];
        vector[0] = 1.0;
        Ok(vec![vector; texts.len()])
    }
}

/// Builds a generation in `folder`.
pub fn publish(corpus: &Corpus, folder: &Path, embedder: &dyn Embedder) {
    let options = BuildOptions { force: true, keep: 1, ranker_version: String::new() };
    build(corpus, &DataFolder::new(folder), embedder, &options, &|_, _, _| {}).expect("a generation");
}

/// A generation in a temporary folder.
pub fn generation(entries: usize) -> (Generation, TempDir) {
    let folder = TempDir::new().expect("a temporary folder");
    let model = model();
    publish(&corpus(entries), folder.path(), model.as_ref());
    (Generation::open_current(&DataFolder::new(folder.path()), model).expect("the generation"), folder)
}

/// The repository's root.
pub fn root() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
}
