//! Bad corpora: every problem is named with file and line, all of them in one run, and what is published stays.

mod bad_files;

use std::fs;
use std::path::Path;

use yingda::corpus::{Problem, Severity};
use yingda::generation::DataFolder;

use crate::support::corpora::SMALL_FAQ;
use crate::support::{TempCorpus, yingda};
use bad_files::{Bad, bad_files, faq};

/// Every file below `folder` with its content.
fn snapshot(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut out = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for item in fs::read_dir(&folder).expect("a folder").flatten() {
            let path = item.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.file_name().is_some_and(|name| name != "lock") {
                out.push((path.display().to_string(), fs::read(&path).expect("a file")));
            }
        }
    }
    out.sort();
    out
}

fn matches(problem: &Problem, bad: &Bad) -> bool {
    let file = if bad.path.starts_with("scripts/") { "scripts" } else { bad.path };
    problem.file == file
        && problem.line == bad.line
        && problem.field == bad.field
        && problem.severity == Severity::Error
        && problem.to_string().contains(bad.says)
}

#[test]
fn every_kind_of_bad_file_is_named_with_its_line() {
    let mut wrong = Vec::new();
    for bad in bad_files() {
        let corpus = TempCorpus::small();
        corpus.write(bad.path, &bad.content);
        let problems = corpus.load().problems;
        if !problems.iter().any(|problem| matches(problem, &bad)) {
            let found: Vec<String> = problems.iter().map(Problem::to_string).collect();
            wrong.push(format!("{}: wanted {}:{}: {}: …{}…, found {found:#?}", bad.name, bad.path, bad.line, bad.field, bad.says));
        }
        for problem in &problems {
            if problem.line == 0 || problem.what.is_empty() || problem.fix.is_empty() {
                wrong.push(format!("{}: half a problem: {problem:?}", bad.name));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_program_exits_1_and_leaves_what_is_published() {
    let published = TempCorpus::small();
    published.publish();
    let before = snapshot(&published.data());
    for bad in bad_files() {
        let corpus = TempCorpus::small();
        corpus.write(bad.path, &bad.content);
        let checked = yingda(["check"]).corpus(corpus.path()).run();
        assert_eq!(checked.code, 1, "{}: {checked:#?}", bad.name);
        let file = if bad.path.starts_with("scripts/") { "scripts" } else { bad.path };
        let place = format!("{file}:{}: {}: ", bad.line, bad.field);
        assert!(checked.stdout.lines().any(|line| line.starts_with(&place)), "{}: {place} in {checked:#?}", bad.name);
        let indexed = yingda(["index"]).corpus(corpus.path()).data(published.data()).run();
        assert_eq!(indexed.code, 1, "{}: {indexed:#?}", bad.name);
        assert!(indexed.stderr.contains(&place), "{}: {indexed:#?}", bad.name);
        assert!(indexed.stdout.is_empty(), "{}: {indexed:#?}", bad.name);
    }
    assert_eq!(snapshot(&published.data()), before);
    let found = yingda(["search", "退款多久到账", "--format", "json"]).data(published.data()).run();
    assert_eq!(found.json()["hits"][0]["id"], "refund-time", "{found:#?}");
}

#[test]
fn all_problems_are_reported_in_one_run() {
    let corpus = TempCorpus::empty();
    let mut expected = Vec::new();
    for (number, bad) in bad_files().iter().enumerate().filter(|(_, bad)| bad.path == "faq/bad.yaml") {
        let path = format!("faq/{number:03}.yaml");
        corpus.write(&path, &bad.content);
        expected.push(path);
    }
    corpus.write("faq/refund.yaml", SMALL_FAQ);
    let ran = yingda(["check", "--format", "json"]).corpus(corpus.path()).run();
    assert_eq!(ran.code, 1);
    let report = ran.json();
    let problems = report["problems"].as_array().expect("a list of problems").clone();
    for path in expected {
        assert!(problems.iter().any(|problem| problem["file"] == path.as_str()), "{path} is not in the report");
    }
    let errors = problems.iter().filter(|problem| problem["severity"] == "error").count();
    assert_eq!(report["errors"], errors);
    assert!(!problems.iter().any(|problem| problem["file"] == "faq/refund.yaml" && problem["severity"] == "error"));
}

#[test]
fn many_mistakes_in_one_entry_are_all_reported() {
    let text = faq("    similer: [开票]\n    status: 在用\n    valid_from: 2026-02-30\n    related: [nobody]\n    tags: [1, 2]\n");
    let corpus = TempCorpus::of([("faq/bad.yaml", text.as_str())]);
    let problems = corpus.load().problems;
    let found: Vec<(usize, &str)> = problems.iter().map(|problem| (problem.line, problem.field.as_str())).collect();
    assert_eq!(found, [(5, "similer"), (6, "status"), (7, "valid_from"), (8, "related"), (9, "tags[0]"), (9, "tags[1]")]);
}

#[test]
fn entries_of_a_file_that_cannot_be_read_are_not_called_missing() {
    let unreadable = b"kind: faq\nentries:\n  - id: invoice-how\n    question: \xCD\xCB\xBF\xEE\n";
    let corpus = TempCorpus::small();
    corpus.write("faq/gbk.yaml", unreadable);
    // The id of a check is no entry's.
    corpus.write("check/vague.yaml", fs::read("corpus/check/vague.yaml").expect("the starter corpus"));
    corpus.write("faq/other.yaml", faq("    related: [invoice-how, vague-guess]\n"));
    corpus.write("golden/faq.tsv", "怎么开票\tinvoice-how\n");
    let problems = corpus.load().problems;
    let found: Vec<(&str, usize, &str)> =
        problems.iter().map(|problem| (problem.file.as_str(), problem.line, problem.field.as_str())).collect();
    assert_eq!(found, [("faq/gbk.yaml", 4, "-"), ("faq/other.yaml", 5, "related")], "{problems:#?}");
    assert!(problems[1].what.contains("vague-guess"), "{problems:#?}");
}

#[test]
fn large_files_are_refused_unread() {
    let corpus = TempCorpus::small();
    let path = corpus.path().join("faq/large.yaml");
    fs::File::create(&path).and_then(|file| file.set_len(50 * 1024 * 1024)).expect("a file of 50 MB");
    let ran = yingda(["check"]).corpus(corpus.path()).run();
    assert_eq!(ran.code, 1);
    assert!(ran.stdout.starts_with("faq/large.yaml:1: -: is 52428800 bytes long"), "{ran:#?}");
}

#[test]
fn aliases_that_grow_without_end_are_refused() {
    let mut text = String::from("kind: faq\nx0: &a0 [啊, 啊, 啊, 啊, 啊, 啊, 啊, 啊, 啊, 啊]\n");
    for level in 1..=12 {
        let before = format!("*a{}", level - 1);
        text.push_str(&format!("x{level}: &a{level} [{}]\n", vec![before; 10].join(", ")));
    }
    let corpus = TempCorpus::of([("faq/bomb.yaml", text.as_str())]);
    let problems = corpus.load().problems;
    assert!(problems.iter().any(|problem| problem.file == "faq/bomb.yaml" && problem.severity == Severity::Error), "{problems:#?}");
}

#[cfg(unix)]
#[test]
fn symbolic_links_may_not_lead_out_of_the_corpus() {
    use std::os::unix::fs::symlink;
    let corpus = TempCorpus::small();
    let outside = corpus.beside("secret.yaml");
    fs::write(&outside, faq("")).expect("a file outside");
    symlink(&outside, corpus.path().join("faq/link.yaml")).expect("a link");
    symlink("/", corpus.path().join("faq/root")).expect("a link");
    symlink("nowhere.yaml", corpus.path().join("faq/broken.yaml")).expect("a link");
    symlink(corpus.path().join("faq"), corpus.path().join("faq/self")).expect("a link");
    let ran = yingda(["check"]).corpus(corpus.path()).run();
    assert_eq!(ran.code, 1);
    for name in ["link.yaml", "root", "broken.yaml", "self"] {
        assert!(ran.stdout.contains(&format!("faq/{name}:1: -: is a symbolic link")), "{name}: {ran:#?}");
    }
    assert!(!ran.stdout.contains("发票"));
}

#[test]
fn windows_files_are_accepted() {
    let windows = format!("\u{FEFF}{}", SMALL_FAQ.replace('\n', "\r\n"));
    let plain = TempCorpus::small();
    let corpus = TempCorpus::of([("faq/refund.yaml", windows.as_str())]);
    let (corpus, plain) = (corpus.load(), plain.load());
    assert_eq!(corpus.problems, []);
    assert_eq!(corpus.entries, plain.entries);
    let manual = "---\nkind: manual\nid: m\ntitle: 手册\nproduct: p\nversion: \"1\"\nupdated: 2026-01-01\n---\n# 手册\n\n## 安装\n\n正文。\n";
    let windows = format!("\u{FEFF}{}", manual.replace('\n', "\r\n"));
    let (windows, plain) = (TempCorpus::of([("manual/m.md", windows.as_str())]), TempCorpus::of([("manual/m.md", manual)]));
    assert_eq!(windows.load().problems, []);
    assert_eq!(windows.load().entries, plain.load().entries);
}

#[test]
fn what_editors_leave_behind_is_no_part_of_the_corpus() {
    let corpus = TempCorpus::small();
    let before = corpus.load().hash;
    for name in [
        ".DS_Store",
        "faq/.refund.yaml.swp",
        "faq/~$refund.xlsx",
        "faq/refund.yaml~",
        "faq/refund.yaml.bak",
        "faq/Thumbs.db",
        "README.md",
    ] {
        corpus.write(name, [0xFF, 0xFE, 0]);
    }
    let loaded = corpus.load();
    assert_eq!(loaded.problems, []);
    assert_eq!(loaded.hash, before);
}

#[test]
fn an_empty_or_missing_corpus_is_an_error() {
    let corpus = TempCorpus::empty();
    let ran = yingda(["check"]).corpus(corpus.path()).run();
    assert_eq!(ran.code, 1, "{ran:#?}");
    assert!(ran.stdout.contains("holds no entries"));
    let ran = yingda(["check"]).corpus(corpus.beside("nowhere")).run();
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains("nowhere"));
    assert!(DataFolder::new(corpus.data()).current().expect("no data folder").is_none());
}

#[test]
fn the_starter_corpus_has_no_problem() {
    let ran = yingda(["check"]).run();
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    // A FAQ may say that something may happen; that is worth a second look, not an error.
    let serious = ran.stdout.lines().find(|line| !line.contains(": warning: ") || !line.contains("the rule vague"));
    assert_eq!(serious, None, "{}", ran.stderr);
}
