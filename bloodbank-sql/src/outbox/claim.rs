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
}

const IS_DUE: &str = "parked_at IS NULL AND due_at <= {now}";

impl<DB: Database> Claims<DB> {
    pub(super) fn new(pool: Pool<DB>) -> Self {
        Self { pool, token: Uuid::new_v4() }
    }

    async fn execute(&self, template: &str, values: Vec<Value>) -> Result<u64, sqlx_core::Error> {
        let mut connection = self.pool.acquire().await?;
        DB::execute(&mut connection, &DB::DIALECT.write(template), values).await
    }

    async fn fetch(&self, template: &str, values: Vec<Value>) -> Result<Vec<Row>, sqlx_core::Error> {
        let mut connection = self.pool.acquire().await?;
        DB::fetch(&mut connection, &DB::DIALECT.write(template), values).await
    }

    /// Whether a row is due; writes nothing.
    pub(super) async fn is_any_due(&self) -> Result<bool, sqlx_core::Error> {
        let rows = self.fetch(&format!("SELECT id FROM bloodbank_outbox WHERE {IS_DUE} LIMIT 1"), Vec::new()).await?;
        Ok(!rows.is_empty())
    }

    /// Claims the oldest rows that are due, for the time of a lease. Of an order key only its first row is claimed: the
    /// next one is when that is deleted.
    pub(super) async fn take(&self, most: u32, lease: Duration) -> Result<Vec<Claimed>, sqlx_core::Error> {
        let template = format!(
            "UPDATE bloodbank_outbox SET claim = $1, due_at = {{later:$2}} WHERE id IN (\
               SELECT id FROM bloodbank_outbox AS candidate WHERE {IS_DUE} AND (order_key IS NULL OR NOT EXISTS (\
                 SELECT 1 FROM bloodbank_outbox AS earlier WHERE earlier.order_key = candidate.order_key \
                 AND earlier.id < candidate.id AND earlier.parked_at IS NULL)) \
               ORDER BY id LIMIT $3 {{skip locked}}) \
             RETURNING id, message, attempts"
        );
        let values = vec![self.token.into(), millis(lease).into(), i64::from(most).into()];
        let rows = self.fetch(&template, values).await?;
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
        let template = "DELETE FROM bloodbank_outbox WHERE id IN {list:$1} AND claim = $2";
        self.execute(template, vec![list(ids), self.token.into()]).await
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

pub(crate) fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

pub(super) fn list(ids: &[i64]) -> Value {
    let ids: Vec<String> = ids.iter().map(i64::to_string).collect();
    format!("[{}]", ids.join(",")).into()
}

/// Deletes rows that the process which wrote them has published itself. Where that fails, the relay publishes them again, with
/// the same ids.
pub(crate) async fn forget<DB: Database>(pool: &Pool<DB>, ids: &[i64], token: Uuid) {
    let _ = Claims { pool: pool.clone(), token }.delete(ids).await;
}
