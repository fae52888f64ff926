//! The table of endpoints: from it come the routes, the OpenAPI document and the access checks.

mod accepted;
mod batch;
mod command;
mod correlation;
mod dead_letters;
mod documents;
mod envelope;
mod event;
mod health;
mod history;
#[cfg(feature = "mcp")]
mod mcp;
mod metrics;
mod past_event;
mod queues;
mod registry;
mod replays;
mod stream;

use crate::{
    auth::Access::{Probe, ReadAll, ReadAndPublishAll, Token},
    endpoint::Endpoint,
    gateway::Gateway,
};

/// Every endpoint of a gateway with those that a program adds. A page that is added takes the place of the gateway's own page at
/// its path.
pub(crate) fn with_added(added: &[Endpoint<Gateway>]) -> Vec<Endpoint<Gateway>> {
    let is_replaced = |own: &Endpoint<Gateway>| {
        added.iter().any(|page| {
            !page.spec.is_for_programs() && page.spec.method == own.spec.method && page.spec.path == own.spec.path
        })
    };
    table().into_iter().filter(|own| !is_replaced(own)).chain(added.iter().cloned()).collect()
}

/// Every endpoint of a gateway, except those that a program adds.
pub(crate) fn table() -> Vec<Endpoint<Gateway>> {
    let table = vec![
        Endpoint::get("/healthz", Probe, health::healthz, health::healthz_operation()),
        Endpoint::get("/readyz", Probe, health::readyz, health::readyz_operation()),
        Endpoint::post_per_event("/events/{*key}", Token, event::event, event::operation),
        Endpoint::get_shown_at(
            "/events/{*key}",
            "/events/{id}",
            Token,
            past_event::past_event,
            past_event::operation(),
        ),
        Endpoint::post("/events/custom", Token, envelope::envelope, envelope::operation()),
        Endpoint::post("/events/batch", Token, batch::batch, batch::operation()),
        Endpoint::get("/events/stream", Token, stream::stream, stream::operation()),
        Endpoint::get("/history", Token, history::history, history::operation()),
        Endpoint::post("/replays", ReadAndPublishAll, replays::start, replays::start_operation()),
        Endpoint::get("/replays", ReadAll, replays::list, replays::list_operation()),
        Endpoint::get("/replays/{id}", ReadAll, replays::replay, replays::replay_operation()),
        Endpoint::delete("/replays/{id}", ReadAndPublishAll, replays::cancel, replays::cancel_operation()),
        Endpoint::get("/commands/{id}", Token, command::command, command::operation()),
        Endpoint::get("/queues", ReadAll, queues::list, queues::list_operation()),
        Endpoint::get("/queues/{queue}", ReadAll, queues::queue, queues::queue_operation()),
        Endpoint::get("/dead-letters/{queue}", ReadAll, dead_letters::list, dead_letters::list_operation()),
        Endpoint::post(
            "/dead-letters/{queue}/redrive",
            ReadAndPublishAll,
            dead_letters::redrive,
            dead_letters::redrive_operation(),
        ),
        Endpoint::post(
            "/dead-letters/{queue}/discard",
            ReadAndPublishAll,
            dead_letters::discard,
            dead_letters::discard_operation(),
        ),
        Endpoint::get("/debug/correlation/{id}", ReadAll, correlation::dump, correlation::operation()),
        Endpoint::get("/debug/correlation/{id}/dump", ReadAll, correlation::dump, correlation::dump_operation()),
        Endpoint::get("/debug/correlation/{id}/chain", ReadAll, correlation::chain, correlation::chain_operation()),
        Endpoint::get("/debug/correlation/{id}/graph", ReadAll, correlation::graph, correlation::graph_operation()),
        Endpoint::get("/registry/domains", Token, registry::domains, registry::domains_operation()),
        Endpoint::get("/registry/events", Token, registry::events, registry::events_operation()),
        Endpoint::get("/registry/events/{key}", Token, registry::event, registry::event_operation()),
        Endpoint::get("/schemas/{file}", Token, registry::schema, registry::schema_operation()),
        Endpoint::get("/metrics", ReadAll, metrics::metrics, metrics::operation()),
        Endpoint::get("/openapi.json", Token, documents::openapi, documents::openapi_operation()),
        Endpoint::get("/docs", Token, documents::docs, documents::docs_operation()),
        Endpoint::get("/asyncapi.json", Token, documents::asyncapi, documents::asyncapi_operation()),
        Endpoint::get("/asyncapi", Token, documents::asyncapi_page, documents::asyncapi_page_operation()),
    ];
    #[cfg(feature = "mcp")]
    let table = {
        let mut table = table;
        let server = mcp::McpEndpoint::default();
        table.push(Endpoint::post("/mcp", Token, server.clone(), mcp::post_operation()));
        table.push(Endpoint::get("/mcp", Token, server.clone(), mcp::get_operation()));
        table.push(Endpoint::delete("/mcp", Token, server, mcp::delete_operation()));
        table
    };
    table
}
