//! The custom resources of the Prometheus operator, KEDA and Strimzi, against the definitions of these projects.

use serde_json::Value;

use super::manifests::is_custom;
use super::tools::{OVERLAYS, of_kind, printed, python, ran, read, resources, root};

/// Reads [[schema, instance], …] and prints the violations.
const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator
wrong = [f'{one[\"kind\"]} {one[\"metadata\"][\"name\"]}: {error.json_path}: {error.message}'
         for schema, one in json.load(sys.stdin)
         for error in Draft202012Validator(json.load(open(schema))).iter_errors(one)]
sys.exit('\\n'.join(wrong) or 0)
";

/// The version of a definition: `KIND-VERSION.json`.
fn schema(resource: &Value) -> String {
    let kind = resource["kind"].as_str().unwrap().to_lowercase();
    let version = resource["apiVersion"].as_str().unwrap().rsplit('/').next().unwrap();
    root("tests/ops/schemas").join(format!("{kind}-{version}.json")).to_str().unwrap().to_owned()
}

fn pairs(resources: &[Value]) -> String {
    let pairs: Vec<(String, &Value)> = resources.iter().map(|resource| (schema(resource), resource)).collect();
    serde_json::to_string(&pairs).unwrap()
}

#[test]
fn every_custom_resource_matches_its_definition_and_a_development_cluster_needs_none() {
    for overlay in OVERLAYS {
        let custom: Vec<Value> = resources(overlay).iter().filter(|resource| is_custom(resource)).cloned().collect();
        assert_eq!(custom.is_empty(), overlay == "dev", "{overlay}");
        printed(&mut python(&["-c", VALIDATE]), &pairs(&custom));
    }
}

#[test]
fn an_older_strimzi_takes_the_same_under_its_own_version() {
    let all = resources("prod");
    let mut kafka: Vec<Value> = of_kind(all, "KafkaTopic").into_iter().cloned().collect();
    kafka.extend(of_kind(all, "KafkaUser").into_iter().cloned());
    assert_eq!(kafka.len(), 6);
    for resource in &mut kafka {
        resource["apiVersion"] = "kafka.strimzi.io/v1beta2".into();
    }
    printed(&mut python(&["-c", VALIDATE]), &pairs(&kafka));
}

#[test]
fn a_field_that_a_definition_does_not_have_is_found() {
    let all = resources("prod");
    for kind in ["PodMonitor", "PrometheusRule", "ScaledObject", "TriggerAuthentication", "KafkaTopic", "KafkaUser"] {
        let mut resource = of_kind(all, kind)[0].clone();
        resource["spec"]["mistyped"] = true.into();
        let judged = ran(&mut python(&["-c", VALIDATE]), &pairs(&[resource]));
        assert!(!judged.status.success(), "no schema rejects the {kind}");
    }
    assert!(read("tests/ops/schemas/README.md").contains("from_crd.py"));
}
