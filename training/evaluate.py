"""The skill table: every head against its best baseline on the same out-of-sample rows.

The gain is (log loss of the best baseline - log loss) / log loss of climatology. The baseline is
chosen on the rows before the bootstrap draws from them, so the interval is about the model, not
about which baseline happened to win a draw.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from models.baselines import LATENT
from models.latent import lacking
from models.scores import auc, brier, ece, log_loss_rows, stationary_indices
from training.settings import TrainingSettings
from training.walk_forward import baseline_columns

__all__ = [
    "SKILL_COLUMNS",
    "Gain",
    "baselines_compared",
    "best_baseline",
    "gain",
    "mean_block",
    "skill_table",
]

SKILL_COLUMNS = (
    "at",
    "head",
    "horizon",
    "from",
    "to",
    "n",
    "base_rate",
    "auc",
    "brier",
    "log_loss",
    "log_loss_climatology",
    "best_baseline",
    "log_loss_best_baseline",
    "gain",
    "gain_lo",
    "gain_hi",
    "ece",
)
ROUNDING = 1e-12

#: `map`, or what deals the heads to processes.
Each = Callable[
    [Callable[[pd.DataFrame], dict[str, Any]], Sequence[pd.DataFrame]], Iterable[dict[str, Any]]
]


@dataclass(frozen=True)
class Gain:
    """A gain in log loss as a share of climatology's, with its bootstrap interval.

    Parameters
    ----------
    mean, lo, hi : float
        Point and interval.
    p_value : float
        One-sided, of "no gain": normal tail with the bootstrap's standard error, so that a
        correction over many claims is not stopped by the number of draws.
    """

    mean: float
    lo: float
    hi: float
    p_value: float


def mean_block(horizon: int, settings: TrainingSettings) -> int:
    """Mean bootstrap block in rows: the setting, or twice the horizon where that is longer."""
    return max(settings.mean_block_sessions, 2 * horizon)


def gain(
    reference: np.ndarray,
    model: np.ndarray,
    climatology: np.ndarray,
    *,
    horizon: int,
    settings: TrainingSettings,
) -> Gain:
    """Gain of `model` over `reference`, all given as log loss by row, in order of time.

    Parameters
    ----------
    reference, model, climatology : ndarray, shape (n,)
        Log loss of each row.
    horizon : int
        Sessions that a label looks ahead; sets the block length.

    Returns
    -------
    Gain
        Share of climatology's log loss; the interval has ``settings.interval`` coverage.
    """
    from scipy.special import ndtr

    n = len(reference)
    if n == 0:
        raise DataError("a gain needs at least one scored row. Check the span of the forecasts.")
    saved = reference - model
    # a fallback repeats its baseline up to rounding; rounding is no gain
    saved = np.where(np.abs(saved) < ROUNDING, 0.0, saved)
    mean = float(saved.mean() / climatology.mean())
    block = mean_block(horizon, settings)
    draws = _draws(n, block, settings.bootstrap_repeats, settings.seed).astype(float)
    drawn = (draws @ saved) / (draws @ climatology)
    tail = (1.0 - settings.interval) / 2.0
    lo, hi = np.quantile(drawn, [tail, 1.0 - tail])
    spread = float(drawn.std(ddof=1))
    p_value = float(ndtr(-mean / spread)) if spread > 0.0 else float(mean <= 0.0)
    return Gain(mean, float(lo), float(hi), p_value)


def best_baseline(rows: pd.DataFrame) -> tuple[str, np.ndarray]:
    """Return the baseline with the lowest log loss on `rows`, and its loss by row.

    A baseline without a probability on every one of the rows is no candidate: it would be judged
    on other rows than the model.
    """
    y = rows["y"].to_numpy(dtype=float)
    losses = {
        name.removeprefix("b_"): log_loss_rows(y, rows[name].to_numpy(dtype=float))
        for name in ["climatology", "prior", *baseline_columns(rows)]
        if rows[name].notna().all()
    }
    best = min(losses, key=lambda name: float(losses[name].mean()))
    return best, losses[best]


def baselines_compared(oos: pd.DataFrame) -> dict[str, Any]:
    """Name the baselines of a run, and those that could not be fitted with the reason.

    Returns
    -------
    dict
        ``compared``: names; ``left_out``: rows of ``baseline, why``.
    """
    names = [c.removeprefix("b_") for c in baseline_columns(oos)]
    compared = list(dict.fromkeys(["climatology", "prior", *names]))
    why = lacking() or "their packages were not installed when the run was made; train again"
    left_out = [{"baseline": name, "why": why} for name in LATENT if name not in compared]
    return {"compared": compared, "left_out": left_out}


def skill_table(oos: pd.DataFrame, settings: TrainingSettings, *, each: Each = map) -> pd.DataFrame:
    """Score every (moment, head, horizon) of the out-of-sample rows.

    Parameters
    ----------
    oos : DataFrame
        As written to ``oos_path``: session, at, head, horizon, y, p, prior, climatology, ``b_*``.
    each : callable
        Maps over the heads, which do not depend on each other.

    Returns
    -------
    DataFrame
        `SKILL_COLUMNS` and ``p_value``, one row for each head, in the order of the rows given.

    Notes
    -----
    *Timing:* every probability was made by a model that knew no label ending after its fold's
    `until`.
    """
    heads = [rows for _, rows in oos.groupby(["at", "head", "horizon"], sort=False)]
    records = each(partial(_score, settings), heads)
    return pd.DataFrame(records, columns=[*SKILL_COLUMNS, "p_value"])


def _score(settings: TrainingSettings, rows: pd.DataFrame) -> dict[str, Any]:
    at, head, horizon = (rows[name].iloc[0] for name in ("at", "head", "horizon"))
    horizon = int(horizon)
    y = rows["y"].to_numpy(dtype=float)
    p = rows["p"].to_numpy(dtype=float)
    model = log_loss_rows(y, p)
    climatology = log_loss_rows(y, rows["climatology"].to_numpy(dtype=float))
    name, reference = best_baseline(rows)
    won = gain(reference, model, climatology, horizon=horizon, settings=settings)
    both = 0.0 < y.mean() < 1.0
    return {
        "at": str(at),
        "head": str(head),
        "horizon": horizon,
        "from": f"{rows['session'].min():%Y-%m-%d}",
        "to": f"{rows['session'].max():%Y-%m-%d}",
        "n": len(rows),
        "base_rate": float(y.mean()),
        "auc": auc(y, p) if both else None,
        "brier": brier(y, p),
        "log_loss": float(model.mean()),
        "log_loss_climatology": float(climatology.mean()),
        "best_baseline": name,
        "log_loss_best_baseline": float(reference.mean()),
        "gain": won.mean,
        "gain_lo": won.lo,
        "gain_hi": won.hi,
        "ece": ece(y, p),
        "p_value": won.p_value,
    }


@lru_cache(maxsize=8)
def _draws(n: int, block: int, repeats: int, seed: int) -> np.ndarray:
    # counts by row instead of row numbers: the mean of every draw is then one product; small
    # numbers, so that a table, which asks its heads in turn for every group, keeps all of them
    indices = stationary_indices(n, mean_block=block, repeats=repeats, seed=seed)
    counts = np.empty((repeats, n), np.min_scalar_type(n))
    for row, index in zip(counts, indices, strict=True):
        row[:] = np.bincount(index, minlength=n)
    return counts
