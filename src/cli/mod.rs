//! The command line: one file a verb, flags in `Arguments`. Results go to standard output, everything else to standard
//! error. This room never imports `http`, but for `serve`, which starts it.

mod analyze;
mod check;
mod eval;
mod explain;
mod generations;
mod index;
mod model;
mod output;
mod query;
mod serve;
mod tune;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::config::{Config, DEFAULTS};
use crate::error::{Error, Result};

/// Exit code when everything went well.
pub const EXIT_OK: u8 = 0;
/// Exit code when the corpus has errors.
pub const EXIT_PROBLEMS: u8 = 1;
/// Exit code for wrong arguments, settings or requests (clap uses the same).
pub const EXIT_USAGE: u8 = 2;
/// Exit code when files, models or sockets fail.
pub const EXIT_FAILURE: u8 = 3;

/// Knowledge-base search and reply suggestions for Chinese customer service.
///
/// Without a command it serves, and indexes the corpus first if nothing was indexed before.
///
/// Exit codes: 0 success, 1 the corpus has errors, 2 wrong arguments or settings, 3 files, models or network failed.
#[derive(Debug, Parser)]
#[command(name = "yingda", version, max_term_width = 120)]
struct Arguments {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Args)]
struct Global {
    /// Folder with the knowledge base [default: corpus]
    #[arg(long, global = true, value_name = "DIR")]
    corpus: Option<PathBuf>,
    /// Folder for generations, that is, built indexes [default: data]
    #[arg(long, global = true, value_name = "DIR")]
    data: Option<PathBuf>,
    /// Folder or hub id of the embedding model [default: models/yingda-embed-zh]
    #[arg(long, global = true, value_name = "DIR|ID")]
    model: Option<PathBuf>,
    /// Settings file in TOML
    #[arg(long, global = true, value_name = "FILE")]
    config: Option<PathBuf>,
    /// How results are printed
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    format: Format,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    /// For people
    Text,
    /// For programs; `search`, `suggest`, `answer`, `analyze` and `check-text` print what the endpoint of the same name answers,
    /// `explain` what `search` answers with `explain` and `expect`
    Json,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Check the corpus and report every problem
    Check,
    /// Check the corpus, build a new generation and publish it
    Index {
        /// Build even if nothing changed
        #[arg(long)]
        force: bool,
    },
    /// Search the published generation
    Search(query::SearchArguments),
    /// Show why results stand where they do, and which stage lost an expected entry
    Explain(explain::ExplainArguments),
    /// Show how a text is read: its tokens in the index and in a query
    Analyze(analyze::AnalyzeArguments),
    /// Suggest replies to a customer's words
    Suggest(query::SuggestArguments),
    /// Answer a customer's words as a chatbot would: one text, or why there is none
    Answer(query::SuggestArguments),
    /// Check a draft before it is sent
    CheckText(check::CheckTextArguments),
    /// Serve over HTTP
    Serve(serve::ServeArguments),
    /// Measure the quality of answers on a labelled set, or on the corpus' golden questions
    Eval(eval::EvalArguments),
    /// Train the ranker, or the second opinion on drafts, on labelled sets
    Tune(tune::TuneArguments),
    /// List the generations that are kept
    Generations,
    /// Publish an earlier generation again
    Rollback {
        /// Id of the generation; the one before the current if not given
        id: Option<String>,
    },
    /// Fetch, list and check embedding models
    #[command(subcommand)]
    Model(model::ModelCommand),
    /// Print the resolved settings
    Config {
        /// Print the defaults with their explanations instead
        #[arg(long)]
        defaults: bool,
    },
}

/// Runs the program with the process's arguments and environment.
pub fn run() -> ExitCode {
    let arguments = Arguments::parse();
    let format = arguments.global.format;
    match dispatch(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            output::error(&error, format);
            ExitCode::from(exit_code(&error))
        }
    }
}

fn exit_code(error: &Error) -> u8 {
    match error {
        Error::CorpusInvalid { .. } => EXIT_PROBLEMS,
        Error::Config(_) | Error::InvalidRequest(_) | Error::NotFound(_) => EXIT_USAGE,
        _ => EXIT_FAILURE,
    }
}

fn dispatch(arguments: Arguments) -> Result<u8> {
    let global = &arguments.global;
    let mut flags: Vec<(&str, String)> = Vec::new();
    for (name, value) in [("corpus.path", &global.corpus), ("data.path", &global.data), ("model.path", &global.model)] {
        if let Some(path) = value {
            flags.push((name, path.to_string_lossy().into_owned()));
        }
    }
    let command = arguments.command.unwrap_or(Command::Serve(serve::ServeArguments::default()));
    if let Command::Serve(serve::ServeArguments { listen: Some(listen) }) = &command {
        flags.push(("server.listen", listen.clone()));
    }
    let config = Config::resolve(global.config.as_deref(), std::env::vars(), &flags)?;
    start_logging(&config)?;
    let format = global.format;
    match command {
        Command::Check => check::run(&config, format),
        Command::Index { force } => index::run(&config, force, format),
        Command::Search(arguments) => query::search(&config, &arguments, format),
        Command::Explain(arguments) => explain::run(&config, &arguments, format),
        Command::Analyze(arguments) => analyze::run(&config, &arguments, format),
        Command::Suggest(arguments) => query::suggest(&config, &arguments, format),
        Command::Answer(arguments) => query::answer(&config, &arguments, format),
        Command::CheckText(arguments) => check::text(&config, &arguments, format),
        Command::Serve(_) => serve::run(&config),
        Command::Eval(arguments) => eval::run(&config, &arguments, format),
        Command::Tune(arguments) => tune::run(&config, &arguments, format),
        Command::Generations => generations::list(&config, format),
        Command::Rollback { id } => generations::rollback(&config, id.as_deref(), format),
        Command::Model(command) => model::run(&config, &command, format),
        Command::Config { defaults } => {
            output::text(if defaults { DEFAULTS.to_owned() } else { config.to_toml()? }.trim_end());
            Ok(EXIT_OK)
        }
    }
}

fn start_logging(config: &Config) -> Result<()> {
    let filter = tracing_subscriber::EnvFilter::try_new(format!("warn,yingda={}", config.log.level))
        .map_err(|error| Error::Config(format!("log.level: {error}")))?;
    let builder = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_target(false);
    // A second start in one process (tests) keeps the first subscriber.
    let _ = if config.log.format == "json" { builder.json().try_init() } else { builder.with_ansi(false).try_init() };
    Ok(())
}
