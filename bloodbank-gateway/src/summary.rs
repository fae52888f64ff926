//! Summaries of registered events, for lists, and their doc comments for readers outside of Rust.

use std::borrow::Cow;

use bloodbank_core::registry::EventDescriptor;
use serde_json::{Value, json};

/// The summary of an event in a list.
pub(crate) fn summary(event: &EventDescriptor) -> Value {
    let declaration = event.declaration();
    let location = event.location();
    json!({
        "key": event.routing_key(),
        "kind": event.kind(),
        "domain": event.domain(),
        "name": declaration.name,
        "description": first_line(&plain(declaration.docs)),
        "reply": declaration.reply,
        "id_fields": declaration.id_fields,
        "cause_fields": declaration.cause_fields,
        "supersedes": declaration.supersedes.map(|older| older.routing_key),
        "external": declaration.external,
        "crate": location.crate_name,
        "crate_version": location.crate_version,
    })
}

/// The first line of a doc comment.
pub(crate) fn first_line(docs: &str) -> &str {
    docs.trim().lines().next().unwrap_or_default()
}

/// A doc comment without the links of rustdoc, which lead nowhere else: ``[`Answer`]`` and ``[`Answer`](crate::Answer)`` become
/// `` `Answer` ``. Links to a web page stay.
pub(crate) fn plain(docs: &str) -> Cow<'_, str> {
    if !docs.contains('[') {
        return docs.into();
    }
    let (mut plain, mut rest) = (String::with_capacity(docs.len()), docs);
    while let Some(start) = rest.find(['[', '`']) {
        plain.push_str(&rest[..start]);
        rest = &rest[start..];
        let (taken, length) = link(rest).unwrap_or_else(|| {
            let length = code(rest).map_or(1, str::len);
            (&rest[..length], length)
        });
        plain.push_str(taken);
        rest = &rest[length..];
    }
    (plain + rest).into()
}

/// The text of the link that a text begins with, and the length of the whole.
fn link(text: &str) -> Option<(&str, usize)> {
    let inside = text.strip_prefix('[')?;
    let label = match code(inside) {
        Some(code) => code,
        None => &inside[..inside.find(']')?],
    };
    let after = inside[label.len()..].strip_prefix(']')?;
    let target = match after.as_bytes().first() {
        Some(b'(') => &after[..=after.find(')')?],
        Some(b'[') => &after[..=after.find(']')?],
        _ => "",
    };
    let is_of_rustdoc = match target.strip_prefix('(') {
        Some(address) => !address.starts_with("http"),
        // Brackets alone may be no link.
        None => label.starts_with('`') || !target.is_empty(),
    };
    is_of_rustdoc.then_some((label, label.len() + target.len() + 2))
}

/// The span of code that a text begins with.
fn code(text: &str) -> Option<&str> {
    let fence = text.len() - text.trim_start_matches('`').len();
    if fence == 0 {
        return None;
    }
    let end = text[fence..].find(&text[..fence])?;
    Some(&text[..fence + end + fence])
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn links_of_rustdoc_are_code_without_brackets() {
        for (docs, expected) in [
            ("Answers with [`Answer`].", "Answers with `Answer`."),
            ("See [`Answer`](crate::Answer) or [the answer](Answer).", "See `Answer` or the answer."),
            (
                "See [the page](https://example.org/a), [`x`](http://a.example).",
                "See [the page](https://example.org/a), [`x`](http://a.example).",
            ),
            ("Takes `a[0]`, [1, 2] and ``[`Not`]``.", "Takes `a[0]`, [1, 2] and ``[`Not`]``."),
            ("An open [`link and [bracket", "An open [`link and [bracket"),
            ("Nothing.", "Nothing."),
        ] {
            assert_eq!(plain(docs), expected);
        }
    }
}
