//! Bloodbank from outside of a service: what a command line, a terminal UI or a web page needs to work with the events
//! that are linked into a program, and with the bus that carries them. Nothing here reads arguments, prints, or opens a
//! terminal.
//!
//! | part | is |
//! |---|---|
//! | [`Connection`], [`Via`] | an open way to the bus: directly, or through the gateway that has its file open |
//! | [`GatewayClient`], [`GatewayFile`] | a gateway over HTTP, and the file that says where it runs |
//! | [`PayloadBuilder`], [`Assignment`], [`mock_payload()`] | payloads of events that are known only at run time |
//! | [`SchemaNode`], [`SchemaField`] | reading a JSON Schema, and its fields one by one |
//! | [`EventSummary`], [`EventDetails`], [`find_event()`] | what listings say about an event |
//! | [`CausationTrace`] | what led to an event, and what it led to |
//! | [`escape_controls()`] | texts from elsewhere, without what a terminal would obey |
//! | [`Flow`] | the flow of events through subscribers and commands, as data and as diagrams |
//!
//! ```no_run
//! use bloodbank_client::{Connection, PayloadBuilder, PublishRequest, Via, find_event};
//! use bloodbank_core::{Settings, envelope::{Source, TriggerType}};
//!
//! # async fn example() -> Result<(), bloodbank_client::ClientError> {
//! let event = PayloadBuilder::new(find_event("orders.order.placed")?).with_mock().build()?;
//! let connection = Connection::open(Settings::load()?, Via::Auto).await?;
//! let source = Source::new(TriggerType::Manual, "example");
//! connection.publish(&PublishRequest::new(&event.routing_key, &event.payload, source)).await?;
//! connection.close().await;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod connection;
mod dead_letter;
mod describe;
mod error;
mod escape;
mod flow;
mod gateway;
mod management;
mod past_time;
mod payload;
mod project;
mod publish;
mod queue;
mod replay_file;
mod trace;

// The one format of dead letters, which the methods of a connection answer with.
pub use bloodbank_core::dead_letter::{
    DeadLetterDetail, DeadLetterEntry, Fingerprint, Handle, SweepReport, SweptDeadLetter,
};
pub use connection::{Connection, StartedReplay, Via, is_in_memory};
pub use dead_letter::SweepAction;
pub use describe::{EventDetails, EventSummary, documentation, find_event, kind_name, summary_line};
pub use error::{ClientError, Result};
pub use escape::{escape_controls, escape_controls_of_json};
pub use flow::{Flow, Handler, HandlerKind};
pub use gateway::{GatewayAddress, GatewayClient, GatewayEvent, GatewayFile, McpSession, default_bus_file};
pub use management::{ClusterStatus, ConnectionStatus, ExchangeBinding};
pub use past_time::past_time;
pub use payload::{Assignment, CheckedEvent, PayloadBuilder, SchemaField, SchemaNode, mock_payload};
pub use project::Project;
pub use publish::{PublishReceipt, PublishRequest};
pub use queue::QueueEntry;
pub use replay_file::ReplayFile;
pub use trace::{CausationEvent, CausationTrace};
