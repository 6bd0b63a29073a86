//! Building a reply: greeting, empathy and form of address, the answer with its steps, and the close, in the tone and within
//! the length of its channel. What a channel wants is data in `wording.toml`; a reply is never longer than its channel
//! allows, and never shows a placeholder.

use serde::{Deserialize, Serialize};

use super::wording::{ChannelRules, wording};
use super::{Context, Renderer};
use crate::corpus::{Answer, Channel, Entry, Manual};

/// How the customer feels, as far as it changes the reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// Nothing to say about.
    #[default]
    Neutral,
    /// Angry.
    Angry,
    /// In a hurry or worried.
    Anxious,
    /// Let down.
    Disappointed,
    /// Announces a complaint.
    ThreatComplaint,
    /// Grateful.
    Thanks,
}

impl Mood {
    fn key(self) -> &'static str {
        match self {
            Mood::Neutral => "neutral",
            Mood::Angry => "angry",
            Mood::Anxious => "anxious",
            Mood::Disappointed => "disappointed",
            Mood::ThreatComplaint => "threat_complaint",
            Mood::Thanks => "thanks",
        }
    }
}

/// What a reply depends on besides its answer.
#[derive(Debug, Clone, Copy)]
pub struct Tone<'a> {
    /// Channel and customer.
    pub context: &'a Context,
    /// How the customer feels.
    pub mood: Mood,
    /// True if somebody has answered in this conversation before: then nobody greets again.
    pub ongoing: bool,
    /// The shop's local hour, from 0 to 23.
    pub hour: i8,
}

/// The greetings an answer may begin with.
const GREETINGS: &[&str] = &["您好，", "您好！", "您好。", "您好,"];
/// How much of an answer is its beginning, in characters.
const BEGINNING: usize = 60;

/// The longest reply on `channel`, in characters; without a channel, that of online chat.
pub fn max_chars(channel: Option<Channel>) -> usize {
    rules(channel).max_chars
}

fn rules(channel: Option<Channel>) -> &'static ChannelRules {
    let name = channel.unwrap_or(Channel::Im).as_str();
    &wording().channels[name]
}

/// Builds the reply around `answer`; at most [`max_chars`] characters.
pub fn compose(answer: &str, tone: &Tone, renderer: &Renderer) -> String {
    let rules = rules(tone.context.channel);
    let answer = unbraced(answer.trim());
    if answer.is_empty() {
        return String::new();
    }
    let (greeted, body) = match GREETINGS.iter().find_map(|greeting| answer.strip_prefix(greeting)) {
        Some(body) if !body.trim().is_empty() => (true, body.trim_start()),
        _ => (false, answer.as_str()),
    };
    let mut head = opening(rules, tone, greeted);
    if rules.empathy
        && let Some(phrase) = wording().moods.phrases.get(tone.mood.key())
    {
        let beginning: String = body.chars().take(BEGINNING).collect();
        if !wording().moods.said.iter().any(|said| beginning.contains(said.as_str())) {
            head.push_str(phrase);
        }
    }
    let body = if rules.spoken { unbraced(&spoken(body)) } else { body.to_owned() };
    let closing = if rules.closing.is_empty() { String::new() } else { renderer.render(&rules.closing, &Context::default()).text };
    let gap = match (closing.is_empty(), rules.spoken) {
        (true, _) | (false, true) => "",
        (false, false) => "\n\n",
    };
    let around = count(&head) + count(gap) + count(&closing);
    if around + 20 > rules.max_chars {
        return shorten(&body, rules.max_chars);
    }
    format!("{head}{}{gap}{closing}", shorten(&body, rules.max_chars - around))
}

fn opening(rules: &ChannelRules, tone: &Tone, greeted: bool) -> String {
    if !rules.salutation.is_empty() {
        return rules.salutation.replace("{address}", &address(tone.context));
    }
    if tone.ongoing || !greeted {
        return String::new();
    }
    let greeting = if rules.daytime {
        let fits = |daytime: &&super::wording::Daytime| daytime.from <= tone.hour;
        wording().daytime.iter().rev().find(fits).map_or("您好", |daytime| daytime.greeting.as_str())
    } else {
        "您好"
    };
    match tier(tone.context).filter(|_| rules.tier) {
        Some(tier) => format!("{tier}，{greeting}，"),
        None => format!("{greeting}，"),
    }
}

fn tier(context: &Context) -> Option<&'static str> {
    let tier = context.customer.as_ref()?.tier?;
    wording().tiers.get(tier.as_str()).map(String::as_str)
}

/// How a letter addresses the customer.
fn address(context: &Context) -> String {
    const LONGEST_NAME: usize = 20;
    let name = context.customer.as_ref().and_then(|customer| customer.name.as_deref()).map(|name| unbraced(name.trim()));
    let name = name.filter(|name| !name.is_empty() && count(name) <= LONGEST_NAME && !name.contains('\n'));
    let tier = tier(context).unwrap_or("尊敬的");
    match (name, tier) {
        (Some(name), tier) => format!("{tier}{name}"),
        (None, "尊敬的") => "尊敬的顾客".to_owned(),
        (None, tier) => tier.to_owned(),
    }
}

/// A passage of a manual, word for word, with where it stands.
pub fn quote(entry: &Entry, manual: &Manual, section: usize) -> String {
    let section = &manual.sections[section];
    // The first heading is the manual's title.
    let path = if section.path.len() > 1 { &section.path[1..] } else { &section.path[..] };
    let head = wording()
        .quote
        .replace("{title}", &entry.title)
        .replace("{version}", &manual.version)
        .replace("{section}", &path.join(" > "));
    format!("{head}{}", section.text)
}

/// An answer filled in, and the variables it lacked. With unknown variables the text is correct without them: the entry's
/// other answers that need none are tried (its fallback first), then the answer without the sentences that need one.
pub fn fill(answers: &[Answer], chosen: &Answer, renderer: &Renderer, context: &Context) -> (String, Vec<String>) {
    let rendered = renderer.render(&chosen.text, context);
    if rendered.missing.is_empty() {
        return (rendered.text, Vec::new());
    }
    let fallback = answers.iter().filter(|answer| answer.when.is_none()).find_map(|answer| {
        let rendered = renderer.render(&answer.text, context);
        (rendered.missing.is_empty() && !rendered.text.is_empty()).then_some(rendered.text)
    });
    let text = fallback.or_else(|| without_unknown(&chosen.text, renderer, context));
    (text.unwrap_or_else(|| wording().pending.clone()), rendered.missing)
}

/// Fills in `template` without the sentences that need an unknown variable; `None` if too little is left to be a reply.
fn without_unknown(template: &str, renderer: &Renderer, context: &Context) -> Option<String> {
    const FEWEST: usize = 12;
    // A block may span sentences; taking one out would break it.
    if template.contains("{%") {
        return None;
    }
    let kept: String = template
        .split_inclusive(['。', '！', '？', '\n'])
        .map(|sentence| renderer.render(sentence, context).text + if sentence.ends_with('\n') { "\n" } else { "" })
        .collect();
    let kept = kept.trim().to_owned();
    (count(&kept) >= FEWEST).then_some(kept)
}

/// `text` as it is, cut to what `channel` allows and without anything that looks like a placeholder.
pub fn fit(text: &str, channel: Option<Channel>) -> String {
    shorten(&unbraced(text), max_chars(channel))
}

/// Several answers to several questions as one text.
pub fn join(answers: &[String]) -> String {
    const NUMERALS: [&str; 3] = ["一", "二", "三"];
    const COUNTS: [&str; 4] = ["", "一", "两", "三"];
    if let [only] = answers {
        return only.clone();
    }
    let head = wording().first_of_two.replace("{count}", COUNTS.get(answers.len()).copied().unwrap_or("几"));
    let bodies = answers.iter().enumerate().map(|(at, answer)| {
        let body = GREETINGS.iter().find_map(|greeting| answer.strip_prefix(greeting)).unwrap_or(answer);
        format!("{}、{body}", NUMERALS.get(at).copied().unwrap_or("又"))
    });
    std::iter::once(head).chain(bodies).collect::<Vec<_>>().join("\n")
}

/// Shortens `text` to `limit` characters, at the end of a sentence if there is one in the second half.
fn shorten(text: &str, limit: usize) -> String {
    if count(text) <= limit {
        return text.to_owned();
    }
    let note = &wording().excerpt;
    let room = limit.saturating_sub(count(note));
    let head: Vec<char> = text.chars().take(room).collect();
    let end = head.iter().rposition(|c| matches!(c, '。' | '！' | '？' | '\n')).map(|at| at + 1).filter(|end| *end > room / 2);
    let cut: String = head[..end.unwrap_or(head.len())].iter().collect();
    let out = format!("{}{note}", cut.trim_end());
    out.chars().take(limit).collect()
}

/// Written text as it is said: no buttons, no lists, no marks.
fn spoken(text: &str) -> String {
    let rules = &wording().spoken;
    let mut out = String::new();
    let mut number = 0;
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        if line.chars().all(|c| matches!(c, '|' | '-' | ':' | ' ')) {
            continue;
        }
        let line = line.trim_start_matches(['-', '*', '>', '•', ' ']);
        let digits = line.chars().take_while(char::is_ascii_digit).count();
        let rest = line[digits..].strip_prefix(". ").or_else(|| line[digits..].strip_prefix("、")).filter(|_| digits > 0);
        match rest {
            Some(rest) => {
                out.push_str(rules.ordinals.get(number).map_or("然后，", String::as_str));
                number += 1;
                out.push_str(rest);
            }
            None => out.push_str(line),
        }
        if !out.ends_with(['。', '！', '？', '；', '，', '：']) {
            out.push('。');
        }
    }
    let chars: Vec<char> = out.chars().collect();
    let mut dashed = String::with_capacity(out.len());
    for (at, c) in chars.iter().enumerate() {
        if *c == '>' {
            dashed.push('，');
            continue;
        }
        if !matches!(c, '—' | '–') {
            dashed.push(*c);
            continue;
        }
        let near = |offset: isize| at.checked_add_signed(offset).and_then(|at| chars.get(at)).copied().unwrap_or(' ');
        if matches!(near(-1), '—' | '–') {
            continue;
        }
        dashed.push_str(if near(-1).is_ascii_digit() { &rules.between_digits } else { &rules.path });
    }
    for (written, said) in &rules.replace {
        dashed = dashed.replace(written.as_str(), said);
    }
    for (doubled, single) in [
        (" ，", "，"),
        ("， ", "，"),
        ("，，", "，"),
        ("，。", "。"),
        ("。。", "。"),
        ("，：", "："),
        ("，；", "；"),
        ("。，", "。"),
    ] {
        while dashed.contains(doubled) {
            dashed = dashed.replace(doubled, single);
        }
    }
    dashed.trim_matches('，').to_owned()
}

/// Without anything that looks like a placeholder; a customer's name may hold braces.
fn unbraced(text: &str) -> String {
    const MARKS: [&str; 6] = ["{{", "}}", "{%", "%}", "{#", "#}"];
    let mut out = text.to_owned();
    // Taking one mark out may bring the halves of another together.
    while let Some(mark) = MARKS.iter().find(|mark| out.contains(**mark)) {
        out = out.replace(mark, "");
    }
    out
}

fn count(text: &str) -> usize {
    text.chars().count()
}
