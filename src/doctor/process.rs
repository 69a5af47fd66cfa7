//! What concerns this process alone: its catalog and how many files it may open.

use crate::doctor::finding::{Answer, Check, Finding, Untold};
use crate::doctor::words::grouped;
use crate::engine::Catalog;

const CATALOG: Check = Check::process("catalog");
const FILES: Check = Check::process("open files");

/// Three Kafka clients with a connection to each broker, the database's connections, and those of the HTTP server.
const ENOUGH_FILES: u64 = 1_024;

/// This process as the system and the configuration have it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// The version of the catalog, or why there is none.
    pub catalog: Result<u32, String>,
    /// How many files may be open; none: any number.
    pub open_files: Answer<Option<u64>>,
}

/// Looks at the process.
pub fn gather(catalog: &anyhow::Result<Catalog>) -> Facts {
    let catalog = catalog.as_ref().map(Catalog::version).map_err(|error| format!("{error:#}"));
    Facts { catalog, open_files: open_files() }
}

fn open_files() -> Answer<Option<u64>> {
    let limits = std::fs::read_to_string("/proc/self/limits")
        .map_err(|error| Untold::failed(format!("/proc/self/limits cannot be read: {error}")))?;
    soft_limit(&limits).ok_or_else(|| Untold::failed("/proc/self/limits does not name it"))
}

/// The soft limit out of the kernel's table (man 5 proc): its columns are the name, the soft and the hard limit, the unit.
fn soft_limit(limits: &str) -> Option<Option<u64>> {
    let rest = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    match rest.split_whitespace().next()? {
        "unlimited" => Some(None),
        number => number.parse().ok().map(Some),
    }
}

/// All verdicts.
pub fn judge(facts: &Facts) -> Vec<Finding> {
    vec![catalog(facts), files(facts)]
}

fn catalog(facts: &Facts) -> Finding {
    match &facts.catalog {
        Ok(version) => CATALOG.ok(format!("version {version}.")),
        Err(why) => CATALOG.problem(format!("it cannot be loaded: {why}."), "Mend the file that catalog.file names."),
    }
}

fn files(facts: &Facts) -> Finding {
    match &facts.open_files {
        Err(untold) => FILES.unchecked("How many files may be open", untold),
        Ok(Some(limit)) if *limit < ENOUGH_FILES => FILES.warning(
            format!("this process may open {} files, and connections are files.", grouped(*limit)),
            format!("Raise the limit to {} or more (ulimit -n, or LimitNOFILE of the unit).", grouped(ENOUGH_FILES)),
        ),
        Ok(Some(limit)) => FILES.ok(format!("it may open {} files.", grouped(*limit))),
        Ok(None) => FILES.ok("it may open any number of files."),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_of_open_files_is_read_from_the_kernels_table() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max open files            512                  1048576              files     \n";
        assert_eq!(soft_limit(limits), Some(Some(512)));
        assert_eq!(soft_limit("Max open files            unlimited            unlimited            files"), Some(None));
        assert_eq!(soft_limit("Max processes 1 1 processes"), None);
    }

    #[test]
    fn few_files_are_warned_of_and_a_catalog_that_cannot_be_loaded_is_a_problem() {
        let verdicts = |facts: &Facts| judge(facts).iter().map(|finding| finding.verdict.as_str()).collect::<Vec<_>>();
        assert_eq!(verdicts(&Facts { catalog: Ok(1), open_files: Ok(Some(1_024)) }), ["ok", "ok"]);
        assert_eq!(
            verdicts(&Facts { catalog: Err("x".to_owned()), open_files: Ok(Some(512)) }),
            ["problem", "warning"]
        );
    }
}
