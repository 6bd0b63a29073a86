//! What messages and drafts are screened with, as editors write it: checks for drafts, the lexicon of emotions, named groups
//! of words and variants of writing. Where a corpus has none of its own, the built-in files apply, which are the same files
//! that the starter corpus has.

use serde::{Deserialize, Serialize};

use super::entry::{Channel, Source, vocabulary};
use super::yaml::{self, Fields, Node, Value};
use super::{Corpus, Problem};
use crate::pattern::{Evasions, Groups, Pattern};

/// Most patterns of one check or emotion.
const MAX_PATTERNS: usize = 1_000;
const GROUPS: &str = include_str!("../../corpus/dict/groups.yaml");
const EVASIONS: &str = include_str!("../../corpus/dict/evasions.txt");
const EMOTION: &str = include_str!("../../corpus/dict/emotion.yaml");
const CHECKS: &[(&str, &str)] = &[
    ("check/blame.yaml", include_str!("../../corpus/check/blame.yaml")),
    ("check/credential.yaml", include_str!("../../corpus/check/credential.yaml")),
    ("check/evasion.yaml", include_str!("../../corpus/check/evasion.yaml")),
    ("check/insult.yaml", include_str!("../../corpus/check/insult.yaml")),
    ("check/medical-claim.yaml", include_str!("../../corpus/check/medical-claim.yaml")),
    ("check/off-platform.yaml", include_str!("../../corpus/check/off-platform.yaml")),
    ("check/over-promise.yaml", include_str!("../../corpus/check/over-promise.yaml")),
    ("check/superlative.yaml", include_str!("../../corpus/check/superlative.yaml")),
    ("check/vague.yaml", include_str!("../../corpus/check/vague.yaml")),
];

/// Everything that screens texts.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Screening {
    /// Checks for drafts, by id.
    pub checks: Vec<Check>,
    /// Signs of emotion.
    pub emotions: Emotions,
    /// Named lists of words for patterns.
    pub groups: Groups,
    /// Variants of writing.
    pub evasions: Evasions,
}

vocabulary! {
    /// What a draft must not do.
    CheckRule {
        /// Promises what the agent may not promise.
        OverPromise = "over_promise",
        /// Sends the customer away.
        Evasion = "evasion",
        /// Says something vague where a fact is due.
        Vague = "vague",
        /// Superlatives that advertising law forbids.
        Superlative = "superlative",
        /// Leads the customer off the platform.
        OffPlatform = "off_platform",
        /// Asks for passwords or codes.
        Credential = "credential",
        /// Blames the customer.
        Blame = "blame",
        /// Claims that a product heals.
        MedicalClaim = "medical_claim",
        /// Insults the customer.
        Insult = "insult",
    }
}

vocabulary! {
    /// What is done with a draft that breaks a rule; the later the stronger.
    CheckSeverity {
        /// The agent is told.
        Warn = "warn",
        /// It is not sent.
        Block = "block",
    }
}

/// One check for drafts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Check {
    /// Unique over all checks.
    pub id: String,
    /// The rule it belongs to.
    pub rule: CheckRule,
    /// What is done with the draft.
    pub severity: CheckSeverity,
    /// Channels it is for; empty for all.
    pub channels: Vec<Channel>,
    /// What must not be written.
    pub patterns: Vec<String>,
    /// What makes it harmless where the two overlap.
    pub unless: Vec<String>,
    /// True if a negation before it makes it harmless.
    pub negatable: bool,
    /// Why it is a fault.
    pub reason: String,
    /// What may be said instead.
    pub replacement: String,
    /// Where it is written.
    pub source: Source,
}

vocabulary! {
    /// What a customer feels.
    Emotion {
        /// Nothing in particular.
        Neutral = "neutral",
        /// Gratitude.
        Thanks = "thanks",
        /// Disappointment.
        Disappointed = "disappointed",
        /// Worry, or no more patience.
        Anxious = "anxious",
        /// Anger.
        Angry = "angry",
        /// Threatens to complain, to sue or to tell the public.
        ThreatComplaint = "threat_complaint",
    }
}

/// The lexicon of emotions.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Emotions {
    /// Words that turn a sign into nothing where they stand before it.
    pub negators: Vec<String>,
    /// Signs.
    pub signs: Vec<EmotionSigns>,
}

/// Signs of one emotion of one strength.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct EmotionSigns {
    /// The emotion.
    pub label: Emotion,
    /// From 1 (a hint) to 3 (plain).
    pub strength: u8,
    /// Patterns.
    pub words: Vec<String>,
    /// Emoji and other symbols.
    pub symbols: Vec<String>,
    /// What makes a sign harmless where the two overlap.
    pub unless: Vec<String>,
}

/// What of a corpus' own screening was found; the rest is built in.
#[derive(Debug, Default)]
pub struct Found {
    checks: bool,
    emotions: bool,
    evasions: bool,
}

impl Screening {
    /// The built-in screening.
    ///
    /// # Panics
    /// Never: a test reads the built-in files.
    pub fn built_in() -> Self {
        let mut corpus = Corpus::default();
        let mut problems = Vec::new();
        fill_in(&mut corpus, &mut problems);
        check_patterns(&corpus, &mut problems);
        assert!(problems.is_empty(), "the built-in screening is valid: {problems:?}");
        corpus.screening
    }
}

/// Parses a file of `check/`.
pub(super) fn parse_check(path: &str, text: &str, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    corpus.found.checks = true;
    let Some(node) = document(path, text, problems) else { return };
    let Some(mut top) = open(path, &node, "check", problems) else { return };
    let before = problems.len();
    let rule = top.choice("rule", CheckRule::NAMES, CheckRule::parse, problems);
    if rule.is_none() && problems.len() == before {
        top.missing("rule", &format!("use one of {}", CheckRule::NAMES.join(", ")), problems);
    }
    let negatable = match top.take("negatable") {
        None => true,
        Some(Node { value: Value::Other(text, _), .. }) if text == "true" || text == "false" => text == "true",
        Some(node) => {
            let fix = "write `negatable: false`, or leave it out";
            problems.push(Problem::error(path, node.line, "negatable", "is not true or false", fix));
            true
        }
    };
    let unless = top.texts("unless", problems);
    let items = top.list("checks", problems);
    if items.is_empty() {
        top.missing("checks", "write a list of checks, each beginning with `- id: …`", problems);
    }
    top.finish(problems);
    for item in items {
        let Some(mut fields) = Fields::open(path, "", item, problems) else { continue };
        let (id, _) = fields.required_text("id", "write a unique id such as `promise-refund`", problems);
        let before = problems.len();
        let severity = fields.choice("severity", CheckSeverity::NAMES, CheckSeverity::parse, problems);
        if severity.is_none() && problems.len() == before {
            fields.missing("severity", "write block or warn", problems);
        }
        let patterns = patterns(&mut fields, "patterns", problems);
        if patterns.is_empty() {
            fields.missing("patterns", "write what must not be said", problems);
        }
        let mut own_unless = fields.texts("unless", problems);
        own_unless.extend(unless.iter().cloned());
        let check = Check {
            id,
            rule: rule.unwrap_or(CheckRule::Vague),
            severity: severity.unwrap_or(CheckSeverity::Warn),
            channels: fields.choices("channels", Channel::NAMES, Channel::parse, problems),
            patterns,
            unless: own_unless,
            negatable,
            reason: fields.required_text("reason", "write why it is a fault", problems).0,
            replacement: fields.required_text("replacement", "write what may be said instead", problems).0,
            source: Source { file: path.to_owned(), line: fields.line, version: None },
        };
        fields.finish(problems);
        corpus.screening.checks.push(check);
    }
}

/// Parses `dict/groups.yaml`.
pub(super) fn parse_groups(path: &str, text: &str, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    let Some(node) = document(path, text, problems) else { return };
    let Some(mut top) = open(path, &node, "groups", problems) else { return };
    if let Some(node) = top.take("groups")
        && let Some(fields) = Fields::open(path, "groups", node, problems)
    {
        for (name, node) in fields.all() {
            let words: Vec<String> = match &node.value {
                Value::List(items) => items
                    .iter()
                    .filter_map(|item| if let Value::Text(text) = &item.value { Some(text.trim().to_owned()) } else { None })
                    .collect(),
                _ => Vec::new(),
            };
            let complete = matches!(&node.value, Value::List(items) if items.len() == words.len());
            if words.is_empty() || !complete || words.iter().any(|word| word.contains(['(', '<', '…', '|', '?'])) {
                let fix = "write a list of plain words, numbers in quotation marks";
                problems.push(Problem::error(path, node.line, &format!("groups.{name}"), "is not a list of words", fix));
            }
            // Groups that a corpus does not define keep their built-in words.
            corpus.screening.groups.entry(name.clone()).or_insert(words);
        }
    }
    top.finish(problems);
}

/// Parses `dict/evasions.txt`.
pub(super) fn parse_evasions(path: &str, text: &str, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    corpus.found.evasions = true;
    let (evasions, faults) = Evasions::parse(text);
    corpus.screening.evasions = evasions;
    let fix = "write `微信=薇信,vx`";
    problems.extend(faults.into_iter().map(|(line, what)| Problem::error(path, line, "-", what, fix)));
}

/// Parses `dict/emotion.yaml`.
pub(super) fn parse_emotions(path: &str, text: &str, corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    corpus.found.emotions = true;
    let Some(node) = document(path, text, problems) else { return };
    let Some(mut top) = open(path, &node, "emotion", problems) else { return };
    corpus.screening.emotions.negators = top.texts("negators", problems);
    let items = top.list("signs", problems);
    top.finish(problems);
    for item in items {
        let Some(mut fields) = Fields::open(path, "signs", item, problems) else { continue };
        let label = fields.choice("label", Emotion::NAMES, Emotion::parse, problems);
        let strength = fields.integer("strength", 1..=3, problems);
        if label.is_none() || strength.is_none() {
            fields.missing("label", "write `label` and `strength` (1 to 3)", problems);
        }
        let signs = EmotionSigns {
            label: label.unwrap_or(Emotion::Neutral),
            strength: strength.unwrap_or(1) as u8,
            words: patterns(&mut fields, "words", problems),
            symbols: fields.texts("symbols", problems),
            unless: fields.texts("unless", problems),
        };
        fields.finish(problems);
        corpus.screening.emotions.signs.push(signs);
    }
}

/// Takes the built-in files for whatever the corpus does not have.
pub(super) fn fill_in(corpus: &mut Corpus, problems: &mut Vec<Problem>) {
    if !corpus.found.checks {
        CHECKS.iter().for_each(|(path, text)| parse_check(path, text, corpus, problems));
    }
    parse_groups("dict/groups.yaml", GROUPS, corpus, problems);
    if !corpus.found.evasions {
        parse_evasions("dict/evasions.txt", EVASIONS, corpus, problems);
    }
    if !corpus.found.emotions {
        parse_emotions("dict/emotion.yaml", EMOTION, corpus, problems);
    }
    corpus.screening.checks.sort_by(|a, b| (&a.id, &a.source.file, a.source.line).cmp(&(&b.id, &b.source.file, b.source.line)));
}

/// Reports patterns that do not compile, and checks with the same id.
pub(super) fn check_patterns(corpus: &Corpus, problems: &mut Vec<Problem>) {
    let screening = &corpus.screening;
    let mut compile = |file: &str, line: usize, field: &str, texts: &[String]| {
        for text in texts {
            if let Err(fault) = Pattern::parse(text, &screening.groups) {
                let fix = "see “patterns” in the corpus documentation";
                problems.push(Problem::error(file, line, field, format!("“{text}” {fault}"), fix));
            }
        }
    };
    for check in &screening.checks {
        compile(&check.source.file, check.source.line, "patterns", &check.patterns);
        compile(&check.source.file, check.source.line, "unless", &check.unless);
    }
    for signs in &screening.emotions.signs {
        compile("dict/emotion.yaml", 1, "signs.words", &signs.words);
        compile("dict/emotion.yaml", 1, "signs.unless", &signs.unless);
    }
    compile("dict/emotion.yaml", 1, "negators", &screening.emotions.negators);
    for entry in &corpus.entries {
        let super::EntryBody::Risk(risk) = &entry.body else { continue };
        compile(&entry.source.file, entry.source.line, "triggers.words", &risk.triggers.words);
        compile(&entry.source.file, entry.source.line, "triggers.unless", &risk.triggers.unless);
    }
    for pair in screening.checks.windows(2) {
        if pair[0].id == pair[1].id {
            let what = format!("“{}” is already used at {}:{}", pair[1].id, pair[0].source.file, pair[0].source.line);
            let (file, line) = (&pair[1].source.file, pair[1].source.line);
            problems.push(Problem::error(file, line, "id", what, "give every check its own id"));
        }
    }
}

fn document(path: &str, text: &str, problems: &mut Vec<Problem>) -> Option<Node> {
    yaml::parse(path, text, 1).map_err(|problem| problems.push(problem)).ok()
}

fn open<'a>(path: &'a str, node: &'a Node, kind: &str, problems: &mut Vec<Problem>) -> Option<Fields<'a>> {
    let mut top = Fields::open(path, "", node, problems)?;
    match top.text("kind", problems) {
        Some((found, _)) if found == kind => {}
        _ => top.missing("kind", &format!("write `kind: {kind}`"), problems),
    }
    Some(top)
}

fn patterns(fields: &mut Fields, key: &'static str, problems: &mut Vec<Problem>) -> Vec<String> {
    let texts = fields.texts(key, problems);
    if texts.len() > MAX_PATTERNS {
        let what = format!("has {} patterns", texts.len());
        problems.push(Problem::error(fields.file, fields.line, key, what, format!("keep {MAX_PATTERNS} at most")));
    }
    texts
}
