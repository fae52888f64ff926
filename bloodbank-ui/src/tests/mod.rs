//! The interface without a terminal and without a bus.

mod dead_letters;
mod events;
mod live;
mod pictures;
mod queues;
mod screen;
mod shop;
mod snapshots;
mod trace;
