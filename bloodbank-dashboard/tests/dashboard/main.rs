//! The dashboard on a real listener, asked by a real client.

// The transports that a setting chooses between.
use bloodbank_amqp as _;
use bloodbank_domains as _;
use bloodbank_embedded as _;

mod access;
mod dead_letters;
mod figures;
mod live;
mod pages;
mod publish;
mod replays;
mod sections;
#[path = "../shop.rs"]
mod shop;
mod support;
mod trace;
