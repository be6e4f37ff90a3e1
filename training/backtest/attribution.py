"""What each rule, signal, head and feature group was worth: replays with one switched off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from serving.facts import RULE_FEATURES
from serving.policy_rows import Effect, Row
from serving.policy_table import TABLE
from serving.settings import PolicySettings
from training.backtest.engine import Replay
from training.backtest.measures import book_returns, paired_gain
from training.backtest.variants import ALTERNATIVES, Variant

__all__ = ["PREFIX", "attribute", "idle_parts", "switched_off"]

PREFIX = "without "
_CONDORS = ("condor_1dte", "condor_30_60")
_BASE = "condors_only"  # what condor parts are compared with: the hedge is left out of both
_HEDGED = "served"  # what the hedge's own rows are compared with
_NOT_ASKED = ("unreachable", "too_small")  # a replay finds these at the fill, not before


def switched_off(
    head: str, policy: PolicySettings, groups: Iterable[str], *, unforecast: int = 0
) -> list[Variant]:
    """List the replays that lack one rule, one signal, the head, or a feature group.

    Parameters
    ----------
    head : str
        The only head that the policy reads, as `shift_up_5`.
    policy : PolicySettings
        The served ladder; rows of the others never speak.
    groups : iterable of str
        Feature groups whose say can be taken out of the forecast.
    unforecast : int
        Evenings without a forecast on which the head applies.

    Notes
    -----
    Parts that cannot change a replay are left out; `idle_parts` names them.
    """
    variants = {v.name: v for v in ALTERNATIVES}
    base, hedged = variants[_BASE], variants[_HEDGED]
    idle = idle_parts(policy, unforecast)
    rows = [row for row in _rows(policy) if f"rule {row.id}" not in idle]
    return [
        *(
            replace(
                hedged if _of_hedge(r) else base,
                name=f"{PREFIX}rule {r.id}",
                off=frozenset({r.id}),
            )
            for r in rows
        ),
        *(
            replace(base, name=f"{PREFIX}signal {name}", muted=frozenset({name}))
            for name in RULE_FEATURES
            if f"signal {name}" not in idle
        ),
        replace(base, name=f"{PREFIX}head {head}", forecast="none"),
        *(replace(base, name=f"{PREFIX}group {name}", silent=name) for name in groups),
    ]


def idle_parts(policy: PolicySettings, unforecast: int = 0) -> dict[str, str]:
    """Name the parts of the served policy that no replay can move, each with the reason."""
    out = {}
    for row in _rows(policy):
        facts = {clause.fact for clause in row.when}
        if replace(row.effect, warn="") == Effect():
            out[f"rule {row.id}"] = "only warns"
        elif facts & set(_NOT_ASKED):
            out[f"rule {row.id}"] = "found at the fill: what cannot be priced or sized is not sold"
        elif "p_unknown" in facts and not unforecast:
            out[f"rule {row.id}"] = "every evening on which the head applies was forecast"
    if not policy.capitulation:
        why = "read by CAPITULATION only, which the settings turn off"
        out |= {f"signal {name}": why for name in ("cash_press", "steward_reentry")}
        out["rule CAPITULATION"] = "turned off in the settings"
    return out


def attribute(results: dict[tuple[str, float], Replay]) -> dict[str, Any]:
    """Compare the policy as served with each replay that lacks a part, at mid marks.

    Returns
    -------
    dict
        By replay the paired gain of having the part, percent of equity a year with its 90 %
        interval, in all and for each book, and `sessions_changed`: those with another profit.
        Rows of the hedge are compared with the hedge in both, all others without it.
    """
    hedge_rows = {f"{PREFIX}rule {row.id}" for row in TABLE if _of_hedge(row)}
    out = {}
    for (name, band), result in results.items():
        if band != 0.0 or not name.startswith(PREFIX):
            continue
        of, books = (_HEDGED, (*_CONDORS, "alvh")) if name in hedge_rows else (_BASE, _CONDORS)
        whole, theirs = results[of, 0.0].daily, result.daily
        both = whole.index.intersection(theirs.index)
        ours, less = whole.loc[both], theirs.loc[both]
        row: dict[str, Any] = paired_gain(book_returns(ours, books), book_returns(less, books))
        for book in books:
            row[book] = paired_gain(book_returns(ours, [book]), book_returns(less, [book]))
        columns = list(books)
        moved = (ours[columns].to_numpy() != less[columns].to_numpy()).any(axis=1)
        row["sessions_changed"] = int(moved.sum())
        out[name] = row
    return out


def _rows(policy: PolicySettings) -> list[Row]:
    kinds = ("ladder", "restriction", *(("relaxation",) if policy.capitulation else ()))
    return [row for row in TABLE if row.kind in kinds and policy.name in row.ladders]


def _of_hedge(row: Row) -> bool:
    return set(row.books) == {"alvh"}
