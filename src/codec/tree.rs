//! The part of a record that is read, as a small borrowed tree, and the shapes that define that part.
//!
//! A tree holds the fields as they were written, unchecked: a field of a wrong type too, so that all checks can follow in
//! their documented order. Absent and null fields are the same.

use std::borrow::Cow;

use crate::domain::event::Kind;

/// One value that was read.
#[derive(Debug, PartialEq)]
pub(super) enum Node<'a> {
    /// Null or absent.
    Null,
    Bool(bool),
    /// Finite; never −0.
    Number(f64),
    Text(Cow<'a, str>),
    List(Vec<Node<'a>>),
    Object(Fields<'a>),
    /// JSON text.
    Unread(&'a str),
    /// A list or an object where none is expected, its content not read; or a value that only Avro has: bytes, or a number
    /// that is not finite.
    Other,
}

/// The fields that are read of one object: for each name of its shape the value, if it occurs.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Fields<'a> {
    pub names: &'static [Field],
    pub values: Vec<Option<Node<'a>>>,
}

/// The name and the shape of a field that is read.
pub(super) type Field = (&'static str, Shape);

/// The part of a value that is read.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Shape {
    /// A scalar; a list or an object becomes [`Node::Other`].
    Scalar,
    /// A list of scalars.
    List,
    /// An object's fields; all others are ignored.
    Object(&'static [Field]),
    /// Only whether it is an object; its content is not read.
    Presence,
    /// Any value of a JSON text, left as it is.
    Unread,
}

impl<'a> Node<'a> {
    /// A number of a record; −0 becomes 0. JSON has finite numbers only, so any other is a wrong type in every field.
    pub fn number(value: f64) -> Self {
        if value.is_finite() { Self::Number(if value == 0.0 { 0.0 } else { value }) } else { Self::Other }
    }

    /// An object with all the fields of a shape, in their order.
    pub fn object<const N: usize>(names: &'static [Field], values: [Node<'a>; N]) -> Self {
        Self::Object(Fields { names, values: values.into_iter().map(Some).collect() })
    }

    /// The field `name`; null if it is absent, if the shape does not name it, or if the node is not an object.
    pub fn get(&self, name: &str) -> &Node<'a> {
        match self {
            Self::Object(fields) => fields.get(name),
            _ => &Node::Null,
        }
    }
}

impl<'a> Fields<'a> {
    pub fn get(&self, name: &str) -> &Node<'a> {
        let index = self.names.iter().position(|(field, _)| *field == name);
        index.and_then(|index| self.values.get(index)?.as_ref()).unwrap_or(&Node::Null)
    }

    /// Whether the object has the field `name`, be it null.
    pub fn has(&self, name: &str) -> bool {
        let index = self.names.iter().position(|(field, _)| *field == name);
        index.and_then(|index| self.values.get(index)).is_some_and(Option::is_some)
    }

    /// Removes and returns the field `name`.
    pub fn take(&mut self, name: &str) -> Node<'a> {
        let index = self.names.iter().position(|(field, _)| *field == name);
        index.and_then(|index| self.values.get_mut(index)?.take()).unwrap_or(Node::Null)
    }
}

/// The fields of an envelope, its payload read as `payload` and all others as `scalar`.
pub(super) const fn envelope(scalar: Shape, payload: Shape) -> [Field; 5] {
    [("eventId", scalar), ("eventType", scalar), ("timestamp", scalar), ("correlationId", scalar), ("payload", payload)]
}

/// An envelope with the payload of an event of `kind`.
pub(super) const fn enveloped(kind: Kind) -> Shape {
    const ONBOARDING_ENVELOPE: Shape = Shape::Object(&envelope(Shape::Scalar, ONBOARDING));
    const UPDATE_ENVELOPE: Shape = Shape::Object(&envelope(Shape::Scalar, UPDATE));
    match kind {
        Kind::OnboardingCompleted => ONBOARDING_ENVELOPE,
        Kind::ProfileUpdated => UPDATE_ENVELOPE,
    }
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
pub(super) const PREFERENCES: Shape = Shape::Object(SECTIONS);
pub(super) const SECTIONS: &[Field] = &[
    ("budget", Shape::Object(BUDGET)),
    ("travel", Shape::Object(TRAVEL)),
    ("accommodation", Shape::Object(ACCOMMODATION)),
    ("activities", Shape::Object(ACTIVITIES)),
    ("experience", Shape::Object(EXPERIENCE)),
    ("climate", Shape::Object(CLIMATE)),
    ("destinations", Shape::Presence),
    ("transport", Shape::Object(TRANSPORT)),
];

pub(super) const BUDGET: &[Field] = &[("globalRange", GLOBAL_RANGE)];
pub(super) const GLOBAL_RANGE: Shape =
    Shape::Object(&[("min", Shape::Scalar), ("max", Shape::Scalar), ("currency", Shape::Scalar)]);
pub(super) const TRAVEL: &[Field] = &[
    ("types", Shape::List),
    ("purposes", Shape::List),
    ("groupTypes", Shape::List),
    ("travelWithChildren", Shape::Scalar),
    ("childrenAges", Shape::List),
];
pub(super) const ACCOMMODATION: &[Field] = &[("types", Shape::List), ("comfortLevel", Shape::Scalar)];
pub(super) const ACTIVITIES: &[Field] =
    &[("types", Shape::List), ("interests", Shape::List), ("activityLevel", Shape::Scalar)];
pub(super) const EXPERIENCE: &[Field] = &[("riskTolerance", Shape::Scalar)];
pub(super) const CLIMATE: &[Field] = &[("preferences", Shape::List)];
pub(super) const TRANSPORT: &[Field] = &[("preferredAirlines", Shape::List)];
