//! Installation: version, completions, help, package, the versions of the servers.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::support::{segmenter, source};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn the_completions_of_every_shell_name_every_command() {
    let help = segmenter(&["-h"], &[]).finish(SOON).await.stdout;
    let commands = commands(&help);
    assert!(commands.iter().any(|command| command == "serve") && commands.len() > 8, "{commands:?}");
    for shell in ["bash", "zsh", "fish"] {
        let printed = segmenter(&["completions", shell], &[]).finish(SOON).await;
        assert_eq!(printed.code, Some(0));
        let script = printed.stdout;
        for command in &commands {
            assert!(script.contains(command), "{shell} does not complete {command}");
        }
        assert!(script.contains("kafka-brokers"), "{shell} does not complete flags");
    }
}

#[tokio::test]
async fn bash_completes_a_command() {
    let directory = tempfile::tempdir().unwrap();
    let script = directory.path().join("segmenter.bash");
    let printed = segmenter(&["completions", "bash"], &[]).finish(SOON).await.stdout;
    std::fs::write(&script, printed).unwrap();
    let ask = "source \"$0\"; COMP_WORDS=(segmenter ver) COMP_CWORD=1; _segmenter segmenter ver segmenter; echo \"${COMPREPLY[@]}\"";
    let answer = Command::new("bash").args(["-c", ask]).arg(&script).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&answer.stdout).trim(), "verify", "{}", String::from_utf8_lossy(&answer.stderr));
}

/// The version that the build script sets in this environment and directory; the metric's commit must be the same.
fn built_version(script: &std::path::Path, environment: &[(&str, &str)], directory: &std::path::Path) -> String {
    let mut run = Command::new(script);
    run.current_dir(directory).env_remove("SEGMENTER_COMMIT").env("CARGO_PKG_VERSION", "1.2.3");
    let output = run.envs(environment.iter().copied()).output().unwrap();
    let output = String::from_utf8(output.stdout).unwrap();
    let value = |name| output.lines().find_map(|line| line.strip_prefix(name)).unwrap().to_owned();
    let (version, commit) =
        (value("cargo::rustc-env=SEGMENTER_VERSION="), value("cargo::rustc-env=SEGMENTER_BUILT_COMMIT="));
    assert_eq!(commit == "unknown", !version.contains('('), "{version} of {commit}");
    assert!(commit == "unknown" || version.ends_with(&format!("({commit})")), "{version} of {commit}");
    version
}

#[test]
fn the_version_names_the_commit_of_the_variable_or_of_git_and_none_otherwise() {
    let directory = tempfile::tempdir().unwrap();
    let (outside, repository) = (directory.path().join("outside"), directory.path().join("repository"));
    std::fs::create_dir_all(&outside).unwrap();
    let script = directory.path().join("build");
    let source = concat!(env!("CARGO_MANIFEST_DIR"), "/build.rs");
    let compiled = Command::new("rustc").args(["--edition", "2024", "-o"]).arg(&script).arg(source).status().unwrap();
    assert!(compiled.success());
    let git = |arguments: &[&str]| {
        let identity = ["-c", "user.name=x", "-c", "user.email=x@example.com", "-c", "commit.gpgsign=false"];
        let output = Command::new("git").args(identity).args(arguments).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    let at = repository.to_str().unwrap();
    git(&["init", "-q", at]);
    git(&["-C", at, "commit", "-q", "--allow-empty", "-m", "one"]);
    let commit = git(&["-C", at, "rev-parse", "--short", "HEAD"]);

    let release = ("PROFILE", "release");
    assert_eq!(built_version(&script, &[release, ("SEGMENTER_COMMIT", "abc1234")], &outside), "1.2.3 (abc1234)");
    assert_eq!(built_version(&script, &[release], &repository), format!("1.2.3 ({commit})"));
    assert_eq!(built_version(&script, &[release, ("SEGMENTER_COMMIT", "")], &outside), "1.2.3");
    assert_eq!(
        built_version(&script, &[("PROFILE", "debug")], &repository),
        "1.2.3",
        "otherwise each commit would rebuild the program"
    );
}

#[tokio::test]
async fn the_program_prints_its_version() {
    let printed = segmenter(&["--version"], &[]).finish(SOON).await.stdout;
    assert_eq!(printed.trim_end(), format!("segmenter {}", env!("SEGMENTER_VERSION")));
    assert!(printed.contains(env!("CARGO_PKG_VERSION")));
}

#[test]
fn the_package_has_all_inputs_of_the_build_and_the_licences_but_neither_tests_nor_the_demo() {
    let listed = Command::new(env!("CARGO"))
        .args(["package", "--list", "--offline", "--allow-dirty"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(listed.status.success(), "{}", String::from_utf8_lossy(&listed.stderr));
    let listed = String::from_utf8(listed.stdout).unwrap();
    let has = |path: &str| listed.lines().any(|line| line == path);
    for path in ["LICENSE-MIT", "LICENSE-APACHE", "README.md", "Cargo.lock", "build.rs", "src/main.rs"] {
        assert!(has(path), "{path}");
    }
    let is_left_out = |path: &str| ["tests/", "benches/", "examples/"].iter().any(|folder| path.starts_with(folder));
    assert!(!listed.lines().any(is_left_out), "{listed}");
    let inputs = build_inputs();
    assert!(inputs.iter().any(|input| input.ends_with("src/domain/scoring/catalog.toml")), "{inputs:?}");
    for input in inputs {
        assert!(has(input.to_str().unwrap()), "the build reads {}, which is not in the package", input.display());
    }
}

/// The files of this repository that the build reads, embedded ones too, as the compiler lists them.
pub fn build_inputs() -> Vec<PathBuf> {
    let folder = std::env::current_exe().unwrap().parent().unwrap().to_owned();
    let lists = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let lists = lists.filter(|path| path.extension().is_some_and(|extension| extension == "d"));
    let of_library = lists.filter_map(|path| {
        let text = std::fs::read_to_string(&path).ok()?;
        let (_, inputs) = text.lines().find_map(|line| line.split_once(".rlib: src/lib.rs "))?;
        Some((path.metadata().ok()?.modified().ok()?, inputs.to_owned()))
    });
    let (_, inputs) = of_library.max().unwrap();
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize().unwrap();
    let inside = |input: &str| Some(root.join(input).canonicalize().unwrap().strip_prefix(&root).ok()?.to_owned());
    inputs.split_whitespace().filter_map(inside).collect()
}

/// `scripts/release-notes` of a tag in a tree with this version and this changelog; its output, or its complaint.
fn release_notes(tag: &str, cargo: &str, changelog: &str) -> Result<String, String> {
    let tree = tempfile::tempdir().unwrap();
    let scripts = tree.path().join("scripts");
    std::fs::create_dir(&scripts).unwrap();
    std::fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/release-notes"), scripts.join("release-notes"))
        .unwrap();
    std::fs::write(tree.path().join("Cargo.toml"), cargo).unwrap();
    std::fs::write(tree.path().join("CHANGELOG.md"), changelog).unwrap();
    let output = Command::new(scripts.join("release-notes")).arg(tag).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) }
}

#[test]
fn the_newest_version_of_the_changelog_is_that_of_the_manifest_and_can_be_released() {
    let (cargo, changelog) = (include_str!("../Cargo.toml"), include_str!("../CHANGELOG.md"));
    let version = env!("CARGO_PKG_VERSION");
    let notes = release_notes(&format!("v{version}"), cargo, changelog).unwrap();
    assert!(notes.contains("\n### ") && notes.contains("segmenter serve"), "{notes}");
    assert!(changelog.contains("\n## [Unreleased]\n"));
    let image = include_str!("../k8s/base/kustomization.yaml");
    assert!(image.contains(&format!("newTag: \"{version}\"")));
}

#[test]
fn a_tag_that_is_not_the_version_or_has_no_section_of_the_changelog_is_not_released() {
    let cargo = "[package]\nname = \"segmenter\"\nversion = \"1.2.0\"\n\n[dependencies]\na = { version = \"9.9.9\" }\n";
    let changelog = "# Changelog\n\n## [Unreleased]\n\n## [1.2.0] - 2030-01-02\n\n### Added\n\n- New.\n\n## [1.1.0] - 2029-01-02\n\n- Old.\n";
    assert_eq!(release_notes("v1.2.0", cargo, changelog).unwrap(), "### Added\n\n- New.\n");
    let refused = |tag, changelog: &str| release_notes(tag, cargo, changelog).unwrap_err();
    assert!(refused("v1.1.0", changelog).contains("the tag is v1.1.0, the version in Cargo.toml 1.2.0"));
    assert!(refused("v1.2.0", &changelog.replace("1.2.0", "1.3.0")).contains("that of 1.3.0, not of 1.2.0"));
    assert!(refused("v1.2.0", &changelog.replace("### Added\n\n- New.\n", "")).contains("is empty"));
}

/// The commands that a short help lists.
fn commands(help: &str) -> Vec<String> {
    let listed = help.split("Commands:").nth(1).unwrap_or_default().split("\n\n").next().unwrap_or_default();
    let lines = listed.lines().filter(|line| line.starts_with("  ") && !line.starts_with("   "));
    lines.filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

#[tokio::test]
async fn the_short_help_of_every_command_fits_on_one_screen() {
    let (mut todo, mut seen) = (vec![Vec::new()], 0);
    while let Some(command) = todo.pop() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["-h"]).collect();
        let help = segmenter(&arguments, &[("COLUMNS", "80")]).finish(SOON).await.stdout;
        assert!(help.lines().count() <= 24, "{help}");
        let below = commands(&help).into_iter();
        todo.extend(below.map(|name| [command.clone(), vec![name]].concat()));
        seen += 1;
    }
    assert!(seen > 20, "{seen}");
}

#[test]
fn the_readme_names_the_versions_of_the_servers_that_the_matrix_tests() {
    let read = |path: &str| std::fs::read_to_string(source(path)).unwrap();
    let servers: serde_json::Value = serde_json::from_str(&read("tests/postgres/package.json")).unwrap();
    let servers = servers["dependencies"].as_object().unwrap().keys();
    let postgres: Vec<String> = servers.map(|name| name.strip_prefix("postgres-").unwrap().to_owned()).collect();
    let pom = read("tests/support/kafka/pom.xml");
    let present = pom.split_once("<kafka.version>").unwrap().1.split_once('<').unwrap().0;
    let kafka: Vec<String> =
        read("tests/support/kafka/versions.txt").lines().chain([present]).map(str::to_owned).collect();
    let list = |versions: &[String]| {
        let (last, others) = versions.split_last().unwrap();
        format!("{} and {last}", others.join(", "))
    };
    let line =
        format!("Tested with PostgreSQL {}, and with Kafka {} (`make test-matrix`).", list(&postgres), list(&kafka));
    assert!(read("README.md").lines().any(|found| found == line), "{line}");
}
