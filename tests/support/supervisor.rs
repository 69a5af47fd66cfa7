//! A server process and its folder that do not outlive the test process.
//!
//! A shell between the test process and the server reads commands from a pipe. When the test process ends, kill −9 included, the
//! kernel closes the pipe, and the shell kills the server and removes the folder.

use std::ffi::OsString;
use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::Mutex;

const SCRIPT: &str = include_str!("supervisor.sh");

/// The shell, its pipes, and the server it runs.
pub struct Supervisor {
    folder: PathBuf,
    shell: Child,
    conversation: Mutex<Conversation>,
}

struct Conversation {
    orders: Option<ChildStdin>,
    answers: BufReader<ChildStdout>,
    server: Option<u32>,
}

impl Supervisor {
    /// A supervisor with a new empty folder; the server's command line may contain paths in it. `end_signal` ends the server at
    /// the end of the run. Nothing is started yet.
    pub fn new(end_signal: &str, command_line: impl FnOnce(&Path) -> Vec<OsString>) -> Self {
        let folder = new_folder();
        let mut shell = Command::new("sh")
            .args(["-c", SCRIPT, "supervisor"])
            .arg(&folder)
            .arg(end_signal)
            .args(command_line(&folder))
            .current_dir(&folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            // Ctrl-C and the kill of a time limit go to our process group; the shell must end by the closed pipe instead.
            .process_group(0)
            .spawn()
            .expect("sh starts");
        let orders = shell.stdin.take();
        let answers = BufReader::new(shell.stdout.take().expect("stdout is piped"));
        Self { folder, shell, conversation: Mutex::new(Conversation { orders, answers, server: None }) }
    }

    /// The folder, removed at the end.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts the server and returns its process id at once, ready or not.
    pub fn start(&self) -> u32 {
        let mut conversation = self.conversation.lock().expect("no test panicked in an order");
        assert!(conversation.server.is_none(), "the server runs already");
        let pid = conversation.order("start").parse().expect("the answer is a process id");
        conversation.server = Some(pid);
        pid
    }

    /// Ends the server with `signal` and waits until it has ended. A no-op if it does not run.
    pub fn stop(&self, signal: &str) {
        let mut conversation = self.conversation.lock().expect("no test panicked in an order");
        conversation.order(&format!("stop {signal}"));
        conversation.server = None;
    }

    /// Sends `signal` to the server and, depending on `children`, to its child processes.
    pub fn signal(&self, signal: &str, children: Children) {
        let mut conversation = self.conversation.lock().expect("no test panicked in an order");
        let server = conversation.server.expect("the server runs");
        let mut send = |pid: u32| conversation.order(&format!("signal {signal} {pid}"));
        if matches!(children, Children::Before) {
            children_of(server).into_iter().for_each(|child| drop(send(child)));
        }
        send(server);
        if matches!(children, Children::After) {
            children_of(server).into_iter().for_each(|child| drop(send(child)));
        }
    }

    /// Whether the server runs; a paused one does.
    pub fn is_running(&self) -> bool {
        let conversation = self.conversation.lock().expect("no test panicked in an order");
        conversation.server.and_then(process_state).is_some_and(|state| state != 'Z')
    }

    /// The server's process id, if it was started.
    pub fn pid(&self) -> Option<u32> {
        self.conversation.lock().expect("no test panicked in an order").server
    }

    /// The end of the server's log, for a panic's message.
    pub fn log_tail(&self) -> String {
        let log = std::fs::read(self.folder.join("log")).unwrap_or_default();
        let log = String::from_utf8_lossy(&log);
        let lines: Vec<_> = log.lines().rev().take(40).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }
}

/// Whether a signal goes to the child processes too, and when: a pause after the server, so that it forks none in between; a
/// continue before it.
#[derive(Clone, Copy)]
pub enum Children {
    No,
    Before,
    After,
}

impl Conversation {
    fn order(&mut self, order: &str) -> String {
        let orders = self.orders.as_mut().expect("open until drop");
        writeln!(orders, "{order}").and_then(|()| orders.flush()).expect("the supervisor takes orders");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the supervisor answers");
        answer.trim_end().to_owned()
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if let Ok(conversation) = self.conversation.get_mut() {
            conversation.orders = None;
        }
        // Best effort: a test waits at its end until its own server has ended.
        let _ = self.shell.wait();
    }
}

fn new_folder() -> PathBuf {
    let folder = std::env::temp_dir().join(format!("segmenter-test-{}", uuid::Uuid::new_v4().simple()));
    DirBuilder::new().mode(0o700).create(&folder).expect("the temporary folder takes a new folder");
    folder
}

/// The letter of a process's state in `/proc`, `None` if there is no such process.
fn process_state(pid: u32) -> Option<char> {
    stat_fields(pid)?.first()?.chars().next()
}

/// The process ids of its child processes.
pub fn children_of(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc is readable");
    processes
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|pid| stat_fields(*pid).and_then(|fields| fields.get(1)?.parse().ok()) == Some(parent))
        .collect()
}

/// The fields of `/proc/PID/stat` from the state on (those before it may hold spaces); `None` if there is no such process.
pub fn stat_fields(pid: u32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (_, fields) = stat.rsplit_once(") ")?;
    Some(fields.split(' ').map(str::to_owned).collect())
}
