//! Conditions: which answer applies. The rule, in order: an answer applies if every key of its `when` holds, and a key holds
//! only if the context knows the value; of those that apply the one with most keys wins; among equals the one written first;
//! an answer without `when` applies always and loses against any other.

use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::{Context, Moment};
use crate::corpus::{Answer, ReplyOption, Shop, When};

/// A context at a moment, in a shop.
pub struct Situation<'a> {
    /// What the request knows.
    pub context: &'a Context,
    /// The moment the reply is for.
    pub now: Timestamp,
    /// The shop's time zone.
    pub zone: &'a TimeZone,
    /// The shop's named windows.
    pub shop: &'a Shop,
}

/// The answer that applies, with its position; `None` only if there is no answer at all without conditions that fail.
pub fn choose_answer<'e>(answers: &'e [Answer], situation: &Situation) -> Option<(usize, &'e Answer)> {
    let mut best: Option<(usize, usize, &Answer)> = None;
    for (position, answer) in answers.iter().enumerate() {
        let Some(rank) = answer.when.as_ref().map_or(Some(0), |when| matches(when, situation)) else { continue };
        if best.is_none_or(|(best_rank, ..)| rank > best_rank) {
            best = Some((rank, position, answer));
        }
    }
    best.map(|(_, position, answer)| (position, answer))
}

/// The options that apply, in order.
pub fn choose_options<'e>(options: &'e [ReplyOption], situation: &Situation) -> Vec<&'e ReplyOption> {
    options.iter().filter(|option| option.when.as_ref().is_none_or(|when| matches(when, situation).is_some())).collect()
}

/// How many keys `when` has, if all of them hold.
pub fn matches(when: &When, situation: &Situation) -> Option<usize> {
    let context = situation.context;
    let (order, product, customer) = (context.order.as_ref(), context.product.as_ref(), context.customer.as_ref());
    let hours_since = |moment: Option<Moment>| moment.map(|m| situation.now.duration_since(m.at(situation.zone)).as_hours());
    let days_since = |moment: Option<Moment>| hours_since(moment).map(|hours| hours.div_euclid(24));
    let mut keys = 0;
    let mut holds = |given: bool, satisfied: bool| {
        keys += usize::from(given);
        !given || satisfied
    };
    let one_of = |values: &[String], value: Option<&String>| value.is_some_and(|value| values.contains(value));
    let in_range = |range: Option<crate::corpus::Range>, value: Option<i64>| range.zip(value).is_some_and(|(r, v)| r.contains(v));
    let local = situation.now.to_zoned(situation.zone.clone()).datetime();
    let in_window =
        |name: &String| situation.shop.windows.get(name).is_some_and(|window| window.from <= local && local <= window.until);

    let all = [
        holds(!when.channel.is_empty(), context.channel.is_some_and(|channel| when.channel.contains(&channel))),
        holds(!when.product.is_empty(), one_of(&when.product, product.and_then(|p| p.id.as_ref()))),
        holds(
            !when.product_attribute.is_empty(),
            when.product_attribute
                .iter()
                .all(|(key, values)| one_of(values, product.and_then(|product| product.attributes.get(key)))),
        ),
        holds(
            !when.order_status.is_empty(),
            order.and_then(|order| order.status).is_some_and(|status| when.order_status.contains(&status)),
        ),
        holds(
            !when.payment_method.is_empty(),
            order.and_then(|order| order.payment_method).is_some_and(|method| when.payment_method.contains(&method)),
        ),
        holds(
            !when.customer_tier.is_empty(),
            customer.and_then(|customer| customer.tier).is_some_and(|tier| when.customer_tier.contains(&tier)),
        ),
        holds(
            !when.region.is_empty(),
            customer.and_then(|c| c.region.as_ref()).is_some_and(|region| in_region(&when.region, region)),
        ),
        holds(when.asked_times.is_some(), in_range(when.asked_times, context.asked_times)),
        holds(when.paid_hours.is_some(), in_range(when.paid_hours, hours_since(order.and_then(|order| order.paid_at)))),
        holds(when.shipped_hours.is_some(), in_range(when.shipped_hours, hours_since(order.and_then(|order| order.shipped_at)))),
        holds(when.signed_days.is_some(), in_range(when.signed_days, days_since(order.and_then(|order| order.signed_at)))),
        holds(!when.window.is_empty(), when.window.iter().any(in_window)),
    ];
    all.iter().all(|held| *held).then_some(keys)
}

/// Regions match with or without their suffix: “新疆” and “新疆维吾尔自治区”.
fn in_region(regions: &[String], region: &str) -> bool {
    regions.iter().any(|wanted| region.starts_with(wanted.as_str()) || wanted.starts_with(region) && !region.is_empty())
}
