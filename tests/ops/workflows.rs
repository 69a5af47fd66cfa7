//! The workflows of the pipeline: actionlint accepts them, they run targets that exist, and have no more rights than they need.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use serde_json::Value;

use super::tools::{documents, printed, ran, read, root, text};

/// Each workflow with its name and text.
fn workflows() -> Vec<(String, String)> {
    let files = fs::read_dir(root(".github/workflows")).unwrap().map(|entry| entry.unwrap().path());
    let named = files
        .map(|file| (file.file_name().unwrap().to_string_lossy().into_owned(), fs::read_to_string(&file).unwrap()));
    named.collect()
}

/// actionlint, without the linters that it would use if they happened to be installed.
fn actionlint() -> Command {
    let mut actionlint = Command::new(root("target/actionlint/actionlint"));
    actionlint.args(["-shellcheck=", "-pyflakes="]).current_dir(root(""));
    actionlint
}

#[test]
fn actionlint_finds_nothing_in_the_workflows_and_something_in_a_faulty_one() {
    printed(&mut actionlint(), "");
    let faulty = read(".github/workflows/make.yml").replace("inputs.targets", "inputs.goals");
    let found = ran(actionlint().arg("-"), &faulty);
    assert!(!found.status.success(), "{}", String::from_utf8_lossy(&found.stdout));
}

#[test]
fn every_action_is_pinned_by_a_commit_and_names_its_version() {
    let mut pinned = 0;
    for (name, workflow) in workflows() {
        for line in workflow.lines().filter_map(|line| line.split_once("uses: ")).map(|(_, used)| used) {
            if line.starts_with("./") {
                assert!(root(line).exists(), "{name}: {line}");
                continue;
            }
            let (commit, version) = line.split_once('@').and_then(|(_, at)| at.split_once(" # v")).unwrap_or_default();
            let is_commit = commit.len() == 40 && commit.chars().all(|char| char.is_ascii_hexdigit());
            assert!(is_commit && version.split('.').count() == 3, "{name}: {line}");
            pinned += 1;
        }
    }
    assert!(pinned > 10, "{pinned}");
}

#[test]
fn every_workflow_may_only_read_and_a_job_writes_only_what_it_makes() {
    let mut writing = BTreeSet::new();
    for (name, workflow) in workflows() {
        let workflow = documents(&workflow).remove(0);
        assert_eq!(workflow["permissions"], serde_json::json!({"contents": "read"}), "{name}");
        for (job, content) in workflow["jobs"].as_object().unwrap() {
            let rights = content["permissions"].as_object().into_iter().flatten();
            writing.extend(rights.filter(|(_, right)| *right == "write").map(|(of, _)| format!("{name} {job} {of}")));
        }
    }
    let of_image = |job: &str| ["packages", "id-token", "attestations"].map(|of| format!("{job} {of}"));
    let mut expected: BTreeSet<String> =
        ["image.yml publish", "ci.yml image", "release.yml image"].map(of_image).into_iter().flatten().collect();
    expected.extend(["image.yml build packages".to_owned(), "release.yml release contents".to_owned()]);
    assert_eq!(writing, expected);
}

/// The jobs of a workflow.
fn jobs(workflow: &Value) -> impl Iterator<Item = &Value> {
    workflow["jobs"].as_object().unwrap().values()
}

#[test]
fn the_workflows_run_every_target_that_tests_and_no_other() {
    let makefile = read("Makefile");
    let tests = makefile.lines().filter_map(|line| line.split_once(':')).map(|(target, _)| target);
    let tests: BTreeSet<&str> = tests.filter(|target| *target == "lint" || target.starts_with("test")).collect();
    let run = |name: &str| {
        let workflow = documents(&read(&format!(".github/workflows/{name}.yml"))).remove(0);
        let targets = jobs(&workflow).map(|job| text(job, "/with/targets")).filter(|targets| !targets.is_empty());
        targets.flat_map(|targets| serde_json::from_str::<Vec<String>>(targets).unwrap()).collect::<BTreeSet<String>>()
    };
    let all: BTreeSet<String> = tests.into_iter().map(str::to_owned).collect();
    assert_eq!(run("release"), all);
    assert_eq!(&run("ci") | &run("nightly"), all);
    let local: BTreeSet<String> =
        read(".ci/run").lines().filter_map(|line| line.strip_prefix("make ")).map(str::to_owned).collect();
    assert!(local.is_subset(&run("ci")), "{local:?}");
}
