//! `segmenter catalog`: a catalog is looked at before it goes live.

mod files;
mod shift;
mod simulating;

use serde_json::Value;
use tempfile::NamedTempFile;

use crate::scene::{DEADLINE, Scene};
use crate::support::{Finished, segmenter};

const BUILTIN: &str = include_str!("../src/domain/scoring/catalog.toml");

/// A file with the built-in catalog in which each first text is replaced by its second, once.
fn catalog(changes: &[(&str, &str)]) -> NamedTempFile {
    let file = NamedTempFile::new().unwrap();
    let text = changes.iter().fold(BUILTIN.to_owned(), |text, (from, to)| {
        assert!(text.contains(from), "{from} is in the catalog");
        text.replacen(from, to, 1)
    });
    std::fs::write(file.path(), text).unwrap();
    file
}

/// A catalog in which the group counts for most: it moves many users.
fn by_group() -> NamedTempFile {
    catalog(&[("version = 1", "version = 2"), ("group = 0.20", "group = 1.0")])
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().unwrap()
}

/// Runs the binary without any setting.
async fn run(arguments: &[&str]) -> Finished {
    segmenter(arguments, &[]).finish(DEADLINE).await
}

/// Runs the binary in the scene, configured with `catalog`, else with the built-in one.
async fn run_in(scene: &Scene, catalog: Option<&NamedTempFile>, arguments: &[&str]) -> Finished {
    let mut environment = scene.environment();
    environment.extend(catalog.map(|catalog| ("SEGMENTER_CATALOG_FILE", path(catalog))));
    segmenter(arguments, &environment).finish(DEADLINE).await
}

fn json(finished: &Finished) -> Value {
    serde_json::from_str(&finished.stdout).unwrap_or_else(|error| panic!("{error}: {finished:?}"))
}

/// A scene whose users have been backfilled from their profiles.
async fn filled(users: u32) -> Scene {
    let scene = Scene::new(1).await;
    scene.add_profiles(users).await;
    let finished = run_in(&scene, None, &["backfill", "--execute"]).await;
    assert_eq!(finished.code, Some(0), "{}", finished.log);
    scene
}
