//! `yingda tune`: learns from labelled sets, the ranker from questions and the second opinion from drafts, and writes weights.

use std::path::PathBuf;

use clap::Args;

use super::{EXIT_OK, Format, output};
use crate::config::Config;
use crate::corpus::Corpus;
use crate::error::{Error, Result};
use crate::eval::{
    Bench, DraftSet, EvalSet, Example, Extent, Learnt, calibrated, examples, hold_out, learn, train, train_answerable,
};
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
    /// Folders with bad_drafts.tsv and clean_drafts.tsv, one for each author: learn what drafts that break a rule read like
    #[arg(long, value_name = "DIR")]
    drafts: Vec<PathBuf>,
    /// Folders of the same form that are not learnt from, to show what is found in them
    #[arg(long, value_name = "DIR", requires = "drafts")]
    hold_out: Vec<PathBuf>,
    /// File for the weights for drafts
    #[arg(long, value_name = "FILE", default_value = "drafts.json")]
    drafts_out: PathBuf,
    /// File for the weights of the ranker
    #[arg(long, value_name = "FILE", default_value = "ranker.json")]
    out: PathBuf,
    /// Version written into the file
    #[arg(long, default_value = "custom")]
    name: String,
}

/// Trains what there are sets for, and writes it.
pub fn run(config: &Config, arguments: &TuneArguments, format: Format) -> Result<u8> {
    let for_ranker = !arguments.sets.is_empty() || !arguments.order_sets.is_empty() || arguments.golden;
    if !for_ranker && arguments.drafts.is_empty() {
        return Err(Error::InvalidRequest("nothing to learn from; give --set DIR, --golden or --drafts DIR".into()));
    }
    if !arguments.drafts.is_empty() {
        drafts(config, arguments, format)?;
    }
    if for_ranker { ranker(config, arguments, format) } else { Ok(EXIT_OK) }
}

/// Learns what violating drafts read like.
fn drafts(config: &Config, arguments: &TuneArguments, format: Format) -> Result<()> {
    let load = |folders: &[PathBuf]| folders.iter().map(|folder| DraftSet::load(folder)).collect::<Result<Vec<_>>>();
    let (sets, unread) = (load(&arguments.drafts)?, load(&arguments.hold_out)?);
    let corpus = Corpus::load(&config.corpus.path)?;
    let Learnt { model, held_out } = learn(&sets, &corpus, &arguments.name)?;
    let unread = unread.iter().map(|set| hold_out(set, &corpus, &model)).collect::<Result<Vec<_>>>()?;
    let own = hold_out(&DraftSet::of_corpus(&corpus), &corpus, &model)?;
    std::fs::write(&arguments.drafts_out, model.to_json()?).map_err(|source| Error::io(&arguments.drafts_out, source))?;
    match format {
        Format::Text => {
            output::text("Each set by a model that learnt from the others:");
            held_out.iter().for_each(|report| output::text(&report.to_string()));
            output::text("By the model that learnt from all of them:");
            unread.iter().chain([&own]).for_each(|report| output::text(&report.to_string()));
            output::text(&format!("wrote {}", arguments.drafts_out.display()));
        }
        Format::Json => output::json(&serde_json::json!({
            "thresholds": model.thresholds, "left_out": held_out, "held_out": unread, "corpus": own
        }))?,
    }
    Ok(())
}

/// Trains the ranker and writes it.
fn ranker(config: &Config, arguments: &TuneArguments, format: Format) -> Result<u8> {
    let model = load_model(config)?;
    let corpus = Corpus::load(&config.corpus.path)?;
    let (mut ranking, mut decisions, mut strange) = (Vec::new(), Vec::new(), Vec::new());
    for folder in &arguments.sets {
        let set = EvalSet::load(folder)?;
        let small = set.small_parts();
        let extent = Extent::Small(small.len());
        let lessened = small.into_iter().map(|part| (part, extent)).chain([(set.halved(), Extent::Halved)]);
        for (set, extent) in lessened.chain([(set, Extent::Whole)]) {
            let bench = Bench::new(&set.corpus(&corpus.dictionaries), model.clone())?;
            decisions.extend(examples(&bench.generation, &set, &Filters::default(), extent)?);
            if extent == Extent::Whole {
                ranking.extend(examples(&bench.generation, &set, &Filters::default(), extent)?);
                strange.extend(strangers(&bench, &set, &Filters::default(), arguments)?);
            }
            output::note(&format!("{}: {} questions", set.name, set.queries.len()));
        }
    }
    for folder in &arguments.order_sets {
        let set = EvalSet::load(folder)?;
        let bench = Bench::new(&set.corpus(&corpus.dictionaries), model.clone())?;
        ranking.extend(examples(&bench.generation, &set, &Filters::default(), Extent::Whole)?);
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
            decisions.extend(examples(&bench.generation, &set, &filters, Extent::Whole)?);
            ranking.extend(examples(&bench.generation, &set, &filters, Extent::Whole)?);
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
        out.extend(examples(&bench.generation, &asked, filters, Extent::Whole)?);
        output::note(&format!("{}: {} texts without an answer", asked.name, asked.queries.len()));
    }
    Ok(out)
}
