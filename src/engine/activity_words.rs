//! The words that the feature vector looks for inside activity types, found in one pass over each.
//!
//! A search per word would read every activity type fourteen times, which would be most of the time of a segmentation.

use crate::profile::section::Token;

/// A word, upper-case as tokens are, and its bit.
type Word = (&'static [u8], u16);

// A bit each for the words of culture and of nature, which count once; one for all the words of food, since what counts
// there is the activity types that contain any.
const MUSEUMS: Word = (b"MUSEUMS", 1);
const ART: Word = (b"ART", 1 << 1);
const HISTORY: Word = (b"HISTORY", 1 << 2);
const SHOPPING: Word = (b"SHOPPING", 1 << 3);
const NIGHTLIFE: Word = (b"NIGHTLIFE", 1 << 4);
const CULTURE: u16 = MUSEUMS.1 | ART.1 | HISTORY.1 | SHOPPING.1 | NIGHTLIFE.1;

const NATURE_ITSELF: Word = (b"NATURE", 1 << 5);
const HIKING: Word = (b"HIKING", 1 << 6);
const BEACH: Word = (b"BEACH", 1 << 7);
const OUTDOOR: Word = (b"OUTDOOR", 1 << 8);
const NATURE: u16 = NATURE_ITSELF.1 | HIKING.1 | BEACH.1 | OUTDOOR.1;

const FOOD: u16 = 1 << 9;

/// The words that begin with this byte.
fn beginning_with(byte: u8) -> &'static [Word] {
    match byte {
        b'A' => &[ART],
        b'B' => &[BEACH],
        b'C' => &[(b"CULINARY", FOOD), (b"COOKING", FOOD)],
        b'F' => &[(b"FOOD", FOOD)],
        b'G' => &[(b"GASTRONOMY", FOOD)],
        b'H' => &[HISTORY, HIKING],
        b'M' => &[MUSEUMS],
        b'N' => &[NIGHTLIFE, NATURE_ITSELF],
        b'O' => &[OUTDOOR],
        b'R' => &[(b"RESTAURANT", FOOD)],
        b'S' => &[SHOPPING],
        _ => &[],
    }
}

/// What was found inside the activity types.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ActivityWords {
    found: u16,
    food_types: u32,
}

impl ActivityWords {
    pub fn in_types(types: &[Token]) -> Self {
        let mut words = Self { found: 0, food_types: 0 };
        for token in types {
            let found = words_in(token.as_str().as_bytes());
            words.found |= found;
            words.food_types += u32::from(found & FOOD != 0);
        }
        words
    }

    /// How many of the words of culture occur, each counted once.
    pub fn culture(self) -> u32 {
        (self.found & CULTURE).count_ones()
    }

    /// How many of the words of nature occur, each counted once.
    pub fn nature(self) -> u32 {
        (self.found & NATURE).count_ones()
    }

    /// How many activity types contain a word of food.
    pub fn food_types(self) -> u32 {
        self.food_types
    }
}

/// The bits of the words inside `text`. The words are ASCII, so that bytes of UTF-8 never match by halves.
fn words_in(text: &[u8]) -> u16 {
    let mut found = 0;
    let mut rest = text;
    while let Some((first, after)) = rest.split_first() {
        for (word, bit) in beginning_with(*first) {
            if rest.starts_with(word) {
                found |= bit;
            }
        }
        rest = after;
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CULTURE_WORDS: [&str; 5] = ["MUSEUMS", "ART", "HISTORY", "SHOPPING", "NIGHTLIFE"];
    const NATURE_WORDS: [&str; 4] = ["NATURE", "HIKING", "BEACH", "OUTDOOR"];
    const FOOD_WORDS: [&str; 5] = ["FOOD", "CULINARY", "GASTRONOMY", "RESTAURANT", "COOKING"];

    fn any_text() -> impl Strategy<Value = String> {
        let words = [&CULTURE_WORDS[..], &NATURE_WORDS[..], &FOOD_WORDS[..]].concat();
        let part = prop_oneof![prop::sample::select(words).prop_map(str::to_owned), "[A-ZÉ _]{1,4}"];
        prop::collection::vec(part, 1..6).prop_map(|parts| parts.concat())
    }

    proptest! {
        #[test]
        fn one_pass_finds_what_a_search_for_each_word_finds(texts in prop::collection::vec(any_text(), 0..4)) {
            let types: Vec<Token> = texts.iter().filter_map(|text| Token::new(text)).collect();
            let in_any = |word: &&&str| types.iter().any(|token| token.as_str().contains(**word));
            let is_food = |token: &&Token| FOOD_WORDS.iter().any(|word| token.as_str().contains(word));
            let found = ActivityWords::in_types(&types);
            prop_assert_eq!(found.culture() as usize, CULTURE_WORDS.iter().filter(in_any).count());
            prop_assert_eq!(found.nature() as usize, NATURE_WORDS.iter().filter(in_any).count());
            prop_assert_eq!(found.food_types() as usize, types.iter().filter(is_food).count());
        }
    }

    #[test]
    fn words_count_once_each_and_food_once_an_activity_type() {
        let types = ["COOKING AND FOOD", "STREET_FOOD", "ARTS", "PARTY", "SPA"].map(|word| Token::new(word).unwrap());
        let words = ActivityWords::in_types(&types);
        assert_eq!((words.culture(), words.nature(), words.food_types()), (1, 0, 2));
    }
}
