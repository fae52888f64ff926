use std::{fmt, io, time::Duration};

/// What to do about a missing program.
pub(crate) const REMEDY: &str = "install with `apt-get install rabbitmq-server redis-server`, or run ./scripts/test.sh";

/// Why a server, a command on it, or the proxy did not do what was asked.
#[derive(Debug)]
#[non_exhaustive]
pub enum HarnessError {
    /// A program is not installed.
    Missing {
        /// Where it was looked for.
        program: String,
    },
    /// The operating system refused something.
    Io {
        /// What was being done.
        doing: String,
        /// The system's answer.
        source: io::Error,
    },
    /// The server ended while it was starting.
    Died {
        /// The server's program.
        program: &'static str,
        /// How it ended.
        status: String,
        /// The end of its log.
        log: String,
    },
    /// A condition was not met in time.
    TooLate {
        /// The condition.
        what: String,
        /// How long it was waited for.
        waited: Duration,
        /// The end of the server's log; empty where there is none.
        log: String,
    },
    /// The server is stopped, so it cannot be signalled or asked.
    NotRunning {
        /// The server's program.
        program: &'static str,
    },
    /// The server runs already.
    Running {
        /// The server's program.
        program: &'static str,
    },
    /// A `rabbitmqctl` command failed.
    Ctl {
        /// The command's arguments.
        command: String,
        /// What it printed.
        output: String,
    },
}

impl HarnessError {
    pub(crate) fn io(doing: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let doing = doing.into();
        move |source| Self::Io { doing, source }
    }
}

impl fmt::Display for HarnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing { program } => write!(f, "`{program}` was not found; {REMEDY}"),
            Self::Io { doing, source } => write!(f, "cannot {doing}: {source}"),
            Self::Died { program, status, log } => write!(
                f,
                "`{program}` ended while starting ({status}); its log below says why, and {REMEDY} if the installation is incomplete\n{log}"
            ),
            Self::TooLate { what, waited, log } => {
                write!(
                    f,
                    "{what}: not within {} s; look for what else keeps this machine busy, and at the log",
                    waited.as_secs_f32()
                )?;
                if log.is_empty() { Ok(()) } else { write!(f, " below\n{log}") }
            }
            Self::NotRunning { program } => {
                write!(f, "`{program}` is stopped; call `start_again` first")
            }
            Self::Running { program } => {
                write!(f, "`{program}` runs already; call `stop` or `kill` first")
            }
            Self::Ctl { command, output } => write!(f, "`rabbitmqctl {command}` failed:\n{output}"),
        }
    }
}

impl std::error::Error for HarnessError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::Missing { .. }
            | Self::Died { .. }
            | Self::TooLate { .. }
            | Self::NotRunning { .. }
            | Self::Running { .. }
            | Self::Ctl { .. } => None,
        }
    }
}
