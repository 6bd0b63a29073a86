//! Filters act before the candidates are cut, so that `top_k` is filled whenever the corpus can fill it.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;

use crate::corpus::{Channel, Date, Entry, Kind, Status};
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

/// Which entries may be found.
pub(super) struct Allowed {
    /// One mark for each entry.
    pub entries: Vec<bool>,
}

/// The entries that `filters` and validity allow; `None` if all of them are.
pub(super) fn allowed(generation: &Generation, filters: &Filters, as_of: Date) -> Option<Allowed> {
    let Filters { kinds, tags, only, .. } = filters;
    let by_kind_alone = tags.is_empty() && only.is_none();
    let accepted = |(entry, general): (&Entry, &Option<Kind>)| match general {
        Some(kind) if by_kind_alone => kinds.is_empty() || kinds.contains(kind),
        _ => accepts(filters, entry, as_of),
    };
    let entries: Vec<bool> = generation.entries.iter().zip(&generation.general).map(accepted).collect();
    (!entries.iter().all(|accepted| *accepted)).then_some(Allowed { entries })
}

fn accepts(filters: &Filters, entry: &Entry, as_of: Date) -> bool {
    conditions(filters, entry, as_of).iter().all(|(_, holds)| *holds)
}

/// A condition that keeps an entry from being found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// It is a draft or archived: not in the index at all.
    Status,
    /// Another kind.
    Kinds,
    /// For other products.
    Products,
    /// For other channels.
    Channels,
    /// None of the tags.
    Tags,
    /// Not among the only ids.
    Only,
    /// Not valid yet.
    ValidFrom,
    /// No longer valid.
    ValidUntil,
}

/// All conditions on an indexed entry: what each means if it does not hold, and whether it holds.
fn conditions(filters: &Filters, entry: &Entry, as_of: Date) -> [(Refusal, bool); 7] {
    let Filters { kinds, products, channels, tags, only } = filters;
    [
        (Refusal::Kinds, kinds.is_empty() || kinds.contains(&entry.kind())),
        (Refusal::Products, products.is_empty() || entry.products.is_empty() || any_of(products, &entry.products)),
        (Refusal::Channels, channels.is_empty() || entry.channels.is_empty() || any_of(channels, &entry.channels)),
        (Refusal::Tags, tags.is_empty() || any_of(tags, &entry.tags)),
        (Refusal::Only, only.as_ref().is_none_or(|only| only.contains(&entry.id))),
        (Refusal::ValidFrom, entry.valid_from.is_none_or(|from| from <= as_of)),
        (Refusal::ValidUntil, entry.valid_until.is_none_or(|until| as_of <= until)),
    ]
}

fn any_of<T: PartialEq>(wanted: &[T], has: &[T]) -> bool {
    wanted.iter().any(|value| has.contains(value))
}

/// Everything that keeps `entry` from being found; empty if nothing does.
pub(super) fn refusals(filters: &Filters, entry: &Entry, as_of: Date) -> Vec<Refusal> {
    let unpublished = (entry.status != Status::Published).then_some(Refusal::Status);
    let failed = conditions(filters, entry, as_of).into_iter().filter(|(_, holds)| !holds).map(|(refusal, _)| refusal);
    unpublished.into_iter().chain(failed).collect()
}
