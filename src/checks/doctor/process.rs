//! Checks of this process: its catalog, and its limit of open files.

use super::finding::{Answer, Findings, Unknown};
use crate::domain::scoring::Catalog;

/// Three Kafka clients with a connection to each broker, the database's connections, and those of the HTTP server.
const ENOUGH_FILES: u64 = 1_024;

pub fn check(loaded: &anyhow::Result<Catalog>) -> Findings {
    let mut found = Findings::of("process");
    catalog(loaded.as_ref().map(Catalog::version).map_err(|error| format!("{error:#}")), &mut found);
    let limits = std::fs::read_to_string("/proc/self/limits")
        .map_err(|error| Unknown::failed(format!("/proc/self/limits cannot be read: {error}")));
    files(limits.and_then(|limits| soft_limit(&limits)), &mut found);
    found
}

/// The soft limit in the kernel's table (man 5 proc), whose columns are the name, the soft and the hard limit, the
/// unit. `None` is unlimited.
fn soft_limit(limits: &str) -> Answer<Option<u64>> {
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    match rest.and_then(|rest| rest.split_whitespace().next()).map(|number| (number, number.parse())) {
        Some(("unlimited", _)) => Ok(None),
        Some((_, Ok(limit))) => Ok(Some(limit)),
        _ => Err(Unknown::failed("/proc/self/limits does not name it")),
    }
}

fn catalog(version: Result<u32, String>, found: &mut Findings) {
    found.begin("catalog");
    match version {
        Ok(version) => found.ok(format!("version {version}.")),
        Err(why) => found.problem(format!("it cannot be loaded: {why}."), "Correct the file that catalog.file names."),
    }
}

fn files(limit: Answer<Option<u64>>, found: &mut Findings) {
    match found.begin_with("open files", "The limit of open files", limit) {
        Some(Some(limit)) if limit < ENOUGH_FILES => found.warning(
            format!("this process may open {limit} files, and each connection takes one."),
            format!("Raise the limit to {ENOUGH_FILES} or more (ulimit -n, or LimitNOFILE of the unit)."),
        ),
        Some(Some(limit)) => found.ok(format!("it may open {limit} files.")),
        Some(None) => found.ok("it may open any number of files."),
        None => {}
    }
}

#[cfg(test)]
mod tests {
    use super::super::finding::Status;
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read_from_the_kernels_table() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            512                  1048576              files     \n";
        assert_eq!(soft_limit(limits), Ok(Some(512)));
        assert_eq!(soft_limit("Max open files            unlimited            unlimited            files"), Ok(None));
        assert!(soft_limit("Max processes 1 1 processes").is_err());
    }

    #[test]
    fn a_low_limit_of_files_is_a_warning_and_an_unusable_catalog_a_problem() {
        for (version, limit, expected) in [
            (Ok(1), Some(1_024), [Status::Ok, Status::Ok]),
            (Err("x".to_owned()), Some(512), [Status::Problem, Status::Warning]),
        ] {
            let mut found = Findings::of("process");
            catalog(version, &mut found);
            files(Ok(limit), &mut found);
            assert_eq!([found.list[0].status, found.list[1].status], expected);
        }
    }
}
