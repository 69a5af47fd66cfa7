//! docker-compose.yml is read by the real Compose, and names only settings that exist.

use std::process::Command;

use serde_json::Value;

#[test]
fn compose_accepts_the_file_and_the_service_accepts_its_configuration() {
    let root = env!("CARGO_MANIFEST_DIR");
    let compose = |arguments: &[&str]| {
        let output = Command::new(format!("{root}/target/python/bin/docker-compose"))
            .args(["-f", &format!("{root}/docker-compose.yml"), "config"])
            .args(arguments)
            .output()
            .expect("Compose is there: `make setup` installs it");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    compose(&["-q"]);
    let config: Value = serde_json::from_slice(&compose(&["--format", "json"])).unwrap();
    let environment = config["services"]["segmenter"]["environment"].as_object().unwrap();
    let checked = Command::new(env!("CARGO_BIN_EXE_segmenter"))
        .args(["config", "check"])
        .env_clear()
        .envs(environment.iter().map(|(name, value)| (name, value.as_str().unwrap())))
        .output()
        .unwrap();
    assert!(checked.status.success(), "{}", String::from_utf8_lossy(&checked.stderr));
}
