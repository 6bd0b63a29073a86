//! What a shop adds to the analyser: its own words, synonyms and stop words, as plain text files.
//! Parsing is pure; reading the files is the corpus reader's business.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::normalise;

/// The shop's words. All of them are stored normalised.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dictionaries {
    /// Words the segmenter must know, with an optional frequency.
    pub words: BTreeMap<String, Option<usize>>,
    /// Groups of words of one meaning; the first is the standard one.
    pub synonyms: Vec<Vec<String>>,
    /// Words that carry no evidence.
    pub stop_words: BTreeSet<String>,
}

/// A line of a dictionary file that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DictionaryProblem {
    /// Line number, from 1.
    pub line: usize,
    /// What is wrong.
    pub what: String,
    /// What would be right.
    pub fix: String,
}

impl Dictionaries {
    /// Reads `word [frequency]` lines into the user dictionary.
    pub fn add_words(&mut self, text: &str) -> Vec<DictionaryProblem> {
        each_line(text, |line, content, problems| {
            let mut fields = content.split_whitespace();
            let word = normalise(fields.next().unwrap_or_default());
            let frequency = fields.next().map(str::parse::<usize>);
            match (word.chars().count(), frequency) {
                (0..=1, _) => problems.push(problem(line, "a word needs two characters or more", "remove the line")),
                (_, Some(Err(_))) => {
                    problems.push(problem(line, "the frequency is not a whole number", "write `word` or `word 1000`"))
                }
                (_, frequency) => {
                    self.words.insert(word, frequency.and_then(|parsed| parsed.ok()));
                }
            }
        })
    }

    /// Reads comma-separated groups of synonyms, one a line.
    pub fn add_synonyms(&mut self, text: &str) -> Vec<DictionaryProblem> {
        each_line(text, |line, content, problems| {
            let mut group: Vec<String> = Vec::new();
            for word in content.split([',', '，']).map(normalise).filter(|word| !word.is_empty()) {
                if !group.contains(&word) {
                    group.push(word);
                }
            }
            if group.len() < 2 {
                problems.push(problem(line, "a group needs two different words or more", "write `退款,退钱,返款`"));
            } else {
                self.synonyms.push(group);
            }
        })
    }

    /// Reads stop words, one a line.
    pub fn add_stop_words(&mut self, text: &str) -> Vec<DictionaryProblem> {
        each_line(text, |line, content, problems| {
            if content.contains(char::is_whitespace) {
                problems.push(problem(line, "more than one word on the line", "write one word a line"));
            } else {
                self.stop_words.insert(normalise(content));
            }
        })
    }
}

fn problem(line: usize, what: &str, fix: &str) -> DictionaryProblem {
    DictionaryProblem { line, what: what.to_owned(), fix: fix.to_owned() }
}

fn each_line(text: &str, mut read: impl FnMut(usize, &str, &mut Vec<DictionaryProblem>)) -> Vec<DictionaryProblem> {
    let mut problems = Vec::new();
    for (index, line) in text.lines().enumerate() {
        let content = line.trim();
        if !content.is_empty() && !content.starts_with('#') {
            read(index + 1, content, &mut problems);
        }
    }
    problems
}
