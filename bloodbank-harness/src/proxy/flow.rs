use std::{
    io,
    net::TcpStream,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rustix::{
    io::Errno,
    net::{SendFlags, send},
};

use super::{Ending, link::TICK};

const INJECT_DEADLINE: Duration = Duration::from_secs(5);

/// What is let through in one direction. Every write happens under its lock, so that an order holds from
/// the moment the call that gave it returns.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    flow: Mutex<Flow>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Flow {
    pace: Pace,
    cut: Option<(u64, Ending)>,
    passed: u64,
}

#[derive(Debug, Default)]
enum Pace {
    #[default]
    Free,
    Stalled,
    Throttled {
        rate: f64,
        credit: f64,
        since: Instant,
    },
}

/// What became of bytes offered to a gate.
pub(crate) enum Passage {
    /// So many were written.
    Some(usize),
    /// None may pass at present, or the receiver is not reading.
    None,
    /// So many were written, and now the connection is to be cut.
    Last(Ending),
}

impl Gate {
    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, change: impl FnOnce(&mut Flow)) {
        change(&mut self.flow());
        self.wake();
    }

    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn open(&self) {
        self.set(|flow| {
            flow.pace = Pace::Free;
            flow.cut = None;
        });
    }

    pub(crate) fn stall(&self) {
        self.set(|flow| flow.pace = Pace::Stalled);
    }

    pub(crate) fn throttle(&self, rate: u32) {
        self.set(|flow| {
            flow.pace = Pace::Throttled { rate: f64::from(rate), credit: 0.0, since: Instant::now() };
        });
    }

    pub(crate) fn cut_after(&self, bytes: u64, ending: Ending) {
        self.set(|flow| flow.cut = Some((bytes, ending)));
    }

    pub(crate) fn passed(&self) -> u64 {
        self.flow().passed
    }

    /// Whether anything may pass at all, the end of a stream for instance.
    pub(crate) fn is_stalled(&self) -> bool {
        matches!(self.flow().pace, Pace::Stalled)
    }

    /// Waits for a new order, or a moment.
    pub(crate) fn pause(&self) {
        // The caller looks again in either case.
        let _ = self.changed.wait_timeout(self.flow(), TICK);
    }

    /// Writes as many of the bytes as may pass now.
    pub(crate) fn pass(&self, sink: &TcpStream, bytes: &[u8]) -> io::Result<Passage> {
        let mut flow = self.flow();
        let allowed = flow.allowance(bytes.len());
        if allowed == 0 {
            return Ok(match flow.cut {
                Some((0, ending)) => {
                    flow.cut = None;
                    Passage::Last(ending)
                }
                Some(_) | None => Passage::None,
            });
        }
        let written = write_some(sink, &bytes[..allowed])?;
        if written == 0 {
            return Ok(Passage::None);
        }
        Ok(match flow.spend(written) {
            Some(ending) => Passage::Last(ending),
            None => Passage::Some(written),
        })
    }

    pub(crate) fn inject(&self, sink: &TcpStream, mut bytes: &[u8]) -> io::Result<()> {
        let begun = Instant::now();
        while !bytes.is_empty() {
            let flow = self.flow();
            let written = write_some(sink, bytes)?;
            drop(flow);
            bytes = &bytes[written..];
            if written == 0 {
                if begun.elapsed() > INJECT_DEADLINE {
                    return Err(io::ErrorKind::TimedOut.into());
                }
                self.pause();
            }
        }
        Ok(())
    }
}

/// Writes what fits and never waits: other connections need the lock that is held meanwhile. 0 when the
/// receiver is not reading.
fn write_some(sink: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match send(sink, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

impl Flow {
    fn allowance(&mut self, wanted: usize) -> usize {
        let paced = match &mut self.pace {
            Pace::Free => wanted,
            Pace::Stalled => 0,
            Pace::Throttled { rate, credit, since } => {
                let now = Instant::now();
                // At most a tenth of a second is saved up, so that an idle line does not earn a burst.
                let most = (*rate * Duration::from_millis(100).as_secs_f64()).max(1.0);
                *credit = (*credit + *rate * (now - *since).as_secs_f64()).min(most);
                *since = now;
                wanted.min(*credit as usize)
            }
        };
        match self.cut {
            Some((bytes, _)) => paced.min(usize::try_from(bytes).unwrap_or(usize::MAX)),
            None => paced,
        }
    }

    fn spend(&mut self, written: usize) -> Option<Ending> {
        self.passed += written as u64;
        if let Pace::Throttled { credit, .. } = &mut self.pace {
            *credit -= written as f64;
        }
        let (bytes, ending) = self.cut.as_mut()?;
        *bytes -= written as u64;
        if *bytes > 0 {
            return None;
        }
        let ending = *ending;
        self.cut = None;
        Some(ending)
    }
}
