"""Compares bars.csv, of one-second windows, with pandas on the ticks they were made of, exactly.

Usage: ohlcv.py TICKS.csv OUT/bars.csv
"""

import sys
from decimal import ROUND_HALF_EVEN, Context, Decimal

import pandas

LENGTH, NANO = 1_000_000_000, Decimal(10) ** 9
EXACT = Context(prec=60, rounding=ROUND_HALF_EVEN)

ticks = pandas.read_csv(sys.argv[1], dtype=str, keep_default_na=False)
for column in ("ts_event", "seq", "size"):
    ticks[column] = [int(value or 0) for value in ticks[column]]
ticks["price"] = [int(Decimal(value or 0) * NANO) for value in ticks["price"]]

# The last message about a print, by time and sequence number, has the word.
trades = ticks[ticks.action == "trade"].drop(columns=["action", "ref_seq"])
said = ticks[ticks.action.isin(["cancel", "correct"])].sort_values(["ts_event", "seq"])
said = said.drop_duplicates(["symbol", "ref_seq"], keep="last").assign(seq=lambda it: it.ref_seq.astype(int))
said = said[["symbol", "seq", "action", "price", "size"]]
trades = trades.merge(said, on=["symbol", "seq"], how="left", suffixes=("", "_then"))
trades = trades[trades.action != "cancel"]
is_corrected = trades.action == "correct"
for column in ("price", "size"):
    trades[column] = trades[column].where(~is_corrected, trades[f"{column}_then"]).astype("int64")

trades = trades.sort_values(["ts_event", "seq"]).assign(ts_open=lambda it: it.ts_event // LENGTH * LENGTH)
expected = []
for (ts_open, symbol), held in trades.groupby(["ts_open", "symbol"]):
    price, volume = held.price, int(held["size"].sum())
    notional = sum(int(p) * int(s) for p, s in zip(held.price, held["size"]))
    vwap = EXACT.divide(notional, volume).quantize(Decimal(1), context=EXACT) if volume else None
    row = [price.iloc[0], price.max(), price.min(), price.iloc[-1], volume, len(held), vwap]
    expected.append([symbol, ts_open, ts_open + LENGTH, *(None if it is None else int(it) for it in row)])

bars = pandas.read_csv(sys.argv[2], dtype=str, keep_default_na=False)
found = []
for symbol, ts_open, ts_close, *prices, volume, count, vwap in bars.itertuples(index=False):
    prices = [int(Decimal(price) * NANO) for price in prices]
    vwap = int(Decimal(vwap) * NANO) if vwap else None
    found.append([symbol, int(ts_open), int(ts_close), *prices, int(volume), int(count), vwap])

if found != expected:
    differ = next((pair for pair in zip(found, expected) if pair[0] != pair[1]), (len(found), len(expected)))
    sys.exit(f"bars differ, first tapeflow's and then pandas': {differ}")
print(f"{len(found)} bars of {len(ticks)} records are equal")
