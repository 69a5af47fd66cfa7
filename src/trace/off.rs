//! The same without the feature: nothing.

use std::time::Duration;

use super::Place;
use crate::event::Event;
use crate::metrics::Metrics;
use crate::pipeline::change::Change;
use crate::store::apply::Ending;

/// No traces.
#[derive(Debug, Clone, Default)]
pub struct Traces(());

/// No trace of a batch.
#[derive(Debug)]
pub struct WriteTrace;

/// No trace of what is said.
#[derive(Debug)]
pub struct SayTrace;

impl Traces {
    /// # Errors
    /// None; with the feature, what is wrong with its variables.
    pub fn start(_: &Metrics) -> anyhow::Result<Self> {
        Ok(Self(()))
    }

    pub fn write_begins<'p>(&self, _: &mut [Event], _: impl Fn(usize) -> Option<Place<'p>>) -> WriteTrace {
        WriteTrace
    }

    pub fn say_begins(&self, _: &str, _: &[Change]) -> SayTrace {
        SayTrace
    }

    pub fn flush(&self, _: Duration) {}
}

impl WriteTrace {
    pub fn end(self, _: &[Ending]) {}
}

impl SayTrace {
    pub fn end(self, _: impl Fn(usize) -> bool) {}
}
