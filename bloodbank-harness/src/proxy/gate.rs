use std::{
    io,
    net::TcpStream,
    time::{Duration, Instant},
};

use parking_lot::{Condvar, Mutex};
use rustix::{
    io::Errno,
    net::{SendFlags, send},
};

use super::{Ending, conduit::TICK};

const INJECT_DEADLINE: Duration = Duration::from_secs(5);

/// The gate of one direction, through which all bytes are written. Every write happens under its lock, so that a change
/// holds from the moment at which the call that made it returns.
#[derive(Debug, Default)]
pub(crate) struct Gate {
    flow: Mutex<Flow>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Flow {
    rate: RateLimit,
    cut: Option<(u64, Ending)>,
    passed: u64,
}

#[derive(Debug, Default)]
enum RateLimit {
    #[default]
    Unlimited,
    Stalled,
    Limited {
        bytes_per_second: f64,
        credit: f64,
        since: Instant,
    },
}

/// The outcome of writing bytes through a gate.
pub(crate) enum Passage {
    /// This number of bytes was written.
    Some(usize),
    /// Nothing was written: no bytes may pass at present, or the receiver is not reading.
    None,
    /// The last bytes before the connection has to be cut were written.
    Last(Ending),
}

impl Gate {
    fn set(&self, change: impl FnOnce(&mut Flow)) {
        change(&mut self.flow.lock());
        self.wake();
    }

    pub(crate) fn wake(&self) {
        self.changed.notify_all();
    }

    pub(crate) fn open(&self) {
        self.set(|flow| {
            flow.rate = RateLimit::Unlimited;
            flow.cut = None;
        });
    }

    pub(crate) fn stall(&self) {
        self.set(|flow| flow.rate = RateLimit::Stalled);
    }

    pub(crate) fn throttle(&self, bytes_per_second: u32) {
        let bytes_per_second = f64::from(bytes_per_second);
        self.set(|flow| flow.rate = RateLimit::Limited { bytes_per_second, credit: 0.0, since: Instant::now() });
    }

    pub(crate) fn cut_after(&self, bytes: u64, ending: Ending) {
        self.set(|flow| flow.cut = Some((bytes, ending)));
    }

    pub(crate) fn passed(&self) -> u64 {
        self.flow.lock().passed
    }

    /// Whether nothing may pass, not even the end of a stream.
    pub(crate) fn is_stalled(&self) -> bool {
        matches!(self.flow.lock().rate, RateLimit::Stalled)
    }

    /// Waits until the gate is changed, but at most for a tick.
    pub(crate) fn pause(&self) {
        // The caller looks again in either case.
        let _ = self.changed.wait_for(&mut self.flow.lock(), TICK);
    }

    /// Writes as many of the bytes as may pass now.
    pub(crate) fn pass(&self, sink: &TcpStream, bytes: &[u8]) -> io::Result<Passage> {
        let mut flow = self.flow.lock();
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
            let flow = self.flow.lock();
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

/// Writes what fits into the socket's buffer and returns the number of bytes, 0 when the receiver is not reading. Never
/// waits, because other connections need the lock that is held meanwhile.
fn write_some(sink: &TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match send(sink, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(written) => Ok(written),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(errno) => Err(errno.into()),
    }
}

impl Flow {
    fn allowance(&mut self, wanted: usize) -> usize {
        let allowed = match &mut self.rate {
            RateLimit::Unlimited => wanted,
            RateLimit::Stalled => 0,
            RateLimit::Limited { bytes_per_second, credit, since } => {
                let now = Instant::now();
                // At most a tenth of a second is saved up, so that an idle line does not earn a burst.
                let most = (*bytes_per_second * Duration::from_millis(100).as_secs_f64()).max(1.0);
                *credit = (*credit + *bytes_per_second * (now - *since).as_secs_f64()).min(most);
                *since = now;
                wanted.min(*credit as usize)
            }
        };
        match self.cut {
            Some((bytes, _)) => allowed.min(usize::try_from(bytes).unwrap_or(usize::MAX)),
            None => allowed,
        }
    }

    fn spend(&mut self, written: usize) -> Option<Ending> {
        self.passed += written as u64;
        if let RateLimit::Limited { credit, .. } = &mut self.rate {
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
