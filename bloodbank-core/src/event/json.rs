//! What an event needs to travel as JSON. Each trait is another crate's, under a name whose message says what to derive.

use schemars::JsonSchema;
use serde::{Serialize, de::DeserializeOwned};

/// Every type that is [`Serialize`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be written as JSON",
    label = "not `Serialize`",
    note = "consider annotating `{Self}` with `#[derive(Serialize)]`"
)]
pub trait Writable: Serialize {}

#[diagnostic::do_not_recommend]
impl<T: Serialize> Writable for T {}

/// Every type that is [`DeserializeOwned`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be read from JSON",
    label = "not `Deserialize`",
    note = "consider annotating `{Self}` with `#[derive(Deserialize)]`"
)]
pub trait Readable: DeserializeOwned {}

#[diagnostic::do_not_recommend]
impl<T: DeserializeOwned> Readable for T {}

/// Every type that is [`JsonSchema`].
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no JSON Schema",
    label = "not `JsonSchema`",
    note = "consider annotating `{Self}` with `#[derive(JsonSchema)]`"
)]
pub trait Described: JsonSchema {}

#[diagnostic::do_not_recommend]
impl<T: JsonSchema> Described for T {}
