//! A way to PostgreSQL on which some COMMITs get lost, and some answers to them.

use std::sync::{
    Arc,
    atomic::{AtomicU32, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

/// The messages with which `sqlx` commits.
const COMMIT: &[u8] = b"COMMIT\0";

/// A proxy that cuts a connection at every third COMMIT: in turn before it arrives, and after it was carried out.
pub(crate) struct CommitThief {
    port: u16,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    commits: AtomicU32,
    before: AtomicU32,
    after: AtomicU32,
}

impl CommitThief {
    pub(crate) async fn start(target: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let counts = Arc::clone(&shared);
                tokio::spawn(async move {
                    // An end of either side is the end of the connection.
                    let _ = pass(client, target, &counts).await;
                });
            }
        });
        Self { port, counts }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// The COMMITs that did not arrive, and those whose answers were lost.
    pub(crate) fn stolen(&self) -> (u32, u32) {
        (self.counts.before.load(Ordering::Relaxed), self.counts.after.load(Ordering::Relaxed))
    }
}

async fn pass(mut client: TcpStream, target: u16, counts: &Counts) -> std::io::Result<()> {
    let mut server = TcpStream::connect(("127.0.0.1", target)).await?;
    let (mut asked, mut answered) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        tokio::select! {
            read = client.read(&mut asked) => {
                let bytes = &asked[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                if bytes.windows(COMMIT.len()).any(|window| window == COMMIT) {
                    match counts.commits.fetch_add(1, Ordering::Relaxed) % 6 {
                        2 => {
                            counts.before.fetch_add(1, Ordering::Relaxed);
                            return Ok(());
                        }
                        5 => {
                            counts.after.fetch_add(1, Ordering::Relaxed);
                            server.write_all(bytes).await?;
                            // The server has answered, and nobody hears it.
                            server.readable().await?;
                            return Ok(());
                        }
                        _ => {}
                    }
                }
                server.write_all(bytes).await?;
            }
            read = server.read(&mut answered) => {
                let bytes = &answered[..read?];
                if bytes.is_empty() {
                    return Ok(());
                }
                client.write_all(bytes).await?;
            }
        }
    }
}
