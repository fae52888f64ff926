-- Events that were given up by a subscriber with `park_key`, and those that wait behind them: a line for each key.
CREATE TABLE bloodbank_parked (
    place bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    queue text NOT NULL,
    key text NOT NULL,
    event_id uuid NOT NULL,
    parked_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    -- Set on the one that was handled last, while others of its key are parked.
    handled_at timestamptz,
    UNIQUE (queue, key, event_id)
);
CREATE INDEX bloodbank_parked_line ON bloodbank_parked (queue, key, place) WHERE handled_at IS NULL;
