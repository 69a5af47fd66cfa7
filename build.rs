//! Finds out the commit that is built, for `segmenter --version` and the metric `segmenter_build_info`: the variable SEGMENTER_COMMIT, as where an image is built
//! without the repository, or else what git describes for a release build. Any other build has none, or else each commit would
//! compile everything anew.

#![allow(clippy::print_stdout, reason = "this is how Cargo is told")]

use std::env;
use std::path::Path;
use std::process::Command;

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=SEGMENTER_COMMIT");
    let version = env::var("CARGO_PKG_VERSION").unwrap_or_default();
    let told = env::var("SEGMENTER_COMMIT").ok().filter(|commit| !commit.is_empty());
    let commit = told.or_else(of_repository);
    let version = match &commit {
        Some(commit) => format!("{version} ({commit})"),
        None => version,
    };
    println!("cargo::rustc-env=SEGMENTER_VERSION={version}");
    println!("cargo::rustc-env=SEGMENTER_BUILT_COMMIT={}", commit.as_deref().unwrap_or("unknown"));
}

/// The commit that is checked out here, if this is a release build in a repository of its own.
fn of_repository() -> Option<String> {
    if env::var("PROFILE").as_deref() != Ok("release") || !Path::new(".git").exists() {
        return None;
    }
    let head = git(&["rev-parse", "--git-path", "logs/HEAD"])?;
    println!("cargo::rerun-if-changed={head}");
    git(&["rev-parse", "--short", "HEAD"])
}

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_owned())
}
