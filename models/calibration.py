"""Recalibration of a head's log odds, kept only where a later block shows that it helps."""

from __future__ import annotations

import numpy as np

from models.logit import RidgeLogit, sigmoid
from models.scores import bootstrap_ratio, log_loss, log_loss_rows

__all__ = ["calibration_term", "fit_calibration"]

RIDGE = 1.0


def fit_calibration(
    unseen: np.ndarray, y: np.ndarray, *, later: np.ndarray, gap: int, horizon: int
) -> tuple[RidgeLogit | None, dict[str, float]]:
    """Fit an intercept and a slope on the log odds, or None where they do not help.

    Parameters
    ----------
    unseen : ndarray
        Log odds of the training rows by members that had not seen them.
    later : ndarray of int
        The last block of the rows: the calibration is fitted before it and judged on it.
    gap : int
        Rows purged before that block.
    horizon : int
        Sessions that a label spans.

    Returns
    -------
    (model, losses)
        What to add to the log odds, fitted on all rows; and the later block's log loss without
        and with it. It is kept where the 90 % block-bootstrap interval of what it saves lies
        above zero.
    """
    before = np.arange(max(int(later[0]) - gap, 0))
    if before.size == 0 or y[before].min() == y[before].max():
        return None, {}
    model = _fit(unseen[before], y[before])
    start, target = unseen[later], y[later]
    calibrated = sigmoid(start + calibration_term(model, start))
    losses = {
        "calibration_none": log_loss(target, sigmoid(start)),
        "calibration_later": log_loss(target, calibrated),
    }
    saved = log_loss_rows(target, sigmoid(start)) - log_loss_rows(target, calibrated)
    _, low, _ = bootstrap_ratio(saved, np.ones(saved.size), block=max(21, 2 * horizon), draws=400)
    return (_fit(unseen, y) if low > 0.0 else None), losses


def calibration_term(model: RidgeLogit | None, log_odds: np.ndarray) -> np.ndarray:
    """Log odds that the calibration adds; zero without one."""
    if model is None:
        return np.zeros(np.shape(log_odds))
    return model.log_odds(np.asarray(log_odds, float)[:, None])


def _fit(log_odds: np.ndarray, y: np.ndarray) -> RidgeLogit:
    # Around the log odds as they are: the ridge pulls the slope to one.
    return RidgeLogit.fit(log_odds[:, None], y, names=("log_odds",), l2=RIDGE, offset=log_odds)
