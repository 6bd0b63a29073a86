//! `POST /v1/suggest` and `yingda suggest`: from a conversation to replies an agent can send.

use super::search::{matched, named, source, title, top_k};
use super::{OptionText, ScriptSuggestion, Service, SuggestRequest, SuggestResponse, Suggestion, conversation, risk};
use crate::corpus::{EntryBody, Kind};
use crate::error::Result;
use crate::generation::Generation;
use crate::query::{self, ANSWERING_KINDS, Decision, Filters, Hit, Query};
use crate::reply::{Context, Renderer, Situation, choose_answer, choose_options, matches};
use crate::risk::{EmotionReading, RiskAssessment};

/// Suggestions if the request names no number.
const DEFAULT_TOP_K: usize = 3;
/// Script templates beside the suggestions.
const SCRIPTS: usize = 3;
/// Score below which a script template does not fit the situation.
const SCRIPT_FLOOR: f32 = 0.2;

impl Service {
    /// Suggests replies for a conversation.
    ///
    /// # Errors
    /// [`crate::Error::InvalidRequest`] where the request is out of its limits, [`crate::Error::NoGeneration`] while nothing
    /// is published.
    pub fn suggest(&self, request: &SuggestRequest, request_id: &str) -> Result<SuggestResponse> {
        let question = conversation::question(&request.messages)?;
        let top_k = top_k(request.top_k, DEFAULT_TOP_K)?;
        let generation = self.generation()?;
        let now = self.moment(request.as_of);
        let situation = Situation { context: &request.context, now, zone: &self.zone, shop: &generation.shop };
        let renderer = Renderer::new(&generation.shop, &self.zone);
        let understood = query::understand(&generation, &question)?;
        let find = |kinds: &[Kind], top_k: usize| {
            let filters = Filters {
                kinds: kinds.to_vec(),
                products: request.context.product.iter().filter_map(|product| product.id.clone()).collect(),
                channels: request.context.channel.into_iter().collect(),
                tags: Vec::new(),
            };
            let query = Query { filters, ..Query::new(&question, top_k, self.day(request.as_of)) };
            query::search_understood(&generation, &self.ranker, &understood, &query)
        };

        let answers = find(ANSWERING_KINDS, top_k)?;
        let floor = self.config.decision.suggest_confidence;
        let confidence = answers.hits.first().map_or(0.0, |hit| hit.confidence);
        let decision = if confidence >= self.config.decision.answer_precision {
            Decision::Answer
        } else if confidence >= floor {
            Decision::Suggest
        } else {
            Decision::NoMatch
        };
        let suggestions = answers
            .hits
            .iter()
            .enumerate()
            .map(|(rank, hit)| {
                let id = format!("{request_id}.{}", rank + 1);
                suggestion(&generation, &renderer, &situation, hit, id, request.explain)
            })
            .collect();
        let scripts = find(&[Kind::Script], SCRIPTS)?
            .hits
            .iter()
            .filter(|hit| hit.score >= SCRIPT_FLOOR)
            .filter_map(|hit| script(&generation, &renderer, &situation, hit))
            .collect();
        let assessment = risk::assess(&generation, &request.messages, &question)?;
        let mut response = SuggestResponse {
            request_id: request_id.to_owned(),
            generation: generation.id().to_owned(),
            question,
            decision,
            confidence,
            suggestions,
            scripts,
            risk: RiskAssessment::default(),
            emotion: EmotionReading::default(),
        };
        risk::apply(&mut response, &generation, &renderer, &situation, assessment, top_k);
        Ok(response)
    }
}

fn suggestion(
    generation: &Generation,
    renderer: &Renderer,
    situation: &Situation,
    hit: &Hit,
    suggestion_id: String,
    explain: bool,
) -> Suggestion {
    let target = &generation.targets[hit.target as usize];
    let entry = &generation.entries[target.entry as usize];
    let mut missing_variables = Vec::new();
    let mut options = Vec::new();
    let text = match (&entry.body, target.section) {
        (EntryBody::Faq(faq), _) => {
            for option in choose_options(&faq.options, situation) {
                let rendered = renderer.render(&option.text, situation.context);
                if rendered.missing.is_empty() {
                    options.push(OptionText { label: option.label.clone(), text: rendered.text });
                }
            }
            let chosen = choose_answer(&faq.answers, situation).map(|(_, answer)| renderer.render(&answer.text, situation.context));
            match chosen {
                Some(rendered) if rendered.missing.is_empty() => rendered.text,
                Some(rendered) => {
                    missing_variables = rendered.missing;
                    faq.answers.last().map(|answer| renderer.render(&answer.text, &Context::default()).text).unwrap_or_default()
                }
                None => String::new(),
            }
        }
        (EntryBody::Manual(manual), Some(number)) => manual.sections[number as usize].text.clone(),
        (EntryBody::Manual(_), None) => String::new(),
        (EntryBody::Script(script), _) => {
            let rendered = renderer.render(&script.text, situation.context);
            missing_variables = rendered.missing;
            rendered.text
        }
        (EntryBody::Risk(risk), _) => renderer.render(&risk.reply, situation.context).text,
    };
    Suggestion {
        suggestion_id,
        entry_id: entry.id.clone(),
        kind: entry.kind(),
        title: title(entry, target.section),
        text,
        confidence: hit.confidence,
        score: hit.score,
        keyword_score: hit.keyword_score,
        vector_score: hit.vector_score,
        matched: matched(generation, hit),
        missing_variables,
        options,
        sources: vec![source(entry, target.section)],
        related: entry.related.clone(),
        features: explain.then(|| named(&hit.features)),
    }
}

/// A script whose condition holds and whose variables are all known.
fn script(generation: &Generation, renderer: &Renderer, situation: &Situation, hit: &Hit) -> Option<ScriptSuggestion> {
    let entry = &generation.entries[generation.targets[hit.target as usize].entry as usize];
    let EntryBody::Script(script) = &entry.body else { return None };
    if let Some(when) = &script.when {
        matches(when, situation)?;
    }
    let rendered = renderer.render(&script.text, situation.context);
    rendered.missing.is_empty().then(|| ScriptSuggestion {
        entry_id: entry.id.clone(),
        scene: script.scene.clone(),
        step: script.step,
        text: rendered.text,
        score: hit.score,
    })
}
