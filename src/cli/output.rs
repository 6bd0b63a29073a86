//! Printing: results to standard output, everything else to standard error, and a progress bar where a person looks.

use std::io::{IsTerminal, Write};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use super::Format;
use crate::error::{Error, Result};

/// Work shorter than this shows no bar.
const BAR_AFTER: Duration = Duration::from_secs(1);

/// Prints a line of results. A reader that has gone away (`| head`) ends the program quietly.
pub fn text(line: &str) {
    if writeln!(std::io::stdout(), "{line}").is_err() {
        std::process::exit(i32::from(super::EXIT_OK));
    }
}

/// Prints a result as JSON.
pub fn json(value: &impl Serialize) -> Result<()> {
    text(&serde_json::to_string_pretty(value).map_err(|error| Error::internal("cannot write JSON", error))?);
    Ok(())
}

/// Prints a note for people.
pub fn note(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Prints an error.
pub fn error(error: &Error, format: Format) {
    match format {
        Format::Text => note(&format!("error: {error}")),
        Format::Json => note(&serde_json::json!({ "code": error.code(), "message": error.to_string() }).to_string()),
    }
}

/// A progress bar that appears after a second of work, on a terminal only.
pub struct Bar {
    bar: Mutex<Option<ProgressBar>>,
    template: &'static str,
    started: Instant,
}

impl Bar {
    /// A bar that is not shown yet.
    pub fn new() -> Self {
        Self::with_template("{msg:>12} [{wide_bar}] {pos}/{len} {eta}")
    }

    /// The same for bytes, with speed.
    pub fn of_bytes() -> Self {
        Self::with_template("{msg:>12} [{wide_bar}] {bytes}/{total_bytes} {bytes_per_sec} {eta}")
    }

    fn with_template(template: &'static str) -> Self {
        Bar { bar: Mutex::new(None), template, started: Instant::now() }
    }

    /// Tells how far the work is.
    pub fn report(&self, step: &str, done: usize, total: usize) {
        if self.started.elapsed() < BAR_AFTER || !std::io::stderr().is_terminal() {
            return;
        }
        let mut slot = self.bar.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        let bar = slot.get_or_insert_with(|| {
            let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
            if let Ok(style) = ProgressStyle::with_template(self.template) {
                bar.set_style(style);
            }
            bar
        });
        bar.set_message(step.to_owned());
        bar.set_length(total as u64);
        bar.set_position(done as u64);
    }
}

impl Drop for Bar {
    fn drop(&mut self) {
        if let Ok(Some(bar)) = self.bar.get_mut().map(Option::take) {
            bar.finish_and_clear();
        }
    }
}
