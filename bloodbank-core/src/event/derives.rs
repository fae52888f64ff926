//! The derives that an event needs beside `Event`, as bounds of their own: each message names one derive.
//!
//! Every type that is `Serialize` is `Writable`, and so on. The second impl never holds; it exists for the message.
//! Where only one impl can be meant, the compiler reports what is missing for that one, in the words of serde; where
//! two can be, it reports that neither holds, in the words below. `Event` names both bounds, and the compiler drops the
//! error that follows from the other. (`do_not_recommend` says the same in one line, but has no effect in a
//! supertrait.)

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

/// An event that can be written as JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an event and cannot be written",
    label = "not `Serialize`",
    note = "consider annotating `{Self}` with `#[derive(Serialize)]`"
)]
pub trait Writable: Serialize {}

impl<T: Serialize> Writable for T {}
impl<T> Writable for T
where
    Nobody<T>: Never,
    T: Writable,
{
}

/// An event that can be read from JSON.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an event and cannot be read",
    label = "not `Deserialize`",
    note = "consider annotating `{Self}` with `#[derive(Deserialize)]`; an event borrows nothing"
)]
pub trait Readable: DeserializeOwned {}

impl<T: DeserializeOwned> Readable for T {}
impl<T> Readable for T
where
    Nobody<T>: Never,
    T: Readable,
{
}

/// An event that has a JSON Schema.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is an event and has no JSON Schema",
    label = "not `JsonSchema`",
    note = "consider annotating `{Self}` with `#[derive(JsonSchema)]`"
)]
pub trait Described: JsonSchema {}

impl<T: JsonSchema> Described for T {}
impl<T> Described for T
where
    Nobody<T>: Never,
    T: Described,
{
}

/// A trait that no type implements.
#[doc(hidden)]
pub trait Never {}

/// A local type, so that the compiler knows that no other crate implements `Never` for it.
#[doc(hidden)]
#[derive(Debug)]
pub struct Nobody<T>(T);
