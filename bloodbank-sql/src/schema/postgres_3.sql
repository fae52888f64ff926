-- The journal has a partition for each day, so that old days go as a whole. What is there already becomes the first one: it counts
-- as written today. It is read once and gets another primary key, which takes as long as an index of it.
ALTER TABLE bloodbank_journal RENAME TO bloodbank_journal_first;
ALTER INDEX bloodbank_journal_pkey RENAME TO bloodbank_journal_first_pkey;
ALTER INDEX bloodbank_journal_event RENAME TO bloodbank_journal_first_event;
ALTER INDEX bloodbank_journal_type RENAME TO bloodbank_journal_first_type;
ALTER INDEX bloodbank_journal_time RENAME TO bloodbank_journal_first_time;
ALTER TABLE bloodbank_journal_cause RENAME TO bloodbank_journal_cause_first;
ALTER INDEX bloodbank_journal_cause_pkey RENAME TO bloodbank_journal_cause_first_pkey;
-- It was for deleting rows.
DROP INDEX bloodbank_journal_cause_offset;

-- Published events in the order of publishing: a copy of the journal of the bus.
CREATE TABLE bloodbank_journal (
    -- The offset of the event in the journal that it was copied from. No two rows have the same: see `bloodbank_journal_progress`.
    stream_offset bigint NOT NULL,
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
    body bytea NOT NULL,
    -- The day on which the row was written, by UTC; it never falls from row to row.
    day date NOT NULL,
    PRIMARY KEY (stream_offset, day)
) PARTITION BY RANGE (day);
CREATE INDEX bloodbank_journal_event ON bloodbank_journal (event_id, stream_offset) WHERE event_id IS NOT NULL;
CREATE INDEX bloodbank_journal_by_type ON bloodbank_journal (event_type, stream_offset);
CREATE INDEX bloodbank_journal_time ON bloodbank_journal (latest_at, stream_offset);

-- The direct parents of the events in the journal.
CREATE TABLE bloodbank_journal_cause (
    cause uuid NOT NULL,
    stream_offset bigint NOT NULL,
    day date NOT NULL,
    PRIMARY KEY (cause, stream_offset, day)
) PARTITION BY RANGE (day);

-- Where each day begins that has rows. Days, offsets and times grow together.
CREATE TABLE bloodbank_journal_day (
    day date PRIMARY KEY,
    first_offset bigint NOT NULL,
    first_latest_at timestamptz NOT NULL
);

-- The event types that the journal has, and the last day on which it got one.
CREATE TABLE bloodbank_journal_type (
    event_type text COLLATE "C" PRIMARY KEY,
    last_day date NOT NULL
);

-- The day of the last row. Rows are written together with this one, by whoever finds it as it was left: so their offsets grow.
ALTER TABLE bloodbank_journal_progress ADD COLUMN day date NOT NULL DEFAULT 'epoch';

ALTER TABLE bloodbank_journal_cause_first ALTER COLUMN cause SET NOT NULL;
DO $$
DECLARE
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['bloodbank_journal', 'bloodbank_journal_cause'] LOOP
        -- A default that does not change: no row is rewritten.
        EXECUTE format('ALTER TABLE %I ADD COLUMN day date NOT NULL DEFAULT %L', name || '_first', today);
        EXECUTE format('ALTER TABLE %I ALTER COLUMN day DROP DEFAULT', name || '_first');
        EXECUTE format('ALTER TABLE %I ALTER COLUMN stream_offset SET NOT NULL', name || '_first');
        EXECUTE format('ALTER TABLE %I DROP CONSTRAINT %I', name || '_first', name || '_first_pkey');
        EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (MINVALUE) TO (%L)', name, name || '_first', today + 1);
        EXECUTE format('ALTER TABLE %I RENAME TO %I', name || '_first', name || to_char(today, '"_"YYYYMMDD'));
    END LOOP;
    INSERT INTO bloodbank_journal_day
        SELECT day, stream_offset, latest_at FROM bloodbank_journal ORDER BY stream_offset LIMIT 1;
    INSERT INTO bloodbank_journal_type SELECT event_type, max(day) FROM bloodbank_journal GROUP BY event_type;
    UPDATE bloodbank_journal_progress SET day = today;
END $$;
