//! The Dockerfile, as far as it can be checked without a container engine.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::tools::{printed, ran, read, root};
use crate::packaging::build_inputs;

/// Hadolint, which fails for every finding.
fn hadolint(file: &Path) -> Command {
    let mut hadolint = Command::new(root("target/ops-python/bin/hadolint"));
    hadolint.args(["--failure-threshold", "style", "--config", "/dev/null"]).arg(file);
    hadolint
}

#[test]
fn the_dockerfile_has_no_findings_and_one_with_faults_has() {
    printed(&mut hadolint(&root("Dockerfile")), "");
    let directory = tempfile::tempdir().unwrap();
    let faulty = directory.path().join("Dockerfile");
    std::fs::write(&faulty, "FROM debian:latest\nRUN cd /tmp && apt-get install curl\n").unwrap();
    assert!(!ran(&mut hadolint(&faulty), "").status.success(), "hadolint finds nothing");
}

/// The instructions of the Dockerfile's last stage, and those before.
fn stages() -> (String, String) {
    let file = read("Dockerfile").replace("\\\n", " ");
    let (build, last) = file.rsplit_once("\nFROM ").expect("it has several stages");
    (build.to_owned(), format!("FROM {last}"))
}

/// The default of a base image.
fn base(argument: &str) -> String {
    let file = read("Dockerfile");
    let default = file.lines().find_map(|line| line.strip_prefix("ARG ")?.strip_prefix(argument)?.strip_prefix('='));
    default.expect("the argument has a default").to_owned()
}

#[test]
fn the_image_is_built_with_the_rust_of_the_manifest_on_the_debian_that_it_runs_on() {
    let rust = read("Cargo.toml").lines().find_map(|line| line.strip_prefix("rust-version = ").map(str::to_owned));
    assert_eq!(base("BUILD_IMAGE"), format!("rust:{}-bookworm", rust.unwrap().trim_matches('"')));
    assert!(base("RUNTIME_IMAGE").contains("debian12"), "bookworm is Debian 12");
    for workflow in ["make", "dependencies"] {
        let workflow = read(&format!(".github/workflows/{workflow}.yml"));
        assert!(workflow.contains(&format!("container: {}\n", base("BUILD_IMAGE"))));
    }
}

#[test]
fn the_image_has_no_shell_no_root_and_nothing_but_the_program() {
    let (_, last) = stages();
    assert!(last.starts_with("FROM ${RUNTIME_IMAGE}\n"));
    assert!(base("RUNTIME_IMAGE").starts_with("gcr.io/distroless/") && base("RUNTIME_IMAGE").ends_with(":nonroot"));
    assert!(last.contains("USER 65532"), "runAsNonRoot accepts a number, not a name");
    assert!(!last.contains("RUN "), "there is no shell");
}

#[test]
fn the_image_can_send_traces_and_has_no_points_at_which_tests_kill_it() {
    let (build, _) = stages();
    let cargo = build.lines().find(|line| line.contains("cargo auditable build")).expect("it is built with Cargo");
    assert!(cargo.contains("--features otlp ") && !cargo.contains("failpoints"), "{cargo}");
}

/// The paths that the first stage copies from the tree.
fn copied() -> Vec<String> {
    let (build, _) = stages();
    let lines = build.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--"));
    lines
        .flat_map(|line| {
            let (sources, _) = line.rsplit_once(' ').expect("COPY names what and where to");
            sources.split_whitespace().map(str::to_owned).collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn everything_that_the_build_copies_is_there_and_not_ignored() {
    let ignored = read(".dockerignore");
    let copied = copied();
    for source in &copied {
        assert!(root(source).exists(), "COPY {source}");
        assert!(ignored.contains(&format!("!{source}")), "{source} is ignored");
    }
    assert!(copied.len() >= 5);
}

#[test]
fn everything_that_the_build_reads_is_copied() {
    let copied: Vec<PathBuf> = copied().iter().map(|source| root(source).canonicalize().unwrap()).collect();
    let is_copied = |path: &Path| copied.iter().any(|source| path.starts_with(source));
    for input in build_inputs() {
        assert!(is_copied(&root("").join(&input)), "the image's build does not have {}", input.display());
    }
    // Cargo has to accept the manifest without tests, benches and demo: it fails only at the missing binary.
    let tree = tempfile::tempdir().unwrap();
    for source in ["Cargo.toml", "Cargo.lock", "build.rs", "src"] {
        std::os::unix::fs::symlink(root(source), tree.path().join(source)).unwrap();
    }
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--locked", "--offline", "--bin", "no-such-program"]).current_dir(tree.path());
    let complaint = String::from_utf8(ran(&mut cargo, "").stderr).unwrap();
    assert!(complaint.contains("no bin target named `no-such-program`"), "{complaint}");
}
