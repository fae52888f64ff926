//! A RabbitMQ, a network, a Redis, publishers and consumers: and what is done to them.

use std::{fs, thread::sleep, time::Duration};

use bloodbank_harness::{Direction, Ending, HarnessError, Proxy, RabbitMq, Random, Redis};

use super::{
    fleet::{Fleet, left, write_down_queues},
    ledger::Ledger,
    processes::{ChildProcess, kill_again_and_again},
    scenario::{Scenario, eventually, faults},
};

faults! {
    /// What is done to them.
    RabbitFault {
        BrokerKilled,
        BrokerRestarted,
        BrokerFrozenForAMoment,
        /// Longer than two heartbeats.
        BrokerFrozenForLong,
        BrokerOutOfMemory,
        /// With `reject-publish`, also for what comes back from a delay.
        QueueFull,
        QueueDeleted,
        /// Acknowledgements that come later than the broker waits.
        ConsumerTimeout,
        ConnectionsClosedByTheOperator,
        ConnectionsReset,
        ConnectionsEnded,
        /// In the middle of a frame, before the confirm or before the acknowledgement.
        ConnectionsCutAfterSomeBytes,
        /// Bytes that are no frames, frames that are cut off, text of another protocol.
        NetworkGarbled,
        NetworkHalfOpen,
        /// Longer than two heartbeats, in both directions, and then what was held back arrives.
        NetworkSilentForLong,
        NetworkSlow,
        ChannelError,
        PublisherKilled,
        ConsumerKilled,
        ConsumersKilledAgainAndAgain,
        ConsumersRestartedOneByOne,
        /// An event that kills its consumer each time.
        PoisonThatKills,
        /// By two at once, and by a third that gives up on the way.
        DeadLettersRedriven,
        RedisKilled,
        RedisFrozen,
        RedisSlow,
        RedisCutOff,
        RedisOutOfMemory,
        /// FLUSHALL.
        RedisEmptied,
    }
}

impl RabbitFault {
    /// Those that take long.
    const LONG: [Self; 8] = [
        Self::BrokerRestarted,
        Self::BrokerFrozenForLong,
        Self::QueueDeleted,
        Self::NetworkSilentForLong,
        Self::ConnectionsClosedByTheOperator,
        Self::ConnectionsEnded,
        Self::PoisonThatKills,
        Self::NetworkSlow,
    ];

    /// Those of the short form.
    pub(crate) fn short() -> Vec<Self> {
        Self::ALL.iter().copied().filter(|fault| !Self::LONG.contains(fault)).collect()
    }
}

const WAYS: [Direction; 2] = [Direction::ToServer, Direction::ToClient];

pub(crate) struct RabbitScenario {
    fleet: Fleet,
    proxy: Proxy,
    broker: RabbitMq,
    redis_proxy: Proxy,
    redis: Redis,
}

impl RabbitScenario {
    fn ctl(&self, arguments: &[&str]) -> String {
        self.broker.ctl(arguments).unwrap()
    }

    fn left(&self) -> Vec<String> {
        left(&self.ctl(&["list_queues", "name", "messages"]))
    }

    /// With nothing in it and nothing on the way to it: what it held would go with it.
    fn queue_deleted(&self) {
        self.fleet.publishers("hold");
        // And stay so: something may be on its way that is in no queue just now.
        let mut quiet = 0;
        eventually("the queues are empty", || {
            quiet = if self.left().is_empty() { quiet + 1 } else { 0 };
            quiet == 3
        });
        self.ctl(&["delete_queue", "faults.work"]);
        eventually("it is consumed again", || self.ctl(&["list_consumers", "queue_name"]).contains("faults.work"));
        write_down_queues(&self.broker);
        self.fleet.publishers("go on");
    }

    fn queue_full(&self) {
        let most = |length: &str| {
            let policy = format!(r#"{{"max-length":{length}}}"#);
            self.ctl(&["set_policy", "--apply-to", "queues", "full", "^faults[.]work$", &policy]);
        };
        let refused = self.fleet.ledger.unknown() + 3;
        most("1");
        // Who is quick keeps it empty.
        self.fleet.consumers.iter().for_each(ChildProcess::pause);
        eventually("something is refused", || self.fleet.ledger.unknown() >= refused);
        self.fleet.consumers.iter().for_each(ChildProcess::resume);
        // Without any limit, RabbitMQ 3.10 does not notice that it is no longer reached, and refuses on and on.
        most("1000000");
        self.makes_progress();
        self.ctl(&["clear_policy", "full"]);
    }

    fn consumer_timeout(&self) {
        let timed_out = || {
            let log = fs::read(self.broker.folder().join("log/broker.log")).unwrap();
            String::from_utf8_lossy(&log).matches("has timed out waiting for").count()
        };
        // Channels ask for it when they begin.
        let set = |timeout: &str, look: &str| {
            let set = |name: &str, value: &str| format!("application:set_env(rabbit, {name}, {value})");
            self.ctl(&[
                "eval",
                &format!("{}, {}.", set("consumer_timeout", timeout), set("channel_tick_interval", look)),
            ]);
            self.ctl(&["close_all_connections", "other timeouts"]);
        };
        let before = timed_out();
        set("400", "100");
        eventually("an acknowledgement comes too late", || timed_out() > before);
        set("1800000", "60000");
    }

    fn garbled(&self, random: &mut Random) {
        let noise: Vec<u8> = (0..1 + random.below(300)).map(|_| u8::try_from(random.below(256)).unwrap()).collect();
        // The header of a frame on channel 1 that announces more than it holds, and more than was agreed on.
        let (cut_off, too_large) = ([1, 0, 1, 0, 0, 8, 0], [3, 0, 1, 255, 255, 255, 255]);
        // No method has this number; the frame itself is whole.
        let unknown = [1, 0, 1, 0, 0, 0, 4, 0, 250, 0, 250, 206];
        let heartbeat_with_a_body = [8, 0, 0, 0, 0, 0, 1, 0, 206];
        let garbage: [&[u8]; 6] =
            [&noise, &cut_off, &too_large, &unknown, &heartbeat_with_a_body, b"HTTP/1.1 400 Bad Request\r\n\r\n"];
        for _ in 0..3 {
            let (way, bytes): (_, &&[u8]) = (*random.choose(&WAYS), random.choose(&garbage[..]));
            // Into a connection that has just ended, it cannot be written.
            let _ = self.proxy.inject(way, bytes);
            random.pause(500);
        }
    }

    /// For less than so many milliseconds.
    fn outage<B, E>(
        random: &mut Random,
        milliseconds: u64,
        begin: impl FnOnce() -> Result<B, HarnessError>,
        end: impl FnOnce() -> Result<E, HarnessError>,
    ) {
        begin().unwrap();
        random.pause(milliseconds);
        end().unwrap();
    }
}

impl Scenario for RabbitScenario {
    type Fault = RabbitFault;

    fn begin() -> Self {
        let broker = RabbitMq::start().expect("this test needs a RabbitMQ");
        // What it has answered is on the disk: a Redis that forgets makes duplicates, which is a fault of its own.
        let redis = Redis::start_with(&["--appendonly", "yes", "--appendfsync", "always"]).expect("and a Redis");
        let (proxy, redis_proxy) = (Proxy::to(broker.port()).unwrap(), Proxy::to(redis.port()).unwrap());
        let addresses = (broker.url_through(proxy.port()), redis.url_through(redis_proxy.port()));
        let consumed = || broker.ctl(&["list_consumers", "queue_name"]).unwrap_or_default();
        let fleet = Fleet::start(addresses, broker.url(), consumed, || write_down_queues(&broker));
        Self { fleet, proxy, broker, redis_proxy, redis }
    }

    fn ledger(&self) -> &Ledger {
        &self.fleet.ledger
    }

    fn inflict(&self, fault: RabbitFault, random: &mut Random) {
        let Self { broker, redis, proxy, redis_proxy, .. } = self;
        match fault {
            RabbitFault::BrokerKilled => Self::outage(random, 1_000, || broker.kill(), || broker.start_again()),
            RabbitFault::BrokerRestarted => Self::outage(random, 1_000, || broker.stop(), || broker.start_again()),
            RabbitFault::BrokerFrozenForAMoment => Self::outage(random, 3_500, || broker.pause(), || broker.resume()),
            RabbitFault::BrokerFrozenForLong => {
                broker.pause().unwrap();
                sleep(Duration::from_secs(25));
                broker.resume().unwrap();
            }
            RabbitFault::BrokerOutOfMemory => {
                let watermark = |most| broker.ctl(&["set_vm_memory_high_watermark", "absolute", most]);
                Self::outage(random, 2_000, || watermark("1"), || watermark("2GB"));
            }
            RabbitFault::QueueFull => self.queue_full(),
            RabbitFault::QueueDeleted => self.queue_deleted(),
            RabbitFault::ConsumerTimeout => self.consumer_timeout(),
            RabbitFault::ConnectionsClosedByTheOperator => drop(self.ctl(&["close_all_connections", "maintenance"])),
            RabbitFault::ConnectionsReset => proxy.cut(Ending::Reset).unwrap(),
            RabbitFault::ConnectionsEnded => proxy.cut(Ending::Close).unwrap(),
            RabbitFault::ConnectionsCutAfterSomeBytes => {
                for direction in WAYS {
                    proxy.cut_after(direction, 1 + random.below(20_000), Ending::Reset);
                    self.makes_progress();
                }
                proxy.resume();
            }
            RabbitFault::NetworkGarbled => self.garbled(random),
            RabbitFault::NetworkHalfOpen => {
                proxy.stall(*random.choose(&WAYS));
                random.pause(2_500);
                proxy.cut(Ending::Reset).unwrap();
                proxy.resume();
            }
            RabbitFault::NetworkSilentForLong => {
                WAYS.iter().for_each(|&way| proxy.stall(way));
                sleep(Duration::from_secs(25));
                proxy.resume();
            }
            RabbitFault::NetworkSlow => {
                proxy.throttle(*random.choose(&WAYS), 1_000);
                random.pause(8_000);
                proxy.resume();
            }
            RabbitFault::ChannelError => self.fleet.publishers("channel error"),
            RabbitFault::PublisherKilled => random.choose(&self.fleet.publishers).kill(),
            RabbitFault::ConsumerKilled => random.choose(&self.fleet.consumers).kill(),
            RabbitFault::ConsumersKilledAgainAndAgain => kill_again_and_again(&self.fleet.consumers, random),
            RabbitFault::ConsumersRestartedOneByOne => {
                for consumer in &self.fleet.consumers {
                    consumer.terminate();
                    self.makes_progress();
                }
            }
            RabbitFault::PoisonThatKills => random.choose(&self.fleet.publishers).order("poison"),
            RabbitFault::DeadLettersRedriven => random.choose(&self.fleet.publishers).order("redrive"),
            RabbitFault::RedisKilled => Self::outage(random, 1_500, || redis.kill(), || redis.start_again()),
            RabbitFault::RedisFrozen => Self::outage(random, 2_000, || redis.pause(), || redis.resume()),
            RabbitFault::RedisSlow => {
                redis_proxy.throttle(*random.choose(&WAYS), 1_000);
                random.pause(5_000);
                redis_proxy.resume();
            }
            RabbitFault::RedisCutOff => redis_proxy.cut(Ending::Reset).unwrap(),
            RabbitFault::RedisOutOfMemory => {
                let memory = |most| redis.tell(&format!("CONFIG SET maxmemory {most}"));
                Self::outage(random, 2_000, || memory("1"), || memory("0"));
            }
            RabbitFault::RedisEmptied => {
                self.fleet.ledger.forgets();
                assert_eq!(redis.tell("FLUSHALL").unwrap(), "+OK");
                // What was handled before and is still to be read.
                sleep(Duration::from_millis(500));
                self.fleet.ledger.forgets();
            }
        }
    }

    fn end(&mut self) -> String {
        let Self { fleet, broker, .. } = self;
        fleet.end(|| left(&broker.ctl(&["list_queues", "name", "messages"]).unwrap()))
    }
}
