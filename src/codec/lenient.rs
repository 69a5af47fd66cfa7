//! Reads the trees of [`super::tree`] with serde, in any format: a field that a shape names is kept as it was found, all
//! others are skipped.
//!
//! A wrong type is no error here. Errors are a duplicate key in an object that is read, and a value that the format cannot
//! represent in a field that is read (in JSON a number beyond a double, or a string that is not Unicode).

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::tree::{Field, Fields, Node, Shape};

impl<'de> DeserializeSeed<'de> for Shape {
    type Value = Node<'de>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        match self {
            Self::Unread => <&RawValue>::deserialize(deserializer).map(|raw| Node::Unread(raw.get())),
            _ => deserializer.deserialize_any(self),
        }
    }
}

impl<'de> Visitor<'de> for Shape {
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

    // A large integer becomes the nearest double, as in JavaScript.
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

    fn visit_bytes<E>(self, _: &[u8]) -> Result<Self::Value, E> {
        Ok(Node::Other)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
        if self != Self::List {
            while seq.next_element::<IgnoredAny>()?.is_some() {}
            return Ok(Node::Other);
        }
        let mut items = Vec::new();
        while let Some(item) = seq.next_element_seed(Self::Scalar)? {
            items.push(item);
        }
        Ok(Node::List(items))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        if let Self::Object(names) = self {
            return fields(names, map).map(Node::Object);
        }
        while map.next_entry::<SkippedKey<'_>, IgnoredAny>()?.is_some() {}
        Ok(if self == Self::Presence { Node::Object(Fields::default()) } else { Node::Other })
    }
}

/// Reads the fields that `names` lists and refuses any key that occurs twice.
fn fields<'de, A: MapAccess<'de>>(names: &'static [Field], mut map: A) -> Result<Fields<'de>, A::Error> {
    let mut values: Vec<Option<Node<'de>>> = names.iter().map(|_| None).collect();
    let mut others = BTreeSet::new();
    while let Some(Key(key)) = map.next_key()? {
        match names.iter().zip(&mut values).find(|((name, _), _)| *name == key) {
            Some(((_, shape), value)) if value.is_none() => *value = Some(map.next_value_seed(*shape)?),
            None if others.insert(key) => {
                map.next_value::<IgnoredAny>()?;
            }
            _ => return Err(A::Error::custom("a key twice in one object")),
        }
    }
    Ok(Fields { names, values })
}

/// A key of an object, unescaped; borrowed where nothing was escaped.
#[derive(Deserialize)]
#[serde(transparent)]
struct Key<'a>(#[serde(borrow)] Cow<'a, str>);

/// A key of an object that is not read. As bytes, since [`IgnoredAny`] would require Unicode.
#[derive(Deserialize)]
#[serde(transparent)]
struct SkippedKey<'a>(
    #[serde(borrow)]
    #[expect(dead_code, reason = "only deserialised")]
    Cow<'a, [u8]>,
);
