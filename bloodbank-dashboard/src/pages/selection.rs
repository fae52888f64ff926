//! Which events of the journal somebody asks for: the fields of the search, and the query that they make.

use bloodbank_core::{routing::BindingPattern, store::JournalQuery};
use chrono::{DateTime, Utc};
use maud::{Markup, html};

use crate::visit::{Visit, encoded};

/// The fields, with their labels and examples.
const FIELDS: [(&str, &str, &str); 5] = [
    ("pattern", "Pattern", "orders.#"),
    ("source", "Source", "shop"),
    ("text", "Text in the payload", "o-17"),
    ("since", "From", "2025-01-31T12:00:00Z"),
    ("until", "Until", "2025-01-31T13:00:00Z"),
];

/// What was entered in a field, in the address or in a form that was sent.
fn entered<'a>(visit: &'a Visit, name: &str) -> Option<&'a str> {
    visit.query(name).or_else(|| visit.field(name).filter(|text| !text.is_empty()))
}

/// What is asked for; otherwise what is wrong with it.
pub(super) fn query(visit: &Visit) -> Result<JournalQuery, String> {
    let time = |name: &str| -> Result<Option<DateTime<Utc>>, String> {
        let Some(text) = entered(visit, name) else { return Ok(None) };
        text.trim().parse().map(Some).map_err(|_| format!("“{text}” is not a time in the form 2025-01-31T12:00:00Z."))
    };
    let mut query = JournalQuery::all().exchange(&**visit.bus().exchange());
    if let Some(pattern) = entered(visit, "pattern") {
        let pattern = BindingPattern::parse_wire(pattern.trim().to_owned());
        query = query.pattern(pattern.map_err(|fault| format!("The pattern is not valid: {fault}."))?);
    }
    if let Some(source) = entered(visit, "source") {
        query = query.source(source.trim());
    }
    if let Some(text) = entered(visit, "text") {
        query = query.text(text);
    }
    if let Some(since) = time("since")? {
        query = query.since(since);
    }
    if let Some(until) = time("until")? {
        query = query.until(until);
    }
    Ok(query)
}

/// The inputs of a form.
pub(super) fn inputs(visit: &Visit) -> Markup {
    html! {
        @for (name, label, example) in FIELDS {
            div.field {
                @let id = if name == "pattern" { "search" } else { name };
                label for=(id) { (label) }
                input id=(id) type="text" name=(name) value=[entered(visit, name)] placeholder=(example) autocomplete="off" spellcheck="false";
            }
        }
    }
}

/// What was entered, for a form that does not ask for it again.
pub(super) fn hidden_inputs(visit: &Visit) -> Markup {
    html! {
        @for (name, ..) in FIELDS {
            @if let Some(text) = entered(visit, name) { input type="hidden" name=(name) value=(text); }
        }
    }
}

/// What was entered, for the query of an address.
pub(super) fn parameters(visit: &Visit) -> impl Iterator<Item = String> {
    FIELDS.iter().filter_map(|(name, ..)| Some(format!("{name}={}", encoded(entered(visit, name)?))))
}

/// What was entered, in words.
pub(super) fn words(visit: &Visit) -> String {
    let all = FIELDS
        .iter()
        .filter_map(|(name, label, _)| Some(format!("{} {}", label.to_lowercase(), entered(visit, name)?)));
    let all: Vec<_> = all.collect();
    if all.is_empty() { "every event of the journal".to_owned() } else { all.join(", ") }
}
