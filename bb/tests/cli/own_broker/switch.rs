//! Moving services from one exchange to another while they run.

use std::{
    collections::BTreeMap,
    process::Command,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::Duration,
};

use crate::support::{Running, TIMEOUT, bb, command, example, fails, out};
use bloodbank::{RunningApp, prelude::*};
use bloodbank_core::Settings;
use bloodbank_harness::RabbitMq;
use serde_json::Value;
use tokio::{task::JoinHandle, time::sleep};

#[derive(Debug, Clone, Serialize, Deserialize, JsonSchema, Event)]
#[event(routing_key = "switch.step.taken")]
struct StepTaken {
    number: u64,
}

/// How often each subscriber has handled each event.
#[derive(Clone, Default)]
struct Ledger(Arc<Mutex<BTreeMap<(&'static str, u64), u32>>>);

impl Ledger {
    fn note(&self, subscriber: &'static str, number: u64) {
        *self.0.lock().unwrap().entry((subscriber, number)).or_default() += 1;
    }

    fn handled(&self, subscriber: &'static str) -> usize {
        self.0.lock().unwrap().keys().filter(|(by, _)| *by == subscriber).count()
    }

    /// Waits until a subscriber has handled so many events more.
    async fn goes_on(&self, subscriber: &'static str, events: usize) {
        let wanted = self.handled(subscriber) + events;
        let waiting = async {
            while self.handled(subscriber) < wanted {
                sleep(Duration::from_millis(20)).await;
            }
        };
        tokio::time::timeout(TIMEOUT, waiting).await.unwrap_or_else(|_| panic!("{subscriber} handles nothing more"));
    }
}

#[subscriber]
async fn audit(step: StepTaken, State(ledger): State<Ledger>) {
    ledger.note("audit", step.number);
}

#[subscriber]
async fn bill(step: StepTaken, State(ledger): State<Ledger>) {
    ledger.note("bill", step.number);
}

/// A broker with two exchanges, old and new.
struct Place {
    rabbit: RabbitMq,
    folder: tempfile::TempDir,
}

const SWITCH: [&str; 2] = ["topology", "switch"];

impl Place {
    fn new() -> Self {
        Self { rabbit: RabbitMq::start_with_management().unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    fn on_broker(&self, mut command: Command) -> Command {
        command
            .env("RABBIT_URL", self.rabbit.url())
            .env("RABBIT_MANAGEMENT_URL", self.rabbit.management_url().unwrap());
        command
    }

    fn switch(&self, verb: &str, more: &[&str]) -> Command {
        let args = [&SWITCH[..], &[verb, "--from", "old", "--to", "new"], more].concat();
        self.on_broker(bb(self.folder.path(), &args))
    }

    fn status(&self) -> Value {
        serde_json::from_str(&out(self.switch("status", &["--json"]))).unwrap()
    }

    fn shop(&self, exchange: &str, more: &[(&str, &str)], args: &[&str]) -> Command {
        let mut command = self.on_broker(command(example("shop"), self.folder.path(), args));
        command.env("EXCHANGE_NAME", exchange).env("SERVICE_NAME", "shop").envs(more.iter().copied());
        command
    }

    async fn bus(&self, exchange: &str) -> Bus {
        let url = self.rabbit.url();
        let settings = [("RABBIT_URL", &*url), ("EXCHANGE_NAME", exchange), ("SERVICE_NAME", "ledger")];
        Bus::connect(Settings::from_vars(settings).unwrap()).await.unwrap()
    }

    async fn audit(&self, exchange: &str, ledger: &Ledger) -> Service {
        let bus = self.bus(exchange).await;
        let app = App::new("ledger", bus.clone()).state(ledger.clone()).subscribe(audit).start().await.unwrap();
        Service { app, bus }
    }

    async fn bill(&self, exchange: &str, ledger: &Ledger) -> Service {
        let bus = self.bus(exchange).await;
        let app = App::new("ledger", bus.clone()).state(ledger.clone()).subscribe(bill).start().await.unwrap();
        Service { app, bus }
    }
}

/// An app that stops as `RunningApp::wait` does: acknowledgements on their way are lost with the bus unless it is closed.
struct Service {
    app: RunningApp,
    bus: Bus,
}

impl Service {
    async fn stop(self) {
        self.app.shutdown().await.unwrap();
        self.bus.close().await;
    }
}

/// Publishes one event after the other.
struct Publisher {
    stop: Arc<AtomicBool>,
    task: JoinHandle<()>,
}

impl Publisher {
    fn start(bus: Bus, numbers: &Arc<AtomicU64>) -> Self {
        let (stop, numbers) = (Arc::new(AtomicBool::new(false)), Arc::clone(numbers));
        let stopping = Arc::clone(&stop);
        let task = tokio::spawn(async move {
            while !stopping.load(Ordering::SeqCst) {
                let number = numbers.fetch_add(1, Ordering::SeqCst);
                let receipt = bus.publish(StepTaken { number }).await.unwrap();
                assert_eq!(receipt.unrouted, Some(false), "event {number}");
                sleep(Duration::from_millis(2)).await;
            }
            bus.close().await;
        });
        Self { stop, task }
    }

    async fn stop(self) {
        self.stop.store(true, Ordering::SeqCst);
        self.task.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn publishers_and_subscribers_move_one_after_the_other_and_every_event_is_handled_once() {
    let place = Place::new();
    let (ledger, numbers) = (Ledger::default(), Arc::default());
    let audit_on_old = place.audit("old", &ledger).await;
    let on_old = Publisher::start(place.bus("old").await, &numbers);
    ledger.goes_on("audit", 50).await;

    // Nothing is changed by looking.
    assert_eq!(place.status()["phase"], "not begun");
    let planned = out(place.switch("begin", &["--dry-run"]));
    for step in ["declare exchange new", "bind queue ledger.audit to new", "of old go to new", "of new go to old"] {
        assert!(planned.contains(step), "{planned} lacks {step}");
    }
    assert_eq!(place.status()["phase"], "not begun");
    let early = fails(place.switch("finish", &["--watch", "1s"]), 1);
    assert!(early.contains("is not begun"), "{early}");

    // Killed after its first step, and run again; and once more, which changes nothing.
    let mut killed = Running::start(place.switch("begin", &[]));
    killed.line("done");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    println!("after the kill: {}", place.status());
    out(place.switch("begin", &[]));
    assert_eq!(place.status()["phase"], "both");
    let again = out(place.switch("begin", &[]));
    assert!(again.contains("nothing is left to do") && again.contains("EXCHANGE_NAME=new"), "{again}");
    ledger.goes_on("audit", 50).await;

    // A publisher and a new subscriber on the new exchange, beside those on the old one.
    let bill_on_new = place.bill("new", &ledger).await;
    let first_of_bill = numbers.load(Ordering::SeqCst) + 10;
    let on_new = Publisher::start(place.bus("new").await, &numbers);
    ledger.goes_on("audit", 200).await;
    ledger.goes_on("bill", 200).await;
    // The subscriber moves: both instances share the queue for a while.
    let audit_on_new = place.audit("new", &ledger).await;
    ledger.goes_on("audit", 100).await;
    audit_on_old.stop().await;
    ledger.goes_on("audit", 100).await;

    // Nothing is finished while somebody publishes to the old exchange.
    let refused = fails(place.switch("finish", &["--watch", "2s"]), 1);
    assert!(refused.contains("still publishes to old: ledger (") && refused.contains("EXCHANGE_NAME=new"), "{refused}");
    assert_eq!(place.status()["phase"], "both");
    on_old.stop().await;
    let mut killed = Running::start(place.switch("finish", &["--watch", "2s"]));
    killed.line("done");
    killed.child.kill().unwrap();
    killed.child.wait().unwrap();
    println!("after the second kill: {}", place.status());
    ledger.goes_on("audit", 50).await;
    let finished = out(place.switch("finish", &["--watch", "2s"]));
    assert!(finished.contains("what still comes to old goes to new"), "{finished}");
    assert_eq!(place.status()["phase"], "finished");
    // A publisher that was silent all the time.
    let late = place.bus("old").await;
    for _ in 0..20 {
        let number = numbers.fetch_add(1, Ordering::SeqCst);
        assert_eq!(late.publish(StepTaken { number }).await.unwrap().unrouted, Some(false));
    }
    late.close().await;
    ledger.goes_on("bill", 20).await;
    out(place.switch("finish", &["--watch", "1s", "--delete"]));
    assert_eq!(place.status()["phase"], "finished");
    ledger.goes_on("audit", 50).await;
    on_new.stop().await;

    let last = numbers.load(Ordering::SeqCst);
    let all = async {
        while ledger.handled("audit") < usize::try_from(last).unwrap() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(TIMEOUT, all).await.expect("every event is handled");
    audit_on_new.stop().await;
    bill_on_new.stop().await;
    let handled = ledger.0.lock().unwrap();
    let of = |subscriber| (0..last).map(move |number| (subscriber, number));
    let wrong: Vec<_> = of("audit").filter(|key| handled.get(key) != Some(&1)).collect();
    assert!(wrong.is_empty(), "not once: {wrong:?}");
    let wrong: Vec<_> = of("bill")
        .filter(|key| {
            handled.get(key).is_some_and(|times| *times != 1) || key.1 >= first_of_bill && !handled.contains_key(key)
        })
        .collect();
    assert!(wrong.is_empty(), "not once: {wrong:?}");
    println!("{last} events, each once for each subscriber");
}

#[test]
fn commands_keep_their_queues_and_are_executed_once() {
    let place = Place::new();
    let old = Running::start(place.shop("old", &[], &["work"]));
    old.line("working");
    let refused = fails(place.switch("begin", &[]), 1);
    for part in ["old.command.stock.article.count", "BLOODBANK_COMMAND_QUEUES=old", "--keep-command-queues"] {
        assert!(refused.contains(part), "{refused} lacks {part}");
    }
    let begun = out(place.switch("begin", &["--keep-command-queues"]));
    assert!(begun.contains("EXCHANGE_NAME=new and BLOODBANK_COMMAND_QUEUES=old"), "{begun}");
    let keeping = [("BLOODBANK_COMMAND_QUEUES", "old")];
    let new = Running::start(place.shop("new", &keeping, &["work"]));
    new.line("working");
    for (exchange, more) in [("old", &[][..]), ("new", &keeping[..])] {
        let reply = out(place.shop(exchange, more, &["publish", "stock.article.count", "--set", "sku=A-1", "--wait"]));
        assert!(reply.contains("stock.article.counted"), "{reply}");
    }
    let queues = place.rabbit.ctl(&["list_queues", "name"]).unwrap();
    assert!(queues.contains("old.command.stock.article.count") && !queues.contains("new.command."), "{queues}");

    // Without the setting each command would be executed twice: it is said, and the switch does not go on.
    out(place.shop("new", &[], &["topology", "declare"]));
    let status = place.status();
    assert!(status["obstacles"][0].as_str().unwrap().contains("executed twice: stock.article.count"), "{status}");
    let refused = fails(place.switch("finish", &["--watch", "1s"]), 1);
    assert!(refused.contains("executed twice"), "{refused}");
}

#[test]
fn what_would_get_nothing_any_more_is_named() {
    let place = Place::new();
    let missing = fails(place.switch("begin", &[]), 1);
    assert!(missing.contains("there is no exchange old"), "{missing}");
    let same = fails(
        place.on_broker(bb(place.folder.path(), &["topology", "switch", "begin", "--from", "a", "--to", "a"])),
        2,
    );
    assert!(same.contains("must name two exchanges"), "{same}");
    out(place.shop("old", &[], &["topology", "declare"]));
    // A journal on one of both blinds the publishers of the other.
    out(place.shop("old", &[], &["topology", "journal", "enable", "--now"]));
    let journal = fails(place.switch("begin", &["--keep-command-queues"]), 1);
    assert!(journal.contains("old has a journal and new has none"), "{journal}");
    out(place.shop("new", &[], &["topology", "journal", "enable", "--now"]));
    out(place.switch("begin", &["--keep-command-queues"]));
    let tail = Running::start(place.shop("old", &[], &["tail", "orders.#"]));
    tail.line("watching");
    let listening = fails(place.switch("finish", &["--watch", "1s"]), 1);
    assert!(listening.contains("programs still listen on old") && listening.contains("bloodbank.tail"), "{listening}");
    drop(tail);
    let offline = fails(bb(place.folder.path(), &["topology", "switch", "status", "--from", "a", "--to", "b"]), 2);
    assert!(offline.contains("set RABBIT_URL"), "{offline}");
}
