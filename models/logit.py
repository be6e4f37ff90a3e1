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

__all__ = ["RidgeLogit", "logit", "sigmoid"]

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
        x: np.ndarray,
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
            Columns without NaN.
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
        x, y = np.asarray(x, float), np.asarray(y, float)
        if y.size == 0 or y.min() == y.max():
            raise DataError(
                "a logistic fit needs both outcomes in its rows, got one or none. "
                "Give it a longer training span."
            )
        w = np.ones(y.size) if weight is None else np.asarray(weight, float)
        if winsor > 0:
            low, high = np.quantile(x, [winsor, 1.0 - winsor], axis=0)
        else:
            low, high = np.full(x.shape[1], -np.inf), np.full(x.shape[1], np.inf)
        x = np.clip(x, low, high)
        centre = np.average(x, axis=0, weights=w)
        spread = np.sqrt(np.average((x - centre) ** 2, axis=0, weights=w))
        # A constant column keeps scale one and, by the penalty, coefficient zero.
        scale = np.where(spread > 1e-12, spread, 1.0)
        z = (x - centre) / scale
        b0, coef = _newton(z, y, w, offset, l2, penalised, intercept)
        return cls(names, centre, scale, low, high, b0, coef)

    def parts(self, x: np.ndarray) -> np.ndarray:
        """Log odds that each column adds, shape (n, k); zero where the value is null."""
        z = (np.minimum(np.maximum(x, self.low), self.high) - self.centre) / self.scale
        return np.asarray(np.where(np.isnan(z), 0.0, z) * self.coef)

    def log_odds(self, x: np.ndarray) -> np.ndarray:
        """Log odds of each row; the sum runs in column order, so a row alone gives the same."""
        parts = self.parts(x)
        terms = np.empty((parts.shape[0], parts.shape[1] + 1))
        terms[:, 0], terms[:, 1:] = self.intercept, parts
        return np.asarray(np.add.accumulate(terms, axis=1)[:, -1])

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
        hessian = (design * (w * p * (1.0 - p))[:, None]).T @ design + np.diag(2.0 * penalty)
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
