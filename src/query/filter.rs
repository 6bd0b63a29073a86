//! Filters act before the candidates are cut, so that `top_k` is filled whenever the corpus can fill it.

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::corpus::{Channel, Date, Entry, Kind};
use crate::generation::Generation;

/// Which entries may be found; an empty list allows all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Filters {
    /// Kinds of entries.
    pub kinds: Vec<Kind>,
    /// Product ids; entries about no particular product stay allowed.
    pub products: Vec<String>,
    /// Channels; entries for no particular channel stay allowed.
    pub channels: Vec<Channel>,
    /// Tags, any of which an entry must have.
    pub tags: Vec<String>,
    /// Ids of the only entries that may be found; `None` allows all, an empty set none.
    pub only: Option<Arc<BTreeSet<String>>>,
}

/// Which units may be found.
pub(super) struct Allowed {
    /// One mark for each searchable unit.
    pub units: Arc<Vec<bool>>,
}

/// The units that `filters` and validity allow; `None` if all of them are.
pub(super) fn allowed(generation: &Generation, filters: &Filters, as_of: Date) -> Option<Allowed> {
    let entries: Vec<bool> = generation.entries.iter().map(|entry| accepts(filters, entry, as_of)).collect();
    if entries.iter().all(|accepted| *accepted) {
        return None;
    }
    let units = generation.units[..generation.searchable]
        .iter()
        .map(|unit| entries[generation.targets[unit.target as usize].entry as usize])
        .collect();
    Some(Allowed { units: Arc::new(units) })
}

fn accepts(filters: &Filters, entry: &Entry, as_of: Date) -> bool {
    let any_of = |wanted: &[String], has: &[String]| wanted.iter().any(|value| has.contains(value));
    (filters.kinds.is_empty() || filters.kinds.contains(&entry.kind()))
        && (filters.products.is_empty() || entry.products.is_empty() || any_of(&filters.products, &entry.products))
        && (filters.channels.is_empty()
            || entry.channels.is_empty()
            || filters.channels.iter().any(|channel| entry.channels.contains(channel)))
        && (filters.tags.is_empty() || any_of(&filters.tags, &entry.tags))
        && filters.only.as_ref().is_none_or(|only| only.contains(&entry.id))
        && entry.valid_on(as_of)
}
