//! CPU and memory of processes, by the kernel's own accounting.

use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use crate::support::{children_of, stat_fields};

/// Positions in `/proc/PID/stat`, counted from the state on (proc(5): fields 14 to 17).
const OWN_TIMES: [usize; 2] = [11, 12];
const ENDED_CHILDRENS_TIMES: [usize; 2] = [13, 14];

/// CPU seconds, user and system, that the process has used by itself.
pub fn cpu_seconds(pid: u32) -> f64 {
    times(pid, &OWN_TIMES)
}

/// CPU seconds that the process and its children, ended ones included, have used.
pub fn cpu_seconds_with_children(pid: u32) -> f64 {
    loop {
        let of_ended = times(pid, &ENDED_CHILDRENS_TIMES);
        let running = times(pid, &OWN_TIMES) + children_of(pid).into_iter().map(cpu_seconds).sum::<f64>();
        // A child that ended in between would be in neither sum.
        if times(pid, &ENDED_CHILDRENS_TIMES) == of_ended {
            return of_ended + running;
        }
    }
}

/// CPU seconds that this process has used.
pub fn own_cpu_seconds() -> f64 {
    cpu_seconds(std::process::id())
}

/// 0 for a process that has ended; its times are in its parent's sum.
fn times(pid: u32, fields: &[usize]) -> f64 {
    let Some(found) = stat_fields(pid) else { return 0.0 };
    let ticks = |field: &usize| -> f64 { found[*field].parse().expect("times are numbers") };
    fields.iter().map(ticks).sum::<f64>() / ticks_per_second()
}

fn ticks_per_second() -> f64 {
    static TICKS: OnceLock<f64> = OnceLock::new();
    *TICKS.get_or_init(|| output_of("getconf", &["CLK_TCK"]).parse().expect("getconf names a number"))
}

/// The memory of a process, MiB.
#[derive(Debug, Clone, Copy)]
pub struct Memory {
    pub resident: f64,
    pub peak: f64,
}

/// `None` once it has ended.
pub fn memory(pid: u32) -> Option<Memory> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let mebibytes = |name| Some(number_of(&status, name)? as f64 / 1024.0);
    Some(Memory { resident: mebibytes("VmRSS:")?, peak: mebibytes("VmHWM:")? })
}

/// The number after `name` in one of the kernel's tables, memory in kB.
fn number_of(table: &str, name: &str) -> Option<u64> {
    table.lines().find_map(|line| line.strip_prefix(name)?.split_whitespace().next()?.parse().ok())
}

/// The cores that programs and servers share.
pub fn cores() -> f64 {
    std::thread::available_parallelism().expect("the number of cores is known").get() as f64
}

/// The machine, as names and values.
pub fn machine() -> Vec<(String, String)> {
    let cpus = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model =
        cpus.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map_or("", |(_, it)| it);
    let memory = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let [total, huge_pages] = ["MemTotal:", "HugePages_Total:"].map(|name| number_of(&memory, name).unwrap_or(0));
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let words = load.split(' ').take(3).collect::<Vec<_>>().join(" ");
    vec![
        ("processor".to_owned(), model.to_owned()),
        ("cores".to_owned(), cores().to_string()),
        ("memory".to_owned(), format!("{} GiB", total / 1024 / 1024)),
        // PostgreSQL uses them where they exist, and is a tenth faster.
        ("huge pages".to_owned(), huge_pages.to_string()),
        ("kernel".to_owned(), output_of("uname", &["-r"])),
        ("file system of the servers' data".to_owned(), file_system(&std::env::temp_dir())),
        ("load average at the start".to_owned(), words),
    ]
}

fn file_system(folder: &Path) -> String {
    output_of("stat", &["--file-system", "--format=%T", &folder.display().to_string()])
}

fn output_of(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output().expect("the program is there");
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}
