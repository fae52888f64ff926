//! How long a client may take to say which version of HTTP it speaks.
//!
//! The server waits for as many bytes as tell the two apart before it knows whose timeouts hold: without this, a client
//! that never sends them would hold its connection for ever.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use axum_server::accept::Accept;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::{Sleep, sleep},
};

/// What a client sends first that speaks HTTP/2.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Accepts connections as `A` does, and limits the time for their first bytes.
#[derive(Debug, Clone)]
pub(crate) struct Patience<A> {
    inner: A,
    time: Duration,
}

impl<A> Patience<A> {
    pub(crate) fn new(inner: A, time: Duration) -> Self {
        Self { inner, time }
    }
}

impl<A, I, S> Accept<I, S> for Patience<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
{
    type Stream = Awaited<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let (accepted, time) = (self.inner.accept(stream, service), self.time);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((Awaited { inner: stream, seen: 0, deadline: Some(Box::pin(sleep(time))) }, service))
        })
    }
}

/// A connection whose first bytes are awaited.
pub(crate) struct Awaited<I> {
    inner: I,
    /// Bytes of the preface that came.
    seen: usize,
    /// `None` as soon as the version is known: from then on the server watches the time itself.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<I> Awaited<I> {
    fn is_known(&mut self, bytes: &[u8]) -> bool {
        let rest = &PREFACE[self.seen..];
        self.seen += bytes.len().min(rest.len());
        bytes.is_empty() || bytes.len() >= rest.len() || !rest.starts_with(bytes)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for Awaited<I> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.deadline.is_none() {
            return Pin::new(&mut self.inner).poll_read(context, buffer);
        }
        let before = buffer.filled().len();
        match Pin::new(&mut self.inner).poll_read(context, buffer) {
            Poll::Ready(read) => {
                if read.is_err() || self.is_known(&buffer.filled()[before..]) {
                    self.deadline = None;
                }
                Poll::Ready(read)
            }
            Poll::Pending => {
                if let Some(deadline) = &mut self.deadline {
                    ready!(deadline.as_mut().poll(context));
                }
                Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
            }
        }
    }
}

impl<I: AsyncWrite + Unpin> AsyncWrite for Awaited<I> {
    fn poll_write(mut self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_write_vectored(context, bytes)
    }

    fn is_write_vectored(&self) -> bool {
        self.inner.is_write_vectored()
    }
}
