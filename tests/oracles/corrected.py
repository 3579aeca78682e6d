"""The records of a tape and the trades that are left of it, for the scripts beside this one."""

from decimal import Decimal
from pathlib import Path

import pandas

NANO = Decimal(10) ** 9


def nano(text):
    """A decimal in units of 1e-9; nothing is zero."""
    return int(Decimal(text or 0) * NANO)


def records(path):
    """All records of a file, or of all files below a folder, as integers."""
    files = sorted(Path(path).rglob("*.csv")) if Path(path).is_dir() else [path]
    ticks = pandas.concat((pandas.read_csv(file, dtype=str, keep_default_na=False) for file in files), ignore_index=True)
    for column in ("ts_event", "seq", "size", "bid_size", "ask_size"):
        ticks[column] = [int(value or 0) for value in ticks[column]]
    for column in ("price", "bid", "ask"):
        ticks[column] = [nano(value) for value in ticks[column]]
    return ticks


def trades(ticks):
    """The trades in their order, as corrected: the last message about a print, by time and number, has the word.

    The tape is of one session, so venue, symbol and number tell prints apart."""
    said = ticks[ticks.action.isin(["cancel", "correct"])].sort_values(["ts_event", "seq"])
    said = said.drop_duplicates(["venue", "symbol", "ref_seq"], keep="last").assign(seq=lambda it: it.ref_seq.astype(int))
    said = said[["venue", "symbol", "seq", "action", "price", "size"]]
    left = ticks[ticks.action.isin(["", "trade"])][["ts_event", "venue", "symbol", "seq", "price", "size"]]
    left = left.merge(said, on=["venue", "symbol", "seq"], how="left", suffixes=("", "_then"))
    left = left[left.action != "cancel"]
    for column in ("price", "size"):
        left[column] = left[column].where(left.action != "correct", left[f"{column}_then"]).astype("int64")
    return left[["ts_event", "symbol", "seq", "price", "size"]].sort_values(["ts_event", "seq"])
