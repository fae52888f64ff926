//! One request is one tree, whatever the bus and however many services.

use bloodbank_harness::{shared_rabbit_url, unique};
use serde_json::Value;

use crate::{
    child::{CLIENT_SPAN, CLIENT_TRACE},
    collector::{Collector, Span},
    process::Service,
};

const SERVER: i32 = 2;
const CLIENT: i32 = 3;
const PRODUCER: i32 = 4;
const CONSUMER: i32 = 5;
const INTERNAL: i32 = 1;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_memory_a_request_is_one_tree() {
    let (collector, url) = Collector::listen().await;
    let ended = tokio::task::spawn_blocking(move || {
        let service = Service::start(
            "all",
            &[
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &url),
                ("OTEL_SERVICE_NAME", "shop"),
                ("OTEL_EXPORTER_OTLP_HEADERS", "authorization=Bearer%20abc"),
            ],
        );
        service.ended()
    });
    let ended = ended.await.unwrap();
    let spans = collector.spans();
    check_tree(&spans, "embedded", "shop", "shop");
    assert!(ended.out.contains("exporting: true"), "{}", ended.out);
    let headers = collector.headers();
    assert!(headers.iter().all(|headers| headers["authorization"] == "Bearer abc"), "{headers:?}");
    check_log(&ended.log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_rabbitmq_a_request_is_one_tree_across_two_services() {
    let (collector, url) = Collector::listen().await;
    let ended = tokio::task::spawn_blocking(move || {
        let (rabbit, exchange) = (shared_rabbit_url(), unique("traced"));
        let start = |role| {
            let variables = [
                ("OTEL_EXPORTER_OTLP_ENDPOINT", &*url),
                ("RABBIT_URL", &*rabbit),
                ("EXCHANGE_NAME", &*exchange),
                ("SERVICE_NAME", role),
            ];
            Service::start(role, &variables)
        };
        let mut billing = start("billing");
        billing.says("ready");
        let shipping = start("shipping").ended();
        billing.ended();
        shipping
    });
    let ended = ended.await.unwrap();
    check_tree(&collector.spans(), "rabbitmq", "shipping", "billing");
    check_log(&ended.log);
}

/// The spans of one order: the tree of the client's trace, and the second attempt, which is apart and linked.
fn check_tree(spans: &[Span], system: &str, first: &str, second: &str) {
    let one = |name: &str, parent: &str| {
        let found: Vec<_> = spans.iter().filter(|span| span.name == name && span.parent == parent).collect();
        assert_eq!(found.len(), 1, "{name} below {parent:?} in {spans:#?}");
        found[0]
    };
    let request = one("POST /events/{*key}", CLIENT_SPAN);
    let placed = one("publish traced.order.placed", &request.id);
    let ship = one("process shipping.ship", &placed.id);
    let wrap = one("wrap", &ship.id);
    let settle = one("settle shipping.ship", &ship.id);
    let shipped = one("publish traced.order.shipped", &settle.id);
    let invoice = one("process billing.invoice", &shipped.id);
    let settle_invoice = one("settle billing.invoice", &invoice.id);
    let audit = one("process shipping.audit", &placed.id);
    let tree = [request, placed, ship, wrap, settle, shipped, invoice, settle_invoice, audit];
    for span in tree {
        assert_eq!(span.trace, CLIENT_TRACE, "{span:#?}");
        let service = if span.name.contains("billing") { second } else { first };
        assert_eq!(span.service, service, "{span:#?}");
    }
    let kinds: Vec<_> = tree.iter().map(|span| span.kind).collect();
    assert_eq!(
        kinds,
        [SERVER, PRODUCER, CONSUMER, INTERNAL, CLIENT, PRODUCER, CONSUMER, CLIENT, CONSUMER],
        "{tree:#?}"
    );

    // Fresh events are linked with their publish as well; the others have no links.
    assert_eq!((&ship.links, &audit.links), (&vec![placed.id.clone()], &vec![placed.id.clone()]));
    assert_eq!(invoice.links, std::slice::from_ref(&shipped.id));
    assert!([request, placed, wrap, settle, shipped].iter().all(|span| span.links.is_empty()), "{tree:#?}");

    // What was tried again begins a trace of its own, linked with the publish.
    let again = one("process shipping.audit", "");
    assert_ne!(again.trace, CLIENT_TRACE);
    assert_eq!(again.links, std::slice::from_ref(&placed.id));
    assert_eq!((again.is_failed, audit.is_failed, ship.is_failed), (false, true, false));
    assert_eq!(audit.attributes["error.type"], "retryable");
    assert_eq!((&*audit.attributes["bloodbank.attempt"], &*again.attributes["bloodbank.attempt"]), ("1", "2"));

    for (span, operation, of_type) in
        [(placed, "publish", "send"), (ship, "process", "process"), (settle, "settle", "settle")]
    {
        let attributes = &span.attributes;
        assert_eq!(attributes["messaging.system"], system);
        assert_eq!(
            (&*attributes["messaging.operation.name"], &*attributes["messaging.operation.type"]),
            (operation, of_type)
        );
        assert_eq!(attributes["messaging.rabbitmq.destination.routing_key"], "traced.order.placed");
        assert_eq!(attributes["messaging.message.id"], placed.attributes["messaging.message.id"]);
        assert!(attributes["messaging.message.body.size"].parse::<usize>().unwrap() > 100, "{span:#?}");
        // What stands under a name of the conventions does not stand there twice.
        assert!(
            ["queue", "key", "event_id", "exchange"].iter().all(|name| !attributes.contains_key(*name)),
            "{span:#?}"
        );
    }
    assert!(placed.attributes["messaging.destination.name"].ends_with(":traced.order.placed"), "{placed:#?}");
    assert!(ship.attributes["messaging.destination.name"].ends_with(":traced.order.placed:shipping.ship"), "{ship:#?}");
    assert_eq!(shipped.attributes["messaging.message.conversation_id"], placed.attributes["messaging.message.id"]);
    assert_eq!(
        (&*request.attributes["http.route"], &*request.attributes["http.response.status_code"]),
        ("/events/{*key}", "202")
    );
}

/// A line of a handler names the trace.
fn check_log(log: &str) {
    let line = log.lines().find(|line| line.contains("\"wrapped\"")).unwrap_or_else(|| panic!("{log}"));
    let line: Value = serde_json::from_str(line).unwrap();
    let process = line["spans"].as_array().unwrap().iter().find(|span| span["name"] == "process");
    assert_eq!(process.unwrap()["trace_id"], CLIENT_TRACE, "{line:#}");
}
