//! Readiness and liveness of the process, as its parts report them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::Serialize;
use utoipa::ToSchema;

/// Shared by all parts of the process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Health(Arc<Mutex<Inner>>);

#[derive(Debug, Default)]
struct Inner {
    /// Why a component is not ready; `None` where it is.
    components: BTreeMap<&'static str, Option<String>>,
    beats: BTreeMap<&'static str, Instant>,
}

/// The reason of a component that has not reported yet.
pub const STARTING: &str = "starting";

/// The health of the process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct HealthReport {
    pub ready: bool,
    pub live: bool,
    pub components: Vec<ComponentReport>,
}

/// The health of one component.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct ComponentReport {
    pub component: &'static str,
    pub ready: bool,
    /// Only where it is not ready.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub reason: Option<String>,
}

/// How long a loop may go without a beat before the process counts as stalled. Longer than a rebalance may take to drain and
/// to find its start positions; a loop beats during an outage too.
pub const LONGEST_SILENCE: Duration = Duration::from_secs(150);

impl Health {
    /// Adds components that are not ready until they report it.
    pub fn expect(&self, components: &[&'static str]) {
        let mut inner = self.lock();
        for component in components {
            inner.components.entry(component).or_insert_with(|| Some(STARTING.to_owned()));
        }
    }

    pub fn set_ready(&self, component: &'static str) {
        self.lock().components.insert(component, None);
    }

    /// The reason is public, so it must hold no secrets and no personal data.
    pub fn set_not_ready(&self, component: &'static str, reason: impl Into<String>) {
        self.lock().components.insert(component, Some(reason.into()));
    }

    /// Records that a loop is running; called once a round. Returns the time since the call before.
    pub(crate) fn beat(&self, of: &'static str) -> Duration {
        let now = Instant::now();
        self.lock().beats.insert(of, now).map_or(Duration::ZERO, |before| now.saturating_duration_since(before))
    }

    /// The health at this moment.
    pub fn report(&self) -> HealthReport {
        self.report_at(Instant::now())
    }

    /// The health at a moment, if nothing is reported until then.
    pub fn report_at(&self, now: Instant) -> HealthReport {
        let inner = self.lock();
        let is_silent = |at: &Instant| now.saturating_duration_since(*at) > LONGEST_SILENCE;
        let components: Vec<ComponentReport> = inner
            .components
            .iter()
            .map(|(component, reason)| ComponentReport { component, ready: reason.is_none(), reason: reason.clone() })
            .collect();
        HealthReport {
            ready: !components.is_empty() && components.iter().all(|component| component.ready),
            live: !inner.beats.values().any(is_silent),
            components,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_process_is_ready_once_every_expected_component_is() {
        let health = Health::default();
        health.expect(&["kafka", "database"]);
        health.set_ready("kafka");
        assert!(!health.report().ready);
        health.set_ready("database");
        assert!(health.report().ready);
        health.set_not_ready("kafka", "topics do not exist: a");
        let report = health.report();
        assert!(!report.ready && report.live, "an outage does not make it dead");
        assert_eq!(report.components[1].reason.as_deref(), Some("topics do not exist: a"));
    }

    #[test]
    fn only_a_silent_loop_makes_the_process_dead() {
        let health = Health::default();
        health.beat("loop");
        let now = Instant::now();
        assert!(health.report_at(now).live);
        assert!(!health.report_at(now + LONGEST_SILENCE * 2).live);
    }
}
