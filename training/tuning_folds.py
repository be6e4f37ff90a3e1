"""The folds that tuning sees: blocks of the span before the first scored year, built once.

The span ends where the first walk-forward fold's knowledge ends, so no setting is chosen on a year
that is scored. What the path prior learns from closes of a test block is the same for every trial.
The span's last quarter is held back: trials never see it, and the winner must beat the shipped
default there.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from models.scores import log_loss_rows
from training.splits import purged_train

__all__ = [
    "TuningFold",
    "TuningFolds",
    "build_folds",
    "fold_ground",
    "fold_losses",
    "relative_loss",
]

BLOCKS = 8
HELD_SHARE = 0.25
HELD_BLOCKS = 2
MIN_BLOCK_ROWS = 40


@dataclass(frozen=True)
class TuningFold:
    """One fit: labels and ranks outside of the training rows are hidden, `test` is scored."""

    labels: pd.DataFrame
    ranks: pd.DataFrame
    until: pd.Timestamp
    test: pd.DatetimeIndex


@dataclass(frozen=True)
class TuningFolds:
    """Folds of the search and of the held-back end, over the same heads.

    Parameters
    ----------
    search : tuple of TuningFold
        One for each of `BLOCKS` contiguous blocks, purged on both sides.
    held : tuple of TuningFold
        Walk-forward folds over the held-back end.
    heads : tuple of str
        Head keys that are fitted and averaged.
    first, search_last, last : Timestamp
        Span of the search, and end of the held-back part.
    """

    search: tuple[TuningFold, ...]
    held: tuple[TuningFold, ...]
    heads: tuple[str, ...]
    first: pd.Timestamp
    search_last: pd.Timestamp
    last: pd.Timestamp


def build_folds(
    dataset: Any, *, last: pd.Timestamp, heads: Sequence[str], embargo: int
) -> TuningFolds:
    """Cut the span up to `last` into search blocks and a held-back end.

    Parameters
    ----------
    dataset : Dataset
        Of one moment.
    last : Timestamp
        Last session that tuning may know, labels' ends included.
    heads : sequence of str
        Heads that the objective averages.
    embargo : int
        Sessions left out after each test block of the search.

    Raises
    ------
    DataError
        If a block would have fewer than 40 sessions.
    """
    scored = dataset.labels[list(heads)].notna().any(axis=1)
    ended = dataset.label_end[list(heads)].max(axis=1) <= last
    days = pd.DatetimeIndex(
        dataset.labels.index[scored & ended].intersection(dataset.features.index)
    )
    cut = int(len(days) * (1.0 - HELD_SHARE))
    if cut // BLOCKS < MIN_BLOCK_ROWS:
        raise DataError(
            f"{len(days)} sessions up to {last:%Y-%m-%d} are too few to tune on: expected about "
            f"{int(MIN_BLOCK_ROWS * BLOCKS / (1 - HELD_SHARE)) + BLOCKS}. Keep the default."
        )
    held_days = days[cut:]
    # a label of the search must not reach into the held-back end
    inside = dataset.label_end[list(heads)].max(axis=1).reindex(days[:cut]) < held_days[0]
    search_days = days[:cut][inside.to_numpy()]
    search = tuple(
        TuningFold(
            _mask(dataset, heads, search_days, test, embargo),
            _mask_ranks(dataset, heads, search_days[test], embargo),
            search_days[-1],
            search_days[test],
        )
        for test in np.array_split(np.arange(len(search_days)), BLOCKS)
    )
    held = []
    for block in np.array_split(np.arange(len(held_days)), HELD_BLOCKS):
        place = dataset.labels.index.get_loc(held_days[block[0]])
        until = dataset.labels.index[place - 2]
        held.append(TuningFold(dataset.labels, dataset.ranks, until, held_days[block]))
    return TuningFolds(search, tuple(held), tuple(heads), days[0], search_days[-1], last)


def fold_ground(
    fold: TuningFold, dataset: Any, settings: Any, heads: Sequence[str], lay: Any
) -> Any:
    """Lay the ground of a fold: all that its trials share."""
    from models.heads import parse_key

    shown = dataclasses.replace(dataset, labels=fold.labels, ranks=fold.ranks)
    keys = [parse_key(name) for name in heads]
    return lay(shown, until=fold.until, settings=settings, heads=keys, light=True)


def fold_losses(fold: TuningFold, dataset: Any, settings: Any, ground: Any) -> pd.DataFrame:
    """Fit on a fold's training rows and score its test rows.

    Parameters
    ----------
    ground : Ground
        From `fold_ground`.

    Returns
    -------
    DataFrame
        session, head key, loss and climatology's loss, by row.
    """
    forecasts = ground.fit(dataset.features, settings).predict(dataset, fold.test, light=True)
    parts = []
    for name, rows in forecasts.groupby(
        forecasts["head"].astype(str) + "_" + forecasts["horizon"].astype(str), sort=False
    ):
        y = dataset.labels[name].reindex(pd.DatetimeIndex(rows["session"])).to_numpy(dtype=float)
        p = rows["p"].to_numpy(dtype=float)
        climatology = rows["climatology"].to_numpy(dtype=float)
        ok = ~np.isnan(y) & ~np.isnan(p)
        parts.append(
            pd.DataFrame(
                {
                    "session": rows["session"].to_numpy()[ok],
                    "head": name,
                    "loss": log_loss_rows(y[ok], p[ok]),
                    "climatology": log_loss_rows(y[ok], climatology[ok]),
                }
            )
        )
    return pd.concat(parts, ignore_index=True)


def relative_loss(rows: pd.DataFrame) -> float:
    """Mean over heads of log loss as a share of climatology's."""
    by_head = rows.groupby("head", sort=False)[["loss", "climatology"]].mean()
    return float((by_head["loss"] / by_head["climatology"]).mean())


def _mask(
    dataset: Any, heads: Sequence[str], days: pd.DatetimeIndex, test: np.ndarray, embargo: int
) -> pd.DataFrame:
    index = dataset.labels.index
    starts = index.get_indexer(days)
    hidden = dataset.labels.copy()
    is_test = np.zeros(len(days), dtype=bool)
    is_test[test] = True
    outside = ~index.isin(days)
    for name in heads:
        ends = index.get_indexer(pd.DatetimeIndex(dataset.label_end[name].reindex(days)))
        # an unscored row has no end; it trains nothing, so any end will do
        ends = np.where(ends < 0, starts, ends)
        clean = purged_train(starts, ends, is_test, embargo=embargo)
        hidden.loc[days[~clean], name] = np.nan
        hidden.loc[outside, name] = np.nan
    return hidden


def _mask_ranks(
    dataset: Any, heads: Sequence[str], test: pd.DatetimeIndex, embargo: int
) -> pd.DataFrame:
    """Hide the ranks that read a session of the test block, of its labels or of the embargo."""
    from models.ranks import ranks_within

    index = dataset.ranks.index
    ends = dataset.label_end[list(heads)].max(axis=1).loc[test].max()
    last = index.get_loc(test[-1] if pd.isna(ends) else ends) + embargo
    place = np.arange(len(index))
    return ranks_within(dataset.ranks, (place < index.get_loc(test[0])) | (place > last))
