//! The rows of the outbox as a work queue: claimed with a lease, deleted, put off, parked.

use std::time::Duration;

use sqlx_core::pool::Pool;
use uuid::Uuid;

use crate::database::{Database, Row, Value};

/// A row that was claimed.
pub(super) struct Claimed {
    pub(super) id: i64,
    pub(super) message: String,
    pub(super) attempts: i64,
}

/// The claims of one relay.
pub(super) struct Claims<DB: Database> {
    pool: Pool<DB>,
    token: Uuid,
    lease: Duration,
}

/// How long the event that is not known to be handled waits for that; it waits for the database anyway.
const RELEASE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a relay may take: parameter 1 is the farthest that a due time can be away. One that is farther away was written before
/// the clock of the database was set back, and would come much too late.
const IS_DUE: &str = "parked_at IS NULL AND (due_at <= {now} OR due_at > {later:$1})";

/// The time by which a due time may be farther away than a lease of this relay: other relays may have longer ones.
const ALLOWANCE: Duration = Duration::from_secs(10 * 60);

impl<DB: Database> Claims<DB> {
    pub(super) fn new(pool: Pool<DB>, lease: Duration) -> Self {
        Self { pool, token: Uuid::new_v4(), lease }
    }

    fn farthest(&self) -> Value {
        millis(self.lease + ALLOWANCE).into()
    }

    async fn execute(&self, template: &str, values: Vec<Value>) -> Result<u64, sqlx_core::Error> {
        execute(&self.pool, template, values).await
    }

    async fn fetch(&self, template: &str, values: Vec<Value>) -> Result<Vec<Row>, sqlx_core::Error> {
        let mut connection = self.pool.acquire().await?;
        DB::fetch(&mut connection, &DB::DIALECT.write(template), values).await
    }

    /// Whether a row is due; writes nothing.
    pub(super) async fn is_any_due(&self) -> Result<bool, sqlx_core::Error> {
        let template = format!("SELECT id FROM bloodbank_outbox WHERE {IS_DUE} LIMIT 1");
        let rows = self.fetch(&template, vec![self.farthest()]).await?;
        Ok(!rows.is_empty())
    }

    /// Claims the oldest rows that are due, for the time of a lease. Of an order key only its first row is claimed: the
    /// next one is when that is deleted.
    pub(super) async fn take(&self, most: u32) -> Result<Vec<Claimed>, sqlx_core::Error> {
        let template = format!(
            "UPDATE bloodbank_outbox SET claim = $2, due_at = {{later:$3}} WHERE id IN (\
               SELECT id FROM bloodbank_outbox AS candidate WHERE {IS_DUE} AND (order_key IS NULL OR NOT EXISTS (\
                 SELECT 1 FROM bloodbank_outbox AS earlier WHERE earlier.order_key = candidate.order_key \
                 AND earlier.id < candidate.id AND earlier.parked_at IS NULL)) \
               ORDER BY id LIMIT $4 {{skip locked}}) \
             RETURNING id, message, attempts"
        );
        let values = vec![self.farthest(), self.token.into(), millis(self.lease).into(), i64::from(most).into()];
        let rows = match DB::DIALECT.before_claim() {
            None => self.fetch(&template, values).await?,
            Some(setting) => {
                let mut transaction = self.pool.begin().await?;
                DB::execute(&mut transaction, setting, Vec::new()).await?;
                let rows = DB::fetch(&mut transaction, &DB::DIALECT.write(&template), values).await?;
                transaction.commit().await?;
                rows
            }
        };
        let mut claimed: Vec<_> = rows
            .iter()
            .map(|row| Claimed { id: row.integer(0), message: row.text(1), attempts: row.integer(2) })
            .collect();
        // The database returns them in any order.
        claimed.sort_unstable_by_key(|row| row.id);
        Ok(claimed)
    }

    /// Deletes rows that are confirmed, unless another relay has claimed them since.
    pub(super) async fn delete(&self, ids: &[i64]) -> Result<u64, sqlx_core::Error> {
        delete(&self.pool, ids, self.token).await
    }

    /// Gives rows back, to be tried again after a while.
    pub(super) async fn put_off(
        &self,
        ids: &[i64],
        delay: Duration,
        counted: bool,
        error: String,
    ) -> Result<u64, sqlx_core::Error> {
        let template = "UPDATE bloodbank_outbox SET claim = NULL, due_at = {later:$3}, attempts = attempts + $4, \
                        last_error = $5 WHERE id IN {list:$1} AND claim = $2";
        let values = vec![list(ids), self.token.into(), millis(delay).into(), i64::from(counted).into(), error.into()];
        self.execute(template, values).await
    }

    /// Parks a row that can never be published: it waits for a person.
    pub(super) async fn park(&self, id: i64, error: String) -> Result<u64, sqlx_core::Error> {
        let template = "UPDATE bloodbank_outbox SET claim = NULL, parked_at = {now}, attempts = attempts + 1, \
                        last_error = $3 WHERE id = $1 AND claim = $2";
        self.execute(template, vec![id.into(), self.token.into(), error.into()]).await
    }

    /// Deletes marks of the inbox that have expired.
    pub(super) async fn sweep_inbox(&self) -> Result<u64, sqlx_core::Error> {
        self.execute("DELETE FROM bloodbank_inbox WHERE expires_at <= {now}", Vec::new()).await
    }
}

async fn execute<DB: Database>(pool: &Pool<DB>, template: &str, values: Vec<Value>) -> Result<u64, sqlx_core::Error> {
    let mut connection = pool.acquire().await?;
    DB::execute(&mut connection, &DB::DIALECT.write(template), values).await
}

async fn delete<DB: Database>(pool: &Pool<DB>, ids: &[i64], token: Uuid) -> Result<u64, sqlx_core::Error> {
    let template = "DELETE FROM bloodbank_outbox WHERE id IN {list:$1} AND claim = $2";
    execute(pool, template, vec![list(ids), token.into()]).await
}

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn list(ids: &[i64]) -> Value {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(",")).into()
}

/// Gives back the rows that a transaction wrote as claimed, if it has committed. Where that fails, the lease ends some time.
pub(crate) async fn release<DB: Database>(pool: &Pool<DB>, token: Uuid) {
    let template = "UPDATE bloodbank_outbox SET claim = NULL, due_at = {now} WHERE claim = $1";
    let _ = tokio::time::timeout(RELEASE_TIMEOUT, execute(pool, template, vec![token.into()])).await;
}

/// Deletes rows that the process which wrote them has published itself. Where that fails, the relay publishes them again, with
/// the same ids.
pub(crate) async fn forget<DB: Database>(pool: &Pool<DB>, ids: &[i64], token: Uuid) {
    let _ = delete(pool, ids, token).await;
}
