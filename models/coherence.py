"""Probabilities of cumulative heads rise with the horizon; impossible shifts stay null."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from models.heads import HEADS, HeadKey

__all__ = ["coherent_log_odds"]


def coherent_log_odds(log_odds: Mapping[HeadKey, np.ndarray]) -> dict[HeadKey, np.ndarray]:
    """Correct log odds so that a longer horizon is never less likely.

    Parameters
    ----------
    log_odds : mapping of HeadKey to ndarray
        Log odds of each head on the same rows; NaN where not scored.

    Returns
    -------
    dict of HeadKey to ndarray
        Correction to add to each, zero where nothing was out of order. It is the isotonic
        regression over horizons (neighbours out of order meet at their mean), so the corrected
        values lie within the range of the given ones.
    """
    out = {key: np.zeros_like(values) for key, values in log_odds.items()}
    for name, head in HEADS.items():
        keys = sorted(k for k in log_odds if k.head == name)
        if not head.cumulative or len(keys) < 2:
            continue
        values = np.column_stack([log_odds[k] for k in keys])
        fitted = _isotonic(values)
        for j, key in enumerate(keys):
            out[key] = fitted[:, j] - values[:, j]
    return out


def _isotonic(values: np.ndarray) -> np.ndarray:
    """Row-wise isotonic regression: max over starts of min over ends of the block means."""
    width = values.shape[1]
    fitted = np.empty_like(values)
    for j in range(width):
        best = np.full(len(values), -np.inf)
        for a in range(j + 1):
            lowest = np.full(len(values), np.inf)
            for b in range(j, width):
                mean = values[:, a]
                for c in range(a + 1, b + 1):
                    mean = mean + values[:, c]
                lowest = np.minimum(lowest, mean / (b - a + 1))
            best = np.maximum(best, lowest)
        fitted[:, j] = best
    # Where the given values are in order, give them back to the last bit.
    in_order = np.all(np.diff(values, axis=1) >= 0, axis=1)
    fitted[in_order] = values[in_order]
    return fitted
