//! The headers of records.

use rdkafka::message::BorrowedHeaders;

use super::ffi;

/// The header that carries the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// The value of the first header of this name.
pub fn header<'h>(headers: &'h BorrowedHeaders, name: &str) -> Option<&'h [u8]> {
    ffi::headers(headers).find(|(found, _)| found.to_bytes() == name.as_bytes())?.1
}
