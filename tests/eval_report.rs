//! `yingda eval --report`: one HTML file that needs nothing else, with the figures that `--format json` prints, plots with
//! labelled axes, and every foreign text escaped.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::support::{TempCorpus, model, yingda};

const GOLDEN: [(&str, &str); 2] = [
    ("golden/a&b<i>\"x'.tsv", "退款几天到\trefund-time\n地址填错\torder-address\n你们老板是谁\t-\n"),
    ("golden/other.tsv", "退款 未到账\trefund-progress\n退款要几天\trefund-time\n"),
];

fn numbers(text: &str, before: &str, after: &str) -> Vec<f64> {
    let parts = text.split(before).skip(1);
    parts.map(|rest| rest.split(after).next().unwrap_or_default().parse().expect("a number")).collect()
}

#[test]
fn the_report_holds_figures_plots_and_what_was_measured() {
    let corpus = TempCorpus::small();
    GOLDEN.iter().for_each(|(path, text)| {
        corpus.write(path, text);
    });
    let path = corpus.beside("report.html");
    fs::write(&path, "an older report").expect("a file");
    let ran = yingda(["eval", "--format", "json"]).corpus(corpus.path()).flag("--report", &path).run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let summary: Value = ran.json();
    let html = fs::read_to_string(&path).expect("a report");
    assert!(html.starts_with("<!DOCTYPE html>") && html.ends_with("</html>\n"), "{html}");
    for tag in ["html", "head", "body", "style", "table", "tr", "th", "td", "dl", "section", "figure", "svg", "text", "title"] {
        let opened = html.matches(&format!("<{tag}>")).count() + html.matches(&format!("<{tag} ")).count();
        assert_eq!(opened, html.matches(&format!("</{tag}>")).count(), "<{tag}>");
    }

    for foreign in ["<script", "http:", "https:", "src=", "href=", "url(", "@import", "<i>", "an older report"] {
        assert!(!html.contains(foreign), "{foreign}");
    }
    assert!(html.contains("a&amp;b&lt;i&gt;&quot;x&#39;"), "names are escaped: {html}");
    let ranker = yingda::query::Ranker::built_in();
    let loaded = corpus.load();
    for known in [model().fingerprint(), model().name(), &ranker.version, &loaded.hash, &corpus.path().display().to_string()] {
        assert!(html.contains(known), "{known}");
    }

    // Two files and all together: a row and two plots for each, with both axes labelled and the promise drawn.
    assert_eq!(html.matches("<svg ").count(), 6);
    for label in
        ["coverage (share of questions answered)", ">precision<", "confidence (mean of the bin)", "share right", "promised 95.0%"]
    {
        assert!(html.matches(label).count() >= 3, "{label}");
    }
    let row = html.split("<tr><th>all together</th>").nth(1).and_then(|rest| rest.split("</tr>").next()).expect("a row");
    let cells = numbers(row, "<td>", "</td>");
    for (at, key) in
        ["queries", "unanswerable", "recall_at_1", "recall_at_3", "recall_at_10", "mrr_at_10", "ndcg_at_10"].iter().enumerate()
    {
        let expected = summary[key].as_f64().expect("a figure");
        assert!((cells[at] - expected).abs() <= 0.0005, "{key}: {} and {expected}", cells[at]);
    }
    assert_eq!(cells[0], 5.0);

    // The curve has a point for each question, coverage rising to the right edge; every bin's dot is inside the picture.
    let plots: Vec<&str> = html.split("<svg ").skip(1).map(|rest| rest.split("</svg>").next().unwrap_or_default()).collect();
    let points = |plot: &str| -> Vec<(f64, f64)> {
        let list =
            plot.split("<polyline class=\"curve\" points=\"").nth(1).and_then(|rest| rest.split('"').next()).expect("a curve");
        let pair = |point: &str| {
            let (x, y) = point.split_once(',').expect("two coordinates");
            (x.parse().expect("a number"), y.parse().expect("a number"))
        };
        list.split_whitespace().map(pair).collect()
    };
    let curve = points(plots[4]);
    assert_eq!(curve.len(), 5);
    assert!(curve.windows(2).all(|pair| pair[0].0 < pair[1].0), "{curve:?}");
    let right = numbers(plots[4], "x2=\"", "\"").into_iter().fold(f64::MIN, f64::max);
    assert_eq!(curve[4].0, right, "all questions are a coverage of 1");
    let questions: usize = plots[5]
        .split("<title>confidence ")
        .skip(1)
        .map(|rest| rest.split(" questions").next().and_then(|rest| rest.rsplit(' ').next()).unwrap_or_default().parse::<usize>())
        .map(|count| count.expect("a number of questions"))
        .sum();
    assert_eq!(questions, 5, "every question is in one bin");
}

#[test]
fn a_labelled_set_is_reported_by_name() {
    let corpus = TempCorpus::small();
    let folder = corpus.beside("set <b>&co");
    fs::create_dir(&folder).expect("a folder");
    for (name, text) in
        [("corpus.tsv", "d1\t退款多久能到账\nd2\t怎么改地址\n"), ("queries.tsv", "q1\t退款几天到\n"), ("qrels.tsv", "q1\td1\n")]
    {
        fs::write(folder.join(name), text).expect("a file");
    }
    let path = corpus.beside("set.html");
    let ran = yingda(["eval"]).corpus(corpus.path()).flag("--set", &folder).flag("--report", &path).flag("--mode", "lexical").run();
    assert_eq!(ran.code, 0, "{ran:#?}");
    let html = fs::read_to_string(&path).expect("a report");
    assert!(html.contains("<h2>set &lt;b&gt;&amp;co</h2>") && !html.contains("<b>"), "{html}");
    assert!(html.contains("<dd>lexical</dd>") && html.matches("<svg ").count() == 2, "{html}");
}

#[test]
fn a_report_that_cannot_be_written_is_an_error_and_leaves_nothing() {
    let corpus = TempCorpus::small();
    corpus.write(GOLDEN[1].0, GOLDEN[1].1);
    let folder = corpus.beside("taken");
    fs::create_dir(&folder).expect("a folder");
    let below = |path: &Path| fs::read_dir(path).expect("a folder").count();
    let before = below(&corpus.beside(""));
    for path in [folder.clone(), corpus.beside("nowhere").join("report.html")] {
        let ran = yingda(["eval"]).corpus(corpus.path()).flag("--report", &path).run();
        assert_eq!(ran.code, 3, "{ran:#?}");
        assert!(ran.stderr.contains(&path.display().to_string()), "{ran:#?}");
    }
    assert_eq!((below(&corpus.beside("")), below(&folder)), (before, 0));
}
