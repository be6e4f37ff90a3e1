"""The structural offset: the log odds from which a head is boosted.

Candidates are stated here in advance; the fit chooses among them on held-out blocks of its own
training span. All start from the path prior; they differ in how much a ridge logistic on the
structural inputs may move it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.heads import HeadKey
from models.logit import RidgeLogit, logit
from models.structural import SPLINE, VARIANCE
from models.variance import LogVariance, has_margin

__all__ = ["CANDIDATES", "Offset", "fit_offset"]

STACK = tuple(dict.fromkeys((*VARIANCE, *SPLINE[1:], "ivts")))
# Name of a candidate and its ridge; "prior" takes the prior as it is.
CANDIDATES: dict[str, float] = {
    "prior": np.inf,
    "recalibrated": np.inf,
    "stack_3000": 3000.0,
    "stack_300": 300.0,
    "stack_30": 30.0,
}


@dataclass(frozen=True)
class Offset:
    """Log odds from the prior and, unless the candidate is the prior itself, a ridge logistic."""

    name: str
    model: RidgeLogit | None
    variance: LogVariance | None

    def log_odds(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Log odds of each row of the structural inputs; `prior` is a probability."""
        if self.model is None:
            return logit(prior)
        return self.model.log_odds(_matrix(self.model.names, inputs, prior, self.variance))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "name": self.name,
            "model": None if self.model is None else self.model.to_json(),
            "variance": None if self.variance is None else self.variance.to_json(),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Offset:
        """Read what `to_json` wrote."""
        model, variance = document["model"], document["variance"]
        return cls(
            str(document["name"]),
            None if model is None else RidgeLogit.from_json(model),
            None if variance is None else LogVariance.from_json(variance),
        )


def fit_offset(
    name: str,
    key: HeadKey,
    inputs: pd.DataFrame,
    prior: np.ndarray,
    y: np.ndarray,
    log_variance: np.ndarray,
) -> Offset:
    """Fit one candidate.

    Parameters
    ----------
    log_variance : ndarray
        Log realised volatility over the head's horizon of the same rows: what the margin's
        forecast is fitted on. Rows are label-complete, so it is known.
    """
    if name == "prior":
        return Offset(name, None, None)
    if name == "recalibrated":
        x = logit(prior)[:, None]
        return Offset(name, RidgeLogit.fit(x, y, names=("prior",), l2=1.0), None)
    variance = LogVariance.fit(key, inputs, log_variance) if has_margin(key) else None
    columns = ("prior", *STACK, *(("margin",) if variance else ()))
    x = _matrix(columns, inputs, prior, variance)
    x = _centred(x)
    # The prior and the margin are forecasts already: the ridge hardly holds them.
    free = np.array([0.01 if c in ("prior", "margin") else 1.0 for c in columns])
    model = RidgeLogit.fit(x, y, names=columns, l2=CANDIDATES[name], penalised=free, winsor=0.005)
    return Offset(name, model, variance)


def _centred(x: np.ndarray) -> np.ndarray:
    """Replace nulls by the column's mean, which is what a null counts as later."""
    null = np.isnan(x)
    if not null.any():
        return x
    known = np.maximum((~null).sum(axis=0), 1)
    return np.where(null, np.where(null, 0.0, x).sum(axis=0) / known, x)


def _matrix(
    names: tuple[str, ...],
    inputs: pd.DataFrame,
    prior: np.ndarray,
    variance: LogVariance | None,
) -> np.ndarray:
    columns = []
    for name in names:
        if name == "prior":
            columns.append(logit(prior))
        elif name == "margin" and variance is not None:
            columns.append(variance.margin(inputs))
        else:
            columns.append(inputs[name].to_numpy(float))
    return np.column_stack(columns)
