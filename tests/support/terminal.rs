//! Running a command on a terminal.

use std::process::{Command, Output};

/// Runs a command on a terminal of 160 columns, and copies its output.
const ON_A_TERMINAL: &str = r#"
import fcntl, os, pty, struct, sys, termios
child, terminal = pty.fork()
if child == 0:
    fcntl.ioctl(0, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 160, 0, 0))
    os.execv(sys.argv[1], sys.argv[1:])
while True:
    try:
        shown = os.read(terminal, 65536)
    except OSError:
        break
    if not shown:
        break
    os.write(1, shown)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
"#;

/// Runs the binary on a terminal, to its end; both of its outputs are on standard output.
pub async fn on_a_terminal(arguments: &[&str], environment: &[(&str, &str)]) -> Output {
    let mut command = Command::new("python3");
    command.args(["-c", ON_A_TERMINAL, env!("CARGO_BIN_EXE_segmenter")]).args(arguments);
    let path = std::env::var_os("PATH").expect("PATH is set");
    command.env_clear().envs(environment.iter().copied()).env("PATH", path).env("TERM", "xterm-256color");
    let running = tokio::task::spawn_blocking(move || command.output());
    running.await.expect("no panic").expect("python3 starts")
}

/// The frames of the progress bar of this name in the output.
pub fn frames<'o>(shown: &'o str, name: &str) -> Vec<&'o str> {
    let begin = format!("{name} ");
    shown.split(['\r', '\n']).filter(|frame| frame.contains(&begin) && frame.contains(" %")).collect()
}
