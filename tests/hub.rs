//! Models by hub id: downloads from a server that speaks the hub's endpoints go on where they broke, bring what loading needs
//! and no more, and never happen unasked.

use std::path::{Path, PathBuf};
use std::process::Command;

use yingda::embedding::hub::{Hub, ModelId, fetch, resolve};
use yingda::embedding::{self, Role};

use crate::support::hub::{Behaviour, COMMIT, HubServer};
use crate::support::{model, model_folder};

const ID: &str = "tiny/bert-zh";

fn fixture(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/models").join(name)
}

fn hub(server: &HubServer, home: &Path) -> Hub {
    Hub { endpoint: server.endpoint(), cache: home.join("hub"), token: Some("hf_secret".into()), offline: false }
}

fn id(text: &str) -> ModelId {
    ModelId::parse(text).expect("an id")
}

fn quiet(_: &str, _: u64, _: u64) {}

#[test]
fn a_fetched_model_loads_by_its_id_and_equals_the_original() {
    for name in ["bert-cls", "bert-mean-bin", "bert-dense", "xlm-roberta", "static"] {
        let server = HubServer::start(ID, &fixture(name), Behaviour::default());
        let home = tempfile::tempdir().expect("a temporary folder");
        let hub = hub(&server, home.path());
        let error = resolve(Path::new(ID), &hub.cache).expect_err("not fetched yet").to_string();
        assert!(error.contains("yingda model fetch tiny/bert-zh"), "{error}");
        assert!(server.asked().is_empty(), "looking for a model must not download it");

        let folder = fetch(&hub, &id(ID), &quiet).expect("the download works");
        assert_eq!(resolve(Path::new(ID), &hub.cache).expect("cached now"), folder);
        assert!(folder.ends_with(COMMIT));
        let (model, original) = (embedding::load(&folder).expect("it loads"), embedding::load(&fixture(name)).expect("it loads"));
        assert_eq!(model.fingerprint(), original.fingerprint(), "{name}");
        assert_eq!(model.name(), ID);
        let embed = |model: &dyn embedding::Embedder| model.embed(&["退款什么时候到账"], Role::Query).expect("embedding works");
        assert_eq!(embed(model.as_ref()), embed(original.as_ref()), "{name}");
        assert!(!folder.join("reference.json").exists(), "files that loading does not need stay on the hub");
        let asked = server.asked();
        assert!(asked.iter().filter(|asked| !asked.path.starts_with("/storage")).all(|a| a.authorization == "Bearer hf_secret"));

        fetch(&hub, &id(ID), &quiet).expect("a second fetch works");
        let again = &server.asked()[asked.len()..];
        assert!(again.iter().all(|asked| asked.path.starts_with("/api/")), "fetched again: {again:?}");

        let offline = Hub { offline: true, ..hub.clone() };
        assert_eq!(fetch(&offline, &id(ID), &quiet).expect("cached"), folder);
        let listed = embedding::hub::cached(&hub.cache).expect("the cache can be read");
        assert_eq!(listed, vec![(id(ID), folder)]);
    }
}

#[test]
fn a_broken_download_goes_on_where_it_broke() {
    // Two breaks that bring something are overcome at once; one that brings nothing ends the run.
    let behaviour = Behaviour { breaks: vec![10_000, 20_000, 0].into(), ..Behaviour::default() };
    let server = HubServer::start(ID, &fixture("bert-cls"), behaviour);
    let home = tempfile::tempdir().expect("a temporary folder");
    let hub = hub(&server, home.path());
    let error = fetch(&hub, &id(ID), &quiet).expect_err("the line is dead").to_string();
    assert!(error.contains("run the command again"), "{error}");

    let told = std::cell::RefCell::new(Vec::new());
    let folder = fetch(&hub, &id(ID), &|file, done, total| told.borrow_mut().push((file.to_owned(), done, total)))
        .expect("the download goes on");
    let ranges: Vec<String> = server
        .asked()
        .into_iter()
        .filter(|asked| asked.path == "/storage/model.safetensors" && asked.range != "bytes=0-0")
        .map(|asked| asked.range)
        .collect();
    assert_eq!(ranges, ["bytes=0-", "bytes=10000-", "bytes=30000-", "bytes=30000-"]);
    let original = std::fs::read(fixture("bert-cls").join("model.safetensors")).expect("the fixture");
    assert_eq!(std::fs::read(folder.join("model.safetensors")).expect("downloaded"), original);
    let size = original.len() as u64;
    let told = told.into_inner();
    let (_, first, _) = told.iter().find(|(file, ..)| file == "model.safetensors").expect("progress is told");
    assert_eq!(*first, 30_000, "progress goes on where the download goes on");
    assert!(told.contains(&("model.safetensors".to_owned(), size, size)));
    assert_eq!(told.iter().filter(|(file, ..)| file == "config.json").count(), 0, "what was there is not downloaded again");
}

#[test]
fn a_model_with_a_second_reading_is_fetched_whole() {
    let server = HubServer::start(ID, &model_folder(), Behaviour::default());
    let home = tempfile::tempdir().expect("a temporary folder");
    let folder = fetch(&hub(&server, home.path()), &id(ID), &quiet).expect("the download works");
    let fetched = embedding::load(&folder).expect("it loads");
    assert_eq!(fetched.fingerprint(), model().fingerprint());
    assert_eq!(fetched.context_dimensions(), model().context_dimensions());
}

#[test]
fn what_cannot_be_fetched_is_explained() {
    let home = tempfile::tempdir().expect("a temporary folder");
    let server = HubServer::start(ID, &fixture("bert-cls"), Behaviour::default());
    let good = hub(&server, home.path());
    let refused = |hub: &Hub, text: &str| fetch(hub, &id(text), &quiet).expect_err("refused").to_string();

    assert!(refused(&good, "tiny/other").contains("check the id"));
    assert!(refused(&good, "tiny/bert-zh@v2").contains("check the id"));
    assert!(refused(&Hub { offline: true, ..good.clone() }, ID).contains("HF_HUB_OFFLINE"));
    assert!(refused(&Hub { endpoint: "http://127.0.0.1:9".into(), ..good.clone() }, ID).contains("HF_ENDPOINT"));

    let damaged = HubServer::start(ID, &fixture("bert-cls"), Behaviour { damage: true, ..Behaviour::default() });
    let error = refused(&Hub { endpoint: damaged.endpoint(), ..good.clone() }, ID);
    assert!(error.contains("differs from what the hub holds"), "{error}");
    let folder = fetch(&good, &id(ID), &quiet).expect("nothing damaged was kept");
    embedding::load(&folder).expect("it loads");

    for text in ["../etc/passwd", "a/b/c", "/absolute", "org/na me", "org/name@../x", "org/..", "", "org/"] {
        assert!(ModelId::parse(text).is_none(), "{text}");
    }
}

/// Runs the program with nothing in its environment but these variables.
fn yingda(arguments: &[&str], home: &Path, endpoint: &str) -> (i32, String, String) {
    let output = Command::new(env!("CARGO_BIN_EXE_yingda"))
        .args(arguments)
        .env_clear()
        .envs([("HF_HOME", home.as_os_str()), ("HF_ENDPOINT", endpoint.as_ref())])
        .current_dir(home)
        .output()
        .expect("the program starts");
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (output.status.code().unwrap_or(-1), text(&output.stdout), text(&output.stderr))
}

#[test]
fn the_program_fetches_lists_and_checks() {
    let server = HubServer::start(ID, &fixture("bert-cls"), Behaviour::default());
    let home = tempfile::tempdir().expect("a temporary folder");
    let run = |arguments: &[&str]| yingda(arguments, home.path(), &server.endpoint());

    let (code, _, errors) = run(&["model", "check", ID]);
    assert_eq!(code, 3, "{errors}");
    assert!(errors.contains("yingda model fetch tiny/bert-zh"), "{errors}");
    let (code, out, errors) = run(&["model", "fetch", ID]);
    assert_eq!(code, 0, "{errors}");
    assert!(out.trim().ends_with(COMMIT), "{out}");
    assert!(errors.contains("[model] path = \"tiny/bert-zh\""), "{errors}");
    let (code, out, errors) = run(&["model", "list", "--format", "json"]);
    assert_eq!(code, 0, "{errors}");
    let listed: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(listed[0]["id"], ID);
    assert_eq!(listed[0]["architecture"], "bert");
    assert_eq!(listed[0]["dimensions"], 32);

    // Random weights understand nothing, so the verdict is left open; it must agree with the exit code.
    let (code, out, errors) = run(&["model", "check", ID, "--format", "json"]);
    let checked: serde_json::Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{errors}"));
    assert_eq!(code, if checked["passed"] == true { 0 } else { 1 });
    assert_eq!(checked["description"]["pooling"], "cls");
    assert_eq!(checked["description"]["max_length"], 32);
    assert_eq!(checked["dimensions"], 32);
    let (code, out, _) = run(&["config"]);
    assert_eq!(code, 0);
    assert!(out.contains(&server.endpoint()), "{out}");
    let (code, _, errors) = run(&["model", "fetch", "not an id"]);
    assert_eq!(code, 2, "{errors}");
}
