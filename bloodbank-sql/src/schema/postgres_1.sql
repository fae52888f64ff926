-- Events that wait to be published: a work queue. What is confirmed is deleted.
CREATE TABLE bloodbank_outbox (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    event_id uuid NOT NULL,
    event_type text NOT NULL,
    -- The prepared event as JSON: exchange, key, properties, headers, envelope.
    message text NOT NULL,
    -- Events with the same value are published one after the other.
    order_key text,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Not taken before this time: a relay has it, or it has failed.
    due_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    claim uuid,
    attempts bigint NOT NULL DEFAULT 0,
    last_error text,
    -- Set where it cannot be published: it waits for a person.
    parked_at timestamptz
);
CREATE INDEX bloodbank_outbox_pending ON bloodbank_outbox (id) WHERE parked_at IS NULL;
CREATE INDEX bloodbank_outbox_order ON bloodbank_outbox (order_key, id) WHERE order_key IS NOT NULL;

-- Events that a transactional subscriber has handled.
CREATE TABLE bloodbank_inbox (
    queue text NOT NULL,
    event_id uuid NOT NULL,
    handled_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (queue, event_id)
);
CREATE INDEX bloodbank_inbox_expiry ON bloodbank_inbox (expires_at);

-- Which event caused which.
CREATE TABLE bloodbank_link (
    child uuid PRIMARY KEY,
    -- A JSON array of ids.
    parents text NOT NULL,
    -- The time in the envelope, RFC 3339.
    created_at text,
    -- A JSON object.
    metadata text NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX bloodbank_link_expiry ON bloodbank_link (expires_at);
CREATE TABLE bloodbank_link_parent (
    parent uuid NOT NULL,
    child uuid NOT NULL,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (parent, child)
);
CREATE INDEX bloodbank_link_parent_expiry ON bloodbank_link_parent (expires_at);

-- Events that subscribers with `dedupe` handle (with the token of the lease) or have handled (without one).
CREATE TABLE bloodbank_lease (
    queue text NOT NULL,
    event_id uuid NOT NULL,
    token uuid,
    expires_at timestamptz NOT NULL,
    PRIMARY KEY (queue, event_id)
);
CREATE INDEX bloodbank_lease_expiry ON bloodbank_lease (expires_at);

-- Large payloads that stay out of their events.
CREATE TABLE bloodbank_claim (
    -- Bytes: a text of PostgreSQL holds no NUL.
    key bytea PRIMARY KEY,
    payload bytea NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX bloodbank_claim_expiry ON bloodbank_claim (expires_at);
