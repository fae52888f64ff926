//! Connecting: the transport and the stores that the settings choose. The only module that knows implementations.

use std::sync::Arc;

use tracing::info;

#[cfg(feature = "redis")]
use crate::store::redis::{RedisClaims, RedisConnection, RedisLeases, RedisLinks, RedisParkedKeys};
use crate::{
    app::place,
    claim_check::ClaimCheck,
    correlation::CorrelationTracker,
    dedupe::Dedupe,
    error::{Error, ErrorKind, Result},
    publish::Bus,
    settings::{ClaimStoreKind, CorrelationStoreKind, JournalKind, Settings},
    store::{ArchiveProvider, DatabaseProvider, FileClaims, ParkedKeys, memory::MemoryLeases},
    transport::{Topology, Transport, TransportProvider},
};

impl Bus {
    /// Connects to the bus that the environment, `.env` and `bloodbank.toml` describe: RabbitMQ where `RABBIT_URL` is
    /// set, otherwise the embedded bus.
    ///
    /// A line of level `info` says where the bus is and what is lost when this process ends.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] naming the variable, its value and what is allowed, also for a bus in memory in an
    /// `ENVIRONMENT` other than `dev` and `test` without `BLOODBANK_ALLOW_MEMORY=1`; [`ErrorKind::Connection`] when
    /// RabbitMQ does not answer.
    pub async fn from_env() -> Result<Self> {
        Self::connect(Settings::load()?).await
    }

    /// Connects to the bus that these settings describe.
    ///
    /// # Errors
    /// Like [`Bus::from_env`].
    pub async fn connect(settings: Settings) -> Result<Self> {
        BusBuilder::new(settings).connect().await
    }

    /// Connects to the bus in a file through the process that has it open, for tools that look on; `None`: no process
    /// has it, or the settings name no file. The bus ends with that process.
    ///
    /// ```no_run
    /// # use bloodbank_core::{Bus, Settings};
    /// # async fn example() -> bloodbank_core::Result<()> {
    /// let settings = Settings::load()?;
    /// if let Some(bus) = Bus::attach(&settings).await? {
    ///     println!("a service has it open; its exchange is {}", bus.exchange());
    /// }
    /// # Ok(()) }
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::Connection`] when that process does not answer, or is built with a version that cannot talk to this one.
    pub async fn attach(settings: &Settings) -> Result<Option<Self>> {
        if settings.rabbit_url.is_some() || settings.embedded_path.is_none() {
            return Ok(None);
        }
        let Some(attach) = TransportProvider::named("embedded").and_then(|provider| provider.attach) else {
            return Ok(None);
        };
        let Some(transport) = attach(settings).await? else { return Ok(None) };
        BusBuilder::new(settings.clone()).transport(transport).connect().await.map(Some)
    }

    /// The bus of these settings, for a program beside a service: by way of the process that has its file open, and by itself where
    /// nobody has. A process that has just locked the file is waited for until it lets others in.
    ///
    /// # Errors
    /// Those of [`Bus::connect`].
    pub async fn attach_or_connect(settings: Settings) -> Result<Self> {
        if let Some(bus) = Self::attach(&settings).await? {
            return Ok(bus);
        }
        match Self::connect(settings.clone()).await {
            Ok(bus) => Ok(bus),
            Err(error) => match Self::attach(&settings).await {
                Ok(Some(bus)) => Ok(bus),
                Ok(None) | Err(_) => Err(error),
            },
        }
    }

    /// Creates a bus in this process and in memory, for tests and experiments.
    ///
    /// # Panics
    /// When the crate `bloodbank-embedded` is compiled but not linked into this program; the facade `bloodbank` links it.
    #[cfg(feature = "embedded")]
    #[must_use]
    pub fn embedded() -> Self {
        let settings = Settings::default();
        let correlation = Some(CorrelationTracker::in_memory(&settings));
        let transport = TransportProvider::named("embedded")
            .and_then(|provider| provider.in_memory)
            .map(|in_memory| in_memory(&Topology::events(&settings.exchange_name.as_str().into())))
            .expect("`bloodbank-embedded` is linked where its feature is on; add `use bloodbank_embedded as _;`");
        Self::assemble(settings, transport, correlation)
    }
}

/// The builder of a bus from settings, or from parts of your own.
pub struct BusBuilder {
    settings: Settings,
    transport: Option<Arc<dyn Transport>>,
    /// `Some(None)`: correlation is switched off.
    correlation: Option<Option<CorrelationTracker>>,
}

impl BusBuilder {
    /// Creates a builder that takes everything from these settings.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, transport: None, correlation: None }
    }

    /// Replaces the transport that the settings choose.
    #[must_use]
    pub fn transport(mut self, transport: Arc<dyn Transport>) -> Self {
        self.transport = Some(transport);
        self
    }

    /// Replaces the correlation index that the settings choose.
    #[must_use]
    pub fn correlation(mut self, correlation: CorrelationTracker) -> Self {
        self.correlation = Some(Some(correlation));
        self
    }

    /// Switches the correlation index off; the envelopes hold the parents all the same.
    #[must_use]
    pub fn without_correlation(mut self) -> Self {
        self.correlation = Some(None);
        self
    }

    /// Connects the bus and declares the exchange of its events.
    ///
    /// # Errors
    /// Like [`Bus::from_env`].
    pub async fn connect(self) -> Result<Bus> {
        let Self { settings, transport, correlation } = self;
        let transport = match transport {
            Some(transport) => transport,
            None => {
                place::check(&settings)?;
                place::announce(&settings);
                open_transport(&settings).await?
            }
        };
        let correlation = match correlation {
            Some(correlation) => correlation,
            None => Some(open_correlation(&settings, Some(&transport)).await?),
        };
        let bus = Bus::assemble(settings, transport, correlation);
        if bus.settings().journal == JournalKind::Sql {
            read_journal_in_database(&bus)?;
        }
        if bus.settings().journal != JournalKind::Off {
            bus.read_archive(|closing| ArchiveProvider::archive(bus.settings(), closing))?;
        }
        bus.declare(Topology::events(bus.exchange())).await?;
        Ok(bus)
    }
}

async fn open_transport(settings: &Settings) -> Result<Arc<dyn Transport>> {
    let (system, variable, feature) = match (&settings.rabbit_url, &settings.embedded_path) {
        (Some(_), _) => ("rabbitmq", "RABBIT_URL is set", "amqp"),
        (None, Some(_)) => ("embedded", "BLOODBANK_EMBEDDED_PATH is set", "sqlite"),
        (None, None) => ("embedded", "RABBIT_URL is not set", "embedded"),
    };
    match TransportProvider::named(system) {
        Some(provider) => (provider.connect)(settings).await,
        None => Err(Error::new(
            ErrorKind::Settings,
            format!("{variable}, but this program was built without the feature `{feature}` of `bloodbank`; add it"),
        )),
    }
}

/// Lets a bus read the journal in the database of the settings. That is not asked yet: a service works while it is away.
fn read_journal_in_database(bus: &Bus) -> Result<()> {
    let database = DatabaseProvider::database(bus.settings())?;
    if bus.read_journal(|closing| database.journal(closing)) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Settings,
        "BLOODBANK_JOURNAL is `sql`, and DATABASE_URL names a database that keeps no journal; name one of PostgreSQL, or set \
         BLOODBANK_JOURNAL to `stream`",
    ))
}

/// Opens the correlation index: where `BLOODBANK_CORRELATION_STORE` says; otherwise in Redis where the settings name one, otherwise where the transport keeps its events,
/// otherwise in memory.
async fn open_correlation(settings: &Settings, transport: Option<&Arc<dyn Transport>>) -> Result<CorrelationTracker> {
    match settings.correlation_store {
        Some(CorrelationStoreKind::Sql) => {
            let database = DatabaseProvider::database(settings)?;
            database.check().await?;
            return Ok(CorrelationTracker::with_store(database.links(settings.correlation_ttl)).await);
        }
        Some(CorrelationStoreKind::Memory) => return Ok(CorrelationTracker::in_memory(settings)),
        Some(CorrelationStoreKind::Redis) | None => {}
    }
    if settings.redis_url.is_some() {
        return redis_correlation(settings).await;
    }
    Ok(match transport.and_then(|transport| transport.stores(settings).links) {
        Some(links) => CorrelationTracker::direct(links),
        None => CorrelationTracker::in_memory(settings),
    })
}

#[cfg(feature = "redis")]
async fn redis_correlation(settings: &Settings) -> Result<CorrelationTracker> {
    match RedisConnection::from_settings(settings)? {
        Some(redis) => {
            let links = RedisLinks::new(redis, settings.correlation_ttl);
            Ok(CorrelationTracker::with_store(Arc::new(links)).await)
        }
        None => Ok(CorrelationTracker::in_memory(settings)),
    }
}

#[cfg(not(feature = "redis"))]
async fn redis_correlation(_: &Settings) -> Result<CorrelationTracker> {
    Err(without_redis("unset REDIS_URL"))
}

#[cfg(not(feature = "redis"))]
fn without_redis(otherwise: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!(
            "the settings ask for Redis, but this program was built without the feature `redis`; add it, or {otherwise}"
        ),
    )
}

impl CorrelationTracker {
    /// Opens the tracker that the settings describe: in Redis where its address is set, otherwise in the file of the
    /// embedded bus where that is set and RabbitMQ is not, otherwise in memory. A bus that uses the file has it open
    /// already: ask [`Bus::correlation`] there.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the address of Redis is none; [`ErrorKind::Storage`] when the file cannot be opened
    /// or is in use. Never when Redis does not answer or refuses the password: tracking then begins by itself once it
    /// does not.
    pub async fn open(settings: &Settings) -> Result<Self> {
        if settings.correlation_store == Some(CorrelationStoreKind::Sql) || settings.redis_url.is_some() {
            return open_correlation(settings, None).await;
        }
        if settings.rabbit_url.is_some() || settings.embedded_path.is_none() {
            return Ok(Self::in_memory(settings));
        }
        let transport = open_transport(settings).await?;
        let tracker = open_correlation(settings, Some(&transport)).await?;
        Ok(tracker.keeping_open(transport))
    }
}

/// The number of commands that a process recognises where nothing outlives it: some 15 MB.
const REMEMBERED_COMMANDS: usize = 100_000;

impl Dedupe {
    /// Creates deduplication in the Redis of the settings, or without one in the embedded bus, or on RabbitMQ in the database
    /// of `DATABASE_URL`.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] on RabbitMQ without `REDIS_URL` and `DATABASE_URL`: nothing would outlive the process.
    pub fn of(bus: &Bus) -> Result<Self> {
        #[cfg(feature = "redis")]
        if let Some(redis) = RedisConnection::from_settings(bus.settings())? {
            return Ok(Self::in_store(Arc::new(RedisLeases::new(redis))));
        }
        match bus.stores().leases {
            Some(store) => Ok(Self::in_store(store)),
            None if bus.settings().database_url.is_some() => {
                Ok(Self::in_store(DatabaseProvider::database(bus.settings())?.leases()))
            }
            None => Err(Error::new(
                ErrorKind::Settings,
                "`dedupe` needs a store that outlives the process: set REDIS_URL or DATABASE_URL, or give the app one with `App::dedupe`",
            )),
        }
    }

    /// Creates deduplication for an app that has none. Where nothing outlives this process, commands are recognised within it,
    /// unless something `asks` for more than their default.
    pub(super) fn for_app(bus: &Bus, asks: bool) -> Result<Self> {
        match Self::of(bus) {
            Err(_) if !asks && bus.settings().redis_url.is_none() => {
                info!(
                    "a command that is published twice is recognised by this process only, among its last {REMEMBERED_COMMANDS}; set REDIS_URL"
                );
                Ok(Self::in_store(Arc::new(MemoryLeases::of_the_last(REMEMBERED_COMMANDS))))
            }
            found => found,
        }
    }
}

/// The store of parked keys that the settings choose: Redis, or without one the embedded bus, or on RabbitMQ the database of
/// `DATABASE_URL`. The tools find the same one.
///
/// # Errors
/// [`ErrorKind::Settings`] on RabbitMQ without `REDIS_URL` and `DATABASE_URL`, and where the database has no table for it.
pub(crate) async fn parked_keys(bus: &Bus) -> Result<Arc<dyn ParkedKeys>> {
    #[cfg(feature = "redis")]
    if let Some(redis) = RedisConnection::from_settings(bus.settings())? {
        return Ok(Arc::new(RedisParkedKeys::new(redis)));
    }
    if let Some(store) = bus.stores().parked_keys {
        return Ok(store);
    }
    if bus.settings().database_url.is_none() {
        return Err(Error::new(
            ErrorKind::Settings,
            "`retry(park_key)` needs a store that outlives the process and that every tool can reach: set REDIS_URL or DATABASE_URL",
        ));
    }
    let database = DatabaseProvider::database(bus.settings())?;
    match database.check().await {
        Err(error) if error.kind() == ErrorKind::Settings => Err(error),
        // One that is away is waited for, event by event.
        Ok(()) | Err(_) => Ok(database.parked_keys()),
    }
}

impl ClaimCheck {
    /// Creates a claim check with the store, the lifetime and the threshold of the settings.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when that store needs an address or a directory that is not set, or a feature that is not
    /// built in; [`ErrorKind::Storage`] when the directory cannot be used.
    pub fn from_settings(settings: &Settings) -> Result<Self> {
        let check = match settings.claim_store {
            ClaimStoreKind::Memory => Self::memory(),
            ClaimStoreKind::File => {
                let directory =
                    settings.claim_directory.as_deref().ok_or_else(|| no_place("BLOODBANK_CLAIM_DIRECTORY"))?;
                Self::new(FileClaims::open(directory)?)
            }
            ClaimStoreKind::Redis => redis_claims(settings)?,
            ClaimStoreKind::Sql => Self::in_store(DatabaseProvider::database(settings)?.claims()),
        };
        Ok(check.ttl(settings.claim_ttl).threshold(settings.claim_threshold))
    }
}

#[cfg(feature = "redis")]
fn redis_claims(settings: &Settings) -> Result<ClaimCheck> {
    let redis = RedisConnection::from_settings(settings)?.ok_or_else(|| no_place("REDIS_URL"))?;
    Ok(ClaimCheck::new(RedisClaims::new(redis).prefix(&settings.claim_prefix)))
}

#[cfg(not(feature = "redis"))]
fn redis_claims(_: &Settings) -> Result<ClaimCheck> {
    Err(without_redis("set BLOODBANK_CLAIM_STORE to `memory` or `file`"))
}

fn no_place(name: &str) -> Error {
    Error::new(
        ErrorKind::Settings,
        format!("large payloads have no place: {name} is not set; set it, or BLOODBANK_CLAIM_STORE"),
    )
}
