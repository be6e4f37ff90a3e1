"""Does a feature group earn its place? Refit without it and compare on the same rows.

A group is judged only on folds whose model had a year of the group's data to learn from. Before
that the two models are the same up to sampling noise, and would only dilute the answer.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.scores import log_loss_rows
from training.correction import holm
from training.evaluate import gain
from training.settings import TrainingSettings
from training.splits import Fold
from training.walk_forward import Job, jobs_for

__all__ = [
    "FAMILY_LEVEL",
    "GROUP_COLUMNS",
    "WHOLE",
    "group_columns",
    "group_jobs",
    "group_table",
    "heads_of",
]

GROUP_COLUMNS = ("group", "at", "head", "horizon", "gain", "gain_lo", "gain_hi")
MIN_GROUP_SESSIONS = 252
WHOLE = "(all)"
FAMILY_LEVEL = 0.05


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
) -> list[Job]:
    """One job with all groups for each fold, and one without each group that it could learn."""
    jobs = jobs_for(at, folds, heads=heads, tag=WHOLE, settings=model)
    for group, names in columns.items():
        known = features[list(names)].notna().any(axis=1)
        able = [f for f in folds if int(known.loc[: f.until].sum()) >= MIN_GROUP_SESSIONS]
        jobs += jobs_for(at, able, heads=heads, drop=names, tag=group, settings=model)
    return jobs


def group_table(
    refits: Mapping[str, pd.DataFrame],
    asked: Sequence[tuple[str, str, str, int]],
    settings: TrainingSettings,
) -> pd.DataFrame:
    """Gain of keeping each group, with its interval and its family-wise p-value.

    Parameters
    ----------
    refits : mapping of str to DataFrame
        Scored rows of the fits with all groups (`WHOLE`) and without each one, by tag.
    asked : sequence of (group, at, head, horizon)
        Every question, answered or not.

    Returns
    -------
    DataFrame
        `GROUP_COLUMNS`, then from, n, p_value, p_holm, useful. The gain is (log loss without -
        log loss with) / log loss of climatology. It is null where the group has no span here.
        `useful` is true where Holm's adjustment over the whole table leaves p at or below 0.05.
    """
    keys = ["session", "at", "head", "horizon"]
    records: list[dict[str, Any]] = []
    for group, at, head, horizon in asked:
        record: dict[str, Any] = {"group": group, "at": at, "head": head, "horizon": horizon}
        rows = refits.get(group)
        if rows is not None:
            rows = rows[(rows["at"] == at) & (rows["head"] == head) & (rows["horizon"] == horizon)]
        if rows is None or rows.empty:
            records.append(record | dict.fromkeys(["gain", "gain_lo", "gain_hi", "p_value"]))
            continue
        both = refits[WHOLE].merge(rows[[*keys, "p"]], on=keys, suffixes=("", "_without"))
        y = both["y"].to_numpy(dtype=float)
        won = gain(
            log_loss_rows(y, both["p_without"].to_numpy(dtype=float)),
            log_loss_rows(y, both["p"].to_numpy(dtype=float)),
            log_loss_rows(y, both["climatology"].to_numpy(dtype=float)),
            horizon=horizon,
            settings=settings,
        )
        records.append(
            record
            | {
                "gain": won.mean,
                "gain_lo": won.lo,
                "gain_hi": won.hi,
                "from": f"{both['session'].min():%Y-%m-%d}",
                "n": len(both),
                "p_value": won.p_value,
            }
        )
    table = pd.DataFrame(records, columns=[*GROUP_COLUMNS, "from", "n", "p_value"])
    return _with_family(table)


def _with_family(table: pd.DataFrame) -> pd.DataFrame:
    p = table["p_value"].to_numpy(dtype=float)
    scored = ~np.isnan(p)
    adjusted = np.full(len(p), np.nan)
    adjusted[scored] = holm(p[scored])
    return table.assign(p_holm=adjusted, useful=adjusted <= FAMILY_LEVEL)
