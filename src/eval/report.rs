//! An evaluation as one HTML file: the metrics of each set, precision against coverage, and the reliability of the
//! confidences. Self-contained: no scripts, nothing is loaded. Every text from outside is escaped.

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Write as _;
use std::path::Path;

use super::metrics::{Outcome, Summary, precision_by_coverage, reliability};
use crate::error::{Error, Result};

/// Side of a plot's square, in pixels.
const SIDE: f64 = 320.0;
/// Space left of and below a plot for its labels.
const MARGIN: f64 = 56.0;
/// Space above and right of it.
const EDGE: f64 = 16.0;
/// Points of a curve: more would not be told apart.
const MAX_POINTS: usize = 640;

/// What was measured.
pub struct EvalReport<'a> {
    /// What is reported on, as names with values: corpus, model, ranker.
    pub about: Vec<(&'a str, String)>,
    /// The promised precision of direct answers, from 0 to 1.
    pub promised: f32,
    /// Name, metrics and outcomes of each set.
    pub sets: Vec<(String, Summary, &'a [Outcome])>,
}

impl EvalReport<'_> {
    /// The report as an HTML document.
    pub fn html(&self) -> String {
        let about: String =
            self.about.iter().map(|(name, value)| format!("<dt>{}</dt><dd>{}</dd>\n", escaped(name), escaped(value))).collect();
        let plots: String = self.sets.iter().map(|set| self.plots(set)).collect();
        format!(
            "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<title>yingda eval</title>\n<style>{STYLE}</style>\n\
             </head>\n<body>\n<h1>yingda eval</h1>\n<dl>\n{about}</dl>\n{}{plots}</body>\n</html>\n",
            self.table()
        )
    }

    /// Writes the document to `path`: beside it first, then moved into place, so that nobody ever reads half of it.
    ///
    /// # Errors
    /// If a file cannot be written; what was there before stays.
    pub fn write(&self, path: &Path) -> Result<()> {
        let name =
            path.file_name().ok_or_else(|| Error::InvalidRequest(format!("{}: is not the name of a file", path.display())))?;
        let beside = path.with_file_name(format!(".{}.{}.new", name.to_string_lossy(), std::process::id()));
        let written = File::create(&beside).and_then(|mut file| {
            file.write_all(self.html().as_bytes())?;
            file.sync_all()
        });
        written.and_then(|()| fs::rename(&beside, path)).map_err(|source| {
            // What cannot be removed either was never created; the first failure is the one to tell.
            let _ = fs::remove_file(&beside);
            Error::io(path, source)
        })
    }

    fn table(&self) -> String {
        let mut out = String::from("<table>\n<thead><tr><th>set</th>");
        COLUMNS.iter().for_each(|(name, _)| add(&mut out, format_args!("<th>{name}</th>")));
        out.push_str("</tr></thead>\n<tbody>\n");
        for (name, summary, _) in &self.sets {
            add(&mut out, format_args!("<tr><th>{}</th>", escaped(name)));
            COLUMNS.iter().for_each(|(_, value)| add(&mut out, format_args!("<td>{}</td>", value(summary))));
            out.push_str("</tr>\n");
        }
        out.push_str("</tbody>\n</table>\n");
        out
    }

    fn plots(&self, (name, summary, outcomes): &(String, Summary, &[Outcome])) -> String {
        format!(
            "<section>\n<h2>{}</h2>\n<figure>\n{}<figcaption>Precision of the most confident share of questions. Dashed: the promised \
             precision; dot: what is answered directly.</figcaption>\n</figure>\n<figure>\n{}<figcaption>Share right among questions of a \
             confidence; larger dots stand for more questions. Dashed: perfectly calibrated.</figcaption>\n</figure>\n</section>\n",
            escaped(name),
            self.coverage_plot(name, summary, outcomes),
            reliability_plot(name, outcomes)
        )
    }

    fn coverage_plot(&self, name: &str, summary: &Summary, outcomes: &[Outcome]) -> String {
        let mut svg =
            Plot::new(&format!("{name}: precision against coverage"), "coverage (share of questions answered)", "precision");
        let promised = f64::from(self.promised);
        svg.line((0.0, promised), (1.0, promised), "promised");
        svg.text((1.0, promised), "end", -4.0, &format!("promised {:.1}%", 100.0 * promised));
        svg.curve(&thinned(&precision_by_coverage(outcomes)));
        if let Some(precision) = summary.answer_precision {
            let label = format!("answered: coverage {:.3}, precision {precision:.3}", summary.answer_coverage);
            svg.dot((summary.answer_coverage, precision), 5.0, &label);
        }
        svg.finish()
    }
}

fn reliability_plot(name: &str, outcomes: &[Outcome]) -> String {
    let mut svg = Plot::new(&format!("{name}: reliability of the confidence"), "confidence (mean of the bin)", "share right");
    svg.line((0.0, 0.0), (1.0, 1.0), "ideal");
    let bins: Vec<(f64, f64, usize)> = reliability(outcomes).into_iter().filter(|(_, _, count)| *count > 0).collect();
    let most = bins.iter().map(|(_, _, count)| *count).max().unwrap_or(1) as f64;
    svg.curve(&bins.iter().map(|(confidence, right, _)| (*confidence, *right)).collect::<Vec<_>>());
    for (confidence, right, count) in bins {
        let label = format!("confidence {confidence:.3}, right {right:.3}, {count} questions");
        svg.dot((confidence, right), 3.0 + 7.0 * (count as f64 / most).sqrt(), &label);
    }
    svg.finish()
}

const STYLE: &str = "body{font:15px/1.5 system-ui,sans-serif;margin:2em auto;max-width:76em;padding:0 1em;color:#1b1f24}\
    table{border-collapse:collapse;display:block;overflow-x:auto}th,td{padding:.25em .6em;border-bottom:1px solid #d5dae0;text-align:right;\
    white-space:nowrap}th:first-child{text-align:left}dl{display:grid;grid-template-columns:max-content auto;gap:0 1em}dt{font-weight:600}\
    dd{margin:0;overflow-wrap:anywhere}figure{display:inline-block;margin:0 2em 1em 0;width:400px;vertical-align:top}figcaption{font-size:13px}\
    svg text{font-size:12px;fill:#1b1f24}.grid{stroke:#e4e8ec}.axis{stroke:#1b1f24}.promised{stroke:#c0392b;stroke-dasharray:5 4}\
    .ideal{stroke:#8a929b;stroke-dasharray:5 4}.curve{fill:none;stroke:#1f6feb;stroke-width:2}.dot{fill:#1f6feb;fill-opacity:.75}";

type Column = (&'static str, fn(&Summary) -> String);

const COLUMNS: &[Column] = &[
    ("questions", |s| s.queries.to_string()),
    ("without an answer", |s| s.unanswerable.to_string()),
    ("R@1", |s| of_answerable(s, s.recall_at_1)),
    ("R@3", |s| of_answerable(s, s.recall_at_3)),
    ("R@10", |s| of_answerable(s, s.recall_at_10)),
    ("MRR@10", |s| of_answerable(s, s.mrr_at_10)),
    ("nDCG@10", |s| of_answerable(s, s.ndcg_at_10)),
    ("answered", |s| share(s.answer_coverage)),
    ("their precision", |s| s.answer_precision.map_or_else(|| "none".to_owned(), share)),
    ("taken for answerable", |s| s.kept.map_or_else(|| "none".to_owned(), share)),
    ("of those without", |s| s.let_in.map_or_else(|| "none".to_owned(), share)),
    ("coverage at 90%", |s| share(s.coverage_at_90)),
    ("at 95%", |s| share(s.coverage_at_95)),
    ("at 98%", |s| share(s.coverage_at_98)),
    ("calibration error", |s| share(s.expected_calibration_error)),
    ("p50 ms", |s| format!("{:.2}", s.p50_ms)),
    ("p99 ms", |s| format!("{:.2}", s.p99_ms)),
];

/// A mean over the questions with an answer, if there are any.
fn of_answerable(summary: &Summary, value: f64) -> String {
    if summary.queries > summary.unanswerable { share(value) } else { "none".to_owned() }
}

fn share(value: f64) -> String {
    format!("{value:.3}")
}

/// Every n-th point and the last one, so that a long curve stays small.
fn thinned(points: &[(f64, f64)]) -> Vec<(f64, f64)> {
    let step = points.len().div_ceil(MAX_POINTS).max(1);
    let last = points.last().filter(|_| !(points.len() - 1).is_multiple_of(step));
    points.iter().step_by(step).chain(last).copied().collect()
}

/// A square plot of two shares, both from 0 to 1.
struct Plot {
    svg: String,
}

impl Plot {
    fn new(title: &str, x: &str, y: &str) -> Self {
        let (width, height) = (MARGIN + SIDE + EDGE, EDGE + SIDE + MARGIN);
        let mut plot = Plot { svg: String::new() };
        plot.add(format_args!(
            "<svg viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" role=\"img\" aria-label=\"{0}\">\n<title>{0}</title>\n",
            escaped(title)
        ));
        for tick in 0..=5 {
            let value = f64::from(tick) / 5.0;
            plot.line((value, 0.0), (value, 1.0), "grid");
            plot.line((0.0, value), (1.0, value), "grid");
            let (across, down) = (place((value, 0.0)), place((0.0, value)));
            plot.add(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{value:.1}</text>\n",
                across.0,
                across.1 + 16.0
            ));
            plot.add(format_args!(
                "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{value:.1}</text>\n",
                down.0 - 6.0,
                down.1 + 4.0
            ));
        }
        plot.line((0.0, 0.0), (1.0, 0.0), "axis");
        plot.line((0.0, 0.0), (0.0, 1.0), "axis");
        let (middle, bottom) = place((0.5, 0.0));
        plot.add(format_args!("<text x=\"{middle:.1}\" y=\"{:.1}\" text-anchor=\"middle\">{}</text>\n", bottom + 40.0, escaped(x)));
        let (left, half) = (14.0, place((0.0, 0.5)).1);
        plot.add(format_args!(
            "<text x=\"{left}\" y=\"{half:.1}\" text-anchor=\"middle\" transform=\"rotate(-90 {left} {half:.1})\">{}</text>\n",
            escaped(y)
        ));
        plot
    }

    fn add(&mut self, part: std::fmt::Arguments) {
        add(&mut self.svg, part);
    }

    fn line(&mut self, from: (f64, f64), to: (f64, f64), class: &str) {
        let ((x1, y1), (x2, y2)) = (place(from), place(to));
        self.add(format_args!("<line class=\"{class}\" x1=\"{x1:.1}\" y1=\"{y1:.1}\" x2=\"{x2:.1}\" y2=\"{y2:.1}\"/>\n"));
    }

    fn text(&mut self, at: (f64, f64), anchor: &str, shift: f64, text: &str) {
        let (x, y) = place(at);
        self.add(format_args!("<text x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{anchor}\">{}</text>\n", y + shift, escaped(text)));
    }

    fn curve(&mut self, points: &[(f64, f64)]) {
        let points: Vec<String> = points.iter().map(|point| place(*point)).map(|(x, y)| format!("{x:.1},{y:.1}")).collect();
        self.add(format_args!("<polyline class=\"curve\" points=\"{}\"/>\n", points.join(" ")));
    }

    fn dot(&mut self, at: (f64, f64), radius: f64, label: &str) {
        let (x, y) = place(at);
        self.add(format_args!(
            "<circle class=\"dot\" cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"{radius:.1}\"><title>{}</title></circle>\n",
            escaped(label)
        ));
    }

    fn finish(mut self) -> String {
        self.svg.push_str("</svg>\n");
        self.svg
    }
}

/// Where a pair of shares lies in the picture.
fn place((x, y): (f64, f64)) -> (f64, f64) {
    (MARGIN + SIDE * x, EDGE + SIDE * (1.0 - y))
}

fn add(out: &mut String, part: std::fmt::Arguments) {
    out.write_fmt(part).expect("writing into a String cannot fail");
}

/// Text for HTML, in elements and in quoted attributes. Control characters, which no document may hold, become blanks.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '\'' => out.push_str("&#39;"),
            c if c.is_control() => out.push(' '),
            c => out.push(c),
        }
    }
    out
}
