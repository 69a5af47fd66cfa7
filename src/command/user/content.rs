//! The content of a section as JSON, with fields named as in events.

use serde_json::{Map, Value};

use crate::profile::section::Section;

/// What is kept of the section.
pub(super) fn content(section: &Section) -> Value {
    // Strings and finite numbers always serialise; the variant is the section's name, which the caller has.
    match serde_json::to_value(section) {
        Ok(Value::Object(of_variant)) => of_variant.into_iter().next().map_or(Value::Null, |(_, fields)| camel(fields)),
        Ok(_) | Err(_) => Value::Null,
    }
}

fn camel(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let renamed: Map<String, Value> =
                fields.into_iter().map(|(name, value)| (camel_case(&name), camel(value))).collect();
            Value::Object(renamed)
        }
        other => other,
    }
}

fn camel_case(snake: &str) -> String {
    let mut words = snake.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let mut letters = word.chars();
        name + &letters.next().map(|letter| letter.to_ascii_uppercase()).into_iter().collect::<String>()
            + letters.as_str()
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::profile::section::{Budget, BudgetRange, Quality};

    #[test]
    fn fields_are_named_as_in_events() {
        let budget = Budget { global_range: Some(BudgetRange { min: 1.0, max: 2.5, currency: None }) };
        let expected = serde_json::json!({"globalRange": {"min": 1.0, "max": 2.5, "currency": null}});
        assert_eq!(content(&Section::Budget(budget)), expected);
        assert_eq!(content(&Section::Quality(Quality { completeness: 7.0 })), serde_json::json!({"completeness": 7.0}));
    }
}
