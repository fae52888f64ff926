//! Probes of a Bloodbank service: whether it lives, whether it does its work, and its metrics.
//!
//! Linked into a program, this crate answers `/healthz`, `/readyz` and `/metrics` at the address of `App::probes` or
//! `BLOODBANK_PROBES`. The gateway answers them with the same functions.
//!
//! - `described`: the help texts of the metrics.
//! - `health`: the answers of `/healthz` and `/readyz`.
//! - `metrics`: the recorder for Prometheus, and its text.
//! - `server`: a small HTTP server that all apps of a process share.

#![forbid(unsafe_code)]

mod described;
mod health;
mod metrics;
mod server;

pub use health::{Probe, liveness, readiness};
pub use metrics::{install_recorder, render_metrics};
