//! docker-compose.yml is valid for the real Compose and its specification, and names only existing settings.

use std::process::Command;

use serde_json::Value;

use super::tools::{documents, list, printed, promtool, python, read, root};

/// The output of `docker compose config`.
fn composed(arguments: &[&str]) -> String {
    let mut compose = Command::new(root("target/python/bin/docker-compose"));
    compose.arg("-f").arg(root("docker-compose.yml")).arg("config").args(arguments);
    printed(&mut compose, "")
}

#[test]
fn compose_accepts_the_file_and_the_service_accepts_its_configuration() {
    composed(&["-q"]);
    let config: Value = serde_json::from_str(&composed(&["--format", "json"])).unwrap();
    let environment = config["services"]["segmenter"]["environment"].as_object().unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_segmenter"))
        .args(["config", "check"])
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value.as_str().unwrap())))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}

/// The hosts in an address or a list of addresses.
fn hosts(text: &str) -> Vec<&str> {
    let behind_scheme = text.split_once("://").map_or(text, |(_, behind)| behind);
    let places = behind_scheme.split('/').next().unwrap_or_default().split(',');
    places.map(|place| place.rsplit('@').next().unwrap().split(':').next().unwrap()).collect()
}

#[test]
fn the_service_uses_every_server_of_the_file_and_prometheus_and_grafana_find_theirs() {
    let file = documents(&read("docker-compose.yml")).remove(0);
    let services = file["services"].as_object().unwrap();
    let segmenter = &services["segmenter"];
    for (setting, server) in
        [("KAFKA_BROKERS", "kafka"), ("DATABASE_URL", "postgres"), ("SCHEMA_REGISTRY_URL", "registry")]
    {
        assert_eq!(hosts(segmenter["environment"][setting].as_str().unwrap()), [server], "{setting}");
        assert!(services.contains_key(server), "{server}");
    }
    for (setting, value) in services["travellers"]["environment"].as_object().unwrap() {
        assert_eq!(segmenter["environment"][setting], *value, "the producer and the service have the same {setting}");
    }
    let scraped = &documents(&read("compose/prometheus.yml"))[0]["scrape_configs"][0]["static_configs"][0]["targets"];
    assert_eq!(hosts(scraped[0].as_str().unwrap()), ["segmenter"]);
    let source = documents(&read("compose/grafana/datasources.yml"));
    assert_eq!(hosts(source[0]["datasources"][0]["url"].as_str().unwrap()), ["prometheus"]);
    assert!(services.contains_key("prometheus") && services.contains_key("grafana"));
}

#[test]
fn the_file_matches_the_compose_specification() {
    const VALIDATE: &str = "
import json, sys
from jsonschema import Draft202012Validator
wrong = [f'{error.json_path}: {error.message}'
         for error in Draft202012Validator(json.load(open(sys.argv[1]))).iter_errors(json.load(sys.stdin))]
sys.exit('\\n'.join(wrong) or 0)
";
    let file = documents(&read("docker-compose.yml")).remove(0);
    let schema = root("tests/ops/schemas/compose-spec.json");
    printed(&mut python(&["-c", VALIDATE, schema.to_str().unwrap()]), &file.to_string());
}

#[test]
fn everything_that_is_mounted_is_there_and_prometheus_accepts_its_configuration() {
    let file = documents(&read("docker-compose.yml")).remove(0);
    let services = file["services"].as_object().unwrap();
    let volumes = services.values().flat_map(|service| list(service, "/volumes"));
    let mounted: Vec<&str> = volumes.filter_map(|volume| volume.as_str()?.strip_prefix("./")).collect();
    assert!(mounted.len() >= 4, "{mounted:?}");
    for mount in mounted {
        assert!(root(mount.split(':').next().unwrap()).exists(), "{mount}");
    }
    printed(&mut promtool(&["check", "config", root("compose/prometheus.yml").to_str().unwrap()]), "");
    let sources = documents(&read("compose/grafana/datasources.yml"));
    assert_eq!(sources[0]["datasources"][0]["type"], "prometheus");
    let path = &documents(&read("compose/grafana/dashboards.yml"))[0]["providers"][0]["options"]["path"];
    assert_eq!(path, "/var/lib/grafana/dashboards");
}

#[test]
fn the_service_gets_as_much_time_to_stop_as_in_the_manifests() {
    let file = documents(&read("docker-compose.yml")).remove(0);
    assert_eq!(file["services"]["segmenter"]["stop_grace_period"], "45s");
    assert!(read("k8s/base/deployment.yaml").contains("terminationGracePeriodSeconds: 45"));
}

#[test]
fn every_server_has_a_health_check_and_its_data_survive_its_container() {
    let file = documents(&read("docker-compose.yml")).remove(0);
    let volumes = file["volumes"].as_object().unwrap();
    for (name, service) in file["services"].as_object().unwrap() {
        // One ends by itself; the other serves nothing, and ends when it cannot produce.
        if ["topics", "travellers"].contains(&name.as_str()) {
            continue;
        }
        assert!(list(service, "/healthcheck/test").len() > 1, "{name}");
        let named = list(service, "/volumes").iter().filter_map(|volume| volume.as_str()?.split(':').next());
        let keeps = named.filter(|source| volumes.contains_key(*source)).count();
        // The service keeps nothing, and the registry's schemas are in Kafka.
        assert_eq!(keeps, usize::from(!["segmenter", "registry"].contains(&name.as_str())), "{name}");
    }
    let registry = &file["services"]["registry"]["environment"];
    assert_eq!(registry["APICURIO_STORAGE_KIND"], "kafkasql");
    let topics = file["services"]["topics"]["command"][0].as_str().unwrap();
    assert!(topics.contains("--topic kafkasql-journal --partitions 1 --config retention.ms=-1\n"), "{topics}");
}

#[cfg(feature = "demo")]
#[test]
fn the_programs_that_compose_runs_take_their_arguments() {
    let file = documents(&read("docker-compose.yml")).remove(0);
    let arguments = |service: &str, pointer: &str| -> Vec<String> {
        list(&file["services"][service], pointer).iter().map(|word| word.as_str().unwrap().to_owned()).collect()
    };
    let health = arguments("segmenter", "/healthcheck/test");
    assert_eq!(health[..2], ["CMD", "/usr/local/bin/segmenter"]);
    for (program, arguments) in [
        (env!("CARGO_BIN_EXE_segmenter"), health[2..].to_vec()),
        (env!("CARGO_BIN_EXE_demo"), arguments("travellers", "/command")),
    ] {
        let parsed = Command::new(program).args(arguments).arg("--help").output().unwrap();
        assert!(parsed.status.success(), "{}", String::from_utf8_lossy(&parsed.stderr));
    }
    let target = file["services"]["travellers"]["build"]["target"].as_str().unwrap();
    assert!(read("Dockerfile").contains(&format!(" AS {target}\n")));
}
