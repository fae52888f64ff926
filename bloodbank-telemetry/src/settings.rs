//! The settings that decide whether and how spans are exported.
//!
//! The SDK reads all others of OpenTelemetry by itself, from the environment.

use std::env;

use bloodbank_core::Settings;

use crate::TelemetryError;

/// The variables that name the collector.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];
const PROTOCOLS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "OTEL_EXPORTER_OTLP_PROTOCOL"];
/// The only protocol that this crate speaks.
const PROTOCOL: &str = "http/protobuf";

/// The value of the first of these variables that is set to something.
fn first(names: &[&'static str], get: impl Fn(&str) -> Option<String>) -> Option<(&'static str, String)> {
    names.iter().find_map(|name| Some((*name, get(name).filter(|value| !value.trim().is_empty())?)))
}

/// Whether spans are exported.
pub(crate) fn is_on() -> Result<bool, TelemetryError> {
    is_on_with(|name| env::var(name).ok())
}

fn is_on_with(get: impl Fn(&str) -> Option<String>) -> Result<bool, TelemetryError> {
    let is = |name, value: &str| get(name).is_some_and(|found| found.trim().eq_ignore_ascii_case(value));
    let Some((name, endpoint)) = first(&ENDPOINTS, &get) else { return Ok(false) };
    if is("OTEL_SDK_DISABLED", "true") || is("OTEL_TRACES_EXPORTER", "none") {
        return Ok(false);
    }
    if let Some((name, protocol)) = first(&PROTOCOLS, &get)
        && protocol.trim() != PROTOCOL
    {
        return Err(TelemetryError(format!(
            "{name} is {protocol:?}; only `{PROTOCOL}` is spoken here: leave the variable out, and name the HTTP port of the collector, as a rule 4318"
        )));
    }
    if endpoint.trim().starts_with("https:") && !cfg!(feature = "tls") {
        return Err(TelemetryError(format!(
            "{name} is {endpoint:?}, and this program is built without TLS; build it with the feature `tls`, or send to a collector beside it"
        )));
    }
    Ok(true)
}

/// The name of the service, where the variables of OpenTelemetry do not give one: that of the settings.
pub(crate) fn service_name() -> Option<String> {
    let attributes = env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let is_named = env::var("OTEL_SERVICE_NAME").is_ok_and(|name| !name.is_empty());
    if is_named || attributes.split(',').any(|pair| pair.trim().starts_with("service.name=")) {
        return None;
    }
    // What is wrong with the settings is said by whoever connects with them.
    Settings::load().ok()?.service_name
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(set: &[(&str, &str)]) -> Result<bool, TelemetryError> {
        is_on_with(|name| set.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn spans_are_exported_where_a_collector_is_named() {
        let endpoint = ("OTEL_EXPORTER_OTLP_ENDPOINT", "http://localhost:4318");
        for (set, expected) in [
            (vec![], false),
            (vec![("OTEL_EXPORTER_OTLP_ENDPOINT", " ")], false),
            (vec![endpoint], true),
            (vec![("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://localhost:4318/v1/traces")], true),
            (vec![endpoint, ("OTEL_EXPORTER_OTLP_PROTOCOL", "http/protobuf")], true),
            (vec![endpoint, ("OTEL_SDK_DISABLED", "TRUE")], false),
            (vec![endpoint, ("OTEL_TRACES_EXPORTER", "none")], false),
        ] {
            assert_eq!(of(&set), Ok(expected), "{set:?}");
        }
    }

    #[test]
    fn another_protocol_is_refused_with_the_remedy() {
        let error = of(&[("OTEL_EXPORTER_OTLP_ENDPOINT", "http://c:4317"), ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc")]);
        let error = error.unwrap_err().to_string();
        assert!(error.starts_with("OTEL_EXPORTER_OTLP_PROTOCOL is \"grpc\"; only `http/protobuf`"), "{error}");
    }
}
