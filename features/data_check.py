"""Does the stored data still obey its tables' rules? Every version of every row is read again."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from features.tables import QUARANTINE, TABLES

if TYPE_CHECKING:
    from features.schema import Table
    from features.sessions import Calendar
    from features.store import MarketStore

__all__ = ["CLOSES", "DataReport", "Fault", "check_data"]

Progress = Callable[[float, str], None]

#: What no forecast can do without: table, series column and series.
CLOSES = (("spx_bars", None, None), ("vol_indices", "symbol", "vix"))
UNBROKEN_SESSIONS = 252
NAMED = 5


@dataclass(frozen=True)
class Fault:
    """One kind of fault in one table, with how often it occurs and the first keys that have it."""

    table: str
    fault: str
    rows: int
    examples: tuple[str, ...]

    def __str__(self) -> str:
        return f"{self.table}: {self.fault}, {self.rows:,} rows, first {'; '.join(self.examples)}"


@dataclass(frozen=True)
class DataReport:
    """What was read and what is wrong with it."""

    tables: dict[str, int]
    faults: tuple[Fault, ...]

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.faults

    def to_json(self) -> dict[str, Any]:
        """Plain values."""
        return {"passed": self.passed, **asdict(self)}


def check_data(
    store: MarketStore, calendar: Calendar, *, progress: Progress | None = None
) -> DataReport:
    """Read the whole store again and hold it against the rules of its tables.

    Parameters
    ----------
    store : MarketStore
    calendar : Calendar
        Exchange calendar, for the unbroken closes.

    Returns
    -------
    DataReport
        Faults: a value outside its range or type, a row known before what it speaks about (unless
        its table is one of announcements), a later version known before its import, and an SPX or
        VIX close that misses in the newest 252 sessions of its series.

    Raises
    ------
    DataError
        If a file of the store is missing or damaged.
    """
    pinned = store.snapshot()
    counts: dict[str, int] = {}
    faults: list[Fault] = []
    names = [name for name in pinned.tables() if name != QUARANTINE.name]
    for number, name in enumerate(names, 1):
        rows = pinned.history(name)
        counts[name] = len(rows)
        faults += _rules(TABLES[name], rows)
        if progress is not None:
            progress(number / len(names), name)
    for name, column, series in CLOSES:
        where = None if column is None else {column: series}
        closes = pinned.read(name, columns=["close"], where=where)
        faults += _holes(TABLES[name], closes, calendar)
    return DataReport(counts, tuple(faults))


def _rules(one: Table, rows: pd.DataFrame) -> list[Fault]:
    reasons = one.faults(rows)
    found = [
        _fault(one, reason, rows.loc[reasons.index[reasons == reason]])
        for reason in sorted(set(reasons))
    ]
    if not one.availability.before_event:
        early = rows[rows["available_at"] < rows["event_time"]]
        found += [_fault(one, "known before what it speaks about", early)] if len(early) else []
    later = rows.duplicated(list(one.key), keep="first")
    early = rows[later & (rows["available_at"] < rows["ingested_at"])]
    found += [_fault(one, "a revision known before its import", early)] if len(early) else []
    return found


def _holes(one: Table, closes: pd.DataFrame, calendar: Calendar) -> list[Fault]:
    known = pd.DatetimeIndex(closes.loc[closes["close"].notna(), one.time])
    if known.empty:
        return [Fault(one.name, "no close is stored", 0, ())]
    recent = calendar.sessions(None, known[-1])[-UNBROKEN_SESSIONS:]
    missing = recent[np.asarray(recent >= known[0]) & ~recent.isin(known)]
    if missing.empty:
        return []
    days = tuple(f"{day:%Y-%m-%d}" for day in missing[:NAMED])
    return [Fault(one.name, "closes miss in the newest 252 sessions", len(missing), days)]


def _fault(one: Table, what: str, rows: pd.DataFrame) -> Fault:
    keys = rows[list(one.key)].head(NAMED).astype(str)
    return Fault(one.name, what, len(rows), tuple(map(" ".join, keys.to_numpy().tolist())))
