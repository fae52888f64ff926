//! `--via`.

use clap::ValueEnum;

/// The value of `--via`: which way to the bus is taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Via {
    /// Through the gateway that has the file of the bus open; directly where none runs
    #[default]
    Auto,
    /// Through the gateway that has the file of the bus open, otherwise the one at HTTP_HOST and HTTP_PORT
    Http,
    /// Directly to the bus
    Bus,
}

impl From<Via> for bloodbank_client::Via {
    fn from(via: Via) -> Self {
        match via {
            Via::Auto => Self::Auto,
            Via::Http => Self::Http,
            Via::Bus => Self::Bus,
        }
    }
}
