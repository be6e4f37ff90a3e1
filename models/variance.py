"""A ridge forecast of log realised volatility and its margin to a head's threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.heads import EXPANSION_RATIO, TRADING_DAYS, HeadKey
from models.state import lagged
from models.structural import VARIANCE

__all__ = ["LogVariance", "has_margin", "log_realised_ahead"]

RIDGE = 20.0


def has_margin(key: HeadKey) -> bool:
    """Tell whether the head compares realised volatility with a threshold known at t."""
    return key.head in ("expansion", "premium_failure")


def log_realised_ahead(spine: pd.DataFrame, horizon: int) -> np.ndarray:
    """Log of realised volatility (annual points) of the `horizon` sessions after each row."""
    close = spine["spx_close"].to_numpy(float)
    squares = np.log(close / lagged(close, 1)) ** 2
    total = np.zeros(len(close))
    for k in range(1, horizon + 1):
        total = total + np.append(squares[k:], np.full(min(k, len(close)), np.nan))[: len(close)]
    return np.asarray(np.log(100.0 * np.sqrt(TRADING_DAYS * np.maximum(total / horizon, 1e-8))))


@dataclass(frozen=True)
class LogVariance:
    """Ridge regression of log realised volatility on the variance inputs.

    Parameters
    ----------
    threshold : str
        ``rv21`` (times 1.5) or ``vix``: what the forecast is compared with.
    centre, scale, coef : ndarray
        Standardisation and weights of the inputs.
    intercept, spread : float
        Mean forecast, and standard deviation of the residuals: the unit of the margin.
    """

    threshold: str
    centre: np.ndarray
    scale: np.ndarray
    coef: np.ndarray
    intercept: float
    spread: float

    @classmethod
    def fit(
        cls, key: HeadKey, columns: Mapping[str, np.ndarray], target: np.ndarray
    ) -> LogVariance:
        """Fit on rows whose target is known; the columns must not be null."""
        x = np.array([columns[name] for name in VARIANCE]).T
        centre, spread = x.mean(axis=0), x.std(axis=0)
        scale = np.where(spread > 1e-12, spread, 1.0)
        z, mean = (x - centre) / scale, float(target.mean())
        gram = z.T @ z + RIDGE * np.eye(z.shape[1])
        coef = np.linalg.solve(gram, z.T @ (target - mean))
        residual = target - mean - z @ coef
        threshold = "rv21" if key.head == "expansion" else "vix"
        return cls(threshold, centre, scale, coef, mean, float(residual.std()))

    def forecast(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Log realised volatility expected over the horizon, from columns by name."""
        total = np.full(len(columns[VARIANCE[0]]), self.intercept)
        for j, name in enumerate(VARIANCE):
            total = total + (columns[name] - self.centre[j]) / self.scale[j] * self.coef[j]
        return total

    def margin(self, columns: Mapping[str, np.ndarray]) -> np.ndarray:
        """Forecast less log threshold, in residual standard deviations."""
        if self.threshold == "rv21":
            level = columns["log_rv21"] + np.log(EXPANSION_RATIO)
        else:
            level = columns["log_vix"]
        return np.asarray((self.forecast(columns) - level) / self.spread)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "threshold": self.threshold,
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "coef": self.coef.tolist(),
            "intercept": self.intercept,
            "spread": self.spread,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> LogVariance:
        """Read what `to_json` wrote."""
        return cls(
            str(document["threshold"]),
            np.array(document["centre"], float),
            np.array(document["scale"], float),
            np.array(document["coef"], float),
            float(document["intercept"]),
            float(document["spread"]),
        )
