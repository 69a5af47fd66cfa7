//! Findings, the builder with which checks add them, and the report.

use std::fmt::Display;

use serde::Serialize;

use crate::runtime::exit::Exit;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// The service works, but data or availability is at risk.
    Warning,
    /// The service does not work, or will soon stop.
    Problem,
    /// The check got no answer.
    Unchecked,
}

/// The finding of one check.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Finding {
    /// `kafka`, `database`, `registry`, `positions` or `process`.
    pub area: &'static str,
    pub check: &'static str,
    pub status: Status,
    /// One sentence.
    pub finding: String,
    /// The action to take; `None` if the status is ok.
    pub remedy: Option<String>,
}

/// The reason why a check got no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub why: String,
    pub remedy: String,
    /// Whether the right to ask is missing.
    pub denied: bool,
}

impl Unknown {
    /// `right` is the missing one, as in "Read on topic x".
    pub fn denied(right: impl Display) -> Self {
        Self { why: format!("the right is missing: {right}"), remedy: format!("Grant {right}."), denied: true }
    }

    pub fn failed(why: impl Into<String>) -> Self {
        let remedy = "Run the check again; if it fails again, check the server's log.".to_owned();
        Self { why: why.into(), remedy, denied: false }
    }
}

/// An answer, or the reason why there is none.
pub(crate) type Answer<T> = Result<T, Unknown>;

/// The reason why a dependency cannot be checked at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Unreachable {
    /// It does not answer.
    Unavailable(String),
    /// It answers and refuses the login.
    Refused(String),
}

/// The findings of one area, in the order of its checks.
#[derive(Debug, Default)]
pub struct Findings {
    area: &'static str,
    check: &'static str,
    /// The number of findings when the current check began.
    begun: usize,
    pub list: Vec<Finding>,
    /// Whether the dependency does not answer, so that most of its checks did not run.
    pub unavailable: bool,
}

impl Findings {
    pub fn of(area: &'static str) -> Self {
        Self { area, ..Self::default() }
    }

    /// Begins a check: the findings that follow belong to it.
    pub fn begin(&mut self, check: &'static str) {
        self.check = check;
        self.begun = self.list.len();
    }

    /// Begins a check and returns the answer that it needs; without one, `subject` is reported as unchecked.
    pub fn begin_with<T>(&mut self, check: &'static str, subject: &str, answer: Answer<T>) -> Option<T> {
        self.begin(check);
        answer.map_err(|unknown| self.unchecked(subject, &unknown)).ok()
    }

    /// Adds `finding` as ok, unless the check has another finding.
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

    /// Reports that the dependency cannot be checked at all, with the reason.
    pub fn unreachable(&mut self, unreachable: &Unreachable, finding: &str, remedy: &str) {
        let (Unreachable::Unavailable(why) | Unreachable::Refused(why)) = unreachable;
        self.problem(format!("{finding} ({why}); none of its other checks could run."), remedy);
        self.unavailable = matches!(unreachable, Unreachable::Unavailable(_));
    }

    /// Whether the dependency could be checked, which is the first finding of its area.
    pub fn is_reached(&self) -> bool {
        self.list.first().is_some_and(|first| first.status == Status::Ok)
    }

    pub fn has_problems(&self) -> bool {
        self.list.iter().any(|finding| finding.status == Status::Problem)
    }

    /// Reports that `subject` could not be checked.
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
pub(crate) struct DoctorReport {
    pub status: &'static str,
    pub checks: Vec<Finding>,
    #[serde(skip)]
    pub exit: Exit,
}

impl DoctorReport {
    pub fn new(areas: [Findings; 5]) -> Self {
        let is_unavailable = areas.iter().any(|area| area.unavailable);
        let has_problems = areas.iter().any(Findings::has_problems);
        let mut checks: Vec<Finding> = areas.into_iter().flat_map(|area| area.list).collect();
        // First this process's identities with their rights.
        checks.sort_by_key(|finding| !["identity", "rights", "superuser"].contains(&finding.check));
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
    /// All findings that are not ok: `status check: finding`.
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
    fn only_problems_and_outages_change_the_exit_code() {
        for (problem, unavailable, exit) in
            [(false, false, Exit::Ok), (true, false, Exit::Findings), (true, true, Exit::DependencyUnavailable)]
        {
            let mut found = Findings { unavailable, ..Findings::of("kafka") };
            found.ok(".");
            found.begin("topics");
            found.warning(".", ".");
            found.unchecked("It", &Unknown::failed("."));
            found.ok("not added: the check has another finding");
            if problem {
                found.problem(".", ".");
            }
            let report = DoctorReport::new([
                found,
                Findings::default(),
                Findings::default(),
                Findings::default(),
                Findings::default(),
            ]);
            assert_eq!((report.exit, report.checks.len()), (exit, 3 + usize::from(problem)));
        }
    }
}
