//! JSON as it is written for rows and for segment-changed: the fixed parts of their shapes as they are, strings and numbers
//! between them. By hand, as the Avro is, so that saying a change cannot fail; and since serde_json looks for something to
//! escape in every name of a field and byte by byte, which takes an eighth of all that is computed for an event.

use std::fmt::Write as _;

/// A text of JSON as far as it is written.
#[derive(Debug, Default)]
pub struct JsonText(String);

impl JsonText {
    /// An empty text with room for `bytes`.
    pub fn with_capacity(bytes: usize) -> Self {
        Self(String::with_capacity(bytes))
    }

    /// What was written.
    pub fn into_string(self) -> String {
        self.0
    }

    /// A part that is JSON already: braces, commas, names of fields.
    pub fn raw(&mut self, json: &str) -> &mut Self {
        self.0.push_str(json);
        self
    }

    /// A string, in quotes, with its quotes, backslashes and control characters escaped.
    pub fn string(&mut self, text: &str) -> &mut Self {
        self.0.push('"');
        if needs_no_escape(text.as_bytes()) {
            self.0.push_str(text);
        } else {
            self.escaped(text);
        }
        self.0.push('"');
        self
    }

    /// A string, or null.
    pub fn optional_string(&mut self, text: Option<&str>) -> &mut Self {
        match text {
            Some(text) => self.string(text),
            None => self.raw("null"),
        }
    }

    /// The shortest decimal that is read as this double, with a fraction or an exponent; null for what JSON cannot say.
    pub fn double(&mut self, number: f64) -> &mut Self {
        if !number.is_finite() {
            return self.raw("null");
        }
        self.raw(zmij::Buffer::new().format_finite(number))
    }

    /// As [`double`](Self::double), without a fraction where there is none, and never with an exponent.
    pub fn plain_double(&mut self, number: f64) -> &mut Self {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format(number);
        match text.strip_suffix(".0") {
            Some(integer) => self.raw(integer),
            None if text.contains('e') => self.display(number),
            None => self.raw(text),
        }
    }

    /// An integer, or another thing that displays as JSON.
    pub fn display(&mut self, shown: impl std::fmt::Display) -> &mut Self {
        // Writing into a String cannot fail.
        let _ = write!(self.0, "{shown}");
        self
    }

    /// A list of what `write` writes of each item.
    pub fn list<T>(&mut self, items: impl IntoIterator<Item = T>, mut write: impl FnMut(&mut Self, T)) -> &mut Self {
        self.raw("[");
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.raw(",");
            }
            write(self, item);
        }
        self.raw("]")
    }

    fn escaped(&mut self, text: &str) {
        for character in text.chars() {
            match character {
                '"' => self.raw("\\\""),
                '\\' => self.raw("\\\\"),
                '\u{8}' => self.raw("\\b"),
                '\t' => self.raw("\\t"),
                '\n' => self.raw("\\n"),
                '\u{c}' => self.raw("\\f"),
                '\r' => self.raw("\\r"),
                '\0'..='\u{1f}' => self.display(format_args!("\\u{:04x}", u32::from(character))),
                _ => self.display(character),
            };
        }
    }
}

/// Without a branch in the loop, so that the compiler looks at many bytes at once.
fn needs_no_escape(text: &[u8]) -> bool {
    let in_need = text.iter().fold(false, |found, byte| found | (*byte < 0x20) | (*byte == b'"') | (*byte == b'\\'));
    !in_need
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::JsonText;

    fn written(write: impl FnOnce(&mut JsonText)) -> String {
        let mut json = JsonText::default();
        write(&mut json);
        json.into_string()
    }

    proptest! {
        #[test]
        fn strings_are_written_as_serde_json_writes_them(text in prop_oneof!["\\PC*", any::<String>(), "[\"\\\\\\x00-\\x20a]*"]) {
            prop_assert_eq!(written(|json| _ = json.string(&text)), serde_json::to_string(&text).unwrap());
        }

        #[test]
        fn doubles_are_written_as_serde_json_writes_them(number in any::<f64>()) {
            prop_assert_eq!(written(|json| _ = json.double(number)), serde_json::to_string(&number).unwrap());
        }

        #[test]
        fn plain_doubles_are_the_shortest_decimals_without_an_exponent(
            number in prop_oneof![0.0..=1.0, any::<f64>().prop_filter("finite", |any| any.is_finite()), Just(1.0)],
        ) {
            prop_assert_eq!(written(|json| _ = json.plain_double(number)), format!("{number}"));
        }
    }

    #[test]
    fn lists_have_commas_between_their_items() {
        let list = |items: &[i64]| written(|json| _ = json.list(items, |json, item| _ = json.display(item)));
        assert_eq!((list(&[]), list(&[1]), list(&[1, -2])), ("[]".into(), "[1]".into(), "[1,-2]".into()));
    }
}
