//! The points at which a test may pause or kill the process. Nothing is left of them in a build without `failpoints`.

/// A point named by a literal. What a test puts on `NAME-reached` is done first, so that it can print there that the
/// process is at the point, and then pause at `NAME`: one point alone could only do one of both in a visit.
macro_rules! fault_point {
    ($name:literal) => {
        fail::fail_point!(concat!($name, "-reached"));
        fail::fail_point!($name);
    };
}

pub(crate) use fault_point;
