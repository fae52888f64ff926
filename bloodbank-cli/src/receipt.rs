//! Publishing by hand: who does it, and what is printed about it.

use std::io::Write;

use bloodbank_client::PublishReceipt;
use bloodbank_core::envelope::{Source, TriggerType};

use crate::{
    error::Result,
    output::{
        self,
        style::{GOOD, KEY, paint},
    },
    program_name::program_name,
};

/// The source of events that somebody publishes by hand with this program.
pub(crate) fn manual_source() -> Source {
    Source::new(TriggerType::Manual, program_name())
}

/// Prints what the broker confirmed.
pub(crate) fn print_receipt(receipt: &PublishReceipt, as_json: bool) -> Result {
    if as_json {
        return Ok(output::json(receipt)?);
    }
    let PublishReceipt { event_id, event_type, unrouted, .. } = receipt;
    writeln!(output::out(), "{} {} {event_id}", paint(GOOD, "published"), paint(KEY, event_type))?;
    if *unrouted == Some(true) {
        output::note("no queue receives this event yet: start a subscriber, or `tail` before publishing");
    }
    Ok(())
}
