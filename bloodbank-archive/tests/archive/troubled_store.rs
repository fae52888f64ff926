//! A store of objects that is slow, fails, or kills this program at a write.

use std::{
    fmt,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::Duration,
};

use async_trait::async_trait;
use bloodbank_archive::object_store::{
    CopyOptions, Error, GetOptions, GetResult, ListResult, MultipartUpload, ObjectMeta, ObjectStore,
    PutMultipartOptions, PutOptions, PutPayload, PutResult, Result, local::LocalFileSystem, path::Path,
};
use futures_util::{StreamExt, stream::BoxStream};

/// What happens at a write.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Trouble {
    /// It and everything else takes up to so long.
    Slow(Duration),
    /// One of so many requests fails; of the writes that fail, half are done all the same.
    Fails(u64),
    /// At the write of this number, counted from 0, the program is killed: before it, or behind it.
    Kills { at: u64, is_done: bool },
}

#[derive(Debug)]
pub(crate) struct TroubledStore {
    inner: LocalFileSystem,
    trouble: Trouble,
    writes: AtomicU64,
    pub(crate) failed: Arc<AtomicU64>,
}

impl TroubledStore {
    pub(crate) fn new(trouble: Trouble) -> Self {
        Self { inner: LocalFileSystem::new(), trouble, writes: AtomicU64::new(0), failed: Arc::default() }
    }

    /// Waits or fails.
    async fn pass(&self) -> Result<()> {
        match self.trouble {
            Trouble::Slow(most) => tokio::time::sleep(most.mul_f64(fastrand::f64())).await,
            Trouble::Fails(one_of) if fastrand::u64(0..one_of) == 0 => return Err(self.failure()),
            Trouble::Fails(_) | Trouble::Kills { .. } => {}
        }
        Ok(())
    }

    fn failure(&self) -> Error {
        self.failed.fetch_add(1, SeqCst);
        Error::Generic { store: "troubled", source: "503 Slow Down".into() }
    }
}

fn die() {
    rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL).unwrap();
}

#[async_trait]
impl ObjectStore for TroubledStore {
    async fn put_opts(&self, path: &Path, bytes: PutPayload, options: PutOptions) -> Result<PutResult> {
        self.pass().await?;
        let number = self.writes.fetch_add(1, SeqCst);
        if matches!(self.trouble, Trouble::Kills { at, is_done: false } if at == number) {
            die();
        }
        let done = self.inner.put_opts(path, bytes, options).await;
        if matches!(self.trouble, Trouble::Kills { at, is_done: true } if at == number) {
            die();
        }
        if done.is_ok() {
            // The answer is lost.
            self.pass().await?;
        }
        done
    }

    async fn put_multipart_opts(&self, path: &Path, options: PutMultipartOptions) -> Result<Box<dyn MultipartUpload>> {
        self.inner.put_multipart_opts(path, options).await
    }

    async fn get_opts(&self, path: &Path, options: GetOptions) -> Result<GetResult> {
        self.pass().await?;
        self.inner.get_opts(path, options).await
    }

    async fn get_ranges(&self, path: &Path, ranges: &[Range<u64>]) -> Result<Vec<bytes::Bytes>> {
        self.pass().await?;
        self.inner.get_ranges(path, ranges).await
    }

    fn delete_stream(&self, paths: BoxStream<'static, Result<Path>>) -> BoxStream<'static, Result<Path>> {
        self.inner.delete_stream(paths)
    }

    fn list(&self, prefix: Option<&Path>) -> BoxStream<'static, Result<ObjectMeta>> {
        match self.trouble {
            Trouble::Fails(one_of) if fastrand::u64(0..one_of) == 0 => {
                futures_util::stream::iter([Err(self.failure())]).boxed()
            }
            _ => self.inner.list(prefix),
        }
    }

    async fn list_with_delimiter(&self, prefix: Option<&Path>) -> Result<ListResult> {
        self.inner.list_with_delimiter(prefix).await
    }

    async fn copy_opts(&self, from: &Path, to: &Path, options: CopyOptions) -> Result<()> {
        self.inner.copy_opts(from, to, options).await
    }
}

impl fmt::Display for TroubledStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a troubled store")
    }
}
