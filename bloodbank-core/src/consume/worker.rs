//! The worker of one subscriber: lets an event or a batch in, runs the handler, settles.

use std::{pin::Pin, sync::Arc, time::Duration};

use futures_util::future::join_all;
use metrics::{Counter, Histogram, counter, histogram};
use tower::{Service, ServiceExt};
use tracing::{Instrument, Span};

use crate::{
    consume::{
        HandlerService,
        answer::{Answer, answer},
        batch::{Member, settle_batch},
        dedupe,
        feed::{Pending, Work},
        in_place::settle_in_place,
        line::{Turn, leave, turn},
        settle::{Outcome, settle},
        spec::SubscriberSpec,
    },
    dedupe::{Asked, Begun, Guard, Lease},
    event::EventCollector,
    handler::{Context, HandlerError},
    registry::Registry,
    store::Place,
    telemetry::{self, TraceContext},
    transport::Settlement,
};

/// The worker of one subscriber. Cheap to clone: each clone handles one event at a time.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) spec: Arc<SubscriberSpec>,
    service: HandlerService,
    counters: Arc<Counters>,
    guard: Option<Guard>,
    /// How long the handler took the last time.
    last: Duration,
}

/// What is left to do for an event after its handler: its follow-ups are confirmed, and it is settled.
pub(super) type Settling = Pin<Box<dyn Future<Output = ()> + Send>>;

pub(super) struct Counters {
    handled: Counter,
    retried: Counter,
    dead_lettered: Counter,
    kept: Counter,
    waiting: Counter,
    expired: Counter,
    seconds: Histogram,
}

impl Counters {
    fn new(queue: &Arc<str>) -> Self {
        Self {
            handled: counter!("bloodbank_handled_total", "queue" => Arc::clone(queue)),
            retried: counter!("bloodbank_retried_total", "queue" => Arc::clone(queue)),
            dead_lettered: counter!("bloodbank_dead_lettered_total", "queue" => Arc::clone(queue)),
            kept: counter!("bloodbank_kept_total", "queue" => Arc::clone(queue)),
            waiting: counter!("bloodbank_put_off_total", "queue" => Arc::clone(queue)),
            expired: counter!("bloodbank_expired_total", "queue" => Arc::clone(queue)),
            seconds: histogram!("bloodbank_handler_seconds", "queue" => Arc::clone(queue)),
        }
    }

    pub(super) fn count(&self, outcome: Outcome) {
        match outcome {
            Outcome::Duplicate => {}
            Outcome::Expired => self.expired.increment(1),
            Outcome::Ack => self.handled.increment(1),
            Outcome::Retry => self.retried.increment(1),
            Outcome::DeadLetter => self.dead_lettered.increment(1),
            Outcome::Kept => self.kept.increment(1),
            Outcome::PutOff => self.waiting.increment(1),
        }
    }
}

impl Worker {
    pub(super) fn new(spec: SubscriberSpec, guard: Option<Guard>) -> Self {
        Self {
            service: spec.service.clone(),
            counters: Arc::new(Counters::new(&spec.queue)),
            spec: Arc::new(spec),
            guard,
            // Nothing is known of it yet.
            last: Duration::MAX,
        }
    }

    /// Runs the handler; returns what is left to do then, if anything.
    pub(super) async fn handle(&mut self, work: Work, asked: Option<Asked>) -> Option<Settling> {
        match work {
            Work::One(pending) => self.one(pending, asked).await,
            Work::Batch(batch) => self.batch(batch).await,
        }
    }

    /// What it is for to ask ahead, and how far.
    pub(super) fn guard(&self) -> Option<Guard> {
        self.guard.clone()
    }

    /// The number of events whose leases are worth acquiring ahead.
    pub(super) fn ahead(&self) -> usize {
        if self.spec.options.batch.is_some() {
            return 0;
        }
        self.guard.as_ref().map_or(0, |guard| guard.ahead(self.last))
    }

    async fn one(&mut self, pending: Pending, asked: Option<Asked>) -> Option<Settling> {
        // Boxes keep what is rare out of the future that every event fills anew.
        let (Pending { context, settlement }, lease) = match self.guard.clone() {
            // It comes again, on the next connection.
            guard if !pending.settlement.is_open() => {
                give_back(guard, &pending.context, asked).await;
                return None;
            }
            guard if pending.context.has_expired() => {
                give_back(guard, &pending.context, asked).await;
                if Box::pin(leave(&pending.context, &pending.settlement, Place::First)).await {
                    self.expire(pending);
                }
                return None;
            }
            None => (pending, None),
            Some(guard) => Box::pin(self.admit(&guard, pending, asked)).await?,
        };
        let (settlement, place) = match self.spec.key_of {
            None => (settlement, Place::Free),
            Some(_) => Box::pin(self.turn(&context, settlement, lease.as_slice())).await?,
        };
        let span = telemetry::process(|| context.handled()).map(|(span, trace)| within(span, trace, &context));
        let call = self.call(&context, lease.as_slice());
        let result = match &span {
            None => call.await,
            Some(span) => Box::pin(call.instrument(span.clone())).await,
        };
        note_failure(span.as_ref(), &result);
        let is_held = lease.is_some() || place == Place::First;
        let settlement = match self.done(&context, settlement, &result, is_held) {
            None => return None,
            Some(settlement) => settlement,
        };
        if self.spec.options.retry.keep_order {
            Box::pin(self.in_place(context, settlement, result, (lease, place), span)).await;
            return None;
        }
        let settling = self.settling(context, settlement, result, lease);
        Some(match span {
            None => Box::pin(settling),
            Some(span) => Box::pin(settling.instrument(span)),
        })
    }

    /// Lets an event have its turn, unless it waits behind a parked one of its key.
    async fn turn(&self, context: &Context, settlement: Settlement, leases: &[Lease]) -> Option<(Settlement, Place)> {
        match Lease::during_all(leases, turn(context, settlement, leases.first())).await {
            Turn::Handled(settlement, place) => Some((settlement, place)),
            Turn::Settled(outcome) => {
                self.counters.count(outcome);
                None
            }
        }
    }

    /// Settles an event after as many attempts as it takes, while what comes behind it waits.
    async fn in_place(
        &mut self,
        context: Context,
        settlement: Settlement,
        result: Result<EventCollector, HandlerError>,
        (lease, place): (Option<Lease>, Place),
        span: Option<Span>,
    ) {
        let settling = settle_in_place(self, context, settlement, result, lease.as_ref(), place);
        let settling = Lease::during_all(lease.as_slice(), settling);
        let outcome = match span {
            None => settling.await,
            Some(span) => settling.instrument(span).await,
        };
        self.count(outcome);
    }

    pub(super) fn count(&self, outcome: Outcome) {
        self.counters.count(outcome);
    }

    /// Handles the events of a batch together.
    async fn batch(&mut self, mut batch: Vec<Pending>) -> Option<Settling> {
        batch.retain(|pending| pending.settlement.is_open());
        let (expired, batch): (Vec<_>, Vec<_>) =
            batch.into_iter().partition(|pending: &Pending| pending.context.has_expired());
        expired.into_iter().for_each(|pending| self.expire(pending));
        let members: Vec<Member> = match &self.guard {
            None => batch.into_iter().map(|pending| Member { pending, lease: None }).collect(),
            Some(guard) => {
                let admitted = join_all(batch.into_iter().map(|pending| self.admit(guard, pending, None))).await;
                admitted.into_iter().flatten().map(|(pending, lease)| Member { pending, lease }).collect()
            }
        };
        let (first, others) = members.split_first()?;
        let first = first.pending.context.clone();
        first.set_batch(others.iter().map(|member| member.pending.context.clone()).collect());
        let span = match &*members {
            [_] => telemetry::process(|| first.handled()),
            _ => telemetry::process_batch(&first.batch().map(Context::handled).collect::<Vec<_>>()),
        };
        let span = span.map(|(span, trace)| within(span, trace, &first));
        let leases: Vec<_> = members.iter().filter_map(|member| member.lease.clone()).collect();
        let call = self.call(&first, &leases);
        let result = match &span {
            None => call.await,
            Some(span) => call.instrument(span.clone()).await,
        };
        note_failure(span.as_ref(), &result);
        let (spec, counters) = (Arc::clone(&self.spec), Arc::clone(&self.counters));
        let settling = async move {
            Lease::during_all(&leases, settle_batch(members, &spec.options, result, &counters)).await;
        };
        Some(match span {
            None => Box::pin(settling),
            Some(span) => Box::pin(settling.instrument(span)),
        })
    }

    /// Whether the next event waits until this one is settled.
    pub(super) fn settles_before_next(&self) -> bool {
        self.spec.options.settles_before_next()
    }

    /// Acknowledges an event that nothing follows; returns the settlement of any other. Most events are done here, without a
    /// future of their own.
    fn done(
        &self,
        context: &Context,
        settlement: Settlement,
        result: &Result<EventCollector, HandlerError>,
        is_held: bool,
    ) -> Option<Settlement> {
        let has_answer = context.message().properties.reply_to.is_some() || self.spec.options.transactional;
        let nothing_follows = matches!(result, Ok(events) if events.is_empty()) && !has_answer && !is_held;
        if !nothing_follows || telemetry::settles_are_seen() {
            return Some(settlement);
        }
        settlement.ack();
        self.counters.count(Outcome::Ack);
        None
    }

    fn expire(&self, pending: Pending) {
        pending.settlement.ack();
        self.counters.count(Outcome::Expired);
    }

    /// Lets an event in, unless it is a duplicate, or it is not known whether it is one.
    async fn admit(&self, guard: &Guard, pending: Pending, asked: Option<Asked>) -> Option<(Pending, Option<Lease>)> {
        let context = &pending.context;
        let outcome = match dedupe::begin(guard, context, asked).await {
            Begun::Leased(lease) => {
                context.set_dedupe_mark(lease.mark().clone());
                return Some((pending, Some(lease)));
            }
            Begun::Unchecked => {
                context.set_unchecked();
                return Some((pending, None));
            }
            Begun::Duplicate => {
                // Its reply went to whoever asked first, and is on the bus.
                if !leave(context, &pending.settlement, Place::First).await {
                    self.counters.count(Outcome::Kept);
                    return None;
                }
                let done = format!("command {} was executed before, and is not executed again", context.event_id());
                answer(context, Answer::Error(done)).await;
                pending.settlement.ack();
                Outcome::Duplicate
            }
            Begun::Wait(delay) => {
                let Pending { context, settlement } = pending;
                dedupe::put_off(settlement, &context, &self.spec.options, delay).await
            }
        };
        self.counters.count(outcome);
        None
    }

    /// Calls the handler, and renews the leases meanwhile.
    pub(super) async fn call(&mut self, context: &Context, leases: &[Lease]) -> Result<EventCollector, HandlerError> {
        let start = context.begin();
        let call = async {
            match self.service.ready().await {
                Ok(service) => service.call(context.clone()).await,
                Err(error) => Err(error),
            }
        };
        let result = if leases.is_empty() { call.await } else { Box::pin(Lease::during_all(leases, call)).await };
        self.last = start.elapsed();
        self.counters.seconds.record(self.last.as_secs_f64());
        for context in context.batch() {
            let event_type = Registry::global().label(context.key());
            counter!("bloodbank_consumed_total", "event_type" => event_type).increment(1);
        }
        result
    }

    /// Settles an event according to the result of its handler.
    fn settling(
        &self,
        context: Context,
        settlement: Settlement,
        result: Result<EventCollector, HandlerError>,
        lease: Option<Lease>,
    ) -> impl Future<Output = ()> + Send + use<> {
        let (spec, counters) = (Arc::clone(&self.spec), Arc::clone(&self.counters));
        async move {
            let leases = lease.as_slice();
            let settling =
                Lease::during_all(leases, settle(settlement, &context, &spec.options, result, lease.as_ref()));
            let outcome = match telemetry::settle(|| context.handled()) {
                None => settling.await,
                Some(span) => {
                    let outcome = Box::pin(settling.instrument(span.clone())).await;
                    span.record("outcome", tracing::field::debug(outcome));
                    outcome
                }
            };
            counters.count(outcome);
        }
    }
}

/// Gives back a lease that was acquired ahead, on an event that is not handled.
async fn give_back(guard: Option<Guard>, context: &Context, asked: Option<Asked>) {
    if let (Some(guard), Some(asked), Some(event_id)) = (guard, asked, context.handled_id()) {
        guard.give_back(event_id, asked).await;
    }
}

/// Lets a context know the trace of the span that it is handled in; returns the span.
fn within(span: Span, trace: Option<TraceContext>, context: &Context) -> Span {
    if let Some(trace) = trace {
        context.batch().for_each(|context| context.set_trace(trace.clone()));
    }
    span
}

fn note_failure(span: Option<&Span>, result: &Result<EventCollector, HandlerError>) {
    if let (Some(span), Err(error)) = (span, result) {
        telemetry::fail_span(span, error.kind_name(), error);
    }
}
