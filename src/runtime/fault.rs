//! Points at which a test may pause or kill the process, or have it panic. A build without the feature `failpoints` has none
//! of them.

/// A point named by a literal. It is two points, since one performs a single action a visit: at `NAME-reached` a test has
/// the process print that it is there, at `NAME` it has it pause.
macro_rules! fault_point {
    ($name:literal) => {
        fail::fail_point!(concat!($name, "-reached"));
        fail::fail_point!($name);
    };
}

pub(crate) use fault_point;

/// A point that panics where a test has set it to `return(SUBJECT)` and `is_meant` holds for the subject.
#[cfg_attr(not(feature = "failpoints"), expect(unused_variables, reason = "only a test build has the point"))]
pub(crate) fn panic_point(name: &str, is_meant: impl FnOnce(&str) -> bool) {
    fail::fail_point!(name, |subject: Option<String>| {
        let subject = subject.unwrap_or_default();
        assert!(!is_meant(&subject), "{name} for {subject}");
    });
}
