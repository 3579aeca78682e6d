"""Compares tq.csv with pandas' merge_asof on the trades and quotes that it was made of.

Usage: tq.py TICKS.csv OUT/tq.csv strict|not-strict TOLERANCE_NS MARKOUT_NS
"""

import sys

import pandas
from corrected import nano, records, trades

ticks_file, out_file, strict, tolerance, markout = sys.argv[1:]
tolerance, markout = int(tolerance), int(markout)
asof = {"by": "symbol", "direction": "backward", "tolerance": tolerance, "allow_exact_matches": strict != "strict"}

ticks = records(ticks_file)
quotes = ticks[ticks.action == "quote"].sort_values(["ts_event", "seq"])
quotes = quotes[["ts_event", "symbol", "bid", "bid_size", "ask", "ask_size"]]

now = quotes.assign(ts_quote=quotes.ts_event.astype("Int64"))
joined = pandas.merge_asof(trades(ticks), now, on="ts_event", **asof)
joined["ts_later"] = joined.ts_event + markout
later = quotes[["ts_event", "symbol", "bid", "ask"]]
later = later.rename(columns={"ts_event": "ts_later", "bid": "bid_later", "ask": "ask_later"})
joined = pandas.merge_asof(joined.sort_values("ts_later"), later, on="ts_later", **asof)

expected = {}
last, other = {}, {}
for row in joined.sort_values(["ts_event", "seq"]).itertuples():
    if row.price != last.get(row.symbol):
        other[row.symbol], last[row.symbol] = last.get(row.symbol), row.price
    has_quote = not pandas.isna(row.ts_quote)
    both = row.bid + row.ask if has_quote and row.bid > 0 and row.ask > 0 else None
    both_later = row.bid_later + row.ask_later if row.bid_later > 0 and row.ask_later > 0 else None
    side, spread, moved, before = "", "", "", other.get(row.symbol)
    if both is not None:
        if 2 * row.price != both:
            side = "buy" if 2 * row.price > both else "sell"
        elif before is not None:
            side = "buy" if row.price > before else "sell"
        sign = -1 if side == "sell" else 1
        spread = sign * (2 * row.price - both) * 20_000 / both
        if both_later is not None and side:
            moved = sign * (both_later - 2 * row.price) * 10_000 / both
    quote = (int(row.ts_quote), int(row.bid), int(row.bid_size), int(row.ask), int(row.ask_size)) if has_quote else ()
    expected[row.symbol, row.ts_event, row.seq] = (row.price, row.size, quote, side, spread, moved)

found = {}
for row in pandas.read_csv(out_file, dtype=str, keep_default_na=False).itertuples():
    quote = (int(row.ts_quote), nano(row.bid), int(row.bid_size), nano(row.ask), int(row.ask_size)) if row.ts_quote else ()
    real = lambda text: float(text) if text else ""
    figures = (row.side, real(row.spread_bp), real(row.markout_bp))
    found[row.symbol, int(row.ts_event), int(row.seq)] = (nano(row.price), int(row.size), quote, *figures)

def equal(ours, theirs):
    close = all(a == b or (a != "" and b != "" and abs(a - b) <= 1e-9 * max(1, abs(b))) for a, b in zip(ours[4:], theirs[4:]))
    return ours[:4] == theirs[:4] and close

differ = [key for key in expected.keys() | found.keys() if key not in found or key not in expected]
differ += [key for key in expected.keys() & found.keys() if not equal(found[key], expected[key])]
if differ:
    key = min(differ)
    sys.exit(f"{len(differ)} trades differ, the first is {key}: {found.get(key)}, pandas: {expected.get(key)}")
sides = sum(1 for row in found.values() if row[3])
print(f"{len(found)} trades are equal, {sides} of them with a side")
