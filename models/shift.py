"""The shift model of one head: a structural offset, corrected by boosters that left a block out.

The training span is cut into contiguous blocks. Member k is fitted on all but block k (purged) and
judged on it. What the members say about unseen rows chooses the offset and how much of the
boosters' correction to keep, down to nothing. The forecast averages the members in log odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.blocks import block_folds
from models.boosters import Booster, fit_booster
from models.heads import HeadKey
from models.logit import sigmoid
from models.offset import CANDIDATES, Offset, fit_offset
from models.scores import log_loss
from models.settings import ModelSettings

__all__ = ["SHARES", "Sample", "ShiftModel", "fit_shift"]

# How much of the boosters' correction may be kept.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True)
class Sample:
    """Training rows of one head, in session order.

    Parameters
    ----------
    x : DataFrame
        Features of the rows.
    inputs : DataFrame
        Structural inputs of the rows.
    prior : ndarray
        Path prior of the rows.
    log_variance : ndarray
        Log realised volatility over the horizon.
    y : ndarray
        Labels.
    """

    x: pd.DataFrame
    inputs: pd.DataFrame
    prior: np.ndarray
    log_variance: np.ndarray
    y: np.ndarray


@dataclass(frozen=True)
class ShiftModel:
    """A fitted head.

    Parameters
    ----------
    key : HeadKey
        Head and horizon.
    features : tuple of str
        Columns of the boosters, in order.
    neutral : ndarray
        Training median of each feature: stands for a null, so that a null says nothing.
    offsets : tuple of Offset
        One a member.
    boosters : tuple of Booster
        One a member; empty where the correction was not kept.
    share : float
        Share of the correction that was kept.
    choice : dict
        Held-out log loss of every candidate: the record of the choices.
    """

    key: HeadKey
    features: tuple[str, ...]
    neutral: np.ndarray
    offsets: tuple[Offset, ...]
    boosters: tuple[Booster, ...]
    share: float
    choice: dict[str, float]

    def base(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Structural offset: mean log odds of the members' offsets."""
        return _mean([o.log_odds(inputs, prior) for o in self.offsets])

    def matrix(self, x: pd.DataFrame) -> np.ndarray:
        """Feature matrix of the boosters with nulls made neutral; absent columns are null."""
        values = x.reindex(columns=list(self.features)).to_numpy(float)
        return np.where(np.isnan(values), self.neutral, values)

    def correction(self, x: pd.DataFrame) -> np.ndarray:
        """Log odds that the boosters add."""
        if not self.boosters:
            return np.zeros(len(x))
        matrix = self.matrix(x)
        return self.share * _mean([b.log_odds(matrix) for b in self.boosters])

    def contributions(self, x: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Exact contributions of the features and of the boosters' expected value.

        Returns
        -------
        (values, bias) : tuple of ndarray
            Shapes (rows, features) and (rows,), log odds; they sum to `correction`.
        """
        if not self.boosters:
            return np.zeros((len(x), len(self.features))), np.zeros(len(x))
        matrix = self.matrix(x)
        total = self.share * _mean([b.contributions(matrix) for b in self.boosters])
        return total[:, :-1], total[:, -1]

    def members(self, x: pd.DataFrame, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Log odds of every member, shape (members, rows)."""
        out = np.array([o.log_odds(inputs, prior) for o in self.offsets])
        if self.boosters:
            matrix = self.matrix(x)
            out = out + self.share * np.array([b.log_odds(matrix) for b in self.boosters])
        return out

    def log_odds(self, x: pd.DataFrame, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Log odds of each row."""
        return self.base(inputs, prior) + self.correction(x)

    def to_json(self) -> dict[str, Any]:
        """Everything but the boosters, whose text has files of its own."""
        return {
            "head": self.key.head,
            "horizon": self.key.horizon,
            "features": list(self.features),
            "neutral": self.neutral.tolist(),
            "offsets": [o.to_json() for o in self.offsets],
            "share": self.share,
            "choice": self.choice,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], boosters: tuple[Booster, ...]) -> ShiftModel:
        """Read what `to_json` wrote."""
        return cls(
            HeadKey(str(document["head"]), int(document["horizon"])),
            tuple(document["features"]),
            np.array(document["neutral"], float),
            tuple(Offset.from_json(o) for o in document["offsets"]),
            boosters,
            float(document["share"]),
            {str(k): float(v) for k, v in document["choice"].items()},
        )


def fit_shift(key: HeadKey, sample: Sample, settings: ModelSettings) -> ShiftModel:
    """Fit one head.

    Parameters
    ----------
    sample : Sample
        Training rows; nothing else is read.

    Notes
    -----
    Timing: every choice (offset, share of the correction, which features are known often enough)
    is made on `sample`, so a scored year has no part in it.
    """
    folds = block_folds(len(sample.y), settings.blocks, key.horizon + 1)
    offsets, unseen, choice = _choose_offset(key, sample, folds)
    known = sample.x.notna().mean()
    names = tuple(n for n in sample.x.columns if known[n] >= settings.min_share)
    if settings.features is not None:
        names = tuple(n for n in names if n in settings.features)
    neutral = sample.x[list(names)].median().to_numpy(float)
    values = sample.x[list(names)].to_numpy(float)
    values = np.where(np.isnan(values), neutral, values)
    boosters: list[Booster] = []
    corrections = np.zeros(len(sample.y))
    if names:
        for k, (fit, held) in enumerate(folds):
            base = offsets[k].log_odds(sample.inputs.iloc[fit], sample.prior[fit])
            booster = fit_booster(
                values[fit], sample.y[fit], base, settings, seed=settings.seed + k
            )
            corrections[held] = booster.log_odds(values[held])
            boosters.append(booster)
    losses = {s: log_loss(sample.y, sigmoid(unseen + s * corrections)) for s in SHARES}
    share = min(SHARES, key=lambda s: losses[s])
    choice |= {f"share_{s}": loss for s, loss in losses.items()}
    kept = tuple(boosters) if share > 0 else ()
    return ShiftModel(key, names, neutral, tuple(offsets), kept, share, choice)


def _choose_offset(
    key: HeadKey, sample: Sample, folds: list[tuple[np.ndarray, np.ndarray]]
) -> tuple[list[Offset], np.ndarray, dict[str, float]]:
    fitted: dict[str, list[Offset]] = {}
    unseen: dict[str, np.ndarray] = {}
    choice: dict[str, float] = {}
    for name in CANDIDATES:
        out, members = np.empty(len(sample.y)), []
        for fit, held in folds:
            offset = fit_offset(
                name,
                key,
                sample.inputs.iloc[fit],
                sample.prior[fit],
                sample.y[fit],
                sample.log_variance[fit],
            )
            out[held] = offset.log_odds(sample.inputs.iloc[held], sample.prior[held])
            members.append(offset)
        fitted[name], unseen[name] = members, out
        choice[f"offset_{name}"] = log_loss(sample.y, sigmoid(out))
    best = min(CANDIDATES, key=lambda name: choice[f"offset_{name}"])
    return fitted[best], unseen[best], choice


def _mean(arrays: list[np.ndarray]) -> np.ndarray:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return np.asarray(total / len(arrays))
