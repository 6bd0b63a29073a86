//! `yingda index`: check, build, publish.

use super::{EXIT_OK, Format, check, output};
use crate::config::Config;
use crate::corpus::Corpus;
use crate::embedding::Embedder;
use crate::error::{Error, Result};
use crate::generation::{BuildOptions, Built, DataFolder, build};
use crate::service::{load_model, load_ranker};

/// Builds and publishes a generation.
pub fn run(config: &Config, force: bool, format: Format) -> Result<u8> {
    let corpus = read(config)?;
    let model = load_model(config)?;
    let built = publish(config, &corpus, model.as_ref(), force)?;
    match format {
        Format::Text => {
            let c = built.counts;
            let verb = if built.published { "published" } else { "unchanged since" };
            output::text(&format!(
                "{verb} {}: {} faq, {} manual, {} script, {} risk, {} texts",
                built.id, c.faq, c.manual, c.script, c.risk, c.units
            ));
        }
        Format::Json => {
            output::json(&serde_json::json!({ "id": built.id, "published": built.published, "counts": built.counts }))?;
        }
    }
    Ok(EXIT_OK)
}

/// Reads the corpus, reports its problems, and stops here if it has errors: an editor need not wait for the model.
pub fn read(config: &Config) -> Result<Corpus> {
    let corpus = check::load(config)?;
    check::report(&corpus);
    match corpus.errors() {
        0 => Ok(corpus),
        errors => Err(Error::CorpusInvalid { errors }),
    }
}

/// Builds and publishes a corpus that was read before.
pub fn publish(config: &Config, corpus: &Corpus, model: &dyn Embedder, force: bool) -> Result<Built> {
    let options = BuildOptions { force, keep: config.data.keep_generations, ranker_version: load_ranker(config)?.version };
    let bar = output::Bar::new();
    build(corpus, &DataFolder::new(&config.data.path), model, &options, &|step, done, total| bar.report(step, done, total))
}
