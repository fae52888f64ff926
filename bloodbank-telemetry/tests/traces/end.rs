//! The end of a service: what has ended is exported, and a collector that is dead holds nobody up.

use std::{net::TcpListener, time::Instant};

use crate::{collector::Collector, process::Service};

/// The milliseconds that the end of telemetry took.
fn took(out: &str) -> u128 {
    let (_, rest) = out.split_once("stopped after ").unwrap_or_else(|| panic!("{out}"));
    rest.split(' ').next().unwrap().parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_ended_is_exported_at_the_end() {
    let (collector, url) = Collector::listen().await;
    let ended = tokio::task::spawn_blocking(move || {
        // Without the end nothing would be sent for an hour.
        Service::start("all", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url), ("OTEL_BSP_SCHEDULE_DELAY", "3600000")]).ended()
    });
    let out = ended.await.unwrap().out;
    assert!(collector.spans().len() >= 10, "{:#?}", collector.spans());
    assert!(took(&out) < 3_000, "{out}");
}

#[test]
fn a_collector_that_does_not_answer_holds_nobody_up() {
    // It takes connections, and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let start = Instant::now();
    let ended = Service::start("all", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &url)]).ended();
    assert!((4_000..8_000).contains(&took(&ended.out)), "{}", ended.out);
    assert!(ended.log.contains("the last spans were not exported"), "{}", ended.log);
    assert!(start.elapsed().as_secs() < 30, "{:?}", start.elapsed());
}

#[test]
fn a_collector_that_is_not_there_holds_nobody_up() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let ended = Service::start("all", &[("OTEL_EXPORTER_OTLP_ENDPOINT", &format!("http://{free}"))]).ended();
    assert!(took(&ended.out) < 6_000, "{}", ended.out);
}

#[test]
fn without_a_collector_nothing_is_exported() {
    let ended = Service::start("all", &[]).ended();
    assert!(ended.out.contains("exporting: false"), "{}", ended.out);
    assert!(!ended.log.contains("trace_id"), "{}", ended.log);
}

#[test]
fn a_service_can_choose_to_sample_nothing() {
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", silent.local_addr().unwrap());
    let variables = [("OTEL_EXPORTER_OTLP_ENDPOINT", &*url), ("OTEL_TRACES_SAMPLER", "always_off")];
    // There is nothing to wait for at the end.
    let ended = Service::start("all", &variables).ended();
    assert!(took(&ended.out) < 1_000, "{}", ended.out);
}
