"""Coefficients of one simulated step: three small regressions on the state of the past."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.path_terms import (
    ahead,
    mean_inputs,
    recency,
    ret_inputs,
    scale_weights,
    vix_scale_inputs,
    weighted,
)
from models.state import State

__all__ = ["Dynamics", "usable"]


@dataclass(frozen=True)
class Dynamics:
    """One step of SPX and VIX.

    Parameters
    ----------
    drift : float
        Mean log return of a session.
    ret_scale : ndarray
        Intercept and weights of (VIX move, mean size of 5 and 21 sessions, last fall, mean fall
        of 5).
    vix_mean : ndarray
        Intercept and weights of (log VIX, its means over 5, 21, 63, last return, mean
        return of 5, change of the days to the next session).
    vix_scale : ndarray
        Intercept and weights of (mean abs change of log VIX over 5, 21, last, log VIX
        above its mean of 21).
    move_of_range : float
        Mean absolute return over mean true range: the size of a session that has been, whose
        range is known, in units of one that is simulated, whose return alone is.
    """

    drift: float
    ret_scale: np.ndarray
    vix_mean: np.ndarray
    vix_scale: np.ndarray
    move_of_range: float

    @classmethod
    def fit(cls, s: State, rows: np.ndarray) -> Dynamics:
        """Fit on some rows of a state, each with the session after it.

        The size of VIX changes follows the recent years (`recency`): it has grown over decades.
        All else is that of all rows alike.
        """
        ret, change = ahead(s.ret)[rows], ahead(s.d_log_vix)[rows]
        move_of_range = _move_of_range(s, rows)
        drift = float(ret.mean())
        x = mean_inputs(s)[rows]
        mean = np.linalg.lstsq(x, change, rcond=None)[0]
        return cls(
            drift,
            scale_weights(ret_inputs(s, move_of_range)[rows], np.abs(ret - drift)),
            mean,
            scale_weights(
                vix_scale_inputs(s)[rows],
                np.abs(change - weighted(x, mean)),
                recency(rows[-1] - rows),
            ),
            move_of_range,
        )

    def return_scale(self, s: State, rows: np.ndarray) -> np.ndarray:
        """Mean absolute return that the next session is expected to have."""
        return weighted(ret_inputs(s, self.move_of_range)[rows], self.ret_scale)

    def vix_change(self, s: State, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Mean and scale of the next change of log VIX."""
        mean = weighted(mean_inputs(s)[rows], self.vix_mean)
        return mean, weighted(vix_scale_inputs(s)[rows], self.vix_scale)

    def residual_pairs(self, s: State, rows: np.ndarray) -> np.ndarray:
        """Scaled residuals of return and log VIX in the order of the rows, centred by recency."""
        mean, scale = self.vix_change(s, rows)
        z_ret = (ahead(s.ret)[rows] - self.drift) / self.return_scale(s, rows)
        z_vix = (ahead(s.d_log_vix)[rows] - mean) / scale
        pairs, counts = np.column_stack([z_ret, z_vix]), recency(rows[-1] - rows)
        return np.asarray(pairs - np.average(pairs, axis=0, weights=counts))

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "drift": self.drift,
            "ret_scale": self.ret_scale.tolist(),
            "vix_mean": self.vix_mean.tolist(),
            "vix_scale": self.vix_scale.tolist(),
            "move_of_range": self.move_of_range,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Dynamics:
        """Read what `to_json` wrote."""
        return cls(
            float(document["drift"]),
            np.array(document["ret_scale"], float),
            np.array(document["vix_mean"], float),
            np.array(document["vix_scale"], float),
            float(document["move_of_range"]),
        )


def usable(s: State) -> tuple[np.ndarray, np.ndarray]:
    """Rows whose inputs are known, and those of them whose next session is known as well."""
    # Whether they are known does not depend on the unit of the range.
    inputs = np.hstack([ret_inputs(s, 1.0), mean_inputs(s), vix_scale_inputs(s)])
    known = ~np.isnan(inputs).any(axis=1)
    return known, known & ~np.isnan(ahead(s.ret)) & ~np.isnan(ahead(s.d_log_vix))


def _move_of_range(s: State, rows: np.ndarray) -> float:
    known = rows[~np.isnan(s.true_range[rows]) & (s.true_range[rows] > 0.0)]
    if known.size == 0:
        return 1.0
    return float(np.abs(s.ret[known]).mean() / s.true_range[known].mean())
