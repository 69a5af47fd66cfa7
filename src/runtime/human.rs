//! Numbers for people. A no-break space separates number and unit.

const DIGITS_IN_A_GROUP: usize = 3;
const MINUTE: u64 = 60;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// `1,234,567`.
pub(crate) fn whole(number: f64) -> String {
    let digits = format!("{:.0}", number.abs());
    let mut text = String::with_capacity(digits.len() * 4 / 3 + 1);
    for (place, digit) in digits.chars().enumerate() {
        if place > 0 && (digits.len() - place).is_multiple_of(DIGITS_IN_A_GROUP) {
            text.push(',');
        }
        text.push(digit);
    }
    if number <= -0.5 { format!("−{text}") } else { text }
}

/// A rate: `1,234`, `56.7`, `0.25`; the caller adds the unit.
pub(crate) fn rate(number: f64) -> String {
    match number {
        number if number >= 99.95 => whole(number),
        number if number >= 9.995 => format!("{number:.1}"),
        number if number >= 0.005 => format!("{number:.2}"),
        _ => "0".to_owned(),
    }
}

/// A duration in its two largest units: `0 s`, `340 ms`, `12 s`, `3 min 20 s`, `2 h 5 min`, `4 d 3 h`.
pub(crate) fn duration(seconds: f64) -> String {
    if seconds <= 0.0 {
        return "0\u{a0}s".to_owned();
    }
    if seconds < 0.9995 {
        return format!("{:.0}\u{a0}ms", (seconds * 1000.0).max(1.0));
    }
    // A cast of a float saturates.
    let whole_seconds = seconds.round() as u64;
    let two = |large: u64, unit: &str, rest: u64, small: &str| match rest {
        0 => format!("{large}\u{a0}{unit}"),
        rest => format!("{large}\u{a0}{unit} {rest}\u{a0}{small}"),
    };
    match whole_seconds {
        0..MINUTE => format!("{whole_seconds}\u{a0}s"),
        MINUTE..HOUR => two(whole_seconds / MINUTE, "min", whole_seconds % MINUTE, "s"),
        HOUR..DAY => two(whole_seconds / HOUR, "h", whole_seconds % HOUR / MINUTE, "min"),
        _ => two(whole_seconds / DAY, "d", whole_seconds % DAY / HOUR, "h"),
    }
}

/// `0 B`, `12.3 MiB`.
pub(crate) fn bytes(number: f64) -> String {
    let mut scaled = number.max(0.0);
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if scaled < 1023.95 {
            let places = usize::from(unit != "B" && scaled < 99.95);
            return format!("{scaled:.places$}\u{a0}{unit}");
        }
        scaled /= 1024.0;
    }
    format!("{scaled:.1}\u{a0}TiB")
}

/// A share of 1 as `12.3 %`; a smaller one than 0.05 % but above 0 is `< 0.1 %`.
pub(crate) fn percent(share: f64) -> String {
    match share * 100.0 {
        percent if percent > 0.0 && percent < 0.05 => "<\u{a0}0.1\u{a0}%".to_owned(),
        percent => format!("{percent:.1}\u{a0}%"),
    }
}

/// A name for programs in words: `dead_lettered` is `dead lettered`.
pub(crate) fn words(name: &str) -> String {
    name.replace('_', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(text: &str) -> String {
        text.replace('\u{a0}', " ")
    }

    #[test]
    fn numbers_have_groups_and_no_more_digits_than_matter() {
        let wholes = [0.0, 12.0, 123.0, 1234.0, 1_234_567.4, -1234.0].map(whole);
        assert_eq!(wholes, ["0", "12", "123", "1,234", "1,234,567", "−1,234"]);
        let rates = [0.0, 0.004, 0.25, 3.456, 56.78, 99.96, 1234.5].map(rate);
        assert_eq!(rates, ["0", "0", "0.25", "3.46", "56.8", "100", "1,234"]);
    }

    #[test]
    fn durations_have_their_two_largest_units() {
        let seconds = [-1.0, 0.0, 0.0001, 0.34, 1.2, 59.6, 200.0, 7500.0, 7200.0, 356_400.0, f64::INFINITY];
        let texts = seconds.map(|seconds| plain(&duration(seconds)));
        let expected = ["0 s", "0 s", "1 ms", "340 ms", "1 s", "1 min", "3 min 20 s", "2 h 5 min", "2 h", "4 d 3 h"];
        assert_eq!(texts[..10], expected);
    }

    #[test]
    fn bytes_and_shares_have_units() {
        assert_eq!(
            [0.0, 1023.0, 1024.0, 12.3e6, 5e13].map(|n| plain(&bytes(n))),
            ["0 B", "1023 B", "1.0 KiB", "11.7 MiB", "45.5 TiB"]
        );
        assert_eq!([0.0, 0.0001, 0.123, 1.0].map(|n| plain(&percent(n))), ["0.0 %", "< 0.1 %", "12.3 %", "100.0 %"]);
    }
}
