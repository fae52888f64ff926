//! A program in a terminal of its own, which looks to the program as that of the user does.

use std::{
    ffi::OsString,
    future::Future,
    io,
    os::fd::{AsFd, BorrowedFd},
    process::ExitStatus,
    time::Duration,
};

use rustix::{
    process::{Pid, Signal, kill_process},
    termios::{OptionalActions, Termios, tcgetattr, tcgetwinsize, tcsetattr},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    signal::unix::{SignalKind, signal},
};

use super::{Finished, StdinSender, capture::Capture};

/// Runs a program until it ends and its output is read.
pub(super) async fn run(
    program: &OsString,
    args: &[OsString],
    limit: usize,
    stdin_seen: StdinSender,
) -> io::Result<Finished> {
    let (pty, pts) = pty_process::open().map_err(other)?;
    let size = || tcgetwinsize(io::stdin()).map(|size| pty_process::Size::new(size.ws_row, size.ws_col));
    if let Ok(size) = size() {
        pty.resize(size).map_err(other)?;
    }
    let mut child = pty_process::Command::new(program).args(args).spawn(pts).map_err(|error| match error {
        pty_process::Error::Io(error) => error,
        error => other(error),
    })?;
    // Keys are not captured.
    let _ = stdin_seen.try_send(None);
    let raw = RawTerminal::new()?;
    let (mut from, mut to) = pty.into_split();
    let signals = Signals::new(child.id())?;
    let mut resized = signal(SignalKind::window_change())?;
    let input = tokio::spawn(async move {
        let mut stdin = tokio::io::stdin();
        let mut buffer = vec![0; 4096];
        loop {
            tokio::select! {
                count = stdin.read(&mut buffer) => match count {
                    Ok(count) if count > 0 => if to.write_all(&buffer[..count]).await.is_err() { return },
                    _ => return,
                },
                _ = resized.recv() => if let Ok(size) = tcgetwinsize(io::stdin()) {
                    let _ = to.resize(pty_process::Size::new(size.ws_row, size.ws_col));
                },
            }
        }
    });
    let mut output = Capture::new(limit);
    let mut stdout = tokio::io::stdout();
    let mut buffer = vec![0; 16 * 1024];
    let mut ended = std::pin::pin!(signals.pass_on_until(child.wait()));
    let mut status = None;
    loop {
        // What it has started may hold its terminal open: after its end only what is there already is read.
        let left = if status.is_some() { Duration::from_millis(200) } else { Duration::MAX };
        tokio::select! {
            // A terminal without a program ends in an error.
            count = from.read(&mut buffer) => match count {
                Ok(count) if count > 0 => {
                    output.add(&buffer[..count]);
                    stdout.write_all(&buffer[..count]).await?;
                    stdout.flush().await?;
                }
                _ if status.is_some() => break,
                _ => { status = Some(ended.as_mut().await); break; }
            },
            end = ended.as_mut(), if status.is_none() => status = Some(end),
            () = tokio::time::sleep(left), if status.is_some() => break,
        }
    }
    input.abort();
    drop(raw);
    Ok(Finished { status: status.unwrap_or_else(|| Err(io::Error::other("the program has no exit status")))?, output })
}

fn other(error: pty_process::Error) -> io::Error {
    io::Error::other(error)
}

/// The terminal of the user in raw mode, where it passes every key on, until this is dropped.
struct RawTerminal(Termios);

impl RawTerminal {
    fn new() -> io::Result<Self> {
        let before = tcgetattr(terminal().as_fd())?;
        let mut raw = before.clone();
        raw.make_raw();
        tcsetattr(terminal().as_fd(), OptionalActions::Now, &raw)?;
        Ok(Self(before))
    }
}

impl Drop for RawTerminal {
    fn drop(&mut self) {
        let _ = tcsetattr(terminal().as_fd(), OptionalActions::Drain, &self.0);
    }
}

fn terminal() -> BorrowedFd<'static> {
    rustix::stdio::stdin()
}

/// The signals that reach this process and are meant for the program.
pub(super) struct Signals {
    child: Option<Pid>,
    terminate: tokio::signal::unix::Signal,
    hangup: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

impl Signals {
    pub(super) fn new(child: Option<u32>) -> io::Result<Self> {
        Ok(Self {
            child: child.and_then(|child| Pid::from_raw(child.cast_signed())),
            terminate: signal(SignalKind::terminate())?,
            hangup: signal(SignalKind::hangup())?,
            interrupt: signal(SignalKind::interrupt())?,
        })
    }

    /// Passes the signals on while the program runs. Ctrl-C reaches the program by itself, and does not end this process.
    pub(super) async fn pass_on_until(
        mut self,
        end: impl Future<Output = io::Result<ExitStatus>>,
    ) -> io::Result<ExitStatus> {
        let mut end = std::pin::pin!(end);
        loop {
            let signal = tokio::select! {
                status = end.as_mut() => return status,
                _ = self.terminate.recv() => Signal::TERM,
                _ = self.hangup.recv() => Signal::HUP,
                _ = self.interrupt.recv() => continue,
            };
            if let Some(child) = self.child {
                let _ = kill_process(child, signal);
            }
        }
    }
}
