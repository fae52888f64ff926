//! Payloads of events that are known only at run time.

mod assignment;
mod builder;
mod fields;
mod mock;
mod placeholders;
mod schema_node;

pub use assignment::Assignment;
pub use builder::{CheckedEvent, PayloadBuilder};
pub use fields::SchemaField;
pub use mock::mock_payload;
pub use schema_node::SchemaNode;
