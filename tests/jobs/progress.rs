//! The progress bar of a running job.

use std::process::Command;

use super::{column, items};
use crate::scene::Scene;
use crate::world::table;

const USERS: u32 = 20_000;

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

#[tokio::test(flavor = "multi_thread")]
async fn a_backfill_of_many_users_shows_rate_and_time_left_on_a_terminal() {
    let scene = Scene::new(1).await;
    scene.add_profiles(USERS).await;
    let id = uuid::Uuid::new_v4();
    let name = id.to_string();
    let arguments = ["backfill", "--execute", "--id", &name];
    let mut command = Command::new("python3");
    command.args(["-c", ON_A_TERMINAL, env!("CARGO_BIN_EXE_segmenter")]).args(arguments);
    let path = std::env::var_os("PATH").unwrap();
    command.env_clear().envs(scene.environment()).env("PATH", path).env("TERM", "xterm-256color");
    let ran = tokio::task::spawn_blocking(move || command.output().unwrap()).await.unwrap();
    let shown = String::from_utf8_lossy(&ran.stdout).into_owned();
    assert_eq!(ran.status.code(), Some(0), "{shown}");
    assert_eq!(items(&scene, id).await, i64::from(USERS));
    assert_eq!(table(scene.database.pool()).await.len(), USERS as usize);
    assert_eq!(column(&scene, id, "phase").await.as_deref(), Some("done"));
    let frames: Vec<&str> =
        shown.split(['\r', '\n']).filter(|frame| frame.contains("backfill ") && frame.contains(" %")).collect();
    assert!(frames.len() > 5, "the bar is redrawn: {shown}");
    let is_running = |frame: &&&str| frame.contains(" left") && frame.contains("/s  ") && !frame.contains(" 100 %");
    assert!(frames.iter().any(|frame| is_running(&frame)), "rate, share and time left: {shown}");
    assert!(shown.contains("vectors without profile") && shown.contains("success rate"), "{shown}");
}
