//! `POST /v1/suggest` and `yingda suggest`: from a conversation to replies an agent can send.

use super::abreast::both;
use super::conversation::{self, Conversation};
use super::decide::{Limits, RIVALS, Verdict, decide};
use super::find::{Candidates, Finder};
use super::guard::{self, Assessment};
use super::risk;
use super::search::{matched, named, source, title, top_k};
use super::unanswered::{Unanswered, masked};
use super::{
    CourtesyReply, HandoffReply, MAX_CONVERSATION_ID, OptionText, Reason, RelatedEntry, ScriptSuggestion, Service, SuggestRequest,
    SuggestResponse, Suggestion,
};
use crate::corpus::{Date, Entry, EntryBody, Kind, Status};
use crate::dialogue::Question;
use crate::emotion::EmotionReading;
use crate::error::{Error, Result};
use crate::generation::Generation;
use crate::query::{Decision, Hit};
use crate::reply::{Renderer, Situation, Tone, choose_answer, choose_options, compose, fill, fit, matches, quote, wording};
use crate::risk::RiskAssessment;
use jiff::Timestamp;

/// Suggestions if the request names no number.
const DEFAULT_TOP_K: usize = 3;
/// Script templates beside the suggestions.
const SCRIPTS: usize = 3;
/// Score below which a script template does not fit the situation.
const SCRIPT_FLOOR: f32 = 0.2;
/// Options of one suggestion.
const MAX_OPTIONS: usize = 3;
/// Characters from which on a message is worked off on two cores; for less, starting a thread takes longer than it saves.
const LONG_MESSAGE: usize = 16;
/// Entries offered for the next need.
const MAX_RELATED: usize = 3;

/// A request that was understood and decided on, before it is put into words for its endpoint.
pub(super) struct Judged {
    pub conversation: Conversation,
    pub assessment: Assessment,
    pub found: Candidates,
    pub verdict: Verdict,
    pub scripts: Vec<Hit>,
}

impl Service {
    /// Suggests replies for a conversation.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRequest`] where the request is out of its limits, [`crate::Error::NoGeneration`] while nothing
    /// is published.
    pub fn suggest(&self, request: &SuggestRequest, request_id: &str) -> Result<SuggestResponse> {
        let top_k = top_k(request.top_k, DEFAULT_TOP_K)?;
        let generation = self.generation()?;
        let judged = self.judge(request, request_id, &generation, top_k, true)?;
        let writer = Writer::new(self, &generation, request, &judged);
        let suggestions: Vec<Suggestion> = judged
            .found
            .hits
            .iter()
            .take(if judged.verdict.decision == Decision::NoMatch { 0 } else { top_k })
            .enumerate()
            .map(|(rank, hit)| writer.suggestion(hit, format!("{request_id}.{}", rank + 1), request.explain))
            .collect();
        let scripts = judged.scripts.iter().filter_map(|hit| writer.script(hit)).collect();
        let related = match judged.verdict.decision {
            Decision::Answer | Decision::Suggest => judged.found.hits.first().map(|hit| writer.related(hit)).unwrap_or_default(),
            _ => Vec::new(),
        };
        let reason = judged.verdict.reason;
        let mut response = SuggestResponse {
            request_id: request_id.to_owned(),
            conversation_id: request.conversation_id.clone(),
            generation: generation.id().to_owned(),
            question: judged.found.question.clone(),
            decision: judged.verdict.decision,
            reason,
            confidence: judged.found.confidence,
            suggestions,
            scripts,
            related,
            clarify: judged.verdict.clarify.clone(),
            handoff: reason.filter(|_| judged.verdict.decision == Decision::Handoff).map(HandoffReply::new),
            courtesy: judged.conversation.reading.courtesy.map(CourtesyReply::new),
            risk: RiskAssessment::default(),
            emotion: EmotionReading::default(),
        };
        let Assessment { risk, emotion } = judged.assessment.clone();
        risk::apply(&mut response, &generation, &writer.renderer, &writer.situation, risk, top_k);
        response.emotion = emotion;
        Ok(response)
    }

    /// Understands a request and decides on it.
    pub(super) fn judge(
        &self,
        request: &SuggestRequest,
        request_id: &str,
        generation: &Generation,
        top_k: usize,
        scripts: bool,
    ) -> Result<Judged> {
        let conversation_id = request.conversation_id.as_deref();
        let length = conversation_id.map_or(0, |id| id.chars().count());
        if length > MAX_CONVERSATION_ID {
            let what = format!("conversation_id has {length} characters; the limit is {MAX_CONVERSATION_ID}");
            return Err(Error::InvalidRequest(what));
        }
        let conversation = conversation::read(&request.messages, &request.context, generation)?;
        let config = &self.config.decision;
        let finder = Finder::new(self, generation, &conversation, self.day(request.as_of));
        let reading = &conversation.reading;
        let templates_for = |question: &str| finder.search(question, &[Kind::Script], SCRIPTS);
        // A single question is most often searched for as it stands, and then its templates need not wait for its answers.
        let likely = match reading.questions.as_slice() {
            [only] if scripts && !only.text.trim().is_empty() => Some(only.text.as_str()),
            _ => None,
        };
        let beside = || (guard::assess(generation, &request.messages), likely.map(templates_for));
        let apart = reading.questions.len() > 1 || reading.text.chars().count() >= LONG_MESSAGE;
        let find = || match reading.questions.as_slice() {
            [] => Ok(Candidates { question: reading.text.clone(), hits: Vec::new(), answers: 1, confidence: 0.0, answerable: 0.0 }),
            questions => finder.find(questions, &reading.text, top_k, config.suggest_confidence, apart),
        };
        let ((assessment, ahead), found) = both(apart, beside, find);
        let (assessment, mut found) = (assessment?, found?);
        let limits = Limits {
            answer: self.ranker.threshold(config.answer_precision),
            answerable: self.ranker.answerable_from(config.answerable_share),
            suggest: config.suggest_confidence,
            clarify_ratio: config.clarify_ratio,
        };
        let mut verdict = decide(generation, &conversation, &assessment, &found, &limits);
        if verdict.decision == Decision::Clarify
            && let [Question { in_context: Some(text), .. }] = reading.questions.as_slice()
        {
            // What was talked about before separates candidates without a question to the customer.
            let close: Vec<u32> = found.hits.iter().take(RIVALS).map(|hit| hit.target).collect();
            let again = finder.in_context(text, top_k)?;
            let second = decide(generation, &conversation, &assessment, &again, &limits);
            let settles = again.hits.first().is_some_and(|hit| close.contains(&hit.target));
            if settles && matches!(second.decision, Decision::Answer | Decision::Suggest) {
                (found, verdict) = (again, second);
            }
        }
        let mut templates = match ahead {
            Some(ahead) if likely == Some(found.question.as_str()) => ahead?,
            _ if scripts && !found.question.trim().is_empty() => templates_for(&found.question)?,
            _ => Vec::new(),
        };
        templates.retain(|hit| hit.score >= SCRIPT_FLOOR);
        // The customer's words stay out of the log: they may hold names, numbers and addresses.
        tracing::debug!(
            request_id,
            conversation_id,
            decision = ?verdict.decision,
            reason = verdict.reason.map(Reason::as_str),
            confidence = found.confidence,
            answerable = found.answerable,
            entry = found.hits.first().map(|hit| generation.entry_of(hit.target).id.as_str()),
            "decided"
        );
        if verdict.decision == Decision::NoMatch && !reading.questions.is_empty() {
            tracing::info!(
                request_id,
                conversation_id,
                generation = generation.id(),
                confidence = found.confidence,
                answerable = found.answerable,
                characters = found.question.chars().count(),
                "nothing matches a question"
            );
            self.ledger.add(&Unanswered {
                at: Timestamp::now(),
                request_id,
                conversation_id,
                generation: generation.id(),
                question: masked(&found.question),
                answerable: found.answerable,
                confidence: found.confidence,
            });
        }
        Ok(Judged { conversation, assessment, found, verdict, scripts: templates })
    }
}

/// Puts hits into words for one conversation.
pub(super) struct Writer<'a> {
    generation: &'a Generation,
    renderer: Renderer,
    situation: Situation<'a>,
    tone: Tone<'a>,
    day: Date,
}

/// The reply of one hit.
pub(super) struct Written {
    pub text: String,
    pub missing: Vec<String>,
}

impl<'a> Writer<'a> {
    pub fn new(service: &'a Service, generation: &'a Generation, request: &SuggestRequest, judged: &'a Judged) -> Self {
        let now = service.moment(request.as_of);
        let context = &judged.conversation.context;
        let local = now.to_zoned(service.zone.clone());
        let tone = Tone { context, mood: judged.assessment.mood(), ongoing: judged.conversation.ongoing, hour: local.hour() };
        Writer {
            generation,
            renderer: Renderer::new(&generation.shop, &service.zone),
            situation: Situation { context, now, zone: &service.zone, shop: &generation.shop },
            tone,
            day: local.date(),
        }
    }

    fn entry(&self, hit: &Hit) -> (&'a Entry, Option<u32>) {
        let target = &self.generation.targets[hit.target as usize];
        (&self.generation.entries[target.entry as usize], target.section)
    }

    /// The reply of `hit`, for its channel.
    pub fn reply(&self, hit: &Hit) -> Written {
        let (entry, section) = self.entry(hit);
        let context = self.situation.context;
        let (text, missing) = match (&entry.body, section) {
            (EntryBody::Faq(faq), _) => match choose_answer(&faq.answers, &self.situation) {
                Some((_, chosen)) => fill(&faq.answers, chosen, &self.renderer, context),
                None => (String::new(), Vec::new()),
            },
            (EntryBody::Manual(manual), Some(number)) => (quote(entry, manual, number as usize), Vec::new()),
            (EntryBody::Manual(_), None) => (String::new(), Vec::new()),
            (EntryBody::Script(script), _) => {
                let rendered = self.renderer.render(&script.text, context);
                (rendered.text, rendered.missing)
            }
            (EntryBody::Risk(risk), _) => {
                let rendered = self.renderer.render(&risk.reply, context);
                (rendered.text, rendered.missing)
            }
        };
        Written { text: compose(&text, &self.tone, &self.renderer), missing }
    }

    pub fn suggestion(&self, hit: &Hit, suggestion_id: String, explain: bool) -> Suggestion {
        let (entry, section) = self.entry(hit);
        let written = self.reply(hit);
        Suggestion {
            suggestion_id,
            entry_id: entry.id.clone(),
            kind: entry.kind(),
            title: title(entry, section),
            text: written.text,
            confidence: hit.confidence,
            score: hit.score,
            keyword_score: hit.keyword_score,
            vector_score: hit.vector_score,
            matched: matched(self.generation, hit),
            missing_variables: written.missing,
            options: self.options(entry),
            sources: vec![source(entry, section)],
            related: entry.related.clone(),
            features: explain.then(|| named(&hit.features)),
        }
    }

    /// Different remedies that apply and whose variables are all known.
    fn options(&self, entry: &Entry) -> Vec<OptionText> {
        let EntryBody::Faq(faq) = &entry.body else { return Vec::new() };
        let mut options: Vec<OptionText> = Vec::new();
        for option in choose_options(&faq.options, &self.situation) {
            let rendered = self.renderer.render(&option.text, self.situation.context);
            let new = options.iter().all(|other| other.label != option.label);
            if rendered.missing.is_empty() && new && options.len() < MAX_OPTIONS {
                let text = compose(&rendered.text, &self.tone, &self.renderer);
                options.push(OptionText { label: option.label.clone(), text });
            }
        }
        options
    }

    /// A script whose condition holds and whose variables are all known.
    fn script(&self, hit: &Hit) -> Option<ScriptSuggestion> {
        let (entry, _) = self.entry(hit);
        let EntryBody::Script(script) = &entry.body else { return None };
        if let Some(when) = &script.when {
            matches(when, &self.situation)?;
        }
        let rendered = self.renderer.render(&script.text, self.situation.context);
        rendered.missing.is_empty().then(|| ScriptSuggestion {
            entry_id: entry.id.clone(),
            scene: script.scene.clone(),
            step: script.step,
            text: fit(&rendered.text, self.situation.context.channel),
            score: hit.score,
        })
    }

    /// What the customer will need next: related entries that hold today and here.
    pub fn related(&self, hit: &Hit) -> Vec<RelatedEntry> {
        let (entry, _) = self.entry(hit);
        let channel = self.situation.context.channel;
        entry
            .related
            .iter()
            .filter_map(|id| self.generation.entry(id))
            .filter(|entry| entry.status == Status::Published && entry.valid_on(self.day))
            .filter(|entry| matches!(entry.kind(), Kind::Faq | Kind::Manual))
            .filter(|entry| channel.is_none_or(|channel| entry.channels.is_empty() || entry.channels.contains(&channel)))
            .take(MAX_RELATED)
            .map(|entry| RelatedEntry { entry_id: entry.id.clone(), title: entry.title.clone() })
            .collect()
    }

    /// Where the reply of `hit` is written.
    pub fn place(&self, hit: &Hit) -> super::SourceRef {
        let (entry, section) = self.entry(hit);
        source(entry, section)
    }
}

impl HandoffReply {
    fn new(reason: super::Reason) -> Self {
        HandoffReply { reason, text: wording().handoff(reason.as_str()).to_owned() }
    }
}

impl CourtesyReply {
    pub(super) fn new(courtesy: crate::dialogue::Courtesy) -> Self {
        let kind = courtesy.kind;
        let name = match kind {
            crate::dialogue::CourtesyKind::Thanks => "thanks",
            crate::dialogue::CourtesyKind::Farewell => "farewell",
            crate::dialogue::CourtesyKind::Greeting => "greeting",
            crate::dialogue::CourtesyKind::Acknowledgement => "acknowledgement",
        };
        CourtesyReply { kind, text: wording().courtesy(name).to_owned() }
    }
}
