"""Which features of a moment are used, and what stands for a null."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.settings import ModelSettings

__all__ = ["Columns", "taken"]


@dataclass(frozen=True)
class Columns:
    """Features of a moment, sorted by how long they are known.

    Parameters
    ----------
    names : tuple of str
        Columns of the boosters: known in most rows of the span.
    neutral : ndarray
        Their medians: stand for a null, so that a null says nothing.
    young : tuple of str
        The others.
    """

    names: tuple[str, ...]
    neutral: np.ndarray
    young: tuple[str, ...]

    @classmethod
    def choose(cls, features: pd.DataFrame, settings: ModelSettings) -> Columns:
        """Sort the columns of the rows that a fit may know."""
        wanted = list(features.columns)
        if settings.features is not None:
            wanted = [n for n in wanted if n in settings.features]
        known = features[wanted].notna().mean()
        names = tuple(n for n in wanted if known[n] >= settings.min_share)
        young = tuple(n for n in wanted if 0.0 < known[n] < settings.min_share)
        return cls(names, features[list(names)].median().to_numpy(float), young)

    def to_json(self) -> dict[str, Any]:
        """Names and medians; young columns have no part in a forecast."""
        return {"features": list(self.names), "neutral": self.neutral.tolist()}

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Columns:
        """Read what `to_json` wrote."""
        return cls(tuple(document["features"]), np.array(document["neutral"], float), ())

    def values(self, x: pd.DataFrame) -> np.ndarray:
        """Feature matrix to forecast from: nulls are made neutral, absent columns are null."""
        values = taken(x, self.names)
        return np.where(np.isnan(values), self.neutral, values)

    def drawn(self, x: pd.DataFrame, *, seed: int) -> np.ndarray:
        """Feature matrix to fit on: a null is drawn from the known values of its column.

        Notes
        -----
        A constant in place of nulls would be a spike that a tree can cut out, and with it the
        era in which a series did not exist. Drawn values look like all others. Columns that are
        null together take theirs from the same row, so that they stay plausible together.
        """
        values = taken(x, self.names)
        share = np.random.Generator(np.random.PCG64(seed)).random(len(values))
        for j in range(values.shape[1]):
            null = np.isnan(values[:, j])
            known = values[~null, j]
            if known.size:
                values[null, j] = known[(share[null] * known.size).astype(np.int64)]
        return values


def taken(x: pd.DataFrame, names: tuple[str, ...]) -> np.ndarray:
    """Copy some columns of a table, NaN for those that it does not have."""
    places = _places(tuple(x.columns), names)
    values = np.asarray(x.to_numpy(float)[:, places])
    values[:, places < 0] = np.nan
    return values


@functools.lru_cache(maxsize=64)
def _places(columns: tuple[str, ...], names: tuple[str, ...]) -> np.ndarray:
    where = {name: place for place, name in enumerate(columns)}
    return np.array([where.get(name, -1) for name in names], np.intp)
