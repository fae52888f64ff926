//! What wakes followers: the notification that comes with a commit of the writer.
//!
//! The followers of a journal share the connection that listens, and it ends with the last of them. Whoever hears nothing looks at
//! the table all the same.

use std::{
    future::pending,
    sync::{Arc, Weak},
    time::Duration,
};

use parking_lot::Mutex;
use sqlx_core::pool::Pool;
use sqlx_postgres::Postgres;
use tokio::{
    sync::watch,
    time::{Instant, sleep, sleep_until},
};
use tokio_util::task::AbortOnDropHandle;

use crate::database::listen;

/// The channel of the notifications.
pub(super) const CHANNEL: &str = "bloodbank_journal";
/// The shortest time between two looks of a follower that is woken: a writer may commit some hundred times a second.
const APART: Duration = Duration::from_millis(20);

/// The connection that listens, while somebody follows.
#[derive(Debug, Default)]
pub(super) struct Wake(Mutex<Weak<Listening>>);

#[derive(Debug)]
struct Listening {
    written: watch::Receiver<u64>,
    _listening: AbortOnDropHandle<()>,
}

impl Wake {
    /// Listens for what is written from now on.
    pub(super) fn listen(&self, pool: &Pool<Postgres>) -> Listener {
        let mut shared = self.0.lock();
        let listening = shared.upgrade().unwrap_or_else(|| {
            let (sender, written) = watch::channel(0);
            let notified = move || sender.send_modify(|count: &mut u64| *count = count.wrapping_add(1));
            let listening = AbortOnDropHandle::new(tokio::spawn(listen(pool, CHANNEL, Box::new(notified))));
            Arc::new(Listening { written, _listening: listening })
        });
        *shared = Arc::downgrade(&listening);
        Listener { written: listening.written.clone(), looked: Instant::now(), _shared: listening }
    }
}

/// What a follower hears.
#[derive(Debug)]
pub(super) struct Listener {
    written: watch::Receiver<u64>,
    looked: Instant,
    _shared: Arc<Listening>,
}

impl Listener {
    /// Remembers that a look begins now: what is written from here on wakes its follower.
    pub(super) fn looks(&mut self) {
        self.written.mark_unchanged();
        self.looked = Instant::now();
    }

    /// Waits until something was written, but no longer than this.
    pub(super) async fn wait(&mut self, most: Duration) {
        let heard = async {
            if self.written.changed().await.is_err() {
                // The task that listened has ended with its runtime.
                pending::<()>().await;
            }
            sleep_until(self.looked + APART).await;
        };
        tokio::select! {
            () = heard => {}
            () = sleep(most) => {}
        }
    }
}
