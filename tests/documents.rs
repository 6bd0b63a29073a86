//! The documents keep up with the program: every setting, endpoint, exit code and verb is in both READMEs, and links lead
//! somewhere.

use std::fs;

use crate::support::{root, yingda};

const READMES: [&str; 2] = ["README.md", "README.zh-CN.md"];

fn read(name: &str) -> String {
    fs::read_to_string(root().join(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

#[test]
fn every_setting_is_explained_with_its_default() {
    let defaults: toml::Table = yingda::config::DEFAULTS.parse().expect("the defaults");
    for name in READMES {
        let text = read(name);
        for (section, settings) in &defaults {
            for (key, value) in settings.as_table().expect("a section") {
                let shown = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                let row = if shown.is_empty() {
                    format!("| `{section}.{key}` | |")
                } else {
                    format!("| `{section}.{key}` | `{shown}` |")
                };
                assert!(text.contains(&row), "{name} has no row {row}");
            }
        }
    }
}

#[test]
fn every_endpoint_and_verb_is_named() {
    let routes = fs::read_to_string(root().join("src/http/routes.rs")).expect("the routes");
    let help = yingda(["--help"]).run().stdout;
    let verbs: Vec<&str> = help
        .lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter_map(|line| line.split_whitespace().next())
        .filter(|verb| *verb != "help")
        .collect();
    assert!(verbs.contains(&"suggest"), "{help}");
    for name in READMES {
        let text = read(name);
        // Dify's route is named by a constant.
        let written = routes.split(".route(\"").skip(1).filter_map(|rest| rest.split('"').next());
        for path in written.chain(["/dify/retrieval"]) {
            assert!(text.contains(path), "{name} does not name {path}");
        }
        for verb in &verbs {
            assert!(text.contains(&format!("yingda {verb}")), "{name} does not show `yingda {verb}`");
        }
    }
}

#[test]
fn examples_are_the_same_in_both_languages() {
    let examples = |name: &str| -> Vec<String> {
        let text = read(name);
        let blocks = text.split("```json\n").skip(1);
        blocks.filter_map(|rest| rest.split("```").next().map(str::to_owned)).collect()
    };
    let [english, chinese] = READMES.map(examples);
    assert_eq!(english, chinese);
    for example in english {
        serde_json::from_str::<serde_json::Value>(&example).unwrap_or_else(|error| panic!("{error} in {example}"));
    }
}

#[test]
fn links_lead_somewhere() {
    for name in ["README.md", "README.zh-CN.md", "CONTRIBUTING.md"] {
        for target in read(name).split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let path = target.split('#').next().unwrap_or(target);
            assert!(path.starts_with("http") || root().join(path).exists(), "{name} leads to {target}");
        }
    }
}
