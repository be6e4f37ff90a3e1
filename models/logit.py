"""Ridge logistic regression with an offset, in numpy alone.

The same few lines serve the baselines, the structural offset and the closed-window correction,
at fit time and at scoring time: a fitted model is a handful of named coefficients in JSON.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from features.errors import DataError

__all__ = ["RidgeLogit", "Standardised", "logit", "sigmoid"]

MAX_STEPS = 60
CLIP = 1e-6


def sigmoid(x: np.ndarray | float) -> np.ndarray:
    """Logistic function without overflow."""
    x = np.asarray(x, float)
    e = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1.0 / (1.0 + e), e / (1.0 + e)))


def logit(p: np.ndarray | float, *, clip: float = CLIP) -> np.ndarray:
    """Log odds, with probabilities clipped to ``[clip, 1 - clip]``."""
    p = np.clip(np.asarray(p, float), clip, 1.0 - clip)
    return np.asarray(np.log(p) - np.log1p(-p))


@dataclass(frozen=True)
class Standardised:
    """Training columns cut to their range, centred and scaled; fits of several ridges share one.

    Parameters
    ----------
    z : ndarray, shape (n, k)
        The columns.
    centre, scale, low, high : ndarray
        Mean, standard deviation and range before.
    """

    z: np.ndarray
    centre: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray

    @classmethod
    def of(
        cls, x: np.ndarray, *, weight: np.ndarray | None = None, winsor: float = 0.0
    ) -> Standardised:
        """Standardise columns without NaN; see `RidgeLogit.fit`."""
        x = np.asarray(x, float)
        if winsor > 0:
            low, high = _tails(x, winsor)
            x = np.clip(x, low, high)
        else:
            low, high = np.full(x.shape[1], -np.inf), np.full(x.shape[1], np.inf)
        centre = _mean(x, weight)
        z = x - centre
        spread = np.sqrt(_mean(z**2, weight))
        # A constant column keeps scale one and, by the penalty, coefficient zero.
        scale = np.where(spread > 1e-12, spread, 1.0)
        z /= scale
        return cls(z, centre, scale, low, high)


@dataclass(frozen=True)
class RidgeLogit:
    """Logistic regression on standardised, winsorised columns with a ridge penalty.

    Parameters
    ----------
    names : tuple of str
        Column names.
    centre, scale, low, high : ndarray
        Mean and standard deviation of the training rows and the range to which values are cut.
    intercept : float
        Log odds at the centre.
    coef : ndarray
        Log odds for one standard deviation.
    """

    names: tuple[str, ...]
    centre: np.ndarray
    scale: np.ndarray
    low: np.ndarray
    high: np.ndarray
    intercept: float
    coef: np.ndarray

    @classmethod
    def fit(
        cls,
        x: np.ndarray | Standardised,
        y: np.ndarray,
        *,
        names: tuple[str, ...],
        l2: float,
        weight: np.ndarray | None = None,
        offset: np.ndarray | None = None,
        penalised: np.ndarray | None = None,
        intercept: bool = True,
        winsor: float = 0.0,
    ) -> RidgeLogit:
        """Fit by Newton's method.

        Parameters
        ----------
        x : ndarray, shape (n, k)
            Columns without NaN; or standardised already, with the same `weight` and `winsor`.
        y : ndarray
            0 or 1.
        l2 : float
            Half the penalty on a squared standardised coefficient, in units of log likelihood.
        weight : ndarray, optional
            Weight of each row.
        offset : ndarray, optional
            Log odds that are added with coefficient one.
        penalised : ndarray of float, optional
            Multiplier of the penalty for each column, 1 by default.
        winsor : float
            Share of training rows at each end to which values are cut, at fit and later.

        Raises
        ------
        DataError
            If there is no row, or one class only.
        """
        y = np.asarray(y, float)
        if y.size == 0 or y.min() == y.max():
            raise DataError(
                "a logistic fit needs both outcomes in its rows, got one or none. "
                "Give it a longer training span."
            )
        w = np.ones(y.size) if weight is None else np.asarray(weight, float)
        if not isinstance(x, Standardised):
            x = Standardised.of(x, weight=weight, winsor=winsor)
        b0, coef = _newton(x.z, y, w, offset, l2, penalised, intercept)
        return cls(names, x.centre, x.scale, x.low, x.high, b0, coef)

    def parts(self, x: np.ndarray) -> np.ndarray:
        """Log odds that each column adds, shape (n, k); zero where the value is null."""
        # One array throughout: fresh memory for each step costs more than the step.
        z = np.maximum(x, self.low)
        np.minimum(z, self.high, out=z)
        z -= self.centre
        z /= self.scale
        np.copyto(z, 0.0, where=np.isnan(z))
        z *= self.coef
        return z

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        """Log odds of each row; the sum runs in column order, so a row alone gives the same."""
        parts = self.parts(x)
        total = np.full(len(parts), self.intercept)
        for j in range(parts.shape[1]):
            total += parts[:, j]
        return total

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; infinite bounds become null."""

        def bound(v: float) -> float | None:
            return float(v) if np.isfinite(v) else None

        return {
            "names": list(self.names),
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "low": [bound(v) for v in self.low],
            "high": [bound(v) for v in self.high],
            "intercept": self.intercept,
            "coef": self.coef.tolist(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RidgeLogit:
        """Read what `to_json` wrote."""
        low = [-np.inf if v is None else v for v in document["low"]]
        high = [np.inf if v is None else v for v in document["high"]]
        return cls(
            tuple(document["names"]),
            np.array(document["centre"], float),
            np.array(document["scale"], float),
            np.array(low, float),
            np.array(high, float),
            float(document["intercept"]),
            np.array(document["coef"], float),
        )


def _mean(x: np.ndarray, weight: np.ndarray | None) -> np.ndarray:
    return np.asarray(x.mean(axis=0) if weight is None else np.average(x, axis=0, weights=weight))


def _tails(x: np.ndarray, share: float) -> tuple[np.ndarray, np.ndarray]:
    """Quantiles `share` and `1 - share` of each column, to the last bit those of `np.quantile`.

    Only the tails are set in order, one after the other, which takes a quarter of the time.
    """
    columns, last = np.array(x.T, order="C"), len(x) - 1
    ends = []
    for place in (last * share, last * (1.0 - share)):
        before = int(place)
        columns.partition(before, axis=1)
        a = columns[:, before]
        b = columns[:, before + 1 :].min(axis=1) if before < last else a
        gap, t = b - a, place - before
        ends.append(b - gap * (1.0 - t) if t >= 0.5 else a + gap * t)
    return ends[0], ends[1]


def _newton(
    z: np.ndarray,
    y: np.ndarray,
    w: np.ndarray,
    offset: np.ndarray | None,
    l2: float,
    penalised: np.ndarray | None,
    intercept: bool,
) -> tuple[float, np.ndarray]:
    n, k = z.shape
    design = np.column_stack([np.ones(n), z]) if intercept else z
    first = 1 if intercept else 0
    penalty = np.zeros(design.shape[1])
    penalty[first:] = l2 * (np.ones(k) if penalised is None else penalised)
    # A trace of ridge keeps the system solvable when a column is constant.
    penalty += 1e-8
    base = np.zeros(n) if offset is None else np.asarray(offset, float)
    scaled = np.empty_like(design)
    beta = np.zeros(design.shape[1])
    if intercept and offset is None:
        beta[0] = float(logit(np.average(y, weights=w)))

    def at(b: np.ndarray) -> tuple[float, np.ndarray]:
        """Objective, and the probabilities that its slope is made of."""
        eta = base + design @ b
        e = np.exp(-np.abs(eta))
        loss = np.maximum(eta, 0.0) + np.log1p(e) - y * eta
        value = float(np.sum(w * loss) + np.sum(penalty * b * b))
        return value, np.where(eta >= 0, 1.0, e) / (1.0 + e)

    value, p = at(beta)
    for _ in range(MAX_STEPS):
        gradient = design.T @ (w * (p - y)) + 2.0 * penalty * beta
        np.multiply(design, (w * p * (1.0 - p))[:, None], out=scaled)
        hessian = scaled.T @ design + np.diag(2.0 * penalty)
        step = np.linalg.solve(hessian, gradient)
        size = 1.0
        new, p = at(beta - step)
        while size > 1e-6 and new > value + 1e-12:
            size /= 2.0
            new, p = at(beta - size * step)
        beta = beta - size * step
        if abs(value - new) < 1e-9 * (1.0 + abs(value)):
            break
        value = new
    return (float(beta[0]) if intercept else 0.0), beta[first:]
