//! Commands on every bus: follow-ups in order, rollback, replies, missing states.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use crate::common::{PATIENCE, soon, take};
use bloodbank::{CommandManager, ErrorKind, ExecuteError, message::names, prelude::*};
use bloodbank_harness::unique;
use serde_json::json;
use tokio::sync::mpsc;

on_every_bus! {
    follow_ups_and_the_reply_are_published_in_order_after_success,
    after_a_failure_nothing_is_published_but_the_failure_event,
    a_requester_gets_the_reply,
    an_event_answers_a_request_whose_executor_does_not_know_who_asked,
    a_command_known_only_at_run_time_is_executed,
    a_requester_gets_the_failure_after_the_last_attempt,
    a_requester_is_told_of_a_panic,
    a_request_that_nobody_executes_is_an_error_at_once,
    two_apps_execute_a_command_once,
    a_command_that_is_published_twice_is_executed_once,
}

/// Asks for `steps` steps; what goes wrong depends on `fault`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "work.job.run", command, reply = JobDone)]
struct RunJob {
    steps: u32,
    fault: Option<Fault>,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, JsonSchema)]
enum Fault {
    Permanent,
    Retryable,
    Panic,
    Hang,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "work.job.done")]
struct JobDone {
    steps: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "work.step.done")]
struct StepDone {
    step: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "work.job.failed", failure)]
struct JobFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[derive(Debug, Clone, Default)]
struct Workshop {
    executed: Arc<AtomicU32>,
    rolled_back: Arc<AtomicU32>,
}

#[command(timeout = "200ms", retry(max_attempts = 2, backoff = "250ms"))]
impl Command for RunJob {
    type State = Workshop;
    type Failure = JobFailed;

    async fn execute(
        &self,
        context: &CommandContext<Workshop>,
        events: &mut EventCollector,
    ) -> Result<JobDone, JobFailed> {
        context.state().executed.fetch_add(1, Ordering::SeqCst);
        for step in 0..self.steps {
            events.add(StepDone { step });
        }
        let failed = |is_retryable| JobFailed { error_message: "a tool broke".into(), is_retryable, retry_count: 7 };
        match self.fault {
            None => Ok(JobDone { steps: self.steps }),
            Some(Fault::Permanent) => Err(failed(false)),
            Some(Fault::Retryable) => Err(failed(true)),
            Some(Fault::Panic) => panic!("the roof came down"),
            Some(Fault::Hang) => std::future::pending().await,
        }
    }

    async fn rollback(&self, context: &CommandContext<Workshop>) {
        context.state().rolled_back.fetch_add(1, Ordering::SeqCst);
    }
}

#[derive(Debug, PartialEq, EventSet)]
enum Work {
    Step(StepDone),
    Done(JobDone),
    Failed(JobFailed),
}

#[subscriber]
async fn watch(work: EventEnvelope<Work>, State(seen): State<mpsc::UnboundedSender<EventEnvelope<Work>>>) {
    seen.send(work).unwrap();
}

struct Fixture {
    app: bloodbank::RunningApp,
    workshop: Workshop,
    events: mpsc::UnboundedReceiver<EventEnvelope<Work>>,
}

async fn start(bus: &Bus) -> Fixture {
    let workshop = Workshop::default();
    let (seen, events) = mpsc::unbounded_channel();
    let app = App::new(unique("svc"), bus.clone())
        .state(workshop.clone())
        .state(seen)
        .subscribe(watch)
        .commands(CommandManager::linked())
        .start()
        .await
        .unwrap();
    Fixture { app, workshop, events }
}

async fn a_command_that_is_published_twice_is_executed_once(bus: Bus) {
    let fixture = start(&bus).await;
    let event_id = uuid::Uuid::new_v4();
    for _ in 0..2 {
        bus.publish(job(0, None)).event_id(event_id).await.unwrap();
    }
    // One after the other: when this one is answered, the others are through.
    bus.execute(job(0, None)).timeout(PATIENCE).await.unwrap();
    assert_eq!(fixture.workshop.executed.load(Ordering::SeqCst), 2);

    let payload = json!(job(0, None));
    let again = bus.publish_value("work.job.run", &payload).event_id(event_id).execute(PATIENCE).await;
    let error = again.unwrap_err().to_string();
    assert!(error.contains(&format!("command {event_id} was executed before")), "{error}");
    fixture.app.shutdown().await.unwrap();
}

fn job(steps: u32, fault: Option<Fault>) -> RunJob {
    RunJob { steps, fault }
}

async fn follow_ups_and_the_reply_are_published_in_order_after_success(bus: Bus) {
    let mut fixture = start(&bus).await;
    let command = bus.publish(job(3, None)).await.unwrap();
    let mut seen = Vec::new();
    for _ in 0..4 {
        let envelope = soon("an event", fixture.events.recv()).await.unwrap();
        assert_eq!(envelope.correlation_ids, [command.event_id]);
        seen.push(envelope.payload);
    }
    let steps = (0..3).map(|step| Work::Step(StepDone { step }));
    assert_eq!(seen, steps.chain([Work::Done(JobDone { steps: 3 })]).collect::<Vec<_>>());
    assert_eq!(fixture.workshop.rolled_back.load(Ordering::SeqCst), 0);
    fixture.app.shutdown().await.unwrap();
}

async fn after_a_failure_nothing_is_published_but_the_failure_event(bus: Bus) {
    let mut fixture = start(&bus).await;
    bus.publish(job(3, Some(Fault::Permanent))).await.unwrap();
    let failed = soon("the failure event", fixture.events.recv()).await.unwrap();
    let expected = JobFailed { error_message: "a tool broke".into(), is_retryable: false, retry_count: 0 };
    assert_eq!(failed.payload, Work::Failed(expected));
    let parked = take(&bus, &format!("{}.command.work.job.run.dlq", bus.exchange()), 1).await;
    assert_eq!(parked[0].properties.headers.text(names::REASON), Some("failed"));
    fixture.app.shutdown().await.unwrap();
    assert!(fixture.events.try_recv().is_err(), "no step was published");
    assert_eq!(fixture.workshop.rolled_back.load(Ordering::SeqCst), 1);
}

async fn a_requester_gets_the_reply(bus: Bus) {
    let fixture = start(&bus).await;
    let replies =
        futures_util::future::join_all((0..20).map(|steps| bus.execute(job(steps, None)).into_future())).await;
    for (steps, reply) in (0..20).zip(replies) {
        assert_eq!(reply.unwrap(), JobDone { steps });
    }
    fixture.app.shutdown().await.unwrap();
}

/// Executes a command as the Python side does: it publishes its answer.
#[subscriber]
async fn run_elsewhere(job: RunJob) -> JobDone {
    JobDone { steps: job.steps }
}

async fn an_event_answers_a_request_whose_executor_does_not_know_who_asked(bus: Bus) {
    let app = App::new(unique("elsewhere"), bus.clone()).subscribe(run_elsewhere).start().await.unwrap();
    for steps in 0..3 {
        // A reply to nobody's command is nobody's answer.
        bus.publish(JobDone { steps: 100 }).await.unwrap();
        let done: JobDone = bus.execute(RunJob { steps, fault: None }).await.unwrap();
        assert_eq!(done.steps, steps);
    }
    app.shutdown().await.unwrap();
}

async fn a_command_known_only_at_run_time_is_executed(bus: Bus) {
    let fixture = start(&bus).await;
    let reply = bus.publish_value("work.job.run", &json!({"steps": 2})).execute(PATIENCE).await.unwrap().unwrap();
    assert_eq!((&*reply.event_type, &reply.payload), ("work.job.done", &json!({"steps": 2})));
    let error = bus
        .publish_value("work.job.run", &json!({"steps": 1, "fault": "Permanent"}))
        .execute(PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "work.job.failed: a tool broke");
    let error = bus.publish_value("work.job.run", &json!({"steps": -1})).execute(PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("\"/steps\""), "{error}");
    let error = bus.publish_value("work.step.done", &json!({"step": 1})).execute(PATIENCE).await.unwrap_err();
    assert!(error.to_string().contains("`work.step.done` is not a command"), "{error}");
    fixture.app.shutdown().await.unwrap();
}

async fn a_requester_gets_the_failure_after_the_last_attempt(bus: Bus) {
    let fixture = start(&bus).await;
    let error = bus.execute(job(1, Some(Fault::Retryable))).await.unwrap_err();
    let failed: JobFailed = error.failure().unwrap();
    assert_eq!(failed, JobFailed { error_message: "a tool broke".into(), is_retryable: true, retry_count: 1 });
    assert_eq!(fixture.workshop.executed.load(Ordering::SeqCst), 2);
    assert_eq!(fixture.workshop.rolled_back.load(Ordering::SeqCst), 2);
    fixture.app.shutdown().await.unwrap();
}

async fn a_requester_is_told_of_a_panic(bus: Bus) {
    let fixture = start(&bus).await;
    for (fault, expected) in [(Fault::Panic, "the roof came down"), (Fault::Hang, "longer than 200ms")] {
        let error = bus.execute(job(1, Some(fault))).await.unwrap_err();
        assert!(matches!(&error, ExecuteError::Bus(error) if error.kind() == ErrorKind::CommandFailed), "{error:?}");
        assert!(error.to_string().contains(expected), "{error}");
    }
    assert_eq!(fixture.workshop.rolled_back.load(Ordering::SeqCst), 4, "rolled back after each attempt");
    fixture.app.shutdown().await.unwrap();
}

async fn a_request_that_nobody_executes_is_an_error_at_once(bus: Bus) {
    let error = bus.execute(job(1, None)).timeout(Duration::from_secs(600)).await.unwrap_err();
    assert!(matches!(&error, ExecuteError::Bus(error) if error.kind() == ErrorKind::Unrouted), "{error:?}");
    // The queue of a command outlives its executors: now it waits there, and the requester does not wait for ever.
    start(&bus).await.app.shutdown().await.unwrap();
    let error = bus.execute(job(1, None)).timeout(Duration::from_millis(50)).await.unwrap_err();
    assert!(matches!(&error, ExecuteError::Bus(error) if error.kind() == ErrorKind::Deadline), "{error:?}");
}

async fn two_apps_execute_a_command_once(bus: Bus) {
    let (one, other) = (start(&bus).await, start(&bus).await);
    for steps in 0..10 {
        assert_eq!(bus.execute(job(steps, None)).await.unwrap(), JobDone { steps });
    }
    let executed = [&one, &other].map(|fixture| fixture.workshop.executed.load(Ordering::SeqCst));
    assert_eq!(executed.iter().sum::<u32>(), 10, "{executed:?}");
    one.app.shutdown().await.unwrap();
    other.app.shutdown().await.unwrap();
}

#[tokio::test]
async fn a_missing_state_is_an_error_at_start_up() {
    let error =
        App::new("svc", crate::common::memory().await).commands(CommandManager::linked()).start().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::MissingState);
    let message = error.to_string();
    assert!(
        message.contains("`work.job.run`") && message.contains("Workshop") && message.contains("tests/bus/commands.rs"),
        "{message}"
    );
}

use std::future::IntoFuture as _;
