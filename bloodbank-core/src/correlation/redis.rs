//! Links in Redis, under the keys of the Python side.

use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use redis::{
    Client, Cmd, Pipeline, RedisError,
    aio::{ConnectionManager, ConnectionManagerConfig},
};
use secrecy::SecretString;
use uuid::{Uuid, fmt::Hyphenated};

use super::{
    codec::{self, Key},
    store::{CorrelationStore, Entry, Link, Malformed, Read},
};
use crate::{
    error::{Error, ErrorKind, Result},
    tls::redis_client,
};

/// How long a connection may take to be made.
const CONNECTING: Duration = Duration::from_secs(1);
/// How long an answer may take. Writing has a shorter deadline of its own; this one is for reading wide levels.
const ANSWERING: Duration = Duration::from_secs(5);
/// How many events are asked about in one round trip.
const WIDTH: usize = 10_000;
/// How many children one answer has, about: some 4 MB.
const CHILDREN: usize = 100_000;
/// How many children of one event an answer has, about: of many events, and of few. Redis does nothing else while it
/// collects those of one.
const PAGE: (usize, usize) = (100, 10_000);

/// Links in Redis.
///
/// An event takes one string (parents, time, key, program) and a place in the set of each parent's children; both
/// expire. Events without parents are kept too: their key, program and time are what a [`Trace`](super::Trace)
/// begins with. An event with one parent takes some 630 bytes of memory (Redis 7.0), one without parents some 280.
pub struct RedisStore {
    client: Client,
    ttl: u64,
    connection: Mutex<ConnectionManager>,
}

impl RedisStore {
    /// A store in the Redis at this address, for links that live so long. It connects when it is first used; call
    /// this within a tokio runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Settings`] when the address is none.
    pub fn new(url: &SecretString, ttl: Duration) -> Result<Self> {
        Self::with_client(redis_client(url, None)?, ttl)
    }

    pub(super) fn with_client(client: Client, ttl: Duration) -> Result<Self> {
        Ok(Self { connection: Mutex::new(connect(&client).map_err(failed)?), ttl: ttl.as_secs().max(1), client })
    }

    fn connection(&self) -> ConnectionManager {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set_connection(&self, connection: ConnectionManager) {
        *self.connection.lock().unwrap_or_else(PoisonError::into_inner) = connection;
    }

    /// One round trip. Errors of single commands are among the answers.
    async fn send(&self, pipeline: &mut Pipeline) -> Result<Vec<redis::Value>> {
        let mut connection = self.connection();
        let answers = pipeline.ignore_errors().query_async(&mut connection).await;
        answers.map_err(|error: RedisError| {
            // The manager makes a new connection after an I/O error alone: not after silence, nor a wrong password.
            if (error.is_timeout() || !error.is_io_error())
                && let Ok(connection) = connect(&self.client)
            {
                self.set_connection(connection);
            }
            failed(error)
        })
    }

    /// The answers to one command for each event, in few round trips.
    async fn ask(&self, command: &str, keys: &[Key]) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(keys.len());
        for keys in keys.chunks(WIDTH) {
            let mut pipeline = Pipeline::with_capacity(keys.len());
            for key in keys {
                pipeline.cmd(command).arg(key.as_bytes());
            }
            for value in self.send(&mut pipeline).await? {
                answers.push(answer(value)?);
            }
        }
        Ok(answers)
    }

    /// The next children of some of these events, in one round trip; returns those that have more.
    async fn scan(
        &self,
        open: &[Scan],
        events: &[Uuid],
        children: &mut [Vec<Uuid>],
        malformed: &mut Vec<Malformed>,
    ) -> Result<Vec<Scan>> {
        let count = (CHILDREN / open.len()).clamp(PAGE.0, PAGE.1);
        let mut pipeline = Pipeline::with_capacity(open.len());
        for scan in open {
            let key = codec::reverse_key(events[scan.event]);
            pipeline.cmd("SSCAN").arg(key.as_bytes()).arg(scan.cursor).arg("COUNT").arg(count);
        }
        let mut more = Vec::new();
        for (value, &Scan { event, .. }) in self.send(&mut pipeline).await?.into_iter().zip(open) {
            let (event_id, key) = (events[event], codec::reverse_key(events[event]));
            let Answer::Value(value) = answer(value)? else {
                malformed.push(wrong_type(event_id, key, "set"));
                continue;
            };
            let (cursor, members): (u64, Vec<Vec<u8>>) = redis::from_redis_value(value).map_err(failed)?;
            let (found, problem) = codec::ids(members.iter().map(Vec::as_slice));
            children[event].extend(found);
            if let Some(problem) = problem
                && !malformed.iter().any(|known| known.event_id == event_id)
            {
                malformed.push(Malformed { event_id, key: key.to_string(), problem });
            }
            if cursor != 0 {
                more.push(Scan { event, cursor });
            }
        }
        Ok(more)
    }

    /// What records the links, and where in it which parent gets its children.
    fn write_pipeline(&self, links: &[Link]) -> (Pipeline, Vec<(usize, Uuid)>) {
        let ttl = self.ttl.to_string();
        let mut pipeline = Pipeline::with_capacity(links.len() * 3);
        let mut children = Vec::with_capacity(links.len());
        let mut value = Vec::new();
        for link in links {
            value.clear();
            codec::encode(link, &mut value);
            let key = codec::forward_key(link.child);
            pipeline.add_command(command(&[b"SETEX", key.as_bytes(), ttl.as_bytes(), &value]));
            children.extend(link.parents.iter().map(|parent| (*parent, link.child)));
        }
        // The siblings of a batch are added to their parent at once.
        children.sort_unstable();
        let mut sets = Vec::with_capacity(children.len());
        for siblings in children.chunk_by(|(one, _), (other, _)| one == other) {
            let parent = siblings[0].0;
            let key = codec::reverse_key(parent);
            let mut add = Cmd::with_capacity(siblings.len() + 2, (siblings.len() + 3) * Hyphenated::LENGTH);
            add.arg("SADD").arg(key.as_bytes());
            for (_, child) in siblings {
                add.arg(child.hyphenated().encode_lower(&mut Uuid::encode_buffer()).as_bytes());
            }
            sets.push((pipeline.len(), parent));
            pipeline.add_command(add);
            pipeline.add_command(command(&[b"EXPIRE", key.as_bytes(), ttl.as_bytes()]));
        }
        (pipeline, sets)
    }
}

/// A command in two allocations, however long it is.
fn command(arguments: &[&[u8]]) -> Cmd {
    let length = arguments.iter().map(|argument| argument.len()).sum();
    let mut command = Cmd::with_capacity(arguments.len(), length);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

fn connect(client: &Client) -> Result<ConnectionManager, RedisError> {
    let config = ConnectionManagerConfig::new()
        .set_connection_timeout(Some(CONNECTING))
        .set_response_timeout(Some(ANSWERING))
        .set_number_of_retries(0);
    client.get_connection_manager_lazy(config)
}

fn failed(error: impl Into<RedisError>) -> Error {
    Error::new(ErrorKind::Storage, "redis failed").with_source(error.into())
}

/// How far the children of an event are read: its place among the events, and where Redis goes on.
struct Scan {
    event: usize,
    cursor: u64,
}

/// What Redis says to one command of a pipeline.
enum Answer {
    Value(redis::Value),
    /// The key holds a value of another kind.
    WrongType,
}

fn answer(value: redis::Value) -> Result<Answer> {
    match value {
        redis::Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(Answer::WrongType),
        redis::Value::ServerError(error) => Err(failed(error)),
        value => Ok(Answer::Value(value)),
    }
}

fn wrong_type(event_id: Uuid, key: Key, expected: &str) -> Malformed {
    Malformed { event_id, key: key.to_string(), problem: format!("holds another type than a {expected}; delete it") }
}

impl CorrelationStore for RedisStore {
    fn describe(&self) -> String {
        let info = self.client.get_connection_info();
        format!("redis at {}", info.addr())
    }

    fn write<'a>(&'a self, links: &'a [Link]) -> BoxFuture<'a, Result<Vec<Malformed>>> {
        Box::pin(async move {
            let (mut pipeline, sets) = self.write_pipeline(links);
            let mut in_the_way = Vec::new();
            for (position, value) in self.send(&mut pipeline).await?.into_iter().enumerate() {
                if let Answer::WrongType = answer(value)?
                    && let Ok(set) = sets.binary_search_by_key(&position, |(position, _)| *position)
                {
                    let parent = sets[set].1;
                    in_the_way.push(wrong_type(parent, codec::reverse_key(parent), "set"));
                }
            }
            Ok(in_the_way)
        })
    }

    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>> {
        Box::pin(async move {
            let mut connection = self.connection();
            let time = redis::cmd("TIME").query_async(&mut connection).await;
            let (seconds, micros): (i64, u32) = time.map_err(failed)?;
            Ok(DateTime::from_timestamp(seconds, micros.saturating_mul(1000)))
        })
    }

    /// Writes what belongs to no event, over a new connection: the old one may be half open, or have been refused.
    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut connection = connect(&self.client).map_err(failed)?;
            let mut pipeline = Pipeline::new();
            pipeline
                .cmd("SETEX")
                .arg(codec::forward_key(Uuid::nil()).as_bytes())
                .arg(1)
                .arg(r#"{"parent_event_ids":[]}"#);
            pipeline.exec_async(&mut connection).await.map_err(failed)?;
            self.set_connection(connection);
            Ok(())
        })
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<Read<Option<Entry>>>> {
        Box::pin(async move {
            let keys: Vec<Key> = events.iter().map(|event| codec::forward_key(*event)).collect();
            let answers = self.ask("GET", &keys).await?;
            let mut read = Read::from(Vec::with_capacity(events.len()));
            for ((answer, key), &event_id) in answers.into_iter().zip(keys).zip(events) {
                let entry = match answer {
                    Answer::Value(redis::Value::BulkString(value)) => {
                        let (entry, problem) = codec::decode(&value);
                        if let Some(problem) = problem {
                            read.malformed.push(Malformed { event_id, key: key.to_string(), problem });
                        }
                        entry
                    }
                    Answer::Value(_) => None,
                    Answer::WrongType => {
                        read.malformed.push(wrong_type(event_id, key, "string"));
                        None
                    }
                };
                read.values.push(entry);
            }
            Ok(read)
        })
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<Read<Vec<Uuid>>>> {
        Box::pin(async move {
            let mut read = Read::from(vec![Vec::new(); events.len()]);
            for (events, values) in events.chunks(WIDTH).zip(read.values.chunks_mut(WIDTH)) {
                let mut open: Vec<Scan> = (0..events.len()).map(|event| Scan { event, cursor: 0 }).collect();
                while !open.is_empty() {
                    open = self.scan(&open, events, values, &mut read.malformed).await?;
                }
            }
            for children in &mut read.values {
                // Redis gives the members of a set in no order, and some twice while the set grows.
                children.sort_unstable();
                children.dedup();
            }
            Ok(read)
        })
    }
}
