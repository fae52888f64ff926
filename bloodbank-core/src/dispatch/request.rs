//! `bus.execute(command)`.
