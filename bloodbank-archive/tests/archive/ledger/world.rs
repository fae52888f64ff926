//! The servers and the processes of the ledger, and what is done to them.

use std::{
    env,
    process::{Child, Command, Stdio},
    sync::Arc,
    time::{Duration, Instant},
};

use bloodbank::{
    Bus, Settings,
    amqp::{JournalRetention, JournalSwitch},
    sql::{JournalTableStatus, JournalWriter, PostgresJournal, Schema},
    store::Journal,
};
use bloodbank_archive::{Archive, Archiver, SegmentLimits};
use bloodbank_harness::{Postgres, RabbitMq};
use sqlx::PgPool;
use tokio::{task::spawn_blocking, time::sleep};
use tokio_util::sync::CancellationToken;

use super::books::Outage;
use crate::{Folder, kills::number};

const ROLE: &str = "BLOODBANK_TEST_LEDGER_ROLE";
const SEGMENT: &str = "BLOODBANK_TEST_LEDGER_SEGMENT";
const EXCHANGE: &str = "ledger";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    WriterKilled,
    ArchiverOfTheStreamKilled,
    ArchiverOfTheCopyKilled,
    DatabaseKilled,
    DatabaseStopped,
    BrokerKilled,
}

impl Fault {
    pub(super) const ALL: [Self; 6] = [
        Self::WriterKilled,
        Self::ArchiverOfTheStreamKilled,
        Self::ArchiverOfTheCopyKilled,
        Self::DatabaseKilled,
        Self::DatabaseStopped,
        Self::BrokerKilled,
    ];

    /// Each once, and then what comes; the broker seldom, which takes long to start.
    pub(super) fn choose(turn: u64, random: &mut fastrand::Rng) -> Self {
        let known = usize::try_from(turn).ok().and_then(|turn| Self::ALL.get(turn));
        known.copied().unwrap_or_else(|| match random.u8(..100) {
            0..30 => Self::WriterKilled,
            30..50 => Self::ArchiverOfTheStreamKilled,
            50..70 => Self::ArchiverOfTheCopyKilled,
            70..82 => Self::DatabaseKilled,
            82..90 => Self::DatabaseStopped,
            _ => Self::BrokerKilled,
        })
    }
}

/// What a process of the ledger does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Writer,
    ArchiverOfTheStream,
    ArchiverOfTheCopy,
}

const ROLES: [Role; 3] = [Role::Writer, Role::ArchiverOfTheStream, Role::ArchiverOfTheCopy];

pub(super) struct World {
    broker: Arc<RabbitMq>,
    database: Arc<Postgres>,
    /// The archive of the stream, and that of the copy.
    folders: [Folder; 2],
    children: Vec<Child>,
    events: u64,
}

/// The journals that are to be the same.
pub(super) struct Journals {
    pub(super) stream: Arc<dyn Journal>,
    pub(super) others: Vec<Arc<dyn Journal>>,
    archives: [Archive; 2],
    pool: PgPool,
    bus: Bus,
}

impl World {
    pub(super) async fn start(events: u64) -> Self {
        let servers = spawn_blocking(|| (RabbitMq::start().unwrap(), Postgres::start().unwrap()));
        let (broker, database) = servers.await.unwrap();
        let mut world = Self {
            broker: Arc::new(broker),
            database: Arc::new(database),
            folders: [Folder::new(), Folder::new()],
            children: Vec::new(),
            events,
        };
        // The exchange is there first.
        world.bus().await.close().await;
        let switch = JournalSwitch::connect(&world.settings()).await.unwrap();
        let retention = JournalRetention::new(Duration::from_secs(86_400), 50_000_000_000);
        switch.enable(retention, Duration::ZERO).await.unwrap();
        switch.close().await;
        let pool = PgPool::connect(&world.database.url()).await.unwrap();
        Schema::migrate(&pool).await.unwrap();
        pool.close().await;
        world.children = ROLES.map(|role| world.child(role)).into();
        world
    }

    fn settings(&self) -> Settings {
        Settings::from_vars([("RABBIT_URL", &*self.broker.url()), ("EXCHANGE_NAME", EXCHANGE)]).unwrap()
    }

    pub(super) async fn bus(&self) -> Bus {
        Bus::connect(self.settings()).await.unwrap()
    }

    /// This program again, as one of the processes.
    fn child(&self, role: Role) -> Child {
        let (journal, folder) = match role {
            Role::Writer | Role::ArchiverOfTheStream => ("stream", &self.folders[0]),
            Role::ArchiverOfTheCopy => ("sql", &self.folders[1]),
        };
        let mut command = Command::new(env::current_exe().unwrap());
        command.args(["--exact", "ledger::world::child", "--ignored", "--nocapture"]).env_clear();
        command.env(ROLE, format!("{role:?}")).env(SEGMENT, (self.events / 200).max(30).to_string());
        command.env("RABBIT_URL", self.broker.url()).env("EXCHANGE_NAME", EXCHANGE);
        command.env("DATABASE_URL", self.database.url()).env("BLOODBANK_JOURNAL", journal);
        command.env("BLOODBANK_ARCHIVE", folder.folder.path());
        command.current_dir(env::temp_dir()).stdout(Stdio::null()).stderr(Stdio::inherit()).spawn().unwrap()
    }

    /// Strikes at some time in the next seconds, and repairs what was struck; returns for how long the broker had no stream.
    pub(super) async fn strike(&mut self, fault: Fault, random: &mut fastrand::Rng, bus: &Bus) -> Option<Outage> {
        sleep(Duration::from_millis(random.u64(0..2_000))).await;
        let pause = Duration::from_millis(random.u64(0..500));
        let (broker, database) = (Arc::clone(&self.broker), Arc::clone(&self.database));
        match fault {
            Fault::WriterKilled => self.kill(Role::Writer),
            Fault::ArchiverOfTheStreamKilled => self.kill(Role::ArchiverOfTheStream),
            Fault::ArchiverOfTheCopyKilled => self.kill(Role::ArchiverOfTheCopy),
            Fault::DatabaseKilled | Fault::DatabaseStopped => {
                let restarted = spawn_blocking(move || {
                    if fault == Fault::DatabaseKilled {
                        database.kill().unwrap()
                    } else {
                        database.stop().unwrap()
                    }
                    std::thread::sleep(pause);
                    database.start_again().unwrap();
                });
                restarted.await.unwrap();
            }
            Fault::BrokerKilled => {
                let from = Instant::now();
                let restarted = spawn_blocking(move || {
                    broker.kill().unwrap();
                    std::thread::sleep(pause);
                    broker.start_again().unwrap();
                });
                restarted.await.unwrap();
                let stream = JournalWriter::source_of(bus).unwrap();
                tip(&*stream).await;
                return Some((from, Instant::now()));
            }
        }
        None
    }

    fn kill(&mut self, role: Role) {
        let another = self.child(role);
        let mut killed = std::mem::replace(&mut self.children[role as usize], another);
        killed.kill().unwrap();
        killed.wait().unwrap();
    }

    /// Waits until the copy and the archives have everything that the stream has.
    pub(super) async fn caught_up(&mut self) -> Journals {
        let (bus, patience) = (self.bus().await, Duration::from_secs(300 + self.events / 200));
        let pool = PgPool::connect(&self.database.url()).await.unwrap();
        let (stream, copy) = (JournalWriter::source_of(&bus).unwrap(), PostgresJournal::new(pool.clone()));
        let archives = [self.folders[0].archive.clone(), self.folders[1].archive.clone()];
        let (begun, tip) = (Instant::now(), tip(&*stream).await);
        loop {
            let tips = [copy.tip().await.unwrap(), archives[0].tip().await.unwrap(), archives[1].tip().await.unwrap()];
            if tips == [tip; 3] {
                break;
            }
            assert!(begun.elapsed() < patience, "the stream ends at {tip:?}, copy and archives at {tips:?}");
            for child in &mut self.children {
                assert!(child.try_wait().unwrap().is_none(), "a process has ended by itself");
            }
            sleep(Duration::from_millis(100)).await;
        }
        let others: Vec<Arc<dyn Journal>> =
            vec![Arc::new(copy), Arc::new(archives[0].clone()), Arc::new(archives[1].clone())];
        Journals { stream, others, archives, pool, bus }
    }
}

/// The newest offset of the stream, as soon as the broker has it again.
async fn tip(stream: &dyn Journal) -> Option<u64> {
    let begun = Instant::now();
    loop {
        match stream.tip().await {
            Ok(tip) => return tip,
            Err(error) => assert!(begun.elapsed() < Duration::from_secs(120), "{error}"),
        }
        sleep(Duration::from_millis(20)).await;
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for child in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Journals {
    /// Nobody says that something was lost.
    pub(super) async fn nothing_is_missing(self) {
        assert_eq!(JournalTableStatus::read(&self.pool).await.unwrap().lost, []);
        for archive in &self.archives {
            assert_eq!(archive.status().await.unwrap().missing, []);
        }
        self.pool.close().await;
        self.bus.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "another test of this file starts it"]
async fn child() {
    let Ok(role) = env::var(ROLE) else { return };
    // A server may be away just now.
    let bus = loop {
        match Bus::connect(Settings::load().unwrap()).await {
            Ok(bus) => break bus,
            Err(_) => sleep(Duration::from_millis(100)).await,
        }
    };
    if role == format!("{:?}", Role::Writer) {
        let pool = PgPool::connect_lazy(&env::var("DATABASE_URL").unwrap()).unwrap();
        while JournalWriter::new(pool.clone()).run(bus.clone(), CancellationToken::new()).await.is_err() {
            sleep(Duration::from_millis(100)).await;
        }
        return;
    }
    let archive = Archive::open(&env::var("BLOODBANK_ARCHIVE").unwrap()).unwrap();
    let events = usize::try_from(number(SEGMENT, 100)).unwrap();
    let limits = SegmentLimits::default().events(events).age(Duration::from_millis(500));
    Archiver::new(archive).limits(limits).run(bus, CancellationToken::new()).await.unwrap();
}
