//! The last deliveries of webhooks, which can be looked at and handled again.

use std::{collections::VecDeque, sync::Arc};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use chrono::{DateTime, Utc};
use parking_lot::Mutex;
use serde_json::{Value, json};
use uuid::Uuid;

/// The deliveries that are kept, and the bytes of their bodies together.
const MOST: usize = 200;
const MOST_BYTES: usize = 16 << 20;

/// A signed webhook and what became of it.
#[derive(Debug, Clone)]
pub(crate) struct Delivery {
    pub(crate) id: Uuid,
    pub(crate) webhook: String,
    pub(crate) received_at: DateTime<Utc>,
    /// `published`, `ignored` or `refused`.
    pub(crate) result: &'static str,
    /// Why it was refused.
    pub(crate) detail: Option<String>,
    pub(crate) event_ids: Vec<Uuid>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Delivery {
    fn shown(&self) -> Value {
        json!({
            "id": self.id,
            "webhook": self.webhook,
            "received_at": self.received_at,
            "result": self.result,
            "detail": self.detail,
            "event_ids": self.event_ids,
            "bytes": self.body.len(),
        })
    }
}

/// The last deliveries, in the memory of this process.
#[derive(Debug, Clone, Default)]
pub(crate) struct Deliveries(Arc<Mutex<VecDeque<Delivery>>>);

impl Deliveries {
    pub(crate) fn add(&self, mut delivery: Delivery) {
        // Not those that prove who sent it.
        delivery.headers.remove(header::AUTHORIZATION);
        delivery.headers.remove("x-gitlab-token");
        let mut kept = self.0.lock();
        kept.push_back(delivery);
        let mut bytes: usize = kept.iter().map(|delivery| delivery.body.len()).sum();
        while kept.len() > MOST || (bytes > MOST_BYTES && kept.len() > 1) {
            bytes -= kept.pop_front().map_or(0, |oldest| oldest.body.len());
        }
    }

    /// The newest first.
    pub(crate) fn shown(&self) -> Vec<Value> {
        self.0.lock().iter().rev().map(Delivery::shown).collect()
    }

    pub(crate) fn get(&self, id: Uuid) -> Option<Delivery> {
        self.0.lock().iter().find(|delivery| delivery.id == id).cloned()
    }
}
