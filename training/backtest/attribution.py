"""What each rule, signal, head and feature group was worth: replays with one switched off."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from serving.facts import RULE_FEATURES
from serving.policy_table import TABLE
from training.backtest.engine import Replay
from training.backtest.measures import book_returns, paired_gain
from training.backtest.variants import ALTERNATIVES, Variant

__all__ = ["attribute", "switched_off"]

_BOOKS = ("condor_1dte", "condor_30_60")
_BASE = "condors_only"  # what they are compared with: the hedge is left out of both


def switched_off(head: str, ladder: str, groups: Iterable[str]) -> list[Variant]:
    """List the replays that lack one condor rule, one signal, the head, or a feature group.

    Parameters
    ----------
    head : str
        The only head that the policy reads, as `shift_up_5`.
    ladder : str
        The served VIX ladder; rows of the others never speak.
    groups : iterable of str
        Feature groups whose say can be taken out of the forecast.
    """
    base = next(v for v in ALTERNATIVES if v.name == _BASE)
    rows = [
        row
        for row in TABLE
        if row.kind in ("ladder", "restriction")
        and set(row.books) != {"alvh"}
        and ladder in row.ladders
    ]
    return [
        *(replace(base, name=f"without rule {r.id}", off=frozenset({r.id})) for r in rows),
        *(
            replace(base, name=f"without signal {name}", muted=frozenset({name}))
            for name in RULE_FEATURES
        ),
        replace(base, name=f"without head {head}", forecast="none"),
        *(replace(base, name=f"without group {name}", silent=name) for name in groups),
    ]


def attribute(results: dict[tuple[str, float], Replay]) -> dict[str, Any]:
    """Compare the condors as served with each replay that lacks a part, at mid marks.

    Returns
    -------
    dict
        By replay the paired gain of having the part, percent of equity a year with its 90 %
        interval, in
        all and for each book, and `sessions_changed`: those with another profit.
    """
    whole = results[_BASE, 0.0].daily
    out = {}
    for (name, band), result in results.items():
        if band != 0.0 or not name.startswith("without "):
            continue
        theirs = result.daily
        both = whole.index.intersection(theirs.index)
        ours, less = whole.loc[both], theirs.loc[both]
        row: dict[str, Any] = paired_gain(book_returns(ours, _BOOKS), book_returns(less, _BOOKS))
        for book in _BOOKS:
            row[book] = paired_gain(book_returns(ours, [book]), book_returns(less, [book]))
        columns = list(_BOOKS)
        moved = (ours[columns].to_numpy() != less[columns].to_numpy()).any(axis=1)
        row["sessions_changed"] = int(moved.sum())
        out[name] = row
    return out
