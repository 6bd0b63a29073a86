//! `yingda index`: check, build, publish.

use super::{EXIT_OK, Format, check, output};
use crate::config::Config;
use crate::embedding::Embedder;
use crate::error::Result;
use crate::generation::{BuildOptions, Built, DataFolder, build};
use crate::service::{load_model, load_ranker};

/// Builds and publishes a generation.
pub fn run(config: &Config, force: bool, format: Format) -> Result<u8> {
    let model = load_model(config)?;
    let built = index(config, model.as_ref(), force)?;
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

/// Reads, checks, builds and publishes.
pub fn index(config: &Config, model: &dyn Embedder, force: bool) -> Result<Built> {
    let corpus = check::load(config)?;
    check::report(&corpus);
    let options = BuildOptions { force, keep: config.data.keep_generations, ranker_version: load_ranker(config)?.version };
    let bar = output::Bar::new();
    build(&corpus, &DataFolder::new(&config.data.path), model, &options, &|step, done, total| bar.report(step, done, total))
}
