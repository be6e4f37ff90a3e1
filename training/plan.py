"""What a retrain has to fit: walk-forward folds, the final fits, and the fits without a group."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pandas as pd

from models.heads import head_keys
from training.ablation import group_columns, group_jobs, heads_of, young_groups
from training.inputs import Inputs
from training.jobs import Job, jobs_for
from training.settings import TrainingSettings
from training.splits import Fold, walk_forward_folds

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """Jobs of a retrain.

    Parameters
    ----------
    folds : mapping of str to list of Fold
        By moment; test sessions are those that have the moment.
    main, final, groups : list of Job
        Walk-forward fits, one last fit for each moment, fits without each group.
    asked : list of (group, at, head, horizon)
        Rows of the group table.
    """

    folds: Mapping[str, list[Fold]]
    main: list[Job]
    final: list[Job]
    groups: list[Job]
    asked: list[tuple[str, str, str, int]]


def make_plan(
    inputs: Inputs,
    settings: TrainingSettings,
    groups_of: Mapping[str, str] | None,
    *,
    group_model: Any = None,
    min_share: float = 0.0,
    keep: Path | None = None,
    all_heads: bool = False,
) -> Plan:
    """List every fit.

    Parameters
    ----------
    groups_of : mapping of str to str or None
        Group of each feature; None asks for no group table.
    group_model : ModelSettings, optional
        Settings of the group table's fits, on both sides; the shared ones by default.
    min_share : float
        Share of rows in which the model's boosters need a column known.
    keep : Path, optional
        Folder for the fold models.
    all_heads : bool
        Ask the group table about every head, not only the primary ones.

    Raises
    ------
    DataError
        If the history is too short for one fold.
    """
    sessions = pd.DatetimeIndex(inputs.spine.index[inputs.spine["vix_close"].notna()])
    folds, coarse = (
        walk_forward_folds(
            sessions,
            first=settings.first_test,
            min_train=settings.min_train_sessions,
            embargo=settings.embargo_sessions,
            years=years,
        )
        for years in (1, settings.group_years)
    )
    by_moment: dict[str, list[Fold]] = {}
    main, final, refits, asked = [], [], [], []
    for at, dataset in inputs.datasets.items():
        by_moment[at] = _in_moment(folds, dataset.features.index)
        main += jobs_for(at, by_moment[at], keep=keep)
        final.append(Job(at=at, until=inputs.until, test=None))
        if groups_of is not None:
            columns = group_columns(dataset.features, groups_of)
            heads = heads_of(at, [key.id for key in head_keys(at)], settings, all_heads=all_heads)
            mine = _in_moment(coarse, dataset.features.index)
            young = young_groups(at, dataset.features, columns, min_share=min_share)
            refits += group_jobs(
                at, dataset.features, mine, columns, heads, group_model, young=young
            )
            asked += [
                (group, at, head.rpartition("_")[0], int(head.rpartition("_")[2]))
                for group in columns
                for head in heads
            ]
    return Plan(by_moment, main, final, refits, asked)


def _in_moment(folds: Sequence[Fold], sessions: pd.DatetimeIndex) -> list[Fold]:
    mine = [replace(fold, test=fold.test.intersection(sessions)) for fold in folds]
    return [fold for fold in mine if len(fold.test)]
