//! The pipeline from ended spans to the collector.

use std::{thread, time::Duration};

use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
use reqwest::blocking::Client;

use crate::{TelemetryError, settings};

/// A provider of tracers that sends what ends to the collector, in batches, from a thread of its own.
pub(crate) fn provider() -> Result<SdkTracerProvider, TelemetryError> {
    let failed = |error: &dyn std::fmt::Display| TelemetryError(format!("spans cannot be exported: {error}"));
    let exporter = SpanExporter::builder().with_http().with_http_client(client()?).build();
    let resource = settings::service_name()
        .into_iter()
        .fold(Resource::builder(), |resource, name| resource.with_service_name(name));
    let exporter = exporter.map_err(|error| failed(&error))?;
    Ok(SdkTracerProvider::builder().with_batch_exporter(exporter).with_resource(resource.build()).build())
}

/// A client that blocks: the thread that sends the batches has no runtime.
fn client() -> Result<Client, TelemetryError> {
    // Fails where the program has chosen a provider already, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    // On a thread of its own: a client that blocks must not be made within a runtime.
    let made = thread::spawn(|| Client::builder().timeout(timeout()).build()).join();
    match made {
        Ok(Ok(client)) => Ok(client),
        Ok(Err(error)) => Err(TelemetryError(format!("spans cannot be exported: {error}"))),
        Err(_) => Err(TelemetryError("spans cannot be exported: the HTTP client could not be made".to_owned())),
    }
}

/// The time that a batch may take, as OpenTelemetry has it.
fn timeout() -> Duration {
    let millis = ["OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "OTEL_EXPORTER_OTLP_TIMEOUT"]
        .iter()
        .find_map(|name| std::env::var(name).ok()?.trim().parse().ok());
    Duration::from_millis(millis.unwrap_or(10_000))
}
