//! The W3C trace context of a record (<https://www.w3.org/TR/trace-context/#traceparent-header>), which is carried
//! through.

/// Length of `version-traceid-parentid-flags`, the whole of version 00.
const LENGTH: usize = 55;
/// The longest header of a later version that is carried through, in bytes.
const MAX_LENGTH: usize = 255;

/// The header's text if it is well-formed: versions 00 to fe, lower-case hex, ids that are not all zero.
pub(super) fn well_formed(header: &[u8]) -> Option<&str> {
    let text = std::str::from_utf8(header).ok()?;
    let (base, rest) = text.split_at_checked(LENGTH)?;
    let mut parts = base.split('-');
    let (version, trace, parent, flags) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let known_version = if version == "00" { rest.is_empty() } else { version != "ff" && is_extension(rest) };
    let valid = parts.next().is_none()
        && known_version
        && is_hex(version, 2)
        && is_hex(trace, 32)
        && is_hex(parent, 16)
        && is_hex(flags, 2)
        && !is_zero(trace)
        && !is_zero(parent);
    valid.then_some(text)
}

/// The id of the trace in a well-formed header.
pub(crate) fn trace_id(header: &[u8]) -> Option<&str> {
    well_formed(header)?.split('-').nth(1)
}

fn is_hex(text: &str, length: usize) -> bool {
    text.len() == length && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

/// Whether a later version may append `rest`: it is empty, or a dash and printable ASCII.
fn is_extension(rest: &str) -> bool {
    rest.is_empty()
        || (rest.starts_with('-')
            && rest.len() <= MAX_LENGTH - LENGTH
            && rest.bytes().all(|byte| byte.is_ascii_graphic()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    fn kept(text: &str) -> bool {
        well_formed(text.as_bytes()) == Some(text)
    }

    #[test]
    fn a_well_formed_header_is_kept_as_it_is() {
        assert!(kept(GOOD));
        assert_eq!(trace_id(GOOD.as_bytes()), Some("4bf92f3577b34da6a3ce929d0e0e4736"));
        assert!(kept(&GOOD.replacen("00", "fe", 1)));
        assert!(kept(&format!("{}-what-the-future-brings", GOOD.replacen("00", "cc", 1))));
    }

    #[test]
    fn anything_else_is_dropped() {
        let wrong = [
            String::new(),
            GOOD.to_uppercase(),
            GOOD.replacen("00", "ff", 1),
            GOOD.replacen("00", "0g", 1),
            format!("{GOOD}-more"),
            format!("{GOOD} "),
            format!("{}x", GOOD.replacen("00", "01", 1)),
            format!("{}-é", GOOD.replacen("00", "01", 1)),
            format!("{}-{}", GOOD.replacen("00", "01", 1), "x".repeat(300)),
            GOOD.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            GOOD.replace("00f067aa0ba902b7", &"0".repeat(16)),
            GOOD.replace("b7-01", "-b701"),
            GOOD.replace('-', "_"),
            GOOD[..54].to_owned(),
        ];
        for text in wrong {
            assert_eq!(well_formed(text.as_bytes()), None, "{text}");
        }
        assert_eq!(well_formed(&[0xff; 55]), None);
    }
}
