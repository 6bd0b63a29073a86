//! Slots: what the customer has told about payment, order, product and place. The latest word counts; a value the customer
//! denies (“不是微信付的”) or asks about (“能用花呗吗”) is not taken.

use std::collections::BTreeMap;

use super::Turn;
use super::lexicon::{contains_any, fold, lexicon};
use crate::corpus::{OrderStatus, PaymentMethod};

/// Fewest digits of an order or tracking number.
const NUMBER_DIGITS: usize = 10;
/// Most characters of one.
const NUMBER_CHARS: usize = 40;
/// How many characters before a value a denial may stand.
const DENIAL_REACH: usize = 4;

/// A product the shop has a manual for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Product {
    /// Its id.
    pub id: String,
    /// Its name, for people.
    pub name: String,
    /// What customers call it, normalised.
    pub aliases: Vec<String>,
}

impl Product {
    /// A product from a manual's title; `words` cuts a text into words, longest units included.
    pub fn from_title(id: &str, title: &str, models: &[String], words: impl Fn(&str) -> Vec<String>) -> Self {
        let mut name = title.trim();
        for suffix in &lexicon().product.title_suffixes {
            name = name.strip_suffix(suffix.as_str()).unwrap_or(name).trim_end();
        }
        let sort = fold(name.rsplit(' ').next().unwrap_or(name));
        let mut aliases: Vec<String> = models.iter().map(|model| fold(model)).filter(|model| model.chars().count() > 1).collect();
        // The sort's last word names it as well: “空气净化器”, “净化器”.
        aliases.extend(words(&sort).into_iter().filter(|word| word.chars().count() > 1 && sort.ends_with(word.as_str())));
        aliases.push(sort);
        aliases.retain(|alias| !alias.is_empty());
        aliases.sort();
        aliases.dedup();
        Product { id: id.to_owned(), name: name.to_owned(), aliases }
    }

    /// True if `text` names it.
    pub fn is_named(&self, text: &str) -> bool {
        let folded = fold(text);
        self.aliases.iter().any(|alias| folded.contains(alias.as_str()))
    }
}

/// What the customer has told.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Slots {
    /// How the order was paid.
    pub payment_method: Option<PaymentMethod>,
    /// The order's state.
    pub order_status: Option<OrderStatus>,
    /// The order number.
    pub order_id: Option<String>,
    /// The tracking number.
    pub tracking_no: Option<String>,
    /// Province.
    pub region: Option<String>,
    /// Product id and name, if exactly one product was named.
    pub product: Option<(String, String)>,
}

/// One value named in a text, with its written form.
pub type Mention = (String, String);

/// Values named in an entry's title or tags, for telling entries apart.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Mentions {
    /// Payment methods by label.
    pub payment: Vec<String>,
    /// Order states by label.
    pub status: Vec<String>,
}

impl Mentions {
    /// What `text` names.
    pub fn of(text: &str) -> Self {
        let folded = fold(text);
        let labelled = |values: &BTreeMap<String, Vec<String>>, labels: &BTreeMap<String, String>| {
            let named = named(&folded, values);
            named.iter().filter_map(|(key, _)| labels.get(key).cloned()).collect()
        };
        let (payment, status) = (&lexicon().payment, &lexicon().status);
        Mentions { payment: labelled(&payment.values, &payment.labels), status: labelled(&status.values, &status.labels) }
    }
}

/// A payment method in words.
pub fn payment_label(method: PaymentMethod) -> &'static str {
    lexicon().payment.labels.get(method.as_str()).map_or(method.as_str(), String::as_str)
}

/// An order state in words.
pub fn status_label(status: OrderStatus) -> &'static str {
    lexicon().status.labels.get(status.as_str()).map_or(status.as_str(), String::as_str)
}

/// Reads the slots from the customer's messages, oldest first.
pub(super) fn read(turns: &[Turn], products: &[Product]) -> Slots {
    let mut slots = Slots::default();
    let mut asked_payment = false;
    for turn in turns {
        let folded = fold(turn.text);
        if !turn.customer {
            asked_payment = contains_any(&folded, &lexicon().payment.asked);
            continue;
        }
        let payment = &lexicon().payment;
        if (asked_payment || contains_any(&folded, &payment.given))
            && let [(key, _)] = named(&folded, &payment.values).as_slice()
        {
            slots.payment_method = PaymentMethod::parse(key).or(slots.payment_method);
        }
        let status = &lexicon().status;
        if !contains_any(&folded, &status.unless)
            && let [(key, _)] = named(&folded, &status.values).as_slice()
        {
            slots.order_status = OrderStatus::parse(key).or(slots.order_status);
        }
        if let Some(region) = lexicon().region.values.iter().find(|region| folded.contains(region.as_str())) {
            slots.region = Some(region.clone());
        }
        numbers(turn.text, &mut slots);
        let mut found = products.iter().filter(|product| product.aliases.iter().any(|alias| folded.contains(alias.as_str())));
        if let (Some(product), None) = (found.next(), found.next()) {
            slots.product = Some((product.id.clone(), product.name.clone()));
        }
    }
    slots
}

/// The values that `folded` names and does not deny, by key, with the word that names them. A word inside a longer one that
/// was taken does not count.
fn named(folded: &str, values: &BTreeMap<String, Vec<String>>) -> Vec<Mention> {
    let mut words: Vec<(&String, &String)> = values.iter().flat_map(|(key, words)| words.iter().map(move |w| (key, w))).collect();
    words.sort_by(|a, b| b.1.len().cmp(&a.1.len()).then(a.cmp(b)));
    let mut taken = vec![false; folded.len()];
    let mut found: Vec<Mention> = Vec::new();
    for (key, word) in words {
        for (at, _) in folded.match_indices(word.as_str()) {
            if taken[at..at + word.len()].iter().any(|taken| *taken) {
                continue;
            }
            taken[at..at + word.len()].fill(true);
            let before: String = folded[..at].chars().rev().take(DENIAL_REACH).collect::<Vec<_>>().into_iter().rev().collect();
            let denied = lexicon().negations.words.iter().any(|negation| before.ends_with(negation.as_str()));
            if !denied && !found.iter().any(|(known, _)| known == key) {
                found.push((key.clone(), word.clone()));
            }
        }
    }
    found
}

/// `previous` with its payment method replaced by the one that `follow` consists of: “那支付宝呢？” after “微信退款多久”.
pub(super) fn replace_value(previous: &str, follow: &str) -> Option<String> {
    let folded = fold(follow);
    let values = &lexicon().payment.values;
    let [(key, word)] = &named(&folded, values)[..] else { return None };
    // More words than the value make it a question of its own.
    if folded.chars().count() > word.chars().count() + 4 {
        return None;
    }
    let plain = crate::text::normalise(previous);
    match &named(&plain, values)[..] {
        [(old, written)] if old != key => Some(plain.replace(written.as_str(), word)),
        [] => Some(format!("{word} {plain}")),
        _ => None,
    }
}

/// Takes order and tracking numbers from `text`.
fn numbers(text: &str, slots: &mut Slots) {
    let text = crate::text::normalise(text);
    let mut start = None;
    let ends = text.char_indices().map(|(at, c)| (at, c.is_ascii_alphanumeric() || c == '-')).chain([(text.len(), false)]);
    let mut runs: Vec<(usize, &str)> = Vec::new();
    for (at, inside) in ends {
        match (start, inside) {
            (None, true) => start = Some(at),
            (Some(from), false) => {
                runs.push((from, &text[from..at]));
                start = None;
            }
            _ => {}
        }
    }
    for (at, run) in runs {
        let run = run.trim_matches('-');
        let digits = run.chars().filter(char::is_ascii_digit).count();
        if digits < NUMBER_DIGITS || run.len() > NUMBER_CHARS {
            continue;
        }
        let before: String = text[..at].chars().rev().take(8).collect::<Vec<_>>().into_iter().rev().collect();
        let prefix = run.trim_end_matches(|c: char| c.is_ascii_digit() || c == '-');
        let tracked = lexicon().number.tracking_prefixes.iter().any(|known| known == prefix);
        let number = run.to_uppercase();
        if contains_any(&before, &lexicon().number.order) {
            slots.order_id = Some(number);
        } else if tracked || contains_any(&before, &lexicon().number.tracking) {
            slots.tracking_no = Some(number);
        } else if !is_phone(run) && prefix.is_empty() {
            slots.order_id = Some(number);
        }
    }
}

fn is_phone(run: &str) -> bool {
    run.len() == 11 && run.starts_with('1') && run.chars().all(|c| c.is_ascii_digit())
}
