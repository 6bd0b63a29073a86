//! Measuring: labelled sets, retrieval metrics, decisions at a promised precision, and training on labelled sets: the ranker, and
//! the second opinion on drafts.
//! Everything runs through the real pipeline: a throw-away generation, the real search.

mod calibrate;
mod conversations;
mod draft_report;
mod draft_set;
mod likeness;
mod metrics;
mod report;
mod run;
mod set;
mod tune;

pub use conversations::{ConversationReport, converse};
pub use draft_report::{AtThreshold, DraftReport, OfRule, Tally};
pub use draft_set::{DraftSet, LabelledDraft};
pub use likeness::{Learnt, hold_out, learn};
pub use metrics::{Outcome, Summary, precision_by_coverage, reliability, summarise};
pub use report::EvalReport;
pub use run::{Bench, outcomes};
pub use set::EvalSet;
pub use tune::{Example, Extent, calibrated, examples, train, train_answerable};
