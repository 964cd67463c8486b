//! JSON whose objects have no key twice: which of two values was meant is unknown.

use std::fmt;

use deserr::ValuePointerRef;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use crate::validation::{ValidationError, ValidationErrors};

/// Returns the value that `bytes` are, or what is wrong with them.
pub(crate) fn parse(bytes: &[u8]) -> Result<Value, ValidationErrors> {
    let mut repeated = ValidationErrors::default();
    let mut json = serde_json::Deserializer::from_slice(bytes);
    let reading = ValueReader { at: ValuePointerRef::Origin, repeated: &mut repeated };
    let read = reading.deserialize(&mut json).and_then(|value| json.end().map(|()| value));
    let value = read.map_err(|error| {
        ValidationError::at(&["body"], "json_invalid", format!("is not JSON: {error}"))
    })?;
    if repeated.0.is_empty() { Ok(value) } else { Err(repeated) }
}

/// From here on a float does not tell whole numbers apart.
const EXACT: f64 = 9_007_199_254_740_992.0;

fn is_negative_zero(value: f64) -> bool {
    value == 0.0 && value.is_sign_negative()
}

/// Reads a value, and collects the keys that an object of it has again.
struct ValueReader<'a, 'e> {
    at: ValuePointerRef<'a>,
    repeated: &'e mut ValidationErrors,
}

impl<'de> DeserializeSeed<'de> for ValueReader<'_, '_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for ValueReader<'_, '_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        // JSON knows numbers alone: `6.0` is as whole as `6`.
        let is_whole = value.fract() == 0.0 && value.abs() < EXACT && !is_negative_zero(value);
        #[expect(clippy::cast_possible_truncation, reason = "it is whole and small enough")]
        Ok(if is_whole { (value as i64).into() } else { value.into() })
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_string<E>(self, value: String) -> Result<Value, E> {
        Ok(value.into())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut values = Vec::new();
        loop {
            let at = self.at.push_index(values.len());
            match items.next_element_seed(ValueReader { at, repeated: &mut *self.repeated })? {
                Some(value) => values.push(value),
                None => return Ok(values.into()),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut fields: A) -> Result<Value, A::Error> {
        let mut object = Map::new();
        while let Some(key) = fields.next_key::<String>()? {
            let at = self.at.push_key(&key);
            if object.contains_key(&key) && self.repeated.0.len() < ValidationErrors::MOST {
                let message = "is given more than once";
                self.repeated.0.push(ValidationError::in_body(at, "repeated", message));
            }
            let value =
                fields.next_value_seed(ValueReader { at, repeated: &mut *self.repeated })?;
            object.insert(key, value);
        }
        Ok(object.into())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn faults(text: &str) -> Vec<String> {
        parse(text.as_bytes()).unwrap_err().0.iter().map(ValidationError::summary).collect()
    }

    #[test]
    fn a_key_that_is_given_twice_is_refused_wherever_it_is() {
        assert_eq!(faults(r#"{"a": 1, "b": 2, "a": 1}"#), ["body.a: repeated"]);
        // The same key, whatever its spelling.
        assert_eq!(faults(r#"{"a": 1, "\u0061": 2}"#), ["body.a: repeated"]);
        let deep = r#"[{"a": 1}, {"a": {"b": [{"c": 1, "c": 2}]}, "a": 3}]"#;
        assert_eq!(faults(deep), ["body.1.a.b.0.c: repeated", "body.1.a: repeated"]);
        assert_eq!(parse(br#"[{"a": 1}, {"a": 1}]"#).unwrap(), json!([{"a": 1}, {"a": 1}]));
        let many = format!("{{{}}}", vec![r#""a": 1"#; 1_000].join(","));
        assert_eq!(faults(&many).len(), ValidationErrors::MOST);
    }

    #[test]
    fn what_is_not_json_is_refused() {
        for text in ["", "{", "{} {}", "1e999", "[1,]", "nul", "\"\u{1}\"", &"[".repeat(1_000)] {
            assert_eq!(faults(text), ["body: json_invalid"], "{text}");
        }
        assert!(parse(b"\"\xff\"").is_err());
    }

    #[test]
    fn a_number_without_a_fraction_is_whole() {
        assert_eq!(parse(b"[6.0, 6e2, -3.0]").unwrap(), json!([6, 600, -3]));
        assert_eq!(parse(b"[6.5, 1e300, -0.0]").unwrap(), json!([6.5, 1e300, -0.0]));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<u64>().prop_map(Value::from),
            (-1_000_000..1_000_000).prop_map(|number| Value::from(f64::from(number) + 0.5)),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(4, 32, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
                prop::collection::hash_map(".*", inner, 0..4)
                    .prop_map(|fields| fields.into_iter().collect()),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_other_json_is_read_as_it_is(value in values()) {
            let text = value.to_string();
            let expected: Value = serde_json::from_str(&text).unwrap();
            prop_assert_eq!(parse(text.as_bytes()), Ok(expected));
        }
    }
}
