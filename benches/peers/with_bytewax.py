# /// script
# dependencies = ["bytewax==0.21.1"]
# ///
"""Bytewax: an event at a time through Python functions, by event time; one process, as one file has one reader."""

import json
import sys
from datetime import datetime, timedelta, timezone
from pathlib import Path

import bytewax.operators as op
import bytewax.operators.windowing as windowing
from bytewax.connectors.files import FileSink, FileSource
from bytewax.dataflow import Dataflow
from bytewax.testing import cluster_main

EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)

ticks, bars = sys.argv[1:3]
seconds = int(sys.argv[4])
window = seconds * 1_000_000_000
is_json = ticks.endswith(".jsonl")


def parse(line):
    if is_json:
        tick = json.loads(line)
        return tick["symbol"], (tick["ts_event"], tick["price"], tick["size"])
    ts, symbol, price, size = line.split(",")
    return symbol, (int(ts), float(price), int(size))


def event_time(tick):
    return EPOCH + timedelta(microseconds=tick[0] // 1_000)


def add(bar, tick):
    ts, price, size = tick
    if bar is None:
        return [ts, price, price, price, ts, price, size, 1, price * size]
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
    return bar


def merge(bar, other):
    raise AssertionError("tumbling windows are never merged")


def row(item):
    symbol, (_, (first, opened, high, low, _, close, volume, trades, notional)) = item
    ts = first // window * window
    line = f"{symbol},{ts},{ts + window},{opened},{high},{low},{close},{volume},{trades},{notional / volume}"
    return symbol, line


flow = Dataflow("bars")
lines = op.input("read", flow, FileSource(Path(ticks), batch_size=1000))
keyed = op.map("parse", op.filter("header", lines, lambda line: line[0] != "t"), parse)
# Its watermark goes on with the system's clock, so that a stall beyond this wait would make ticks late.
clock = windowing.EventClock(event_time, wait_for_system_duration=timedelta(minutes=1))
windows = windowing.TumblingWindower(length=timedelta(seconds=seconds), align_to=EPOCH)
closed = windowing.fold_window("bars", keyed, clock, windows, lambda: None, add, merge, ordered=False)
op.output("write", op.map("row", closed.down, row), FileSink(Path(bars)))
cluster_main(flow, [], 0)
