//! The tree keeps the shape that its docs promise.

use std::fs;
use std::path::{Path, PathBuf};

use segmenter::cli::config::schema_page;
use segmenter::domain::event::Kind;

/// Rust files below a folder.
fn rust_files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            files.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files
}

/// The code of a file without its comments and its unit tests.
fn code(path: &Path) -> String {
    let text = fs::read_to_string(path).unwrap();
    let text = text.split("#[cfg(test)]").next().unwrap().to_owned();
    text.lines().filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

#[test]
fn the_pure_modules_name_no_io_no_clock_and_no_environment() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pure: Vec<PathBuf> =
        ["event", "profile", "engine"].iter().flat_map(|room| rust_files(&source.join(room))).collect();
    pure.retain(|path| !path.ends_with("event/registry.rs") && !path.ends_with("event/registry/client.rs"));
    let of_pipeline = ["change", "codec", "fold", "row", "segment_changed", "segment_changed/avro", "state"];
    pure.extend(of_pipeline.map(|file| source.join("pipeline").join(file).with_extension("rs")));
    let of_doctor = ["kafka/topics", "kafka/group", "finding", "words"];
    pure.extend(of_doctor.map(|file| source.join("doctor").join(file).with_extension("rs")));
    assert!(pure.len() > 20, "the modules are where this test looks");
    let impure = [
        "tokio",
        "sqlx",
        "rdkafka",
        "SystemTime",
        "Instant",
        "now_utc",
        "now_v",
        "std::env",
        "std::fs",
        "std::net",
        "random",
    ];
    for path in pure {
        let code = code(&path);
        for word in impure {
            assert!(!code.contains(word), "{} names {word}", path.display());
        }
    }
}

/// A jump of the process's clock can then show in what is measured and told, never in what is written or said.
#[test]
fn only_what_measures_or_tells_reads_the_wall_clock() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let may =
        ["main.rs", "doctor/database/server.rs", "kafka/consumer.rs", "kafka/dispatcher.rs", "kafka/dead_letter.rs"];
    for path in rust_files(&source) {
        let code = code(&path);
        let reads = ["SystemTime::now", "now_utc", "now_local"].iter().any(|clock| code.contains(clock));
        assert!(!reads || may.iter().any(|file| path == source.join(file)), "{} reads the clock", path.display());
    }
}

#[test]
fn only_one_file_calls_librdkafka_itself_and_gives_the_reason_for_which_each_step_is_safe() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in rust_files(&source) {
        let code = code(&path);
        let may = path == source.join("kafka/ffi.rs");
        assert_eq!(code.contains("unsafe_code"), may, "{}", path.display());
        if may {
            let program = fs::read_to_string(&path).unwrap().split("#[cfg(test)]").next().unwrap().to_owned();
            let said = program.matches("// SAFETY: ").count();
            assert_eq!(code.matches("unsafe {").count(), said, "an unsafe block without its reason");
        }
    }
}

#[test]
fn only_one_module_names_the_unmaintained_retry_library() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for path in rust_files(&source) {
        let names_it = code(&path).contains("backoff::");
        assert_eq!(names_it, path.ends_with("retry.rs"), "{}", path.display());
    }
}

fn assert_page(path: &str, page: &str) {
    let written = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap_or_default();
    assert!(written == page, "{path} is not what the program says; make it anew as its first line tells");
}

#[test]
fn the_pages_of_settings_and_metrics_and_the_json_schemas_are_the_programs() {
    assert_page("docs/metrics.md", &segmenter::telemetry::metrics::markdown().unwrap());
    assert_page("docs/config.md", &segmenter::config::markdown());
    for (page, kind) in [("onboarding-completed", Kind::OnboardingCompleted), ("profile-updated", Kind::ProfileUpdated)]
    {
        assert_page(&format!("schemas/json/{page}.schema.json"), &schema_page(kind).unwrap());
    }
}
