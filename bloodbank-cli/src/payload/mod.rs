//! Payloads of events that are known only at run time: described, made up, changed, filled into keys.

mod assign;
pub(crate) mod describe;
mod key;
mod mock;
mod schema;

pub(crate) use assign::Assignment;
pub(crate) use key::fill_from_key;
pub(crate) use mock::mock;
pub(crate) use schema::Node;
