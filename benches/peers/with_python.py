"""A plain loop of Python over lines, one thread: a dictionary of bars."""

import json
import sys

ticks, bars = sys.argv[1:3]
window = int(sys.argv[4]) * 1_000_000_000
is_json = ticks.endswith(".jsonl")
held = {}
with open(ticks) as lines:
    if not is_json:
        next(lines)
    for line in lines:
        if is_json:
            tick = json.loads(line)
            ts, symbol, price, size = tick["ts_event"], tick["symbol"], tick["price"], tick["size"]
        else:
            ts, symbol, price, size = line.split(",")
            ts, price, size = int(ts), float(price), int(size)
        key = symbol, ts // window
        bar = held.get(key)
        if bar is None:
            held[key] = [ts, price, price, price, ts, price, size, 1, price * size]
            continue
        if ts < bar[0]:
            bar[0], bar[1] = ts, price
        if price > bar[2]:
            bar[2] = price
        elif price < bar[3]:
            bar[3] = price
        if ts >= bar[4]:
            bar[4], bar[5] = ts, price
        bar[6] += size
        bar[7] += 1
        bar[8] += price * size

with open(bars, "w") as out:
    out.write("symbol,ts_open,ts_close,open,high,low,close,volume,trades,vwap\n")
    for (symbol, nth), (_, first, high, low, _, last, volume, trades, notional) in held.items():
        opened = nth * window
        prices = f"{first},{high},{low},{last}"
        out.write(f"{symbol},{opened},{opened + window},{prices},{volume},{trades},{notional / volume}\n")
