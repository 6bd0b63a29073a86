//! Small corpora in temporary folders.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use yingda::corpus::Corpus;
use yingda::generation::{BuildOptions, Built, DataFolder, build};

use super::model;

/// Two entries about refunds, one about addresses; without any problem.
pub const SMALL_FAQ: &str = "\
kind: faq
topic: 退款
entries:
  - id: refund-progress
    question: 退款到哪一步了怎么查？
    similar: [退款 未到账, 查退款进度]
    related: [refund-time]
    answers:
      - text: 您好，请在“我的—退款/售后”里查看退款进度。
  - id: refund-time
    question: 退款多久能到账？
    similar: [退款要几天]
    answers:
      - when: {payment_method: [credit_card]}
        text: 您好，信用卡一般 3—7 个工作日到账。
      - text: 您好，退款一般 24 小时内原路退回。
  - id: order-address
    question: 收货地址填错了怎么改？
    similar: [地址写错了]
    answers:
      - text: 您好，未发货的订单可以在订单页修改地址。
";

/// A corpus folder and a data folder beside it, both deleted at the end.
pub struct TempCorpus {
    folder: TempDir,
}

impl TempCorpus {
    /// An empty corpus.
    pub fn empty() -> Self {
        let folder = TempDir::new().expect("a temporary folder");
        fs::create_dir(folder.path().join("corpus")).expect("a corpus folder");
        TempCorpus { folder }
    }

    /// A corpus of the given files.
    pub fn of<'f>(files: impl IntoIterator<Item = (&'f str, &'f str)>) -> Self {
        let corpus = Self::empty();
        for (path, text) in files {
            corpus.write(path, text);
        }
        corpus
    }

    /// [`SMALL_FAQ`] alone.
    pub fn small() -> Self {
        Self::of([("faq/refund.yaml", SMALL_FAQ)])
    }

    /// Writes a file of the corpus.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) -> &Self {
        let full = self.path().join(path);
        fs::create_dir_all(full.parent().expect("a file has a folder")).expect("folders of the corpus");
        fs::write(full, content).expect("a file of the corpus");
        self
    }

    /// The corpus folder.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("corpus")
    }

    /// The data folder, which need not exist.
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// A further path beside both.
    pub fn beside(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Reads and checks it.
    pub fn load(&self) -> Corpus {
        Corpus::load(&self.path()).expect("a readable corpus folder")
    }

    /// Checks it and publishes a generation of it with the shipped model.
    pub fn publish(&self) -> Built {
        publish(&self.path(), &self.data())
    }
}

/// Publishes a generation of `corpus` in `data` with the shipped model.
pub fn publish(corpus: &Path, data: &Path) -> Built {
    let corpus = Corpus::load(corpus).expect("a readable corpus folder");
    assert_eq!(corpus.errors(), 0, "{:#?}", corpus.problems);
    let options = BuildOptions { force: true, keep: 3, ranker_version: String::new() };
    build(&corpus, &DataFolder::new(data), model().as_ref(), &options, &|_, _, _| {}).expect("a generation")
}
