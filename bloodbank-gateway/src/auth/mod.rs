//! Who may do what: tokens with patterns, and where a browser's request may come from.

mod caller;
mod layer;
mod origin;
mod tokens;

pub use caller::{Caller, Patterns};
pub(crate) use layer::authenticate;
pub(crate) use origin::{check_host, check_origin};
pub use tokens::{Token, Tokens};
