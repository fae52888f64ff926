//! How a verb ends when it does not end well: a sentence on stderr and an exit code.

use std::{fmt, io, process::ExitCode};

use bloodbank_core::{Error, ErrorKind, ExecuteError};

use crate::output::style;

/// How a verb ends.
pub(crate) type Done = Result<(), Fault>;

/// Why a verb ended, for people, and its exit code.
#[derive(Debug)]
pub(crate) struct Fault {
    /// `None`: it is said already.
    message: Option<String>,
    code: u8,
}

impl Fault {
    /// It was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), code: 1 }
    }

    /// It was asked for wrongly.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), code: 2 }
    }

    /// A check that has said what it found.
    pub(crate) fn found() -> Self {
        Self { message: None, code: 1 }
    }

    /// A program whose exit code is passed on.
    pub(crate) fn code(code: u8) -> Self {
        Self { message: None, code }
    }

    /// The same with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Says why, and gives the code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(message) = self.message {
            anstream::eprintln!("{}error:{} {message}", style::BAD.render(), style::BAD.render_reset());
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or("it failed"))
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = match error.kind() {
            ErrorKind::InvalidKey
            | ErrorKind::UnknownEvent
            | ErrorKind::InvalidPayload
            | ErrorKind::InvalidEnvelope
            | ErrorKind::InvalidHeader
            | ErrorKind::TooLarge
            | ErrorKind::Settings => 2,
            ErrorKind::Unrouted
            | ErrorKind::Refused
            | ErrorKind::Connection
            | ErrorKind::Deadline
            | ErrorKind::Closed
            | ErrorKind::Topology
            | ErrorKind::Registry
            | ErrorKind::MissingState
            | ErrorKind::Storage
            | ErrorKind::CommandFailed => 1,
        };
        Self { message: Some(error.to_string()), code }
    }
}

impl From<ExecuteError> for Fault {
    fn from(error: ExecuteError) -> Self {
        match error {
            ExecuteError::Bus(error) => error.into(),
            failed @ ExecuteError::Failed(_) => Self::failed(failed.to_string()),
        }
    }
}

impl From<io::Error> for Fault {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads has read enough, such as `head`.
            return Self { message: None, code: 0 };
        }
        Self::failed(error.to_string())
    }
}

impl From<serde_json::Error> for Fault {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}
