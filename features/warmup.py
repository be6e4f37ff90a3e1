"""How much history each recursive feature needs until its value stops moving."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.catalog import CATALOG, PARTS, Part
from features.errors import UsageError
from features.moments import Moment
from features.pipeline import Store, build_sessions, spine
from features.sessions import calendar
from features.tables import TABLES

__all__ = ["LateStore", "WarmupReport", "WarmupRow", "check_warmup"]

Progress = Callable[[float, str], None]

# look-backs in hours and days become calendar days; a session is a little more than 7/5 of one
CALENDAR_DAYS = {"sessions": 365.25 / 252.0, "hours": 1.0 / 24.0, "days": 1.0, "months": 31.0}


class LateStore:
    """A store whose history begins on a date.

    Parameters
    ----------
    store : Store
        The whole store.
    first : Timestamp
        Tz-naive date; rows that speak about an earlier one do not exist.
    """

    def __init__(self, store: Store, first: pd.Timestamp) -> None:
        self.store = store
        self.first = first

    def read(
        self,
        name: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Read from the later one of `start` and the date; schedules are left whole."""
        if name == "scheduled_events":
            return self.store.read(name, as_of=as_of, start=start, end=end)
        kind = TABLES[name].column(TABLES[name].time).kind
        first = self.first if kind == "date" else self.first.tz_localize("UTC")
        begin = first if start is None else max(start, first)
        return self.store.read(name, as_of=as_of, start=begin, end=end)

    def revision_times(self, name: str) -> pd.DatetimeIndex:
        """Return the true revisions."""
        return self.store.revision_times(name)


@dataclass(frozen=True)
class WarmupRow:
    """What one recursive feature needs.

    Parameters
    ----------
    feature, clock : str
        Which feature, and the clock of its look-back.
    declared : int
        Rows that the catalogue states.
    null_days : int or None
        Longest history tried, in calendar days, with which the feature was still null.
    settled_days : int or None
        Shortest history tried from which on its value never moved again.
    moved : float
        Largest difference between a value that was shown and the settled one; 0 when a value is
        shown only once it has stopped moving.
    """

    feature: str
    clock: str
    declared: int
    null_days: int | None
    settled_days: int | None
    moved: float


@dataclass
class WarmupReport:
    """Result of `check_warmup`."""

    session: str
    at: str
    rows: list[WarmupRow] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no feature showed a value before it had stopped moving."""
        return all(row.moved == 0.0 for row in self.rows)

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {**asdict(self), "passed": self.passed}


def check_warmup(
    store: Store,
    *,
    session: Any = None,
    at: str | Moment = "evening",
    lengths: Sequence[int] | None = None,
    parts: Sequence[Part] = PARTS,
    progress: Progress | None = None,
) -> WarmupReport:
    """Shorten the history step by step and watch every recursive feature of one row.

    Parameters
    ----------
    store : Store
        Market store.
    session : date-like, optional
        Session of the row; the last one that has the moment when not given.
    at : str or Moment
        Moment.
    lengths : sequence of int, optional
        Histories to try, in calendar days; a ladder, and both sides of every declared look-back,
        when not given.
    parts : sequence of Part
        What to compute; the whole catalogue by default.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Returns
    -------
    WarmupReport
        One row for each recursive feature that has a value with the whole history.

    Raises
    ------
    UsageError
        If the session does not have the moment.
    """
    known = pd.DatetimeIndex(spine(store).index)
    having = known[np.asarray(calendar().cutoffs(known, at).notna())]
    day = having[-1] if session is None else calendar().require_session(session)
    one = pd.DatetimeIndex([day], name="session").as_unit("us")
    cutoff = calendar().cutoffs(one, at)[0]
    if pd.isna(cutoff):
        raise UsageError(
            f"session {day:%Y-%m-%d} has no moment {at!r}. Expected the last session before a "
            "weekend or holiday; choose another session or moment."
        )
    names = [f.name for part in parts for f in part.features if f.recursive]

    def values_of(source: Store) -> Any:
        return build_sessions(source, one, at=at, as_of=cutoff, parts=parts).iloc[0][names]

    tries = sorted(lengths) if lengths is not None else _lengths()
    truth = values_of(store).to_numpy()
    tried = np.full((len(tries), len(names)), np.nan)
    for number, days in enumerate(tries):
        if progress is not None:
            progress(number / len(tries), f"check warmup: {days} days of history")
        late = LateStore(store, day - pd.Timedelta(days=days))
        tried[number] = values_of(late).to_numpy()
    report = WarmupReport(session=f"{day:%Y-%m-%d}", at=at if isinstance(at, str) else at.name)
    for place, name in enumerate(names):
        if not np.isfinite(truth[place]):
            continue
        values = tried[:, place]
        shown = np.isfinite(values)
        off = np.abs(values[shown] - truth[place])
        null_at = np.flatnonzero(~shown)
        good = np.flatnonzero(~(values == truth[place]))
        settled = int(good[-1]) + 1 if len(good) else 0
        report.rows.append(
            WarmupRow(
                feature=name,
                clock=CATALOG[name].clock,
                declared=CATALOG[name].lookback,
                null_days=tries[int(null_at[-1])] if len(null_at) else None,
                settled_days=tries[settled] if settled < len(tries) else None,
                moved=float(off.max()) if len(off) else 0.0,
            )
        )
    return report


def _lengths() -> list[int]:
    """Histories to try, in calendar days: a ladder, and both sides of every declared look-back."""
    days = {round(10 * 1.35**k) for k in range(19)}
    for feature in CATALOG.values():
        if feature.recursive:
            need = feature.lookback * CALENDAR_DAYS[feature.clock]
            days |= {int(need * 0.93), int(need * 1.12) + 8}
    return sorted(days)
