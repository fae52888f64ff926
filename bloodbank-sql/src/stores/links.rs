//! A link store in a database.

use std::{collections::HashMap, time::Duration};

use bloodbank_core::{
    Result,
    store::{BatchRead, CausationLink, LinkEntry, LinkStore, MalformedEntry},
};
use chrono::{DateTime, SecondsFormat, Utc};
use futures_util::future::BoxFuture;
use serde_json::json;
use sqlx_core::pool::Pool;
use uuid::Uuid;

use super::{Tables, millis};
use crate::{
    database::{Database, Row, Value},
    error::storage,
};

/// A link store in a database.
#[derive(Debug, Clone)]
pub struct SqlLinks<DB: Database> {
    tables: Tables<DB>,
    ttl: Duration,
}

const WRITE: &str = "INSERT INTO bloodbank_link (child, parents, created_at, metadata, expires_at) \
     SELECT {uuid member:child}, {member:parents}, {member:created_at}, {member:metadata}, {later:$2} FROM {members:$1} \
     ON CONFLICT (child) DO UPDATE SET parents = excluded.parents, created_at = excluded.created_at, \
     metadata = excluded.metadata, expires_at = excluded.expires_at \
     WHERE excluded.parents <> '[]' OR bloodbank_link.parents = '[]' OR bloodbank_link.expires_at <= {now}";
const WRITE_PARENTS: &str = "INSERT INTO bloodbank_link_parent (parent, child, expires_at) \
     SELECT {uuid member:parent}, {uuid member:child}, {later:$2} FROM {members:$1} \
     ON CONFLICT (parent, child) DO UPDATE SET expires_at = excluded.expires_at";
const ENTRIES: &str = "SELECT child, parents, created_at, metadata FROM bloodbank_link \
     WHERE child IN {uuids:$1} AND expires_at > {now}";
const FIND: &str = "SELECT child AS event FROM bloodbank_link WHERE child BETWEEN $1 AND $2 AND expires_at > {now} \
     UNION SELECT parent FROM bloodbank_link_parent WHERE parent BETWEEN $1 AND $2 AND expires_at > {now} \
     ORDER BY event LIMIT $3";
const CHILDREN: &str = "SELECT parent, child FROM bloodbank_link_parent \
     WHERE parent IN {uuids:$1} AND expires_at > {now} ORDER BY child";

impl<DB: Database> SqlLinks<DB> {
    /// Creates a store in this database, which has the tables of Bloodbank, for links with this time to live.
    #[must_use]
    pub fn new(pool: Pool<DB>, ttl: Duration) -> Self {
        Self { tables: Tables::new(pool), ttl }
    }

    async fn write_all(&self, links: &[CausationLink]) -> Result<(), sqlx_core::Error> {
        // Of several links of one event in a batch the last one counts that has parents: a statement writes each row once.
        let mut latest: HashMap<Uuid, &CausationLink> = HashMap::new();
        for link in links {
            let known = latest.entry(link.child).or_insert(link);
            if !link.parents.is_empty() || known.parents.is_empty() {
                *known = link;
            }
        }
        let rows: Vec<_> = latest
            .values()
            .map(|link| {
                let entry = link.entry();
                let created_at = entry.created_at.map(|time| time.to_rfc3339_opts(SecondsFormat::AutoSi, true));
                json!({
                    "child": link.child,
                    "parents": json!(entry.parents).to_string(),
                    "created_at": created_at,
                    "metadata": json!(entry.metadata).to_string(),
                })
            })
            .collect();
        let mut parents: Vec<(Uuid, Uuid)> =
            latest.values().flat_map(|link| link.parents.iter().map(|parent| (*parent, link.child))).collect();
        // In one order for all writers: they do not wait for each other in a circle.
        parents.sort_unstable();
        parents.dedup();
        let parents: Vec<_> =
            parents.iter().map(|(parent, child)| json!({ "parent": parent, "child": child })).collect();
        let _turn = self.tables.turn().await;
        let mut transaction = self.tables.pool.begin_with(DB::DIALECT.begin()).await?;
        for (template, rows) in [(WRITE, rows), (WRITE_PARENTS, parents)] {
            if !rows.is_empty() {
                let values = vec![Value::from(json!(rows).to_string()), millis(self.ttl)];
                DB::execute(&mut transaction, &DB::DIALECT.write(template), values).await?;
            }
        }
        transaction.commit().await
    }

    async fn read(&self, template: &str, events: &[Uuid]) -> Result<Vec<Row>> {
        self.tables.fetch("read causation links", template, vec![json!(events).to_string().into()]).await
    }
}

impl<DB: Database> LinkStore for SqlLinks<DB> {
    fn describe(&self) -> String {
        self.tables.describe()
    }

    fn write<'a>(&'a self, links: &'a [CausationLink]) -> BoxFuture<'a, Result<Vec<MalformedEntry>>> {
        Box::pin(async move {
            self.tables.sweep(&["link", "link_parent"]).await;
            self.write_all(links).await.map_err(storage("keep causation links"))?;
            Ok(Vec::new())
        })
    }

    fn probe(&self) -> BoxFuture<'_, Result<()>> {
        Box::pin(async move {
            let statement = "DELETE FROM bloodbank_link WHERE child = $1";
            self.tables.execute("keep causation links", statement, vec![Uuid::nil().into()]).await.map(drop)
        })
    }

    fn entries<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Option<LinkEntry>>>> {
        Box::pin(async move {
            let rows = self.read(ENTRIES, events).await?;
            let mut malformed = Vec::new();
            let entries: HashMap<Uuid, LinkEntry> =
                rows.iter().map(|row| (row.uuid(0), entry(row, &mut malformed))).collect();
            Ok(BatchRead { values: events.iter().map(|event| entries.get(event).cloned()).collect(), malformed })
        })
    }

    fn children<'a>(&'a self, events: &'a [Uuid]) -> BoxFuture<'a, Result<BatchRead<Vec<Uuid>>>> {
        Box::pin(async move {
            let mut children: HashMap<Uuid, Vec<Uuid>> = HashMap::new();
            for row in self.read(CHILDREN, events).await? {
                children.entry(row.uuid(0)).or_default().push(row.uuid(1));
            }
            let of = |event: &Uuid| children.get(event).cloned().unwrap_or_default();
            Ok(events.iter().map(of).collect::<Vec<_>>().into())
        })
    }

    fn find(&self, first: Uuid, last: Uuid, limit: usize) -> BoxFuture<'_, Result<Vec<Uuid>>> {
        Box::pin(async move {
            let limit = i64::try_from(limit).unwrap_or(i64::MAX);
            let values = vec![first.into(), last.into(), limit.into()];
            let rows = self.tables.fetch("find events", FIND, values).await?;
            Ok(rows.iter().map(|row| row.uuid(0)).collect())
        })
    }

    fn time(&self) -> BoxFuture<'_, Result<Option<DateTime<Utc>>>> {
        Box::pin(async move {
            let rows = self.tables.fetch("tell the time", "SELECT {now ms}", Vec::new()).await?;
            Ok(rows.first().and_then(|row| DateTime::from_timestamp_millis(row.integer(0))))
        })
    }
}

/// The entry in a row; what another program wrote wrongly is reported, and the rest is read.
fn entry(row: &Row, malformed: &mut Vec<MalformedEntry>) -> LinkEntry {
    let event_id = row.uuid(0);
    let mut report = |column: &str, error: serde_json::Error| {
        let problem = format!("`{column}` cannot be read: {error}; correct it");
        malformed.push(MalformedEntry { event_id, key: format!("bloodbank_link {event_id}"), problem });
    };
    let parents = serde_json::from_str(&row.text(1)).unwrap_or_else(|error| {
        report("parents", error);
        Vec::new()
    });
    let metadata = serde_json::from_str(&row.text(3)).unwrap_or_else(|error| {
        report("metadata", error);
        serde_json::Map::new()
    });
    let created_at = DateTime::parse_from_rfc3339(&row.text(2)).ok().map(|time| time.to_utc());
    LinkEntry { parents, created_at, metadata }
}
