//! The Dockerfile, as far as it can be judged without a container engine.

use std::process::Command;

use super::tools::{printed, read, root};

#[test]
fn the_dockerfile_has_no_findings() {
    let mut hadolint = Command::new(root("target/ops-python/bin/hadolint"));
    printed(hadolint.args(["--failure-threshold", "style", "--config", "/dev/null"]).arg(root("Dockerfile")), "");
}

/// The instructions of the Dockerfile's last stage, and those before.
fn stages() -> (String, String) {
    let file = read("Dockerfile").replace("\\\n", " ");
    let (build, last) = file.rsplit_once("\nFROM ").expect("it has several stages");
    (build.to_owned(), format!("FROM {last}"))
}

#[test]
fn the_image_has_no_shell_no_root_and_nothing_but_the_program() {
    let (_, last) = stages();
    assert!(last.starts_with("FROM gcr.io/distroless/"));
    assert!(last.lines().next().unwrap().contains(":nonroot"));
    assert!(last.contains("USER 65532"), "Kubernetes knows a number to be another than root, a name it does not");
    assert!(!last.contains("RUN "), "there is no shell");
}

#[test]
fn the_image_can_send_traces_and_has_no_points_at_which_tests_kill_it() {
    let (build, _) = stages();
    let cargo = build.lines().find(|line| line.contains("cargo build")).expect("it is built with Cargo");
    assert!(cargo.contains("--features otlp ") && !cargo.contains("failpoints"), "{cargo}");
}

#[test]
fn everything_that_the_build_copies_is_there_and_not_ignored() {
    let (build, _) = stages();
    let ignored = read(".dockerignore");
    let copied = build.lines().filter_map(|line| line.strip_prefix("COPY ")).filter(|rest| !rest.starts_with("--"));
    let mut seen = 0;
    for line in copied {
        let words: Vec<&str> = line.split_whitespace().collect();
        for source in &words[..words.len() - 1] {
            assert!(root(source).exists(), "COPY {source}");
            assert!(ignored.contains(&format!("!{source}")), "{source} is ignored");
            seen += 1;
        }
    }
    assert!(seen >= 5);
}
