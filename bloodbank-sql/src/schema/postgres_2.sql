-- Published events in the order of publishing: a copy of the journal of the bus.
CREATE TABLE bloodbank_journal (
    -- The offset of the event in the journal that it was copied from.
    stream_offset bigint PRIMARY KEY,
    event_id uuid,
    event_type text COLLATE "C" NOT NULL,
    -- The program that published, as the envelope and as the properties name it.
    source text,
    app_id text,
    published_at timestamptz NOT NULL,
    -- The latest `published_at` up to this row: it never falls from row to row, so that a time is found by an index.
    latest_at timestamptz NOT NULL,
    written_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    exchange text NOT NULL,
    routing_key text NOT NULL,
    -- A JSON object: the properties and the headers of the message.
    properties text NOT NULL,
    body bytea NOT NULL
);
CREATE INDEX bloodbank_journal_event ON bloodbank_journal (event_id, stream_offset) WHERE event_id IS NOT NULL;
CREATE INDEX bloodbank_journal_type ON bloodbank_journal (event_type, stream_offset);
CREATE INDEX bloodbank_journal_time ON bloodbank_journal (latest_at, stream_offset);

-- The direct parents of the events in the journal.
CREATE TABLE bloodbank_journal_cause (
    cause uuid NOT NULL,
    stream_offset bigint NOT NULL,
    PRIMARY KEY (cause, stream_offset)
);
CREATE INDEX bloodbank_journal_cause_offset ON bloodbank_journal_cause (stream_offset);

-- How far the journal is written: one row, written together with the events.
CREATE TABLE bloodbank_journal_progress (
    single boolean PRIMARY KEY DEFAULT true CHECK (single),
    -- The journal that is copied.
    source text NOT NULL,
    -- The offset of the next event; NULL before the first one.
    next_offset bigint,
    latest_at timestamptz NOT NULL DEFAULT 'epoch',
    -- The offset up to which events were deleted because they were too old.
    pruned_to bigint NOT NULL DEFAULT -1
);

-- Offsets that were removed from the source before they were copied.
CREATE TABLE bloodbank_journal_lost (
    first_offset bigint PRIMARY KEY,
    last_offset bigint NOT NULL,
    noticed_at timestamptz NOT NULL DEFAULT clock_timestamp()
);
