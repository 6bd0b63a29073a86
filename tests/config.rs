//! Settings: defaults, then the file, then the environment, then flags; what is unknown or out of range is refused by name.

use std::fs;

use yingda::config::{Config, DEFAULTS};

use crate::support::{TempCorpus, yingda};

fn resolve(file: Option<&str>, environment: &[(&str, &str)], flags: &[(&str, &str)]) -> Result<Config, String> {
    let folder = tempfile::TempDir::new().expect("a temporary folder");
    let path = folder.path().join("yingda.toml");
    if let Some(text) = file {
        fs::write(&path, text).expect("a settings file");
    }
    let environment = environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
    let flags: Vec<(&str, String)> = flags.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Config::resolve(file.map(|_| path.as_path()), environment, &flags).map_err(|error| error.to_string())
}

#[test]
fn each_source_beats_the_one_before() {
    let file = "[server]\nlisten = \"127.0.0.1:1\"\ntimeout_seconds = 7\n[decision]\nanswer_precision = 1e-0\nsuggest_confidence = 0\n[log]\nlevel = \"warn\"\n";
    let file = file.replace("1e-0", "0.9");
    let port = |config: &Config| config.server.listen.port();
    assert_eq!(port(&resolve(None, &[], &[]).expect("defaults")), 8600);
    assert_eq!(port(&resolve(Some(&file), &[], &[]).expect("a file")), 1);
    let environment = [("YINGDA_SERVER_LISTEN", "127.0.0.1:2")];
    assert_eq!(port(&resolve(Some(&file), &environment, &[]).expect("environment")), 2);
    let all = resolve(Some(&file), &environment, &[("server.listen", "127.0.0.1:3")]).expect("flags");
    assert_eq!(port(&all), 3);
    assert_eq!((all.server.timeout_seconds, all.decision.suggest_confidence, all.log.level.as_str()), (7, 0.0, "warn"));
    assert_eq!(all.server.concurrency, resolve(None, &[], &[]).expect("defaults").server.concurrency);
}

#[test]
fn the_defaults_explain_every_setting_and_are_the_defaults() {
    assert_eq!(resolve(Some(DEFAULTS), &[], &[]), resolve(None, &[], &[]));
    let lines: Vec<&str> = DEFAULTS.lines().collect();
    for (at, line) in lines.iter().enumerate().filter(|(_, line)| line.contains(" = ")) {
        assert!(lines[at - 1].starts_with("# "), "{line} has no comment");
    }
}

#[test]
fn what_is_wrong_is_named_with_its_source() {
    let files = [
        ("[server]\nport = 1\n", vec!["yingda.toml", "server.port", "listen"]),
        ("[servers]\nlisten = \"a\"\n", vec!["servers", "server"]),
        ("listen = \"127.0.0.1:1\"\n", vec!["listen", "outside a section"]),
        ("[server]\ntimeout_seconds = \"5\"\n", vec!["server.timeout_seconds", "string", "integer"]),
        ("[server\n", vec!["yingda.toml"]),
        ("[data]\nkeep_generations = 0\n", vec!["data.keep_generations", "1 to 100"]),
        ("[data]\nkeep_generations = -1\n", vec![""]),
        ("[server]\nlisten = \"localhost\"\n", vec![""]),
        ("[server]\nlisten = \"127.0.0.1:70000\"\n", vec![""]),
        ("[server]\napi_keys = [\"short\"]\n", vec!["server.api_keys", "8 characters"]),
        ("[server]\napi_keys = [1]\n", vec![""]),
        ("[shop]\ntime_zone = \"Asia/Hangzhou\"\n", vec!["shop.time_zone", "Asia/Shanghai"]),
        ("[decision]\nanswer_precision = 2\n", vec!["decision.answer_precision"]),
        ("[decision]\nanswer_precision = nan\n", vec!["decision.answer_precision"]),
        ("[log]\nlevel = \"loud\"\n", vec!["log.level", "info"]),
        ("[log]\nformat = \"xml\"\n", vec!["log.format", "json"]),
    ];
    for (file, words) in files {
        let error = resolve(Some(file), &[], &[]).expect_err(file);
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    }
    let environment = [
        ("YINGDA_SERVER_PORT", "1", vec!["YINGDA_SERVER_PORT", "server.port"]),
        ("YINGDA_NOTHING", "1", vec!["YINGDA_NOTHING"]),
        ("YINGDA_", "1", vec!["YINGDA_"]),
        ("YINGDA_SERVER_TIMEOUT_SECONDS", "soon", vec!["YINGDA_SERVER_TIMEOUT_SECONDS", "soon", "whole number"]),
        ("YINGDA_SERVER_TIMEOUT_SECONDS", "", vec!["YINGDA_SERVER_TIMEOUT_SECONDS"]),
        ("YINGDA_DECISION_ANSWER_PRECISION", "NaN", vec!["decision.answer_precision"]),
    ];
    for (name, value, words) in environment {
        let error = resolve(None, &[(name, value)], &[]).expect_err(name);
        assert!(words.iter().all(|word| error.contains(word)), "{words:?} in {error}");
    }
    assert!(resolve(None, &[("HOME", "x"), ("yingda_server_port", "1")], &[]).is_ok(), "other names are nobody's business");
}

#[test]
fn keys_come_from_the_environment_and_are_never_printed() {
    let keys = "first-key-123, second-key-456 ,";
    for name in ["YINGDA_API_KEYS", "YINGDA_SERVER_API_KEYS"] {
        let config = resolve(None, &[(name, keys)], &[]).expect("keys");
        assert_eq!(config.server.api_keys, ["first-key-123", "second-key-456"]);
    }
    let ran = yingda(["config"]).env("YINGDA_API_KEYS", keys).run();
    assert_eq!(ran.code, 0);
    assert!(!ran.stdout.contains("first-key") && ran.stdout.contains("hidden"), "{ran:#?}");
}

#[test]
fn config_prints_what_is_in_force() {
    let corpus = TempCorpus::small();
    let file = corpus.beside("yingda.toml");
    fs::write(&file, "[data]\nkeep_generations = 7\n[server]\ntimeout_seconds = 9\n").expect("a settings file");
    let ran = yingda(["config"]).corpus("/srv/kb").flag("--config", &file).env("YINGDA_SERVER_TIMEOUT_SECONDS", "11").run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    for line in ["path = \"/srv/kb\"", "keep_generations = 7", "timeout_seconds = 11"] {
        assert!(ran.stdout.lines().any(|found| found == line), "{line} in {}", ran.stdout);
    }
    // What is printed can be given back as a file.
    let printed = corpus.beside("printed.toml");
    fs::write(&printed, &ran.stdout).expect("a settings file");
    assert_eq!(yingda(["config"]).flag("--config", &printed).run().stdout, ran.stdout);
    assert_eq!(yingda(["config", "--defaults"]).run().stdout, DEFAULTS);
}

#[test]
fn the_program_refuses_wrong_settings_with_exit_2() {
    for (name, value) in [("YINGDA_SERVER_PORT", "1"), ("YINGDA_LOG_LEVEL", "loud"), ("YINGDA_SHOP_TIME_ZONE", "Mars")] {
        let ran = yingda(["config"]).env(name, value).run();
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:#?}");
        assert!(ran.stderr.starts_with("error: config: "), "{ran:#?}");
    }
}
