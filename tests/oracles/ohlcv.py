"""Compares bars.csv, of one-second windows, with pandas on the ticks they were made of, exactly.

Usage: ohlcv.py TICKS.csv OUT/bars.csv
"""

import sys
from fractions import Fraction

import pandas
from corrected import nano, records, trades

LENGTH = 1_000_000_000

ticks = records(sys.argv[1])
windows = trades(ticks).assign(ts_open=lambda it: it.ts_event // LENGTH * LENGTH)
expected = []
for (ts_open, symbol), held in windows.groupby(["ts_open", "symbol"]):
    price, volume = held.price, int(held["size"].sum())
    notional = sum(int(p) * int(s) for p, s in zip(held.price, held["size"]))
    # A fraction rounds half to even.
    vwap = round(Fraction(notional, volume)) if volume else None
    row = [price.iloc[0], price.max(), price.min(), price.iloc[-1], volume, len(held), vwap]
    expected.append([symbol, ts_open, ts_open + LENGTH, *(None if it is None else int(it) for it in row)])

bars = pandas.read_csv(sys.argv[2], dtype=str, keep_default_na=False)
found = []
for symbol, ts_open, ts_close, *prices, volume, count, vwap in bars.itertuples(index=False):
    vwap = nano(vwap) if vwap else None
    found.append([symbol, int(ts_open), int(ts_close), *map(nano, prices), int(volume), int(count), vwap])

if found != expected:
    differ = next((pair for pair in zip(found, expected) if pair[0] != pair[1]), (len(found), len(expected)))
    sys.exit(f"bars differ, first tapeflow's and then pandas': {differ}")
print(f"{len(found)} bars of {len(ticks)} records are equal")
