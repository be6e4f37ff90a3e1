"""Speed of the models room: path prior, walk-forward against its bare LightGBM calls, prediction.

Run by hand: ``python benchmarks/models.py [FOLDS]``; 17 folds are the walk-forward of a retrain, a
few tell the ratio as well. Times are wall and CPU seconds of this process.
"""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

import lightgbm

from models import mover_fit, shift_fit
from models.boosters import fit_booster, parameters
from models.bundle import make_dataset
from models.explain import explain_rows
from models.fitting import fit_forecaster
from models.paths import PathPrior
from models.yearly import years

SESSIONS, FEATURES = 9_000, 200


def market(n: int) -> pd.DataFrame:
    rng = np.random.Generator(np.random.PCG64(1))
    shock = rng.standard_normal((n, 2))
    log_vix = np.empty(n)
    level = np.log(19.0)
    for i in range(n):
        level += 0.03 * (np.log(19.0) - level) + 0.07 * shock[i, 0]
        log_vix[i] = level
    ret = 0.9 * np.exp(log_vix) / 1587.0 * (-0.7 * shock[:, 0] + 0.7 * shock[:, 1])
    close = 1000.0 * np.exp(np.cumsum(ret))
    return pd.DataFrame(
        {
            "spx_open": np.append(1000.0, close[:-1]) * np.exp(ret / 3.0),
            "spx_high": close * np.exp(np.abs(ret)),
            "spx_low": close * np.exp(-np.abs(ret)),
            "spx_close": close,
            "vix_close": np.exp(log_vix),
        },
        index=pd.bdate_range("1990-01-02", periods=n, name="session", unit="us"),
    )


def timed(call: Callable[[], Any]) -> tuple[Any, float, float]:
    wall, cpu = time.perf_counter(), time.process_time()
    out = call()
    return out, time.perf_counter() - wall, time.process_time() - cpu


def bare_call(x: Any, rows: Any, y: Any, offset: Any, settings: Any, how: dict[str, Any]) -> None:
    data = lightgbm.Dataset(x[rows], y, init_score=offset, params={"max_bin": settings.max_bin})
    lightgbm.train(parameters(settings, len(y), **how), data, num_boost_round=settings.rounds)


def main() -> None:
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 17
    spine = market(SESSIONS)
    prior = PathPrior.fit(spine, spine.index[-1])
    _, wall, cpu = timed(lambda: prior.probabilities(spine, pd.DatetimeIndex(spine.index)))
    print(f"path prior, {SESSIONS} sessions x 1,000 paths x 21: wall {wall:.1f} s, CPU {cpu:.1f} s")

    rng = np.random.Generator(np.random.PCG64(2))
    table = pd.DataFrame(
        rng.standard_normal((SESSIONS, FEATURES)),
        index=spine.index,
        columns=[f"f{i}" for i in range(FEATURES)],
    )
    table["vix_vix3m"] = 1.0 + 0.1 * rng.standard_normal(SESSIONS)
    dataset = make_dataset(table, spine)
    calls = []

    def recorded(matrix: Any, rows: Any, y: Any, offset: Any, settings: Any, **how: Any) -> Any:
        calls.append((matrix.values, rows, y, offset, settings, how))
        return fit_booster(matrix, rows, y, offset, settings, **how)

    # The walk-forward as `retrain` runs it: all heads, baselines, offsets, choices, forecasts with
    # intervals; then nothing but the calls of LightGBM that it made, on the same rows.
    shift_fit.fit_booster = mover_fit.fit_booster = recorded  # type: ignore[assignment]
    folds = list(years(dataset.spine.index))[-wanted:]

    def walk() -> Any:
        for until, test in folds:
            fitted = fit_forecaster(dataset, until=until)
            fitted.predict(dataset, test)
        return fitted

    forecaster, wall, cpu = timed(walk)
    _, _, bare = timed(lambda: [bare_call(*call) for call in calls])
    print(
        f"walk-forward, {len(folds)} of its folds, {SESSIONS} rows x {FEATURES}, all heads: wall "
        f"{wall:.1f} s, CPU {cpu:.1f} s; its {len(calls)} bare lightgbm.train: CPU {bare:.1f} s; "
        f"ratio {cpu / bare:.2f}"
    )
    for rows in (1, 5_000):
        some = dataset.features.iloc[-rows:]
        _, wall, cpu = timed(lambda some=some: explain_rows(forecaster, some, spine, [None] * 5000))
        print(f"predict {rows} rows with contributions: wall {wall:.2f} s, CPU {cpu:.2f} s")


if __name__ == "__main__":
    main()
