//! `yingda eval`: how good the answers are, on a labelled set or on the corpus' own golden questions.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde::Serialize;
use serde_json::json;

use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::eval::{Bench, ConversationReport, EvalReport, EvalSet, Outcome, Summary, converse, outcomes, summarise};
use crate::query::{ANSWERING_KINDS, Filters, Mode};
use crate::service::{Service, load_model, load_ranker, load_reranking};
use crate::text::Dictionaries;

/// Name of all sets taken as one.
const TOGETHER: &str = "all together";

#[derive(Debug, Args)]
pub struct EvalArguments {
    /// Folder with corpus.tsv, queries.tsv, qrels.tsv and perhaps similar.tsv; the corpus' golden questions if not given
    #[arg(long, value_name = "DIR")]
    set: Option<PathBuf>,
    /// Which evidence to use
    #[arg(long, value_enum, default_value_t = ModeName::Hybrid)]
    mode: ModeName,
    /// Take every second document out first: half of the questions have no answer then
    #[arg(long)]
    halve: bool,
    /// List the golden conversations that fail
    #[arg(long)]
    failures: bool,
    /// Write an HTML file with the metrics and plots of precision, coverage and reliability
    #[arg(long, value_name = "FILE")]
    report: Option<PathBuf>,
}

/// What `--format json` prints.
#[derive(Serialize)]
struct Report {
    #[serde(flatten)]
    summary: Summary,
    /// How the golden conversations came out.
    #[serde(skip_serializing_if = "Option::is_none")]
    conversations: Option<serde_json::Value>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum ModeName {
    /// Keywords only
    Lexical,
    /// Vectors only
    Vector,
    /// Both
    Hybrid,
}

impl From<ModeName> for Mode {
    fn from(name: ModeName) -> Mode {
        match name {
            ModeName::Lexical => Mode::Lexical,
            ModeName::Vector => Mode::Vector,
            ModeName::Hybrid => Mode::Hybrid,
        }
    }
}

/// Evaluates and prints.
pub fn run(config: &Config, arguments: &EvalArguments, format: Format) -> Result<u8> {
    let model = load_model(config)?;
    let ranker = load_ranker(config)?.with_reranking(load_reranking(config)?);
    let mode = arguments.mode.into();
    let promised = ranker.threshold(config.decision.answer_precision);
    let answerable_from = ranker.answerable_from(config.decision.answerable_share);
    let mut all: Vec<(String, Vec<Outcome>)> = Vec::new();
    let mut talked: Option<ConversationReport> = None;
    let mut about: Vec<(&str, String)> = Vec::new();
    match &arguments.set {
        Some(folder) => {
            let mut set = EvalSet::load(folder)?;
            if arguments.halve {
                set = set.halved();
            }
            let dictionaries =
                if config.corpus.path.is_dir() { Corpus::load(&config.corpus.path)?.dictionaries } else { Dictionaries::default() };
            let bench = Bench::new(&set.corpus(&dictionaries), model)?;
            about.push(("corpus", format!("{} ({} documents)", folder.display(), set.documents.len())));
            about.extend(model_of(&bench));
            all.push((set.name.clone(), outcomes(&bench.generation, &ranker, &set, mode, &Filters::default())?));
        }
        None => {
            let corpus = Corpus::load(&config.corpus.path)?;
            super::check::report(&corpus);
            let sets = EvalSet::golden(&corpus);
            if sets.is_empty() {
                return Err(Error::NotFound(format!("{} has no golden questions", config.corpus.path.display())));
            }
            let bench = Bench::new(&corpus, model.clone())?;
            let mut service = config.clone();
            service.data.path = bench.data().to_owned();
            let service = Service::new(&service, model)?;
            service.live().refresh()?;
            talked = Some(converse(&service, &corpus)?);
            let path = config.corpus.path.display();
            about.push(("corpus", format!("{path} ({} entries, hash {})", corpus.entries.len(), corpus.hash)));
            about.extend(model_of(&bench));
            let filters = Filters { kinds: ANSWERING_KINDS.to_vec(), ..Filters::default() };
            for set in &sets {
                all.push((set.name.clone(), outcomes(&bench.generation, &ranker, set, mode, &filters)?));
            }
        }
    }
    let together: Vec<Outcome> = all.iter().flat_map(|(_, outcomes)| outcomes.iter().cloned()).collect();
    let total = summarise(&together, promised, answerable_from);
    if let Some(path) = &arguments.report {
        about.push(("ranker", ranker.version.clone()));
        if !config.reranker.path.as_os_str().is_empty() {
            about.push(("cross-encoder", format!("{}, share {}", config.reranker.path.display(), config.reranker.weight)));
        }
        about.push(("evidence", format!("{:?}", arguments.mode).to_lowercase()));
        let mut sets: Vec<(String, Summary, &[Outcome])> = all
            .iter()
            .map(|(name, outcomes)| (name.clone(), summarise(outcomes, promised, answerable_from), outcomes.as_slice()))
            .collect();
        if all.len() > 1 {
            sets.push((TOGETHER.to_owned(), total.clone(), &together));
        }
        EvalReport { about, promised: config.decision.answer_precision, sets }.write(path)?;
        output::note(&format!("wrote {}", path.display()));
    }
    match format {
        Format::Json => {
            let conversations =
                talked.map(|report| json!({ "total": report.total, "passed": report.total - report.failures.len() }));
            output::json(&Report { summary: total, conversations })?;
        }
        Format::Text => {
            for (name, outcomes) in &all {
                print(name, &summarise(outcomes, promised, answerable_from));
            }
            if all.len() > 1 {
                print(TOGETHER, &total);
            }
            if let Some(report) = talked {
                let passed = report.total - report.failures.len();
                output::text(&format!("conversations: {passed} of {} pass ({:.3})", report.total, report.pass_rate()));
                if arguments.failures {
                    report.failures.iter().for_each(|failure| output::text(&format!("  {failure}")));
                }
            }
        }
    }
    Ok(EXIT_OK)
}

/// The model of a throw-away generation, for the report.
fn model_of(bench: &Bench) -> [(&'static str, String); 1] {
    let model = &bench.generation.manifest.model;
    [("model", format!("{}, fingerprint {}", model.name, model.fingerprint))]
}

fn print(name: &str, s: &Summary) {
    output::text(&format!("{name}: {} questions, {} of them without an answer", s.queries, s.unanswerable));
    output::text(&format!(
        "  R@1 {:.3}  R@3 {:.3}  R@10 {:.3}  MRR@10 {:.3}  nDCG@10 {:.3}",
        s.recall_at_1, s.recall_at_3, s.recall_at_10, s.mrr_at_10, s.ndcg_at_10
    ));
    let precision = s.answer_precision.map_or_else(|| "none".to_owned(), |precision| format!("{precision:.3}"));
    output::text(&format!(
        "  answered directly {:.3} with precision {precision}; reachable at 90/95/98%: {:.3} {:.3} {:.3}; calibration error {:.3}",
        s.answer_coverage, s.coverage_at_90, s.coverage_at_95, s.coverage_at_98, s.expected_calibration_error
    ));
    let share = |value: Option<f64>| value.map_or_else(|| "none".to_owned(), |share| format!("{share:.3}"));
    output::text(&format!(
        "  taken for answerable: {} of those with an answer, {} of those without",
        share(s.kept),
        share(s.let_in)
    ));
    output::text(&format!("  p50 {:.2} ms, p99 {:.2} ms", s.p50_ms, s.p99_ms));
}
