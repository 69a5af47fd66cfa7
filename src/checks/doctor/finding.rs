//! Findings, how checks make them, and the report of them all.

use std::fmt::Display;

use serde::Serialize;

use crate::runtime::exit::Exit;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// The service works, and something will hurt some day.
    Warning,
    /// The service does not work, or not for long.
    Problem,
    /// Nothing is known.
    Unchecked,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// `kafka`, `database` or `process`.
    pub area: &'static str,
    pub check: &'static str,
    pub status: Status,
    /// One plain sentence.
    pub finding: String,
    /// What to do; nothing where all is well.
    pub remedy: Option<String>,
}

/// Why a fact is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unknown {
    pub why: String,
    pub remedy: String,
    /// Whether it is the right to ask that is missing.
    pub denied: bool,
}

impl Unknown {
    /// The right that is missing, as in "Read on topic x".
    pub fn denied(right: impl Display) -> Self {
        Self { why: format!("the right is missing: {right}"), remedy: format!("Grant {right}."), denied: true }
    }

    pub fn failed(why: impl Into<String>) -> Self {
        let remedy = "Ask again; if it stays so, look into the server's log.".to_owned();
        Self { why: why.into(), remedy, denied: false }
    }
}

/// A fact, or why it is not known.
pub type Answer<T> = Result<T, Unknown>;

/// Why a dependency cannot be asked anything.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unreachable {
    /// It does not answer.
    Unavailable(String),
    /// It answers, and does not let us in.
    Refused(String),
}

/// The findings of one area, in the order of its checks.
#[derive(Debug, Default)]
pub struct Findings {
    area: &'static str,
    check: &'static str,
    /// How many findings there were when the present check began.
    begun: usize,
    pub list: Vec<Finding>,
    /// Whether the dependency does not answer, so that most of its checks were not made.
    pub unavailable: bool,
}

impl Findings {
    pub fn of(area: &'static str) -> Self {
        Self { area, ..Self::default() }
    }

    /// Begins a check: what is found from now on is its.
    pub fn begin(&mut self, check: &'static str) {
        self.check = check;
        self.begun = self.list.len();
    }

    /// Begins a check and gives what its verdict is on, or finds that this is not known.
    pub fn begin_with<T>(&mut self, check: &'static str, subject: &str, answer: Answer<T>) -> Option<T> {
        self.begin(check);
        answer.map_err(|unknown| self.unchecked(subject, &unknown)).ok()
    }

    /// Unless the check has found something.
    pub fn ok(&mut self, finding: impl Into<String>) {
        if self.list.len() == self.begun {
            self.add(Status::Ok, finding, None);
        }
    }

    pub fn warning(&mut self, finding: impl Into<String>, remedy: impl Into<String>) {
        self.add(Status::Warning, finding, Some(remedy.into()));
    }

    pub fn problem(&mut self, finding: impl Into<String>, remedy: impl Into<String>) {
        self.add(Status::Problem, finding, Some(remedy.into()));
    }

    /// The dependency cannot be asked anything: that, and why.
    pub fn unreachable(&mut self, unreachable: &Unreachable, finding: &str, remedy: &str) {
        let (Unreachable::Unavailable(why) | Unreachable::Refused(why)) = unreachable;
        self.problem(format!("{finding} ({why}); nothing else of it could be checked."), remedy);
        self.unavailable = matches!(unreachable, Unreachable::Unavailable(_));
    }

    /// `subject` is not known.
    pub fn unchecked(&mut self, subject: impl Display, unknown: &Unknown) {
        let finding = format!("{subject} could not be checked: {}.", unknown.why);
        self.add(Status::Unchecked, finding, Some(unknown.remedy.clone()));
    }

    fn add(&mut self, status: Status, finding: impl Into<String>, remedy: Option<String>) {
        let Self { area, check, .. } = *self;
        self.list.push(Finding { area, check, status, finding: finding.into(), remedy });
    }
}

/// All findings.
#[derive(Debug, Serialize)]
pub struct DoctorReport {
    pub status: &'static str,
    pub checks: Vec<Finding>,
    #[serde(skip)]
    pub exit: Exit,
}

impl DoctorReport {
    pub fn new(areas: [Findings; 3]) -> Self {
        let is_unavailable = areas.iter().any(|area| area.unavailable);
        let checks: Vec<Finding> = areas.into_iter().flat_map(|area| area.list).collect();
        let has_problems = checks.iter().any(|finding| finding.status == Status::Problem);
        let (status, exit) = match (is_unavailable, has_problems) {
            (true, _) => ("unavailable", Exit::DependencyUnavailable),
            (false, true) => ("problems", Exit::Findings),
            (false, false) => ("ok", Exit::Ok),
        };
        Self { status, checks, exit }
    }
}

#[cfg(test)]
impl Findings {
    /// Everything but what is ok: `status check: finding`.
    pub fn noteworthy(&self) -> Vec<String> {
        let noteworthy = self.list.iter().filter(|finding| finding.status != Status::Ok);
        noteworthy
            .map(|one| format!("{} {}: {}", format!("{:?}", one.status).to_lowercase(), one.check, one.finding))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_problems_and_outages_make_another_exit_code_than_0() {
        for (problem, unavailable, exit) in
            [(false, false, Exit::Ok), (true, false, Exit::Findings), (true, true, Exit::DependencyUnavailable)]
        {
            let mut found = Findings { unavailable, ..Findings::of("kafka") };
            found.ok(".");
            found.begin("topics");
            found.warning(".", ".");
            found.unchecked("It", &Unknown::failed("."));
            found.ok("not where there is something else to find");
            if problem {
                found.problem(".", ".");
            }
            let report = DoctorReport::new([found, Findings::default(), Findings::default()]);
            assert_eq!((report.exit, report.checks.len()), (exit, 3 + usize::from(problem)));
        }
    }
}
