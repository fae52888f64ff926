//! What was published: the journal of the file, for those who want to see what happened.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use super::Embedded;
use crate::{error::Result, routing::BindingPattern, transport::Incoming};

/// A message that was published, as the file remembers it.
#[derive(Debug, Clone)]
pub struct Recorded {
    /// When it was kept, to the millisecond.
    pub published_at: DateTime<Utc>,
    /// The message, as it was published.
    pub message: Incoming,
}

/// Which of the published messages to read. The newest come first.
#[derive(Debug, Clone)]
pub struct HistoryFilter {
    /// Of these event types; `None`: all.
    pub pattern: Option<BindingPattern>,
    /// Through this exchange; `None`: any, copies that wait for a retry and dead letters included.
    pub exchange: Option<String>,
    /// Published then or later.
    pub since: Option<DateTime<Utc>>,
    /// So many at most.
    pub limit: usize,
}

impl Default for HistoryFilter {
    /// The newest 100.
    fn default() -> Self {
        Self { pattern: None, exchange: None, since: None, limit: 100 }
    }
}

impl Embedded {
    /// The messages that were published, the newest first, whether a queue received them or not. The file remembers the
    /// newest 100,000 of at most 7 days; a bus in memory remembers none.
    ///
    /// # Errors
    /// [`crate::ErrorKind::Storage`] when the file cannot be read, [`crate::ErrorKind::Closed`] after
    /// [`crate::transport::Transport::close`].
    pub async fn history(&self, filter: HistoryFilter) -> Result<Vec<Recorded>> {
        self.engine.lock().check_open()?;
        #[cfg(feature = "sqlite")]
        if let Some(path) = self.file.clone() {
            return super::in_background(move || super::sqlite::history::newest(&path, &filter)).await;
        }
        drop(filter);
        Ok(Vec::new())
    }

    /// The message with this event id; the newest where several have it.
    ///
    /// # Errors
    /// Like [`Embedded::history`].
    pub async fn recorded(&self, event_id: Uuid) -> Result<Option<Recorded>> {
        self.engine.lock().check_open()?;
        #[cfg(feature = "sqlite")]
        if let Some(path) = self.file.clone() {
            return super::in_background(move || super::sqlite::history::one(&path, event_id)).await;
        }
        let _ = event_id;
        Ok(None)
    }
}
