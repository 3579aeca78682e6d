"""Compares corr.csv, over everything and of all pairs, with pandas on the course's minute bars.

Usage: corr.py DATA/minute OUT/corr.csv levels|returns
"""

import sys
from pathlib import Path

import pandas

tree, out, on = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
series = {
    folder.name: pandas.concat(pandas.read_csv(file, index_col="timestamp")["close"] for file in sorted(folder.iterdir()))
    for folder in sorted(tree.iterdir())
}
closes = pandas.DataFrame(series).sort_index().ffill()
values = closes if on == "levels" else closes.pct_change(fill_method=None)
corr, cov = values.corr(), values.cov()
# Our returns are rounded to 1e-12, pandas' are not.
tolerance = 1e-12 if on == "levels" else 1e-9

ours = pandas.read_csv(out)
pairs = len(series) * (len(series) - 1) // 2
if len(ours) != pairs:
    sys.exit(f"{len(ours)} pairs, not {pairs}")
worst = 0.0
for row in ours.itertuples():
    beta = cov.loc[row.a, row.b] / cov.loc[row.a, row.a]
    worst = max(worst, abs(row.corr - corr.loc[row.a, row.b]), abs(row.beta - beta) / max(1.0, abs(beta)))
if not worst <= tolerance:
    sys.exit(f"pandas differs by {worst}, more than {tolerance}")
print(f"{pairs} pairs of {len(closes)} {on}: pandas differs by at most {worst:.1e}")
