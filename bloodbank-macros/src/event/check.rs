//! Checks of one declaration: contradictions between its options and its fields.

use bloodbank_routing::{
    Segment, check_segment, check_template, explain, first_segment, is_failure_key, is_template, nearest, suggestion,
    template_segments,
};
use quote::ToTokens;
use syn::{Data, Ident, LitStr, Token, ext::IdentExt, punctuated::Punctuated};

use super::{ast::Event, failure};
use crate::ctxt::Ctxt;

pub(crate) fn check(cx: &Ctxt, event: &Event<'_>) {
    check_shape(cx, event);
    match &event.attr.routing_key {
        Some(key) => check_key(cx, event, key),
        None => check_no_key(cx, event),
    }
    check_kind(cx, event);
    check_id(cx, event);
    check_caused_by(cx, event);
    check_domain(cx, event);
}

fn check_shape(cx: &Ctxt, event: &Event<'_>) {
    let name = event.name();
    if let Data::Union(data) = &event.original.data {
        cx.error(data.union_token, format!("a union cannot be an event; make `{name}` a struct"));
    }
    match (&event.attr.concrete, event.is_generic()) {
        (None, true) => cx.error(
            &event.original.generics,
            format!(
                "`{name}` is generic, and one routing key belongs to one type; say which with `concrete = {name}<…>`"
            ),
        ),
        (Some(concrete), false) => cx.error(concrete, format!("`{name}` has no generics; remove `concrete`")),
        (None, false) | (Some(_), true) => {}
    }
}

fn check_no_key(cx: &Ctxt, event: &Event<'_>) {
    let name = event.name();
    let key = suggestion(&name).unwrap_or_else(|| "orders.order.placed".to_owned());
    match &event.attr.original {
        None => cx.error(
            &event.original.ident,
            format!("`{name}` has no routing key; add `#[event(routing_key = \"{key}\")]`"),
        ),
        // A misspelt or unreadable one has been reported.
        Some(_) if !cx.is_clean() => {}
        Some(attr) => cx.error(attr.path(), format!("`{name}` has no routing key; add `routing_key = \"{key}\"`")),
    }
}

fn check_key(cx: &Ctxt, event: &Event<'_>, literal: &LitStr) {
    let key = literal.value();
    if let Err(error) = check_template(&key) {
        cx.error(literal, explain(&key, &error));
        return;
    }
    for segment in template_segments(&key) {
        if let Segment::Placeholder(field) = segment
            && event.field(field).is_none()
        {
            cx.error(literal, format!("unknown placeholder `{{{field}}}`; {}", known_fields(event, field)));
        }
    }
    if event.attr.failure.is_some() && !is_failure_key(&key) {
        let better = format!("{}.failed", key.rsplit_once('.').map_or(key.as_str(), |(front, _)| front));
        let better = if check_template(&better).is_ok() { better } else { format!("{key}.failed") };
        cx.error(literal, format!("the key of a failure event ends in `.failed` or `.error`; write `{better}`"));
    }
    if event.attr.domain.is_none() && is_template(first_segment(&key)) {
        cx.error(literal, "the first segment, which names the domain, is a placeholder; add `domain = \"…\"`");
    }
}

/// The named fields of the event as a phrase, with a suggestion if one of them is similar.
fn known_fields(event: &Event<'_>, meant: &str) -> String {
    let names: Vec<_> = event.fields.iter().map(super::ast::NamedField::name).collect();
    let name = event.name();
    if names.is_empty() {
        return format!("`{name}` has no named fields");
    }
    let all: Vec<_> = names.iter().map(|field| format!("`{field}`")).collect();
    let all = format!("`{name}` has {}", all.join(", "));
    match nearest(meant, names.iter().map(String::as_str)) {
        Some(nearest) if names.len() > 1 => format!("{all}; did you mean `{nearest}`?"),
        _ => all,
    }
}

fn check_kind(cx: &Ctxt, event: &Event<'_>) {
    let attr = &event.attr;
    if let (Some(reply), None) = (&attr.reply, &attr.command) {
        cx.error(reply, "only a command has a reply; add `command`, or remove `reply`");
    }
    if let (Some(_), Some(failure)) = (&attr.command, &attr.failure) {
        cx.error(failure, "an event is a command or a failure, not both; remove one");
    } else if let Some(flag) = &attr.failure {
        failure::check(cx, event, flag);
    }
}

fn check_id(cx: &Ctxt, event: &Event<'_>) {
    let Some((word, names)) = &event.attr.id else { return };
    if names.is_empty() {
        cx.error(word, "`id()` names no field; write those that make the event the same event, or remove it");
    }
    check_names(cx, event, word, names);
}

fn check_caused_by(cx: &Ctxt, event: &Event<'_>) {
    let Some((word, names)) = &event.attr.caused_by else { return };
    if names.is_empty() {
        cx.error(word, "`caused_by()` names no field; write those that hold the id of a cause, or remove it");
    }
    check_names(cx, event, word, names);
}

fn check_names(cx: &Ctxt, event: &Event<'_>, word: &Ident, names: &Punctuated<Ident, Token![,]>) {
    for (i, name) in names.iter().enumerate() {
        let text = name.unraw().to_string();
        if event.field(&text).is_none() {
            cx.error(name, format!("no field `{text}`; {}", known_fields(event, &text)));
        } else if names.iter().take(i).any(|other| other.unraw() == name.unraw()) {
            cx.error(name, format!("`{text}` is named twice in `{word}(…)`; remove one"));
        }
    }
}

fn check_domain(cx: &Ctxt, event: &Event<'_>) {
    let Some(domain) = &event.attr.domain else { return };
    let text = domain.value();
    if let Some(error) = text.split('/').find_map(|part| check_segment(part).err().map(|error| (part, error))) {
        let message = match error {
            ("", _) => format!("domain `{text}` has an empty part; write words joined by `/`, such as `agent/thread`"),
            (part, error) => explain(part, &error).replacen("segment value", "part of a domain", 1),
        };
        cx.error(domain.to_token_stream(), message);
    }
}
