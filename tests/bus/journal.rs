//! A journal on RabbitMQ takes every event, so that nothing is unrouted any more: what publishers and requesters are told.

use std::time::Duration;

use crate::common::{self, soon};
use bloodbank::{
    CommandManager, ErrorKind, ExecuteError, Settings,
    amqp::{JournalRetention, JournalSwitch},
    prelude::*,
    store::{JournalQuery, Position},
};
use futures_util::TryStreamExt;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "diary.page.written")]
struct Written {
    page: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "diary.page.turn", command, reply = Turned)]
struct Turn {
    page: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "diary.page.turned")]
struct Turned {
    page: u32,
}

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "diary.page.failed", failure)]
struct TurnFailed {
    error_message: String,
    is_retryable: bool,
    retry_count: u32,
}

#[command]
impl Command for Turn {
    type State = ();
    type Failure = TurnFailed;

    async fn execute(&self, _: &CommandContext<()>, _: &mut EventCollector) -> Result<Turned, TurnFailed> {
        Ok(Turned { page: self.page + 1 })
    }
}

/// The switch of a bus whose publishers need not notice: each is made afterwards.
async fn switch(bus: &Bus) -> JournalSwitch {
    JournalSwitch::connect(bus.settings()).await.unwrap()
}

async fn enabled(bus: &Bus) -> (JournalSwitch, Bus) {
    let (switch, settings) = (switch(bus).await, bus.settings().clone());
    let retention = JournalRetention::new(Duration::from_secs(3600), 100_000_000);
    switch.enable(retention, Duration::ZERO).await.unwrap();
    (switch, connect(settings).await)
}

async fn connect(settings: Settings) -> Bus {
    Bus::connect(settings).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_receives_is_known_without_a_journal_and_unknown_with_one() {
    let bus = common::quorum().await;
    assert_eq!(bus.publish(Written { page: 1 }).await.unwrap().unrouted, Some(true));
    assert_eq!(bus.publish(Written { page: 2 }).mandatory().await.unwrap_err().kind(), ErrorKind::Unrouted);
    let (switch, journaled) = enabled(&bus).await;
    assert_eq!(journaled.publish(Written { page: 3 }).await.unwrap().unrouted, None);
    assert_eq!(journaled.publish(Written { page: 4 }).mandatory().await.unwrap().unrouted, None);
    let journal = journaled.stores().journal.expect("it is on");
    let kept: Vec<_> = journal.read(JournalQuery::all(), Position::Start).try_collect().await.unwrap();
    assert_eq!(kept.len(), 2, "what was published since");
    switch.disable(true).await.unwrap();
    let after = connect(bus.settings().clone()).await;
    assert_eq!(after.publish(Written { page: 5 }).await.unwrap().unrouted, Some(true));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_nobody_executes_is_an_error_at_once_with_a_journal_too() {
    let bus = common::quorum().await;
    let (switch, journaled) = enabled(&bus).await;
    let asked = journaled.execute(Turn { page: 1 }).timeout(Duration::from_secs(3600));
    match soon("the error", asked.into_future()).await.unwrap_err() {
        ExecuteError::Bus(error) => assert_eq!(error.kind(), ErrorKind::Unrouted, "{error}"),
        ExecuteError::Failed(failure) => panic!("{failure:?}"),
    }
    let app = App::new("diary", journaled.clone()).commands(CommandManager::matching("diary.#")).start().await;
    let app = app.unwrap();
    let turned = soon("the answer", journaled.execute(Turn { page: 1 }).into_future()).await.unwrap();
    assert_eq!(turned, Turned { page: 2 });
    app.shutdown().await.unwrap();
    switch.disable(true).await.unwrap();
}
