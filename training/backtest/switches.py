"""The served table with rows switched off, and what then stands in the place of a ladder row."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace

import serving.policy
from features.errors import UsageError
from serving.policy_rows import Row
from serving.policy_table import TABLE
from serving.settings import PolicySettings

__all__ = ["table_without", "without_rules"]

_NAME = "TABLE"


@contextlib.contextmanager
def without_rules(ids: frozenset[str], policy: PolicySettings) -> Iterator[None]:
    """Run the served policy with some rows of its table switched off.

    Parameters
    ----------
    ids : frozenset of str
        Rows to switch off; none leaves the table as it is.
    policy : PolicySettings
        Which VIX ladder is served, and its limits.

    Raises
    ------
    UsageError
        If an id is not in the table.
    """
    setattr(serving.policy, _NAME, table_without(ids, policy) if ids else TABLE)
    try:
        yield
    finally:
        setattr(serving.policy, _NAME, TABLE)


def table_without(ids: frozenset[str], policy: PolicySettings) -> tuple[Row, ...]:
    """Give the table less some rows.

    A restriction or a row of the hedge is left out, and restricts nothing. A row of the served
    VIX ladder sets a ceiling: where it spoke, the next row down the ladder speaks instead. That is
    the row after it for the same VIX, or else the rows of the next lower VIX band, asked about
    everything but the VIX. Below the last row stands the default, no new condor.

    Raises
    ------
    UsageError
        If an id is not in the table.
    """
    unknown = ids - {row.id for row in TABLE}
    if unknown:
        raise UsageError(
            f"no policy row is called {', '.join(sorted(unknown))}. See docs/policy.md."
        )
    kept: list[Row] = []
    for row in TABLE:
        if row.id not in ids:
            kept.append(row)
        elif row.kind == "ladder" and policy.name in row.ladders:
            kept += _heirs(row, ids, policy)
    return tuple(kept)


def _heirs(row: Row, ids: frozenset[str], policy: PolicySettings) -> list[Row]:
    ladder = [r for r in TABLE if r.kind == "ladder" and policy.name in r.ladders]
    floor = _floor(row, policy)
    later = ladder[ladder.index(row) + 1 :]
    beside = [r for r in later if r.id not in ids and _floor(r, policy) == floor]
    if beside:
        return [replace(beside[0], when=row.when)]
    lower = [r for r in ladder if r.id not in ids and _floor(r, policy) < floor]
    highest = max((_floor(r, policy) for r in lower), default=0.0)
    return [
        replace(r, when=(*row.when, *(c for c in r.when if c.fact != "vix")))
        for r in lower
        # a row without an upper limit speaks above its band already
        if _floor(r, policy) == highest and any(c.fact == "vix" and c.op == "<" for c in r.when)
    ]


def _floor(row: Row, policy: PolicySettings) -> float:
    """Lower limit of a ladder row's VIX band; 0 for the lowest band."""
    limits = [c.value for c in row.when if c.fact == "vix" and c.op == ">="]
    if not limits:
        return 0.0
    return float(getattr(policy, str(limits[0]).removeprefix("policy.")))
