# /// script
# dependencies = ["pandas==3.1.1"]
# ///
"""pandas: the whole tape in memory, one thread."""

import sys

import pandas

ticks, bars = sys.argv[1:3]
window = int(sys.argv[4]) * 1_000_000_000
types = {"ts_event": "int64", "symbol": "category", "price": "float64", "size": "int64"}
if ticks.endswith(".jsonl"):
    tape = pandas.read_json(ticks, lines=True, dtype=types, convert_dates=False)
else:
    tape = pandas.read_csv(ticks, dtype=types)
tape = tape.sort_values("ts_event")
tape["ts_open"] = tape["ts_event"] // window * window
tape["notional"] = tape["price"] * tape["size"]
bar = tape.groupby(["symbol", "ts_open"], observed=True, sort=False).agg(
    open=("price", "first"),
    high=("price", "max"),
    low=("price", "min"),
    close=("price", "last"),
    volume=("size", "sum"),
    trades=("size", "size"),
    notional=("notional", "sum"),
)
bar = bar.reset_index()
bar.insert(2, "ts_close", bar["ts_open"] + window)
bar["vwap"] = bar.pop("notional") / bar["volume"]
bar.to_csv(bars, index=False)
