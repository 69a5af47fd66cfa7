//! JSON to Avro with apache-avro's own writer, as another producer would encode it.

use apache_avro::rabin::Rabin;
use apache_avro::schema::{NamesRef, ResolvedSchema};
use apache_avro::types::Value as Avro;
use apache_avro::writer::datum::GenericDatumWriter;

use super::{Schema, Value};

/// `json` as a value of `schema`; fields that it lacks have their defaults.
pub fn value(schema: &Schema, json: &Value) -> Avro {
    let resolved = ResolvedSchema::new(schema).unwrap();
    named_value(schema, json, resolved.get_names())
}

fn named_value(schema: &Schema, json: &Value, names: &NamesRef<'_>) -> Avro {
    match (schema, json) {
        (Schema::Ref { name }, json) => named_value(names[name], json, names),
        (Schema::Union(union), json) => {
            let position = union.variants().iter().position(|branch| fits(branch, json, names));
            let position = position.unwrap_or_else(|| panic!("no branch of {union:?} for {json}"));
            let branch = named_value(&union.variants()[position], json, names);
            Avro::Union(u32::try_from(position).unwrap(), Box::new(branch))
        }
        (Schema::Null, Value::Null) => Avro::Null,
        (Schema::Boolean, Value::Bool(value)) => Avro::Boolean(*value),
        (Schema::Int, json) => Avro::Int(i32::try_from(json.as_i64().unwrap()).unwrap()),
        (Schema::Long, json) => Avro::Long(json.as_i64().unwrap()),
        (Schema::Float, json) => Avro::Float(json.as_f64().unwrap() as f32),
        (Schema::Double, json) => Avro::Double(json.as_f64().unwrap()),
        (Schema::String, Value::String(text)) => Avro::String(text.clone()),
        (Schema::Bytes, Value::String(text)) => Avro::Bytes(text.clone().into_bytes()),
        (Schema::Fixed(fixed), Value::String(text)) => Avro::Fixed(fixed.size, text.clone().into_bytes()),
        (Schema::Enum(symbols), Value::String(text)) => {
            let position = symbols.symbols.iter().position(|symbol| symbol == text).unwrap();
            Avro::Enum(u32::try_from(position).unwrap(), text.clone())
        }
        (Schema::Array(array), Value::Array(items)) => {
            Avro::Array(items.iter().map(|item| named_value(&array.items, item, names)).collect())
        }
        (Schema::Map(map), Value::Object(members)) => {
            let entries = members.iter().map(|(key, json)| (key.clone(), named_value(&map.types, json, names)));
            Avro::Map(entries.collect())
        }
        (Schema::Record(record), Value::Object(members)) => {
            let fields = record.fields.iter().map(|field| {
                let json = members.get(&field.name).or(field.default.as_ref());
                let json = json.unwrap_or_else(|| panic!("no {} and no default", field.name));
                (field.name.clone(), named_value(&field.schema, json, names))
            });
            Avro::Record(fields.collect())
        }
        (schema, json) => panic!("{json} is no {schema:?}"),
    }
}

fn fits(schema: &Schema, json: &Value, names: &NamesRef<'_>) -> bool {
    if let Schema::Ref { name } = schema {
        return fits(names[name], json, names);
    }
    match json {
        Value::Null => matches!(schema, Schema::Null),
        Value::Bool(_) => matches!(schema, Schema::Boolean),
        Value::Number(number) => match schema {
            Schema::Int | Schema::Long => number.is_i64(),
            Schema::Float | Schema::Double => true,
            _ => false,
        },
        Value::String(_) => matches!(schema, Schema::String | Schema::Bytes | Schema::Enum(_) | Schema::Fixed(_)),
        Value::Array(_) => matches!(schema, Schema::Array(_)),
        Value::Object(_) => matches!(schema, Schema::Record(_) | Schema::Map(_)),
    }
}

pub fn datum(schema: &Schema, json: &Value) -> Vec<u8> {
    write(schema, value(schema, json))
}

pub fn write(schema: &Schema, value: Avro) -> Vec<u8> {
    GenericDatumWriter::builder(schema).build().unwrap().write_value_to_vec(value).unwrap()
}

pub fn single_object(schema: &Schema, json: &Value) -> Vec<u8> {
    framed(schema, &datum(schema, json))
}

pub fn framed(schema: &Schema, datum: &[u8]) -> Vec<u8> {
    [&[0xc3, 0x01], schema.fingerprint::<Rabin>().bytes.as_slice(), datum].concat()
}
