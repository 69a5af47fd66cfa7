//! The functions of zlib that librdkafka calls, under their names in C.

pub use libz_rs_sys::*;
