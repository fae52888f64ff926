//! A webhook as a subscriber.

use std::{fmt, sync::Arc};

use bloodbank_core::{
    Context, EventCollector, HandlerError, Result, Subscriber,
    event::Location,
    handler::SubscriberFn,
    registry::{OnFailure, RetryPolicy, SubscriberDescriptor, SubscriberOptions},
};
use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use reqwest::Client;
use serde_json::json;
use tracing::{error, warn};
use uuid::Uuid;

use crate::{
    entry::Entry,
    health::{Health, first_failure},
    request::{Answer, RequestError, client, post},
};

/// The event that says that a webhook was switched off.
const DISABLED: &str = "bloodbank.webhook.disabled";
/// The number of requests to one receiver at the same time.
const AT_ONCE: u16 = 8;
/// What a handler may take beside its request.
const MARGIN: std::time::Duration = std::time::Duration::from_secs(10);

/// A webhook: a subscriber that posts events to a URL. Cheap to clone.
#[derive(Clone)]
pub struct Webhook(Arc<Inner>);

struct Inner {
    entry: Entry,
    client: Client,
    health: Health,
    descriptor: &'static SubscriberDescriptor,
}

impl Webhook {
    /// Makes a subscriber of a declaration that was checked.
    pub(crate) fn new(entry: Entry) -> Result<Self, String> {
        let client = client(&entry).map_err(|error| format!("the HTTP client cannot be made: {error}"))?;
        let descriptor = describe(&entry);
        Ok(Self(Arc::new(Inner { entry, client, health: Health::default(), descriptor })))
    }

    /// The declaration.
    #[must_use]
    pub fn entry(&self) -> &Entry {
        &self.0.entry
    }

    /// Posts an event of the type `bloodbank.webhook.test`, whatever is subscribed to, without the bus.
    ///
    /// # Errors
    /// What the receiver answers, or why it cannot be reached.
    pub async fn test(&self) -> Result<Answer, RequestError> {
        let id = Uuid::new_v4();
        let envelope = json!({
            "event_id": id,
            "event_type": "bloodbank.webhook.test",
            "timestamp": Utc::now(),
            "version": bloodbank_core::envelope::ENVELOPE_VERSION,
            "source": { "host": "", "type": "manual", "app": "bloodbank", "meta": null },
            "correlation_ids": [],
            "agent_context": null,
            "payload": { "webhook": self.0.entry.name },
        });
        self.post(&id.to_string(), envelope.to_string().into_bytes()).await
    }

    async fn post(&self, id: &str, body: Vec<u8>) -> Result<Answer, RequestError> {
        post(&self.0.client, &self.0.entry, id, body).await
    }

    async fn handle(self, context: Context) -> Result<EventCollector, HandlerError> {
        let Inner { entry, health, .. } = &*self.0;
        if !entry.enabled || health.is_disabled() {
            return Err(self.is_disabled());
        }
        if context.head().is_none() {
            return Err(HandlerError::permanent("it is no envelope, and receivers expect one"));
        }
        let error = match self.post(&context.event_id().to_string(), context.message().body.to_vec()).await {
            Ok(_) => {
                health.succeeded();
                return Ok(EventCollector::default());
            }
            Err(error) => error,
        };
        let patience = if error.is_gone { std::time::Duration::ZERO } else { entry.disable_after };
        if let Some(since) = health.failed(first_failure(&context), patience) {
            if let Err(unsaid) = self.announce(&context, since, &error).await {
                // Nobody would know; another failure switches it off.
                warn!(webhook = entry.name, error = %unsaid, "a webhook stays on: that it is switched off cannot be published");
                health.enable();
            } else {
                return Err(self.is_disabled());
            }
        }
        Err(match error.retry_after {
            Some(delay) => HandlerError::retry_after(delay, error.message),
            None => HandlerError::retry(error.message),
        })
    }

    fn is_disabled(&self) -> HandlerError {
        let Entry { name, .. } = self.entry();
        HandlerError::permanent(format!(
            "the webhook `{name}` is switched off; `bb webhooks enable {name}`, a restart, and `bb dlq redrive --queue {}` send what it has missed",
            self.entry().queue()
        ))
    }

    /// Says that the webhook is switched off.
    async fn announce(&self, context: &Context, since: DateTime<Utc>, why: &RequestError) -> Result<()> {
        let Entry { name, url, events, .. } = self.entry();
        error!(webhook = name, error = %why, "a webhook is switched off");
        let payload = json!({
            "webhook": name, "url": url.as_str(), "events": events, "queue": self.entry().queue(),
            "failing_since": since, "error": why.message,
        });
        context.bus().publish_value(DISABLED, &payload).allow_unregistered().caused_by(context).await.map(|_| ())
    }
}

/// The descriptor, which lives as long as the program, as that of a function would.
fn describe(entry: &Entry) -> &'static SubscriberDescriptor {
    let lasting = |text: String| -> &'static str { Box::leak(text.into_boxed_str()) };
    let mut options = SubscriberOptions::DEFAULT
        .pattern(lasting(entry.events.clone()))
        .queue(lasting(entry.queue()))
        .concurrency(AT_ONCE);
    options.timeout = entry.timeout + MARGIN;
    options.retry = RetryPolicy { max_attempts: entry.attempts, backoff: entry.backoff, ..RetryPolicy::DEFAULT };
    options.on_failure = OnFailure::DeadLetter;
    Box::leak(Box::new(SubscriberDescriptor {
        name: lasting(entry.name.clone()),
        docs: "Posts events to a URL.",
        location: Location {
            crate_name: env!("CARGO_PKG_NAME"),
            crate_version: env!("CARGO_PKG_VERSION"),
            module: module_path!(),
            file: file!(),
            line: line!(),
        },
        options,
        inputs: Vec::new,
        outputs: Vec::new,
    }))
}

impl<Provided: 'static> Subscriber<Provided, ()> for Webhook {
    fn descriptor(&self) -> &'static SubscriberDescriptor {
        self.0.descriptor
    }

    fn call(&self, context: Context) -> BoxFuture<'static, Result<EventCollector, HandlerError>> {
        Box::pin(self.clone().handle(context))
    }
}

impl SubscriberFn<Webhook> for Webhook {
    type Subscriber = Self;

    fn subscriber(&self) -> Self {
        self.clone()
    }
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Webhook").field(&self.0.entry).finish()
    }
}
