use std::{fmt, io, time::Duration};

/// The remedy for a missing program.
pub(crate) const REMEDY: &str =
    "install with `apt-get install rabbitmq-server redis-server postgresql`, or run ./scripts/test.sh";

/// An error of a server, of a command on it, or of the proxy.
#[derive(Debug)]
#[non_exhaustive]
pub enum HarnessError {
    /// A program is not installed.
    ProgramNotFound {
        /// The name or path of the program.
        program: String,
    },
    /// The operating system refused something.
    Io {
        /// The operation that failed, after "cannot".
        operation: String,
        /// The error of the operating system.
        source: io::Error,
    },
    /// The server ended while it was starting.
    StartupFailed {
        /// The server's program.
        program: &'static str,
        /// The exit status of the program.
        status: String,
        /// The end of the server's log.
        log: String,
    },
    /// A condition was not met in time.
    Timeout {
        /// The condition.
        condition: String,
        /// The time that was waited for the condition.
        waited: Duration,
        /// The end of the server's log; empty where there is none.
        log: String,
    },
    /// The server is stopped, so it cannot be signalled or asked.
    NotRunning {
        /// The server's program.
        program: &'static str,
    },
    /// The server is running already.
    AlreadyRunning {
        /// The server's program.
        program: &'static str,
    },
    /// The cluster has no node of this number.
    NoSuchNode {
        /// The number that was asked for, from 0.
        node: usize,
        /// How many nodes there are.
        nodes: usize,
    },
    /// A `rabbitmqctl` command failed.
    Rabbitmqctl {
        /// The command's arguments.
        command: String,
        /// The output of the command.
        output: String,
    },
}

impl HarnessError {
    pub(crate) fn io(operation: impl Into<String>) -> impl FnOnce(io::Error) -> Self {
        let operation = operation.into();
        move |source| Self::Io { operation, source }
    }
}

impl fmt::Display for HarnessError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::ProgramNotFound { program } => write!(f, "`{program}` was not found; {REMEDY}"),
            Self::Io { operation, source } => write!(f, "cannot {operation}: {source}"),
            Self::StartupFailed { program, status, log } => write!(
                f,
                "`{program}` ended while starting ({status}); its log below says why, and {REMEDY} if the installation is incomplete\n{log}"
            ),
            Self::Timeout { condition, waited, log } => {
                write!(
                    f,
                    "{condition}: not within {} s; look for what else keeps this machine busy, and at the log",
                    waited.as_secs_f32()
                )?;
                if log.is_empty() { Ok(()) } else { write!(f, " below\n{log}") }
            }
            Self::NotRunning { program } => {
                write!(f, "`{program}` is stopped; call `start_again` first")
            }
            Self::AlreadyRunning { program } => {
                write!(f, "`{program}` is running already; call `stop` or `kill` first")
            }
            Self::NoSuchNode { node, nodes } => {
                write!(f, "there is no node {node}: the cluster has {nodes}, numbered from 0")
            }
            Self::Rabbitmqctl { command, output } => write!(f, "`rabbitmqctl {command}` failed:\n{output}"),
        }
    }
}

impl std::error::Error for HarnessError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io { source, .. } => Some(source),
            Self::ProgramNotFound { .. }
            | Self::StartupFailed { .. }
            | Self::Timeout { .. }
            | Self::NotRunning { .. }
            | Self::AlreadyRunning { .. }
            | Self::NoSuchNode { .. }
            | Self::Rabbitmqctl { .. } => None,
        }
    }
}
