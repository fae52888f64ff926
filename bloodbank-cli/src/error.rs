//! The end of a verb that does not end well: a sentence on stderr and an exit code.

use std::{fmt, io, process::ExitCode};

use bloodbank_client::ClientError;
use bloodbank_core::Error;
use bloodbank_gateway::GatewayError;

use crate::output;

/// The end of a verb.
pub(crate) type Result<T = ()> = std::result::Result<T, CliError>;

/// Why a verb ended, for people, and its exit code.
#[derive(Debug)]
pub(crate) struct CliError {
    /// `None`: the verb has said it already.
    message: Option<String>,
    code: u8,
}

impl CliError {
    /// The verb was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), code: 1 }
    }

    /// The command line is wrong.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { message: Some(message.into()), code: 2 }
    }

    /// A check found something, and has printed it.
    pub(crate) fn check_failed() -> Self {
        Self { message: None, code: 1 }
    }

    /// A program ended with this exit code, which is passed on.
    pub(crate) fn exit_code(code: u8) -> Self {
        Self { message: None, code }
    }

    /// The same error with another exit code.
    pub(crate) fn with_code(self, code: u8) -> Self {
        Self { code, ..self }
    }

    /// Prints the message, and gives the exit code.
    pub(crate) fn report(self) -> ExitCode {
        if let Some(message) = self.message {
            output::error(&message);
        }
        ExitCode::from(self.code)
    }
}

impl fmt::Display for CliError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.message.as_deref().unwrap_or("the verb failed"))
    }
}

impl From<ClientError> for CliError {
    /// Adds the remedies that are verbs and options of this command line.
    fn from(error: ClientError) -> Self {
        let remedy = match &error {
            ClientError::UnknownType { nearest: None, .. } => "; `list-events` shows the events",
            ClientError::NoMock { .. } => " with --file",
            ClientError::NoGateway { .. } => "; start `serve`, or leave out --via",
            ClientError::NoExecutor { .. } => ", for example with `work`",
            ClientError::NoQueue { .. } => "; `topology` shows the queues",
            _ => "",
        };
        let code = if error.is_invalid_request() { 2 } else { 1 };
        Self { message: Some(format!("{error}{remedy}")), code }
    }
}

impl From<Error> for CliError {
    fn from(error: Error) -> Self {
        ClientError::from(error).into()
    }
}

impl From<GatewayError> for CliError {
    fn from(error: GatewayError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::BrokenPipe {
            // Whoever reads has read enough, such as `head`.
            return Self { message: None, code: 0 };
        }
        Self::failed(error.to_string())
    }
}

impl From<serde_json::Error> for CliError {
    fn from(error: serde_json::Error) -> Self {
        io::Error::from(error).into()
    }
}
