//! The settings in the manifests and in Compose exist and are valid.

use std::collections::BTreeMap;
use std::fs;
use std::process::{Command, Output};
use std::time::Duration;

use serde_json::Value;

use super::tools::{
    OVERLAYS, documents, kustomized, list, named, of_kind, read, resources, root, template, text, workloads,
};

/// A duration in whole seconds, such as `20s`, among the settings of a ConfigMap.
pub fn duration(settings: &Value, name: &str) -> Duration {
    let seconds =
        settings[name].as_str().and_then(|value| value.strip_suffix('s')).and_then(|value| value.parse().ok());
    Duration::from_secs(seconds.unwrap_or_else(|| panic!("{name} is not a number of seconds")))
}

/// The environment of a container, from its ConfigMaps and its own list.
pub fn environment(resources: &[Value], container: &Value) -> BTreeMap<String, String> {
    let mut environment = BTreeMap::new();
    for source in list(container, "/envFrom") {
        let map = &source["configMapRef"];
        let found = of_kind(resources, "ConfigMap").into_iter().find(|one| one["metadata"]["name"] == map["name"]);
        assert!(found.is_some() || map["optional"] == true, "there is no ConfigMap {map}");
        let data = found.into_iter().flat_map(|map| map["data"].as_object().unwrap());
        environment.extend(data.map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
    }
    for one in list(container, "/env") {
        // A value from elsewhere is the uid of the pod's Job.
        let value = one["value"].as_str().unwrap_or("00000000-0000-4000-8000-000000000000");
        environment.insert(text(one, "/name").to_owned(), value.to_owned());
    }
    environment
}

/// The files that a pod may mount: path and content.
fn files(resources: &[Value], pod: &Value) -> BTreeMap<String, String> {
    let sources = list(pod, "/volumes").iter().flat_map(|volume| list(volume, "/projected/sources"));
    let mut files = BTreeMap::new();
    for source in sources {
        let map = text(source, "/configMap/name");
        let map = of_kind(resources, "ConfigMap").into_iter().find(|one| one["metadata"]["name"] == map);
        for item in list(source, "/secret/items").iter().chain(list(source, "/configMap/items")) {
            let content = match (map, text(item, "/key")) {
                (Some(map), key) => map["data"][key].as_str().unwrap(),
                (None, "url") => "postgres://user:password@db/platform",
                (None, _) => "content",
            };
            files.insert(format!("/etc/segmenter/{}", text(item, "/path")), content.to_owned());
        }
    }
    files
}

/// `segmenter config check` as a workload's pods would run it: with their settings and files.
fn checked(resources: &[Value], workload: &Value) -> Output {
    let pod = &template(workload)["spec"];
    let mut environment = environment(resources, &pod["containers"][0]);
    let directory = tempfile::tempdir().unwrap();
    let files = files(resources, pod);
    for (name, value) in environment.iter_mut().filter(|(_, value)| value.starts_with("/etc/segmenter/")) {
        let content = files.get(value).unwrap_or_else(|| panic!("{name}: nothing is mounted at {value}"));
        let file = directory.path().join(value.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(&file, content).unwrap();
        *value = file.to_str().unwrap().to_owned();
    }
    Command::new(env!("CARGO_BIN_EXE_segmenter"))
        .args(["config", "check"])
        .env_clear()
        .envs(&environment)
        .output()
        .unwrap()
}

/// Asserts that the service, the jobs and the toolbox accept their settings. The migration takes the database's only.
fn assert_accepted(resources: &[Value], of: &str) {
    let name = |workload: &Value| text(workload, "/metadata/name").to_owned();
    let with_settings: Vec<&Value> =
        workloads(resources).into_iter().filter(|workload| name(workload) != "segmenter-migrate").collect();
    assert_eq!(with_settings.len(), 7, "{of}");
    for workload in with_settings {
        let checked = checked(resources, workload);
        let complaint = String::from_utf8_lossy(&checked.stderr);
        assert!(checked.status.success(), "{of}, {}: {complaint}", name(workload));
    }
}

#[test]
fn the_settings_of_every_overlay_are_accepted() {
    for overlay in OVERLAYS {
        assert_accepted(resources(overlay), overlay);
    }
}

/// The base with some components, and with a configuration file and a catalog as an overlay brings them.
fn composed(components: &[&str]) -> Vec<Value> {
    let directory = tempfile::tempdir_in(root("target")).unwrap();
    let write = |name: &str, content: &str| fs::write(directory.path().join(name), content).unwrap();
    write("segmenter.toml", "[kafka.properties]\n\"client.rack\" = \"zone-a\"\n");
    write("catalog.toml", &read("src/domain/scoring/catalog.toml"));
    let components: Vec<String> = components.iter().map(|name| format!("../../k8s/components/{name}")).collect();
    let kustomization = serde_json::json!({
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "resources": ["../../k8s/base"],
        "components": components,
        "configMapGenerator": [
            {"name": "segmenter-config", "files": ["segmenter.toml"]},
            {"name": "segmenter-catalog", "files": ["catalog.toml"]},
        ],
    });
    write("kustomization.yaml", &kustomization.to_string());
    documents(&kustomized(directory.path()))
}

#[test]
fn the_settings_of_every_component_are_accepted_and_their_files_are_mounted() {
    let components: Vec<String> = fs::read_dir(root("k8s/components"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(components.len() >= 12);
    for component in &components {
        // A login goes with the component that it is for.
        let of_login = component.strip_suffix("-login").into_iter();
        let with_base: Vec<&str> = of_login.chain([component.as_str()]).collect();
        assert_accepted(&composed(&with_base), component);
    }
    let all = composed(&[
        "strimzi",
        "kafka-client-certificate",
        "schema-registry",
        "schema-registry-login",
        "api-token",
        "http-certificate",
        "config-file",
        "catalog",
    ]);
    assert_accepted(&all, "all that have files");
    let users = of_kind(&all, "KafkaUser");
    assert!(users.len() == 2 && users.iter().all(|user| text(user, "/spec/authentication/type") == "tls"));
}

#[test]
fn with_a_certificate_probes_and_scrapes_use_tls() {
    let all = composed(&["prometheus", "http-certificate"]);
    let container = &named(&all, "Deployment", "segmenter")["spec"]["template"]["spec"]["containers"][0];
    for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
        assert_eq!(container[probe]["httpGet"]["scheme"], "HTTPS");
    }
    assert_eq!(named(&all, "PodMonitor", "segmenter")["spec"]["podMetricsEndpoints"][0]["scheme"], "https");
}

#[test]
fn a_file_that_is_not_valid_is_refused() {
    let mut all = composed(&["config-file"]);
    let map = all.iter_mut().find(|one| text(one, "/metadata/name").starts_with("segmenter-config-")).unwrap();
    map["data"]["segmenter.toml"] = "[kafka]\nmistyped = 1\n".into();
    let checked = checked(&all, named(&all, "Deployment", "segmenter"));
    assert_eq!(checked.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&checked.stderr).contains("mistyped"));
}

#[test]
fn every_variable_that_a_container_gets_is_a_setting() {
    let settings = read("docs/config.md") + &read("docs/traces.md");
    for overlay in OVERLAYS {
        let all = resources(overlay);
        for workload in workloads(all) {
            let container = &template(workload)["spec"]["containers"][0];
            let own_arguments = container["args"].to_string();
            for name in environment(all, container).into_keys() {
                let is_argument = own_arguments.contains(&format!("$({name})"));
                assert!(is_argument || settings.contains(&format!("`{name}`")), "{overlay}: {name} is not a setting");
            }
        }
    }
}

/// The ports to which egress is open.
fn open_ports(resources: &[Value]) -> Vec<u64> {
    let rules = list(named(resources, "NetworkPolicy", "segmenter"), "/spec/egress").iter();
    let range = |port: &Value| {
        let first = port["port"].as_u64().expect("egress is by number");
        first..=port["endPort"].as_u64().unwrap_or(first)
    };
    rules.flat_map(|rule| list(rule, "/ports")).flat_map(range).collect()
}

#[test]
fn egress_to_an_identity_provider_is_open_with_the_component_that_asks_it() {
    assert!(open_ports(&composed(&["kafka-oauthbearer"])).contains(&443));
}

/// The ports in a setting's addresses; default ports of the scheme are not expanded.
fn ports(setting: &str) -> Vec<u64> {
    let places = setting.split(',').map(|place| place.split_once("://").map_or(place, |(_, behind)| behind));
    let hosts = places.map(|place| place.split('/').next().unwrap_or_default());
    hosts.map(|host| host.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).expect("it names a port")).collect()
}

#[test]
fn egress_is_open_to_every_configured_server_and_closed_to_all_others() {
    const OPTIONAL: [(&str, u64); 2] = [("SCHEMA_REGISTRY_URL", 8081), ("OTEL_EXPORTER_OTLP_ENDPOINT", 4318)];
    let mut switched_on = 0;
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let environment =
            environment(all, &named(all, "Deployment", "segmenter")["spec"]["template"]["spec"]["containers"][0]);
        let open = open_ports(all);
        for usual in [53, 9092, 9098, 5432, 6432] {
            assert!(open.contains(&usual), "{overlay}: no egress to {usual}");
        }
        for port in ports(&environment["KAFKA_BROKERS"]) {
            assert!(open.contains(&port), "{overlay}: no egress to Kafka's {port}");
        }
        for (name, usual) in OPTIONAL {
            match environment.get(name) {
                Some(address) => {
                    assert!(ports(address).iter().all(|port| open.contains(port)), "{overlay}: no egress to {address}");
                    switched_on += 1;
                }
                None => assert!(!open.contains(&usual), "{overlay}: {usual} is open without a setting"),
            }
        }
    }
    assert!(switched_on >= OPTIONAL.len(), "no overlay enables the optional servers");
}
