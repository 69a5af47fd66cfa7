//! The start or the end of a replay, as an operator gives it.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::Moment;

/// A place in every partition of a topic.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub enum Bound {
    Earliest,
    Latest,
    /// The first record at this time or later.
    At(Moment),
    /// Partition and offset; partitions that are not named are left out.
    Offsets(BTreeMap<i32, i64>),
}

impl Bound {
    /// Reads RFC 3339, `-2h`, `PT2H`, `earliest`, `latest` or `0:1500,3:200`.
    ///
    /// # Errors
    /// The text has none of these forms; the error lists them.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            "earliest" => Ok(Self::Earliest),
            "latest" => Ok(Self::Latest),
            _ => parse_offsets(text).or_else(|| Moment::parse(text).ok().map(Self::At)).ok_or_else(|| {
                "must be a time in RFC 3339 with an offset, an age as -2h or PT2H, earliest, latest, or \
                 partition:offset, as 0:1500 or 0:1500,3:200"
                    .to_owned()
            }),
        }
    }
}

fn parse_offsets(text: &str) -> Option<Bound> {
    let mut offsets = BTreeMap::new();
    for pair in text.split(',') {
        let (partition, offset) = pair.split_once(':')?;
        let is_number = |digits: &str| !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(partition) || !is_number(offset) {
            return None;
        }
        if offsets.insert(partition.parse().ok()?, offset.parse().ok()?).is_some() {
            return None;
        }
    }
    Some(Bound::Offsets(offsets))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bound_is_a_time_an_end_or_offsets() {
        assert_eq!(Bound::parse("earliest"), Ok(Bound::Earliest));
        assert_eq!(Bound::parse("latest"), Ok(Bound::Latest));
        for text in ["1970-01-01T00:00:01Z", "-2h", "PT2H"] {
            assert_eq!(Bound::parse(text), Moment::parse(text).map(Bound::At), "{text}");
        }
        assert_eq!(Bound::parse("3:200"), Ok(Bound::Offsets(BTreeMap::from([(3, 200)]))));
        assert_eq!(Bound::parse("0:15,3:0"), Ok(Bound::Offsets(BTreeMap::from([(0, 15), (3, 0)]))));
        for text in
            ["", "0:", ":5", "0:1,0:2", "-1:5", "0:-5", "0:+5", "2h", "P1M", "99999999999:1", "0:99999999999999999999"]
        {
            assert!(Bound::parse(text).is_err(), "{text}");
        }
    }
}
