//! The headers of records.

use rdkafka::message::BorrowedHeaders;

use super::ffi;

/// The header that carries the W3C trace context.
pub const TRACEPARENT: &str = "traceparent";

/// The value of the first header of this name.
pub fn header<'h>(headers: &'h BorrowedHeaders, name: &str) -> Option<&'h [u8]> {
    ffi::headers(headers).find(|(found, _)| found.to_bytes() == name.as_bytes())?.1
}

/// The values of the first headers of these names, and the bytes of all names and values; in one pass.
pub(crate) fn headers_and_size<'h, const N: usize>(
    headers: &'h BorrowedHeaders,
    names: [&str; N],
) -> ([Option<&'h [u8]>; N], usize) {
    let mut values = [None; N];
    let mut bytes = 0;
    for (found, value) in ffi::headers(headers) {
        bytes += found.count_bytes() + value.map_or(0, <[u8]>::len);
        for (wanted, first) in names.iter().zip(&mut values) {
            if first.is_none() && found.to_bytes() == wanted.as_bytes() {
                *first = value;
            }
        }
    }
    (values, bytes)
}
