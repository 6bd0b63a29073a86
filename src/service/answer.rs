//! `POST /v1/answer` and `yingda answer`: for a program without a person. One text that keeps the promised precision, or none,
//! with the reason and what to do next. It never invents: a text is always an entry's.

use super::suggest::Writer;
use super::{AnswerResponse, CourtesyReply, Next, NextAction, Reason, Service, SuggestRequest};
use crate::error::Result;
use crate::query::{Decision, Hit};
use crate::reply::{join, max_chars, wording};

/// Candidates that are compared.
const DEPTH: usize = 3;

impl Service {
    /// Answers a conversation, or says why not.
    ///
    /// # Errors
    /// As [`Service::suggest`].
    pub fn answer(&self, request: &SuggestRequest, request_id: &str) -> Result<AnswerResponse> {
        super::search::top_k(request.top_k, DEPTH)?;
        let generation = self.generation()?;
        let judged = self.judge(request, request_id, &generation, DEPTH, false)?;
        let writer = Writer::new(self, &generation, request, &judged);
        let mut response = AnswerResponse {
            request_id: request_id.to_owned(),
            conversation_id: request.conversation_id.clone(),
            generation: generation.id().to_owned(),
            question: judged.found.question.clone(),
            decision: judged.verdict.decision,
            confidence: judged.found.confidence,
            text: None,
            entry_ids: Vec::new(),
            sources: Vec::new(),
            related: Vec::new(),
            reason: judged.verdict.reason,
            next: None,
        };
        match judged.verdict.decision {
            Decision::Answer => {
                let hits: Vec<&Hit> = judged.found.hits.iter().take(judged.found.answers).collect();
                let texts: Vec<String> = hits.iter().map(|hit| writer.reply(hit).text).collect();
                let text = join(&texts);
                let channel = judged.conversation.context.channel;
                if texts.iter().any(String::is_empty) || text.chars().count() > max_chars(channel) {
                    // Two long answers do not fit into one message of this channel: a person may send two.
                    response.decision = Decision::Suggest;
                    response.reason = Some(Reason::Unsure);
                    response.next = Some(Next::say(NextAction::Handoff, wording().handoff("unsure")));
                    return Ok(response);
                }
                response.text = Some(text);
                response.sources = hits.iter().map(|hit| writer.place(hit)).collect();
                response.entry_ids = response.sources.iter().map(|source| source.entry_id.clone()).collect();
                response.related = hits.first().map(|hit| writer.related(hit)).unwrap_or_default();
            }
            Decision::Clarify => {
                if let Some(clarify) = judged.verdict.clarify {
                    let mut next = Next::say(NextAction::Clarify, &clarify.question);
                    next.options = clarify.options;
                    response.next = Some(next);
                }
            }
            Decision::Handoff => {
                let reason = judged.verdict.reason.map_or("unsure", Reason::as_str);
                response.next = Some(Next::say(NextAction::Handoff, wording().handoff(reason)));
            }
            Decision::Suggest => response.next = Some(Next::say(NextAction::Handoff, wording().handoff("unsure"))),
            Decision::NoMatch => {
                response.next = Some(match judged.conversation.reading.courtesy {
                    Some(courtesy) => Next::say(NextAction::Reply, &CourtesyReply::new(courtesy).text),
                    None => Next::say(NextAction::Rephrase, wording().no_match()),
                });
            }
        }
        Ok(response)
    }
}

impl Next {
    fn say(action: NextAction, text: &str) -> Self {
        Next { action, text: text.to_owned(), options: Vec::new() }
    }
}
