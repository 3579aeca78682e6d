# /// script
# dependencies = ["duckdb==2.0.1"]
# ///
"""DuckDB: one statement from file to file, columns in batches, threads of C++."""

import sys

import duckdb

ticks, bars, cores = sys.argv[1:4]
window = int(sys.argv[4]) * 1_000_000_000
columns = "columns = {'ts_event': 'BIGINT', 'symbol': 'VARCHAR', 'price': 'DOUBLE', 'size': 'BIGINT'}"
if ticks.endswith(".jsonl"):
    tape = f"read_json('{ticks}', format = 'newline_delimited', {columns})"
else:
    tape = f"read_csv('{ticks}', header = true, auto_detect = false, delim = ',', {columns})"
with duckdb.connect(config={"threads": cores, "preserve_insertion_order": False}) as database:
    database.execute(f"""
        COPY (
            SELECT symbol, ts_event // {window} * {window} AS ts_open, ts_open + {window} AS ts_close,
                arg_min(price, ts_event) AS open, max(price) AS high, min(price) AS low,
                arg_max(price, ts_event) AS close, sum(size) AS volume, count(*) AS trades,
                sum(price * size) / sum(size) AS vwap
            FROM {tape}
            GROUP BY symbol, ts_open
        ) TO '{bars}' (FORMAT csv, HEADER true)
    """)
