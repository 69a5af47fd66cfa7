//! The documents' promises name tests, settings, metrics and links that exist.

use std::collections::HashSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::architecture::rust_files;
use crate::support::segmenter;

fn root(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

/// Every file of the documents.
fn documents() -> Vec<PathBuf> {
    let in_folder = |folder| fs::read_dir(root(folder)).unwrap().map(|entry| entry.unwrap().path());
    let is_page = |path: &PathBuf| path.extension().is_some_and(|extension| extension == "md");
    let pages = in_folder("docs").chain(in_folder("docs/decisions")).filter(is_page);
    pages.chain([root("README.md"), root("CONTRIBUTING.md"), root("CHANGELOG.md"), root("k8s/README.md")]).collect()
}

/// The text in backticks.
fn code_spans(text: &str) -> impl Iterator<Item = &str> {
    text.split('`').skip(1).step_by(2)
}

/// The names of tests: a module path and a function name of at least five words.
fn test_names(text: &str) -> Vec<&str> {
    let is_test_like = |name: &str| name.rsplit("::").next().is_some_and(|last| last.matches('_').count() >= 4);
    let is_path = |span: &str| {
        span.contains("::")
            && span.chars().all(|char| char.is_ascii_lowercase() || char.is_ascii_digit() || "_:".contains(char))
    };
    code_spans(text).filter(|span| is_path(span) && is_test_like(span)).collect()
}

/// Whether `name` is a test in `tests/`.
fn is_test(name: &str) -> bool {
    let Some((module, function)) = name.rsplit_once("::") else { return false };
    let text =
        fs::read_to_string(root("tests").join(module.replace("::", "/")).with_extension("rs")).unwrap_or_default();
    let lines: Vec<&str> = text.lines().map(str::trim).collect();
    let is_function = |line: &str| {
        let line = line.strip_prefix("async ").unwrap_or(line);
        line.strip_prefix("fn ").and_then(|rest| rest.strip_prefix(function)).is_some_and(|rest| rest.starts_with('('))
    };
    lines.windows(2).any(|pair| {
        let is_attribute = pair[0] == "#[test]" || pair[0].starts_with("#[tokio::test");
        is_attribute && is_function(pair[1])
    })
}

#[test]
fn every_promise_has_a_test() {
    let page = fs::read_to_string(root("docs/guarantees.md")).unwrap();
    let rows: Vec<Vec<&str>> = page
        .lines()
        .filter(|line| line.starts_with("| ") && !line.starts_with("| promise") && !line.starts_with("| ---"))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let numbers: Vec<&str> = rows.iter().filter_map(|row| row[0].split('.').next()).collect();
    assert_eq!(numbers, ["1", "2", "3", "4", "5", "6", "7", "8", "9", "10"]);
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row[1..].iter().all(|cell| !cell.is_empty()), "{row:?}");
        let spans: Vec<&str> = code_spans(row[3]).collect();
        assert!(!spans.is_empty(), "promise {} has no test", row[0]);
        for name in spans {
            assert!(is_test(name), "promise {} names {name}, which is not a test", row[0]);
        }
    }
}

#[test]
fn every_test_that_a_document_names_exists() {
    let mut named = 0;
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for name in test_names(&text) {
            assert!(is_test(name), "{} names {name}, which is not a test", path.display());
            named += 1;
        }
    }
    assert!(named > 20, "the names are found");
}

/// The words in `text` with this prefix, except those that end with `_`.
fn names<'t>(text: &'t str, prefix: &'t str) -> impl Iterator<Item = &'t str> {
    text.split(|char: char| !char.is_ascii_alphanumeric() && char != '_')
        .filter(move |word| word.starts_with(prefix) && !word.ends_with('_'))
}

#[test]
fn every_setting_and_every_metric_that_a_document_names_exists() {
    let read = |path| fs::read_to_string(root(path)).unwrap();
    let (settings, metrics) = (read("docs/config.md"), read("docs/metrics.md"));
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for (prefix, page) in [("SEGMENTER_", &settings), ("segmenter_", &metrics)] {
            for name in names(&text, prefix) {
                assert!(names(page, prefix).any(|known| known == name), "{} names {name}", path.display());
            }
        }
    }
}

/// The source of the program in one line, as its texts are written.
fn program_texts() -> String {
    let sources = rust_files(&root("src")).into_iter().map(|path| fs::read_to_string(path).unwrap());
    let source = sources.collect::<String>().replace("\\\n", " ");
    source.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The parts of a quoted text that are the same whenever it is written: three words and more.
fn fixed_parts(quoted: &str) -> impl Iterator<Item = &str> {
    let parts = quoted.split(['…', '"', '(', ')', ':', ';']).flat_map(|part| part.split(|c: char| c.is_ascii_digit()));
    parts.map(|part| part.trim_matches([' ', ',', '.'])).filter(|part| part.split(' ').count() >= 3)
}

#[test]
fn every_text_of_the_program_that_the_runbook_quotes_is_one_that_it_writes() {
    const COMMANDS: [&str; 8] =
        ["segmenter ", "dlq ", "job ", "journalctl ", "systemctl ", "kubectl ", "curl ", "kafka-"];
    let (runbook, texts) = (fs::read_to_string(root("docs/runbook.md")).unwrap(), program_texts());
    // A span that goes on in the next line is left out.
    let lines = runbook.lines().filter(|line| !line.starts_with("    ") && line.matches('`').count() % 2 == 0);
    let quoted = lines.flat_map(code_spans).filter(|span| !COMMANDS.iter().any(|command| span.starts_with(command)));
    let mut compared = 0;
    for part in quoted.flat_map(fixed_parts) {
        // A topic's name stands in place of another text.
        let part = part.split(" onboarding-completed").next().unwrap();
        assert!(texts.contains(part), "the runbook quotes: {part}");
        compared += 1;
    }
    assert!(compared > 20, "{compared}");
}

/// The environments of the runbook's `segmenter serve` commands.
fn environments(text: &str) -> Vec<Vec<(&str, &str)>> {
    let commands = text.split("\n\n").filter(|block| block.starts_with("    ") && block.contains("segmenter serve"));
    commands.map(|block| block.split_whitespace().filter_map(|word| word.split_once('=')).collect()).collect()
}

#[tokio::test]
async fn every_environment_that_the_runbook_starts_the_service_with_is_valid() {
    let runbook = fs::read_to_string(root("docs/runbook.md")).unwrap();
    let environments = environments(&runbook);
    assert!(!environments.is_empty() && environments.iter().all(|one| !one.is_empty()), "{environments:?}");
    for mut environment in environments {
        environment.extend([("KAFKA_BROKERS", "kafka:9092"), ("DATABASE_URL", "postgres://user:password@db/platform")]);
        let checked = segmenter(&["config", "check"], &environment).finish(Duration::from_secs(30)).await;
        assert_eq!(checked.code, Some(0), "{environment:?}");
    }
}

/// The targets of the links in a page, except external ones.
fn links(text: &str) -> impl Iterator<Item = &str> {
    let targets = text.split("](").skip(1).filter_map(|rest| Some(rest.split_once(')')?.0));
    targets.filter(|target| !target.contains("://"))
}

#[test]
fn every_link_of_a_document_leads_somewhere() {
    for path in documents() {
        let text = fs::read_to_string(&path).unwrap();
        for link in links(&text) {
            let (file, heading) = link.split_once('#').unwrap_or((link, ""));
            let target = if file.is_empty() { path.clone() } else { path.parent().unwrap().join(file) };
            assert!(target.exists(), "{} links to {link}", path.display());
            let slug = |line: &str| line.trim_start_matches(['#', ' ']).to_lowercase().replace(' ', "-");
            let is_heading = |line: &str| line.starts_with('#') && slug(line) == heading;
            let found = heading.is_empty() || fs::read_to_string(&target).unwrap().lines().any(is_heading);
            assert!(found, "{} links to a heading that does not exist: {link}", path.display());
        }
    }
}

#[test]
fn every_decision_is_in_the_index_and_has_context_choice_and_consequence() {
    let index = fs::read_to_string(root("docs/decisions/README.md")).unwrap();
    let mut files: Vec<String> = fs::read_dir(root("docs/decisions"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|name| name != "README.md")
        .collect();
    files.sort();
    let mut numbers = HashSet::new();
    for name in &files {
        let number = name.split('-').next().unwrap();
        let is_number = number.len() == 4 && number.bytes().all(|byte| byte.is_ascii_digit());
        assert!(is_number && numbers.insert(number), "{name} has no unique number");
        let text = fs::read_to_string(root("docs/decisions").join(name)).unwrap();
        let title = text.lines().next().and_then(|line| line.strip_prefix("# ")).unwrap();
        assert!(index.contains(&format!("[{title}]({name})")), "{name} is not in the index under its title");
        for heading in ["## Context", "## Choice", "## Consequence"] {
            assert!(text.contains(heading), "{name} has no {heading}");
        }
    }
    assert_eq!(index.matches("](0").count(), files.len(), "the index names files that do not exist");
}
