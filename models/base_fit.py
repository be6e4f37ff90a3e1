"""Fit the structural base of one head: what its boosters start from, and on which rows.

The training span is cut into contiguous blocks. Member k is fitted on all but block k (purged) and
judged on it. What the members say about rows that they have not seen chooses the weights of the
offset's experts. Nothing here reads a feature or a setting of the boosters, so every refit of a
fold (without a group, or with other boosters) shares it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from models.blocks import block_folds
from models.heads import HeadKey
from models.logit import sigmoid
from models.offset import (
    PRIOR,
    Expert,
    Offset,
    earned_trust,
    expert_names,
    fit_experts,
    lean_on_prior,
    offset_columns,
    prior_log_odds,
    stack_weights,
)
from models.scores import log_loss
from models.settings import ModelSettings

__all__ = ["Base", "Sample", "at_moment", "fit_base"]


@dataclass(frozen=True)
class Sample:
    """Training rows of one head, in session order.

    Parameters
    ----------
    rows : DatetimeIndex
        Their sessions.
    inputs : DataFrame
        Structural inputs of the rows.
    prior : ndarray
        Path prior of the rows.
    log_variance : ndarray
        Log realised volatility over the horizon.
    y : ndarray
        Labels.
    where : ndarray of int
        Position of the rows in the moment's feature table, -1 where the session has no such moment.
    """

    rows: pd.DatetimeIndex
    inputs: pd.DataFrame
    prior: np.ndarray
    log_variance: np.ndarray
    y: np.ndarray
    where: np.ndarray

    def tells_the_same(self, other: Sample) -> bool:
        """Whether a base or a baseline would be the same, wherever the features stand."""
        mine, theirs = (
            (s.prior, s.log_variance, s.y, s.inputs.to_numpy(float)) for s in (self, other)
        )
        return (
            self.rows.equals(other.rows)
            and list(self.inputs.columns) == list(other.inputs.columns)
            and all(np.array_equal(a, b, equal_nan=True) for a, b in zip(mine, theirs, strict=True))
        )


@dataclass(frozen=True)
class Base:
    """The structural offset of one head and what its members say about the rows of a sample.

    Parameters
    ----------
    folds : tuple of (fit, held)
        Rows of each member: those it is fitted on and those it is judged on.
    offsets : tuple of Offset
        One a member.
    starts : tuple of ndarray
        Log odds of each member's offset on the rows that it is fitted on.
    unseen : ndarray
        Log odds of each row from the member that has not seen it.
    losses : dict of str to float
        Held-out log loss of each expert alone.
    """

    folds: tuple[tuple[np.ndarray, np.ndarray], ...]
    offsets: tuple[Offset, ...]
    starts: tuple[np.ndarray, ...]
    unseen: np.ndarray
    losses: dict[str, float]


def at_moment(sample: Sample, base: Base) -> tuple[Sample, Base]:
    """Keep the rows whose session has the moment: what the boosters learn from."""
    mine = sample.where >= 0
    if mine.all():
        return sample, base
    place = np.cumsum(mine) - 1
    rows = Sample(
        sample.rows[mine],
        sample.inputs[mine],
        sample.prior[mine],
        sample.log_variance[mine],
        sample.y[mine],
        sample.where[mine],
    )
    folds = tuple((place[fit[mine[fit]]], place[held[mine[held]]]) for fit, held in base.folds)
    starts = tuple(
        start[mine[fit]] for start, (fit, _) in zip(base.starts, base.folds, strict=True)
    )
    return rows, Base(folds, base.offsets, starts, base.unseen[mine], base.losses)


def fit_base(key: HeadKey, sample: Sample, settings: ModelSettings) -> Base:
    """Fit the offset of one head; the weights are chosen on rows that no judged member has seen."""
    folds = tuple(block_folds(len(sample.y), settings.blocks, key.horizon + 1))
    names = expert_names(key)
    said = np.empty((len(sample.y), len(names)))
    experts, told = [], []
    columns = offset_columns(sample.inputs, sample.prior)
    for fit, held in folds:
        told.append({name: column[fit] for name, column in columns.items()})
        unseen = {name: column[held] for name, column in columns.items()}
        some = fit_experts(key, told[-1], sample.y[fit], sample.log_variance[fit])
        for j, name in enumerate(names):
            said[held, j] = some[name].from_columns(unseen)
        experts.append(some)
    weights = stack_weights(said, sample.y, penalty=settings.stack_penalty)
    alone = prior_log_odds(sample.prior)
    trust = earned_trust(sample.y, key.horizon)
    shares = lean_on_prior(dict(zip(names, map(float, weights), strict=True)), trust)
    offsets = tuple(Offset(shares, {**some, PRIOR: Expert(None)}) for some in experts)
    return Base(
        folds,
        offsets,
        tuple(offset.from_columns(own) for offset, own in zip(offsets, told, strict=True)),
        trust * (said @ weights) + (1.0 - trust) * alone,
        {n: log_loss(sample.y, sigmoid(said[:, j])) for j, n in enumerate(names)},
    )
