//! Logging of a program: what it writes about itself to standard error.

use std::{
    env,
    io::{self, IsTerminal},
};

use tracing::{Subscriber, warn};
use tracing_subscriber::{
    EnvFilter, Layer, Registry, fmt, layer::SubscriberExt, registry, registry::LookupSpan, util::SubscriberInitExt,
};

use crate::settings::{LogFormat, log_format_of_environment};

/// The level of a service.
const DEFAULT: &str = "info";
/// The AMQP client reports as errors and warnings what is normal here: the end of a connection at a clean stop, and the whole
/// body of each event that nobody subscribes to. What matters of it, Bloodbank says itself.
const SILENCED: &str = "lapin=off";
/// The variable that every program with `tracing` knows.
const VARIABLE: &str = "RUST_LOG";

/// Switches logging on: one line for each connection, failure and dead letter, written to standard error.
///
/// `RUST_LOG` chooses what is logged, such as `warn` or `info,my_service=debug`; default: `info`. Lines are short, and coloured on a
/// terminal unless `NO_COLOR` is set; with the setting `BLOODBANK_LOG_FORMAT=json` each is a JSON object. A line that is logged
/// while an event is handled says which event that is: its id, its key, the queue and the attempt. The AMQP client `lapin` is
/// silent unless `RUST_LOG` names it.
///
/// Call it first in `main`. A program that has set up `tracing` in its own way keeps that, and this function does nothing.
///
/// ```
/// bloodbank_core::telemetry::init_logging();
/// ```
pub fn init_logging() {
    let has_colours = io::stderr().is_terminal() && env::var_os("NO_COLOR").is_none_or(|value| value.is_empty());
    init_logging_with(DEFAULT, has_colours);
}

/// Switches logging on like [`init_logging`], at another level where `RUST_LOG` says nothing, and with colours or without.
pub fn init_logging_with(default: &str, has_colours: bool) {
    let (filter, problem) = filter_of_environment(default);
    begin(registry().with(filter).with(lines(has_colours)), problem);
}

/// Switches logging on like [`init_logging_with`], beside another layer that listens to the same spans and events, whatever the
/// log shows. Returns `false`, and does nothing, where the program has set up `tracing` in its own way.
pub fn init_logging_with_layer(
    default: &str,
    has_colours: bool,
    layer: impl Layer<Registry> + Send + Sync + 'static,
) -> bool {
    let (filter, problem) = filter_of_environment(default);
    begin(registry().with(layer).with(lines(has_colours).with_filter(filter)), problem)
}

fn begin(subscriber: impl Subscriber + Send + Sync + 'static, problem: Option<String>) -> bool {
    let begun = subscriber.try_init().is_ok();
    if let (true, Some(problem)) = (begun, problem) {
        warn!("{problem}");
    }
    begun
}

/// The layer that writes the lines.
fn lines<S>(has_colours: bool) -> Box<dyn Layer<S> + Send + Sync>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
{
    let lines = fmt::layer().with_ansi(has_colours).with_writer(io::stderr);
    match log_format_of_environment().unwrap_or_default() {
        LogFormat::Compact => lines.compact().boxed(),
        LogFormat::Json => lines.json().flatten_event(true).boxed(),
    }
}

/// The filter that `RUST_LOG` wants, and what is wrong with it.
fn filter_of_environment(default: &str) -> (EnvFilter, Option<String>) {
    let wanted = env::var(VARIABLE).unwrap_or_default();
    match filter(&wanted, default) {
        Ok(filter) => (filter, None),
        Err(error) => {
            let problem =
                format!("{VARIABLE} is {wanted:?}, which cannot be read ({error}); it is taken as `{default}`");
            (EnvFilter::new(format!("{SILENCED},{default}")), Some(problem))
        }
    }
}

fn filter(wanted: &str, default: &str) -> Result<EnvFilter, tracing_subscriber::filter::ParseError> {
    let wanted = if wanted.trim().is_empty() { default } else { wanted };
    // What comes later wins: whoever names lapin gets it.
    EnvFilter::builder().parse(format!("{SILENCED},{wanted}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_amqp_client_is_silent_unless_it_is_named() {
        for (wanted, shown) in [
            ("", "lapin=off,warn"),
            (" ", "lapin=off,warn"),
            ("debug", "lapin=off,debug"),
            ("info,lapin=debug", "lapin=debug,info"),
        ] {
            assert_eq!(filter(wanted, "warn").unwrap().to_string(), shown, "{wanted:?}");
        }
        assert!(filter("=loud=", "warn").is_err());
    }
}
