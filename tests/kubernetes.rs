//! The manifests on a real API server, with the real definitions of custom resources. `make test-kubernetes` runs it.

use std::collections::BTreeSet;

use serde_json::Value;

use crate::ops::tools::{OVERLAYS, kustomized, root, text};
use crate::support::ApiServer;

const DRY_RUN: [&str; 5] = ["apply", "--server-side", "--dry-run=server", "-f", "-"];

fn overlay(name: &str) -> String {
    kustomized(&root("k8s/overlays").join(name))
}

/// Creates the namespaces that are named in manifests. The server warns of pods that violate the profile `restricted`.
fn create_namespaces(server: &ApiServer, manifests: &str) {
    let names: BTreeSet<&str> = manifests.lines().filter_map(|line| line.strip_prefix("  namespace: ")).collect();
    for name in names {
        let labels = "{pod-security.kubernetes.io/warn: restricted}";
        let namespace = format!("{{apiVersion: v1, kind: Namespace, metadata: {{name: {name}, labels: {labels}}}}}");
        server.kubectl(&["apply", "-f", "-"], &namespace);
    }
}

/// Installs the definitions of Strimzi, KEDA and the Prometheus operator.
fn install_definitions(server: &ApiServer) {
    for folder in ["target/crds", "target/strimzi-crds"] {
        server.kubectl(&["apply", "--server-side", "-f", root(folder).to_str().unwrap()], "");
    }
    server.kubectl(&["wait", "--for=condition=Established", "crd", "--all", "--timeout=60s"], "");
}

#[test]
fn dev_applies_to_a_bare_cluster_and_every_overlay_where_the_operators_are() {
    let server = ApiServer::start();
    let manifests = OVERLAYS.map(|name| (name, overlay(name)));
    for (name, yaml) in &manifests {
        create_namespaces(&server, yaml);
        let judged = server.ran(&DRY_RUN, yaml);
        assert_eq!(judged.status.success(), *name == "dev", "{name}: {}", String::from_utf8_lossy(&judged.stderr));
    }
    install_definitions(&server);
    for (name, yaml) in &manifests {
        let applied = server.kubectl(&DRY_RUN, yaml);
        assert_eq!(applied.lines().count(), yaml.matches("\nkind: ").count(), "{name}: {applied}");
    }
}

#[test]
fn no_pod_violates_the_restricted_profile_and_one_that_may_be_root_does() {
    let server = ApiServer::start();
    let yaml = overlay("dev");
    create_namespaces(&server, &yaml);
    let warnings = |yaml: &str| {
        let applied = server.ran(&DRY_RUN, yaml);
        assert!(applied.status.success());
        String::from_utf8(applied.stderr).unwrap().matches("would violate PodSecurity").count()
    };
    assert_eq!(warnings(&yaml), 0);
    assert!(warnings(&yaml.replace("runAsNonRoot: true", "runAsNonRoot: false")) > 0);
}

#[test]
fn the_server_rejects_a_field_that_it_does_not_know_in_every_kind() {
    let server = ApiServer::start();
    let yaml = overlay("prod");
    create_namespaces(&server, &yaml);
    install_definitions(&server);
    let mut kinds = BTreeSet::new();
    for document in yaml.split("\n---\n").filter(|document| document.contains("\nspec:\n")) {
        let kind = document.lines().find_map(|line| line.strip_prefix("kind: ")).unwrap();
        if kinds.insert(kind) {
            let mistyped = document.replacen("\nspec:\n", "\nspec:\n  mistyped: true\n", 1);
            let judged = server.ran(&DRY_RUN, &mistyped);
            let complaint = String::from_utf8_lossy(&judged.stderr);
            assert!(!judged.status.success() && complaint.contains("mistyped"), "{kind}: {complaint}");
        }
    }
    assert!(kinds.len() >= 11, "{kinds:?}");
}

#[test]
fn a_job_is_started_from_its_template_with_other_parameters_and_has_an_id_of_its_own() {
    let server = ApiServer::start();
    let yaml = overlay("dev");
    create_namespaces(&server, &yaml);
    server.kubectl(&["apply", "--server-side", "-f", "-"], &yaml);
    let in_dev = |arguments: &[&str], input: &str| {
        let arguments: Vec<&str> = ["-n", "segmenter-dev"].into_iter().chain(arguments.iter().copied()).collect();
        server.kubectl(&arguments, input)
    };
    let mut ids = BTreeSet::new();
    for run in ["replay-1", "replay-2"] {
        // The commands of k8s/README.md.
        let template =
            in_dev(&["create", "job", run, "--from=cronjob/segmenter-replay", "--dry-run=client", "-o", "yaml"], "");
        let changed = in_dev(&["set", "env", "--local", "-f", "-", "FROM=-2h", "-o", "yaml"], &template);
        in_dev(&["create", "-f", "-"], &changed);
        let job: Value = serde_json::from_str(&in_dev(&["get", "job", run, "-o", "json"], "")).unwrap();
        let container = &job["spec"]["template"]["spec"]["containers"][0];
        let variables = container["env"].as_array().unwrap();
        let from = variables.iter().find(|one| one["name"] == "FROM").unwrap();
        assert_eq!(from["value"], "-2h");
        // The label that the container's id comes from.
        let id = &job["spec"]["template"]["metadata"]["labels"]["batch.kubernetes.io/controller-uid"];
        assert_eq!(id, text(&job, "/metadata/uid"));
        ids.insert(id.to_string());
    }
    assert_eq!(ids.len(), 2);
    for name in ["backfill", "recompute", "redrive", "verify"] {
        in_dev(&["create", "job", name, &format!("--from=cronjob/segmenter-{name}")], "");
    }
    in_dev(&["scale", "deployment/segmenter-toolbox", "--replicas=1"], "");
}
