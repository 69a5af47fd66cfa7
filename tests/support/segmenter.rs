//! The real binary as a child process.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::Duration;

use super::wait::eventually_some;

/// Kills the child if our end of the pipe closes without a line: only then has this process died without reaping it.
const WATCHDOG: &str = r#"read -r word || kill -s KILL "$1""#;

/// A running or ended child; killed when dropped. Its output is shown if the test fails.
pub struct Segmenter {
    child: Child,
    watchdog: Child,
    stdout: Output,
    stderr: Output,
}

/// Starts the binary with these arguments and with these environment variables only (beside `PATH` and `TMPDIR`).
pub fn segmenter(arguments: &[&str], environment: &[(&str, &str)]) -> Segmenter {
    segmenter_with_input(arguments, environment, "")
}

/// [`segmenter`] with this on its standard input.
pub fn segmenter_with_input(arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Segmenter {
    program(Path::new(env!("CARGO_BIN_EXE_segmenter")), arguments, environment, input)
}

/// [`segmenter_with_input`] of another build.
pub fn program(path: &Path, arguments: &[&str], environment: &[(&str, &str)], input: &str) -> Segmenter {
    let mut child = Command::new(path)
        .args(arguments)
        .env_clear()
        .envs(std::env::vars_os().filter(|(name, _)| name == "PATH" || name == "TMPDIR"))
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary starts");
    feed(child.stdin.take().expect("stdin is piped"), input);
    let watchdog = Command::new("sh")
        .args(["-c", WATCHDOG, "watchdog", &child.id().to_string()])
        .stdin(Stdio::piped())
        .process_group(0)
        .spawn()
        .expect("sh starts");
    let stdout = Output::capture(child.stdout.take().expect("stdout is piped"));
    let stderr = Output::capture(child.stderr.take().expect("stderr is piped"));
    Segmenter { child, watchdog, stdout, stderr }
}

impl Segmenter {
    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// The complete lines of standard output so far.
    pub fn stdout(&self) -> Vec<String> {
        self.stdout.lines()
    }

    /// The lines of the log (standard error) so far.
    pub fn log(&self) -> Vec<String> {
        self.stderr.lines()
    }

    /// Waits for a line of the log that contains `text` and returns the first.
    pub async fn wait_for_log(&self, text: &str) -> String {
        let what = format!("a line of the log with {text:?}");
        eventually_some(Duration::from_secs(60), &what, || async {
            self.log().into_iter().find(|line| line.contains(text))
        })
        .await
    }

    /// The address that it serves HTTP on, once logged. For `SEGMENTER_HTTP_ADDR=127.0.0.1:0`.
    pub async fn http_address(&self) -> SocketAddr {
        let line = self.wait_for_log("http listening").await;
        address_in(&line).unwrap_or_else(|| panic!("no address in {line}"))
    }

    /// Requests a stop (SIGTERM).
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Kills it (SIGKILL).
    pub fn kill(&self) {
        self.signal("KILL");
    }

    /// Pauses it (SIGSTOP).
    pub fn pause(&self) {
        self.signal("STOP");
    }

    /// Ends [`Self::pause`].
    pub fn resume(&self) {
        self.signal("CONT");
    }

    /// Whether it has not ended yet.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().expect("the child can be waited for").is_none()
    }

    /// Waits until it has ended by itself or by a signal sent before; its output is complete then.
    pub async fn wait(&mut self, within: Duration) -> ExitStatus {
        let child = &mut self.child;
        let status = eventually_some(within, "segmenter to end", || {
            let status = child.try_wait().expect("the child can be waited for");
            async move { status }
        })
        .await;
        self.stdout.finish();
        self.stderr.finish();
        status
    }

    /// Runs to the end: for commands.
    pub async fn finish(mut self, within: Duration) -> Finished {
        let status = self.wait(within).await;
        Finished { code: status.code(), stdout: self.stdout().join("\n"), log: self.log().join("\n") }
    }

    fn signal(&self, signal: &str) {
        // Not reaped yet, or reaped by us: the process id is not reused while the test holds this value.
        let sent =
            Command::new("sh").args(["-c", r#"kill -s "$0" "$1""#, signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("sh runs").success(), "segmenter has ended already");
    }
}

/// Writes on a thread, since a pipe's buffer is small and the child may write before it has read all input.
fn feed(mut stdin: impl Write + Send + 'static, input: &str) {
    let input = input.to_owned();
    // The child may end before it has read everything; the test decides whether that is an error.
    std::thread::spawn(move || drop(stdin.write_all(input.as_bytes())));
}

/// The result of a command.
#[derive(Debug)]
pub struct Finished {
    /// `None` if a signal ended it.
    pub code: Option<i32>,
    pub stdout: String,
    pub log: String,
}

impl Drop for Segmenter {
    #[expect(clippy::print_stdout, reason = "the test runner shows it with the failure")]
    fn drop(&mut self) {
        // Best effort: it may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
        if let Some(mut words) = self.watchdog.stdin.take() {
            let _ = words.write_all(b"reaped\n");
        }
        let _ = self.watchdog.wait();
        if std::thread::panicking() {
            println!("--- segmenter's stdout\n{}", self.stdout().join("\n"));
            println!("--- segmenter's log\n{}", self.log().join("\n"));
        }
    }
}

/// One of its streams, read by a thread so that the child never blocks on it.
struct Output {
    lines: Arc<Mutex<Vec<String>>>,
    reader: Option<JoinHandle<()>>,
}

impl Output {
    fn capture(stream: impl Read + Send + 'static) -> Self {
        let lines = Arc::new(Mutex::new(Vec::new()));
        let to = Arc::clone(&lines);
        let reader = std::thread::spawn(move || {
            for line in BufReader::new(stream).split(b'\n').map_while(Result::ok) {
                to.lock().expect("no reader panics").push(String::from_utf8_lossy(&line).into_owned());
            }
        });
        Self { lines, reader: Some(reader) }
    }

    fn lines(&self) -> Vec<String> {
        self.lines.lock().expect("no reader panics").clone()
    }

    fn finish(&mut self) {
        if let Some(reader) = self.reader.take() {
            reader.join().expect("no reader panics");
        }
    }
}

/// The first `host:port` of numbers in a line of either format.
fn address_in(line: &str) -> Option<SocketAddr> {
    line.split(|c: char| !(c.is_ascii_hexdigit() || ".:[]".contains(c))).find_map(|word| word.parse().ok())
}
