//! A program on pipes: what goes through is captured, and otherwise left as it is.

use std::{ffi::OsString, io, process::Stdio};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    process::Command,
};

use super::{Finished, StdinSender, capture::Capture};

/// Runs a program until it ends and its output is read.
pub(super) async fn run(
    program: &OsString,
    args: &[OsString],
    limit: usize,
    stdin_seen: StdinSender,
) -> io::Result<Finished> {
    let mut child = Command::new(program)
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()?;
    let (stdin, stdout) = (child.stdin.take(), child.stdout.take());
    let signals = super::pty::Signals::new(child.id())?;
    let stdin_sender = stdin_seen.clone();
    let input = tokio::spawn(async move {
        let mut capture = Capture::new(limit);
        if let Some(stdin) = stdin {
            // A program that reads no further is no fault.
            let _ = pass(tokio::io::stdin(), stdin, &mut capture).await;
        }
        let _ = stdin_sender.try_send(Some(capture));
    });
    let mut output = Capture::new(limit);
    let passed = async {
        match stdout {
            Some(stdout) => pass(stdout, tokio::io::stdout(), &mut output).await,
            None => Ok(()),
        }
    };
    let (passed, status) = tokio::join!(passed, signals.pass_on_until(child.wait()));
    drop(passed);
    // What nobody has read does not belong to what was asked; a terminal may never end.
    input.abort();
    // Only what is told first counts.
    let _ = stdin_seen.try_send(None);
    Ok(Finished { status: status?, output })
}

/// Copies everything as it comes, and captures the beginning.
async fn pass(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    capture: &mut Capture,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let count = from.read(&mut buffer).await?;
        if count == 0 {
            return to.shutdown().await;
        }
        capture.add(&buffer[..count]);
        to.write_all(&buffer[..count]).await?;
        to.flush().await?;
    }
}
