"""A correction from features that are younger than the training span.

Crypto perps, and with them the closed window, exist for a few years only. A tree that may split on
their nulls would learn the era. So they speak in a second, linear stage: a ridge logistic whose
offset is the first stage, fitted on the rows where they are known, adding exactly nothing where
they are null. How hard the ridge holds, up to silence, is chosen on held-out blocks of those rows.
"""

from __future__ import annotations

import numpy as np
import pandas as pd

from features.declare import YOUNG_ROWS
from models.blocks import block_folds
from models.logit import RidgeLogit, sigmoid
from models.scores import log_loss

__all__ = ["RIDGES", "fit_window", "window_columns", "window_parts"]

RIDGES = (30.0, 100.0, 300.0, 1000.0)
MIN_OF_EACH = 8
RECENT = 60
RECENT_SHARE = 0.8
BLOCKS = 5
PREFIX = "cw_"


def window_columns(x: pd.DataFrame, young: list[str], *, at: str, horizon: int) -> tuple[str, ...]:
    """Choose the young columns that the second stage may use.

    In the evening, and for labels that overlap, there are none: a few years hold too few
    independent cases to hold a correction back on (measured, see docs/models.md).

    Parameters
    ----------
    x : DataFrame
        Training rows.
    young : list of str
        Columns that are known too rarely for the first stage.
    at : str
        At `eve` and `preopen` the closed window speaks (names with ``cw_``): it is what those
        moments know and the evening does not.
    horizon : int
        Sessions that the label spans.
    """
    if at == "evening" or horizon > 1:
        return ()
    names = [n for n in young if n.startswith(PREFIX)]
    recent = x[names].iloc[-RECENT:].notna().mean()
    return tuple(n for n in names if recent[n] >= RECENT_SHARE)


def fit_window(
    x: pd.DataFrame, y: np.ndarray, unseen: np.ndarray, names: tuple[str, ...], gap: int
) -> tuple[RidgeLogit | None, dict[str, float]]:
    """Fit the correction, or None where it does not help on held-out blocks.

    Parameters
    ----------
    unseen : ndarray
        First stage's log odds of the rows by members that had not seen them.
    names : tuple of str
        Columns of the correction.
    gap : int
        Rows purged beside a held-out block.

    Returns
    -------
    (model, losses)
        The correction without intercept, and held-out log loss by ridge.
    """
    if not names:
        return None, {}
    values = x[list(names)].to_numpy(float)
    rows = np.flatnonzero((~np.isnan(values)).mean(axis=1) >= RECENT_SHARE)
    ones = int(y[rows].sum())
    if rows.size < YOUNG_ROWS or min(ones, rows.size - ones) < MIN_OF_EACH:
        return None, {}
    z, target, start = _filled(values[rows]), y[rows], unseen[rows]
    losses = {"window_none": log_loss(target, sigmoid(start))}
    for ridge in RIDGES:
        held_out = np.empty(rows.size)
        for fit, held in block_folds(rows.size, BLOCKS, gap):
            if target[fit].min() == target[fit].max():
                return None, losses
            model = _fit(z[fit], target[fit], start[fit], names, ridge)
            held_out[held] = start[held] + model.log_odds(z[held])
        losses[f"window_{ridge:g}"] = log_loss(target, sigmoid(held_out))
    best = min(losses, key=lambda name: losses[name])
    if best == "window_none":
        return None, losses
    return _fit(z, target, start, names, float(best.removeprefix("window_"))), losses


def window_parts(model: RidgeLogit, x: pd.DataFrame) -> np.ndarray:
    """Log odds that each column adds; a row that knows too few of them gets nothing."""
    values = x.reindex(columns=list(model.names)).to_numpy(float)
    enough = (~np.isnan(values)).mean(axis=1) >= RECENT_SHARE
    return np.where(enough[:, None], model.parts(values), 0.0)


def _fit(
    z: np.ndarray, y: np.ndarray, start: np.ndarray, names: tuple[str, ...], ridge: float
) -> RidgeLogit:
    return RidgeLogit.fit(z, y, names=names, l2=ridge, offset=start, intercept=False, winsor=0.01)


def _filled(values: np.ndarray) -> np.ndarray:
    null = np.isnan(values)
    mean = np.where(null, 0.0, values).sum(axis=0) / np.maximum((~null).sum(axis=0), 1)
    return np.where(null, mean, values)
