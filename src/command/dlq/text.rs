//! Bytes of strangers as text for a terminal: nothing in them may move the cursor.

use std::borrow::Cow;

/// The text with its control characters escaped.
pub(super) fn printable(text: &str) -> Cow<'_, str> {
    if !text.chars().any(char::is_control) {
        return Cow::Borrowed(text);
    }
    let escape = |char: char| if char.is_control() { char.escape_default().to_string() } else { char.to_string() };
    Cow::Owned(text.chars().map(escape).collect())
}

/// Bytes as text if they are UTF-8 in one line, else hexadecimal after `0x`.
pub(super) fn line(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(char::is_control) => text.to_owned(),
        _ => format!("0x{}", hex(bytes)),
    }
}

/// Bytes as they are if they are UTF-8 without control characters but for line ends and tabs, else hexadecimal.
pub(super) fn block(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.chars().any(|char| char.is_control() && !"\n\r\t".contains(char)) => text.to_owned(),
        _ => hex(bytes),
    }
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_that_is_shown_moves_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
        assert_eq!(line(b"user-1"), "user-1");
        assert_eq!(line(b"a\x1b"), "0x611b");
        assert_eq!(line(b"\xff"), "0xff");
        assert_eq!(block(b"{\n\t}"), "{\n\t}");
        assert_eq!(block(b"{\x1b}"), "7b1b7d");
    }
}
