//! How serde reads the trees of [`super::tree`]: what a shape names is kept as it was found, the rest is skipped.
//!
//! Wrong types are no errors here. What is an error: a key twice in an object that is read, and what the format itself
//! cannot hold in a field that is read (a number beyond a double, a string that is not Unicode).

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::tree::{Field, Fields, Node, Shape};

/// Up to this many unknown keys of an object are compared one by one; from there on a set does it.
const FEW_KEYS: usize = 16;

/// The members of a record's outermost object that make it an envelope, unread.
#[derive(Default)]
pub(super) struct Envelope<'a> {
    pub event_id: Option<&'a RawValue>,
    pub event_type: Option<&'a RawValue>,
    pub timestamp: Option<&'a RawValue>,
    pub correlation_id: Option<&'a RawValue>,
    pub payload: Option<&'a RawValue>,
}

impl<'a> Envelope<'a> {
    fn member(&mut self, key: &str) -> Option<&mut Option<&'a RawValue>> {
        match key {
            "eventId" => Some(&mut self.event_id),
            "eventType" => Some(&mut self.event_type),
            "timestamp" => Some(&mut self.timestamp),
            "correlationId" => Some(&mut self.correlation_id),
            "payload" => Some(&mut self.payload),
            _ => None,
        }
    }
}

/// Reads an [`Envelope`].
pub(super) struct EnvelopeSeed;

impl<'de> DeserializeSeed<'de> for EnvelopeSeed {
    type Value = Envelope<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for EnvelopeSeed {
    type Value = Envelope<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut envelope = Envelope::default();
        let mut others = UnknownKeys::Few(Vec::new());
        while let Some(Key(key)) = map.next_key()? {
            match envelope.member(&key) {
                Some(Some(_)) => return Err(duplicate()),
                Some(member) => *member = Some(map.next_value()?),
                None if others.insert(key) => {
                    map.next_value::<IgnoredAny>()?;
                }
                None => return Err(duplicate()),
            }
        }
        Ok(envelope)
    }
}

/// Reads what its shape names, of a text that is known to be JSON.
#[derive(Clone, Copy)]
pub(super) struct ShapeSeed(pub Shape);

impl<'de> DeserializeSeed<'de> for ShapeSeed {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ShapeSeed {
    type Value = Node<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("any value")
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Node::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Self::Value, E> {
        Ok(Node::Bool(value))
    }

    // The nearest double of a large integer is what JSON's own readers make of it.
    fn visit_i64<E>(self, value: i64) -> Result<Self::Value, E> {
        Ok(Node::number(value as f64))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Self::Value, E> {
        Ok(Node::number(value as f64))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Self::Value, E> {
        Ok(Node::number(value))
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Node::Text(Cow::Owned(value.to_owned())))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if self.0 != Shape::List {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Node::Other);
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Self(Shape::Scalar))? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        match self.0 {
            Shape::Object(names) => fields(names, map).map(Node::Object),
            Shape::Presence => {
                skip_entries(&mut map)?;
                Ok(Node::Object(Fields { names: &[], values: Vec::new() }))
            }
            Shape::Scalar | Shape::List => {
                skip_entries(&mut map)?;
                Ok(Node::Other)
            }
        }
    }
}

fn skip_entries<'de, A: MapAccess<'de>>(map: &mut A) -> Result<(), A::Error> {
    while map.next_entry::<SkippedKey, IgnoredAny>()?.is_some() {}
    Ok(())
}

/// Reads the fields that `names` lists and refuses any key that occurs twice.
fn fields<'de, A: MapAccess<'de>>(names: &'static [Field], mut map: A) -> Result<Fields<'de>, A::Error> {
    let mut values: Vec<Option<Node<'de>>> = names.iter().map(|_| None).collect();
    let mut others = UnknownKeys::Few(Vec::new());
    while let Some(Key(key)) = map.next_key()? {
        let known = names.iter().zip(&mut values).find(|((name, _), _)| *name == key);
        match known {
            Some((_, Some(_))) => return Err(duplicate()),
            Some(((_, shape), value)) => *value = Some(map.next_value_seed(ShapeSeed(*shape))?),
            None if others.insert(key) => {
                map.next_value::<IgnoredAny>()?;
            }
            None => return Err(duplicate()),
        }
    }
    Ok(Fields { names, values: values.into_iter().map(|value| value.unwrap_or(Node::Null)).collect() })
}

fn duplicate<E: Error>() -> E {
    E::custom("a key twice in one object")
}

/// A key of an object, unescaped; borrowed where nothing was escaped.
struct Key<'a>(Cow<'a, str>);

impl<'de> serde::Deserialize<'de> for Key<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(KeyVisitor)
    }
}

struct KeyVisitor;

impl<'de> Visitor<'de> for KeyVisitor {
    type Value = Key<'de>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_borrowed_str<E>(self, value: &'de str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Borrowed(value)))
    }

    fn visit_str<E>(self, value: &str) -> Result<Self::Value, E> {
        Ok(Key(Cow::Owned(value.to_owned())))
    }
}

/// A key of an object that is not read. As bytes it need not be Unicode, as [`IgnoredAny`] would want of it.
struct SkippedKey;

impl<'de> serde::Deserialize<'de> for SkippedKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_bytes(SkippedKeyVisitor)
    }
}

struct SkippedKeyVisitor;

impl Visitor<'_> for SkippedKeyVisitor {
    type Value = SkippedKey;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a key")
    }

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(SkippedKey)
    }
}

/// The keys met that no shape names. A hostile object must not make the comparison quadratic.
enum UnknownKeys<'a> {
    Few(Vec<Cow<'a, str>>),
    Many(HashSet<Cow<'a, str>>),
}

impl<'a> UnknownKeys<'a> {
    /// False where `key` was there already.
    fn insert(&mut self, key: Cow<'a, str>) -> bool {
        match self {
            Self::Many(keys) => keys.insert(key),
            Self::Few(keys) if keys.contains(&key) => false,
            Self::Few(keys) if keys.len() < FEW_KEYS => {
                keys.push(key);
                true
            }
            Self::Few(keys) => {
                let mut all: HashSet<_> = keys.drain(..).collect();
                all.insert(key);
                *self = Self::Many(all);
                true
            }
        }
    }
}
