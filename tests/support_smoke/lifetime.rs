//! Servers and their data do not outlive the process that started them, even if it is killed.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use crate::scene::DEADLINE;
use crate::support::eventually;

/// Run by [`a_killed_test_process_leaves_neither_servers_nor_data`] in a process of its own, with this variable naming the
/// folder for temporary data.
const FOLDER: &str = "SUPPORT_SMOKE_LIFETIME_FOLDER";

#[tokio::test]
async fn a_killed_test_process_leaves_neither_servers_nor_data() {
    if std::env::var_os(FOLDER).is_some() {
        return start_a_server_and_wait_to_be_killed().await;
    }
    let folder = std::env::temp_dir().join(format!("support-smoke-{}", uuid::Uuid::new_v4().simple()));
    std::fs::create_dir(&folder).unwrap();
    open_to_all(&folder);
    let mut process = test_process(&folder);
    let started = folder.join("started");
    eventually(DEADLINE, "the other process to start its server", || {
        assert!(process.try_wait().unwrap().is_none(), "the other process has ended");
        async { started.exists() }
    })
    .await;
    assert!(entries(&folder) > 1, "the server has data");

    process.kill().unwrap();
    process.wait().unwrap();

    std::fs::remove_file(started).unwrap();
    eventually(DEADLINE, "the server's data to be gone", || async { entries(&folder) == 0 }).await;
    // The supervisor ends shortly after it has removed the folder.
    eventually(DEADLINE, "no process to be left", || async { !is_named_by_a_process(&folder) }).await;
    std::fs::remove_dir(folder).unwrap();
}

async fn start_a_server_and_wait_to_be_killed() {
    let server = crate::support::Postgres::dedicated().await;
    let folder = std::env::var_os(FOLDER).unwrap();
    std::fs::write(Path::new(&folder).join("started"), "").unwrap();
    std::future::pending::<()>().await;
    drop(server);
}

/// This test alone, in a process that keeps its temporary data in `folder`.
fn test_process(folder: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--nocapture",
            "--exact",
            "support_smoke::lifetime::a_killed_test_process_leaves_neither_servers_nor_data",
        ])
        .env(FOLDER, folder)
        .env("TMPDIR", folder)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .spawn()
        .unwrap()
}

/// The server may run as another user.
fn open_to_all(folder: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o755)).unwrap();
}

fn entries(folder: &Path) -> usize {
    std::fs::read_dir(folder).unwrap().count()
}

fn is_named_by_a_process(folder: &Path) -> bool {
    let name = folder.to_str().unwrap().as_bytes();
    std::fs::read_dir("/proc").unwrap().flatten().any(|entry| {
        std::fs::read(entry.path().join("cmdline")).is_ok_and(|line| line.windows(name.len()).any(|part| part == name))
    })
}
