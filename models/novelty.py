"""How far a row is from the training data, in one number with a threshold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.structural import VARIANCE

__all__ = ["Novelty"]

SHRINK = 0.1
QUANTILE = 0.995
COLUMNS = VARIANCE


@dataclass(frozen=True)
class Novelty:
    """Mahalanobis distance of the structural inputs, per root column.

    Parameters
    ----------
    centre, scale : ndarray
        Standardisation of the columns.
    whiten : ndarray, shape (k, k)
        Whitening matrix of the shrunk correlation (a tenth of the identity mixed in).
    threshold : float
        The 99.5 % quantile of the distance of training rows from the rest of the span.
    """

    centre: np.ndarray
    scale: np.ndarray
    whiten: np.ndarray
    threshold: float

    @classmethod
    def fit(cls, inputs: pd.DataFrame) -> Novelty:
        """Fit on training rows; rows with a null are left out."""
        x = inputs[list(COLUMNS)].to_numpy(float)
        x = x[~np.isnan(x).any(axis=1)]
        centre, spread = x.mean(axis=0), x.std(axis=0)
        scale = np.where(spread > 1e-12, spread, 1.0)
        z = (x - centre) / scale
        correlation = (1.0 - SHRINK) * (z.T @ z) / len(z) + SHRINK * np.eye(z.shape[1])
        whiten = np.linalg.inv(np.linalg.cholesky(correlation))
        distance = _distance(z, whiten)
        return cls(centre, scale, whiten, float(np.quantile(distance, QUANTILE)))

    def distance(self, inputs: pd.DataFrame) -> np.ndarray:
        """Distance of each row, about 1 for an ordinary one; NaN where an input is null."""
        x = inputs[list(COLUMNS)].to_numpy(float)
        return _distance((x - self.centre) / self.scale, self.whiten)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "centre": self.centre.tolist(),
            "scale": self.scale.tolist(),
            "whiten": self.whiten.tolist(),
            "threshold": self.threshold,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Novelty:
        """Read what `to_json` wrote."""
        return cls(
            np.array(document["centre"], float),
            np.array(document["scale"], float),
            np.array(document["whiten"], float),
            float(document["threshold"]),
        )


def _distance(z: np.ndarray, whiten: np.ndarray) -> np.ndarray:
    # One matrix-vector product a row: its rounding does not depend on the other rows.
    white = np.matmul(whiten, z[:, :, None])[:, :, 0]
    return np.asarray(np.sqrt(np.sum(white**2, axis=1) / z.shape[1]))
