//! A wall clock that a test moves, for the processes that it starts.

use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

/// The clock of the processes started with its environment.
pub struct ShiftedClock {
    folder: PathBuf,
    /// Removed with this value.
    _own_folder: Option<TempDir>,
}

impl ShiftedClock {
    /// A clock that is right. Needs a C compiler, as building librdkafka does.
    pub fn new() -> Self {
        let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder for what tests build");
        let clock = Self::within(folder.path());
        Self { _own_folder: Some(folder), ..clock }
    }

    /// [`Self::new`], with its files in this folder: for a server whose user reads no other.
    pub fn within(folder: &Path) -> Self {
        let clock = Self { folder: folder.to_owned(), _own_folder: None };
        let status = Command::new("cc")
            .args(["-shared", "-fPIC", "-O1", "-pthread", "-o"])
            .arg(clock.library())
            .arg(super::source("tests/support/clock/shift.c"))
            .arg("-ldl")
            .status()
            .expect("cc runs");
        assert!(status.success(), "the clock does not compile");
        std::fs::write(clock.file(), 0_i64.to_ne_bytes()).expect("the folder takes a file");
        clock
    }

    /// Sets the clock to the right time plus `seconds`, for every process that has it.
    pub fn shift(&self, seconds: i64) {
        let file = std::fs::OpenOptions::new().write(true).open(self.file()).expect("the file is there");
        file.write_all_at(&seconds.to_ne_bytes(), 0).expect("the file takes a number");
    }

    /// The environment of a process that has this clock.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let text = |path: PathBuf| path.to_str().expect("a path of letters").to_owned();
        [("LD_PRELOAD", text(self.library())), ("CLOCK_SHIFT_FILE", text(self.file()))]
    }

    fn library(&self) -> PathBuf {
        self.folder.join("shift.so")
    }

    fn file(&self) -> PathBuf {
        self.folder.join("seconds")
    }
}
