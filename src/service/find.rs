//! Finding candidates for the questions of a conversation: each question by itself, follow-ups without the entry that was
//! already given, and two questions side by side.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::Service;
use super::abreast::both;
use super::conversation::Conversation;
use crate::corpus::{Date, Kind, PaymentMethod};
use crate::dialogue::{Mentions, Question, payment_label};
use crate::error::Result;
use crate::generation::Generation;
use crate::query::{self, ANSWERING_KINDS, Filters, Hit, Query, Understood};
use crate::reply::named_in;

/// Results looked at beyond those that are shown, to compare candidates.
const LOOK_AHEAD: usize = 16;
/// A follow-up goes to another entry than its predecessor if that one's confidence is at least this share of it.
const MOVES_ON: f32 = 0.4;

/// What was found.
pub(super) struct Candidates {
    /// What was searched for, as text; questions one below the other.
    pub question: String,
    /// Results, best first; the best of each question first where there are several.
    pub hits: Vec<Hit>,
    /// How many of the first results answer a question of their own: 1 for a single question.
    pub answers: usize,
    /// Confidence that all questions are answered by the first results; 0 if there is none.
    pub confidence: f32,
    /// Probability that the corpus has an answer at all, to one of the questions at least; 0 if nothing was found.
    pub answerable: f32,
}

/// A search in one generation with the filters of one conversation; a text is analysed and embedded once.
pub(super) struct Finder<'a> {
    service: &'a Service,
    generation: &'a Generation,
    filters: Filters,
    day: Date,
    payment: Option<PaymentMethod>,
    understood: Mutex<HashMap<String, Arc<Understood>>>,
}

impl<'a> Finder<'a> {
    pub fn new(service: &'a Service, generation: &'a Generation, conversation: &Conversation, day: Date) -> Self {
        let filters = Filters {
            products: conversation.products.clone(),
            channels: conversation.context.channel.into_iter().collect(),
            ..Filters::default()
        };
        let payment = conversation.context.order.as_ref().and_then(|order| order.payment_method);
        Finder { service, generation, filters, day, payment, understood: Mutex::default() }
    }

    /// Searches for `text` among `kinds`.
    pub fn search(&self, text: &str, kinds: &[Kind], top_k: usize) -> Result<Vec<Hit>> {
        let understood = self.understand(text)?;
        let filters = Filters { kinds: kinds.to_vec(), ..self.filters.clone() };
        let query = Query { filters, ..Query::new(text, top_k, self.day) };
        Ok(query::search_understood(self.generation, &self.service.ranker, &understood, &query)?.hits)
    }

    fn understand(&self, text: &str) -> Result<Arc<Understood>> {
        let known = || self.understood.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(understood) = known().get(text) {
            return Ok(Arc::clone(understood));
        }
        // Not while holding the lock: another search may be about another text.
        let understood = Arc::new(query::understand(self.generation, text)?);
        known().insert(text.to_owned(), Arc::clone(&understood));
        Ok(understood)
    }

    /// Candidates for the questions of a conversation; `whole` is all of its text. With `apart` on more than one core.
    pub fn find(&self, questions: &[Question], whole: &str, top_k: usize, floor: f32, apart: bool) -> Result<Candidates> {
        let depth = (top_k + LOOK_AHEAD).min(query::MAX_TOP_K);
        if let [only] = questions {
            let (question, hits) = self.one(only, depth)?;
            return Ok(self.alone(question, hits));
        }
        let together = || self.search(whole, ANSWERING_KINDS, depth);
        let each = || questions.iter().map(|question| self.one(question, depth)).collect::<Result<Vec<_>>>();
        let (together, parts) = both(apart, together, each);
        let (together, parts) = (together?, parts?);
        let mut firsts: Vec<&Hit> = Vec::new();
        for (_, hits) in &parts {
            if let Some(hit) = hits.first().filter(|hit| hit.confidence >= floor)
                && firsts.iter().all(|other| other.target != hit.target)
            {
                firsts.push(hit);
            }
        }
        let readings = parts.iter().filter_map(|(_, hits)| hits.first()).chain(together.first());
        let answerable = readings.map(|hit| self.answerable(Some(hit))).fold(0.0, f32::max);
        // Taken apart by mistake, or both ask the same: then it is one question, and the parts only add candidates.
        let several = firsts.len() == parts.len();
        let mut order: Vec<&Hit> = Vec::new();
        match several {
            true => order.extend(firsts.iter().copied().chain(&together)),
            false => order.extend(together.first().into_iter().chain(firsts.iter().copied()).chain(&together)),
        }
        let mut hits: Vec<Hit> = Vec::new();
        for hit in order {
            if hits.iter().all(|known| known.target != hit.target) {
                hits.push(hit.clone());
            }
        }
        hits.truncate(depth);
        let answers = if several { firsts.len() } else { 1 };
        let confidence = hits.iter().take(answers).map(|hit| hit.confidence).fold(f32::INFINITY, f32::min);
        let question =
            if several { parts.iter().map(|(text, _)| text.as_str()).collect::<Vec<_>>().join("\n") } else { whole.into() };
        let confidence = if confidence.is_finite() { confidence } else { 0.0 };
        Ok(Candidates { question, answers, confidence, answerable, hits })
    }

    /// Candidates for a single question that was completed from what was said before.
    pub fn in_context(&self, text: &str, top_k: usize) -> Result<Candidates> {
        let mut hits = self.search(text, ANSWERING_KINDS, (top_k + LOOK_AHEAD).min(query::MAX_TOP_K))?;
        self.prefer_told(text, &mut hits);
        Ok(self.alone(text.to_owned(), hits))
    }

    fn alone(&self, question: String, hits: Vec<Hit>) -> Candidates {
        let (confidence, answerable) = (hits.first().map_or(0.0, |hit| hit.confidence), self.answerable(hits.first()));
        Candidates { question, hits, answers: 1, confidence, answerable }
    }

    fn answerable(&self, first: Option<&Hit>) -> f32 {
        first.map_or(0.0, |hit| self.service.ranker.answerable(self.generation, hit))
    }

    /// The reading of one question that is more certain, and its results.
    fn one(&self, question: &Question, depth: usize) -> Result<(String, Vec<Hit>)> {
        let mut text = question.text.clone();
        let mut hits = self.search(&text, ANSWERING_KINDS, depth)?;
        if let Some(previous) = &question.follows {
            let given = self.search(previous, ANSWERING_KINDS, 1)?.first().map(|hit| hit.target);
            self.move_on(&mut hits, given);
        }
        if let Some(alone) = &question.alone {
            let own = self.search(alone, ANSWERING_KINDS, depth)?;
            let confidence = |hits: &[Hit]| hits.first().map_or(0.0, |hit| hit.confidence);
            // Of two equally certain readings the one in context is meant.
            if confidence(&own) > confidence(&hits) {
                (text, hits) = (alone.clone(), own);
            }
        }
        self.prefer_told(&text, &mut hits);
        Ok((text, hits))
    }

    /// Where the payment method is known: entries about other methods go behind the rest, and the one about this method, if the
    /// first is about none, comes right after it. Not so where `text` asks about another method.
    fn prefer_told(&self, text: &str, hits: &mut Vec<Hit>) {
        let Some(told) = self.payment.map(payment_label) else { return };
        if Mentions::of(text).payment.iter().any(|label| label != told) {
            return;
        }
        let entry = |hit: &Hit| self.generation.entry_of(hit.target);
        let mut sorted: Vec<(bool, bool, Hit)> = Vec::new();
        for hit in hits.drain(..) {
            let named = named_in(entry(&hit)).payment;
            let about = named.iter().any(|label| label == told);
            sorted.push((!named.is_empty() && !about, about, hit));
        }
        sorted.sort_by_key(|(other, ..)| *other);
        if let Some(at) = sorted.iter().position(|(_, about, _)| *about)
            && at > 1
            && entry(&sorted[at].2).topic.is_some()
            && entry(&sorted[at].2).topic == entry(&sorted[0].2).topic
        {
            sorted[1..=at].rotate_right(1);
        }
        hits.extend(sorted.into_iter().map(|(.., hit)| hit));
    }

    /// Puts the entry that was given before behind the next one, unless nothing else comes near.
    fn move_on(&self, hits: &mut [Hit], given: Option<u32>) {
        if let [first, second, ..] = hits
            && Some(first.target) == given
            && second.confidence >= MOVES_ON * first.confidence
        {
            std::mem::swap(first, second);
        }
    }
}
