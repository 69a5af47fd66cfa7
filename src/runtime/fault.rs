//! Points at which a test may pause or kill the process. A build without the feature `failpoints` has none of them.

/// A point named by a literal. It is two points, since one performs a single action a visit: at `NAME-reached` a test has
/// the process print that it is there, at `NAME` it has it pause.
macro_rules! fault_point {
    ($name:literal) => {
        fail::fail_point!(concat!($name, "-reached"));
        fail::fail_point!($name);
    };
}

pub(crate) use fault_point;
