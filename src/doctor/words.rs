//! Numbers, spans of time and lists as a sentence has them.

use std::fmt::Display;

/// `1 broker`, `1,204 records`.
pub fn count(number: u64, singular: &str, plural: &str) -> String {
    format!("{} {}", grouped(number), if number == 1 { singular } else { plural })
}

/// A number with commas between thousands.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A span in the largest unit in which it is a whole number: `7 days`, `90 minutes`.
pub fn span(milliseconds: u64) -> String {
    let units = [(86_400_000, "day", "days"), (3_600_000, "hour", "hours"), (60_000, "minute", "minutes")];
    for (unit, singular, plural) in units {
        if milliseconds >= unit && milliseconds.is_multiple_of(unit) {
            return count(milliseconds / unit, singular, plural);
        }
    }
    match milliseconds {
        0..1_000 => format!("{milliseconds} ms"),
        _ => count(milliseconds / 1_000, "second", "seconds"),
    }
}

/// `a`, `a and b`, `a, b and c`.
pub fn list(items: impl IntoIterator<Item = impl Display>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| item.to_string()).collect();
    match items.split_last() {
        None => String::new(),
        Some((only, [])) => only.clone(),
        Some((last, others)) => format!("{} and {last}", others.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_lists_read_as_in_a_sentence() {
        assert_eq!(count(1, "record", "records"), "1 record");
        assert_eq!(count(1_204_000, "record", "records"), "1,204,000 records");
        assert_eq!(
            [span(604_800_000), span(5_400_000), span(1_500), span(7)],
            ["7 days", "90 minutes", "1 second", "7 ms"]
        );
        assert_eq!([list(["a"]), list(["a", "b"]), list(["a", "b", "c"])], ["a", "a and b", "a, b and c"]);
    }
}
