//! Patterns that belong to rules, with the exceptions that make them harmless.

use super::{Groups, Hit, Pattern, PatternSet, Reading};

/// Matches with their rules, by place.
pub type RuleHits = Vec<(u32, Hit)>;

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
    pub fn find(&self, reading: &Reading) -> RuleHits {
        self.find_with_exceptions(reading).0
    }

    /// The same, and every exception with its rule: what it covers is harmless for that rule, however it was noticed.
    pub fn find_with_exceptions(&self, reading: &Reading) -> (RuleHits, RuleHits) {
        let owned = |owners: &[u32], hits: Vec<Hit>| -> RuleHits {
            hits.into_iter().map(|hit| (owners[hit.pattern as usize], hit)).collect()
        };
        let exceptions = owned(&self.exception_owners, self.exceptions.find(reading));
        let mut hits = owned(&self.owners, self.patterns.find(reading));
        hits.retain(|(rule, hit)| !exceptions.iter().any(|(owner, other)| owner == rule && other.overlaps(hit)));
        (hits, exceptions)
    }
}
