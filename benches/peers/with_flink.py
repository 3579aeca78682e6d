# /// script
# dependencies = ["apache-flink==2.3.0"]
# ///
"""Flink: a batch of Flink SQL from file to files. Needs Java 11 or 17.

It has no arg_min, and FIRST_VALUE goes by arrival: the tick's place in its bar is put before its price in one
number, which has room for nine seconds.
"""

import sys

from pyflink.table import EnvironmentSettings, TableEnvironment

ticks, bars, cores = sys.argv[1:4]
if int(sys.argv[4]) > 9:
    sys.exit("bars of more than nine seconds: see the head of with_flink.py")
window = int(sys.argv[4]) * 1_000_000_000
kind = "json" if ticks.endswith(".jsonl") else "csv"
flink = TableEnvironment.create(EnvironmentSettings.in_batch_mode())
flink.get_config().set("parallelism.default", cores)
flink.get_config().set("taskmanager.memory.process.size", "4g")
flink.execute_sql(f"""
    CREATE TABLE ticks (ts_event BIGINT, symbol STRING, price DOUBLE, size BIGINT) WITH (
        'connector' = 'filesystem', 'path' = '{ticks}', 'format' = '{kind}', '{kind}.ignore-parse-errors' = 'true')
""")
flink.execute_sql(f"""
    CREATE TABLE bars (symbol STRING, ts_open BIGINT, ts_close BIGINT, `open` DOUBLE, high DOUBLE, low DOUBLE,
        `close` DOUBLE, volume BIGINT, trades BIGINT, vwap DOUBLE) WITH (
        'connector' = 'filesystem', 'path' = '{bars}', 'format' = 'csv')
""")
flink.execute_sql(f"""
    INSERT INTO bars
    SELECT symbol, nth * {window}, nth * {window} + {window}, MOD(MIN(placed), 1000000000) / 10000e0,
        MAX(price), MIN(price), MOD(MAX(placed), 1000000000) / 10000e0, SUM(size), COUNT(*), SUM(price * size) / SUM(size)
    FROM (
        SELECT symbol, ts_event / {window} AS nth, price, size,
            CAST(MOD(ts_event, {window}) AS BIGINT) * 1000000000 + CAST(ROUND(price * 10000) AS BIGINT) AS placed
        FROM ticks WHERE ts_event IS NOT NULL
    )
    GROUP BY symbol, nth
""").wait()
