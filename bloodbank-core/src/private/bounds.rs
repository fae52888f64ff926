//! Bounds that macros put on the types that a declaration names. One trait for each place, so that a type that does not
//! fit is reported once and in the words of that place.

use crate::{
    envelope::RawEnvelope,
    error::{Error, ErrorKind, MOST_FAULTS, PayloadFault, Result, more_faults},
    event::{Declaration, Event, Superseded, read_variant},
    json::read_unexplained,
    routing::template_matches,
};

/// A variant of an event set, which holds an event.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Event`",
    label = "a variant of a set holds an event",
    note = "consider annotating `{Self}` with `#[derive(Event)]`, or the variant with `#[event_set(other)]`"
)]
pub trait Variant: Sized {
    /// The declaration of the event.
    const DECLARATION: &'static Declaration;

    /// Reads the payload, if the envelope holds this event.
    ///
    /// # Errors
    /// When it holds one that does not fit.
    fn read(raw: &RawEnvelope<'_>) -> Result<Option<Self>>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> Variant for E {
    const DECLARATION: &'static Declaration = &E::DECLARATION;

    fn read(raw: &RawEnvelope<'_>) -> Result<Option<Self>> {
        read_variant(raw)
    }
}

/// The version before an event, which is an event itself.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is not an `Event`",
    label = "what is superseded is an event",
    note = "consider annotating `{Self}` with `#[derive(Event)]` and `#[event(routing_key = \"…\")]`"
)]
pub trait Older: Sized {
    /// The declaration of the older event.
    const DECLARATION: &'static Declaration;

    /// The key of the older event, and those before it.
    const SUPERSEDED: &'static Superseded;

    /// Reads a payload that arrived under the key of the older event, or under one before it.
    fn read(key: &str, payload: &str) -> Option<Result<Self, serde_json::Error>>;
}

#[diagnostic::do_not_recommend]
impl<E: Event> Older for E {
    const DECLARATION: &'static Declaration = &E::DECLARATION;

    const SUPERSEDED: &'static Superseded =
        &Superseded { routing_key: E::DECLARATION.routing_key, older: E::DECLARATION.supersedes };

    fn read(key: &str, payload: &str) -> Option<Result<Self, serde_json::Error>> {
        if template_matches(E::DECLARATION.routing_key, key) {
            Some(read_unexplained(payload.as_bytes()))
        } else {
            E::upcast(key, payload)
        }
    }
}

/// An event that can be made from the version before it.
#[diagnostic::on_unimplemented(
    message = "`{Self}` cannot be made from `{Old}`",
    label = "no conversion from `{Old}`",
    note = "a subscriber of `{Self}` also receives `{Old}`: write `impl From<{Old}> for {Self}`"
)]
pub trait Supersedes<Old> {
    /// Converts the older version.
    fn from_older(old: Old) -> Self;
}

#[diagnostic::do_not_recommend]
impl<Old, New: From<Old>> Supersedes<Old> for New {
    fn from_older(old: Old) -> Self {
        Self::from(old)
    }
}

/// The body of `Event::upcast` for an event with `supersedes`.
pub fn upcast<Old, New>(
    old: Option<Result<Old, serde_json::Error>>,
    convert: fn(Old) -> New,
) -> Option<Result<New, serde_json::Error>> {
    old.map(|old| old.map(convert))
}

/// An event with `validate`, which has rules.
#[diagnostic::on_unimplemented(
    message = "`{Self}` has no rules to validate",
    label = "without rules",
    note = "consider annotating `{Self}` with `#[derive(garde::Validate)]`, or remove `validate`"
)]
pub trait Validated {
    /// Checks the rules.
    ///
    /// # Errors
    /// [`ErrorKind::InvalidPayload`] naming every field at fault.
    fn check(&self) -> Result<()>;
}

#[diagnostic::do_not_recommend]
impl<E: Event + garde::Validate<Context = ()>> Validated for E {
    fn check(&self) -> Result<()> {
        garde::Validate::validate(self).map_err(|report| {
            let listed = || report.iter().take(MOST_FAULTS);
            let omitted = report.iter().count().saturating_sub(MOST_FAULTS);
            let sentences: Vec<_> = listed().map(|(path, fault)| format!("`{path}`: {fault}")).collect();
            let faults = listed()
                .map(|(path, fault)| PayloadFault { pointer: pointer(&path.to_string()), detail: fault.to_string() });
            Error::new(
                ErrorKind::InvalidPayload,
                format!(
                    "`{}` breaks its own rules: {}{}",
                    E::DECLARATION.routing_key,
                    sentences.join("; "),
                    more_faults(omitted)
                ),
            )
            .with_faults(faults.collect())
            .with_omitted_faults(omitted)
        })
    }
}

/// The JSON pointer of a field whose place is written as `sentences[0].text`.
fn pointer(path: &str) -> String {
    let tokens = path.split(['.', '[']).map(|token| token.trim_end_matches(']')).filter(|token| !token.is_empty());
    tokens.map(|token| format!("/{}", token.replace('~', "~0").replace('/', "~1"))).collect()
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_place_of_a_field_is_a_json_pointer() {
        assert_eq!(super::pointer("sentences[0].text"), "/sentences/0/text");
        assert_eq!(super::pointer("provider"), "/provider");
        assert_eq!(super::pointer(""), "");
    }
}
