"""Proper scores, ranking, calibration, and the block bootstrap that says how sure they are.

Serving's track record and the laboratory's skill tables both read this module, so it needs
nothing but numpy.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.errors import UsageError

__all__ = [
    "MIN_BLOCK",
    "Gain",
    "auc",
    "average_precision",
    "bootstrap_ratio",
    "brier",
    "calibration_bins",
    "ece",
    "ece_band",
    "gain",
    "log_loss",
    "log_loss_rows",
    "stationary_indices",
]

CLIP = 1e-6
MIN_BLOCK = 21


def log_loss_rows(y: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Log loss of each row in nats; probabilities are clipped to [1e-6, 1 - 1e-6].

    Parameters
    ----------
    y : ndarray
        Outcomes, 0 or 1.
    p : ndarray
        Probabilities of 1, same shape.
    """
    y, p = np.asarray(y, float), np.clip(np.asarray(p, float), CLIP, 1.0 - CLIP)
    return np.asarray(-(y * np.log(p) + (1.0 - y) * np.log1p(-p)))


def log_loss(y: np.ndarray, p: np.ndarray) -> float:
    """Mean log loss in nats; NaN without rows."""
    losses = log_loss_rows(y, p)
    return float(losses.mean()) if losses.size else float("nan")


def brier(y: np.ndarray, p: np.ndarray) -> float:
    """Mean squared error of the probability; NaN without rows."""
    y, p = np.asarray(y, float), np.asarray(p, float)
    return float(np.mean((p - y) ** 2)) if y.size else float("nan")


def auc(y: np.ndarray, p: np.ndarray) -> float:
    """Area under the ROC curve by mean ranks (ties count one half); NaN with one class."""
    y, p = np.asarray(y, float), np.asarray(p, float)
    positives = float(y.sum())
    negatives = float(y.size - positives)
    if positives == 0 or negatives == 0:
        return float("nan")
    _, inverse, counts = np.unique(p, return_inverse=True, return_counts=True)
    mean_rank = np.cumsum(counts) - (counts - 1) / 2.0
    rank_sum = float(np.sum(mean_rank[inverse] * y))
    return (rank_sum - positives * (positives + 1.0) / 2.0) / (positives * negatives)


def average_precision(y: np.ndarray, p: np.ndarray) -> float:
    """Area under the precision-recall curve (step-wise); NaN without a positive."""
    y, p = np.asarray(y, float), np.asarray(p, float)
    if y.sum() == 0:
        return float("nan")
    order = np.argsort(-p, kind="stable")
    hits, scores = np.cumsum(y[order]), p[order]
    last = np.append(np.flatnonzero(np.diff(scores)), len(scores) - 1)
    precision, recall = hits[last] / (last + 1.0), hits[last] / y.sum()
    return float(np.sum(np.diff(np.append(0.0, recall)) * precision))


def calibration_bins(
    y: np.ndarray, p: np.ndarray, *, bins: int = 10
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Reliability curve over equal-count bins of the forecast.

    Returns
    -------
    (forecast, observed, count) : tuple of ndarray
        Mean probability, share of ones and number of rows in each bin, lowest bin first.
    """
    y, p = np.asarray(y, float), np.asarray(p, float)
    if y.size == 0:
        return np.empty(0), np.empty(0), np.empty(0)
    parts = [part for part in np.array_split(np.argsort(p, kind="stable"), bins) if part.size]
    forecast = np.array([p[part].mean() for part in parts])
    observed = np.array([y[part].mean() for part in parts])
    return forecast, observed, np.array([part.size for part in parts], float)


def ece(y: np.ndarray, p: np.ndarray, *, bins: int = 10) -> float:
    """Give the expected calibration error over equal-count bins; NaN without rows."""
    forecast, observed, count = calibration_bins(y, p, bins=bins)
    if count.size == 0:
        return float("nan")
    return float(np.sum(count * np.abs(forecast - observed)) / count.sum())


def ece_band(
    p: np.ndarray,
    *,
    horizon: int,
    bins: int = 10,
    draws: int = 200,
    seed: int = 0,
    level: float = 0.9,
) -> tuple[float, float]:
    """Band of the calibration error that a perfectly calibrated forecast would show.

    Parameters
    ----------
    p : ndarray
        Forecasts in session order.
    horizon : int
        Sessions that a label spans. Outcomes of neighbours share most of their window, so they
        are drawn from uniforms that are a Gaussian copula of moving sums over `horizon`.

    Returns
    -------
    (low, high) : tuple of float
        Central `level` band of the error; above `high` the forecast is miscalibrated.
    """
    from scipy.special import ndtr

    p = np.asarray(p, float)
    if p.size == 0:
        return float("nan"), float("nan")
    generator = np.random.Generator(np.random.PCG64(seed))
    errors = np.empty(draws)
    for i in range(draws):
        noise = generator.standard_normal(p.size + horizon - 1)
        sums = np.cumsum(np.append(0.0, noise))
        uniform = ndtr((sums[horizon:] - sums[:-horizon]) / np.sqrt(horizon))
        errors[i] = ece((uniform < p).astype(float), p, bins=bins)
    tail = (1.0 - level) / 2.0
    return float(np.quantile(errors, tail)), float(np.quantile(errors, 1.0 - tail))


def stationary_indices(
    n: int, *, mean_block: float = MIN_BLOCK, repeats: int = 1000, seed: int = 0
) -> np.ndarray:
    """Row numbers of stationary bootstrap samples (Politis and Romano 1994).

    Parameters
    ----------
    n : int
        Rows, in session order.
    mean_block : float
        Mean block length in rows; blocks wrap around the end.
    repeats : int
        Number of samples.

    Returns
    -------
    ndarray of int32, shape (repeats, n)
    """
    if mean_block < 1:
        raise UsageError(
            f"`mean_block` must be 1 or more, got {mean_block}. Use {MIN_BLOCK} or more."
        )
    generator = np.random.Generator(np.random.PCG64(seed))
    first = generator.random((repeats, n))
    fresh = generator.random((repeats, n)) < 1.0 / mean_block
    fresh[:, 0] = True
    # A block runs from its start to the next: its rows are its columns, all moved alike.
    starts = np.flatnonzero(fresh)
    column = np.arange(n, dtype=np.int32)
    moved = (first.ravel()[starts] * n).astype(np.int32) - column[starts % n]
    rows = np.repeat(moved, np.diff(starts, append=fresh.size)).reshape(repeats, n)
    rows += column
    rows[rows >= n] -= n
    return rows


def bootstrap_ratio(
    numerator: np.ndarray,
    denominator: np.ndarray,
    *,
    block: float = MIN_BLOCK,
    draws: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> tuple[float, float, float]:
    """Ratio of two means with its stationary block-bootstrap interval.

    Returns
    -------
    (ratio, low, high) : tuple of float
        NaN without rows.
    """
    a, b = np.asarray(numerator, float), np.asarray(denominator, float)
    if a.size == 0:
        return float("nan"), float("nan"), float("nan")
    rows = stationary_indices(a.size, mean_block=block, repeats=draws, seed=seed)
    ratios = a[rows].mean(axis=1) / b[rows].mean(axis=1)
    tail = (1.0 - level) / 2.0
    low, high = np.quantile(ratios, [tail, 1.0 - tail])
    return float(a.mean() / b.mean()), float(low), float(high)


@dataclass(frozen=True)
class Gain:
    """Skill over the best baseline, in units of climatology's log loss."""

    gain: float
    lo: float
    hi: float
    best_baseline: str
    log_loss: float
    log_loss_best_baseline: float
    log_loss_climatology: float


def gain(
    y: np.ndarray,
    p: np.ndarray,
    baselines: dict[str, np.ndarray],
    *,
    block: float = MIN_BLOCK,
    draws: int = 1000,
    level: float = 0.9,
    seed: int = 0,
) -> Gain:
    """Gain of a forecast over the best of its baselines on the same rows.

    Parameters
    ----------
    y, p : ndarray
        Outcomes and forecasts in session order, no NaN.
    baselines : dict of str to ndarray
        Baseline forecasts of the same rows, ``climatology`` among them. One that is null on
        any of the rows does not compete.

    Notes
    -----
    ``gain = (log_loss_best_baseline - log_loss) / log_loss_climatology``. The best baseline is
    chosen once, on these rows, before the bootstrap.
    """
    if "climatology" not in baselines:
        raise UsageError("`baselines` lacks climatology. Add it: it is the unit of the gain.")
    losses = {k: log_loss_rows(y, b) for k, b in baselines.items() if not np.isnan(b).any()}
    means = {name: float(loss.mean()) for name, loss in losses.items()}
    best = min(means, key=lambda name: means[name])
    own = log_loss_rows(y, p)
    value, low, high = bootstrap_ratio(
        losses[best] - own, losses["climatology"], block=block, draws=draws, level=level, seed=seed
    )
    return Gain(value, low, high, best, float(own.mean()), means[best], means["climatology"])
