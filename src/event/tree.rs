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
    pub names: &'static [Field],
    pub values: &'a [Option<Node<'a>>],
}

/// A field that is read, and how.
pub(super) type Field = (&'static str, Shape);

/// What is read of a value.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// A scalar; of lists and objects nothing but that they are some.
    Scalar,
    /// A list of scalars.
    List,
    /// An object's fields; all others are ignored.
    Object(&'static [Field]),
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
    pub const NONE: Self = Self { names: &[], values: &[] };

    pub fn get(&self, name: &str) -> &Node<'a> {
        let index = self.names.iter().position(|(field, _)| *field == name);
        index.and_then(|index| self.values.get(index)?.as_ref()).unwrap_or(&Node::Null)
    }
}

/// Where the value of the field `name` belongs among those of an object with these fields, and how it is read; `None` where
/// nobody reads it.
pub(super) fn slot<'v, 'a>(
    fields: &'static [Field],
    values: &'v mut [Option<Node<'a>>],
    name: &str,
) -> Option<(Shape, &'v mut Option<Node<'a>>)> {
    let ((_, shape), value) = fields.iter().zip(values).find(|((field, _), _)| *field == name)?;
    Some((*shape, value))
}

/// The payload of an event of `kind`.
pub(super) const fn payload(kind: Kind) -> Shape {
    match kind {
        Kind::OnboardingCompleted => ONBOARDING,
        Kind::ProfileUpdated => UPDATE,
    }
}

const ONBOARDING: Shape = Shape::Object(&[
    ("userId", Shape::Scalar),
    ("completedAt", Shape::Scalar),
    (
        "profile",
        Shape::Object(&[
            ("userId", Shape::Scalar),
            ("isOnboardingCompleted", Shape::Scalar),
            ("preferences", PREFERENCES),
            ("metadata", Shape::Object(&[("dataQuality", Shape::Object(&[("completeness", Shape::Scalar)]))])),
        ]),
    ),
]);

const UPDATE: Shape = Shape::Object(&[
    ("userId", Shape::Scalar),
    ("updatedAt", Shape::Scalar),
    ("profile", Shape::Object(&[("userId", Shape::Scalar), ("dateOfBirth", Shape::Scalar)])),
    ("preferences", PREFERENCES),
]);

/// The sections of a profile's preferences.
pub(super) const PREFERENCES: Shape = Shape::Object(&[
    (
        "budget",
        Shape::Object(&[(
            "globalRange",
            Shape::Object(&[("min", Shape::Scalar), ("max", Shape::Scalar), ("currency", Shape::Scalar)]),
        )]),
    ),
    (
        "travel",
        Shape::Object(&[
            ("types", Shape::List),
            ("purposes", Shape::List),
            ("groupTypes", Shape::List),
            ("travelWithChildren", Shape::Scalar),
            ("childrenAges", Shape::List),
        ]),
    ),
    ("accommodation", Shape::Object(&[("types", Shape::List), ("comfortLevel", Shape::Scalar)])),
    (
        "activities",
        Shape::Object(&[("types", Shape::List), ("interests", Shape::List), ("activityLevel", Shape::Scalar)]),
    ),
    ("experience", Shape::Object(&[("riskTolerance", Shape::Scalar)])),
    ("climate", Shape::Object(&[("preferences", Shape::List)])),
    ("destinations", Shape::Presence),
    ("transport", Shape::Object(&[("preferredAirlines", Shape::List)])),
]);
