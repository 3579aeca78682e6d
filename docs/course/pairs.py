"""All pairs with futures, as in the course, to hold `corr` against: python3 pairs.py data/minute [PROCESSES]

Loads the bars of each stock in a task of its own, and correlates each pair in one; prints the three highest.
"""

import csv
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from itertools import combinations
from math import sqrt
from pathlib import Path


def closes(folder):
    """The last close of each five minutes: by day, hour and which five minutes of it."""
    last = {}
    for day in sorted(folder.glob("*.csv")):
        with day.open() as lines:
            for bar in csv.DictReader(lines):
                stamp = bar["timestamp"]
                last[stamp[:13], int(stamp[14:16]) // 5] = float(bar["close"])
    return folder.name, last


def correlation(xs, ys):
    """Pearson's, over the steps at which both have a return."""
    both = [(x, y) for x, y in zip(xs, ys) if x is not None and y is not None]
    n = len(both)
    mean_x, mean_y = (sum(values) / n for values in zip(*both))
    centred = [(x - mean_x, y - mean_y) for x, y in both]
    covariance = sum(x * y for x, y in centred)
    return covariance / sqrt(sum(x * x for x, _ in centred) * sum(y * y for _, y in centred)), n


def returns(last, steps):
    """From step to step; where a stock has no bar, its close is the one before."""
    values, before = [], None
    for step in steps:
        close = last.get(step, before)
        values.append(close / before - 1 if before is not None else None)
        before = close
    return values


def main(folder, processes):
    began = time.perf_counter()
    with ProcessPoolExecutor(processes) as pool:
        loading = [pool.submit(closes, stock) for stock in sorted(Path(folder).iterdir())]
        stocks = dict(task.result() for task in loading)
        steps = sorted(set().union(*stocks.values()))
        series = {name: returns(last, steps) for name, last in stocks.items()}
        tasks = {pair: pool.submit(correlation, *map(series.get, pair)) for pair in combinations(series, 2)}
        found = sorted(((*task.result(), *pair) for pair, task in tasks.items()), reverse=True)
    for corr, n, a, b in found[:3]:
        print(f"{a},{b},{corr:.9f},{n}")
    seconds = time.perf_counter() - began
    print(f"{len(found)} pairs of {len(steps)} steps in {seconds:.2f} s with {processes} processes")


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 2)
