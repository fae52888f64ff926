//! A broker, a network, a Redis, publishers and consumers: and what is done to them.

use std::{
    sync::Arc,
    thread::sleep,
    time::{Duration, Instant},
};

use bloodbank::{Bus, DeadLetters, Settings, dead_letter::Filter};
use bloodbank_harness::{Direction, Ending, Proxy, RabbitMq, Redis, unique};

use super::{child::SERVICE, crew::Member, ledger::Ledger, random::Random};

/// Longer than anything here should take on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is done to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    BrokerKilled,
    BrokerRestarted,
    BrokerFrozenForAMoment,
    /// Longer than two heartbeats.
    BrokerFrozenForLong,
    BrokerOutOfMemory,
    ConnectionsClosedByTheOperator,
    ConnectionsReset,
    ConnectionsEnded,
    /// In the middle of a frame, before the confirm or before the acknowledgement.
    ConnectionsCutAfterSomeBytes,
    NetworkHalfOpen,
    NetworkSlow,
    ChannelError,
    PublisherKilled,
    ConsumerKilled,
    ConsumersKilledAgainAndAgain,
    ConsumersRestartedOneByOne,
    RedisKilled,
    RedisFrozen,
}

impl Fault {
    /// All of them; those that take little of it more often.
    pub(crate) const ALL: [Self; 18] = [
        Self::BrokerKilled,
        Self::BrokerRestarted,
        Self::BrokerFrozenForAMoment,
        Self::BrokerFrozenForLong,
        Self::BrokerOutOfMemory,
        Self::ConnectionsClosedByTheOperator,
        Self::ConnectionsReset,
        Self::ConnectionsEnded,
        Self::ConnectionsCutAfterSomeBytes,
        Self::NetworkHalfOpen,
        Self::NetworkSlow,
        Self::ChannelError,
        Self::PublisherKilled,
        Self::ConsumerKilled,
        Self::ConsumersKilledAgainAndAgain,
        Self::ConsumersRestartedOneByOne,
        Self::RedisKilled,
        Self::RedisFrozen,
    ];

    /// Those of the short form.
    pub(crate) const SHORT: [Self; 13] = [
        Self::BrokerKilled,
        Self::BrokerFrozenForAMoment,
        Self::BrokerOutOfMemory,
        Self::ConnectionsReset,
        Self::ConnectionsCutAfterSomeBytes,
        Self::NetworkHalfOpen,
        Self::ChannelError,
        Self::PublisherKilled,
        Self::ConsumerKilled,
        Self::ConsumersKilledAgainAndAgain,
        Self::ConsumersRestartedOneByOne,
        Self::RedisKilled,
        Self::RedisFrozen,
    ];
}

pub(crate) struct World {
    ledger: Arc<Ledger>,
    publishers: Vec<Member>,
    consumers: Vec<Member>,
    settings: Settings,
    proxy: Proxy,
    broker: RabbitMq,
    redis: Redis,
}

impl World {
    pub(crate) fn begin() -> Self {
        let broker = RabbitMq::start().expect("this test needs a RabbitMQ");
        // What it has answered is on the disk: a Redis that forgets makes duplicates, which is not its fault that is tested.
        let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).expect("and a Redis");
        let proxy = Proxy::to(broker.port()).unwrap();
        let exchange = unique("faults");
        let mut settings = Settings::default();
        settings.service_name = SERVICE.to_owned();
        settings.exchange_name.clone_from(&exchange);
        settings.rabbit_url = Some(broker.url().into());
        let ledger = Arc::new(Ledger::default());
        let variables = vec![
            ("SERVICE_NAME", SERVICE.to_owned()),
            ("EXCHANGE_NAME", exchange),
            ("RABBIT_URL", broker.url_through(proxy.port())),
            ("REDIS_URL", redis.url()),
            ("BLOODBANK_PUBLISH_TIMEOUT_MS", "60000".to_owned()),
        ];
        let start = |role| Member::start(role, variables.clone(), Arc::clone(&ledger));
        let consumers: Vec<_> = (0..3).map(|_| start("consumer")).collect();
        let begun = Instant::now();
        while !broker.ctl(&["list_consumers", "queue_name"]).unwrap_or_default().contains("faults.once") {
            assert!(begun.elapsed() < PATIENCE, "the consumers do not begin");
        }
        // A quorum queue that was just declared may not survive a kill of RabbitMQ 3.10: it writes down which there are only
        // now and then.
        broker.ctl(&["eval", "[dets:sync(Table) || Table <- dets:all()]."]).unwrap();
        let publishers = (0..2).map(|_| start("publisher")).collect();
        Self { ledger, publishers, consumers, settings, proxy, broker, redis }
    }

    pub(crate) fn ledger(&self) -> &Ledger {
        &self.ledger
    }

    /// Both sides go on; returns after how long.
    pub(crate) fn makes_progress(&self) -> Duration {
        let (begun, confirmed, handled) = (Instant::now(), self.ledger.confirmed(), self.ledger.handled());
        while self.ledger.confirmed() < confirmed + 200 || self.ledger.handled() < handled + 200 {
            assert!(begun.elapsed() < PATIENCE, "nothing goes on: {}", self.ledger.summary());
            sleep(Duration::from_millis(20));
        }
        begun.elapsed()
    }

    pub(crate) fn inflict(&self, fault: Fault, random: &mut Random) {
        let mut moment = |most: u64| sleep(Duration::from_millis(random.below(most)));
        // Not always at the same point of what happens.
        moment(300);
        match fault {
            Fault::BrokerKilled => {
                self.broker.kill().unwrap();
                moment(1_000);
                self.broker.start_again().unwrap();
            }
            Fault::BrokerRestarted => {
                self.broker.stop().unwrap();
                moment(1_000);
                self.broker.start_again().unwrap();
            }
            Fault::BrokerFrozenForAMoment => self.frozen(Duration::from_millis(500 + random.below(3_000))),
            Fault::BrokerFrozenForLong => self.frozen(Duration::from_secs(25)),
            Fault::BrokerOutOfMemory => {
                self.broker.ctl(&["set_vm_memory_high_watermark", "absolute", "1"]).unwrap();
                moment(2_000);
                self.broker.ctl(&["set_vm_memory_high_watermark", "absolute", "2GB"]).unwrap();
            }
            Fault::ConnectionsClosedByTheOperator => {
                self.broker.ctl(&["close_all_connections", "maintenance"]).unwrap();
            }
            Fault::ConnectionsReset => self.proxy.cut(Ending::Reset).unwrap(),
            Fault::ConnectionsEnded => self.proxy.cut(Ending::Close).unwrap(),
            Fault::ConnectionsCutAfterSomeBytes => {
                for direction in [Direction::ToServer, Direction::ToClient] {
                    self.proxy.cut_after(direction, 1 + random.below(20_000), Ending::Reset);
                    self.makes_progress();
                }
                self.proxy.resume();
            }
            Fault::NetworkHalfOpen => {
                let direction = *random.choose(&[Direction::ToServer, Direction::ToClient]);
                self.proxy.stall(direction);
                sleep(Duration::from_millis(500 + random.below(2_000)));
                self.proxy.cut(Ending::Reset).unwrap();
                self.proxy.resume();
            }
            Fault::NetworkSlow => {
                self.proxy.throttle(*random.choose(&[Direction::ToServer, Direction::ToClient]), 1_000);
                sleep(Duration::from_millis(random.below(4_000)));
                self.proxy.resume();
            }
            Fault::ChannelError => self.publishers.iter().for_each(|publisher| publisher.order("channel error")),
            Fault::PublisherKilled => random.choose(&self.publishers).kill(),
            Fault::ConsumerKilled => random.choose(&self.consumers).kill(),
            Fault::ConsumersKilledAgainAndAgain => {
                for _ in 0..6 {
                    random.choose(&self.consumers).kill();
                    sleep(Duration::from_millis(random.below(600)));
                }
            }
            Fault::ConsumersRestartedOneByOne => {
                for consumer in &self.consumers {
                    consumer.terminate();
                    self.makes_progress();
                }
            }
            Fault::RedisKilled => {
                self.redis.kill().unwrap();
                moment(1_500);
                self.redis.start_again().unwrap();
            }
            Fault::RedisFrozen => {
                self.redis.pause().unwrap();
                moment(2_000);
                self.redis.resume().unwrap();
            }
        }
    }

    fn frozen(&self, duration: Duration) {
        self.broker.pause().unwrap();
        sleep(duration);
        self.broker.resume().unwrap();
    }

    /// Lets everything come to its end, and says what is lost.
    pub(crate) fn end(mut self, faults: usize) {
        for publisher in &self.publishers {
            publisher.let_end();
            publisher.order("stop");
        }
        for publisher in &mut self.publishers {
            publisher.join();
        }
        let runtime = tokio::runtime::Runtime::new().unwrap();
        let begun = Instant::now();
        let bus = runtime.block_on(Bus::connect(self.settings.clone())).unwrap();
        while self.ledger.missing().total() > 0 && begun.elapsed() < PATIENCE {
            sleep(Duration::from_millis(200));
            let parked = |subscriber: &str| {
                let letters = DeadLetters::of(&bus, format!("{SERVICE}.{subscriber}"));
                let listed = runtime.block_on(letters.list(&Filter::default())).unwrap();
                listed.into_iter().filter_map(|letter| letter.event_id).collect::<Vec<_>>()
            };
            self.ledger.park(parked("work"), parked("once"));
        }
        // What came twice is acknowledged too, in the end.
        let begun = Instant::now();
        let left = loop {
            let queues = self.broker.ctl(&["list_queues", "name", "messages"]).unwrap();
            let is_left = |line: &&str| line.starts_with("faults.") && !line.contains(".dlq") && !line.ends_with("\t0");
            let left: Vec<_> = queues.lines().filter(is_left).map(str::to_owned).collect();
            if left.is_empty() || begun.elapsed() > PATIENCE {
                break left;
            }
        };
        for consumer in &self.consumers {
            consumer.let_end();
            consumer.terminate();
        }
        for consumer in &mut self.consumers {
            consumer.join();
        }
        let (missing, unflagged, invented) = (self.ledger.missing(), self.ledger.unflagged(), self.ledger.invented());
        println!(
            "{faults} faults: {}, parked {:?}, unflagged duplicates with dedupe {unflagged}, invented {invented}, \
             left in queues {left:?}, lost {}",
            self.ledger.summary(),
            self.ledger.parked(),
            missing.total()
        );
        assert_eq!(missing.total(), 0, "lost: {missing:?}");
        assert_eq!((unflagged, invented), (0, 0), "unflagged and invented");
        assert!(left.is_empty(), "left: {left:?}");
        runtime.block_on(bus.close());
    }
}
