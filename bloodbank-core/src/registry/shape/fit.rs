//! Checks whether a text fits a shape.

use std::fmt;

use serde::{
    Deserializer,
    de::{DeserializeSeed, Error, MapAccess, SeqAccess, Visitor},
};

use super::{Bounds, Member, Members, Shape, Text};

impl Shape {
    /// Whether the text is JSON and fits the shape. A text that does not fit may still fit the schema.
    pub(in crate::registry) fn fits(&self, text: &str) -> bool {
        let mut json = serde_json::Deserializer::from_str(text);
        self.deserialize(&mut json).and_then(|()| json.end()).is_ok()
    }

    fn number<E: Error>(&self, allowed: bool, number: f64) -> Result<(), E> {
        let within = self.bounds.is_none_or(|Bounds { least, most }| (least..=most).contains(&number));
        ok(allowed && within)
    }

    fn integer<E: Error>(&self, integer: f64) -> Result<(), E> {
        // As a number with a fraction it may be another one.
        let exact = self.bounds.is_none() || integer.abs() < Bounds::EXACT;
        self.number(exact && (self.integer || self.number), integer)
    }
}

impl Bounds {
    /// The limit below which an integer can be compared exactly as an `f64`.
    pub(super) const EXACT: f64 = 9_007_199_254_740_992.0;
}

impl Text {
    fn fits(&self, text: &str) -> bool {
        self.words.as_ref().is_none_or(|words| words.iter().any(|word| word == text))
            && (self.least == 0 || text.chars().nth(self.least - 1).is_some())
            && self.most.is_none_or(|most| text.chars().nth(most).is_none())
    }
}

fn ok<E: Error>(fits: bool) -> Result<(), E> {
    if fits { Ok(()) } else { Err(E::custom("does not fit")) }
}

impl<'de> DeserializeSeed<'de> for &Shape {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for &Shape {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what fits the schema")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        ok(self.anything || self.null)
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        ok(self.anything || self.boolean)
    }

    fn visit_u64<E: Error>(self, integer: u64) -> Result<(), E> {
        if self.anything { Ok(()) } else { self.integer(integer as f64) }
    }

    fn visit_i64<E: Error>(self, integer: i64) -> Result<(), E> {
        if self.anything { Ok(()) } else { self.integer(integer as f64) }
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<(), E> {
        if self.anything { Ok(()) } else { self.number(self.number, number) }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        ok(self.anything || self.text.as_ref().is_some_and(|allowed| allowed.fits(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        let item = if self.anything { Some(self) } else { self.items.as_deref() };
        let Some(item) = item else { return ok(false) };
        while items.next_element_seed(item)?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        let mut found = 0;
        while let Some(member) = members.next_key_seed(Name(self))? {
            let Some(Named { shape, bit }) = member else { return ok(false) };
            members.next_value_seed(shape)?;
            found |= bit;
        }
        ok(self.anything || self.members.as_ref().is_some_and(|members| found == members.required))
    }
}

/// The lookup of a member by its name, for its shape and its bit.
struct Name<'a>(&'a Shape);

struct Named<'a> {
    shape: &'a Shape,
    bit: u64,
}

impl<'de, 'a> DeserializeSeed<'de> for Name<'a> {
    type Value = Option<Named<'a>>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl<'a> Visitor<'_> for Name<'a> {
    type Value = Option<Named<'a>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the name of a member")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        let Self(shape) = self;
        if shape.anything {
            return Ok(Some(Named { shape, bit: 0 }));
        }
        let Some(Members { named, others, .. }) = &shape.members else { return Ok(None) };
        Ok(match named.get(name) {
            Some(Member { shape, bit }) => Some(Named { shape, bit: *bit }),
            None => others.as_deref().map(|shape| Named { shape, bit: 0 }),
        })
    }
}
