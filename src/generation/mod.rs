//! Generations: an index as one immutable whole. `units` says what is searched; `build` makes a generation in a staging
//! folder; `publish` moves it into place atomically; `open` checks and reads it; `live` holds the one that serves. A request
//! takes one generation at the top and passes it down, so a publish in mid-request mixes nothing.

mod build;
mod crowding;
mod live;
mod manifest;
mod open;
mod publish;
mod units;

pub use build::{BuildOptions, Built, Progress, build};
pub use live::Live;
pub use manifest::{Counts, Manifest, ModelInfo};
pub use open::Generation;
pub use publish::{DataFolder, WriterLock};
pub use units::{Target, Unit, UnitField, UnitIndex, plain_template};
