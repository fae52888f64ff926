//! What pages show, gathered from the bus.

mod activity;
pub(crate) mod audit;
mod flow_layout;
mod graph;
mod letters;
mod outbox;
mod queues;
mod sweeps;

pub(crate) use activity::{Activity, BUCKET_SECONDS, Series, Totals};
pub(crate) use flow_layout::{FlowLayout, Spot};
pub(crate) use graph::{Edge, Graph, Node};
pub(crate) use letters::{LetterCache, Letters, letters_of_all};
pub(crate) use outbox::Outbox;
pub(crate) use queues::{QueueCache, Queues};
pub(crate) use sweeps::{Action, Sweep, Sweeps};
