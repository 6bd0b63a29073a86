//! What became of an entry that a search was expected to find, in numbers and in one sentence. The finding out is `query`'s;
//! this room adds the thresholds in force and the words.

use serde::Serialize;

use super::Service;
use crate::corpus::{Date, Entry};
use crate::error::Result;
use crate::generation::Generation;
use crate::query::{self, ChannelStanding, Diagnosis, Query, Refusal, Stage, Thresholds, Understood};

/// Features that a sentence names.
const NAMED: usize = 3;

/// A diagnosis with its sentence.
#[derive(Debug, Clone, Serialize)]
pub struct DiagnosisReport {
    /// The stage and what it decided on, for people.
    pub summary: String,
    /// The numbers.
    #[serde(flatten)]
    pub diagnosis: Diagnosis,
}

impl Service {
    /// Finds out what becomes of the entry `id` in a search.
    ///
    /// # Errors
    /// [`crate::Error::NotFound`] if there is no such entry.
    pub(super) fn diagnose(
        &self,
        generation: &Generation,
        understood: &Understood,
        query: &Query,
        id: &str,
        score_threshold: f32,
    ) -> Result<DiagnosisReport> {
        let decision = &self.config.decision;
        let answer_from = self.ranker.threshold(decision.answer_precision);
        let thresholds = Thresholds {
            score_threshold,
            answerable: self.ranker.answerable_from(decision.answerable_share),
            suggest_confidence: decision.suggest_confidence,
            answer_confidence: answer_from.is_finite().then_some(answer_from),
            answer_precision: decision.answer_precision,
        };
        let diagnosis = query::diagnose(generation, &self.ranker, understood, query, id, thresholds)?;
        let summary = match generation.entry(id) {
            Some(entry) => summary(&diagnosis, entry, query),
            None => String::new(),
        };
        Ok(DiagnosisReport { summary, diagnosis })
    }
}

fn summary(found: &Diagnosis, entry: &Entry, query: &Query) -> String {
    let confidence = found.confidence.unwrap_or(0.0);
    let Some(stage) = found.stage else {
        return format!("not lost: it is first with confidence {confidence:.3} and would be answered directly");
    };
    let what = match stage {
        Stage::Filter | Stage::Validity => {
            found.refused_by.iter().map(|refusal| refused(*refusal, entry, query)).collect::<Vec<_>>().join("; ")
        }
        Stage::Analysis => {
            let unknown = match found.shared.unknown_words.as_slice() {
                [] => String::new(),
                words => format!("; no text of the corpus has {}", words.join(", ")),
            };
            format!("the query has no token in common with it, and no text of it is near in meaning{unknown}")
        }
        Stage::CandidatePool => found.pools.iter().map(standing).collect::<Vec<_>>().join("; "),
        Stage::Negative => found.negative.as_ref().map_or_else(String::new, |negative| {
            format!(
                "the query is nearer to its negative phrasing “{}” (cosine {:.3}) than to its own ({:.3}), which costs {:.3}; \
                 without that it would be first",
                negative.text, negative.cosine, negative.own_cosine, -negative.contribution
            )
        }),
        Stage::Fusion => outranked(found),
        Stage::CrossEncoder => format!("the ranker had it first, the cross-encoder did not: {}", outranked(found)),
        Stage::Threshold => below(found, confidence),
    };
    format!("lost at {}: {what}", stage.as_str())
}

/// What a condition says of an entry.
fn refused(refusal: Refusal, entry: &Entry, query: &Query) -> String {
    let day = |date: Option<Date>| date.map_or_else(String::new, |date| date.to_string());
    let list = |values: &[String]| if values.is_empty() { "none".to_owned() } else { values.join(", ") };
    let filters = &query.filters;
    match refusal {
        Refusal::Status => format!("its status is `{}`; only published entries are searched", entry.status.as_str()),
        Refusal::Kinds => {
            let kinds: Vec<&str> = filters.kinds.iter().map(|kind| kind.as_str()).collect();
            format!("its kind is `{}`, the request asks for {}", entry.kind().as_str(), kinds.join(", "))
        }
        Refusal::Products => {
            format!("it is for the products {}, the request asks for {}", list(&entry.products), list(&filters.products))
        }
        Refusal::Channels => {
            let names = |channels: &[crate::corpus::Channel]| channels.iter().map(|c| c.as_str()).collect::<Vec<_>>().join(", ");
            format!("it is for the channels {}, the request asks for {}", names(&entry.channels), names(&filters.channels))
        }
        Refusal::Tags => format!("its tags are {}, the request asks for {}", list(&entry.tags), list(&filters.tags)),
        Refusal::Only => "it is not among the ids that may be found".to_owned(),
        Refusal::ValidFrom => format!("it is valid from {}, the search is for {}", day(entry.valid_from), query.as_of),
        Refusal::ValidUntil => format!("it was valid until {}, the search is for {}", day(entry.valid_until), query.as_of),
    }
}

fn standing(channel: &ChannelStanding) -> String {
    let ChannelStanding { channel: name, size, cut, rank, score, .. } = channel;
    match (rank, score) {
        (Some(rank), Some(score)) => {
            let cut = cut.map_or_else(|| "all are kept".to_owned(), |cut| format!("the cut is {cut:.3} at {size}"));
            format!("{name}: place {rank} with {score:.3}, {cut}")
        }
        _ => format!("{name}: no text of it matches"),
    }
}

fn outranked(found: &Diagnosis) -> String {
    let place = found.rank.unwrap_or(0);
    let own = found.ranking_score.unwrap_or(0.0);
    let rivals = found.outranked_by.iter().map(|rival| {
        let reasons: Vec<String> = rival
            .differences
            .iter()
            .filter(|difference| difference.difference > 0.0)
            .take(NAMED)
            .map(|difference| {
                format!(
                    "{} {:.3} to {:.3} ({:+.3})",
                    difference.name, difference.rival_value, difference.value, difference.difference
                )
            })
            .collect();
        format!("{} at place {} has {:.3}: {}", rival.entry_id, rival.rank, rival.ranking_score, reasons.join(", "))
    });
    format!("place {place} with ranking score {own:.3}; {}", rivals.collect::<Vec<_>>().join("; "))
}

fn below(found: &Diagnosis, confidence: f32) -> String {
    let Thresholds { score_threshold, answerable, suggest_confidence, answer_confidence, answer_precision } = found.thresholds;
    let (score, probability) = (found.score.unwrap_or(0.0), found.answerable.unwrap_or(0.0));
    let promise = format!("the promised precision of {answer_precision}");
    match answer_confidence {
        _ if score < score_threshold => {
            format!("it is first, but its score {score:.3} is below the request's score_threshold {score_threshold:.3}")
        }
        _ if probability < answerable => format!(
            "it is first, but the probability {probability:.3} that there is an answer at all is below the {answerable:.3} that \
             decision.answerable_share asks for: no match"
        ),
        _ if confidence < suggest_confidence => {
            format!(
                "it is first, but its confidence {confidence:.3} is below decision.suggest_confidence {suggest_confidence:.3}: no match"
            )
        }
        Some(needed) => {
            format!(
                "it is first, but its confidence {confidence:.3} is below the {needed:.3} that keep {promise}: suggested, not answered"
            )
        }
        None => format!("it is first with confidence {confidence:.3}, but no confidence keeps {promise}: suggested, not answered"),
    }
}
