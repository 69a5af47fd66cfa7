//! A sample of users that is the same at every run: chosen by a hash of the user's id, so that a larger sample contains every
//! smaller one.

use std::fmt;
use std::str::FromStr;

use sha2::{Digest, Sha256};

/// A share of the users, above 0 and up to all.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sample {
    /// 0 to 100, without 0.
    percent: f64,
}

impl Sample {
    /// Every user.
    pub const ALL: Self = Self { percent: 100.0 };

    /// The sample in which about `wanted` of `all` users are; every user where there are no more.
    pub fn of_about(wanted: u64, all: u64) -> Self {
        if wanted >= all { Self::ALL } else { Self { percent: 100.0 * wanted.max(1) as f64 / all as f64 } }
    }

    /// The share of the users, above 0 and up to 1.
    pub fn share(self) -> f64 {
        self.percent / 100.0
    }

    /// Whether the user is in the sample.
    pub fn contains(self, user: &str) -> bool {
        self == Self::ALL || place(user).as_slice() < self.bound().as_slice()
    }

    /// Users whose place begins with less than these bytes are in the sample.
    fn bound(self) -> [u8; 8] {
        // Exact enough: a double has 53 bits. The conversion saturates.
        ((self.share() * 2_f64.powi(64)) as u64).to_be_bytes()
    }
}

/// The place of the user among all users, by which samples are cut off: SHA-256 of the id.
pub fn place(user: &str) -> [u8; 32] {
    Sha256::digest(user.as_bytes()).into()
}

impl FromStr for Sample {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.strip_suffix('%').filter(|text| text.bytes().all(|one| one.is_ascii_digit() || one == b'.'));
        let percent =
            digits.and_then(|digits| digits.parse().ok()).filter(|percent| *percent > 0.0 && *percent <= 100.0);
        percent
            .map(|percent| Self { percent })
            .ok_or("must be a percentage above 0% and up to 100%, such as 1% or 0.5%")
    }
}

impl fmt::Display for Sample {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}%", self.percent)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(sample: &str) -> Vec<usize> {
        let sample: Sample = sample.parse().unwrap();
        (0..100_000).filter(|number| sample.contains(&format!("user-{number}"))).collect()
    }

    #[test]
    fn a_sample_is_a_percentage_above_0_and_up_to_100() {
        for (text, shown) in [("1%", "1%"), ("0.5%", "0.5%"), ("100%", "100%"), ("100.0%", "100%")] {
            assert_eq!(text.parse::<Sample>().map(|sample| sample.to_string()).as_deref(), Ok(shown));
        }
        for text in ["", "%", "1", "0%", "0.0%", "-1%", "+1%", "100.1%", "1e1%", "inf%", "nan%", " 1%", "1 %", "1%%"] {
            assert!(text.parse::<Sample>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_sample_has_about_its_share_of_users_and_a_larger_one_contains_the_smaller() {
        let (one, ten, all) = (chosen("1%"), chosen("10%"), chosen("100%"));
        assert!(
            (900..1_100).contains(&one.len()) && (9_700..10_300).contains(&ten.len()),
            "{} {}",
            one.len(),
            ten.len()
        );
        assert!(one.iter().all(|user| ten.contains(user)));
        assert_eq!(all.len(), 100_000);
    }

    #[test]
    fn a_sample_of_about_so_many_users_is_every_user_where_there_are_no_more() {
        assert_eq!(Sample::of_about(10, 10), Sample::ALL);
        assert_eq!(Sample::of_about(10, 0), Sample::ALL);
        assert_eq!(Sample::of_about(10, 1_000).to_string(), "1%");
        assert!(!Sample::of_about(0, u64::MAX).contains("user"));
    }

    #[test]
    fn the_users_of_a_sample_stay_the_same_in_every_release() {
        let wanted = [399, 6_583, 19_557, 34_578, 40_964, 47_448, 89_207, 90_161, 95_165, 99_585];
        assert_eq!(chosen("0.01%"), wanted);
    }
}
