//! Whether every conditional answer can be reached: answers that another one always takes precedence over, answers that
//! overlap at equal rank so that only their order decides, and gaps: days or hours between two conditions, or between two
//! validities of the same question, on which nothing but the fallback answers. The rules of precedence are those of
//! `reply`: every key must hold, most keys win, then the answer written first.

use std::collections::BTreeMap;

use super::{Answer, Corpus, Date, Entry, EntryBody, OrderStatus, Problem, Range, Shop, Status, When};
use crate::text::normalise;

/// Most combinations of values that are tried for one answer.
const MAX_COMBINATIONS: usize = 4_096;

/// Adds what is found as warnings: the corpus still answers, only not as it seems to say.
pub(super) fn check(corpus: &Corpus, problems: &mut Vec<Problem>) {
    for entry in &corpus.entries {
        if let EntryBody::Faq(faq) = &entry.body {
            answers(entry, &faq.answers, &corpus.shop, problems);
        }
    }
    validity_gaps(corpus, problems);
}

fn answers(entry: &Entry, answers: &[Answer], shop: &Shop, problems: &mut Vec<Problem>) {
    let conditional: Vec<(usize, Keys)> =
        answers.iter().enumerate().filter_map(|(index, answer)| Some((index, Keys::new(answer.when.as_ref()?)))).collect();
    let warn = |index: usize, what: String, fix: &str, problems: &mut Vec<Problem>| {
        let field = format!("answers[{index}].when");
        problems.push(Problem::warning(&entry.source.file, entry.source.line, &field, what, fix));
    };
    let mut dead = vec![false; answers.len()];
    for (position, (index, keys)) in conditional.iter().enumerate() {
        if let Some(what) = impossible(entry, answers[*index].when.as_ref()) {
            dead[*index] = true;
            warn(*index, format!("can never hold: {what}"), "correct the condition, or remove the answer", problems);
            continue;
        }
        let earlier: Vec<&Keys> = conditional[..position].iter().filter(|(at, _)| !dead[*at]).map(|(_, keys)| keys).collect();
        if let Some(covered) = covered(keys, &earlier)
            && covered
        {
            dead[*index] = true;
            let what = "can never be reached: answers written before it always apply as well".to_owned();
            warn(*index, what, "narrow the earlier ones, or remove this one", problems);
        }
    }
    for (position, (second, keys)) in conditional.iter().enumerate() {
        for (first, other) in &conditional[..position] {
            // A third answer with the keys of both decides where they meet.
            let settled = conditional.iter().any(|(_, third)| third.rank > keys.rank && third.covers_both(keys, other));
            let same_text = answers[*first].text == answers[*second].text;
            if !dead[*first] && !dead[*second] && !same_text && keys.rank == other.rank && keys.overlaps(other, shop) && !settled {
                let what = format!("overlaps answers[{first}] at equal rank ({} keys); the earlier one wins", keys.rank);
                warn(*second, what, "add a key to the one that should win, or make their values exclude each other", problems);
            }
        }
    }
    range_gaps(entry, &conditional, &dead, problems);
}

/// A condition as sets of values by key; keys that are not given are not there.
struct Keys {
    /// Number of keys, as precedence counts them.
    rank: usize,
    sets: BTreeMap<String, Vec<String>>,
    ranges: BTreeMap<&'static str, Range>,
}

impl Keys {
    fn new(when: &When) -> Self {
        let mut sets: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let mut put = |key: &str, values: Vec<String>| {
            if !values.is_empty() {
                sets.insert(key.to_owned(), values);
            }
        };
        let named = |values: Vec<&str>| values.into_iter().map(str::to_owned).collect::<Vec<String>>();
        put("channel", named(when.channel.iter().map(|value| value.as_str()).collect()));
        put("product", when.product.clone());
        put("order_status", named(when.order_status.iter().map(|value| value.as_str()).collect()));
        put("payment_method", named(when.payment_method.iter().map(|value| value.as_str()).collect()));
        put("customer_tier", named(when.customer_tier.iter().map(|value| value.as_str()).collect()));
        put("region", when.region.clone());
        put("window", when.window.clone());
        for (attribute, values) in &when.product_attribute {
            put(&format!("product_attribute.{attribute}"), values.clone());
        }
        let ranges: BTreeMap<&'static str, Range> = [
            ("asked_times", when.asked_times),
            ("paid_hours", when.paid_hours),
            ("shipped_hours", when.shipped_hours),
            ("signed_days", when.signed_days),
        ]
        .into_iter()
        .filter_map(|(key, range)| Some((key, range?)))
        .collect();
        let attributes = when.product_attribute.len();
        let rank = sets.len() - attributes + usize::from(attributes > 0) + ranges.len();
        Keys { rank, sets, ranges }
    }

    fn same_keys(&self, other: &Keys) -> bool {
        self.sets.keys().eq(other.sets.keys()) && self.ranges.keys().eq(other.ranges.keys())
    }

    /// True if a situation can fulfil both. Keys that only one of them has do
    /// not exclude anything, except that an order's state rules out times it has not come to.
    fn overlaps(&self, other: &Keys, shop: &Shop) -> bool {
        let sets = self.sets.iter().all(|(key, values)| {
            other.sets.get(key).is_none_or(|others| {
                key == "window" && windows_meet(values, others, shop)
                    || key != "window" && values.iter().any(|value| others.contains(value))
            })
        });
        let ranges = self.ranges.iter().all(|(key, range)| other.ranges.get(key).is_none_or(|with| intersect(*range, *with)));
        sets && ranges && !self.times_excluded_by(other) && !other.times_excluded_by(self)
    }

    /// True if this holds wherever both `a` and `b` do, as far as their sets of values tell.
    fn covers_both(&self, a: &Keys, b: &Keys) -> bool {
        let common = |key: &String| match (a.sets.get(key), b.sets.get(key)) {
            (Some(a), Some(b)) => Some(a.iter().filter(|value| b.contains(value)).cloned().collect()),
            (Some(values), None) | (None, Some(values)) => Some(values.clone()),
            (None, None) => None::<Vec<String>>,
        };
        let sets =
            self.sets.iter().all(|(key, values)| common(key).is_some_and(|common| common.iter().all(|v| values.contains(v))));
        sets && self.ranges.iter().all(|(key, range)| a.ranges.get(key) == Some(range) || b.ranges.get(key) == Some(range))
    }

    /// True if all order states of `other` come before a time that `self` counts from.
    fn times_excluded_by(&self, other: &Keys) -> bool {
        let Some(states) = other.sets.get("order_status") else { return false };
        let before = |key: &str| states.iter().filter_map(|state| OrderStatus::parse(state)).all(|state| not_yet(key, state));
        self.ranges.keys().any(|key| before(key))
    }
}

/// True if one of `a` and one of `b` are open at the same time.
fn windows_meet(a: &[String], b: &[String], shop: &Shop) -> bool {
    let find = |name: &String| shop.windows.get(name);
    a.iter().filter_map(find).any(|a| b.iter().filter_map(find).any(|b| a.from <= b.until && b.from <= a.until))
}

/// True if an order in `state` has not come to the event that `key` counts from.
fn not_yet(key: &str, state: OrderStatus) -> bool {
    match key {
        "paid_hours" => state == OrderStatus::Unpaid,
        "shipped_hours" => matches!(state, OrderStatus::Unpaid | OrderStatus::Paid),
        "signed_days" => matches!(state, OrderStatus::Unpaid | OrderStatus::Paid | OrderStatus::Shipped | OrderStatus::Delivered),
        _ => false,
    }
}

fn intersect(a: Range, b: Range) -> bool {
    let low = a.min.into_iter().chain(b.min).max().unwrap_or(i64::MIN);
    let high = a.max.into_iter().chain(b.max).min().unwrap_or(i64::MAX);
    low <= high
}

/// Why a condition of `entry` can never hold, if it cannot.
fn impossible(entry: &Entry, when: Option<&When>) -> Option<String> {
    let when = when?;
    let keys = Keys::new(when);
    if !entry.products.is_empty() && !when.product.is_empty() && when.product.iter().all(|id| !entry.products.contains(id)) {
        return Some(format!("the entry is only for the products {}", entry.products.join(", ")));
    }
    if !entry.channels.is_empty() && !when.channel.is_empty() && when.channel.iter().all(|c| !entry.channels.contains(c)) {
        let channels: Vec<&str> = entry.channels.iter().map(|channel| channel.as_str()).collect();
        return Some(format!("the entry is only for the channels {}", channels.join(", ")));
    }
    if keys.times_excluded_by(&keys) {
        return Some("an order in that state has not been paid, sent or received yet".to_owned());
    }
    if when.asked_times.and_then(|range| range.max).is_some_and(|max| max < 1) {
        return Some("a question is asked once at least".to_owned());
    }
    None
}

/// True if every combination of `keys`' values fulfils one of `earlier` with the same keys; `None` if there are too many.
fn covered(keys: &Keys, earlier: &[&Keys]) -> Option<bool> {
    let rivals: Vec<&&Keys> = earlier.iter().filter(|other| other.same_keys(keys)).collect();
    if rivals.is_empty() {
        return Some(false);
    }
    // Of a range it is enough to try its ends and the points where a rival's begins or ends.
    let mut points: Vec<Vec<Point>> = keys.sets.values().map(|values| values.iter().map(|v| Point::Text(v)).collect()).collect();
    for (key, range) in &keys.ranges {
        let mut numbers = vec![range.min.unwrap_or(0), range.max.unwrap_or(i64::MAX)];
        for rival in rivals.iter().filter_map(|rival| rival.ranges.get(key)) {
            numbers.extend(
                [rival.min, rival.min.map(|n| n - 1), rival.max, rival.max.map(|n| n.saturating_add(1))].into_iter().flatten(),
            );
        }
        numbers.retain(|number| range.contains(*number));
        points.push(numbers.into_iter().map(Point::Number).collect());
    }
    let combinations = points.iter().map(Vec::len).try_fold(1usize, usize::checked_mul)?;
    if combinations > MAX_COMBINATIONS {
        return None;
    }
    let fulfils = |rival: &Keys, combination: &[&Point]| {
        let sets = rival.sets.values().zip(combination).all(|(values, point)| match point {
            Point::Text(text) => values.iter().any(|value| value == text),
            Point::Number(_) => false,
        });
        let ranges = rival.ranges.values().zip(&combination[rival.sets.len()..]).all(|(range, point)| match point {
            Point::Number(number) => range.contains(*number),
            Point::Text(_) => false,
        });
        sets && ranges
    };
    let all = (0..combinations).all(|mut number| {
        let combination: Vec<&Point> = points
            .iter()
            .map(|choices| {
                let choice = &choices[number % choices.len()];
                number /= choices.len();
                choice
            })
            .collect();
        rivals.iter().any(|rival| fulfils(rival, &combination))
    });
    Some(all)
}

enum Point<'a> {
    Text(&'a str),
    Number(i64),
}

/// Values of a range key between two answers that differ only in it.
fn range_gaps(entry: &Entry, conditional: &[(usize, Keys)], dead: &[bool], problems: &mut Vec<Problem>) {
    let mut groups: BTreeMap<String, Vec<(usize, &'static str, Range)>> = BTreeMap::new();
    for (index, keys) in conditional.iter().filter(|(index, _)| !dead[*index]) {
        for (key, range) in &keys.ranges {
            let others: Vec<_> = keys.ranges.iter().filter(|(other, _)| *other != key).collect();
            groups.entry(format!("{key} {:?} {others:?}", keys.sets)).or_default().push((*index, key, *range));
        }
    }
    for mut group in groups.into_values() {
        group.sort_by_key(|(index, _, range)| (range.min.unwrap_or(i64::MIN), *index));
        let mut reached: Option<i64> = None;
        for (index, key, range) in group {
            if let (Some(reached), Some(min)) = (reached, range.min)
                && reached.checked_add(1).is_some_and(|next| next < min)
            {
                let what = format!("leaves a gap: for {key} from {} to {} no condition holds", reached + 1, min - 1);
                let field = format!("answers[{index}].when.{key}");
                let fix = "close the gap, unless the fallback is meant to answer there";
                problems.push(Problem::warning(&entry.source.file, entry.source.line, &field, what, fix));
            }
            let end = range.max.unwrap_or(i64::MAX);
            reached = Some(reached.map_or(end, |reached| reached.max(end)));
        }
    }
}

/// Days between two validities of the same question.
fn validity_gaps(corpus: &Corpus, problems: &mut Vec<Problem>) {
    let mut versions: BTreeMap<String, Vec<&Entry>> = BTreeMap::new();
    for entry in corpus.entries.iter().filter(|entry| entry.status == Status::Published) {
        if let EntryBody::Faq(faq) = &entry.body {
            versions.entry(normalise(&faq.question)).or_default().push(entry);
        }
    }
    for mut entries in versions.into_values().filter(|entries| entries.len() > 1) {
        entries.sort_by(|a, b| (a.valid_from.unwrap_or(Date::MIN), &a.id).cmp(&(b.valid_from.unwrap_or(Date::MIN), &b.id)));
        let mut reached = entries[0].valid_until;
        for entry in &entries[1..] {
            let Some(end) = reached else { break };
            if let Some(from) = entry.valid_from
                && let Ok(next) = end.tomorrow()
                && next < from
            {
                let what = format!("leaves a gap: from {next} to the day before {from} no entry answers “{}”", entry.title);
                let fix = "let the earlier entry hold longer, or this one begin sooner";
                problems.push(Problem::warning(&entry.source.file, entry.source.line, "valid_from", what, fix));
            }
            reached = entry.valid_until.map(|until| until.max(end));
        }
    }
}
