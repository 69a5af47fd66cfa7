//! Findings: what is not as it should be. Every one is counted, the first few of each kind are listed.

use std::collections::BTreeMap;

use serde::Serialize;

/// What was looked at. Anything found under one of these ends the command with exit code 4.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Check {
    Column,
    Index,
    UnreadableState,
    StateWithoutRow,
    ErasedWithRow,
    Contradiction,
    StaleCatalog,
    ProfileWithoutSegments,
    UnreadableOutbox,
    NotOnTopic,
    OlderOnTopic,
    NewerOnTopic,
    OtherOnTopic,
    UnknownOnTopic,
    Difference,
}

impl Check {
    /// The stable name, as in the JSON report.
    pub fn code(self) -> &'static str {
        match self {
            Self::Column => "column",
            Self::Index => "index",
            Self::UnreadableState => "unreadable-state",
            Self::StateWithoutRow => "state-without-row",
            Self::ErasedWithRow => "erased-with-row",
            Self::Contradiction => "contradiction",
            Self::StaleCatalog => "stale-catalog",
            Self::ProfileWithoutSegments => "profile-without-segments",
            Self::UnreadableOutbox => "unreadable-outbox",
            Self::NotOnTopic => "not-on-topic",
            Self::OlderOnTopic => "older-on-topic",
            Self::NewerOnTopic => "newer-on-topic",
            Self::OtherOnTopic => "other-on-topic",
            Self::UnknownOnTopic => "unknown-on-topic",
            Self::Difference => "difference",
        }
    }

    /// In words, in the plural.
    pub fn meaning(self) -> &'static str {
        match self {
            Self::Column => "columns of user_vectors with another type",
            Self::Index => "the index on \"primarySegment\" is not usable",
            Self::UnreadableState => "states that this version cannot read",
            Self::StateWithoutRow => "onboarded users whose segments are missing in user_vectors",
            Self::ErasedWithRow => "erased users who still have segments in user_vectors",
            Self::Contradiction => "rows whose columns contradict their segments",
            Self::StaleCatalog => "users scored with another catalog version",
            Self::ProfileWithoutSegments => "completed onboarding profiles whose user has no segments",
            Self::UnreadableOutbox => "outbox rows that this version cannot read",
            Self::NotOnTopic => "users whose last change is not on the topic",
            Self::OlderOnTopic => "users whose last record is older than what was said last",
            Self::NewerOnTopic => "users whose last record is newer than what the database knows",
            Self::OtherOnTopic => "users whose last record is not what was said",
            Self::UnknownOnTopic => "users on the topic of whom nothing was said",
            Self::Difference => "users whose row is not what their state gives",
        }
    }
}

/// A user, or a thing of the schema, with what is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Example {
    pub subject: String,
    pub detail: String,
}

/// What was found under one check.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Found {
    pub count: u64,
    pub examples: Vec<Example>,
}

/// All that was found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Findings {
    limit: usize,
    found: BTreeMap<Check, Found>,
}

impl Findings {
    /// Nothing yet; of each kind the first `limit` will be listed.
    pub fn listing(limit: usize) -> Self {
        Self { limit, found: BTreeMap::new() }
    }

    pub fn add(&mut self, check: Check, subject: &str, detail: impl Into<String>) {
        let found = self.found.entry(check).or_default();
        found.count += 1;
        if found.examples.len() < self.limit {
            found.examples.push(Example { subject: subject.to_owned(), detail: detail.into() });
        }
    }

    pub fn iter(&self) -> impl Iterator<Item = (Check, &Found)> {
        self.found.iter().map(|(check, found)| (*check, found))
    }

    pub fn is_empty(&self) -> bool {
        self.found.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_are_counted_and_the_first_are_listed() {
        let mut findings = Findings::listing(2);
        assert!(findings.is_empty());
        for user in ["ann", "bob", "cy"] {
            findings.add(Check::StaleCatalog, user, "version 1");
        }
        let (check, found) = findings.iter().next().unwrap();
        assert_eq!((check, found.count, found.examples.len()), (Check::StaleCatalog, 3, 2));
        assert_eq!(found.examples[0].subject, "ann");
    }
}
