"""Reads an archive with DuckDB and with pyarrow, and prints what each of them finds as one line of JSON.

    read_back.py FOLDER
"""

import json
import sys

import duckdb
import pyarrow.dataset

folder = sys.argv[1]
columns = [
    "offset", "event_id", "event_type", "exchange", "routing_key", "source", "correlation_id", "causes", "content_type", "headers",
    "payload", "properties",
]

database = duckdb.connect()
database.execute("SET TimeZone = 'UTC'")
quoted = ", ".join(f'"{column}"' for column in columns)
table = f"read_parquet('{folder}/date=*/*.parquet', hive_partitioning = true)"
rows = database.execute(
    f'SELECT {quoted}, epoch_us(published_at), hex(body), CAST("date" AS VARCHAR) FROM {table} ORDER BY "offset"'
).fetchall()
of_duckdb = [dict(zip([*columns, "micros", "body", "date"], row, strict=True)) for row in rows]
for row in of_duckdb:
    row["body"] = row["body"].lower()
cents = database.execute(
    f"SELECT sum(CAST(payload ->> '$.cents' AS BIGINT)), count(DISTINCT \"date\") FROM {table} WHERE event_type = 'ledger.entry.made'"
).fetchone()
children = database.execute(
    f"SELECT count(*) FROM {table} WHERE list_contains(causes, (SELECT event_id FROM {table} WHERE \"offset\" = 0))"
).fetchone()

# It leaves what begins with an underscore alone.
dataset = pyarrow.dataset.dataset(folder, format="parquet", partitioning="hive")
of_pyarrow = []
for row in dataset.to_table().sort_by("offset").to_pylist():
    published_at = row.pop("published_at")
    row["micros"] = int(round(published_at.timestamp() * 1_000_000))
    row["body"] = row["body"].hex()
    row["date"] = str(row["date"])
    of_pyarrow.append(row)

print(json.dumps({"duckdb": of_duckdb, "pyarrow": of_pyarrow, "cents": cents, "children": children}, default=str))
