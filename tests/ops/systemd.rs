//! The unit for a machine without Kubernetes: systemd accepts it, and it gives the process no more than it needs.

use std::fs;
use std::process::{Command, Output};

use super::tools::{ran, read};

const UNIT: &str = "systemd/segmenter.service";

/// `systemd-analyze` with these arguments of the unit, which is read by `change` first. The program is the one that was built.
fn analyzed(arguments: &[&str], change: impl Fn(String) -> String) -> Output {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("segmenter.service");
    let unit = read(UNIT).replace("/usr/local/bin/segmenter ", &format!("{} ", env!("CARGO_BIN_EXE_segmenter")));
    fs::write(&file, change(unit)).unwrap();
    ran(Command::new("systemd-analyze").args(arguments).arg(file), "")
}

#[test]
fn systemd_has_no_complaint_about_the_unit_and_one_about_a_unit_with_a_misspelt_name() {
    let complaints = |change: fn(String) -> String| {
        let output = analyzed(&["verify", "--man=no"], change);
        (output.status.success(), String::from_utf8(output.stderr).unwrap())
    };
    assert_eq!(complaints(|unit| unit), (true, String::new()));
    let (_, misspelt) = complaints(|unit| unit.replace("ProtectClock", "ProtectClok"));
    assert!(misspelt.contains("Unknown key"), "{misspelt}");
}

/// systemd's own measure, 0 to 100; a unit without any restriction has 96.
#[test]
fn the_exposure_of_the_unit_is_low_and_would_not_be_without_its_filter_of_system_calls() {
    let limit = ["security", "--offline=true", "--threshold=15"];
    let output = analyzed(&limit, |unit| unit);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    assert!(!analyzed(&limit, |unit| unit.replace("SystemCallFilter", "# SystemCallFilter")).status.success());
}

#[test]
fn the_unit_gets_as_much_time_to_stop_as_in_the_manifests_and_does_not_repeat_a_start_that_cannot_succeed() {
    let unit = read(UNIT);
    assert!(unit.contains("\nTimeoutStopSec=45\n"));
    assert!(read("k8s/base/deployment.yaml").contains("terminationGracePeriodSeconds: 45"));
    assert!(unit.contains("\nRestartPreventExitStatus=2 3 5\n"));
}
