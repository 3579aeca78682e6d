# /// script
# dependencies = ["polars==2.1.0"]
# ///
"""Polars, lazily and with its streaming engine: columns in batches, threads of Rust."""

import sys

import polars as pl

ticks, bars = sys.argv[1:3]
window = int(sys.argv[4]) * 1_000_000_000
ts, price, size = pl.col("ts_event"), pl.col("price"), pl.col("size")
schema = {"ts_event": pl.Int64, "symbol": pl.String, "price": pl.Float64, "size": pl.Int64}
scan = pl.scan_ndjson if ticks.endswith(".jsonl") else pl.scan_csv
(
    scan(ticks, schema=schema)
    .group_by("symbol", (ts // window * window).alias("ts_open"))
    .agg(
        price.min_by(ts).alias("open"),
        price.max().alias("high"),
        price.min().alias("low"),
        price.max_by(ts).alias("close"),
        size.sum().alias("volume"),
        pl.len().alias("trades"),
        ((price * size).sum() / size.sum()).alias("vwap"),
    )
    .select("symbol", "ts_open", (pl.col("ts_open") + window).alias("ts_close"), pl.exclude("symbol", "ts_open"))
    .sink_csv(bars, engine="streaming")
)
