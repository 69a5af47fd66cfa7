//! Values out of what the metrics' registry gathers.

use std::collections::HashMap;

use prometheus::proto::{Metric, MetricFamily};

use super::{ChangeCount, Count, PartitionLag};

/// What was gathered at one moment, by name.
pub(super) struct Reading(HashMap<String, MetricFamily>);

impl Reading {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        Self(families.into_iter().map(|family| (family.name().to_owned(), family)).collect())
    }

    /// A gauge or counter without labels; 0 where it is not there.
    pub(super) fn value(&self, name: &str) -> f64 {
        self.metrics(name).first().map_or(0.0, value)
    }

    /// A counter summed by one of its labels, the largest first, without those that are 0.
    pub(super) fn counts(&self, name: &str, by: &str) -> Vec<Count> {
        let mut counts: Vec<Count> = Vec::new();
        for metric in self.metrics(name) {
            let (of, add) = (label(metric, by), value(metric) as u64);
            match counts.iter_mut().find(|count| count.name == of) {
                Some(count) => count.count += add,
                None => counts.push(Count { name: of.to_owned(), count: add }),
            }
        }
        counts.retain(|count| count.count > 0);
        counts.sort_by(|one, other| other.count.cmp(&one.count).then_with(|| one.name.cmp(&other.name)));
        counts
    }

    pub(super) fn changes(&self) -> Vec<ChangeCount> {
        let mut changes: Vec<ChangeCount> = self
            .metrics("segmenter_segment_changes_total")
            .iter()
            .map(|metric| ChangeCount {
                from: label(metric, "from").to_owned(),
                to: label(metric, "to").to_owned(),
                count: value(metric) as u64,
            })
            .collect();
        changes.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| (&one.from, &one.to).cmp(&(&other.from, &other.to)))
        });
        changes
    }

    /// Lag by partition, in the order of topics and numbers.
    pub(super) fn lag(&self) -> Vec<PartitionLag> {
        let place = |metric: &Metric| {
            let number = label(metric, "partition").parse().unwrap_or_default();
            (label(metric, "topic").to_owned(), number)
        };
        let seconds: HashMap<(String, i32), f64> = self
            .metrics("segmenter_oldest_unprocessed_seconds")
            .iter()
            .map(|metric| (place(metric), value(metric)))
            .collect();
        let mut partitions: Vec<PartitionLag> = self
            .metrics("segmenter_consumer_lag_records")
            .iter()
            .map(|metric| {
                let (topic, partition) = place(metric);
                let seconds = seconds.get(&(topic.clone(), partition)).copied().unwrap_or_default();
                PartitionLag { topic, partition, records: value(metric), seconds }
            })
            .collect();
        partitions.sort_by(|one, other| (&one.topic, one.partition).cmp(&(&other.topic, other.partition)));
        partitions
    }

    fn metrics(&self, name: &str) -> &[Metric] {
        self.0.get(name).map_or(&[], MetricFamily::get_metric)
    }
}

/// One of the two is set; the other is 0.
fn value(metric: &Metric) -> f64 {
    metric.get_gauge().get_value() + metric.get_counter().get_value()
}

fn label<'m>(metric: &'m Metric, name: &str) -> &'m str {
    metric.get_label().iter().find(|pair| pair.name() == name).map_or("", |pair| pair.value())
}
