"""Does a feature group earn its place? Refit without it and compare on the same rows.

A group is judged only on folds whose model had a year of the group's data to learn from. Before
that the two models are the same up to sampling noise, and would only dilute the answer.

What one fit happens to choose moves all rows of its fold together, which a bootstrap of rows cannot
see: a run on permuted labels called a group useful on rows alone. So each gain is also tested on
the totals of its folds (a t-test with as many degrees of freedom as there are folds less one), and
the wider interval and the larger p-value are kept.

The model leaves a group out whose columns are null on most of its rows (crypto in the evening). A
refit without it would then change nothing and prove nothing. Such a group is compared on its own
span: both sides learn only from sessions since the group's data begins. Few fits cover so short a
span, so the figure is shown with its interval, and no verdict is drawn from it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from models.scores import log_loss_rows
from training.correction import holm
from training.evaluate import Gain, gain
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
    "own_span",
    "young_groups",
]

GROUP_COLUMNS = ("group", "at", "head", "horizon", "gain", "gain_lo", "gain_hi")
MIN_GROUP_SESSIONS = 252
#: On a span of its own a fit has nothing older to lean on.
MIN_OWN_SESSIONS = 504
WHOLE = "(all)"
FAMILY_LEVEL = 0.05
TOO_SHORT = "too little data of the group to learn from"
NOT_TAKEN = "no fit took anything from it"
ONE_FIT = "one fit only: no interval could be given"
OWN_SPAN = "not in the model; on the group's own span, too few fits for a verdict"


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


def group_table(
    refits: Mapping[str, pd.DataFrame],
    asked: Sequence[tuple[str, str, str, int]],
    settings: TrainingSettings,
) -> pd.DataFrame:
    """Gain of keeping each group, with its interval and its family-wise p-value.

    Parameters
    ----------
    refits : mapping of str to DataFrame
        Scored rows of the fits with all groups (`WHOLE`) and without each one, by tag, each with
        the last session of its fit in ``until``.
    asked : sequence of (group, at, head, horizon)
        Every question, answered or not.

    Returns
    -------
    DataFrame
        `GROUP_COLUMNS`, then from, n, p_value, note, p_holm, useful. The gain is (log loss
        without - log loss with) / log loss of climatology. It is null where the group has no span
        here, or where no fit took anything from it; `note` says which, and marks what was learnt
        on the group's own span. `useful` is true where Holm's adjustment over all that the model
        itself could use leaves p at or below 0.05.
    """
    keys = ["session", "at", "head", "horizon"]
    records: list[dict[str, Any]] = []
    for group, at, head, horizon in asked:
        record: dict[str, Any] = {"group": group, "at": at, "head": head, "horizon": horizon}
        rows = refits.get(group)
        if rows is not None:
            rows = rows[(rows["at"] == at) & (rows["head"] == head) & (rows["horizon"] == horizon)]
        empty = dict.fromkeys(["gain", "gain_lo", "gain_hi", "p_value"])
        if rows is None or rows.empty:
            records.append(record | empty | {"note": TOO_SHORT})
            continue
        whole = refits.get(own_span(group), refits[WHOLE])
        both = whole.merge(rows[[*keys, "p"]], on=keys, suffixes=("", "_without"))
        if (both["p"] == both["p_without"]).all():
            records.append(record | empty | {"note": NOT_TAKEN})
            continue
        won = _won(both, horizon, settings)
        if won is None:
            records.append(record | empty | {"note": ONE_FIT})
            continue
        records.append(
            record
            | {
                "gain": won.mean,
                "gain_lo": won.lo,
                "gain_hi": won.hi,
                "from": f"{both['session'].min():%Y-%m-%d}",
                "n": len(both),
                "p_value": won.p_value,
                "note": OWN_SPAN if own_span(group) in refits else "",
            }
        )
    table = pd.DataFrame(records, columns=[*GROUP_COLUMNS, "from", "n", "p_value", "note"])
    return _with_family(table)


def _won(both: pd.DataFrame, horizon: int, settings: TrainingSettings) -> Gain | None:
    """Gain with the wider interval, of rows in blocks or of whole folds; none from one fold."""
    from scipy.stats import t

    y, fold = both["y"].to_numpy(dtype=float), both["until"].to_numpy()
    without, kept, climatology = (
        log_loss_rows(y, both[name].to_numpy(dtype=float))
        for name in ("p_without", "p", "climatology")
    )
    rows = gain(without, kept, climatology, horizon=horizon, settings=settings)
    _, member = np.unique(fold, return_inverse=True)
    folds = int(member.max()) + 1
    if folds < 2:
        return None
    # residuals of a ratio of fold totals
    left = np.bincount(member, without - kept - rows.mean * climatology)
    spread = float(np.sqrt(folds / (folds - 1) * (left**2).sum()) / climatology.sum())
    if spread == 0.0:
        return rows
    reach = float(t.ppf(0.5 + settings.interval / 2.0, folds - 1)) * spread
    return Gain(
        rows.mean,
        min(rows.lo, rows.mean - reach),
        max(rows.hi, rows.mean + reach),
        max(rows.p_value, float(t.sf(rows.mean / spread, folds - 1))),
    )


def _with_family(table: pd.DataFrame) -> pd.DataFrame:
    p = table["p_value"].to_numpy(dtype=float)
    scored = ~np.isnan(p) & (table["note"] != OWN_SPAN).to_numpy()
    adjusted = np.full(len(p), np.nan)
    adjusted[scored] = holm(p[scored])
    return table.assign(p_holm=adjusted, useful=adjusted <= FAMILY_LEVEL)
