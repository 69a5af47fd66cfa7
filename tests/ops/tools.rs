//! The tools that check manifests, rules and other files; `scripts/setup ops` installs them into `target/`.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::LazyLock;

use serde_json::Value;

/// Every overlay.
pub const OVERLAYS: [&str; 4] = ["dev", "staging", "prod", "dreamscape"];

/// A path in the tree.
pub fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// A file of the tree.
pub fn read(path: &str) -> String {
    fs::read_to_string(root(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The output of `command` with this standard input, whatever its exit code.
pub fn ran(command: &mut Command, input: &str) -> Output {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| panic!("{command:?}: {error}; `scripts/setup ops` installs it"));
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_owned();
    let feeder = std::thread::spawn(move || stdin.write_all(input.as_bytes()));
    let output = child.wait_with_output().unwrap();
    // A tool that does not read all of its input reports the reason in its output.
    let _ = feeder.join();
    output
}

/// The standard output of `command`, which has to succeed.
pub fn printed(command: &mut Command, input: &str) -> String {
    let output = ran(command, input);
    let stdout = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{command:?}\n{stdout}\n{}", String::from_utf8_lossy(&output.stderr));
    stdout
}

/// Python with the packages of `tests/ops/requirements.txt`.
pub fn python(arguments: &[&str]) -> Command {
    let mut command = Command::new("python3");
    command.args(arguments).env("PYTHONPATH", root("target/ops-python"));
    command
}

pub fn promtool(arguments: &[&str]) -> Command {
    let mut command = Command::new(root("target/promtool/promtool"));
    command.args(arguments);
    command
}

/// The documents of a YAML stream.
pub fn documents(yaml: &str) -> Vec<Value> {
    const CONVERT: &str = "import json, sys, yaml; json.dump(list(yaml.safe_load_all(sys.stdin)), sys.stdout)";
    serde_json::from_str(&printed(&mut python(&["-c", CONVERT]), yaml)).unwrap()
}

pub fn kubectl() -> Command {
    Command::new(root("target/kubectl/kubectl"))
}

/// A kustomization as YAML.
pub fn kustomized(directory: &Path) -> String {
    printed(kubectl().arg("kustomize").arg(directory), "")
}

/// Every overlay as YAML and as its resources, rendered once.
static RENDERED: LazyLock<BTreeMap<&str, (String, Vec<Value>)>> = LazyLock::new(|| {
    let render = |overlay| {
        let yaml = kustomized(&root("k8s/overlays").join(overlay));
        let resources = documents(&yaml);
        (overlay, (yaml, resources))
    };
    OVERLAYS.into_iter().map(render).collect()
});

/// An overlay's rendered YAML.
pub fn rendered(overlay: &str) -> &'static str {
    &RENDERED[overlay].0
}

/// An overlay's resources.
pub fn resources(overlay: &str) -> &'static [Value] {
    &RENDERED[overlay].1
}

/// The text at a JSON pointer, or the empty one.
pub fn text<'v>(value: &'v Value, pointer: &str) -> &'v str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// The list at a JSON pointer, or the empty one.
pub fn list<'v>(value: &'v Value, pointer: &str) -> &'v [Value] {
    value.pointer(pointer).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// The resources of one kind.
pub fn of_kind<'v>(resources: &'v [Value], kind: &str) -> Vec<&'v Value> {
    resources.iter().filter(|resource| resource["kind"] == kind).collect()
}

/// The resource of a kind with this name, or with it and a hash (of a ConfigMap that kustomize generates).
pub fn named<'v>(resources: &'v [Value], kind: &str, name: &str) -> &'v Value {
    let is_named = |one: &Value| {
        let rest = text(one, "/metadata/name").strip_prefix(name);
        rest.is_some_and(|rest| rest.is_empty() || (rest.len() == 11 && kind == "ConfigMap"))
    };
    let found = of_kind(resources, kind).into_iter().find(|one| is_named(one));
    found.unwrap_or_else(|| panic!("there is no {kind} {name}"))
}

/// Everything that has pods.
pub fn workloads(resources: &[Value]) -> Vec<&Value> {
    ["Deployment", "CronJob", "Job"].into_iter().flat_map(|kind| of_kind(resources, kind)).collect()
}

/// The template of a workload's pods.
pub fn template(workload: &Value) -> &Value {
    let job = workload.pointer("/spec/jobTemplate").unwrap_or(workload);
    &job["spec"]["template"]
}
