//! The settings in the manifests and in Compose exist and are valid.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::tools::{OVERLAYS, list, named, of_kind, read, resources, text};

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
        let data = named(resources, "ConfigMap", text(source, "/configMapRef/name"))["data"].as_object().unwrap();
        environment.extend(data.iter().map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned())));
    }
    for one in list(container, "/env") {
        environment.insert(text(one, "/name").to_owned(), text(one, "/value").to_owned());
    }
    environment
}

/// Writes the files that a pod mounts under /etc/segmenter into a directory, and points the environment there.
fn mounted(environment: &mut BTreeMap<String, String>, directory: &Path) {
    for (name, value) in environment.iter_mut().filter(|(_, value)| value.starts_with("/etc/segmenter/")) {
        let file = directory.join(value.trim_start_matches('/'));
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        let content = if name == "DATABASE_URL_FILE" { "postgres://user:password@db/platform" } else { "content" };
        fs::write(&file, content).unwrap();
        *value = file.to_str().unwrap().to_owned();
    }
}

#[test]
fn the_service_accepts_the_settings_of_every_overlay() {
    for overlay in OVERLAYS {
        let all = resources(overlay);
        let deployment = named(all, "Deployment", "segmenter");
        let mut environment = environment(all, &deployment["spec"]["template"]["spec"]["containers"][0]);
        let directory = tempfile::tempdir().unwrap();
        mounted(&mut environment, directory.path());
        let mut check = Command::new(env!("CARGO_BIN_EXE_segmenter"));
        let checked = check.args(["config", "check"]).env_clear().envs(&environment).output().unwrap();
        assert!(checked.status.success(), "{overlay}: {}", String::from_utf8_lossy(&checked.stderr));
    }
}

#[test]
fn every_variable_that_a_container_gets_is_a_setting() {
    let settings = read("docs/config.md") + &read("docs/traces.md");
    for overlay in OVERLAYS {
        let all = resources(overlay);
        for workload in of_kind(all, "Deployment").into_iter().chain(of_kind(all, "Job")) {
            let container = &workload["spec"]["template"]["spec"]["containers"][0];
            let own_arguments = container["args"].to_string();
            for name in environment(all, container).into_keys() {
                let is_argument = own_arguments.contains(&format!("$({name})"));
                assert!(is_argument || settings.contains(&format!("`{name}`")), "{overlay}: {name} is not a setting");
            }
        }
    }
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
        let rules = list(named(all, "NetworkPolicy", "segmenter"), "/spec/egress").iter();
        let open: Vec<u64> = rules
            .flat_map(|rule| list(rule, "/ports"))
            .map(|port| port["port"].as_u64().expect("egress is by number"))
            .collect();
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
