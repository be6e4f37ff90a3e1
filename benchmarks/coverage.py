"""Does the 90 % interval hold the true probability, where that is known?

Worlds of simulated prices are fitted on their past; on later sessions the truth of every head is
counted over fresh continuations of the same law. Printed for each head: the share of sessions
whose interval holds the truth, the mean width, and the mean distance of forecast and truth.

Run by hand: ``python benchmarks/coverage.py [WORLDS] [SESSIONS]``. Minutes of CPU.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
from pathlib import Path

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from models.bundle import make_dataset
from models.fitting import fit_forecaster
from models.heads import head_keys
from models.labels import labels

LEVEL, PULL, STEP = np.log(19.0), 0.03, 0.07
TEST, EVERY, BRANCHES, AHEAD = 500, 5, 4000, 21
BACK = 22


def step(
    rng: np.random.Generator, log_vix: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """One session from log VIX: the new log VIX, the log return, the overnight part of it."""
    shock = rng.standard_normal((3, *log_vix.shape))
    size = 0.9 * np.exp(log_vix) / 100.0 / np.sqrt(252.0)
    ret = 0.0003 + size * (-0.7 * shock[0] + np.sqrt(0.51) * shock[1])
    return (
        log_vix + PULL * (LEVEL - log_vix) + STEP * shock[0],
        ret,
        ret / 3.0 + 0.2 * size * shock[2],
    )


def prices(log_vix: np.ndarray, ret: np.ndarray, night: np.ndarray) -> dict[str, np.ndarray]:
    close = np.exp(np.cumsum(ret, axis=-1))
    opening = close * np.exp(night - ret)
    return {
        "spx_open": opening,
        "spx_high": np.maximum(opening, close) * 1.002,
        "spx_low": np.minimum(opening, close) / 1.002,
        "spx_close": close,
        "vix_close": np.round(np.exp(log_vix), 2),
    }


def world(rng: np.random.Generator, n: int) -> pd.DataFrame:
    rows, level = [], np.array(LEVEL)
    for _ in range(n):
        level, ret, night = step(rng, level)
        rows.append((float(level), float(ret), float(night)))
    columns = prices(*np.array(rows).T)
    index = pd.bdate_range("1990-01-02", periods=n, name="session", unit="us")
    return pd.DataFrame(columns, index=index)


def truth(rng: np.random.Generator, past: pd.DataFrame) -> dict[str, float]:
    """Share of continuations of a history in which each head comes true, NaN where not scored."""
    close = past["spx_close"].to_numpy()[-BACK:]
    known = np.diff(np.log(close), prepend=np.log(close[0]))
    level = np.full(BRANCHES, np.log(past["vix_close"].iloc[-1]))
    vix, ret, night = [], [], []
    for _ in range(AHEAD):
        level, r, o = step(rng, level)
        vix.append(level)
        ret.append(r)
        night.append(o)

    def joined(values: list[np.ndarray], before: np.ndarray) -> np.ndarray:
        return np.concatenate([np.tile(before, (BRANCHES, 1)), np.array(values).T], axis=1)

    table = prices(
        joined(vix, np.log(past["vix_close"].to_numpy()[-BACK:])),
        joined(ret, known),
        joined(night, known),
    )
    # One long spine of all branches, each behind the same known sessions.
    index = pd.RangeIndex(BRANCHES * (BACK + AHEAD))
    y, _ = labels(pd.DataFrame({name: x.ravel() for name, x in table.items()}, index=index))
    at_t = np.arange(BRANCHES) * (BACK + AHEAD) + BACK - 1
    return {str(name): float(y[name].iloc[at_t].mean()) for name in y.columns}


def one(seed: int, n: int) -> pd.DataFrame:
    rng = np.random.Generator(np.random.PCG64(seed))
    spine = world(rng, n + TEST)
    vix, close = spine["vix_close"], spine["spx_close"]
    features = pd.DataFrame(
        rng.standard_normal((len(spine), 4)), index=spine.index, columns=list("abcd")
    )
    features["vix_step"] = np.log(vix / vix.shift(1))
    features["last_return"] = np.log(close / close.shift(1))
    dataset = make_dataset(features, spine)
    forecaster = fit_forecaster(dataset, until=spine.index[n - 1])
    days = pd.DatetimeIndex(spine.index[n::EVERY])
    told = forecaster.predict(dataset, days, light=False)
    true = pd.DataFrame([truth(rng, spine.loc[:day]) for day in days], index=days)
    ids = told["head"] + "_" + told["horizon"].astype(str)
    row, column = true.index.get_indexer(told["session"]), true.columns.get_indexer(ids)
    told["truth"] = true.to_numpy()[row, column]
    return told.assign(id=ids, world=seed).dropna(subset=["p", "truth"])


def main() -> None:
    worlds = int(sys.argv[1]) if len(sys.argv) > 1 else 8
    n = int(sys.argv[2]) if len(sys.argv) > 2 else 4500
    rows = pd.concat([one(seed, n) for seed in range(21, 21 + worlds)], ignore_index=True)
    rows["held"] = (rows["lo"] <= rows["truth"]) & (rows["truth"] <= rows["hi"])
    print(f"{worlds} worlds, fitted on {n} sessions, every {EVERY}th of the next {TEST} judged")
    print(f"{'head':<20}{'rows':>6}{'coverage':>10}{'by world':>16}{'width':>8}{'error':>8}")
    for name in [*(key.id for key in head_keys("evening")), "all"]:
        some = rows if name == "all" else rows[rows["id"] == name]
        by = some.groupby("world")["held"].mean()
        width = (some["hi"] - some["lo"]).mean()
        error = (some["p"] - some["truth"]).abs().mean()
        spread = f"{by.min():.2f} to {by.max():.2f}"
        print(
            f"{name:<20}{len(some):>6}{some['held'].mean():>10.3f}{spread:>16}{width:>8.3f}"
            f"{error:>8.3f}"
        )


if __name__ == "__main__":
    main()
