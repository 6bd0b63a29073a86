//! `yingda tune`: trains the ranker on labelled sets and writes its weights.

use std::path::PathBuf;

use clap::Args;

use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::eval::{Bench, EvalSet, Example, calibrated, examples, train, train_answerable};
use crate::query::{ANSWERING_KINDS, Filters};
use crate::service::{load_model, load_ranker};

#[derive(Debug, Args)]
pub struct TuneArguments {
    /// Folders with corpus.tsv, queries.tsv, qrels.tsv and perhaps similar.tsv; may be given several times
    #[arg(long = "set", value_name = "DIR")]
    sets: Vec<PathBuf>,
    /// Folders whose questions teach the order only: sets with right answers that are not marked as such
    #[arg(long = "order-set", value_name = "DIR")]
    order_sets: Vec<PathBuf>,
    /// Use the corpus' golden questions as well
    #[arg(long)]
    golden: bool,
    /// Files of texts, one a line, that no corpus given here has an answer to; they teach what is not to be answered at all
    #[arg(long, value_name = "FILE")]
    strangers: Vec<PathBuf>,
    /// Learn only what is not to be answered at all; order and confidence stay those of the ranker in use
    #[arg(long)]
    answerable_only: bool,
    /// Learn only the confidence; the order stays that of the ranker in use
    #[arg(long, conflicts_with = "answerable_only")]
    confidence_only: bool,
    /// Features that get no weight in the order, separated by commas
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    without: Vec<String>,
    /// File for the weights
    #[arg(long, value_name = "FILE", default_value = "ranker.json")]
    out: PathBuf,
    /// Version written into the file
    #[arg(long, default_value = "custom")]
    name: String,
}

/// Trains and writes.
pub fn run(config: &Config, arguments: &TuneArguments, format: Format) -> Result<u8> {
    if arguments.sets.is_empty() && arguments.order_sets.is_empty() && !arguments.golden {
        return Err(Error::InvalidRequest("nothing to learn from; give --set DIR or --golden".into()));
    }
    let model = load_model(config)?;
    let corpus = Corpus::load(&config.corpus.path)?;
    let (mut ranking, mut decisions, mut strange) = (Vec::new(), Vec::new(), Vec::new());
    for folder in &arguments.sets {
        let set = EvalSet::load(folder)?;
        for (set, teaches_order) in [(set.halved(), false), (set, true)] {
            let bench = Bench::new(&set.corpus(&corpus.dictionaries), model.clone())?;
            decisions.extend(examples(&bench.generation, &set, &Filters::default(), !teaches_order)?);
            if teaches_order {
                ranking.extend(examples(&bench.generation, &set, &Filters::default(), false)?);
                strange.extend(strangers(&bench, &set, &Filters::default(), arguments)?);
            }
            output::note(&format!("{}: {} questions", set.name, set.queries.len()));
        }
    }
    for folder in &arguments.order_sets {
        let set = EvalSet::load(folder)?;
        let bench = Bench::new(&set.corpus(&corpus.dictionaries), model.clone())?;
        ranking.extend(examples(&bench.generation, &set, &Filters::default(), false)?);
        output::note(&format!("{}: {} questions, for the order only", set.name, set.queries.len()));
    }
    if arguments.golden {
        let filters = Filters { kinds: ANSWERING_KINDS.to_vec(), ..Filters::default() };
        let bench = Bench::new(&corpus, model)?;
        let golden = EvalSet::golden(&corpus);
        if let Some(set) = golden.first() {
            strange.extend(strangers(&bench, set, &filters, arguments)?);
        }
        for set in golden {
            decisions.extend(examples(&bench.generation, &set, &filters, false)?);
            ranking.extend(examples(&bench.generation, &set, &filters, false)?);
            output::note(&format!("{}: {} questions", set.name, set.queries.len()));
        }
    }
    let note = format!("trained on {} questions by `yingda tune`", ranking.len());
    let used = load_ranker(config)?;
    let ranker = match (arguments.answerable_only, arguments.confidence_only) {
        (true, _) => used.clone(),
        (_, true) => calibrated(used.weights.clone(), &decisions, arguments.name.clone(), note),
        _ => train(&ranking, &decisions, arguments.name.clone(), note, &arguments.without)?,
    };
    decisions.extend(strange);
    let answerable = train_answerable(&ranker, &decisions);
    if answerable.is_none() {
        output::note(
            "no text without an answer (--strangers, or golden questions with `-`): what the ranker in use takes for answerable stays",
        );
    }
    let ranker = ranker.with_answerable(answerable.or(used.answerable));
    let text = serde_json::to_string_pretty(&ranker).map_err(|error| Error::internal("cannot write the ranker", error))?;
    std::fs::write(&arguments.out, text + "\n").map_err(|source| Error::io(&arguments.out, source))?;
    match format {
        Format::Text => output::text(&format!("wrote {}", arguments.out.display())),
        Format::Json => output::json(&ranker)?,
    }
    Ok(EXIT_OK)
}

/// The texts that the corpus of `set` has no answer to.
fn strangers(bench: &Bench, set: &EvalSet, filters: &Filters, arguments: &TuneArguments) -> Result<Vec<Example>> {
    let mut out = Vec::new();
    for path in &arguments.strangers {
        let asked = EvalSet::strangers(path, set)?;
        out.extend(examples(&bench.generation, &asked, filters, false)?);
        output::note(&format!("{}: {} texts without an answer", asked.name, asked.queries.len()));
    }
    Ok(out)
}
