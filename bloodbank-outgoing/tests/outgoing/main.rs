//! Outgoing webhooks against a receiver that listens, on the embedded bus and on RabbitMQ.
#![allow(clippy::unwrap_used, reason = "what cannot be set up fails the test")]

mod receiver;

use std::{future::Future, time::Duration};

use bloodbank::{
    DeadLetters, Settings,
    dead_letter::{Filter, Mode},
    prelude::*,
};
use bloodbank_harness::{shared_rabbit_url, unique};
use bloodbank_outgoing::OutgoingWebhooks;
use tokio::{
    sync::mpsc,
    time::{sleep, timeout},
};

use self::receiver::{Receiver, Request};

const NEW: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const OLD: &str = "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD";
const PATIENCE: Duration = Duration::from_secs(180);

macro_rules! on_every_bus {
    ($($name:ident),* $(,)?) => {
        mod memory {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(bloodbank::Bus::embedded()).await;
            }
        )*}
        mod rabbitmq {$(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $name() {
                super::$name(super::rabbit().await).await;
            }
        )*}
    };
}

on_every_bus! {
    events_that_the_pattern_takes_are_posted_and_signed,
    what_is_not_taken_is_tried_again_and_at_last_a_dead_letter_that_can_be_redriven,
    a_webhook_that_gets_nothing_through_is_switched_off_and_says_so,
}

async fn rabbit() -> Bus {
    let url = tokio::task::spawn_blocking(shared_rabbit_url).await.unwrap();
    let vars = [("RABBIT_URL", url), ("EXCHANGE_NAME", unique("outgoing"))];
    Bus::connect(Settings::from_vars(vars).unwrap()).await.unwrap()
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "outgoing.order.placed")]
struct OrderPlaced {
    number: u32,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "outgoing.refund.asked")]
struct RefundAsked {}

/// What says that a webhook is switched off.
#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "bloodbank.webhook.disabled", external)]
struct WebhookDisabled {
    webhook: String,
    queue: String,
    error: String,
}

#[subscriber]
async fn watch(disabled: WebhookDisabled, State(seen): State<mpsc::UnboundedSender<WebhookDisabled>>) {
    seen.send(disabled).unwrap();
}

/// A webhook of a name of its own to this URL, with more lines in its declaration.
fn webhook(url: &str, more: &str) -> (OutgoingWebhooks, String) {
    let name = unique("hook");
    let text = format!(
        "[[webhook]]\nname = 'another'\n[[outgoing]]\nname = '{name}'\nurl = '{url}'\nevents = 'outgoing.order.*'\nsecrets = ['{NEW}', '{OLD}']\n{more}"
    );
    let queue = format!("webhooks.{name}");
    (OutgoingWebhooks::from_toml(&text).unwrap(), queue)
}

async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    timeout(PATIENCE, future).await.unwrap_or_else(|_| panic!("{what} did not come within {PATIENCE:?}"))
}

/// Waits until a queue has this many dead letters; returns their errors.
async fn dead_letters(bus: &Bus, queue: &str, count: usize) -> Vec<String> {
    let letters = DeadLetters::of(bus, queue);
    let wait = async {
        while letters.count().await.unwrap() < count {
            sleep(Duration::from_millis(50)).await;
        }
    };
    soon("a dead letter", wait).await;
    letters.list(&Filter::default()).await.unwrap().into_iter().map(|letter| letter.error.unwrap_or_default()).collect()
}

/// Verifies a request with the official library.
fn verify(request: &Request, secret: &str) {
    standardwebhooks::Webhook::new(secret).unwrap().verify(&request.body, &request.headers).unwrap();
}

async fn events_that_the_pattern_takes_are_posted_and_signed(bus: Bus) {
    let mut receiver = Receiver::listen("/hook").await;
    let (webhooks, _) = webhook(&receiver.url, "allow_private = true\nheaders = { x-secret = 'hush' }");
    let app = webhooks.app(bus.clone()).start().await.unwrap();
    bus.publish(RefundAsked {}).await.unwrap();
    let placed = bus.publish(OrderPlaced { number: 7 }).await.unwrap();
    let request = soon("a request", receiver.next()).await;
    // The receiver may have the new secret already, or the old one still.
    verify(&request, NEW);
    verify(&request, OLD);
    assert_eq!(request.headers["webhook-id"], placed.event_id.to_string());
    assert_eq!(
        (&request.headers["content-type"], &request.headers["x-secret"]),
        (&"application/json".parse().unwrap(), &"hush".parse().unwrap())
    );
    let envelope: serde_json::Value = serde_json::from_slice(&request.body).unwrap();
    assert_eq!(envelope["event_id"], placed.event_id.to_string());
    assert_eq!(envelope["payload"]["number"], 7);
    let tampered = Request { body: request.body.iter().rev().copied().collect(), ..request };
    assert!(standardwebhooks::Webhook::new(NEW).unwrap().verify(&tampered.body, &tampered.headers).is_err());
    app.shutdown().await.unwrap();
    assert!(receiver.is_empty(), "what the pattern does not take was posted");
}

async fn what_is_not_taken_is_tried_again_and_at_last_a_dead_letter_that_can_be_redriven(bus: Bus) {
    let mut receiver = Receiver::listen("/hook").await;
    receiver.answers([503, 500, 404]);
    let (webhooks, queue) = webhook(&receiver.url, "allow_private = true\nattempts = 3\nbackoff = '250ms'");
    let app = webhooks.app(bus.clone()).start().await.unwrap();
    let placed = bus.publish(OrderPlaced { number: 1 }).await.unwrap();
    for attempt in 1..=3 {
        let request = soon("an attempt", receiver.next()).await;
        assert_eq!(request.headers["webhook-id"], placed.event_id.to_string(), "attempt {attempt}");
    }
    assert_eq!(dead_letters(&bus, &queue, 1).await, ["it answered 404 Not Found: not today"]);
    // It has recovered.
    DeadLetters::of(&bus, &*queue).redrive(&Filter::default(), Mode::Apply).await.unwrap();
    let request = soon("the redriven event", receiver.next()).await;
    verify(&request, NEW);
    assert_eq!(request.headers["webhook-id"], placed.event_id.to_string());
    app.shutdown().await.unwrap();
    assert_eq!(DeadLetters::of(&bus, &*queue).count().await.unwrap(), 0);
}

async fn a_webhook_that_gets_nothing_through_is_switched_off_and_says_so(bus: Bus) {
    let mut receiver = Receiver::listen("/hook").await;
    receiver.answers([500, 200, 500, 500]);
    let (webhooks, queue) =
        webhook(&receiver.url, "allow_private = true\nattempts = 9\nbackoff = '250ms'\ndisable_after = '200ms'");
    let (seen, mut disabled) = mpsc::unbounded_channel();
    let watcher = App::new(unique("watcher"), bus.clone()).state(seen).subscribe(watch).start().await.unwrap();
    let app = webhooks.app(bus.clone()).start().await.unwrap();
    // One that gets through in the end leaves the webhook on.
    bus.publish(OrderPlaced { number: 1 }).await.unwrap();
    for _ in 0..2 {
        soon("an attempt", receiver.next()).await;
    }
    let lost = bus.publish(OrderPlaced { number: 2 }).await.unwrap();
    for _ in 0..2 {
        let request = soon("an attempt", receiver.next()).await;
        assert_eq!(request.headers["webhook-id"], lost.event_id.to_string());
    }
    let said = soon("the event that says so", disabled.recv()).await.unwrap();
    assert_eq!((&*said.queue, &*said.error), (&*queue, "it answered 500 Internal Server Error: not today"));
    assert_eq!(queue, format!("webhooks.{}", said.webhook));
    // What comes then is kept, and not sent.
    bus.publish(OrderPlaced { number: 3 }).await.unwrap();
    let errors = dead_letters(&bus, &queue, 2).await;
    assert!(errors.iter().all(|error| error.contains("is switched off; `bb webhooks enable")), "{errors:?}");
    app.shutdown().await.unwrap();
    watcher.shutdown().await.unwrap();
    assert!(receiver.is_empty(), "it was sent to all the same");
    assert!(disabled.try_recv().is_err(), "it was said twice");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_that_is_gone_switches_its_webhook_off_at_once() {
    let bus = Bus::embedded();
    let mut receiver = Receiver::listen("/hook").await;
    receiver.answers([410]);
    let (webhooks, queue) = webhook(&receiver.url, "allow_private = true");
    let app = webhooks.app(bus.clone()).start().await.unwrap();
    bus.publish(OrderPlaced { number: 1 }).await.unwrap();
    soon("the only request", receiver.next()).await;
    assert!(dead_letters(&bus, &queue, 1).await[0].contains("is switched off"));
    app.shutdown().await.unwrap();
    assert!(receiver.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_webhook_that_is_off_sends_nothing_and_keeps_everything() {
    let bus = Bus::embedded();
    let receiver = Receiver::listen("/hook").await;
    let (webhooks, queue) = webhook(&receiver.url, "allow_private = true\nenabled = false");
    let app = webhooks.app(bus.clone()).start().await.unwrap();
    bus.publish(OrderPlaced { number: 1 }).await.unwrap();
    assert!(dead_letters(&bus, &queue, 1).await[0].contains("is switched off"));
    app.shutdown().await.unwrap();
    assert!(receiver.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_leads_to_this_machine_is_refused_where_it_is_resolved() {
    let bus = Bus::embedded();
    let receiver = Receiver::listen("/hook").await;
    let url = receiver.url.replace("127.0.0.1", "localhost");
    let (webhooks, queue) = webhook(&url, "attempts = 1");
    let app = webhooks.app(bus.clone()).start().await.unwrap();
    bus.publish(OrderPlaced { number: 1 }).await.unwrap();
    let errors = dead_letters(&bus, &queue, 1).await;
    assert!(errors[0].contains("localhost is an address of this machine or of a private network"), "{errors:?}");
    app.shutdown().await.unwrap();
    assert!(receiver.is_empty(), "it was asked");
    // An address needs no name, and is refused before anything is sent.
    let text = format!("[[outgoing]]\nname = 'x'\nurl = '{}'\nevents = '#'\nsecrets = ['{NEW}']", receiver.url);
    let error = OutgoingWebhooks::from_toml(&text).unwrap_err().to_string();
    assert!(error.contains("set `allow_private = true`"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_redirect_leads_nowhere() {
    let bus = Bus::embedded();
    let mut receiver = Receiver::listen("/hook").await;
    receiver.answers([307]);
    let (webhooks, queue) = webhook(&receiver.url, "allow_private = true\nattempts = 1");
    let app = webhooks.app(bus.clone()).start().await.unwrap();
    bus.publish(OrderPlaced { number: 1 }).await.unwrap();
    soon("the only request", receiver.next()).await;
    let errors = dead_letters(&bus, &queue, 1).await;
    assert!(errors[0].contains("307 Temporary Redirect; name the URL that it leads to"), "{errors:?}");
    app.shutdown().await.unwrap();
    assert!(receiver.is_empty(), "the redirect was followed");
}

#[tokio::test]
async fn a_webhook_can_be_tried_without_the_bus() {
    let mut receiver = Receiver::listen("/hook").await;
    let (webhooks, _) = webhook(&receiver.url, "allow_private = true");
    let webhook = webhooks.iter().next().unwrap();
    assert_eq!(webhook.test().await.unwrap().status, 200);
    verify(&receiver.next().await, NEW);
    receiver.answers([401]);
    let error = webhook.test().await.unwrap_err().to_string();
    assert_eq!(error, "it answered 401 Unauthorized: not today");
}
