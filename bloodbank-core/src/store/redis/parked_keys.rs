//! A store of parked keys in Redis.

use chrono::DateTime;
use futures_util::future::BoxFuture;
use redis::{FromRedisValue, Pipeline};
use uuid::Uuid;

use super::RedisConnection;
use crate::{
    error::{Error, ErrorKind, Result},
    store::{ParkedEvent, ParkedKey, ParkedKeys, Place},
};

// KEYS[1]: a hash of the queue, from each key with a line to the event that was handled last, or an empty text.
// KEYS[2]: the line, a sorted set of events by the microsecond in which each was parked, no two in the same one.
// ARGV: key, event. `%.0f`, because Lua writes large numbers with 14 digits.
const ADD: &str = "
    local function add()
        local time = redis.call('TIME')
        local place = time[1] * 1000000 + time[2]
        if redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then
            redis.call('HSET', KEYS[1], ARGV[1], '')
            local first = redis.call('ZRANGE', KEYS[2], 0, 0, 'WITHSCORES')
            if first[2] then place = tonumber(first[2]) - 1 end
        else
            local last = redis.call('ZRANGE', KEYS[2], -1, -1, 'WITHSCORES')
            if last[2] then place = math.max(place, tonumber(last[2]) + 1) end
        end
        if redis.call('ZADD', KEYS[2], 'NX', string.format('%.0f', place), ARGV[2]) == 1 then
            redis.call('HSETNX', KEYS[1], ARGV[1], '')
        end
        return string.format('%.0f', tonumber(redis.call('ZSCORE', KEYS[2], ARGV[2])))
    end";
const JOIN: &str = "
    local first = redis.call('ZRANGE', KEYS[2], 0, 0)[1]
    if not first then return {'', '0'} end
    if first == ARGV[2] or redis.call('HGET', KEYS[1], ARGV[1]) == ARGV[2] then return {ARGV[2], '0'} end
    return {first, add()}";
const PARK: &str = "
    return add()";
const REMOVE: &str = "
    local was_there = redis.call('ZREM', KEYS[2], ARGV[2])
    if redis.call('EXISTS', KEYS[2]) == 0 then
        redis.call('HDEL', KEYS[1], ARGV[1])
        return 1
    end";
const LEAVE: &str = "
    if was_there == 1 then redis.call('HSET', KEYS[1], ARGV[1], ARGV[2]) end
    return 1";
const RELEASE: &str = "
    local events = redis.call('ZCARD', KEYS[2])
    redis.call('DEL', KEYS[2])
    redis.call('HDEL', KEYS[1], ARGV[1])
    return events";

/// The number of lines that one round trip looks at.
const STEP: usize = 500;

/// A store of parked keys in Redis: the keys of a queue in the hash `bloodbank:parked:{queue}`, and the line of each in
/// `bloodbank:parked:{queue}:key`. Nothing of it expires.
///
/// A line that Redis loses, by a crash without persistence or because it evicts, holds nothing back any more.
#[derive(Debug, Clone)]
pub struct RedisParkedKeys(RedisConnection);

impl RedisParkedKeys {
    /// Creates a store in the Redis of this connection.
    #[must_use]
    pub fn new(redis: RedisConnection) -> Self {
        Self(redis)
    }

    async fn run<T: FromRedisValue>(&self, script: &[&str], queue: &str, key: &str, event: &str) -> Result<T> {
        let mut pipeline = Pipeline::with_capacity(1);
        pipeline
            .cmd("EVAL")
            .arg(script.concat())
            .arg(2)
            .arg(keys_of(queue))
            .arg(line_of(queue, key))
            .arg(key)
            .arg(event);
        let (answer,) = self.0.send(&pipeline).await?;
        Ok(answer)
    }

    async fn change<T: FromRedisValue>(&self, script: &[&str], event: &ParkedEvent) -> Result<T> {
        self.run(script, &event.queue, &event.key, &event.event_id.hyphenated().to_string()).await
    }

    async fn lines(&self, queue: &str, keys: Vec<String>) -> Result<Vec<ParkedKey>> {
        let mut pipeline = Pipeline::with_capacity(2 * keys.len());
        for key in &keys {
            let line = line_of(queue, key);
            pipeline.cmd("ZCARD").arg(&line).cmd("ZRANGE").arg(&line).arg(0).arg(0).arg("WITHSCORES");
        }
        let answers: Vec<redis::Value> = self.0.send(&pipeline).await?;
        let mut answers = answers.into_iter();
        let mut listed = Vec::with_capacity(keys.len());
        for key in keys {
            let events: u64 = self.answer(answers.next())?;
            let first: Vec<(String, f64)> = self.answer(answers.next())?;
            // It was emptied in between.
            let Some((first, place)) = first.into_iter().next() else { continue };
            #[allow(clippy::cast_possible_truncation, reason = "microseconds since 1970 fit")]
            let since = DateTime::from_timestamp_micros(place as i64).unwrap_or_default();
            listed.push(ParkedKey { key, events, first: self.event(&first)?, since });
        }
        Ok(listed)
    }

    fn answer<T: FromRedisValue>(&self, value: Option<redis::Value>) -> Result<T> {
        redis::from_redis_value(value.unwrap_or(redis::Value::Nil)).map_err(|error| self.0.failed(error))
    }

    fn event(&self, text: &str) -> Result<Uuid> {
        text.parse().map_err(|error| {
            let text =
                format!("{} has `{text}` in the line of a parked key, which is no id of an event; remove it", self.0);
            Error::new(ErrorKind::Storage, text).with_source(error)
        })
    }
}

/// The braces keep what belongs to a queue on one node of a cluster.
fn keys_of(queue: &str) -> String {
    format!("bloodbank:parked:{{{queue}}}")
}

fn line_of(queue: &str, key: &str) -> String {
    format!("bloodbank:parked:{{{queue}}}:{key}")
}

impl ParkedKeys for RedisParkedKeys {
    fn describe(&self) -> String {
        self.0.to_string()
    }

    fn join<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<Place>> {
        Box::pin(async move {
            let (first, position): (String, u64) = self.change(&[ADD, JOIN], event).await?;
            if first.is_empty() {
                return Ok(Place::Free);
            }
            let first = self.event(&first)?;
            Ok(if first == event.event_id { Place::First } else { Place::Behind { first, position } })
        })
    }

    fn park<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.change(&[ADD, PARK], event))
    }

    fn leave<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.change::<u8>(&[REMOVE, LEAVE], event).await.map(drop) })
    }

    fn remove<'a>(&'a self, event: &'a ParkedEvent) -> BoxFuture<'a, Result<()>> {
        Box::pin(async move { self.change::<u8>(&[REMOVE, "\n    return 1"], event).await.map(drop) })
    }

    fn release<'a>(&'a self, queue: &'a str, key: &'a str) -> BoxFuture<'a, Result<u64>> {
        Box::pin(self.run(&[RELEASE], queue, key, ""))
    }

    fn list<'a>(&'a self, queue: &'a str) -> BoxFuture<'a, Result<Vec<ParkedKey>>> {
        Box::pin(async move {
            let mut pipeline = Pipeline::with_capacity(1);
            pipeline.cmd("HKEYS").arg(keys_of(queue));
            let (mut keys,): (Vec<String>,) = self.0.send(&pipeline).await?;
            keys.sort_unstable();
            let mut listed = Vec::with_capacity(keys.len());
            for keys in keys.chunks(STEP) {
                listed.extend(self.lines(queue, keys.to_vec()).await?);
            }
            Ok(listed)
        })
    }
}
