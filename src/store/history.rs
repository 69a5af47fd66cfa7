//! The history that a transaction ran in: which server's write-ahead log it stands in.

use std::fmt;

use crate::domain::event::Millis;

/// A server instance: the start of its postmaster, Unix time in µs. A failover and a restore change it; so does a restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct History(pub i64);

/// SQL for the history of the running transaction. Keep it an expression that needs no table.
macro_rules! history {
    () => {
        "floor(extract(epoch from pg_postmaster_start_time()) * 1000000)::bigint"
    };
}
pub(super) use history;

/// The start of the server, RFC 3339 in UTC.
impl fmt::Display for History {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        Millis(self.0.div_euclid(1_000)).fmt(out)
    }
}

/// The histories of several transactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Histories {
    /// There was no transaction.
    #[default]
    None,
    One(History),
    /// More than one: at most one of them is the present one.
    Several,
}

impl Histories {
    /// The histories of these transactions and of those.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::None, one) | (one, Self::None) => one,
            (Self::One(one), Self::One(other)) if one == other => self,
            _ => Self::Several,
        }
    }

    /// For a statement that compares it with the present history: `None` where there was no transaction, and 0, which is no
    /// history, where there are several.
    pub(super) fn parameter(self) -> Option<i64> {
        match self {
            Self::None => None,
            Self::One(history) => Some(history.0),
            Self::Several => Some(0),
        }
    }

    /// Whether every transaction ran in `present`.
    pub fn are_all(self, present: History) -> bool {
        match self {
            Self::None => true,
            Self::One(history) => history == present,
            Self::Several => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_histories_are_never_all_the_present_one() {
        let (one, other) = (Histories::One(History(1)), Histories::One(History(2)));
        assert_eq!(Histories::None.and(one), one);
        assert_eq!(one.and(one).and(Histories::None), one);
        assert!(one.are_all(History(1)) && !one.are_all(History(2)) && Histories::None.are_all(History(2)));
        assert!(!one.and(other).are_all(History(1)) && !one.and(other).are_all(History(2)));
    }
}
