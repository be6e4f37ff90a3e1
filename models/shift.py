"""The shift model of one head: a structural offset, corrected by boosters that left a block out.

The training span is cut into contiguous blocks. Member k is fitted on all but block k (purged) and
judged on it. What the members say about unseen rows chooses the weights of the offset's experts
and how much of the boosters' correction to keep, down to nothing. The forecast averages the
members in log odds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from models.blocks import block_folds
from models.boosters import Booster, Matrix, fit_booster
from models.heads import HeadKey
from models.logit import RidgeLogit, logit, sigmoid
from models.offset import (
    PRIOR,
    Expert,
    Offset,
    earned_trust,
    expert_names,
    fit_experts,
    lean_on_prior,
    stack_weights,
)
from models.scores import log_loss
from models.settings import ModelSettings
from models.window import fit_window, window_columns, window_parts

__all__ = ["SHARES", "Columns", "Sample", "ShiftModel", "fit_shift"]

# How much of the boosters' correction may be kept.
SHARES = (0.0, 0.25, 0.5, 0.75, 1.0)


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
        """Feature matrix of the boosters with nulls made neutral; absent columns are null."""
        values = x.reindex(columns=list(self.names)).to_numpy(float)
        return np.where(np.isnan(values), self.neutral, values)


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
    where : ndarray of int
        Position of the rows in the moment's matrix.
    """

    x: pd.DataFrame
    inputs: pd.DataFrame
    prior: np.ndarray
    log_variance: np.ndarray
    y: np.ndarray
    where: np.ndarray


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
    window: RidgeLogit | None
    choice: dict[str, float]

    def base(self, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Structural offset: mean log odds of the members' offsets."""
        return _mean([o.log_odds(inputs, prior) for o in self.offsets])

    @property
    def features(self) -> tuple[str, ...]:
        """Columns that may contribute, boosters' first."""
        young = self.window.names if self.window is not None else ()
        return (*(self.columns.names if self.boosters else ()), *young)

    def correction(self, x: pd.DataFrame) -> np.ndarray:
        """Log odds that the boosters and the young features add."""
        total = np.zeros(len(x))
        if self.boosters:
            matrix = self.columns.values(x)
            total = self.share * _mean([b.log_odds(matrix) for b in self.boosters])
        if self.window is not None:
            parts = window_parts(self.window, x)
            for j in range(parts.shape[1]):
                total = total + parts[:, j]
        return total

    def contributions(self, x: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
        """Exact contributions of `features` and of the boosters' expected value.

        Returns
        -------
        (values, bias) : tuple of ndarray
            Shapes (rows, features) and (rows,), log odds; they sum to `correction`.
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

    def members(self, x: pd.DataFrame, inputs: pd.DataFrame, prior: np.ndarray) -> np.ndarray:
        """Log odds of every member before the young features, shape (members, rows)."""
        out = np.array([o.log_odds(inputs, prior) for o in self.offsets])
        if self.boosters:
            matrix = self.columns.values(x)
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
            "features": list(self.columns.names) if self.boosters else [],
            "neutral": self.columns.neutral.tolist() if self.boosters else [],
            "offsets": [o.to_json() for o in self.offsets],
            "share": self.share,
            "window": None if self.window is None else self.window.to_json(),
            "choice": self.choice,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any], boosters: tuple[Booster, ...]) -> ShiftModel:
        """Read what `to_json` wrote."""
        window = document["window"]
        neutral = np.array(document["neutral"], float)
        return cls(
            HeadKey(str(document["head"]), int(document["horizon"])),
            Columns(tuple(document["features"]), neutral, ()),
            tuple(Offset.from_json(o) for o in document["offsets"]),
            boosters,
            float(document["share"]),
            None if window is None else RidgeLogit.from_json(window),
            {str(k): float(v) for k, v in document["choice"].items()},
        )


def fit_shift(
    key: HeadKey,
    sample: Sample,
    columns: Columns,
    matrix: Matrix,
    settings: ModelSettings,
    *,
    at: str = "evening",
) -> ShiftModel:
    """Fit one head.

    Parameters
    ----------
    sample : Sample
        Training rows; nothing else is read.
    columns, matrix
        Features of the moment and their binned values.

    Notes
    -----
    Timing: every choice (weights of the experts, share of the correction, ridge of the young
    features) is made on `sample`, so a scored year has no part in it.
    """
    gap = key.horizon + 1
    folds = block_folds(len(sample.y), settings.blocks, gap)
    names = expert_names(key)
    said = np.empty((len(sample.y), len(names)))
    experts = []
    for fit, held in folds:
        some = fit_experts(
            key,
            sample.inputs.iloc[fit],
            sample.prior[fit],
            sample.y[fit],
            sample.log_variance[fit],
        )
        inputs, prior = sample.inputs.iloc[held], sample.prior[held]
        for j, name in enumerate(names):
            said[held, j] = some[name].log_odds(inputs, prior)
        experts.append(some)
    weights = stack_weights(said, sample.y, penalty=settings.stack_penalty)
    alone = logit(sample.prior, clip=1e-4)
    trust = earned_trust(sample.y, key.horizon)
    shares = lean_on_prior(dict(zip(names, map(float, weights), strict=True)), trust)
    offsets = tuple(Offset(shares, {**some, PRIOR: Expert(None)}) for some in experts)
    unseen = trust * (said @ weights) + (1.0 - trust) * alone
    choice = {f"expert_{n}": log_loss(sample.y, sigmoid(said[:, j])) for j, n in enumerate(names)}
    boosters: list[Booster] = []
    corrections = np.zeros(len(sample.y))
    if columns.names:
        for k, (fit, held) in enumerate(folds):
            base = offsets[k].log_odds(sample.inputs.iloc[fit], sample.prior[fit])
            booster = fit_booster(
                matrix,
                sample.where[fit],
                sample.y[fit],
                base,
                settings,
                seed=settings.seed + k,
            )
            corrections[held] = booster.log_odds(matrix.values[sample.where[held]])
            boosters.append(booster)
    losses = {s: log_loss(sample.y, sigmoid(unseen + s * corrections)) for s in SHARES}
    share = min(SHARES, key=lambda s: losses[s])
    choice |= {f"share_{s}": loss for s, loss in losses.items()}
    young = window_columns(sample.x, list(columns.young), at=at, horizon=key.horizon)
    window, tried = fit_window(sample.x, sample.y, unseen + share * corrections, young, gap)
    return ShiftModel(
        key=key,
        columns=columns,
        offsets=offsets,
        boosters=tuple(boosters) if share > 0 else (),
        share=share,
        window=window,
        choice=choice | tried,
    )


def _mean(arrays: list[np.ndarray]) -> np.ndarray:
    total = arrays[0]
    for array in arrays[1:]:
        total = total + array
    return np.asarray(total / len(arrays))
