//! Looks for numbers that JSON cannot hold: NaN and infinity. serde_json writes them as `null`, which is another value.

use std::fmt;

use serde::{Serialize, Serializer, ser};

use crate::error::{Error, ErrorKind, PayloadFault, Result};

/// Refuses a payload with a number that JSON cannot hold.
pub(crate) fn check_finite<T: Serialize>(event_type: &str, payload: &T) -> Result<()> {
    match payload.serialize(Finite) {
        // What cannot be written for another reason is reported by who writes it.
        Ok(()) | Err(Found { pointer: None, .. }) => Ok(()),
        Err(Found { pointer: Some(pointer) }) => Err(not_finite(event_type, pointer)),
    }
}

#[cold]
fn not_finite(event_type: &str, pointer: String) -> Error {
    let detail = "is not a finite number, which JSON cannot hold; leave it out".to_owned();
    Error::new(ErrorKind::InvalidPayload, format!("payload of `{event_type}` at {pointer:?} {detail}"))
        .with_faults(vec![PayloadFault { pointer, detail }])
}

/// The end of a search: the place of a number that is not finite, or another error of the type.
#[derive(Debug)]
struct Found {
    pointer: Option<String>,
}

impl Found {
    /// Puts a name in front of the place: places are put together on the way out, so that the search costs nothing where
    /// nothing is found.
    fn below(self, name: &str) -> Self {
        let escaped = name.replace('~', "~0").replace('/', "~1");
        Self { pointer: self.pointer.map(|pointer| format!("/{escaped}{pointer}")) }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a finite number")
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(_message: T) -> Self {
        Self { pointer: None }
    }
}

type Searched = std::result::Result<(), Found>;

/// A serializer that writes nothing and looks at the numbers.
#[derive(Clone, Copy)]
struct Finite;

fn check(is_finite: bool) -> Searched {
    if is_finite { Ok(()) } else { Err(Found { pointer: Some(String::new()) }) }
}

macro_rules! harmless {
    ($($method:ident($type:ty))*) => {$(
        fn $method(self, _value: $type) -> Searched {
            Ok(())
        }
    )*};
}

impl Serializer for Finite {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Parts;
    type SerializeTuple = Parts;
    type SerializeTupleStruct = Parts;
    type SerializeTupleVariant = Parts;
    type SerializeMap = Parts;
    type SerializeStruct = Parts;
    type SerializeStructVariant = Parts;

    harmless! {
        serialize_bool(bool) serialize_i8(i8) serialize_i16(i16) serialize_i32(i32) serialize_i64(i64) serialize_i128(i128)
        serialize_u8(u8) serialize_u16(u16) serialize_u32(u32) serialize_u64(u64) serialize_u128(u128) serialize_char(char)
        serialize_str(&str) serialize_bytes(&[u8]) serialize_unit_struct(&'static str)
    }

    fn serialize_f32(self, number: f32) -> Searched {
        check(number.is_finite())
    }

    fn serialize_f64(self, number: f64) -> Searched {
        check(number.is_finite())
    }

    fn serialize_none(self) -> Searched {
        Ok(())
    }

    fn serialize_unit(self) -> Searched {
        Ok(())
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Searched {
        value.serialize(self)
    }

    fn serialize_unit_variant(self, _name: &'static str, _index: u32, _variant: &'static str) -> Searched {
        Ok(())
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _name: &'static str, value: &T) -> Searched {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        value: &T,
    ) -> Searched {
        value.serialize(self).map_err(|found| found.below(variant))
    }

    fn serialize_seq(self, _len: Option<usize>) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple(self, _len: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple_struct(self, _name: &'static str, _len: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_tuple_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Parts, Found> {
        Ok(Parts { variant: Some(variant), ..Parts::default() })
    }

    fn serialize_map(self, _len: Option<usize>) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_struct(self, _name: &'static str, _len: usize) -> Result<Parts, Found> {
        Ok(Parts::default())
    }

    fn serialize_struct_variant(
        self,
        _name: &'static str,
        _index: u32,
        variant: &'static str,
        _len: usize,
    ) -> Result<Parts, Found> {
        Ok(Parts { variant: Some(variant), ..Parts::default() })
    }

    fn collect_str<T: fmt::Display + ?Sized>(self, _value: &T) -> Searched {
        Ok(())
    }
}

/// The parts of a value, one after the other.
#[derive(Default)]
struct Parts {
    variant: Option<&'static str>,
    index: usize,
    name: String,
}

impl Parts {
    fn part<T: Serialize + ?Sized>(&self, value: &T, name: impl FnOnce() -> String) -> Searched {
        value.serialize(Finite).map_err(|found| {
            let found = found.below(&name());
            self.variant.map(|variant| Found { pointer: found.pointer.clone() }.below(variant)).unwrap_or(found)
        })
    }

    fn element<T: Serialize + ?Sized>(&mut self, value: &T) -> Searched {
        let index = self.index;
        self.index += 1;
        self.part(value, || index.to_string())
    }
}

macro_rules! elements {
    ($($trait:ident $method:ident,)*) => {$(
        impl ser::$trait for Parts {
            type Ok = ();
            type Error = Found;

            fn $method<T: Serialize + ?Sized>(&mut self, value: &T) -> Searched {
                self.element(value)
            }

            fn end(self) -> Searched {
                Ok(())
            }
        }
    )*};
}

elements! {
    SerializeSeq serialize_element, SerializeTuple serialize_element, SerializeTupleStruct serialize_field,
    SerializeTupleVariant serialize_field,
}

macro_rules! fields {
    ($($trait:ident,)*) => {$(
        impl ser::$trait for Parts {
            type Ok = ();
            type Error = Found;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Searched {
                self.part(value, || name.to_owned())
            }

            fn end(self) -> Searched {
                Ok(())
            }
        }
    )*};
}

fields! { SerializeStruct, SerializeStructVariant, }

impl ser::SerializeMap for Parts {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Searched {
        self.name = name(key);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Searched {
        self.part(value, || self.name.clone())
    }

    fn serialize_entry<K: Serialize + ?Sized, V: Serialize + ?Sized>(&mut self, key: &K, value: &V) -> Searched {
        self.part(value, || name(key))
    }

    fn end(self) -> Searched {
        Ok(())
    }
}

/// The text of a key.
fn name<T: Serialize + ?Sized>(key: &T) -> String {
    match serde_json::to_value(key) {
        Ok(serde_json::Value::String(name)) => name,
        Ok(other) => other.to_string(),
        Err(_) => "?".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use serde_json::json;

    use super::*;

    #[derive(Serialize)]
    enum Shape {
        Round { radius: f64 },
        Flat(f32),
    }

    #[derive(Serialize)]
    struct Measured {
        weight: Option<f64>,
        sizes: Vec<(u8, f64)>,
        by_name: BTreeMap<String, f64>,
        shape: Shape,
        free: serde_json::Value,
    }

    fn measured() -> Measured {
        Measured {
            weight: Some(1.0),
            sizes: vec![(1, 2.0)],
            by_name: BTreeMap::from([("a/b".to_owned(), 3.0)]),
            shape: Shape::Flat(1.0),
            free: json!({ "a": [1.5, null] }),
        }
    }

    #[test]
    fn a_number_that_json_cannot_hold_is_refused_with_its_place() {
        assert!(check_finite("a.b", &measured()).is_ok());
        let pointer = |measured: &Measured| check_finite("a.b", measured).unwrap_err().faults()[0].pointer.clone();
        assert_eq!(pointer(&Measured { weight: Some(f64::NAN), ..measured() }), "/weight");
        assert_eq!(pointer(&Measured { sizes: vec![(1, 2.0), (1, f64::INFINITY)], ..measured() }), "/sizes/1/1");
        let by_name = BTreeMap::from([("a/b".to_owned(), f64::NEG_INFINITY)]);
        assert_eq!(pointer(&Measured { by_name, ..measured() }), "/by_name/a~1b");
        assert_eq!(pointer(&Measured { shape: Shape::Flat(f32::NAN), ..measured() }), "/shape/Flat");
        assert_eq!(
            pointer(&Measured { shape: Shape::Round { radius: f64::NAN }, ..measured() }),
            "/shape/Round/radius"
        );
    }
}
