//! Errors for declarations that the broker refuses.

use crate::{broker_fault::BrokerFault, limit};
use bloodbank_core::{Error, ErrorKind, transport::Difference};

/// The error for a refused declaration; `what` is a queue or an exchange with its name, or a binding.
pub(super) fn declare_error(what: &str, fault: &BrokerFault) -> Error {
    let text = fault.text();
    if let BrokerFault::Unresponsive = fault {
        return Error::new(
            ErrorKind::Connection,
            format!("{what}: {text}; check that the node that holds it is up and try again"),
        );
    }
    if let Some(remedy) = limit::remedy(text) {
        return Error::new(ErrorKind::Topology, format!("{what} exceeds a limit of the broker ({text}); {remedy}"));
    }
    let message = match difference(text) {
        Some(Difference { property, declared, existing }) => format!(
            "{what} exists with another `{property}`: the broker has {existing}, this program declares {declared} \
             ({text}); declare it as it is there, or empty it, delete it on the broker and start again"
        ),
        None => match fault {
            BrokerFault::Channel { code: 403, .. } => format!(
                "the broker does not allow this user to declare {what} ({text}); give it the permissions \
                 `configure`, `write` and `read`"
            ),
            BrokerFault::Channel { code: 404, .. } => {
                format!("{what} cannot be declared ({text}); declare what is missing first")
            }
            BrokerFault::Channel { code: 405, .. } => format!(
                "{what} belongs to another connection ({text}); choose another name, or wait until that one is closed"
            ),
            BrokerFault::Channel { .. }
            | BrokerFault::Protocol { .. }
            | BrokerFault::Unresponsive
            | BrokerFault::ConnectionLost { .. } => format!(
                "the broker refuses {what} ({text}); check that its version and its plugins support what is declared"
            ),
        },
    };
    Error::new(ErrorKind::Topology, message)
}

/// The difference that the broker reports about an argument: `PRECONDITION_FAILED - inequivalent arg 'durable' for queue 'q'
/// in vhost '/': received 'true' but current is 'false'`, or `received none but current is the value '20' of type
/// 'signedint'`.
pub(super) fn difference(text: &str) -> Option<Difference> {
    let (_, rest) = text.split_once("inequivalent arg '")?;
    let (property, rest) = rest.split_once('\'')?;
    let (_, values) = rest.split_once("received ")?;
    let (declared, existing) = values.split_once(" but current is ")?;
    Some(Difference { property: property.to_owned(), declared: value(declared), existing: value(existing) })
}

/// Reads `'true'`, `none` or `the value '20' of type 'signedint'`.
fn value(words: &str) -> String {
    let words = words.trim();
    let words = words.strip_prefix("the value ").unwrap_or(words);
    let words = words.split_once("' of type").map_or(words, |(value, _)| value);
    match words.trim_matches('\'') {
        "none" => "none".to_owned(),
        value => format!("`{value}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(text: &str) -> BrokerFault {
        BrokerFault::Channel { code: 406, text: text.into() }
    }

    #[test]
    fn both_sides_of_a_difference_are_shown() {
        for (words, existing, declared) in [
            ("received none but current is the value '20' of type 'signedint'", "the broker has `20`", "declares none"),
            ("received the value '7' of type 'signedint' but current is none", "the broker has none", "declares `7`"),
            ("received 'true' but current is 'false'", "the broker has `false`", "declares `true`"),
        ] {
            let text = format!("PRECONDITION_FAILED - inequivalent arg 'x' for queue 'q' in vhost '/': {words}");
            let error = declare_error("queue `q`", &refused(&text));
            assert_eq!(error.kind(), ErrorKind::Topology);
            let shown = error.to_string();
            for part in ["queue `q` exists with another `x`", existing, declared, &text] {
                assert!(shown.contains(part), "{shown} lacks {part}");
            }
        }
    }

    #[test]
    fn other_refusals_keep_the_broker_s_words() {
        let shown = declare_error("queue `q`", &refused("PRECONDITION_FAILED - invalid arg 'x'")).to_string();
        assert!(shown.contains("invalid arg 'x'"), "{shown}");
    }
}
