"""The shift model of one head: a structural offset, corrected by boosters that left a block out.

Member k is fitted on all but block k of the training span; the forecast averages the members in
log odds. How it is fitted, and what is chosen there, stands in `models.shift_fit`.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.boosters import Booster
from models.calibration import calibration_term
from models.heads import HeadKey
from models.logit import RidgeLogit
from models.offset import Offset, offset_columns
from models.settings import ModelSettings
from models.window import window_parts

__all__ = ["Columns", "ShiftModel", "taken"]


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


@dataclass(frozen=True)
class ShiftModel:
    """A fitted head.

    Parameters
    ----------
    key : HeadKey
        Head and horizon.
    columns : Columns
        Columns of the boosters and what stands for a null.
    offsets : tuple of Offset
        One a member.
    boosters : tuple of Booster
        One a member; empty where the correction was not kept.
    share : float
        Share of the correction that was kept.
    calibration : RidgeLogit or None
        What is added to offset plus boosters; None where it did not help on a later block.
    window : RidgeLogit or None
        Correction from young features; None where it was not kept.
    choice : dict
        Held-out log loss of every candidate: the record of the choices.
    """

    key: HeadKey
    columns: Columns
    offsets: tuple[Offset, ...]
    boosters: tuple[Booster, ...]
    share: float
    calibration: RidgeLogit | None
    window: RidgeLogit | None
    choice: dict[str, float]

    def starts(
        self, inputs: pd.DataFrame, prior: np.ndarray, own: np.ndarray
    ) -> tuple[np.ndarray, np.ndarray]:
        """Structural offset of each row, and where each member starts from by a prior of its own.

        Parameters
        ----------
        prior : ndarray
            Path prior of the rows.
        own : ndarray, shape (members, rows)
            Path prior by each of its own members; without rows where none is wanted.

        Returns
        -------
        (base, starts) : tuple of ndarray
            Mean log odds of the members' offsets; and shape (members, rows).
        """
        columns = offset_columns(inputs, prior)
        if not len(own):
            return _mean([offset.from_columns(columns) for offset in self.offsets]), own
        # both priors in one pass: the log odds of a row are those of the row alone
        twice = {name: np.tile(column, 2) for name, column in columns.items()}
        told = np.array(
            [
                offset.from_columns(offset_columns(twice, np.concatenate([prior, other])))
                for offset, other in zip(self.offsets, own, strict=True)
            ]
        )
        return _mean(list(told[:, : len(prior)])), told[:, len(prior) :]

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that may contribute, boosters' first."""
        young = self.window.names if self.window is not None else ()
        return (*(self.columns.names if self.boosters else ()), *young)

    def added(self, x: pd.DataFrame) -> list[np.ndarray]:
        """Log odds that each booster would add, before `share`; none without boosters."""
        matrix = self.columns.values(x) if self.boosters else np.empty((len(x), 0))
        return [booster.log_odds(matrix) for booster in self.boosters]

    def boosted(self, x: pd.DataFrame, added: list[np.ndarray] | None = None) -> np.ndarray:
        """Log odds that the boosters add; `added` where they were asked already."""
        told = self.added(x) if added is None else added
        return self.share * _mean(told) if told else np.zeros(len(x))

    def young(self, x: pd.DataFrame) -> np.ndarray:
        """Log odds that the young features add."""
        total = np.zeros(len(x))
        if self.window is not None:
            parts = window_parts(self.window, x)
            for j in range(parts.shape[1]):
                total = total + parts[:, j]
        return total

    def calibrated(self, log_odds: np.ndarray) -> np.ndarray:
        """Log odds that the calibration adds to offset plus boosters."""
        return calibration_term(self.calibration, log_odds)

    def contributions(self, x: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Exact contributions of `features` and of the boosters' expected value.

        Returns
        -------
        (values, bias) : tuple of ndarray
            Shapes (rows, features) and (rows,), log odds; they sum to `boosted` and `young`.
        """
        pieces, bias = [], np.zeros(len(x))
        if self.boosters:
            matrix = self.columns.values(x)
            total = self.share * _mean([b.contributions(matrix) for b in self.boosters])
            pieces.append(total[:, :-1])
            bias = total[:, -1]
        if self.window is not None:
            pieces.append(window_parts(self.window, x))
        return (np.hstack(pieces) if pieces else np.zeros((len(x), 0))), bias

    def members(self, starts: np.ndarray, added: list[np.ndarray]) -> np.ndarray:
        """Calibrated log odds of every member before the young features, shape (members, rows).

        Parameters
        ----------
        starts : ndarray, shape (members, rows)
            As `starts` tells them.
        added : list of ndarray
            As `added` tells it.
        """
        log_odds = starts + self.share * np.array(added) if added else starts
        return log_odds + self.calibrated(log_odds.ravel()).reshape(log_odds.shape)

    def to_json(self) -> dict[str, Any]:
        """Everything but the boosters, whose text has files of its own."""
        return {
            "head": self.key.head,
            "horizon": self.key.horizon,
            "features": list(self.columns.names) if self.boosters else [],
            "neutral": self.columns.neutral.tolist() if self.boosters else [],
            "offsets": [o.to_json() for o in self.offsets],
            "share": self.share,
            "calibration": None if self.calibration is None else self.calibration.to_json(),
            "window": None if self.window is None else self.window.to_json(),
            "choice": self.choice,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], boosters: tuple[Booster, ...]) -> ShiftModel:
        """Read what `to_json` wrote."""
        window, calibration = document["window"], document["calibration"]
        neutral = np.array(document["neutral"], float)
        return cls(
            HeadKey(str(document["head"]), int(document["horizon"])),
            Columns(tuple(document["features"]), neutral, ()),
            tuple(Offset.from_json(o) for o in document["offsets"]),
            boosters,
            float(document["share"]),
            None if calibration is None else RidgeLogit.from_json(calibration),
            None if window is None else RidgeLogit.from_json(window),
            {str(k): float(v) for k, v in document["choice"].items()},
        )


def _mean(arrays: list[np.ndarray]) -> np.ndarray:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return np.asarray(total / len(arrays))
