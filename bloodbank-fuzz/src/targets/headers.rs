//! The target `headers`: headers of messages from programs that do not use Bloodbank.

use std::{sync::Arc, time::Duration};

use bloodbank::{
    DeadLetters, RunningApp,
    dead_letter::{Filter, Mode},
    message::{Headers, Outgoing, Properties, names},
    prelude::*,
    testing::TestBus,
};
use tokio::runtime::Runtime;
use uuid::Uuid;

use crate::Target;

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "fuzz.table.sent")]
struct Sent {
    way: u8,
}

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "fuzz.table.read")]
struct Read {
    attempt: u32,
}

/// A subscriber that reads everything that comes from headers, and fails in every way.
#[subscriber(queue = "fuzz.read", dedupe(within = "1h"), retry(max_attempts = 3, backoff = "1s"))]
async fn read(sent: Sent, context: Context) -> Result<Read, HandlerError> {
    let attempt = context.attempt();
    assert!(attempt > 0, "attempts count from 1");
    let _ = (context.may_be_duplicate(), context.headers().iter().count(), context.redelivered());
    match sent.way {
        0 => Err(HandlerError::permanent("on purpose")),
        1 => Err(HandlerError::retry_after(Duration::from_millis(1), "on purpose")),
        _ => Ok(Read { attempt }),
    }
}

/// Headers as lines of `name:kind:value`: checked as those of a publisher, serialised and read again, handled, retried,
/// parked, listed and redriven.
#[derive(Default)]
pub struct HeaderTables {
    service: Option<Service>,
    executions: u64,
}

/// A subscriber on a test bus.
struct Service {
    runtime: Runtime,
    bus: TestBus,
    app: RunningApp,
}

impl Service {
    fn new() -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let (bus, app) = runtime.block_on(async {
            let bus = TestBus::new();
            let app = App::new("fuzz", bus.bus()).subscribe(read).start().await.expect("the app starts");
            (bus, app)
        });
        Self { runtime, bus, app }
    }

    fn send(&self, headers: Headers, way: u8) -> String {
        self.runtime.block_on(async {
            let id = Uuid::new_v4();
            let body = serde_json::json!({
                "event_id": id, "event_type": "fuzz.table.sent", "timestamp": "2025-10-18T12:00:00Z", "version": "2.0.0",
                "source": { "host": "h", "type": "manual" }, "payload": { "way": way },
            });
            let message = Outgoing::new(Arc::clone(self.bus.exchange()), "fuzz.table.sent", body.to_string()).properties(Properties::default().message_id(id).headers(headers.clone())).mandatory();
            let published = self.bus.transport().publish(message).await.expect("the bus takes it");
            assert_eq!(published.unrouted, Some(false));
            self.bus.drain_retries().await;
            let letters = DeadLetters::of(&self.bus, "fuzz.read");
            let parked = letters.list(&Filter::default()).await.expect("they can be listed");
            assert!(way > 1 || parked.len() == 1, "what fails is parked: {parked:?}");
            // Numbers count as strokes: that they differ is another kind of answer.
            let strokes = |number: u32| "I".repeat(usize::try_from(number.min(6)).unwrap_or_default());
            let seen = parked.iter().map(|letter| {
                assert!(letter.to_string().contains("fuzz.read"));
                let known = (letter.error.is_some(), letter.first_failed.is_some(), letter.last_failed.is_some());
                format!("{known:?} {} {} {}", strokes(letter.attempts), strokes(letter.redriven), letter.reason)
            });
            let seen = seen.collect::<String>();
            letters.redrive(&Filter::default(), Mode::Apply).await.expect("they can be redriven");
            self.bus.drain_retries().await;
            letters.discard(&Filter::default(), Mode::Apply).await.expect("they can be discarded");
            assert_eq!(letters.count().await.expect("they can be counted"), 0);
            // What a caller may set, a caller can set.
            if headers.check_foreign().is_ok() {
                let publish = headers.iter().fold(self.bus.publish(Read { attempt: 1 }), |publish, (name, value)| {
                    publish.header(name.to_owned(), value.clone())
                });
                publish.await.expect("these headers are allowed");
            }
            seen
        })
    }
}

impl Target for HeaderTables {
    fn name(&self) -> &'static str {
        "headers"
    }

    fn corpus(&self) -> Vec<Vec<u8>> {
        [
            "bloodbank-attempt:i:2\nbloodbank-queue:t:fuzz.read\nbloodbank-error:t:no\nbloodbank-first-failed-at:t:2025-10-18T12:00:00Z",
            "traceparent:t:00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\ntracestate:t:a=b",
            "bloodbank-returned:i:21\nbloodbank-redriven:i:1",
            "x-death:t:[]\nx-first-death-reason:t:rejected\nx-first-death-queue:t:fuzz.read\nx-delivery-count:i:3",
            "CC:t:other\nBCC:t:other\ntenant:t:acme\nurgent:b:true",
            "bloodbank-reply:t:reply\nbloodbank-final:b:true\nbloodbank-reason:t:attempts\nbloodbank-last-failed-at:t:2025-10-18T12:00:00Z",
        ]
        .map(|text| text.as_bytes().to_vec())
        .to_vec()
    }

    fn words(&self) -> &'static [&'static str] {
        &[
            names::ATTEMPT,
            names::QUEUE,
            names::ERROR,
            names::REASON,
            names::FIRST_FAILED,
            names::LAST_FAILED,
            names::REDRIVEN,
            names::RETURNED,
            names::FINAL,
            names::REPLY,
            names::TRACEPARENT,
            names::TRACESTATE,
            "x-death",
            "x-delivery-count",
            "x-first-death-reason",
            "CC",
            "BCC",
            ":i:",
            ":t:",
            ":b:",
            "true",
            "0",
            "-1",
            "4294967295",
            "4294967296",
            "9223372036854775807",
            "-9223372036854775808",
            "2147483648",
            "\n",
            "2025-10-18T12:00:00Z",
            "9999-12-31T23:59:60+23:59",
            "claim-check",
        ]
    }

    fn execute(&mut self, input: &[u8]) -> String {
        let text = String::from_utf8_lossy(input);
        let mut headers = Headers::default();
        for line in text.split('\n') {
            let mut parts = line.splitn(3, ':');
            let (name, kind, value) = (parts.next(), parts.next(), parts.next().unwrap_or_default());
            let name = name.unwrap_or_default().to_owned();
            match kind {
                Some("i") => headers.set(name, value.parse::<i64>().unwrap_or_default()),
                Some("b") => headers.set(name, value == "true"),
                _ => headers.set(name, value),
            }
        }
        let checked = headers.check_foreign().map_or_else(|error| error.to_string(), |()| "allowed".to_owned());
        let written = serde_json::to_string(&headers).expect("headers can be written");
        assert_eq!(serde_json::from_str::<Headers>(&written).expect("and read"), headers);
        // The bus remembers all that has happened on it.
        if self.executions.is_multiple_of(500)
            && let Some(Service { runtime, app, .. }) = self.service.take()
        {
            runtime.block_on(app.shutdown()).expect("the app has not failed");
        }
        self.executions += 1;
        let service = self.service.get_or_insert_with(Service::new);
        let way = u8::try_from(input.len() % 3).unwrap_or_default();
        checked + &service.send(headers, way)
    }
}
