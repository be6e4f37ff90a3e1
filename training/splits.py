"""Which rows may teach and which are scored: purged walk-forward and combinatorial purged folds.

A row at session t carries a label that is known only at the end session of its interval. A
training row is clean when that interval ends before the test block begins (less the embargo), or,
where training rows follow the test block, when it begins after the block's last label ended.

References
----------
Lopez de Prado, Advances in Financial Machine Learning (2018), chapters 7 and 12.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from itertools import combinations, pairwise

import numpy as np
import pandas as pd

from features.errors import DataError

__all__ = ["CombinatorialFold", "Fold", "combinatorial", "purged_train", "walk_forward_folds"]


@dataclass(frozen=True)
class Fold:
    """One step of the walk-forward.

    Parameters
    ----------
    name : str
        First scored session, as an ISO date.
    until : Timestamp
        The last session that training may know anything about, labels' ends included.
    test : DatetimeIndex
        Scored sessions, all later than `until` by more than the embargo.
    """

    name: str
    until: pd.Timestamp
    test: pd.DatetimeIndex

    def train_mask(self, label_end: pd.Series) -> np.ndarray:
        """Rows whose label had ended by `until` (a missing end is never clean)."""
        return (label_end <= self.until).to_numpy(dtype=bool)


def walk_forward_folds(
    sessions: pd.DatetimeIndex, *, first: date, min_train: int, embargo: int = 1, years: int = 1
) -> list[Fold]:
    """Cut sessions into expanding folds of whole calendar years.

    Parameters
    ----------
    sessions : DatetimeIndex, shape (n,)
        Ascending sessions that could have a forecast.
    first : date
        No session before it is scored.
    min_train : int
        Sessions that must lie at or before the first fold's `until`.
    embargo : int
        Whole sessions between `until` and the first scored session of a fold. With a label that
        ends h sessions after its row, h + embargo rows before the fold are left out.
    years : int
        Calendar years that one fold scores.

    Returns
    -------
    list of Fold
        The first may begin within a year; the last ends with the sessions.

    Raises
    ------
    DataError
        If nothing would be left to score.

    Notes
    -----
    *Timing:* a fold's model knows labels with end <= `until` and nothing later.
    """
    if not sessions.is_monotonic_increasing or not sessions.is_unique:
        raise DataError("sessions must ascend without repeats. Sort them and drop duplicates.")
    start = max(int(sessions.searchsorted(pd.Timestamp(first))), min_train + embargo)
    if start >= len(sessions):
        raise DataError(
            f"{len(sessions)} sessions are too few for a walk-forward: expected more than "
            f"{min_train + embargo} to train on and some after {first} to score. Import a longer "
            "history, or lower min_train_sessions or first_test in [training]."
        )
    year = sessions.year.to_numpy()
    turns = [i for i in range(start + 1, len(sessions)) if year[i] != year[i - 1]]
    edges = [start, *turns[years - 1 :: years], len(sessions)]
    return [
        Fold(f"{sessions[a]:%Y-%m-%d}", sessions[a - 1 - embargo], sessions[a:b])
        for a, b in pairwise(edges)
    ]


def purged_train(
    starts: np.ndarray, ends: np.ndarray, test: np.ndarray, *, embargo: int = 0
) -> np.ndarray:
    """Mark the rows that may train beside a set of test rows.

    Parameters
    ----------
    starts : ndarray of int, shape (n,)
        Session position of each row, ascending.
    ends : ndarray of int, shape (n,)
        Session position where each row's label ends (>= its start).
    test : ndarray of bool, shape (n,)
        Test rows; each run of neighbouring rows is one block.
    embargo : int
        Sessions after a block's last label end that are left out too.

    Returns
    -------
    ndarray of bool, shape (n,)
        True where the row is no test row, its interval [start, end] meets no block's interval
        [first start, last end], and it does not start within the embargo after a block.
    """
    clean = ~test
    for block in _runs(test):
        low, high = starts[block[0]], ends[block].max()
        clean &= (ends < low) | (starts > high + embargo)
    return clean


@dataclass(frozen=True)
class CombinatorialFold:
    """One of the C(groups, held_out) splits: row positions to train on, and blocks to test on."""

    train: np.ndarray
    test: np.ndarray
    groups: tuple[int, ...]


def combinatorial(
    starts: np.ndarray, ends: np.ndarray, *, groups: int, held_out: int, embargo: int
) -> Iterator[CombinatorialFold]:
    """Yield every combinatorial purged split, in the order of `itertools.combinations`.

    Parameters
    ----------
    starts, ends : ndarray of int, shape (n,)
        Label interval of each row in session positions.
    groups : int
        Contiguous groups of nearly equal size.
    held_out : int
        Groups tested in each split.
    embargo : int
        Sessions left out after each test block.

    Raises
    ------
    DataError
        If there are fewer rows than groups, or `held_out` is not below `groups`.
    """
    if not 0 < held_out < groups <= len(starts):
        raise DataError(
            f"`held_out` ({held_out}) must lie between 1 and `groups` ({groups}) less one, and "
            f"`groups` must not exceed the rows ({len(starts)})."
        )
    member = np.concatenate(
        [np.full(len(part), k) for k, part in enumerate(np.array_split(starts, groups))]
    )
    for chosen in combinations(range(groups), held_out):
        test = np.isin(member, chosen)
        train = purged_train(starts, ends, test, embargo=embargo)
        yield CombinatorialFold(np.flatnonzero(train), np.flatnonzero(test), chosen)


def _runs(mask: np.ndarray) -> list[np.ndarray]:
    positions = np.flatnonzero(mask)
    if len(positions) == 0:
        return []
    return np.split(positions, np.flatnonzero(np.diff(positions) > 1) + 1)
