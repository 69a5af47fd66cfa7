//! The manifests, validated for every overlay.

use std::collections::BTreeSet;
use std::fs;
use std::process::Output;

use serde_json::{Value, json};

use super::tools::{
    OVERLAYS, list, named, of_kind, python, ran, read, rendered, resources, root, template, text, workloads,
};

/// The oldest supported version, and the newest one with a schema.
const KUBERNETES: [&str; 2] = ["1.28", "1.37"];

/// Whether the resource's kind is not defined by Kubernetes itself.
pub fn is_custom(resource: &Value) -> bool {
    !["v1", "apps/v1", "batch/v1", "policy/v1", "networking.k8s.io/v1"].contains(&text(resource, "/apiVersion"))
}

/// The validation of resources against the schemas of one version of Kubernetes.
fn judged(resources: &[&Value], version: &str) -> Output {
    let stream: Vec<String> = resources.iter().map(ToString::to_string).collect();
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("all.yaml");
    fs::write(&file, stream.join("\n---\n")).unwrap();
    let file = file.to_str().unwrap();
    ran(&mut python(&["-m", "kubernetes_validate", "--strict", "-k", version, file]), "")
}

#[test]
fn every_overlay_is_valid_for_the_oldest_and_the_newest_kubernetes() {
    for overlay in OVERLAYS {
        let own: Vec<&Value> = resources(overlay).iter().filter(|resource| !is_custom(resource)).collect();
        assert!(own.len() >= 7, "{overlay} has only {}", own.len());
        for version in KUBERNETES {
            let judged = judged(&own, version);
            let output = String::from_utf8_lossy(&judged.stdout) + String::from_utf8_lossy(&judged.stderr);
            assert!(judged.status.success() && !output.contains("WARN"), "{overlay}, {version}: {output}");
        }
    }
}

#[test]
fn a_field_that_kubernetes_does_not_have_or_has_later_is_found() {
    let all = resources("prod");
    for kind in [
        "Deployment",
        "Service",
        "Job",
        "CronJob",
        "NetworkPolicy",
        "PodDisruptionBudget",
        "ServiceAccount",
        "ConfigMap",
    ] {
        let mut resource = of_kind(all, kind)[0].clone();
        let part = if resource["spec"].is_object() { &mut resource["spec"] } else { &mut resource };
        part["mistyped"] = true.into();
        for version in KUBERNETES {
            assert!(!judged(&[&resource], version).status.success(), "no schema of {version} rejects the {kind}");
        }
    }
    // The `sleep` action is newer than the platform's Kubernetes.
    let mut sleeping = named(all, "Deployment", "segmenter").clone();
    sleeping["spec"]["template"]["spec"]["containers"][0]["lifecycle"] = json!({"preStop": {"sleep": {"seconds": 5}}});
    assert!(!judged(&[&sleeping], KUBERNETES[0]).status.success());
    assert!(judged(&[&sleeping], KUBERNETES[1]).status.success());
}

#[test]
fn the_list_of_overlays_and_the_page_about_them_are_complete() {
    let directories = |of: &str| -> BTreeSet<String> {
        fs::read_dir(root(of)).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    };
    let overlays = directories("k8s/overlays");
    assert_eq!(overlays, OVERLAYS.map(str::to_owned).into());
    let page = read("k8s/README.md");
    for name in overlays.iter().chain(&directories("k8s/components")) {
        assert!(page.contains(&format!("`{name}`")), "k8s/README.md does not name {name}");
    }
}

/// The labels of a workload's pods.
fn pod_labels(workload: &Value) -> &Value {
    &template(workload)["metadata"]["labels"]
}

fn selects(selector: &Value, labels: &Value) -> bool {
    let wanted = selector.as_object().expect("a selector names labels");
    !wanted.is_empty() && wanted.iter().all(|(name, value)| labels.get(name) == Some(value))
}

#[test]
fn every_selector_finds_the_consumer_and_only_what_it_means() {
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let consumer = pod_labels(named(all, "Deployment", "segmenter"));
        let others = workloads(all).into_iter().map(pod_labels).filter(|labels| *labels != consumer);
        let others: Vec<&Value> = others.collect();
        assert!(others.len() >= 7, "{overlay}");
        for (kind, pointer) in [
            ("Deployment", "/spec/selector/matchLabels"),
            ("Service", "/spec/selector"),
            ("PodDisruptionBudget", "/spec/selector/matchLabels"),
            ("PodMonitor", "/spec/selector/matchLabels"),
        ] {
            let found = of_kind(all, kind);
            assert_eq!(found.is_empty(), kind == "PodMonitor" && overlay == "dev", "{overlay}: {kind}");
            for one in found.into_iter().filter(|one| text(one, "/metadata/name") == "segmenter") {
                let selector = one.pointer(pointer).unwrap();
                assert!(selects(selector, consumer), "{overlay}: {kind} does not find the consumer");
                assert!(!others.iter().any(|labels| selects(selector, labels)), "{overlay}: {kind} finds a job");
            }
        }
        let policy = named(all, "NetworkPolicy", "segmenter").pointer("/spec/podSelector/matchLabels").unwrap();
        assert!(
            others.iter().chain([&consumer]).all(|labels| selects(policy, labels)),
            "{overlay}: a pod without a policy"
        );
    }
}

#[test]
fn every_port_that_is_named_is_one_of_the_consumers() {
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let ports: Vec<&str> = list(named(all, "Deployment", "segmenter"), "/spec/template/spec/containers/0/ports")
            .iter()
            .map(|port| text(port, "/name"))
            .collect();
        let service = list(named(all, "Service", "segmenter"), "/spec/ports");
        let monitors = of_kind(all, "PodMonitor").into_iter();
        let monitored = monitors.flat_map(|monitor| list(monitor, "/spec/podMetricsEndpoints"));
        let ingress = list(named(all, "NetworkPolicy", "segmenter"), "/spec/ingress/0/ports");
        let named_ports = service.iter().map(|port| text(port, "/targetPort"));
        let named_ports = named_ports.chain(monitored.chain(ingress).map(|port| text(port, "/port")));
        for port in named_ports {
            assert!(ports.contains(&port), "{overlay}: there is no port {port}");
        }
        let names: Vec<&str> = service.iter().map(|port| text(port, "/name")).collect();
        assert_eq!(names, ["http", "metrics"]);
    }
}

/// The second part of the brokers' name.
fn brokers_namespace(all: &[Value]) -> &str {
    let brokers = text(named(all, "ConfigMap", "segmenter-settings"), "/data/KAFKA_BROKERS");
    brokers.split('.').nth(1).expect("it is KAFKA.NAMESPACE.svc:PORT")
}

#[test]
fn everything_of_an_overlay_is_in_its_namespace_and_what_strimzi_reads_is_in_that_of_the_brokers() {
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let own = text(named(all, "Deployment", "segmenter"), "/metadata/namespace");
        assert!(!own.is_empty(), "{overlay}");
        for resource in all {
            let is_strimzis = text(resource, "/apiVersion").starts_with("kafka.strimzi.io/");
            let expected = if is_strimzis { brokers_namespace(all) } else { own };
            assert_eq!(text(resource, "/metadata/namespace"), expected, "{overlay}: {}", text(resource, "/kind"));
        }
    }
    assert_ne!(brokers_namespace(resources("prod")), "segmenter-prod");
}

#[test]
fn an_overlay_has_one_image_by_its_digest_except_on_a_developers_cluster() {
    for overlay in OVERLAYS {
        let containers = workloads(resources(overlay)).into_iter().map(template);
        let containers = containers.flat_map(|pod| list(pod, "/spec/containers"));
        let images: BTreeSet<&str> = containers.map(|container| text(container, "/image")).collect();
        assert_eq!(images.len(), 1, "{overlay}: {images:?}");
        let image = images.first().unwrap();
        if overlay == "dev" {
            assert_eq!(*image, format!("segmenter:{}", env!("CARGO_PKG_VERSION")));
            continue;
        }
        let (name, digest) = image.split_once("@sha256:").expect("an image is named by its digest, not by a tag");
        assert!(name.contains('/') && !name.contains(':'), "{overlay}: {image}");
        assert!(digest.len() == 64 && digest.bytes().all(|byte| byte.is_ascii_hexdigit()), "{overlay}: {image}");
    }
}

#[test]
fn keda_asks_the_services_brokers_by_a_name_that_holds_in_its_own_namespace() {
    let mut scaled = 0;
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let brokers = text(named(all, "ConfigMap", "segmenter-settings"), "/data/KAFKA_BROKERS");
        for trigger in of_kind(all, "ScaledObject").into_iter().flat_map(|one| list(one, "/spec/triggers")) {
            assert_eq!(text(trigger, "/metadata/bootstrapServers"), brokers, "{overlay}");
            for broker in brokers.split(',') {
                let (host, _) = broker.rsplit_once(':').expect("it names a port");
                assert!(host.ends_with(".svc") && host.split('.').count() == 3, "{overlay}: {host} is not qualified");
            }
            scaled += 1;
        }
    }
    assert_eq!(scaled, 4, "two triggers in each of two overlays");
}

#[test]
fn the_platforms_overlay_has_its_labels_and_topics_and_nothing_that_kubernetes_1_28_lacks() {
    let all = resources("dreamscape");
    for resource in all {
        assert_eq!(text(resource, "/metadata/labels/app"), "segmenter");
        assert_eq!(text(resource, "/metadata/labels/part-of"), "dreamscape");
        assert!(!text(resource, "/metadata/labels/component").is_empty());
        assert!(text(resource, "/metadata/namespace").starts_with("dreamscape-"));
    }
    let settings = &named(all, "ConfigMap", "segmenter-settings")["data"];
    let topics = settings.as_object().unwrap().iter().filter(|(name, _)| name.starts_with("SEGMENTER_TOPICS_"));
    let topics: Vec<&str> = topics.map(|(_, topic)| topic.as_str().unwrap()).collect();
    assert_eq!(topics.len(), 4);
    assert!(topics.iter().all(|topic| topic.starts_with("dreamscape.user.")), "{topics:?}");
    assert!(
        !rendered("dreamscape").contains("preStop"),
        "the action `sleep` is newer than 1.28, and the image has no shell"
    );
}
