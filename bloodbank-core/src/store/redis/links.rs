//! A link store in Redis, under the keys of the Python side.

use std::{collections::BTreeSet, time::Duration};

use chrono::{DateTime, Utc};
use futures_util::future::BoxFuture;
use redis::{Cmd, Pipeline};
use uuid::{Uuid, fmt::Hyphenated};

use super::{
    RedisConnection,
    codec::{self, Key},
};
use crate::{
    error::Result,
    store::{BatchRead, CausationLink, LinkEntry, LinkStore, MalformedEntry},
};

/// The number of keys that are looked at in one round trip: Redis does nothing else meanwhile.
const KEYS: usize = 10_000;
/// The largest number of events in one round trip.
const WIDTH: usize = 10_000;
/// The approximate number of children in one answer: some 4 MB.
const CHILDREN: usize = 100_000;
/// The approximate number of children of one event in an answer: of many events, and of few. Redis does nothing else
/// while it collects those of one.
const PAGE: (usize, usize) = (100, 10_000);

/// A link store in Redis.
///
/// An event takes one string (parents, time, key, program) and a place in the set of each parent's children; both
/// expire. Events without parents are kept too: their key, program and time are what a [`Trace`](crate::correlation::Trace)
/// begins with. An event with one parent takes some 630 bytes of memory (Redis 7.0), one without parents some 280.
#[derive(Debug, Clone)]
pub struct RedisLinks {
    redis: RedisConnection,
    ttl: u64,
}

impl RedisLinks {
    /// Creates a store in the Redis of this connection, for links with this time to live.
    #[must_use]
    pub fn new(redis: RedisConnection, ttl: Duration) -> Self {
        Self { redis, ttl: ttl.as_secs().max(1) }
    }

    /// Sends commands in one round trip; errors of single commands are among the answers.
    async fn send(&self, pipeline: &mut Pipeline) -> Result<Vec<redis::Value>> {
        self.redis.send(pipeline.ignore_errors()).await
    }

    fn answer(&self, value: redis::Value) -> Result<Answer> {
        match value {
            redis::Value::ServerError(error) if error.code() == "WRONGTYPE" => Ok(Answer::WrongType),
            redis::Value::ServerError(error) => Err(self.redis.failed(error)),
            value => Ok(Answer::Value(value)),
        }
    }

    /// Asks one command for each event, in few round trips; returns the answers.
    async fn ask(&self, command: &str, keys: &[Key]) -> Result<Vec<Answer>> {
        let mut answers = Vec::with_capacity(keys.len());
        for keys in keys.chunks(WIDTH) {
            let mut pipeline = Pipeline::with_capacity(keys.len());
            for key in keys {
                pipeline.cmd(command).arg(key.as_bytes());
            }
            for value in self.send(&mut pipeline).await? {
                answers.push(self.answer(value)?);
            }
        }
        Ok(answers)
    }

    /// Reads the next children of some of these events, in one round trip; returns the scans that have more.
    async fn scan(
        &self,
        open: &[Scan],
        events: &[Uuid],
        children: &mut [Vec<Uuid>],
        malformed: &mut Vec<MalformedEntry>,
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
            let Answer::Value(value) = self.answer(value)? else {
                malformed.push(wrong_type(event_id, key, "set"));
                continue;
            };
            let (cursor, members): (u64, Vec<Vec<u8>>) =
                redis::from_redis_value(value).map_err(|error| self.redis.failed(error))?;
            let (found, problem) = codec::ids(members.iter().map(Vec::as_slice));
            children[event].extend(found);
            if let Some(problem) = problem
                && !malformed.iter().any(|known| known.event_id == event_id)
            {
                malformed.push(MalformedEntry { event_id, key: key.to_string(), problem });
            }
            if cursor != 0 {
                more.push(Scan { event, cursor });
            }
        }
        Ok(more)
    }

    /// The pipeline that records the links, and the positions in it at which parents get their children.
    fn write_pipeline(&self, links: &[CausationLink]) -> (Pipeline, Vec<(usize, Uuid)>) {
        let ttl = self.ttl.to_string();
        let mut pipeline = Pipeline::with_capacity(links.len() * 3);
        let mut children = Vec::with_capacity(links.len());
        let mut value = Vec::new();
        for link in links {
            value.clear();
            codec::encode(link, &mut value);
            let key = codec::forward_key(link.child);
            // An event that comes again without parents keeps those that are known.
            pipeline.add_command(if link.parents.is_empty() {
                command(&[b"SET", key.as_bytes(), &value, b"EX", ttl.as_bytes(), b"NX"])
            } else {
                command(&[b"SETEX", key.as_bytes(), ttl.as_bytes(), &value])
            });
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

/// Builds a command in two allocations, however long it is.
fn command(arguments: &[&[u8]]) -> Cmd {
    let length = arguments.iter().map(|argument| argument.len()).sum();
    let mut command = Cmd::with_capacity(arguments.len(), length);
    for argument in arguments {
        command.arg(*argument);
    }
    command
}

/// The scan of an event's children: its place among the events, and the cursor where Redis goes on.
struct Scan {
    event: usize,
    cursor: u64,
}

/// The answer of Redis to one command of a pipeline.
enum Answer {
    Value(redis::Value),
    /// The key holds a value of another kind.
    WrongType,
}

fn wrong_type(event_id: Uuid, key: Key, expected: &str) -> MalformedEntry {
    MalformedEntry {
        event_id,
        key: key.to_string(),
        problem: format!("holds another type than a {expected}; delete it"),
    }
}

impl LinkStore for RedisLinks {
    fn describe(&self) -> String {
        self.redis.to_string()
    }

    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>> {
        Box::pin(async move {
            let (mut pipeline, sets) = self.write_pipeline(links);
            let mut in_the_way = Vec::new();
            for (position, value) in self.send(&mut pipeline).await?.into_iter().enumerate() {
                if let Answer::WrongType = self.answer(value)?
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
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline.cmd("TIME");
            let ((seconds, micros),): ((i64, u32),) = self.redis.send(&pipeline).await?;
            Ok(DateTime::from_timestamp(seconds, micros.saturating_mul(1000)))
        })
    }

    /// Writes a value that belongs to no event.
    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline
                .cmd("SETEX")
                .arg(codec::forward_key(Uuid::nil()).as_bytes())
                .arg(1)
                .arg(r#"{"parent_event_ids":[]}"#);
            self.redis.send_anew(&pipeline).await
        })
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>> {
        Box::pin(async move {
            let keys: Vec<Key> = events.iter().map(|event| codec::forward_key(*event)).collect();
            let answers = self.ask("GET", &keys).await?;
            let mut read = BatchRead::from(Vec::with_capacity(events.len()));
            for ((answer, key), &event_id) in answers.into_iter().zip(keys).zip(events) {
                let entry = match answer {
                    Answer::Value(redis::Value::BulkString(value)) => {
                        let (entry, problem) = codec::decode(&value);
                        if let Some(problem) = problem {
                            read.malformed.push(MalformedEntry { event_id, key: key.to_string(), problem });
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

    /// Looks at every key: Redis has no index of them.
    fn find(&self, first: Uuid, last: Uuid, limit: usize) -> BoxFuture<'_, Result<Vec<Uuid>>> {
        Box::pin(async move {
            let (pattern, mut cursor) = (codec::keys_between(first, last), 0_u64);
            let mut found = BTreeSet::new();
            loop {
                let mut pipeline = Pipeline::with_capacity(1);
                pipeline.cmd("SCAN").arg(cursor).arg("MATCH").arg(&pattern).arg("COUNT").arg(KEYS);
                let ((next, keys),): ((u64, Vec<Vec<u8>>),) = self.redis.send(&pipeline).await?;
                let events = keys.iter().filter_map(|key| codec::event_of_key(key));
                found.extend(events.filter(|event| (first..=last).contains(event)));
                cursor = next;
                if cursor == 0 {
                    return Ok(found.into_iter().take(limit).collect());
                }
            }
        })
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>> {
        Box::pin(async move {
            let mut read = BatchRead::from(vec![Vec::new(); events.len()]);
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
