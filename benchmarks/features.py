"""Time the feature table against TA-Lib and pandas doing the same indicators.

Run by hand from the project's root: ``python -m benchmarks.features HOME``, with a home that holds
imported market files. (Run as a file, its own name would hide the package that it measures.)

The other side is the same table with every window, average, rank, MACD, RSI and ATR handed to
pandas and TA-Lib; it is fast arithmetic whose bits depend on where the history begins. Figures are
CPU seconds, best of five, because wall time on a shared machine says little.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import talib

from features import tails, technical, windows
from features.catalog import CATALOG
from features.pipeline import build, row, spine
from features.store import MarketStore


def best(work: Callable[[], object], repeats: int = 5) -> float:
    """Smallest CPU time of several runs, in seconds."""
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return min(times)


def rolling(how: str) -> Callable[..., Any]:
    """Pandas in place of one of `features.windows`."""
    return lambda x, n: getattr(pd.Series(x).rolling(n), how)().to_numpy()


def tail(how: str) -> Callable[..., Any]:
    """Pandas in place of one of `features.tails`, over the whole series, then the rows."""

    def work(x: Any, rows: Any, n: int, *, step: int = 1, min_count: int | None = None) -> Any:
        # pandas has no strided window; a plain one of n rows is the cheaper stand-in
        values = getattr(pd.Series(x).rolling(n, min_periods=min_count or n), how)().to_numpy()
        return tails.at_rows(values, rows)

    return work


def tail_z(x: Any, rows: Any, n: int, *, step: int = 1, min_count: int | None = None) -> Any:
    """Pandas in place of `features.tails.tail_z`."""
    window = pd.Series(x).rolling(n, min_periods=min_count or n)
    return tails.at_rows(((x - window.mean()) / window.std()).to_numpy(), rows)


REPLACED: dict[Callable[..., Any], Callable[..., Any]] = {
    windows.ema: lambda x, alpha: pd.Series(x).ewm(alpha=alpha, adjust=False).mean().to_numpy(),
    windows.rolling_sum: rolling("sum"),
    windows.rolling_mean: rolling("mean"),
    windows.rolling_std: rolling("std"),
    windows.rolling_max: rolling("max"),
    windows.rolling_min: rolling("min"),
    tails.tail_sum: tail("sum"),
    tails.tail_mean: tail("mean"),
    tails.tail_std: tail("std"),
    tails.tail_max: tail("max"),
    tails.tail_min: tail("min"),
    tails.tail_rank: tail("rank"),
    tails.tail_z: tail_z,
    technical.macd_histogram: lambda x: talib.MACD(x, 12, 26, 9)[2],
    technical.rsi: lambda x, n=14: talib.RSI(x, n),
    technical.atr_pct: lambda high, low, close, n=14: talib.ATR(high, low, close, n) / close,
}


@contextmanager
def replaced() -> Iterator[None]:
    """Hand the arithmetic to pandas and TA-Lib in every module that uses it."""
    undo = []
    for name, module in list(sys.modules.items()):
        if not name.startswith("features."):
            continue
        for attribute, value in list(vars(module).items()):
            if callable(value) and getattr(value, "__hash__", None) and value in REPLACED:
                undo.append((module, attribute, value))
                setattr(module, attribute, REPLACED[value])
    try:
        yield
    finally:
        for module, attribute, value in undo:
            setattr(module, attribute, value)


def main() -> None:
    """Print the figures."""
    store = MarketStore(Path(sys.argv[1]) / "market")
    sessions = spine(store).index
    table = build(store)
    full = best(lambda: build(store))
    with replaced(), np.errstate(all="ignore"):
        other = best(lambda: build(store))
    one = best(lambda: row(store, sessions[-1]))
    before = best(lambda: row(store, "2015-06-30"))
    print(f"full table, {len(table)} sessions x {len(CATALOG)} features: {full:.2f} CPU s")
    print(f"the same by TA-Lib and pandas: {other:.2f} CPU s")
    print(f"ratio: {full / other:.2f} (aim: 2 or less)")
    print(f"one more session, {sessions[-1]:%Y-%m-%d}: {one:.2f} CPU s (aim: under 0.5)")
    print(f"one session before crypto, 2015-06-30: {before:.2f} CPU s")


if __name__ == "__main__":
    main()
