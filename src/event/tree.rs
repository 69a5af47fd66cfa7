//! The part of a record that is read, as a small borrowed tree, and the shapes that say which part that is.
//!
//! A tree says what was written, not whether it is right: a field of the wrong type is in it as it was found, so that all
//! checks can be made afterwards and in their documented order. A field that is absent and one that is null are the same.
//!
//! Its parts lie in an arena, one for each record: a tree has some forty nodes, and is gone as soon as it is checked.

use super::Kind;

/// One value that was read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Node<'a> {
    /// Null or absent.
    Null,
    Bool(bool),
    /// Finite; never −0.
    Number(f64),
    Text(&'a str),
    List(&'a [Node<'a>]),
    Object(Fields<'a>),
    /// A list or an object where none is expected, its content not read; or what only Avro has: bytes, and a number that
    /// is not finite.
    Other,
}

/// The fields read of one object: for every name of its shape the value, if it occurred.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Fields<'a> {
    pub names: &'static Names,
    pub values: &'a [Option<Node<'a>>],
}

/// A field that is read, and how.
pub(super) type Field = (&'static str, Shape);

/// The fields that are read of an object. There are at most eight, whose tags, a byte each, are looked for all at once: an
/// event has some sixty keys, and comparing each with one name after the other takes a tenth of decoding.
#[derive(Debug, PartialEq)]
pub(super) struct Names {
    fields: &'static [Field],
    tags: u64,
}

/// What is read of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// A scalar; of lists and objects nothing but that they are some.
    Scalar,
    /// A list of scalars.
    List,
    /// An object's fields; all others are ignored.
    Object(&'static Names),
    /// Nothing but whether it is an object: its content is not read.
    Presence,
}

impl<'a> Node<'a> {
    /// A number of a record: −0 is 0.
    pub fn number(value: f64) -> Self {
        Self::Number(if value == 0.0 { 0.0 } else { value })
    }

    /// The field `name`; null where it is absent, where its shape does not name it, and of anything but an object.
    pub fn get(&self, name: &str) -> &Node<'a> {
        match self {
            Self::Object(fields) => fields.get(name),
            _ => &Node::Null,
        }
    }
}

impl<'a> Fields<'a> {
    /// Of an object none of whose fields are read.
    pub const NONE: Self = Self { names: Names::NONE, values: &[] };

    pub fn get(&self, name: &str) -> &Node<'a> {
        let value = self.names.find(name).and_then(|(index, _)| self.values.get(index)?.as_ref());
        value.unwrap_or(&Node::Null)
    }
}

impl Names {
    pub const NONE: &Self = &Self::new(&[]);

    /// Only for constants: more than eight names, or two with the same tag, are refused by not being compiled.
    #[expect(clippy::indexing_slicing, reason = "done by the compiler")]
    const fn new(fields: &'static [Field]) -> Self {
        assert!(fields.len() <= 8, "a tag has no place");
        let mut tags = [0; 8];
        let mut index = 0;
        while index < fields.len() {
            let (name, _) = fields[index];
            tags[index] = tag(name.as_bytes());
            let mut earlier = 0;
            while earlier < index {
                assert!(tags[earlier] != tags[index], "two names have one tag");
                earlier += 1;
            }
            index += 1;
        }
        Self { fields, tags: u64::from_le_bytes(tags) }
    }

    /// All of them, in their order.
    pub const fn fields(&self) -> &'static [Field] {
        self.fields
    }

    /// The place of a field, and how it is read.
    pub fn find(&self, name: &str) -> Option<(usize, Shape)> {
        const EACH: u64 = u64::from_ne_bytes([1; 8]);
        const HIGHEST: u64 = 0x80 * EACH;
        let differences = self.tags ^ (u64::from(tag(name.as_bytes())) * EACH);
        // The lowest bit belongs to the first byte that does not differ; what is borrowed from higher ones comes after it.
        let same = differences.wrapping_sub(EACH) & !differences & HIGHEST;
        let index = same.trailing_zeros() as usize / 8;
        let (found, shape) = self.fields.get(index)?;
        (*found == name).then_some((index, *shape))
    }
}

/// Of its first and last byte. It is never 0, as where there is no name.
const fn tag(name: &[u8]) -> u8 {
    match name {
        [first, .., last] => 0x80 | first.wrapping_add(*last),
        _ => 0x80,
    }
}

/// An event of `kind` in its envelope.
pub(super) const fn envelope(kind: Kind) -> &'static Names {
    match kind {
        Kind::OnboardingCompleted => ONBOARDING_ENVELOPE,
        Kind::ProfileUpdated => UPDATE_ENVELOPE,
    }
}

/// The payload of an event of `kind`.
pub(super) const fn payload(kind: Kind) -> Shape {
    match kind {
        Kind::OnboardingCompleted => Shape::Object(ONBOARDING),
        Kind::ProfileUpdated => Shape::Object(UPDATE),
    }
}

const ONBOARDING_ENVELOPE: &Names = &Names::new(&[
    ("eventId", Shape::Scalar),
    ("eventType", Shape::Scalar),
    ("timestamp", Shape::Scalar),
    ("correlationId", Shape::Scalar),
    ("payload", Shape::Object(ONBOARDING)),
]);
const ONBOARDING: &Names =
    &Names::new(&[("userId", Shape::Scalar), ("completedAt", Shape::Scalar), ("profile", Shape::Object(ONBOARDED))]);
const ONBOARDED: &Names = &Names::new(&[
    ("userId", Shape::Scalar),
    ("isOnboardingCompleted", Shape::Scalar),
    ("preferences", Shape::Object(PREFERENCES)),
    ("metadata", Shape::Object(METADATA)),
]);
const METADATA: &Names = &Names::new(&[("dataQuality", Shape::Object(DATA_QUALITY))]);
const DATA_QUALITY: &Names = &Names::new(&[("completeness", Shape::Scalar)]);

const UPDATE_ENVELOPE: &Names = &Names::new(&[
    ("eventId", Shape::Scalar),
    ("eventType", Shape::Scalar),
    ("timestamp", Shape::Scalar),
    ("correlationId", Shape::Scalar),
    ("payload", Shape::Object(UPDATE)),
]);
const UPDATE: &Names = &Names::new(&[
    ("userId", Shape::Scalar),
    ("updatedAt", Shape::Scalar),
    ("profile", Shape::Object(UPDATED)),
    ("preferences", Shape::Object(PREFERENCES)),
]);
const UPDATED: &Names = &Names::new(&[("userId", Shape::Scalar), ("dateOfBirth", Shape::Scalar)]);

/// The sections of a profile's preferences.
pub(super) const PREFERENCES: &Names = &Names::new(&[
    ("budget", Shape::Object(BUDGET)),
    ("travel", Shape::Object(TRAVEL)),
    ("accommodation", Shape::Object(ACCOMMODATION)),
    ("activities", Shape::Object(ACTIVITIES)),
    ("experience", Shape::Object(EXPERIENCE)),
    ("climate", Shape::Object(CLIMATE)),
    ("destinations", Shape::Presence),
    ("transport", Shape::Object(TRANSPORT)),
]);
const BUDGET: &Names = &Names::new(&[("globalRange", Shape::Object(BUDGET_RANGE))]);
const BUDGET_RANGE: &Names =
    &Names::new(&[("min", Shape::Scalar), ("max", Shape::Scalar), ("currency", Shape::Scalar)]);
const TRAVEL: &Names = &Names::new(&[
    ("types", Shape::List),
    ("purposes", Shape::List),
    ("groupTypes", Shape::List),
    ("travelWithChildren", Shape::Scalar),
    ("childrenAges", Shape::List),
]);
const ACCOMMODATION: &Names = &Names::new(&[("types", Shape::List), ("comfortLevel", Shape::Scalar)]);
const ACTIVITIES: &Names =
    &Names::new(&[("types", Shape::List), ("interests", Shape::List), ("activityLevel", Shape::Scalar)]);
const EXPERIENCE: &Names = &Names::new(&[("riskTolerance", Shape::Scalar)]);
const CLIMATE: &Names = &Names::new(&[("preferences", Shape::List)]);
const TRANSPORT: &Names = &Names::new(&[("preferredAirlines", Shape::List)]);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The names of an object and of all objects in it.
    fn all_in(names: &'static Names) -> Vec<&'static Names> {
        let within = names.fields().iter().flat_map(|(_, shape)| match shape {
            Shape::Object(names) => all_in(names),
            Shape::Scalar | Shape::List | Shape::Presence => Vec::new(),
        });
        [names].into_iter().chain(within).collect()
    }

    proptest! {
        #[test]
        fn a_field_is_found_by_its_name_and_by_nothing_else(
            any in any::<String>(), middle in "[a-z]{0,8}", kept in any::<prop::sample::Index>(),
        ) {
            let kinds = [Kind::OnboardingCompleted, Kind::ProfileUpdated];
            for names in kinds.into_iter().flat_map(|kind| all_in(envelope(kind))).chain([Names::NONE]) {
                let listed: Vec<&str> = names.fields().iter().map(|(name, _)| *name).collect();
                // With the same tag as a name that is listed.
                let alike = listed.iter().map(|name| [&name[..1], &middle, &name[name.len() - 1..]].concat());
                let cut = listed.iter().map(|name| name[..kept.index(name.len())].to_owned());
                let given = listed.iter().map(|name| (*name).to_owned());
                for name in given.chain(alike).chain(cut).chain([any.clone()]) {
                    let place = names.find(&name).map(|(place, _)| place);
                    prop_assert_eq!(place, listed.iter().position(|listed| *listed == name), "{}", name);
                }
            }
        }
    }
}
