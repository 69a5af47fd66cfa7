//! What a check found, and what could not be found out.

use std::fmt::Display;

/// Where a check belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Area {
    Kafka,
    Database,
    Process,
}

impl Area {
    pub const ALL: [Self; 3] = [Self::Kafka, Self::Database, Self::Process];

    /// The stable name in JSON.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kafka => "kafka",
            Self::Database => "database",
            Self::Process => "process",
        }
    }
}

/// How a check ended. All but the first say what to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    Ok,
    /// The service works, and something will hurt some day.
    Warning {
        advice: String,
    },
    /// The service does not work, or not for long.
    Problem {
        advice: String,
    },
    /// Nothing is known.
    Unchecked {
        advice: String,
    },
}

impl Verdict {
    /// The stable name in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning { .. } => "warning",
            Self::Problem { .. } => "problem",
            Self::Unchecked { .. } => "could_not_check",
        }
    }

    pub fn advice(&self) -> Option<&str> {
        match self {
            Self::Ok => None,
            Self::Warning { advice } | Self::Problem { advice } | Self::Unchecked { advice } => Some(advice),
        }
    }
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    pub area: Area,
    /// The stable name of the check within its area.
    pub check: &'static str,
    /// One plain sentence.
    pub sentence: String,
    pub verdict: Verdict,
}

/// A check, which makes its findings.
#[derive(Debug, Clone, Copy)]
pub struct Check {
    pub area: Area,
    pub name: &'static str,
}

impl Check {
    pub const fn kafka(name: &'static str) -> Self {
        Self { area: Area::Kafka, name }
    }

    pub const fn database(name: &'static str) -> Self {
        Self { area: Area::Database, name }
    }

    pub const fn process(name: &'static str) -> Self {
        Self { area: Area::Process, name }
    }

    pub fn ok(self, sentence: impl Into<String>) -> Finding {
        self.found(sentence, Verdict::Ok)
    }

    pub fn warning(self, sentence: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.found(sentence, Verdict::Warning { advice: advice.into() })
    }

    pub fn problem(self, sentence: impl Into<String>, advice: impl Into<String>) -> Finding {
        self.found(sentence, Verdict::Problem { advice: advice.into() })
    }

    /// `subject` is what is not known.
    pub fn unchecked(self, subject: impl Display, untold: &Untold) -> Finding {
        let sentence = format!("{subject} could not be checked: {}.", untold.why);
        self.found(sentence, Verdict::Unchecked { advice: untold.advice.clone() })
    }

    fn found(self, sentence: impl Into<String>, verdict: Verdict) -> Finding {
        Finding { area: self.area, check: self.name, sentence: sentence.into(), verdict }
    }
}

/// Why a fact is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untold {
    pub why: String,
    pub advice: String,
    /// Whether it is the right to ask that is missing.
    pub denied: bool,
}

impl Untold {
    /// The right that is missing, as in "Read on topic x".
    pub fn denied(right: impl Display) -> Self {
        Self { why: format!("the right is missing: {right}"), advice: format!("Grant {right}."), denied: true }
    }

    pub fn failed(why: impl Into<String>) -> Self {
        Self {
            why: why.into(),
            advice: "Ask again; if it stays so, look into the server's log.".to_owned(),
            denied: false,
        }
    }
}

/// A fact, or why it is not known.
pub type Answer<T> = Result<T, Untold>;

/// What a dependency that cannot be asked anything says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// Nobody answers.
    Away(String),
    /// Somebody answers and refuses us.
    Refused(String),
}
