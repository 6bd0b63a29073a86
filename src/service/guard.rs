//! What must be known before any answer: whether the conversation carries a risk, and how the customer feels. This is the one
//! place where the decision learns of either.

use super::{Message, Role, risk};
use crate::corpus::Emotion;
use crate::emotion::EmotionReading;
use crate::error::Result;
use crate::generation::Generation;
use crate::reply::Mood;
use crate::risk::RiskAssessment;

/// The judgement on a conversation.
#[derive(Debug, Clone, Default)]
pub(super) struct Assessment {
    /// The rules raised, gravest first.
    pub risk: RiskAssessment,
    /// What the customer feels; spans count characters of what was said since the last answer.
    pub emotion: EmotionReading,
}

impl Assessment {
    /// How the customer feels, for the wording of a reply.
    pub fn mood(&self) -> Mood {
        match self.emotion.label {
            Emotion::Angry => Mood::Angry,
            Emotion::Anxious => Mood::Anxious,
            Emotion::Disappointed => Mood::Disappointed,
            Emotion::ThreatComplaint => Mood::ThreatComplaint,
            Emotion::Thanks => Mood::Thanks,
            Emotion::Neutral => Mood::Neutral,
        }
    }
}

/// Judges what the customer has written, above all since the last answer.
///
/// # Errors
/// If the index cannot be read.
pub(super) fn assess(generation: &Generation, messages: &[Message]) -> Result<Assessment> {
    let mut said: Vec<&str> = messages
        .iter()
        .rev()
        .skip_while(|message| message.role != Role::Customer)
        .take_while(|message| matches!(message.role, Role::Customer | Role::System))
        .filter(|message| message.role == Role::Customer)
        .map(|message| message.text.trim())
        .collect();
    said.reverse();
    let said = said.join("\n");
    Ok(Assessment { risk: risk::assess(generation, messages, &said)?, emotion: generation.emotions.read(&said) })
}
