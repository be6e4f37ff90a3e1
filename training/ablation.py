"""Does a feature group earn its place? The fits with and without it; `group_table` compares them.

A group is judged only on folds whose model had a year of the group's data to learn from. Before
that the two models are the same up to sampling noise, and would only dilute the answer.

The model leaves a group out whose columns are null on most of its rows (crypto in the evening). A
refit without it would then change nothing and prove nothing. Such a group is compared on its own
span: both sides learn only from sessions since the group's data begins. Few fits cover so short a
span, so the figure is shown with its interval, and no verdict is drawn from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import pandas as pd

from training.jobs import Job, jobs_for
from training.settings import TrainingSettings
from training.splits import Fold

__all__ = ["WHOLE", "group_columns", "group_jobs", "heads_of", "own_span", "young_groups"]

MIN_GROUP_SESSIONS = 252
#: On a span of its own a fit has nothing older to lean on.
MIN_OWN_SESSIONS = 504
WHOLE = "(all)"


def group_columns(features: pd.DataFrame, groups: Mapping[str, str]) -> dict[str, tuple[str, ...]]:
    """Columns of each group, in the order of the table.

    Parameters
    ----------
    features : DataFrame, shape (sessions, features)
    groups : mapping of str to str
        Group of each feature, from the catalogue.
    """
    found: dict[str, list[str]] = {}
    for name in features.columns:
        found.setdefault(groups[str(name)], []).append(str(name))
    return {group: tuple(names) for group, names in found.items()}


def heads_of(
    at: str, heads: Sequence[str], settings: TrainingSettings, *, all_heads: bool = False
) -> tuple[str, ...]:
    """Heads of the group table at a moment: the shifts in the evening, else the next session's.

    Parameters
    ----------
    heads : sequence of str
        Head keys of the moment, such as ``shift_up_5``.
    all_heads : bool
        Every head of the moment instead.
    """
    if all_heads:
        return tuple(heads)
    if at == "evening":
        return tuple(name for name in settings.group_heads if name in heads)
    return tuple(name for name in heads if name.endswith("_1"))


def group_jobs(
    at: str,
    features: pd.DataFrame,
    folds: Sequence[Fold],
    columns: Mapping[str, tuple[str, ...]],
    heads: tuple[str, ...],
    model: Any = None,
    *,
    young: Collection[str] = (),
) -> list[Job]:
    """One job with all groups for each fold, and one without each group that it could learn.

    Parameters
    ----------
    young : collection of str
        Groups that the model leaves out; both their sides learn from the group's own span.
    """
    jobs = jobs_for(at, folds, heads=heads, tag=WHOLE, settings=model)
    for group, names in columns.items():
        known = features[list(names)].notna().any(axis=1)
        if not known.any():
            continue
        own = group in young
        least = MIN_OWN_SESSIONS if own else MIN_GROUP_SESSIONS
        able = [f for f in folds if int(known.loc[: f.until].sum()) >= least]
        since = pd.DatetimeIndex(features.index[known])[0] if own else None
        if own:
            jobs += jobs_for(
                at, able, heads=heads, tag=own_span(group), settings=model, since=since
            )
        jobs += jobs_for(at, able, heads=heads, drop=names, tag=group, settings=model, since=since)
    return jobs


def own_span(group: str) -> str:
    """Tag of the fits with all groups on the span of one."""
    return f"{WHOLE} since {group}"


def young_groups(
    at: str,
    features: pd.DataFrame,
    columns: Mapping[str, tuple[str, ...]],
    *,
    min_share: float,
) -> frozenset[str]:
    """Find the groups of which the model can use no column at a moment, on the whole span.

    Parameters
    ----------
    min_share : float
        Share of rows in which the boosters need a column known.
    """
    from models.window import window_columns

    known = features.notna().mean()
    rare = [str(name) for name in features.columns if 0.0 < known[name] < min_share]
    heard = set(window_columns(features, rare, at=at, horizon=1))
    return frozenset(
        group
        for group, names in columns.items()
        if not any(known[name] >= min_share or name in heard for name in names)
    )
