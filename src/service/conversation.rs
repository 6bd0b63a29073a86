//! From a request's messages to what the rest needs: checked, read, and the context completed with what the customer told.

use super::{MAX_MESSAGES, Message, Role};
use crate::dialogue::{self, Reading, Turn};
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::query::MAX_QUERY_CHARS;
use crate::reply::{Context, Customer, Order, Product};

/// A conversation that was read.
pub(super) struct Conversation {
    /// What the customer wants.
    pub reading: Reading,
    /// The request's context, completed with what the customer told where the request leaves it empty.
    pub context: Context,
    /// Products to search: the request's, or the one the customer named.
    pub products: Vec<String>,
    /// True if somebody has answered before.
    pub ongoing: bool,
}

/// Reads `messages`.
///
/// # Errors
/// [`Error::InvalidRequest`] if there are too many messages, one is too long, or the customer has not said anything.
pub(super) fn read(messages: &[Message], given: &Context, generation: &Generation) -> Result<Conversation> {
    let last = check(messages)?;
    let turns: Vec<Turn> = messages[..=last]
        .iter()
        .filter(|message| message.role != Role::System)
        .map(|message| Turn { customer: message.role == Role::Customer, text: &message.text })
        .collect();
    let reading = dialogue::read(&turns, turns.len() - 1, &generation.products);
    let mut context = given.clone();
    complete(&mut context, &reading);
    let mut products: Vec<String> = given.product.iter().filter_map(|product| product.id.clone()).collect();
    if let Some((id, _)) = &reading.slots.product
        && !products.contains(id)
    {
        products.push(id.clone());
    }
    let ongoing = turns.iter().any(|turn| !turn.customer);
    Ok(Conversation { reading, context, products, ongoing })
}

/// The position of the customer's last message.
fn check(messages: &[Message]) -> Result<usize> {
    if messages.len() > MAX_MESSAGES {
        let what = format!("messages has {} items; send the last {MAX_MESSAGES} at most", messages.len());
        return Err(Error::InvalidRequest(what));
    }
    for (index, message) in messages.iter().enumerate() {
        let length = message.text.chars().count();
        if length > MAX_QUERY_CHARS {
            let what = format!("messages[{index}].text has {length} characters; the limit is {MAX_QUERY_CHARS}");
            return Err(Error::InvalidRequest(what));
        }
    }
    messages
        .iter()
        .rposition(|message| message.role == Role::Customer && !message.text.trim().is_empty())
        .ok_or_else(|| Error::InvalidRequest("messages has no text of role `customer`; send the customer's words".into()))
}

/// Fills in what the request does not say and the customer did.
fn complete(context: &mut Context, reading: &Reading) {
    let slots = &reading.slots;
    if slots.payment_method.is_some() || slots.order_status.is_some() || slots.order_id.is_some() || slots.tracking_no.is_some() {
        let order = context.order.get_or_insert_with(Order::default);
        order.payment_method = order.payment_method.or(slots.payment_method);
        order.status = order.status.or(slots.order_status);
        order.id = order.id.take().or_else(|| slots.order_id.clone());
        order.tracking_no = order.tracking_no.take().or_else(|| slots.tracking_no.clone());
    }
    if let Some((id, name)) = &slots.product
        && context.product.is_none()
    {
        context.product = Some(Product { id: Some(id.clone()), name: Some(name.clone()), ..Product::default() });
    }
    if slots.region.is_some() {
        let customer = context.customer.get_or_insert_with(Customer::default);
        customer.region = customer.region.take().or_else(|| slots.region.clone());
    }
    context.asked_times = context.asked_times.or(Some(reading.asked_times));
}
