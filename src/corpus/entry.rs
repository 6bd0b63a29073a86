//! The corpus model: what an entry is. Plain data; reading, checking and matching live elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A calendar day.
pub type Date = jiff::civil::Date;

/// One piece of knowledge with its source.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// Unique over the corpus and stable over time.
    pub id: String,
    /// What an agent sees first: a FAQ's question, a manual's or script's title.
    pub title: String,
    /// FAQ topic or script scene.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub topic: Option<String>,
    /// Free labels.
    pub tags: Vec<String>,
    /// Products it is about; empty means all.
    pub products: Vec<String>,
    /// Channels it may be used on; empty means all.
    pub channels: Vec<Channel>,
    /// Only published entries are searched.
    pub status: Status,
    /// First day of validity.
    pub valid_from: Option<Date>,
    /// Last day of validity.
    pub valid_until: Option<Date>,
    /// Ids of entries that answer what the customer will need next.
    pub related: Vec<String>,
    /// Where it is written.
    pub source: Source,
    /// What is particular to its kind.
    #[serde(flatten)]
    pub body: EntryBody,
}

impl Entry {
    /// The entry's kind.
    pub fn kind(&self) -> Kind {
        match self.body {
            EntryBody::Faq(_) => Kind::Faq,
            EntryBody::Manual(_) => Kind::Manual,
            EntryBody::Script(_) => Kind::Script,
            EntryBody::Risk(_) => Kind::Risk,
        }
    }

    /// True if the entry holds on `day`.
    pub fn valid_on(&self, day: Date) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_until.is_none_or(|until| day <= until)
    }
}

/// Where an entry is written.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Source {
    /// File, relative to the corpus folder.
    pub file: String,
    /// Line number, from 1.
    pub line: usize,
    /// A document's version.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// The part of an entry that depends on its kind; `kind` in JSON.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum EntryBody {
    /// A question with answers.
    Faq(Faq),
    /// A product manual.
    Manual(Manual),
    /// A script template.
    Script(Script),
    /// A risk rule.
    Risk(Risk),
}

/// A question with answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Faq {
    /// The standard question.
    pub question: String,
    /// Other phrasings of it.
    pub similar: Vec<String>,
    /// Phrasings that look alike and mean something else.
    pub negative: Vec<String>,
    /// Conditional answers and one fallback without a condition.
    pub answers: Vec<Answer>,
    /// Different remedies an agent may choose from.
    pub options: Vec<ReplyOption>,
}

/// One answer of a FAQ.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Answer {
    /// When it applies; none for the fallback.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// A template.
    pub text: String,
}

/// A remedy an agent may offer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReplyOption {
    /// A short name.
    pub label: String,
    /// When it applies; none for always.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<When>,
    /// A template.
    pub text: String,
}

/// A product manual, cut into sections.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manual {
    /// Product id.
    pub product: String,
    /// Model numbers.
    pub models: Vec<String>,
    /// Document version.
    pub version: String,
    /// Day of that version.
    pub updated: Date,
    /// What changed, newest first.
    pub changelog: Vec<ChangeLogEntry>,
    /// The sections in order.
    pub sections: Vec<Section>,
}

/// One line of a manual's change log.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ChangeLogEntry {
    /// Version.
    pub version: String,
    /// Day.
    pub date: Date,
    /// What changed.
    pub changes: String,
}

/// A section of a manual.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Section {
    /// Headings from the document's title down to this section.
    pub path: Vec<String>,
    /// Line of the heading, from 1.
    pub line: usize,
    /// The section's Markdown, verbatim, without its heading and without its subsections.
    pub text: String,
}

/// A script template.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Script {
    /// The situation it is for.
    pub scene: String,
    /// The step of the conversation.
    pub step: Step,
    /// A template.
    pub text: String,
    /// What a customer says when it fits.
    pub similar: Vec<String>,
    /// When it applies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub when: Option<Box<When>>,
}

/// A risk rule.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Risk {
    /// 1 (hand over at once) to 3 (keep an eye on it).
    pub level: u8,
    /// Minutes until somebody must have reacted.
    pub deadline_minutes: u32,
    /// Who takes over.
    pub team: String,
    /// What raises it.
    pub triggers: Triggers,
    /// What the reply must say.
    pub must_say: Vec<String>,
    /// What may not be promised.
    pub must_not_promise: Vec<String>,
    /// Compliant wording.
    pub reply: String,
}

/// What raises a risk.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Triggers {
    /// Words, in their standard writing.
    pub words: Vec<String>,
    /// Example sentences; what means the same raises it as well.
    pub examples: Vec<String>,
    /// Phrases that show it is not meant.
    pub unless: Vec<String>,
}

/// Conditions of an answer, an option or a script. Every key that is given must hold; within a key any value may.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct When {
    /// Channels.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub channel: Vec<Channel>,
    /// Product ids.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub product: Vec<String>,
    /// Product attributes with the values that match.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub product_attribute: BTreeMap<String, Vec<String>>,
    /// Order states.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub order_status: Vec<OrderStatus>,
    /// Payment methods.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub payment_method: Vec<PaymentMethod>,
    /// Customer tiers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub customer_tier: Vec<CustomerTier>,
    /// Provinces.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub region: Vec<String>,
    /// How many times the customer has asked this, this time counted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub asked_times: Option<Range>,
    /// Hours since payment.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paid_hours: Option<Range>,
    /// Hours since dispatch.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub shipped_hours: Option<Range>,
    /// Days since receipt.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub signed_days: Option<Range>,
    /// Named time windows.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub window: Vec<String>,
}

/// A closed range of whole numbers; an end that is not given is open.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Range {
    /// Smallest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min: Option<i64>,
    /// Largest value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max: Option<i64>,
}

impl Range {
    /// True if `value` lies within, both ends counted.
    pub fn contains(&self, value: i64) -> bool {
        self.min.is_none_or(|min| min <= value) && self.max.is_none_or(|max| value <= max)
    }
}

/// A named time window, in the shop's local time, both ends counted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeWindow {
    /// Start.
    pub from: jiff::civil::DateTime,
    /// End.
    pub until: jiff::civil::DateTime,
}

/// Declares an enumeration whose values have one written form, used in YAML, JSON and messages alike.
macro_rules! vocabulary {
    ($(#[$outer:meta])* $name:ident { $($(#[$inner:meta])* $variant:ident = $text:literal),+ $(,)? }) => {
        $(#[$outer])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum $name { $($(#[$inner])* #[serde(rename = $text)] $variant),+ }

        impl $name {
            /// Every written form, in order.
            pub const NAMES: &'static [&'static str] = &[$($text),+];

            /// The written form.
            pub fn as_str(self) -> &'static str {
                match self { $($name::$variant => $text),+ }
            }

            /// The value with this written form.
            pub fn parse(text: &str) -> Option<Self> {
                match text { $($text => Some($name::$variant),)+ _ => None }
            }
        }
    };
}

pub(super) use vocabulary;

vocabulary! {
    /// What an entry is.
    Kind {
        /// A question with answers.
        Faq = "faq",
        /// A product manual.
        Manual = "manual",
        /// A script template.
        Script = "script",
        /// A risk rule.
        Risk = "risk",
    }
}

vocabulary! {
    /// Where an entry is in its life.
    Status {
        /// Being written.
        Draft = "draft",
        /// In use.
        Published = "published",
        /// Kept for the record.
        Archived = "archived",
    }
}

vocabulary! {
    /// Where a conversation takes place.
    Channel {
        /// Online chat.
        Im = "im",
        /// The shop's app.
        App = "app",
        /// The shop's website.
        Web = "web",
        /// E-mail.
        Email = "email",
        /// Telephone.
        Phone = "phone",
    }
}

vocabulary! {
    /// The state of an order.
    OrderStatus {
        /// Not paid yet.
        Unpaid = "unpaid",
        /// Paid, not sent.
        Paid = "paid",
        /// Sent.
        Shipped = "shipped",
        /// At the door or the locker.
        Delivered = "delivered",
        /// Received.
        Signed = "signed",
        /// Closed after receipt.
        Completed = "completed",
        /// A refund is under way.
        Refunding = "refunding",
        /// Refunded.
        Refunded = "refunded",
        /// Cancelled.
        Cancelled = "cancelled",
    }
}

vocabulary! {
    /// How an order was paid.
    PaymentMethod {
        /// WeChat Pay.
        Wechat = "wechat",
        /// Alipay.
        Alipay = "alipay",
        /// Debit card.
        DebitCard = "debit_card",
        /// Credit card.
        CreditCard = "credit_card",
        /// Huabei.
        Huabei = "huabei",
        /// Instalments.
        Installment = "installment",
        /// Account balance.
        Balance = "balance",
        /// Gift card.
        GiftCard = "gift_card",
        /// Cash on delivery.
        Cod = "cod",
        /// A card from abroad.
        OverseasCard = "overseas_card",
    }
}

vocabulary! {
    /// How well the shop knows a customer.
    CustomerTier {
        /// First order.
        New = "new",
        /// Ordinary.
        Regular = "regular",
        /// Silver member.
        Silver = "silver",
        /// Gold member.
        Gold = "gold",
        /// Platinum member.
        Platinum = "platinum",
    }
}

vocabulary! {
    /// The step of a conversation a script is for.
    Step {
        /// Greeting.
        Opening = "opening",
        /// Empathy.
        Empathy = "empathy",
        /// Checking facts.
        Verify = "verify",
        /// Solving.
        Solve = "solve",
        /// Making good.
        Compensate = "compensate",
        /// Declining politely.
        Decline = "decline",
        /// Farewell.
        Close = "close",
    }
}
