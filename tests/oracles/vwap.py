"""Compares averages.csv with averages that are made of the ticks by pandas and fractions, exactly.

Usage: vwap.py TICKS.csv OUT/averages.csv window LENGTH_NS
       vwap.py TICKS.csv OUT/averages.csv session EVERY_NS OPEN_NS CLOSE_NS
       vwap.py TICKS.csv OUT/averages.csv trades EVERY_NS N
"""

import sys
from fractions import Fraction

import pandas
from corrected import nano, records, trades

ticks_file, out_file, over, every, *rest = sys.argv[1:]
every, rest = int(every), [int(number) for number in rest]


def averages(held):
    """VWAP, TWAP, volume and number of some trades in their order; a fraction rounds half to even."""
    times, prices, sizes = ([int(value) for value in held[column]] for column in ("ts_event", "price", "size"))
    notional = sum(price * size for price, size in zip(prices, sizes))
    lasted = [until - since for since, until in zip(times, times[1:])]
    if sum(lasted):
        twap = Fraction(sum(price * span for price, span in zip(prices, lasted)), sum(lasted))
    else:
        twap = Fraction(sum(prices), len(prices))
    return (round(Fraction(notional, sum(sizes))) if sum(sizes) else None, round(twap), sum(sizes), len(prices))


expected = {}
ticks = records(ticks_file)
for symbol, of_symbol in trades(ticks).groupby("symbol"):
    # What each trade is told in: the window, or the step of the session, that it lies in.
    begin = rest[0] if over == "session" else 0
    if over == "session":
        of_symbol = of_symbol[(of_symbol.ts_event >= begin) & (of_symbol.ts_event < rest[1])]
    of_symbol = of_symbol.assign(step=(of_symbol.ts_event - begin) // every)
    for step, inside in of_symbol.groupby("step"):
        ts_open, ts_close = begin + step * every, begin + (step + 1) * every
        so_far = of_symbol[of_symbol.step <= step]
        if over == "window":
            expected[symbol, ts_open, ts_close] = averages(inside)
        elif over == "session":
            expected[symbol, begin, min(ts_close, rest[1])] = averages(so_far)
        else:
            expected[symbol, ts_open, ts_close] = averages(so_far.tail(rest[0]))

found = {}
for row in pandas.read_csv(out_file, dtype=str, keep_default_na=False).itertuples():
    vwap = nano(row.vwap) if row.vwap else None
    figures = (vwap, nano(row.twap), int(row.volume), int(row.trades))
    found[row.symbol, int(row.ts_open), int(row.ts_close)] = figures

if found != expected:
    differ = min(key for key in expected.keys() | found.keys() if found.get(key) != expected.get(key))
    sys.exit(f"averages differ, the first is {differ}: {found.get(differ)}, pandas: {expected.get(differ)}")
print(f"{len(found)} averages of {len(ticks)} records are equal")
