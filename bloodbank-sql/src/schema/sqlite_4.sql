-- Events that were given up by a subscriber with `park_key`, and those that wait behind them: a line for each key.
CREATE TABLE bloodbank_parked (
    place INTEGER PRIMARY KEY,
    queue TEXT NOT NULL,
    key TEXT NOT NULL,
    event_id TEXT NOT NULL,
    parked_at INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    -- Set on the one that was handled last, while others of its key are parked.
    handled_at INTEGER,
    UNIQUE (queue, key, event_id)
) STRICT;
CREATE INDEX bloodbank_parked_line ON bloodbank_parked (queue, key, place) WHERE handled_at IS NULL;
