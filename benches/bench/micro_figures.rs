//! The figures of `benches/micro.rs`, out of the files that criterion leaves.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::report::{Bar, Report};

/// The name of each benchmark, with the bar of the one that has one, ns.
const BENCHMARKS: [(&str, Option<Bar>); 8] = [
    ("engine", Some(Bar::AtMost(500.0))),
    ("merge", None),
    ("fold", None),
    ("decode JSON", None),
    ("decode Avro", None),
    ("encode segment-changed", None),
    ("encode state", None),
    ("decode state", None),
];

/// Adds what the last run of the benchmarks found.
pub fn add_to(report: &mut Report) {
    let mut section = report.section("one call, one core");
    for (name, bar) in BENCHMARKS {
        let path = folder().join(name).join("new/estimates.json");
        let Ok(text) = std::fs::read_to_string(&path) else {
            eprintln!("bench: no {}; `cargo bench --bench micro` makes it", path.display());
            continue;
        };
        let estimates: Value = serde_json::from_str(&text).expect("criterion writes JSON");
        let median = estimates["median"]["point_estimate"].as_f64().expect("criterion estimates a median");
        section.figure(name, "ns", median);
        if let Some(bar) = bar {
            section.hold(name, bar);
        }
    }
}

fn folder() -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    target.unwrap_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("target")).join("criterion")
}
