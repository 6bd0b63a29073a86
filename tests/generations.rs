//! Generations: whatever happens while one is made, the last published one opens; a damaged one is refused by name; a running
//! server changes over without a failed request.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::json;
use yingda::error::Error;
use yingda::generation::{DataFolder, Generation};

use crate::support::corpora::SMALL_FAQ;
use crate::support::{Server, TempCorpus, config, model, wait_until, yingda};

/// [`SMALL_FAQ`] with `mark` in the answer about time, and `more` further entries.
fn marked(mark: &str, more: usize) -> String {
    let mut text = SMALL_FAQ.replace("一般 24 小时内原路退回", mark);
    for number in 0..more {
        text.push_str(&format!(
            "  - id: more-{number:04}\n    question: 第 {number} 号柜的取件码是多少？\n    similar: [柜子 {number} 打不开]\n    answers:\n      - text: 您好，{number} 号柜请凭短信取件。\n"
        ));
    }
    text
}

fn current(corpus: &TempCorpus) -> String {
    DataFolder::new(corpus.data()).current().expect("a data folder").expect("a published generation")
}

/// Bytes below `folder`; files that go away meanwhile count nothing.
fn size(folder: &Path) -> u64 {
    let Ok(items) = fs::read_dir(folder) else { return 0 };
    items
        .flatten()
        .map(|item| match item.metadata() {
            Ok(metadata) if metadata.is_dir() => 1 + size(&item.path()),
            Ok(metadata) => metadata.len(),
            Err(_) => 0,
        })
        .sum()
}

/// A moment of `index` that can be seen from outside.
enum Moment {
    /// Just started.
    Start,
    /// The staging folder has grown to so many bytes.
    Staged(u64),
    /// The new generation has been moved into place.
    Moved,
}

#[test]
fn killed_at_any_moment_the_last_generation_serves() {
    let corpus = TempCorpus::of([("faq/all.yaml", marked("第 0 版", 400).as_str())]);
    corpus.publish();
    let full = size(&corpus.data().join("generations"));
    let staged = (0..16).map(|step| Moment::Staged(1 + full * step / 16));
    let moments = [Moment::Start].into_iter().chain(staged).chain([Moment::Moved, Moment::Moved]);
    for (number, moment) in moments.enumerate() {
        corpus.write("faq/all.yaml", marked(&format!("第 {number} 版"), 400));
        let before = current(&corpus);
        let kept = DataFolder::new(corpus.data()).list().expect("a data folder");
        let mut command = yingda(["index", "--force"]).corpus(corpus.path()).data(corpus.data()).into_command();
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("the program starts");
        let (staging, place) = (corpus.data().join("staging"), corpus.data().join("generations"));
        wait_until("the moment to kill", || {
            let reached = match moment {
                Moment::Start => true,
                Moment::Staged(bytes) => size(&staging) >= bytes,
                Moment::Moved => fs::read_dir(&place)
                    .expect("generations")
                    .flatten()
                    .any(|item| !kept.contains(&item.file_name().to_string_lossy().into_owned())),
            };
            reached || child.try_wait().expect("a child").is_some()
        });
        child.kill().expect("kill -9");
        child.wait().expect("a child");

        let after = current(&corpus);
        let generation = Generation::open_current(&DataFolder::new(corpus.data()), model())
            .unwrap_or_else(|error| panic!("after kill {number}: {error}"));
        assert!(after >= before, "{after} after {before}");
        assert_eq!(generation.entries.len(), 403);
    }
    let ran = yingda(["index", "--force"]).corpus(corpus.path()).data(corpus.data()).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let found = yingda(["search", "退款多久能到账", "--format", "json"]).data(corpus.data()).run();
    assert!(found.json()["hits"][0]["text"].as_str().is_some_and(|text| text.contains("第 18 版")), "{found:#?}");
    let kept = DataFolder::new(corpus.data()).list().expect("a data folder");
    assert!(kept.len() <= 3, "{kept:?}");
}

fn files(folder: &Path) -> Vec<PathBuf> {
    let mut out = Vec::new();
    for item in fs::read_dir(folder).expect("a folder").flatten() {
        if item.path().is_dir() { out.extend(files(&item.path())) } else { out.push(item.path()) }
    }
    out.sort();
    out
}

#[test]
fn a_damaged_file_is_refused_by_name() {
    type Damage = (&'static str, fn(&Path, &[u8]));
    let damages: [Damage; 4] = [
        ("a flipped bit", |path, bytes| {
            let mut bytes = bytes.to_vec();
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
            fs::write(path, bytes).expect("a write");
        }),
        ("cut off", |path, bytes| fs::write(path, &bytes[..bytes.len() / 2]).expect("a write")),
        ("emptied", |path, _| fs::write(path, b"").expect("a write")),
        ("removed", |path, _| fs::remove_file(path).expect("a removal")),
    ];
    let corpus = TempCorpus::small();
    let id = corpus.publish().id;
    let data = DataFolder::new(corpus.data());
    let folder = data.generation(&id);
    let files = files(&folder);
    assert!(files.len() > 4, "{files:?}");
    for path in files {
        let good = fs::read(&path).expect("a file");
        let name = path.strip_prefix(&folder).expect("below").display().to_string();
        for (damage, apply) in damages {
            if good.is_empty() && damage != "removed" {
                continue;
            }
            apply(&path, &good);
            let opened = Generation::open_current(&data, model());
            // A readable manifest that says something else names the file of which it says it.
            let reworded = name == "manifest.json" && damage == "a flipped bit";
            if !(reworded && opened.is_ok()) {
                let Err(error) = opened else { panic!("{name} {damage} was opened") };
                assert!(matches!(error, Error::Generation { .. }), "{name} {damage}: {error}");
                assert!(error.to_string().contains(&id), "{name} {damage}: {error}");
                assert!(reworded || error.to_string().contains(&name), "{name} {damage}: {error}");
            }
            fs::write(&path, &good).expect("a write");
        }
    }
    Generation::open_current(&data, model()).expect("the repaired generation opens");
}

#[test]
fn the_program_names_what_is_damaged_and_index_mends_it() {
    let corpus = TempCorpus::small();
    let id = corpus.publish().id;
    let vectors = corpus.data().join("generations").join(&id).join("vectors.safetensors");
    fs::write(&vectors, b"nothing").expect("a write");
    let ran = yingda(["search", "退款"]).data(corpus.data()).run();
    assert_eq!(ran.code, 3, "{ran:#?}");
    assert!(ran.stderr.contains(&id) && ran.stderr.contains("vectors.safetensors"), "{ran:#?}");
    let ran = yingda(["index"]).corpus(corpus.path()).data(corpus.data()).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    assert_ne!(current(&corpus), id);
    assert_eq!(yingda(["search", "退款"]).data(corpus.data()).run().code, 0);
}

#[test]
fn a_current_file_that_names_no_generation_is_refused() {
    let corpus = TempCorpus::small();
    corpus.publish();
    for content in ["", "\n", "../../etc", "g999999-00000000", "\u{0}", "退款"] {
        fs::write(corpus.data().join("CURRENT"), content).expect("a write");
        let ran = yingda(["search", "退款"]).data(corpus.data()).run();
        assert_eq!(ran.code, 3, "{content:?}: {ran:#?}");
        assert!(!ran.stderr.contains("panicked"), "{content:?}: {ran:#?}");
    }
}

#[test]
fn a_second_index_at_the_same_time_is_refused() {
    let corpus = TempCorpus::small();
    corpus.publish();
    let before = current(&corpus);
    let lock = DataFolder::new(corpus.data()).lock().expect("the lock");
    for arguments in [vec!["index", "--force"], vec!["rollback"]] {
        let ran = yingda(&arguments).corpus(corpus.path()).data(corpus.data()).run();
        assert_eq!(ran.code, 3, "{arguments:?}: {ran:#?}");
        assert!(ran.stderr.contains("another `yingda index` is running"), "{arguments:?}: {ran:#?}");
    }
    assert_eq!(current(&corpus), before);
    drop(lock);
    assert_eq!(yingda(["index", "--force"]).corpus(corpus.path()).data(corpus.data()).run().code, 0);
}

#[test]
fn nothing_changed_nothing_published() {
    let corpus = TempCorpus::small();
    let first = yingda(["index", "--format", "json"]).corpus(corpus.path()).data(corpus.data()).run().json();
    let second = yingda(["index", "--format", "json"]).corpus(corpus.path()).data(corpus.data()).run().json();
    assert_eq!((&first["published"], &second["published"]), (&json!(true), &json!(false)));
    assert_eq!(first["id"], second["id"]);
    corpus.write("dict/synonyms.txt", "退款,退钱\n");
    let third = yingda(["index", "--format", "json"]).corpus(corpus.path()).data(corpus.data()).run().json();
    assert_eq!(third["published"], true, "the dictionary is part of the corpus");
}

#[test]
fn rollback_serves_the_earlier_generation_again() {
    let corpus = TempCorpus::of([("faq/all.yaml", marked("第一版", 0).as_str())]);
    let first = corpus.publish().id;
    corpus.write("faq/all.yaml", marked("第二版", 0));
    let second = corpus.publish().id;
    let answer = || {
        let ran = yingda(["search", "退款多久能到账", "--format", "json"]).data(corpus.data()).run();
        ran.json()["hits"][0]["text"].as_str().unwrap_or_default().to_owned()
    };
    assert!(answer().contains("第二版"));
    let listed = yingda(["generations", "--format", "json"]).data(corpus.data()).run().json();
    assert_eq!(listed, json!({"current": second, "generations": [first, second]}));
    let ran = yingda(["rollback", "--format", "json"]).data(corpus.data()).run();
    assert_eq!((ran.code, ran.json()["id"].as_str()), (0, Some(first.as_str())), "{ran:#?}");
    assert!(answer().contains("第一版"));
    assert_eq!(yingda(["rollback", &second]).data(corpus.data()).run().code, 0);
    assert!(answer().contains("第二版"));
    for wrong in ["g000099-00000000", "..", "", "../generations"] {
        let ran = yingda(["rollback", wrong]).data(corpus.data()).run();
        assert_eq!(ran.code, 2, "{wrong}: {ran:#?}");
    }
    assert!(answer().contains("第二版"));
}

#[test]
fn only_so_many_generations_are_kept_and_always_the_current_one() {
    let corpus = TempCorpus::small();
    for round in 0..4 {
        corpus.write("faq/refund.yaml", marked(&format!("第 {round} 版"), 0));
        let ran = yingda(["index"]).corpus(corpus.path()).data(corpus.data()).env("YINGDA_DATA_KEEP_GENERATIONS", "2").run();
        assert_eq!(ran.code, 0, "{ran:#?}");
    }
    let kept = DataFolder::new(corpus.data()).list().expect("a data folder");
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert_eq!(kept.last(), Some(&current(&corpus)));
}

#[test]
fn a_server_changes_over_with_requests_in_flight_and_none_fails() {
    const ROUNDS: usize = 5;
    const CLIENTS: usize = 4;
    let corpus = TempCorpus::of([("faq/all.yaml", marked("第 0 版", 30).as_str())]);
    let mut names = vec![(corpus.publish().id, "第 0 版".to_owned())];
    let server = Server::start(&config(&corpus.path(), &corpus.data()));
    let (done, asked) = (AtomicBool::new(false), AtomicUsize::new(0));
    let body = json!({"messages": [{"role": "customer", "text": "退款多久能到账？"}]});
    let seen = std::thread::scope(|scope| {
        let client = || {
            let mut seen: Vec<(String, String)> = Vec::new();
            while !done.load(Ordering::Relaxed) {
                let reply = server.post("/v1/suggest", &body);
                assert_eq!(reply.status, 200, "{reply:?}");
                let answer = reply.json();
                let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
                seen.push((text(&answer["generation"]), text(&answer["suggestions"][0]["text"])));
                asked.fetch_add(1, Ordering::Relaxed);
            }
            seen
        };
        let clients: Vec<_> = (0..CLIENTS).map(|_| scope.spawn(client)).collect();
        for round in 1..=ROUNDS {
            let mark = format!("第 {round} 版");
            corpus.write("faq/all.yaml", marked(&mark, 30));
            let id = corpus.publish().id;
            names.push((id.clone(), mark));
            wait_until("the new generation serves", || server.service().live().get().is_some_and(|serving| serving.id() == id));
            let before = asked.load(Ordering::Relaxed);
            wait_until("some more requests", || asked.load(Ordering::Relaxed) > before + CLIENTS);
        }
        done.store(true, Ordering::Relaxed);
        clients.into_iter().flat_map(|client| client.join().expect("no request fails")).collect::<Vec<_>>()
    });
    for (id, mark) in &names {
        assert!(seen.iter().any(|(generation, _)| generation == id), "{id} was never served");
        for (_, text) in seen.iter().filter(|(generation, _)| generation == id) {
            assert!(text.contains(mark.as_str()), "generation {id} answered {text}");
        }
    }
}

#[test]
fn a_server_goes_on_with_the_old_generation_when_the_new_one_is_damaged() {
    let corpus = TempCorpus::of([("faq/all.yaml", marked("第一版", 0).as_str())]);
    let first = corpus.publish().id;
    let settings = config(&corpus.path(), &corpus.data());
    let service = yingda::service::Service::new(&settings, model()).expect("a service");
    service.live().refresh().expect("the first generation opens");
    corpus.write("faq/all.yaml", marked("第二版", 0));
    let second = corpus.publish().id;
    fs::remove_file(corpus.data().join("generations").join(&second).join("content.json")).expect("a removal");
    let error = service.live().refresh().expect_err("a damaged generation is refused");
    assert!(error.to_string().contains(&second), "{error}");
    assert!(!service.live().refresh().expect("it is reported once"));
    assert_eq!(service.generation().expect("a generation").id(), first);
    assert_eq!(yingda(["rollback", &first]).data(corpus.data()).run().code, 0);
    assert!(!service.live().refresh().expect("the first one serves already"));
    corpus.write("faq/all.yaml", marked("第三版", 0));
    corpus.publish();
    assert!(service.live().refresh().expect("the third generation opens"));
}

#[test]
fn a_generation_of_another_model_is_refused() {
    let corpus = TempCorpus::small();
    let id = corpus.publish().id;
    let path = corpus.data().join("generations").join(&id).join("manifest.json");
    let text = fs::read_to_string(&path).expect("the manifest");
    let cases = [
        ("\"fingerprint\":\"", "\"fingerprint\":\"0", "model"),
        ("\"analyzer_version\":", "\"analyzer_version\":9", "analyser"),
        ("\"format\":", "\"format\":9", "layout"),
    ];
    for (from, to, word) in cases {
        fs::write(&path, text.replace(from, to)).expect("a write");
        let ran = yingda(["search", "退款"]).data(corpus.data()).run();
        assert_eq!(ran.code, 3, "{ran:#?}");
        assert!(ran.stderr.contains(&id) && ran.stderr.contains(word) && ran.stderr.contains("yingda index"), "{ran:#?}");
    }
}
