#![doc = include_str!("docs/overview.md")]
#![forbid(unsafe_code)]

#[doc(hidden)]
pub use bloodbank_core::__private;
#[cfg(feature = "logging")]
pub use bloodbank_core::telemetry::init_logging;
pub use bloodbank_core::{
    App, BoxError, Bus, Command, CommandContext, CommandEvent, CommandManager, Context, DeadLetters, Error, ErrorKind,
    Event, EventCollector, EventEnvelope, EventKind, ExecuteError, FailureEvent, HandlerError, PayloadFault, Publisher,
    Receipt, Registry, Replay, Result, RoutingSegment, RunningApp, Settings, State, Subscriber,
};
#[cfg(feature = "testing")]
pub use bloodbank_macros::replay;
pub use bloodbank_macros::{Event, EventSet, RoutingSegment, command, pattern, routing_key, subscriber};
/// The crate of event ids, in the version that the public interface uses.
pub use uuid;

/// The app at work: health, signals, and a bus of parts of your own.
pub mod app {
    pub use bloodbank_core::app::{
        AppControl, AppTask, BusBuilder, Health, HealthProbe, HealthState, StartedTask, StopSignals, SubscriberHealth,
    };
}

/// Claim check: a large payload stays in a store, and the event carries a reference to it.
pub mod claim_check {
    pub use bloodbank_core::claim_check::{Claim, ClaimCheck, ClaimError, Large};
}

/// Correlation: which event caused which.
pub mod correlation {
    pub use bloodbank_core::correlation::{
        Chain, ChainOrder, CorrelationHealth, CorrelationTracker, Direction, Dump, IdPrefix, InvalidIdPrefix,
        METADATA_LIMIT, Recording, Resolved, Trace, TraceEvent, check_metadata,
    };
}

/// Dead letters: listing, redriving, discarding.
pub mod dead_letter {
    pub use bloodbank_core::dead_letter::{
        DeadLetter, DeadLetterDetail, DeadLetterEntry, Filter, Handle, InvalidHandle, Mode, Report, Settled,
        SweepReport, SweptDeadLetter,
    };
}

/// Deduplication: an event that a subscriber has handled is not handled by it again.
pub mod dedupe {
    pub use bloodbank_core::dedupe::{Dedupe, DedupeMark, OnOutage};
}

/// Envelopes: the JSON around every payload.
pub mod envelope {
    pub use bloodbank_core::envelope::{
        AgentContext, AgentType, CodeState, ENVELOPE_VERSION, EnvelopeHead, RawEnvelope, Source, TriggerType,
        WrittenSource, check_version,
    };
}

/// The contracts of events.
pub mod event {
    pub use bloodbank_core::event::{
        CauseId, Declaration, IdValue, Location, Payload, PendingEvent, Reply, Superseded,
        derives::{Described, Readable, Writable},
    };
}

/// Event ids that are deterministic from declared fields.
pub mod event_id {
    pub use bloodbank_core::event_id::{deterministic, in_namespace, unique_key};
}

/// Arguments and return values of subscribers, and layers around them.
pub mod handler {
    pub use bloodbank_core::{
        consume::HandlerService,
        handler::{
            BatchItem, ExtractFrom, Extractor, HandlerFailure, HandlerReturn, HandlerTransaction, Handling, Here,
            Input, Interrupted, Kept, Needs, OpenTransaction, Opened, Output, Provides, Requirement, Satisfies, States,
            SubscriberFn, There,
        },
    };
}

/// Messages between a transport and the rest, with their properties and headers.
pub mod message {
    pub use bloodbank_core::message::{
        ForeignProperties, Format, HeaderValue, Headers, Incoming, Outgoing, Properties, Published, Text,
    };

    /// The names of the headers that Bloodbank sets.
    pub mod names {
        pub use bloodbank_core::message::names::{
            ATTEMPT, CC, ERROR, EVENT_ID, EVENT_TYPE, EXCHANGE, FINAL, FIRST_FAILED, LAST_FAILED, PARKED_KEY,
            PARKED_PLACE, PARKED_POSITION, QUEUE, REASON, REDRIVEN, REPLAY, REPLAYED, REPLY, RETURNED, ROUTING_KEY,
            TRACEPARENT, TRACESTATE,
        };
    }
}

/// Publishing: builders, causes, prepared events, requests.
pub mod publish {
    pub use bloodbank_core::publish::{
        Broker, Cause, Destination, Execute, JsonPayload, Prepared, Publish, PublishValue, Publishable, TraceContext,
        Untyped,
    };
}

/// The registry: the events, subscribers and commands that are linked into this program.
pub mod registry {
    pub use bloodbank_core::registry::{
        AnyEvent, Backoff, BatchPolicy, CommandDescriptor, Conflict, EventDescriptor, OnFailure, Rate, Report,
        RetryPolicy, Settle, SubscriberDescriptor, SubscriberOptions,
    };
}

/// Replay: events that were handled go to one subscriber again, from the journal.
pub mod replay {
    pub use bloodbank_core::replay::{ReplayPlan, ReplayProgress, ReplayRequest, ReplayState, RunningReplay};
}

/// Routing keys and binding patterns.
pub mod routing {
    pub use bloodbank_core::routing::{
        BindingPattern, FillError, InvalidKey, KeyError, KeyErrorKind, MAX_LEN, PatternTrie, RoutingKey, Segment,
        Subject, check_key, check_pattern, check_segment, check_template, check_wire_key, check_wire_pattern, covers,
        explain, first_segment, is_failure_key, is_template, matches, nearest, nearest_within, overlaps, printable,
        suggest_pattern, suggestion, template_matches, template_segments, template_to_pattern,
    };
}

/// Settings from the environment, `.env` and `bloodbank.toml`.
pub mod settings {
    pub use bloodbank_core::settings::{
        ClaimStoreKind, CorrelationStoreKind, JournalKind, LogFormat, QueueArgument, QueueArguments, QueueKind, Reader,
        TlsFiles, TopologyMode,
    };
}

/// Stores: contracts, and the backends in memory, in files and in Redis.
pub mod store {
    pub use bloodbank_core::store::{
        Acquired, ArchivedJournal, BatchRead, CausationLink, ClaimStore, DatabaseProvider, DatabaseStores,
        DirectLinkStore, FileClaims, Journal, JournalEntries, JournalEntry, JournalQuery, LeaseKey, LeaseStore,
        LinkEntry, LinkStore, Lookup, MalformedEntry, ParkedEvent, ParkedKey, ParkedKeys, Place, Position, Stores,
        UnrecordedLinks, entries_lost,
    };

    /// Stores in the memory of this process.
    pub mod memory {
        pub use bloodbank_core::store::memory::{MemoryClaims, MemoryLeases, MemoryLinks, MemoryParkedKeys};
    }

    /// Stores in Redis.
    #[cfg(feature = "redis")]
    pub mod redis {
        pub use bloodbank_core::store::redis::{
            RedisClaims, RedisConnection, RedisLeases, RedisLinks, RedisParkedKeys,
        };
    }
}

/// The contracts of transports, and the topology on the broker.
pub mod transport {
    pub use bloodbank_core::transport::{
        BoxQueueBrowser, Connected, Connection, ConnectionState, Consume, Deliveries, Delivery, Difference, Partitions,
        Publish, QueueBrowser, QueueStatus, Settle, Settlement, Spreading, Topology, TopologyDiff, TopologyStatus,
        Transport, TransportProvider,
    };

    /// Topology: exchanges, queues and bindings as data.
    pub mod topology {
        pub use bloodbank_core::transport::topology::{
            Binding, DEAD_LETTER_EXCHANGE, DELIVERY_LIMIT, DeadLetterTo, Exchange, ExchangeKind, LADDER,
            PARKED_DELIVERY_LIMIT, Queue, dead_letter_queue, rung_name,
        };
    }
}

// Linked where the feature is on: `BLOODBANK_PROBES` alone starts the server.
#[cfg(feature = "probes")]
use bloodbank_probes as _;

/// Traces, exported by OTLP.
#[cfg(feature = "otlp")]
pub mod telemetry {
    pub use bloodbank_telemetry::{Telemetry, TelemetryError, init, init_with, layer};
}

/// The RabbitMQ transport.
#[cfg(feature = "amqp")]
pub mod amqp {
    pub use bloodbank_amqp::{Amqp, ExchangeSwitch, JournalRetention, JournalStatus, JournalSwitch, remove_queues};
}

/// The embedded bus: a transport in this process, in memory or in one file.
#[cfg(feature = "embedded")]
pub mod embedded {
    pub use bloodbank_embedded::Embedded;
}

/// SQL: the user's transaction, the event and the mark in one commit.
#[cfg(any(feature = "sql-postgres", feature = "sql-sqlite"))]
pub mod sql {
    #[cfg(feature = "sql-sqlite")]
    pub use bloodbank_sql::sqlite_in_memory;
    pub use bloodbank_sql::{
        AnyPool, AppExt, AsConnection, BusExt, Database, Dialect, Schema, SchemaStatus, SqlClaims, SqlLeases, SqlLinks,
        SqlParkedKeys, Tx, Value,
        outbox::{Backlog, INSERT, InTransaction, Outbox, OutboxEntry, OutboxReceipt, OutboxRow, OutboxTable, Relay},
    };
    #[cfg(feature = "sql-postgres")]
    pub use bloodbank_sql::{JournalTableStatus, JournalWriter, PostgresJournal};
}

/// `TestBus`, and the conformance suites for transports and stores.
#[cfg(feature = "testing")]
pub mod testing {
    pub use bloodbank_testing::{DeadLetter, TestBus, conformance_suite, store_conformance_suite};

    /// Recorded history as a test.
    pub mod recorded {
        pub use bloodbank_testing::recorded::{
            Change, Difference, Differences, FieldChange, Recording, RecordingBus, check,
        };
    }

    /// What a suite is given: how to connect to a broker or a store, and the features it has.
    pub mod conformance {
        pub use bloodbank_testing::conformance::{Bench, Feature, Fixture};

        /// The fixtures of the suites for stores.
        pub mod stores {
            pub use bloodbank_testing::conformance::stores::{AsLinkStore, JournalFixture, StoreFixture};
        }
    }
}

/// The names that most services need.
pub mod prelude {
    pub use bloodbank_core::{
        App, Bus, Command, CommandContext, Context, Event, EventCollector, EventEnvelope, FailureEvent, HandlerError,
        Publisher, RoutingSegment, State,
    };
    pub use bloodbank_macros::{Event, EventSet, RoutingSegment, command, pattern, routing_key, subscriber};
    pub use schemars::JsonSchema;
    pub use serde::{Deserialize, Serialize};
}

/// The doc-tests of the macros, which the macro crate itself cannot run.
#[cfg(doctest)]
mod macro_docs {
    macro_rules! run {
        ($($(#[$feature:meta])? $name:ident $path:literal)*) => {$(
            $(#[$feature])?
            #[doc = include_str!($path)]
            struct $name;
        )*};
    }
    run! {
        Event "../bloodbank-macros/src/docs/event.md"
        EventSet "../bloodbank-macros/src/docs/event_set.md"
        RoutingSegment "../bloodbank-macros/src/docs/routing_segment.md"
        #[cfg(feature = "testing")]
        Replay "../bloodbank-macros/src/docs/replay.md"
        Subscriber "../bloodbank-macros/src/docs/subscriber.md"
        Command "../bloodbank-macros/src/docs/command.md"
        RoutingKey "../bloodbank-macros/src/docs/routing_key.md"
        Pattern "../bloodbank-macros/src/docs/pattern.md"
    }
}

/// The examples of the book. Those of the pages about the gateway and the command line are run by their crates.
#[cfg(doctest)]
mod book {
    macro_rules! run {
        ($($(#[$feature:meta])? $name:ident $path:literal)*) => {$(
            $(#[$feature])?
            #[doc = include_str!($path)]
            struct $name;
        )*};
    }
    run! {
        Concepts "../docs/src/concepts.md"
        Correlation "../docs/src/correlation.md"
        Delivery "../docs/src/delivery.md"
        Events "../docs/src/events.md"
        Failures "../docs/src/failures.md"
        Journal "../docs/src/journal.md"
        Logging "../docs/src/logging.md"
        Middleware "../docs/src/middleware.md"
        Migration "../docs/src/migration.md"
        #[cfg(feature = "otlp")]
        Observability "../docs/src/observability.md"
        QuickStart "../docs/src/quick_start.md"
        #[cfg(feature = "testing")]
        RecordedTests "../docs/src/recorded_tests.md"
        Replay "../docs/src/replay.md"
        Scaling "../docs/src/scaling.md"
        #[cfg(all(feature = "sql-postgres", feature = "sql-sqlite"))]
        Sql "../docs/src/sql.md"
        Subscribers "../docs/src/subscribers.md"
        #[cfg(feature = "testing")]
        Testing "../docs/src/testing.md"
    }
}
