-- Times are milliseconds since 1970.
-- Events that wait to be published: a work queue. What is confirmed is deleted.
CREATE TABLE bloodbank_outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    event_id TEXT NOT NULL,
    event_type TEXT NOT NULL,
    -- The prepared event as JSON: exchange, key, properties, headers, envelope.
    message TEXT NOT NULL,
    -- Events with the same value are published one after the other.
    order_key TEXT,
    created_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    -- Not taken before this time: a relay has it, or it has failed.
    due_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    claim TEXT,
    attempts INTEGER NOT NULL DEFAULT 0,
    last_error TEXT,
    -- Set where it cannot be published: it waits for a person.
    parked_at INTEGER
) STRICT;
CREATE INDEX bloodbank_outbox_pending ON bloodbank_outbox (id) WHERE parked_at IS NULL;
CREATE INDEX bloodbank_outbox_order ON bloodbank_outbox (order_key, id) WHERE order_key IS NOT NULL;

-- Events that a transactional subscriber has handled.
CREATE TABLE bloodbank_inbox (
    queue TEXT NOT NULL,
    event_id TEXT NOT NULL,
    handled_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (queue, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bloodbank_inbox_expiry ON bloodbank_inbox (expires_at);

-- Which event caused which.
CREATE TABLE bloodbank_link (
    child TEXT PRIMARY KEY,
    -- A JSON array of ids.
    parents TEXT NOT NULL,
    -- The time in the envelope, RFC 3339.
    created_at TEXT,
    -- A JSON object.
    metadata TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bloodbank_link_expiry ON bloodbank_link (expires_at);
CREATE TABLE bloodbank_link_parent (
    parent TEXT NOT NULL,
    child TEXT NOT NULL,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (parent, child)
) STRICT, WITHOUT ROWID;
CREATE INDEX bloodbank_link_parent_expiry ON bloodbank_link_parent (expires_at);

-- Events that subscribers with `dedupe` handle (with the token of the lease) or have handled (without one).
CREATE TABLE bloodbank_lease (
    queue TEXT NOT NULL,
    event_id TEXT NOT NULL,
    token TEXT,
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (queue, event_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX bloodbank_lease_expiry ON bloodbank_lease (expires_at);

-- Large payloads that stay out of their events.
CREATE TABLE bloodbank_claim (
    key BLOB PRIMARY KEY,
    payload BLOB NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX bloodbank_claim_expiry ON bloodbank_claim (expires_at);
