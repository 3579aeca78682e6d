"""Makes the course's dataset with the package fakestockdata, and compares bars with it."""

import csv
import json
import sys
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from zoneinfo import ZoneInfo

PRICES = ("open", "high", "low", "close")


def make(tree: Path) -> None:
    """Two weeks of four symbols, across a change of clocks, and the JSON lines as the course's script writes them."""
    import numpy
    import pandas

    read_csv = pandas.read_csv
    # The package passes an argument that pandas no longer has.
    pandas.read_csv = lambda *args, infer_datetime_format=None, **kwargs: read_csv(*args, **kwargs)
    from fakestockdata.core import daily_dir, generate_stock

    (tree / "minute").mkdir(parents=True)
    (tree / "json").mkdir()
    numpy.random.seed(20130310)
    for symbol in ("aapl", "hal", "ibm", "jpm"):
        daily = str(Path(daily_dir) / f"table_{symbol}.csv.bz2")
        generate_stock(daily, directory=str(tree / "minute"), start="2013-03-04", end=pandas.Timestamp("2013-03-15"))
        with open(tree / "json" / f"{symbol}.json", "w") as out:
            for file in sorted((tree / "minute" / symbol).iterdir()):
                for record in read_csv(file).to_dict(orient="records"):
                    out.write(json.dumps(record) + "\n")


def rows(tree: Path):
    """The package's rows: symbol, nanoseconds, prices."""
    zone = ZoneInfo("America/New_York")
    for file in sorted((tree / "minute").glob("*/*.csv")):
        for row in csv.DictReader(open(file)):
            ts = int(datetime.fromisoformat(row["timestamp"]).replace(tzinfo=zone).timestamp()) * 10**9
            yield file.parent.name, ts, tuple(Decimal(row[price]) for price in PRICES)


def compare(tree: Path, window: str, bars: Path) -> None:
    """Aggregates the rows plainly and compares them with tapeflow's bars, exactly."""
    length = int(window.removesuffix("m")) * 60 * 10**9
    expected = {}
    for symbol, ts, (open_, high, low, close) in rows(tree):
        key = (symbol, ts - ts % length)
        first = expected.get(key)
        expected[key] = (
            (first[0], max(first[1], high), min(first[2], low), close) if first else (open_, high, low, close)
        )
    found = {
        (row["symbol"], int(row["ts_open"])): tuple(Decimal(row[price]) for price in PRICES)
        for row in csv.DictReader(open(bars))
    }
    if found != expected:
        sys.exit(f"{bars}: {len(found)} bars differ from the {len(expected)} of the package")
    print(f"{bars}: {len(found)} bars equal the package's")


if __name__ == "__main__":
    if sys.argv[1] == "make":
        make(Path(sys.argv[2]))
    else:
        compare(Path(sys.argv[2]), sys.argv[3], Path(sys.argv[4]))
