//! Values from a gathering of the metrics' registry.

use std::cmp::Reverse;
use std::collections::{BTreeMap, HashMap};

use prometheus::proto::{Metric, MetricFamily};

use super::{ChangeCount, Count};

/// Records not read yet of one partition.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct PartitionLag {
    pub topic: String,
    pub partition: i32,
    pub records: f64,
    /// The age of the oldest record that is not finished; 0 where there is none.
    pub seconds: f64,
}

/// The metrics gathered at one moment, by name.
pub(super) struct Reading(HashMap<String, MetricFamily>);

impl Reading {
    pub(super) fn new(families: Vec<MetricFamily>) -> Self {
        Self(families.into_iter().map(|family| (family.name().to_owned(), family)).collect())
    }

    /// A gauge or counter without labels; 0 where it does not exist.
    pub(super) fn value(&self, name: &str) -> f64 {
        self.metrics(name).first().map_or(0.0, value)
    }

    /// A counter summed by one of its labels, the largest first, without those that are 0.
    pub(super) fn counts(&self, name: &str, by: &str) -> Vec<Count> {
        let mut sums = BTreeMap::<&str, u64>::new();
        for metric in self.metrics(name) {
            *sums.entry(label(metric, by)).or_default() += value(metric) as u64;
        }
        let counts = sums.into_iter().filter(|(_, count)| *count > 0);
        let mut counts: Vec<Count> = counts.map(|(name, count)| Count { name: name.to_owned(), count }).collect();
        counts.sort_by_key(|count| Reverse(count.count));
        counts
    }

    pub(super) fn changes(&self) -> Vec<ChangeCount> {
        let change = |metric| ChangeCount {
            from: label(metric, "from").to_owned(),
            to: label(metric, "to").to_owned(),
            count: value(metric) as u64,
        };
        let mut changes: Vec<ChangeCount> =
            self.metrics("segmenter_segment_changes_total").iter().map(change).collect();
        changes.sort_by(|one, other| {
            other.count.cmp(&one.count).then_with(|| (&one.from, &one.to).cmp(&(&other.from, &other.to)))
        });
        changes
    }

    /// Lag by partition, in the order of topics and numbers.
    pub(super) fn lag(&self) -> Vec<PartitionLag> {
        let ages = self.by_partition("segmenter_oldest_unprocessed_seconds");
        let lag = self.by_partition("segmenter_consumer_lag_records").into_iter();
        lag.map(|(place, records)| {
            let seconds = ages.get(&place).copied().unwrap_or_default();
            PartitionLag { topic: place.0.to_owned(), partition: place.1, records, seconds }
        })
        .collect()
    }

    fn by_partition(&self, name: &str) -> BTreeMap<(&str, i32), f64> {
        let place = |metric| (label(metric, "topic"), label(metric, "partition").parse().unwrap_or_default());
        self.metrics(name).iter().map(|metric| (place(metric), value(metric))).collect()
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
