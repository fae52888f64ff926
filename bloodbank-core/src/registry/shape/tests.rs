//! Compares shapes with the validator: a shape may say yes only where the validator does.

use std::{collections::BTreeMap, sync::LazyLock};

use proptest::prelude::*;
use schemars::{JsonSchema, schema_for};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Shape;
use crate::registry::schema::Compiled;

/// A payload with the fields that events have.
#[derive(Debug, Serialize, Deserialize, JsonSchema)]
struct Measured {
    sensor: String,
    #[schemars(length(min = 1, max = 4))]
    unit: Option<String>,
    level: u8,
    offset: i64,
    #[schemars(range(min = 0.5, max = 10))]
    factor: f64,
    #[serde(default)]
    tags: Vec<String>,
    #[serde(default)]
    readings: BTreeMap<String, f64>,
    #[serde(default)]
    anything: Value,
    is_calibrated: bool,
    state: State,
    before: Option<State>,
    place: Option<Place>,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum State {
    Fine,
    /// Still works, but not for long.
    NearEnd,
}

#[derive(Debug, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Place {
    room: String,
    floor: Option<i32>,
}

#[derive(JsonSchema)]
#[expect(dead_code, reason = "only its schema is asked for")]
struct Tree {
    children: Vec<Tree>,
}

static MEASURED: LazyLock<Compiled> =
    LazyLock::new(|| Compiled::new(&schema_for!(Measured).to_value()).expect("a schema"));

fn sample() -> Value {
    json!({
        "sensor": "t-1", "unit": "°C", "level": 255, "offset": -3, "factor": 0.5, "tags": ["a", ""], "is_calibrated": true,
        "readings": { "now": 20.5, "then": 19 }, "anything": { "x": [1e300, null] }, "state": "near_end", "before": null,
        "place": { "room": "attic", "floor": 3 }, "unknown": []
    })
}

#[test]
fn what_events_have_fits() {
    let Compiled { validator, shape } = &*MEASURED;
    let shape = shape.as_ref().expect("a shape");
    assert!(validator.is_valid(&sample()));
    assert!(shape.fits(&sample().to_string()));
    let least = json!({ "sensor": "", "level": 0, "offset": 0, "factor": 1, "is_calibrated": false, "state": "fine" });
    assert!(validator.is_valid(&least) && shape.fits(&least.to_string()));
}

#[test]
fn what_is_no_json_does_not_fit() {
    let Compiled { shape, .. } = Compiled::new(&json!({ "type": "object" })).unwrap();
    let shape = shape.expect("a shape");
    assert!(shape.fits(r#" {"a": "\u00e9"} "#));
    for text in ["", "{", "{} {}", r#"{"a": 1e999}"#, r#"{"a": "\ud800"}"#, r#"{"a": 01}"#, "[1,]"] {
        assert!(!shape.fits(text), "{text}");
    }
}

#[test]
fn a_schema_that_says_more_has_no_shape() {
    let none = [
        json!({ "type": "string", "pattern": "^a" }),
        json!({ "type": "string", "format": "uuid" }),
        json!({ "type": "array", "items": { "type": "string" }, "uniqueItems": true }),
        json!({ "type": "number", "maximum": 9_007_199_254_740_993_u64 }),
        json!({ "oneOf": [{ "type": "string" }, { "const": "a" }] }),
        json!({ "anyOf": [{ "type": "integer" }, { "type": "number" }] }),
        json!({ "type": "string", "const": 1 }),
        json!({ "$ref": "#/$defs/absent" }),
        json!(false),
        schema_for!(Tree).to_value(),
    ];
    for schema in none {
        assert!(Shape::of(&schema, &[]).is_none(), "{schema}");
    }
}

/// Collects the places in a value, from its root on.
fn places(value: &Value, here: String, all: &mut Vec<String>) {
    match value {
        Value::Object(members) => {
            members.iter().for_each(|(name, value)| places(value, format!("{here}/{name}"), all));
        }
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(place, value)| places(value, format!("{here}/{place}"), all));
        }
        _ => {}
    }
    all.push(here);
}

fn other() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(Value::from),
        any::<u64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        (-2_i64..258).prop_map(Value::from),
        (-1.0..11.0).prop_map(Value::from),
        "[a-zé°\"\\\\]{0,6}".prop_map(Value::from),
        prop_oneof![Just("fine"), Just("near_end"), Just("1")].prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
        prop::sample::select(vec![json!(null), json!([]), json!({}), json!([null]), json!({ "room": "" }), json!(1.0)]),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn what_fits_is_valid(changes in prop::collection::vec((any::<prop::sample::Index>(), 0..3, other()), 0..3)) {
        let Compiled { validator, shape } = &*MEASURED;
        let mut value = sample();
        for (place, change, other) in changes {
            let mut all = Vec::new();
            places(&value, String::new(), &mut all);
            let place = place.get(&all);
            let (above, name) = place.rsplit_once('/').unwrap_or_default();
            match (value.pointer_mut(above), change) {
                (Some(Value::Object(members)), 0) => drop(members.remove(name)),
                (Some(Value::Object(members)), 1) => drop(members.insert("more".to_owned(), other)),
                _ => *value.pointer_mut(place).unwrap() = other,
            }
        }
        let fits = shape.as_ref().expect("a shape").fits(&value.to_string());
        prop_assert!(!fits || validator.is_valid(&value), "{value}");
        // The other way round, but for integers that are written with a fraction or too large for a bound.
        let is_odd = value.to_string().contains(".0") || value.to_string().contains('e');
        prop_assert!(fits || is_odd || !validator.is_valid(&value), "{value}");
    }
}
