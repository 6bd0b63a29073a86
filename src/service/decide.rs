//! The decision: answer, suggest, clarify, hand over, or say that there is nothing. In this order: a person takes over where a
//! risk of level 1 was raised, the customer asks for one, or nothing has helped; a message that asks nothing is `no_match`
//! with a courtesy; one that only points at something (“那个不行”) is clarified; what looks less answerable than `decision.answerable_share` of the questions with an answer is `no_match`;
//! candidates that are close and differ in something that can be asked are clarified; below `decision.suggest_confidence`
//! nothing is worth showing; from the confidence on that keeps `decision.answer_precision` it is an answer, unless it comes near what a
//! rule of level 1 describes or the message says too little to choose by (“收费吗”); anything else is a suggestion.

use super::Reason;
use super::conversation::Conversation;
use super::find::Candidates;
use super::guard::Assessment;
use crate::corpus::{Entry, EntryBody, Status};
use crate::dialogue::{self, content_length};
use crate::generation::Generation;
use crate::query::{Decision, Hit};
use crate::reply::{self, About, Candidate, Clarify};

/// Candidates that a question to the customer may have to separate.
pub(super) const RIVALS: usize = 4;
/// Content characters up to which a question may be too short to tell candidates apart.
const SHORT: usize = 4;
/// Characters of a whole message up to which it may be too short; a longer one is a sentence that tells something.
const SHORT_TEXT: usize = 8;
/// Content characters up to which a message without an asking word is a word.
const WORD: usize = 2;
/// Content characters up to which a question may be meant for any product.
const SHORT_FOR_PRODUCT: usize = 6;
/// Share of the first result's nearness from which another manual says the same.
const AS_NEAR: f32 = 0.84;
/// The same where candidates differ in product, payment or state of the order.
const SHORT_WITH_FACET: usize = 8;
/// Content characters up to which a question says next to nothing (“坏了”, “怎么退”).
const BARE: usize = 1;
/// Content characters up to which a question that is no editor's phrasing says too little to be answered without a person
/// (“收费吗”, “怎么申请”): which entry is first is what is asked most, not what was asked.
const FEW: usize = 2;
/// How much less close candidates of such a question need to be.
const BARE_SHARE: f32 = 0.15;
/// Share of a phrasing's characters from which a question that has all of its own in it is that phrasing.
const SAME_PHRASING: f32 = 0.6;

/// Probabilities that decide.
pub(super) struct Limits {
    /// Confidence from which answers keep the promised precision.
    pub answer: f32,
    /// Probability that there is an answer at all from which anything is said.
    pub answerable: f32,
    /// Confidence from which a suggestion is worth showing.
    pub suggest: f32,
    /// Share of the first candidate's odds from which another one is close.
    pub clarify_ratio: f32,
}

/// What to do, and why not to answer.
pub(super) struct Verdict {
    pub decision: Decision,
    pub reason: Option<Reason>,
    pub clarify: Option<Clarify>,
}

impl Verdict {
    fn plain(decision: Decision, reason: Option<Reason>) -> Self {
        Verdict { decision, reason, clarify: None }
    }
}

/// Why a person must take over, if one must.
pub(super) fn handoff(conversation: &Conversation, assessment: &Assessment) -> Option<Reason> {
    let reading = &conversation.reading;
    match () {
        () if assessment.risk.level == Some(1) => Some(Reason::Risk),
        () if reading.wants_person => Some(Reason::CustomerAsks),
        () if reading.repeated_failure => Some(Reason::RepeatedFailure),
        () => None,
    }
}

/// Decides on `found`.
pub(super) fn decide(
    generation: &Generation,
    conversation: &Conversation,
    assessment: &Assessment,
    found: &Candidates,
    limits: &Limits,
) -> Verdict {
    if let Some(reason) = handoff(conversation, assessment) {
        return Verdict::plain(Decision::Handoff, Some(reason));
    }
    if conversation.reading.questions.is_empty() {
        return Verdict::plain(Decision::NoMatch, Some(Reason::NoQuestion));
    }
    if conversation.reading.vague
        && !found.hits.first().is_some_and(is_phrasing)
        && let Some(clarify) = reply::clarify_open(topics(generation, found))
    {
        return Verdict { decision: Decision::Clarify, reason: Some(Reason::Ambiguous), clarify: Some(clarify) };
    }
    // A mere subject is near to no text, however much the corpus has on it.
    let bare = named_topic(generation, conversation, found).or_else(|| subject(generation, conversation, found));
    let known = bare.is_some() || found.answerable >= limits.answerable || names_product(generation, &found.question);
    if found.hits.is_empty() || !known {
        return Verdict::plain(Decision::NoMatch, Some(Reason::NothingFound));
    }
    if found.answers == 1
        && let Some(clarify) = bare.or_else(|| ambiguity(generation, conversation, found, limits))
    {
        return Verdict { decision: Decision::Clarify, reason: Some(Reason::Ambiguous), clarify: Some(clarify) };
    }
    if found.confidence < limits.suggest {
        return Verdict::plain(Decision::NoMatch, Some(Reason::NothingFound));
    }
    if found.confidence >= limits.answer && !assessment.risk.doubtful && !is_subject(generation, found) && !says_little(found) {
        return Verdict::plain(Decision::Answer, None);
    }
    Verdict::plain(Decision::Suggest, Some(Reason::Unsure))
}

/// The question to ask if the customer's words are too few to choose between the leading candidates.
fn ambiguity(generation: &Generation, conversation: &Conversation, found: &Candidates, limits: &Limits) -> Option<Clarify> {
    let first = found.hits.first()?;
    let length = content_length(&found.question);
    if length > SHORT_WITH_FACET {
        return None;
    }
    if first.features.exact < 1.0
        && let Some(products) = products_alike(generation, conversation, found, length)
        && let Some(clarify) = ask(generation, conversation, found, &products).filter(|clarify| clarify.about == About::Product)
    {
        return Some(clarify);
    }
    let ratio = if says_little(found) { BARE_SHARE * limits.clarify_ratio } else { limits.clarify_ratio };
    let close = |hit: &&Hit| odds(hit.confidence) >= ratio * odds(first.confidence) && hit.confidence >= limits.suggest;
    let close: Vec<&Hit> = found.hits.iter().filter(close).take(RIVALS).collect();
    if close.iter().filter(|hit| is_phrasing(hit)).count() == 1 {
        return None;
    }
    let clarify = ask(generation, conversation, found, &close)?;
    let faceted = matches!(clarify.about, About::Product | About::PaymentMethod | About::OrderStatus);
    (faceted || length <= SHORT && found.question.chars().count() <= SHORT_TEXT).then_some(clarify)
}

/// The question that separates `hits`, best first.
fn ask(generation: &Generation, conversation: &Conversation, found: &Candidates, hits: &[&Hit]) -> Option<Clarify> {
    let candidates: Vec<Candidate> = hits.iter().take(RIVALS).map(|hit| candidate(generation, hit)).collect();
    reply::clarify(&candidates, &found.question, &conversation.context)
}

/// Topics of what was found, best first, then of all other questions.
fn topics<'a>(generation: &'a Generation, found: &Candidates) -> impl Iterator<Item = &'a str> {
    let hits: Vec<&Entry> = found.hits.iter().map(|hit| generation.entry_of(hit.target)).collect();
    let answers = |entry: &&Entry| entry.status == Status::Published && matches!(entry.body, EntryBody::Faq(_));
    hits.into_iter().chain(&generation.entries).filter(answers).filter_map(|entry| entry.topic.as_deref())
}

/// True if `question` names a product that there is a manual for.
fn names_product(generation: &Generation, question: &str) -> bool {
    generation.products.iter().any(|product| product.is_named(question))
}

/// The question to ask where a message only names a subject that several entries have: then which one leads is chance.
fn subject(generation: &Generation, conversation: &Conversation, found: &Candidates) -> Option<Clarify> {
    if !is_subject(generation, found) {
        return None;
    }
    let by_pairs = content_length(&found.question) > BARE;
    let has_all = |hit: &&Hit| hit.features.chars_of_query >= 0.99 && (!by_pairs || hit.features.bigrams_of_query >= 0.99);
    let all = one_of_each_entry(generation, found.hits.iter().filter(has_all));
    if all.len() >= 2 { ask(generation, conversation, found, &all) } else { None }
}

/// The question to ask where a message is the name of a topic, as the options of an open question are.
fn named_topic(generation: &Generation, conversation: &Conversation, found: &Candidates) -> Option<Clarify> {
    let wanted = found.question.trim();
    let of_topic = |entry: &&Entry| {
        let answers = matches!(entry.body, EntryBody::Faq(_)) && entry.status == Status::Published;
        answers && entry.topic.as_deref() == Some(wanted)
    };
    if found.answers != 1 || found.hits.first().is_some_and(is_phrasing) {
        return None;
    }
    let hits = found.hits.iter().map(|hit| generation.entry_of(hit.target));
    let entries = hits.chain(&generation.entries).filter(of_topic).map(|entry| Candidate { entry, section: None });
    let candidates: Vec<Candidate> = entries.take(2 * RIVALS).collect();
    reply::clarify(&candidates, &found.question, &conversation.context)
}

/// True if the message only names a subject (“退款”, “花呗”, “怎么换”) or not even that (“多少钱”). A phrasing that an editor wrote for one
/// entry is that entry's.
fn is_subject(generation: &Generation, found: &Candidates) -> bool {
    let question = &found.question;
    let length = content_length(question);
    if found.answers != 1 || found.hits.first().is_none_or(|first| first.features.exact >= 1.0) {
        return false;
    }
    let is_word = || length <= WORD || generation.analyzer.analyze(&dialogue::content(question)).words.len() == 1;
    length <= BARE || length <= SHORT && !dialogue::has_question_word(question) && is_word()
}

/// True if the message says too little to choose between entries: it is a phrasing of none, or the greater part of one of several.
fn says_little(found: &Candidates) -> bool {
    let leading = || found.hits.iter().take(RIVALS);
    let same = |hit: &Hit| hit.features.chars_of_query >= 0.99 && hit.features.chars_of_unit >= 0.99;
    let few = found.answers == 1 && content_length(&found.question) <= FEW;
    few && !leading().any(same) && leading().filter(|hit| is_phrasing(hit)).count() != 1
}

/// The first of `hits` for each entry.
fn one_of_each_entry<'a>(generation: &Generation, hits: impl Iterator<Item = &'a Hit>) -> Vec<&'a Hit> {
    let entry = |hit: &Hit| generation.targets[hit.target as usize].entry;
    let mut all: Vec<&Hit> = Vec::new();
    for hit in hits {
        if all.iter().all(|known| entry(known) != entry(hit)) {
            all.push(hit);
        }
    }
    all
}

/// The best section of each product's manual, if the customer has named no product and several manuals say something as near as the
/// first result (“怎么清洁”).
fn products_alike<'a>(
    generation: &Generation,
    conversation: &Conversation,
    found: &'a Candidates,
    length: usize,
) -> Option<Vec<&'a Hit>> {
    let is_manual = |hit: &Hit| matches!(generation.entry_of(hit.target).body, EntryBody::Manual(_));
    let first = found.hits.first().filter(|first| is_manual(first))?;
    let near = |hit: &Hit| hit.features.cosine.max(hit.features.cosine_body);
    if length > SHORT_FOR_PRODUCT || conversation.context.product.is_some() {
        return None;
    }
    let all = one_of_each_entry(generation, found.hits.iter().filter(|hit| is_manual(hit) && near(hit) >= AS_NEAR * near(first)));
    (all.len() >= 2).then_some(all)
}

fn candidate<'a>(generation: &'a Generation, hit: &Hit) -> Candidate<'a> {
    let target = &generation.targets[hit.target as usize];
    Candidate { entry: &generation.entries[target.entry as usize], section: target.section }
}

/// Odds of a probability; near 1 they tell candidates apart that probabilities do not.
fn odds(probability: f32) -> f32 {
    let probability = probability.clamp(0.0, 0.9999);
    probability / (1.0 - probability)
}

/// True if the customer wrote a phrasing of the entry, almost word for word.
fn is_phrasing(hit: &Hit) -> bool {
    let features = &hit.features;
    features.exact >= 1.0 || features.chars_of_query >= 0.99 && features.chars_of_unit >= SAME_PHRASING
}
