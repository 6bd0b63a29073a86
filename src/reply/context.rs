//! What a request knows of the conversation: channel, order, product and customer. Every part may be missing, and fields
//! that no condition or template uses are ignored, so that an integrator can send orders as they are.

use std::collections::BTreeMap;
use std::str::FromStr;

use jiff::tz::TimeZone;
use jiff::{Timestamp, civil};
use serde::{Deserialize, Serialize};

use crate::corpus::{Channel, CustomerTier, OrderStatus, PaymentMethod};

/// The context of a conversation, as a request carries it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Context {
    /// Where the conversation takes place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<Channel>,
    /// The product it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub product: Option<Product>,
    /// The order it is about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<Order>,
    /// The customer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<Customer>,
    /// The agent who is going to answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub agent: Option<Agent>,
    /// How many times the customer has asked this, this time counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_times: Option<i64>,
}

/// A product.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Product {
    /// Id, as in entries' `products`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Model number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// Price in yuan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub price: Option<f64>,
    /// Attributes such as `category`.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub attributes: BTreeMap<String, String>,
}

/// An order.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Order {
    /// Order number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub id: Option<String>,
    /// State.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub status: Option<OrderStatus>,
    /// Amount in yuan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<f64>,
    /// When it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_at: Option<Moment>,
    /// When it was sent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipped_at: Option<Moment>,
    /// When it was received.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_at: Option<Moment>,
    /// Carrier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// Tracking number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tracking_no: Option<String>,
    /// How it was paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_method: Option<PaymentMethod>,
    /// Amount to be refunded, in yuan.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_amount: Option<f64>,
    /// When the refund was made.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refund_at: Option<Moment>,
    /// Delivery address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// A customer.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Customer {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Tier.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tier: Option<CustomerTier>,
    /// Telephone number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<String>,
    /// Points.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub points: Option<i64>,
    /// Province.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
}

/// An agent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Agent {
    /// Name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

/// A moment as programs write it: with an offset (`2026-11-11T08:00:00+08:00`), or in the shop's local time
/// (`2026-11-11T08:00`, `2026-11-11 08:00:00`, or a day alone, which means its beginning).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub enum Moment {
    /// With an offset.
    Exact(Timestamp),
    /// In the shop's local time.
    Local(civil::DateTime),
}

impl Moment {
    /// The moment as a point in time, where local times are those of `zone`.
    pub fn at(self, zone: &TimeZone) -> Timestamp {
        match self {
            Moment::Exact(at) => at,
            Moment::Local(local) => zone.to_ambiguous_timestamp(local).compatible().unwrap_or(Timestamp::UNIX_EPOCH),
        }
    }
}

impl FromStr for Moment {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(at) = text.parse::<Timestamp>() {
            return Ok(Moment::Exact(at));
        }
        text.parse::<civil::DateTime>()
            .map(Moment::Local)
            .map_err(|_| format!("“{text}” is not a time; write 2026-11-11T08:00:00+08:00 or 2026-11-11"))
    }
}

impl TryFrom<String> for Moment {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Moment> for String {
    fn from(moment: Moment) -> String {
        match moment {
            Moment::Exact(at) => at.to_string(),
            Moment::Local(local) => local.to_string(),
        }
    }
}
