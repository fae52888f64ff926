//! The publishers and consumers of a scenario, which are processes, and what they did.

use std::sync::Arc;

use bloodbank::{Bus, DeadLetters, Settings, dead_letter::Filter};
use bloodbank_harness::{RabbitMq, unique};

use super::{
    child::SERVICE,
    ledger::Ledger,
    processes::ChildProcess,
    scenario::{drained, eventually},
};

/// Three consumers, two publishers, and the ledger of what they say.
pub(crate) struct Fleet {
    pub(crate) ledger: Arc<Ledger>,
    pub(crate) publishers: Vec<ChildProcess>,
    pub(crate) consumers: Vec<ChildProcess>,
    /// For who looks at the bus from outside.
    settings: Settings,
}

impl Fleet {
    /// Starts them at these addresses; those in `reliable` are reached whatever is done to the others. `consumed` says which
    /// queues have a consumer, and what follows happens before the first event.
    pub(crate) fn start(
        (rabbit, redis): (String, String),
        reliable: String,
        consumed: impl Fn() -> String,
        before: impl FnOnce(),
    ) -> Self {
        let exchange = unique("faults");
        let mut settings = Settings::default();
        settings.service_name = Some(SERVICE.to_owned());
        settings.exchange_name.clone_from(&exchange);
        settings.rabbit_url = Some(reliable.into());
        let ledger = Arc::new(Ledger::default());
        let variables = vec![
            ("SERVICE_NAME", SERVICE.to_owned()),
            ("EXCHANGE_NAME", exchange),
            ("RABBIT_URL", rabbit),
            ("REDIS_URL", redis),
            ("BLOODBANK_PUBLISH_TIMEOUT_MS", "60000".to_owned()),
        ];
        let start = |role| {
            let heard = Arc::clone(&ledger);
            ChildProcess::start(role, variables.clone(), move |line| heard.note(line))
        };
        let consumers: Vec<_> = (0..3).map(|_| start("consumer")).collect();
        eventually("the consumers begin", || consumed().contains("faults.count"));
        before();
        let publishers = (0..2).map(|_| start("publisher")).collect();
        Self { ledger, publishers, consumers, settings }
    }

    pub(crate) fn publishers(&self, order: &str) {
        self.publishers.iter().for_each(|publisher| publisher.order(order));
    }

    /// Writes down what is in the dead letters.
    fn park(&self) {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let parked = runtime.block_on(async {
            let bus = Bus::connect(self.settings.clone()).await.unwrap();
            let list = async |subscriber: &str| {
                let letters = DeadLetters::of(&bus, format!("{SERVICE}.{subscriber}"));
                let listed = letters.list(&Filter::default()).await.unwrap();
                listed.into_iter().filter_map(|letter| letter.event_id).collect::<Vec<_>>()
            };
            let parked = [list("work").await, list("once").await, list("count").await];
            bus.close().await;
            parked
        });
        self.ledger.park(parked);
    }

    /// Lets everything come to its end; returns what is left in the queues, which `look` says.
    pub(crate) fn end(&mut self, look: impl Fn() -> Vec<String>) -> String {
        self.publishers.iter().for_each(ChildProcess::let_end);
        self.publishers("stop");
        self.publishers.iter_mut().for_each(ChildProcess::join);
        // What came twice is acknowledged too, in the end.
        let mut left = Vec::new();
        drained(&self.ledger, || {
            self.park();
            left = look();
            left.len()
        });
        self.consumers.iter().for_each(ChildProcess::let_end);
        self.consumers.iter().for_each(ChildProcess::terminate);
        self.consumers.iter_mut().for_each(ChildProcess::join);
        left.join(", ")
    }
}

/// The queues of `list_queues name messages` that still hold something; not the dead letters.
pub(crate) fn left(listed: &str) -> Vec<String> {
    let is_left = |line: &&str| {
        let ours = line.starts_with("faults.") && !line.contains(".dlq");
        (ours || line.starts_with("bloodbank.retry.")) && !line.ends_with("\t0")
    };
    listed.lines().filter(is_left).map(str::to_owned).collect()
}

/// A quorum queue that was just declared may not survive a kill of RabbitMQ 3.10: it writes down which there are only now and
/// then.
pub(crate) fn write_down_queues(broker: &RabbitMq) {
    broker.ctl(&["eval", "[dets:sync(Table) || Table <- dets:all()]."]).unwrap();
}
