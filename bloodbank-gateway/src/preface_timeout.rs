//! A timeout for the first bytes of a connection, which tell the version of HTTP.
//!
//! The server waits for these bytes before it knows whose timeouts hold. Without a timeout for them, a client that never
//! sends them would hold its connection for ever.

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

/// The connection preface, which a client of HTTP/2 sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// An acceptor that accepts connections as `A` does, and limits the time for their first bytes.
#[derive(Debug, Clone)]
pub(crate) struct PrefaceTimeout<A> {
    inner: A,
    timeout: Duration,
}

impl<A> PrefaceTimeout<A> {
    pub(crate) fn new(inner: A, timeout: Duration) -> Self {
        Self { inner, timeout }
    }
}

impl<A, I, S> Accept<I, S> for PrefaceTimeout<A>
where
    A: Accept<I, S>,
    A::Future: Send + 'static,
{
    type Stream = PrefaceTimeoutStream<A::Stream>;
    type Service = A::Service;
    type Future = Pin<Box<dyn Future<Output = io::Result<(Self::Stream, Self::Service)>> + Send>>;

    fn accept(&self, stream: I, service: S) -> Self::Future {
        let (accepted, timeout) = (self.inner.accept(stream, service), self.timeout);
        Box::pin(async move {
            let (stream, service) = accepted.await?;
            Ok((PrefaceTimeoutStream { inner: stream, seen: 0, deadline: Some(Box::pin(sleep(timeout))) }, service))
        })
    }
}

/// A connection with a deadline for its first bytes.
pub(crate) struct PrefaceTimeoutStream<I> {
    inner: I,
    /// The number of bytes of the preface that came.
    seen: usize,
    /// The deadline; `None` as soon as the version is known, from when on the server watches the time itself.
    deadline: Option<Pin<Box<Sleep>>>,
}

impl<I> PrefaceTimeoutStream<I> {
    fn is_known(&mut self, bytes: &[u8]) -> bool {
        let rest = &PREFACE[self.seen..];
        self.seen += bytes.len().min(rest.len());
        bytes.is_empty() || bytes.len() >= rest.len() || !rest.starts_with(bytes)
    }
}

impl<I: AsyncRead + Unpin> AsyncRead for PrefaceTimeoutStream<I> {
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

impl<I: AsyncWrite + Unpin> AsyncWrite for PrefaceTimeoutStream<I> {
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
