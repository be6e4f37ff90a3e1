"""What is the path prior worth, and what do highs and lows add to it?

Walk-forward, yearly refits, by span: said and seen, log loss saved over the span's own base rate,
and what is lost where every session is measured by its absolute return instead of its true range
(a spine without highs and lows). Units: log loss of the base rate; 90 % stationary block bootstrap
with mean block 21.

Run by hand: ``python -m benchmarks.prior HOME [FROM TO]...`` with years, by default 1994 2007
2008 2024. Half a minute of CPU.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from pathlib import Path

import numpy as np
import pandas as pd

from features.pipeline import spine as read_spine
from features.store import MarketStore
from models.labels import labels
from models.scores import bootstrap_ratio, log_loss_rows
from models.yearly import walk_forward_prior

SPANS = ["1994", "2007", "2008", "2024"]


def compare(y: pd.Series, with_range: pd.Series, without: pd.Series) -> str:
    """One line of the table for one head and span."""
    known = y.notna() & with_range.notna() & without.notna()
    seen = y[known].to_numpy()
    if len(set(seen)) < 2:
        return f"{seen.size:5d} always the same outcome"
    base = log_loss_rows(seen, np.full(seen.size, seen.mean()))
    told, blind = (log_loss_rows(seen, p[known].to_numpy()) for p in (with_range, without))
    worth = 1.0 - told.mean() / base.mean()
    added, low, high = bootstrap_ratio(blind - told, base)
    return (
        f"{seen.size:5d} {with_range[known].mean():6.3f} {seen.mean():6.3f} {worth:+8.4f} "
        f"{added:+8.4f} [{low:+.4f}, {high:+.4f}]"
    )


def main(home: Path, spans: list[str]) -> None:
    spine = read_spine(MarketStore(home / "market").snapshot())
    seen, _ = labels(spine)
    told = walk_forward_prior(spine)
    blind = walk_forward_prior(spine.assign(spx_high=np.nan, spx_low=np.nan))
    for first, last in zip(spans[::2], spans[1::2], strict=True):
        print(f"{first} to {last:14s} rows   said   seen    worth  ranges add")
        for name in told.columns:
            rows = slice(first, last)
            line = compare(seen[name].loc[rows], told[name].loc[rows], blind[name].loc[rows])
            print(f"{name:22s} {line}")


if __name__ == "__main__":
    if len(sys.argv) < 2 or len(sys.argv) % 2:
        sys.exit("usage: python -m benchmarks.prior HOME [FROM TO]...")
    main(Path(sys.argv[1]), sys.argv[2:] or SPANS)
