//! Patterns that belong to rules, with the exceptions that make them harmless.

use super::{Groups, Hit, Pattern, PatternSet, Reading};

/// Patterns and exceptions by rule; a rule is known by its number.
#[derive(Debug, Clone, Default)]
pub struct Rulebook {
    patterns: PatternSet,
    owners: Vec<u32>,
    exceptions: PatternSet,
    exception_owners: Vec<u32>,
}

impl Rulebook {
    /// Adds what speaks for `rule`, and what makes it harmless where the two overlap.
    ///
    /// # Errors
    /// The first pattern that does not compile, and why.
    pub fn add(&mut self, rule: u32, patterns: &[String], exceptions: &[String], groups: &Groups) -> Result<(), String> {
        let compile = |text: &String| Pattern::parse(text, groups).map_err(|fault| format!("the pattern “{text}” {fault}"));
        for text in patterns {
            self.patterns.push(compile(text)?);
            self.owners.push(rule);
        }
        for text in exceptions {
            self.exceptions.push(compile(text)?.longest());
            self.exception_owners.push(rule);
        }
        Ok(())
    }

    /// Every match that no exception of the same rule overlaps, with its rule, by place.
    pub fn find(&self, reading: &Reading) -> Vec<(u32, Hit)> {
        let exceptions = self.exceptions.find(reading);
        self.patterns
            .find(reading)
            .into_iter()
            .map(|hit| (self.owners[hit.pattern as usize], hit))
            .filter(|(rule, hit)| {
                !exceptions.iter().any(|other| self.exception_owners[other.pattern as usize] == *rule && other.overlaps(hit))
            })
            .collect()
    }
}
