//! A partition of an input topic.

use crate::domain::event::Kind;

/// One partition of one of the two input topics.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Partition {
    pub kind: Kind,
    pub number: i32,
}

/// Partitions for a log line: `onboarding-completed[0 1 2] profile-updated[0]`.
pub(crate) fn describe(partitions: &[Partition]) -> String {
    let numbers = |kind| {
        let mut numbers: Vec<i32> =
            partitions.iter().filter(|partition| partition.kind == kind).map(|partition| partition.number).collect();
        numbers.sort_unstable();
        numbers.iter().map(i32::to_string).collect::<Vec<_>>().join(" ")
    };
    format!(
        "onboarding-completed[{}] profile-updated[{}]",
        numbers(Kind::OnboardingCompleted),
        numbers(Kind::ProfileUpdated)
    )
}
