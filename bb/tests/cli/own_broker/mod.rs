//! Each with a broker or a cluster of its own, which takes a processor for seconds when it starts: few run at a time.

mod cluster;
mod single;
mod switch;
