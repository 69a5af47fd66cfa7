//! Sections as they are stored, each read only when somebody looks into it.
//!
//! Most events carry most sections anew, and an old event loses by its stamp alone. What is stored is then replaced, or
//! written back as it came, without ever having been read.

use std::ops::Range;
use std::sync::OnceLock;

use arrayvec::ArrayVec;
use postcard::ser_flavors::Flavor;
use serde::Deserialize;

use super::section::{Section, SectionKind};
use super::skim::{ListOf, Word};

/// Where sections lie in what is stored.
type Places = ArrayVec<(SectionKind, Range<usize>), { SectionKind::COUNT }>;

/// Sections in postcard's encoding.
#[derive(Debug)]
pub struct StoredSections {
    bytes: Box<[u8]>,
    places: Places,
    /// Boxed, since few are ever read.
    read: [OnceLock<Option<Box<Section>>>; SectionKind::COUNT],
}

impl StoredSections {
    /// Takes sections that were found in `bytes` by [`skim`].
    pub fn new(bytes: &[u8], places: Places) -> Self {
        Self { bytes: bytes.into(), places, read: [const { OnceLock::new() }; SectionKind::COUNT] }
    }

    /// Which one the one at `index` is.
    pub fn kind(&self, index: usize) -> Option<SectionKind> {
        self.places.get(index).map(|(kind, _)| *kind)
    }

    /// The one at `index`, as it is stored.
    pub fn encoded(&self, index: usize) -> Option<&[u8]> {
        self.places.get(index).and_then(|(_, place)| self.bytes.get(place.clone()))
    }

    /// The one at `index`. Whatever was skimmed can be read.
    pub fn section(&self, index: usize) -> Option<&Section> {
        let read = || postcard::from_bytes(self.encoded(index)?).ok().map(Box::new);
        self.read.get(index)?.get_or_init(read).as_deref()
    }

    /// Whether the one at `index` has this content. It is not read where that would be stored as the same bytes.
    pub fn has(&self, index: usize, section: &Section) -> bool {
        self.encoded(index).is_some_and(|bytes| is_stored_as(section, bytes)) || self.section(index) == Some(section)
    }
}

/// Whether a section is stored as these bytes: writing it costs less than reading one, even if no byte is kept.
fn is_stored_as(section: &Section, bytes: &[u8]) -> bool {
    postcard::serialize_with_flavor(section, SameBytes { rest: bytes }) == Ok(true)
}

/// Where postcard writes what should be there already; it ends with the first byte that is not.
struct SameBytes<'a> {
    rest: &'a [u8],
}

impl Flavor for SameBytes<'_> {
    type Output = bool;

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.rest = self.rest.strip_prefix(bytes).ok_or(postcard::Error::SerializeBufferFull)?;
        Ok(())
    }

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.try_extend(&[byte])
    }

    fn finalize(self) -> postcard::Result<bool> {
        Ok(self.rest.is_empty())
    }
}

/// Goes over one section at the start of `bytes` without keeping anything of it; gives which it is, and what comes after it.
/// `None` where the bytes are no section.
pub fn skim(bytes: &[u8]) -> Option<(SectionKind, &[u8])> {
    let (skimmed, rest) = postcard::take_from_bytes::<Skimmed>(bytes).ok()?;
    Some((skimmed.kind(), rest))
}

/// The shape of [`Section`] without its content: reading it checks all that reading a section does.
#[derive(Deserialize)]
#[expect(dead_code, reason = "fields are what is gone over, nobody looks at them")]
enum Skimmed {
    Budget(Option<(f64, f64, Option<Word>)>),
    Travel((Words, Words, Words, Option<bool>, Ages)),
    Accommodation((Words, Option<Word>)),
    Activities((Words, Words, Option<Word>)),
    Experience(Option<Word>),
    Climate(Words),
    Destinations(bool),
    Transport(Words),
    Demographics((u16, u8, u8)),
    Quality(f64),
}

impl Skimmed {
    fn kind(&self) -> SectionKind {
        match self {
            Self::Budget(_) => SectionKind::Budget,
            Self::Travel(_) => SectionKind::Travel,
            Self::Accommodation(_) => SectionKind::Accommodation,
            Self::Activities(_) => SectionKind::Activities,
            Self::Experience(_) => SectionKind::Experience,
            Self::Climate(_) => SectionKind::Climate,
            Self::Destinations(_) => SectionKind::Destinations,
            Self::Transport(_) => SectionKind::Transport,
            Self::Demographics(_) => SectionKind::Demographics,
            Self::Quality(_) => SectionKind::Quality,
        }
    }
}

/// A list of strings.
type Words = ListOf<Word>;

/// A list of small numbers.
type Ages = ListOf<u8>;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::super::section::{
        Accommodation, Activities, Budget, BudgetRange, CalendarDate, Climate, Demographics, Destinations, Experience,
        Quality, Token, Transport, Travel,
    };
    use super::*;

    fn any_token() -> impl Strategy<Value = Token> {
        "[A-ZÉ_ ]{0,30}[A-Z]".prop_filter_map("blank", |word| Token::new(&word))
    }

    fn any_tokens() -> impl Strategy<Value = Vec<Token>> {
        prop::collection::vec(any_token(), 0..4)
    }

    fn any_section() -> impl Strategy<Value = Section> {
        let level = || prop::option::of(any_token());
        let range =
            (any::<f64>(), any::<f64>(), level()).prop_map(|(min, max, currency)| BudgetRange { min, max, currency });
        let travel = (any_tokens(), any_tokens(), any_tokens(), any::<Option<bool>>(), any::<Vec<u8>>());
        prop_oneof![
            prop::option::of(range).prop_map(|global_range| Section::Budget(Budget { global_range })),
            travel.prop_map(|(types, purposes, group_types, travel_with_children, children_ages)| {
                Section::Travel(Travel { types, purposes, group_types, travel_with_children, children_ages })
            }),
            (any_tokens(), level())
                .prop_map(|(types, comfort_level)| { Section::Accommodation(Accommodation { types, comfort_level }) }),
            (any_tokens(), any_tokens(), level()).prop_map(|(types, interests, activity_level)| {
                Section::Activities(Activities { types, interests, activity_level })
            }),
            level().prop_map(|risk_tolerance| Section::Experience(Experience { risk_tolerance })),
            any_tokens().prop_map(|preferences| Section::Climate(Climate { preferences })),
            any::<bool>().prop_map(|stated| Section::Destinations(Destinations { stated })),
            any_tokens().prop_map(|preferred_airlines| Section::Transport(Transport { preferred_airlines })),
            any::<(u16, u8, u8)>().prop_map(|(year, month, day)| {
                Section::Demographics(Demographics { date_of_birth: CalendarDate { year, month, day } })
            }),
            any::<f64>().prop_map(|completeness| Section::Quality(Quality { completeness })),
        ]
    }

    /// Two sections that are more often alike than any two would be.
    fn any_two() -> impl Strategy<Value = (Section, Section)> {
        let zero = |sign: bool| Section::Quality(Quality { completeness: if sign { -0.0 } else { 0.0 } });
        prop_oneof![
            (any_section(), any_section()),
            any_section().prop_map(|section| (section.clone(), section)),
            any::<(bool, bool)>().prop_map(move |(one, other)| (zero(one), zero(other))),
        ]
    }

    proptest! {
        #[test]
        fn a_stored_section_has_the_content_that_it_has_when_it_is_read((stored, other) in any_two()) {
            let bytes = postcard::to_stdvec(&stored).unwrap();
            let places = Places::from_iter([(stored.kind(), 0..bytes.len())]);
            prop_assert_eq!(StoredSections::new(&bytes, places).has(0, &other), stored == other);
        }

        #[test]
        fn a_section_is_gone_over_to_its_end_and_named(section in any_section(), after in any::<Vec<u8>>()) {
            let mut bytes = postcard::to_stdvec(&section).unwrap();
            bytes.extend(&after);
            prop_assert_eq!(skim(&bytes), Some((section.kind(), &after[..])));
        }

        #[test]
        fn what_can_be_gone_over_can_be_read_and_nothing_else(
            section in any_section(), place in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<prop::sample::Index>(),
        ) {
            let mut bytes = postcard::to_stdvec(&section).unwrap();
            let place = place.index(bytes.len());
            bytes[place] = byte;
            bytes.truncate(cut.index(bytes.len()) + 1);
            let read = postcard::take_from_bytes::<Section>(&bytes).ok();
            prop_assert_eq!(skim(&bytes), read.map(|(section, rest)| (section.kind(), rest)));
        }
    }
}
