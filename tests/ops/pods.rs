//! The pods: privileges, probes, grace period, configuration and commands.

use std::collections::BTreeSet;
use std::process::Command;
use std::time::Duration;

use segmenter::http::status::Board;
use segmenter::http::{self, Access, Pages};
use segmenter::runtime::health::Health;
use segmenter::runtime::stop::Stop;
use segmenter::telemetry::metrics::Metrics;
use serde_json::Value;

use super::setting_names::{duration, environment};
use super::tools::{OVERLAYS, list, named, of_kind, read, resources, template, text, workloads};
use crate::support::http_get;

/// The Secrets that are created outside the repository (k8s/README.md).
const SECRETS: [&str; 10] = [
    "segmenter-database",
    "segmenter-operator-database",
    "segmenter-migrate",
    "segmenter-database-ca",
    "segmenter",
    "segmenter-operator",
    "kafka-cluster-ca-cert",
    "segmenter-registry",
    "segmenter-api",
    "segmenter-http",
];

/// The ConfigMaps that an overlay may bring (components/config-file, components/catalog).
const OPTIONAL_MAPS: [&str; 3] = ["segmenter-config", "segmenter-catalog", "segmenter-operator-settings"];

/// The shutdown time of `serve` after the drain: publishing stored changes, and leaving the group.
const AFTER_THE_DRAIN: Duration = Duration::from_secs(15);

#[test]
fn every_pod_has_the_least_privileges() {
    for overlay in OVERLAYS {
        let all = resources(overlay);
        assert_eq!(named(all, "ServiceAccount", "segmenter")["automountServiceAccountToken"], false);
        for workload in workloads(all) {
            let pod = &template(workload)["spec"];
            let is_migration = text(workload, "/metadata/name") == "segmenter-migrate";
            assert_eq!(text(pod, "/serviceAccountName"), if is_migration { "default" } else { "segmenter" });
            assert_eq!(pod["automountServiceAccountToken"], false);
            assert_eq!(pod["enableServiceLinks"], false);
            assert_eq!(pod["securityContext"]["runAsNonRoot"], true);
            assert_eq!(pod["securityContext"]["seccompProfile"]["type"], "RuntimeDefault");
            assert!(pod["securityContext"]["runAsUser"].as_u64().unwrap() > 0);
            for host in ["hostNetwork", "hostPID", "hostIPC"] {
                assert!(pod[host].is_null());
            }
            for container in list(pod, "/containers") {
                let rights = &container["securityContext"];
                assert_eq!(rights["readOnlyRootFilesystem"], true);
                assert_eq!(rights["allowPrivilegeEscalation"], false);
                assert_eq!(rights["capabilities"]["drop"], serde_json::json!(["ALL"]));
                assert!(rights["capabilities"]["add"].is_null() && rights["privileged"].is_null());
                for bounded in ["/resources/requests/cpu", "/resources/requests/memory", "/resources/limits/memory"] {
                    assert!(!text(container, bounded).is_empty(), "{overlay}: {bounded}");
                }
            }
        }
    }
}

#[test]
fn the_grace_period_exceeds_the_shutdown_time() {
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let drain = duration(&named(all, "ConfigMap", "segmenter-settings")["data"], "SEGMENTER_KAFKA_DRAIN_DEADLINE");
        for workload in workloads(all).into_iter().filter(|one| text(one, "/metadata/name") != "segmenter-toolbox") {
            let grace = &template(workload)["spec"]["terminationGracePeriodSeconds"];
            let grace = Duration::from_secs(grace.as_u64().unwrap());
            assert!(grace >= drain + AFTER_THE_DRAIN, "{overlay}: {grace:?} for a drain of {drain:?}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_probe_and_every_scrape_requests_an_existing_page() {
    let health = Health::default();
    health.expect(&["kafka"]);
    health.set_ready("kafka");
    let listener = http::listen("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let board = Board::new(health, Metrics::new().unwrap(), Vec::new());
    let pages = Pages { board, access: Access::Closed, has_user_page: false };
    let stop = Stop::default();
    let server = tokio::spawn(http::serve(listener, None, http::router(pages), stop.clone()));
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let container = &named(all, "Deployment", "segmenter")["spec"]["template"]["spec"]["containers"][0];
        let mut requested = vec![
            (text(container, "/startupProbe/httpGet/path"), "/health/live"),
            (text(container, "/livenessProbe/httpGet/path"), "/health/live"),
            (text(container, "/readinessProbe/httpGet/path"), "/health/ready"),
        ];
        let monitors = of_kind(all, "PodMonitor").into_iter();
        requested.extend(monitors.map(|monitor| (text(monitor, "/spec/podMetricsEndpoints/0/path"), "/metrics")));
        for (path, expected) in requested {
            assert_eq!(path, expected, "{overlay}");
            assert_eq!(http_get(address, path).await.status, 200, "{overlay}: {path}");
        }
    }
    stop.abandon();
    server.await.unwrap();
}

#[test]
fn every_configmap_and_secret_that_a_pod_uses_is_made_here_or_named_in_the_docs() {
    let page = read("k8s/README.md");
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let names = |kind| -> BTreeSet<&str> {
            of_kind(all, kind).into_iter().map(|resource| text(resource, "/metadata/name")).collect()
        };
        let (maps, secrets) = (names("ConfigMap"), names("Secret"));
        for workload in workloads(all) {
            let pod = &template(workload)["spec"];
            let sources = list(pod, "/volumes").iter().flat_map(|volume| list(volume, "/projected/sources"));
            let sources: Vec<&Value> = sources.collect();
            let of_settings = list(pod, "/containers/0/envFrom").iter().map(|one| &one["configMapRef"]);
            let of_files = sources.iter().map(|one| &one["configMap"]).filter(|one| one.is_object());
            for map in of_settings.chain(of_files) {
                let name = text(map, "/name");
                let may_be_absent = map["optional"] == true && OPTIONAL_MAPS.contains(&name);
                assert!(maps.contains(name) || may_be_absent, "{overlay}: {name}");
            }
            let used = sources.iter().map(|source| text(source, "/secret/name")).filter(|name| !name.is_empty());
            for secret in used {
                assert!(secrets.contains(secret) || SECRETS.contains(&secret), "{overlay}: {secret}");
                assert!(page.contains(&format!("`{secret}`")), "k8s/README.md does not describe {secret}");
            }
        }
    }
}

#[test]
fn every_container_runs_a_command_that_the_program_has_with_arguments_that_it_takes() {
    for overlay in OVERLAYS {
        let all = resources(overlay);
        for workload in workloads(all) {
            let container = &template(workload)["spec"]["containers"][0];
            let variables = environment(all, container);
            let argument = |word: &Value| {
                let word = word.as_str().unwrap().to_owned();
                let word =
                    variables.iter().fold(word, |word, (name, value)| word.replace(&format!("$({name})"), value));
                assert!(!word.contains("$("), "{overlay}: {word}");
                word
            };
            // With `--help` the program only parses the arguments before it.
            let arguments = list(container, "/args").iter().map(argument).chain(["--help".to_owned()]);
            let parsed = Command::new(env!("CARGO_BIN_EXE_segmenter")).args(arguments).output().unwrap();
            assert!(parsed.status.success(), "{overlay}: {}", String::from_utf8_lossy(&parsed.stderr));
        }
    }
}

#[test]
fn a_run_of_a_job_has_the_id_of_its_kubernetes_job_so_that_the_next_pod_resumes_it() {
    let all = resources("prod");
    let jobs = of_kind(all, "CronJob");
    assert_eq!(jobs.len(), 5);
    for job in jobs {
        let container = &template(job)["spec"]["containers"][0];
        let executes = list(container, "/args").iter().any(|word| word == "--execute");
        assert_eq!(executes, job["spec"]["suspend"] == true, "only `verify`, which reads only, has a schedule");
        if executes {
            let id = list(container, "/env").iter().find(|one| one["name"] == "JOB_ID").unwrap();
            let label = "metadata.labels['batch.kubernetes.io/controller-uid']";
            assert_eq!(text(id, "/valueFrom/fieldRef/fieldPath"), label);
            assert!(list(container, "/args").contains(&"--id=$(JOB_ID)".into()));
        }
        let rules = list(job, "/spec/jobTemplate/spec/podFailurePolicy/rules");
        let fatal = rules.iter().find(|rule| rule["action"] == "FailJob").unwrap();
        assert_eq!(fatal["onExitCodes"]["containerName"], container["name"]);
    }
}
