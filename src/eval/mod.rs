//! Measuring: labelled sets, retrieval metrics, decisions at a promised precision, and training the ranker on labelled sets.
//! Everything runs through the real pipeline: a throw-away generation, the real search.

mod conversations;
mod metrics;
mod report;
mod run;
mod set;
mod tune;

pub use conversations::{ConversationReport, converse};
pub use metrics::{Outcome, Summary, precision_by_coverage, reliability, summarise};
pub use report::EvalReport;
pub use run::{Bench, outcomes};
pub use set::EvalSet;
pub use tune::{Example, calibrated, examples, train, train_answerable};
