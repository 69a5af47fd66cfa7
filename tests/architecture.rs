//! The tree keeps the shape that its docs promise.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

/// Rust files below a folder.
pub fn rust_files(folder: &Path) -> Vec<PathBuf> {
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

/// The rooms from the lowest to the highest, as docs/architecture.md draws them. Rooms in one row do not name each other.
const ROOMS: [&[&str]; 17] = [
    &["domain"],
    &["codec"],
    &["runtime"],
    &["config"],
    &["telemetry"],
    &["identity"],
    &["kafka", "registry"],
    &["store"],
    &["migrate"],
    &["publish"],
    &["ingest"],
    &["output"],
    &["jobs", "checks", "users"],
    &["http"],
    &["service"],
    &["cli"],
    &["main"],
];

/// Arrows that still point up or sideways, as `file -> path`. This list may only shrink.
const UPWARD: [&str; 0] = [];

/// Circles between files that are still there, each as its files in order. This list may only shrink.
const CIRCLES: [&[&str]; 0] = [];

/// One path of the crate that a file names.
struct Arrow {
    line: usize,
    /// As written, made absolute: `store::outbox::insert`.
    path: Vec<String>,
}

/// The module of a file below `src`: `store/mod.rs` and `store.rs` are `store`.
fn module_of(file: &str) -> Vec<String> {
    let stem = file.trim_end_matches(".rs").trim_end_matches("/mod");
    if stem == "lib" { Vec::new() } else { stem.split('/').map(str::to_owned).collect() }
}

/// Every leaf of a tree of imports: `a::{b, c::{self, d}}` is `a::b`, `a::c::self`, `a::c::d`.
fn leaves(prefix: &str, tree: &str, found: &mut Vec<String>) {
    let (mut depth, mut start) = (0, 0);
    let ends = tree.char_indices().chain([(tree.len(), ',')]);
    for (at, character) in ends {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 0 => {
                let part = tree[start..at].trim();
                start = (at + 1).min(tree.len());
                match part.split_once('{') {
                    Some((head, rest)) => leaves(&format!("{prefix}{head}"), rest.trim_end_matches('}'), found),
                    None if part.is_empty() => {}
                    None => found.push(format!("{prefix}{}", part.split(" as ").next().unwrap_or(part))),
                }
            }
            _ => {}
        }
    }
}

/// Every path of the crate that `code` names, in imports and elsewhere, made absolute from `module`. What a folder's file
/// re-exports of its own files is no arrow.
fn arrows(code: &str, module: &[String], modules: &BTreeMap<Vec<String>, String>, is_folder: bool) -> Vec<Arrow> {
    let mut found = Vec::new();
    let mut rest = String::new();
    let mut import: Option<(usize, String)> = None;
    for (index, line) in code.lines().enumerate() {
        let trimmed = line.trim_start();
        let starts = trimmed.starts_with("use ") || (trimmed.starts_with("pub") && trimmed.contains(" use "));
        if starts && import.is_none() {
            import = Some((index + 1, String::new()));
        }
        match &mut import {
            Some((begun, text)) => {
                text.push_str(trimmed);
                if trimmed.ends_with(';') {
                    let (visibility, tree) = text.trim_end_matches(';').split_once("use ").unwrap_or_default();
                    let mut paths = Vec::new();
                    leaves("", tree, &mut paths);
                    let is_reexport = is_folder && !visibility.is_empty();
                    found.extend(paths.into_iter().map(|path| (*begun, path, is_reexport)));
                    import = None;
                }
                rest.push('\n');
            }
            None => {
                rest.push_str(line);
                rest.push('\n');
            }
        }
    }
    for (index, line) in rest.lines().enumerate() {
        for start in ["crate::", "super::"] {
            for (at, _) in line.match_indices(start) {
                let before = line[..at].chars().next_back();
                if before.is_some_and(|before| before.is_alphanumeric() || before == '_' || before == ':') {
                    continue;
                }
                let end = line[at..].find(|c: char| !(c.is_alphanumeric() || c == '_' || c == ':'));
                let path = &line[at..end.map_or(line.len(), |end| at + end)];
                found.push((index + 1, path.trim_end_matches(':').to_owned(), false));
            }
        }
    }
    let absolute = |(line, path, is_reexport): (usize, String, bool)| {
        let mut segments: Vec<String> = path.split("::").map(str::to_owned).collect();
        let mut base: Vec<String> = module.to_vec();
        match segments.first().map(String::as_str) {
            Some("crate" | "segmenter") => {
                segments.remove(0);
                base.clear();
            }
            Some("self") => {
                segments.remove(0);
            }
            Some("super") => {
                while segments.first().is_some_and(|segment| segment == "super") {
                    segments.remove(0);
                    base.pop();
                }
            }
            _ => {
                let child: Vec<String> = base.iter().chain(segments.first()).cloned().collect();
                if is_reexport || !modules.contains_key(&child) {
                    return None;
                }
            }
        }
        base.extend(segments);
        Some(Arrow { line, path: base })
    };
    found.into_iter().filter_map(absolute).collect()
}

/// The file that `path` leads to: that of its longest beginning that is a module.
fn target<'m>(path: &[String], modules: &'m BTreeMap<Vec<String>, String>) -> Option<&'m str> {
    (1..=path.len()).rev().find_map(|length| modules.get(&path[..length])).map(String::as_str)
}

/// Every file of the program with the arrows that leave it.
fn tree() -> BTreeMap<String, Vec<(Arrow, String)>> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let files: Vec<PathBuf> = rust_files(&source);
    let name = |file: &PathBuf| file.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
    let modules: BTreeMap<Vec<String>, String> =
        files.iter().map(|file| (module_of(&name(file)), name(file))).collect();
    let leaving = |file: &PathBuf| {
        let file_name = name(file);
        let arrows = arrows(&code(file), &module_of(&file_name), &modules, file_name.ends_with("mod.rs"));
        let to = arrows.into_iter().filter_map(|arrow| {
            let to = target(&arrow.path, &modules)?.to_owned();
            (to != file_name).then_some((arrow, to))
        });
        (file_name.clone(), to.collect())
    };
    files.iter().map(leaving).collect()
}

fn room(file: &str) -> usize {
    let room = file.split('/').next().unwrap_or(file).trim_end_matches(".rs");
    let found = ROOMS.iter().position(|row| row.contains(&room));
    found.unwrap_or_else(|| panic!("src/{file} lies in no room of the list above"))
}

#[test]
fn arrows_between_rooms_point_down() {
    let mut found = Vec::new();
    for (file, leaving) in tree() {
        if file == "lib.rs" {
            continue;
        }
        for (arrow, to) in leaving.iter().filter(|(_, to)| to != "lib.rs") {
            let inside = file.split('/').next() == to.split('/').next();
            if !inside && room(&file) <= room(to) {
                found.push((file.clone(), arrow.line, arrow.path.join("::")));
            }
        }
    }
    let (known, new): (Vec<_>, Vec<_>) =
        found.into_iter().partition(|(file, _, path)| UPWARD.contains(&format!("{file} -> {path}").as_str()));
    let new: Vec<String> = new.iter().map(|(file, line, path)| format!("src/{file}:{line} names {path}")).collect();
    assert!(new.is_empty(), "arrows that do not point down:\n{}", new.join("\n"));
    assert_eq!(known.len(), UPWARD.len(), "the list of known arrows can shrink");
}

#[test]
fn files_do_not_name_each_other_in_circles() {
    let tree = tree();
    let to: BTreeMap<&str, BTreeSet<&str>> = tree
        .iter()
        .filter(|(file, _)| *file != "lib.rs")
        .map(|(file, leaving)| (file.as_str(), leaving.iter().map(|(_, to)| to.as_str()).collect()))
        .collect();
    let reached = |from: &str| {
        let (mut reached, mut open) = (BTreeSet::new(), vec![from.to_owned()]);
        while let Some(file) = open.pop() {
            for next in to.get(file.as_str()).into_iter().flatten() {
                if reached.insert((*next).to_owned()) {
                    open.push((*next).to_owned());
                }
            }
        }
        reached
    };
    let reach: BTreeMap<&str, BTreeSet<String>> = to.keys().map(|file| (*file, reached(file))).collect();
    let mut circles: BTreeSet<Vec<&str>> = BTreeSet::new();
    for (file, reached) in &reach {
        let circle: Vec<&str> = reach
            .iter()
            .filter(|(other, back)| reached.contains(**other) && back.contains(*file))
            .map(|(other, _)| *other)
            .collect();
        if circle.len() > 1 {
            circles.insert(circle);
        }
    }
    let new: Vec<_> = circles.iter().filter(|circle| !CIRCLES.contains(&circle.as_slice())).collect();
    assert!(new.is_empty(), "circles between files: {new:#?}");
    assert_eq!(circles.len(), CIRCLES.len(), "the list of known circles can shrink");
}

#[test]
fn domain_and_codec_name_no_io_no_clock_and_no_environment() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut pure: Vec<PathBuf> = ["domain", "codec"].iter().flat_map(|room| rust_files(&source.join(room))).collect();
    let of_doctor = ["kafka/topics", "kafka/group", "finding", "words"];
    pure.extend(of_doctor.map(|file| source.join("checks/doctor").join(file).with_extension("rs")));
    assert!(pure.len() > 30, "the rooms are where this test looks");
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

/// So a jump of the process's clock shows in measurements and logs, never in what is written or published.
#[test]
fn only_what_measures_or_tells_reads_the_wall_clock() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let may = [
        "main.rs",
        "checks/doctor/database/server.rs",
        "http/page/jobs.rs",
        "identity/msk_iam.rs",
        "identity/token.rs",
        "ingest/consumer.rs",
        "ingest/dispatcher.rs",
        "ingest/dead_letter.rs",
        "ingest/rewinds.rs",
        "jobs/control.rs",
        "runtime/wall_clock.rs",
        "telemetry/metrics/mod.rs",
    ];
    for path in rust_files(&source) {
        let code = code(&path);
        let reads =
            ["SystemTime::now", "wall_clock::now", "now_utc", "now_local"].iter().any(|clock| code.contains(clock));
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
            let reasons = program.matches("// SAFETY: ").count();
            assert_eq!(code.matches("unsafe {").count(), reasons, "an unsafe block without its reason");
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
    assert!(written == page, "{path} is not what the program prints; generate it as its first line describes");
}

#[test]
fn the_pages_of_settings_and_metrics_are_the_programs() {
    assert_page("docs/metrics.md", &segmenter::telemetry::metrics::markdown().unwrap());
    assert_page("docs/config.md", &segmenter::config::markdown());
}
