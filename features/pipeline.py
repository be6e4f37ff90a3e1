"""The feature table: one row a session, each as its own cut-off saw the market."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, Protocol

import numpy as np
import pandas as pd

from features.catalog import PARTS, Columns, Part
from features.epochs import late_sessions, spans
from features.errors import DataError, UsageError
from features.moments import Moment
from features.sessions import calendar
from features.tables import TABLES
from features.view import Reader, SessionClock, View

__all__ = [
    "HOUR_DAYS",
    "SESSION_DAYS",
    "Store",
    "build",
    "build_sessions",
    "row",
    "show",
    "spine",
    "stored",
]

#: calendar days read before the first session wanted; a test holds every look-back inside them
SESSION_DAYS = 2300
HOUR_DAYS = 560

Progress = Callable[[float, str], None]


class Store(Reader, Protocol):
    """The part of the market store that the pipeline uses."""

    def revision_times(self, name: str) -> pd.DatetimeIndex:
        """Return when later versions of rows became available."""
        ...


def spine(store: Reader, *, as_of: pd.Timestamp | None = None) -> pd.DataFrame:
    """SPX bars and VIX closes on every exchange session between the first and last SPX close.

    Parameters
    ----------
    store : Reader
        Market store.
    as_of : Timestamp, optional
        Only rows available by then.

    Returns
    -------
    DataFrame
        Index ``session``; columns ``spx_open spx_high spx_low spx_close vix_close``, NaN where
        unknown.

    Raises
    ------
    DataError
        If the store has no SPX bars.
    """
    bars = store.read("spx_bars", as_of=as_of)
    if bars.empty:
        raise DataError(
            "the market store has no SPX bars. Expected at least one session; import market files "
            "with `stormpetrel import DIR`."
        )
    grid = calendar().sessions(bars["date"].min(), bars["date"].max()).as_unit("us")
    out = pd.DataFrame(index=pd.DatetimeIndex(grid, name="session"))
    by_date = bars.set_index(pd.DatetimeIndex(bars["date"]).as_unit("us"))
    for column in ("open", "high", "low", "close"):
        out[f"spx_{column}"] = by_date[column].reindex(grid).to_numpy(dtype=float, na_value=np.nan)
    indices = store.read("vol_indices", as_of=as_of)
    vix = indices[indices["symbol"] == "vix"]
    closes = vix["close"].set_axis(pd.DatetimeIndex(vix["date"]).as_unit("us"))
    out["vix_close"] = closes.reindex(grid).to_numpy(dtype=float, na_value=np.nan)
    return out


def build(
    store: Store,
    *,
    at: str | Moment = "evening",
    start: Any = None,
    end: Any = None,
    as_of: pd.Timestamp | None = None,
    progress: Progress | None = None,
    parts: Sequence[Part] = PARTS,
) -> pd.DataFrame:
    """Build the feature table.

    Parameters
    ----------
    store : Store
        Market store.
    at : str or Moment
        Moment of the rows.
    start, end : date-like, optional
        First and last session; the whole history of SPX bars when not given.
    as_of : Timestamp, optional
        What is known: sessions whose cut-off lies later are left out.
    progress : callable, optional
        Called with the fraction done and what is being done.
    parts : sequence of Part
        What to compute; the whole catalogue by default.

    Returns
    -------
    DataFrame
        Index ``session``, one float64 column a feature in the order of the catalogue, NaN where
        null. Sessions that do not have the moment have no row.

    Raises
    ------
    DataError
        If the store has no SPX bars.

    Notes
    -----
    *Timing:* row t uses rows available at the cut-off of t, in the version that stood then. It is
    the same to the last bit built at that moment or years later.
    """
    days = calendar()
    if start is None or end is None:
        known = spine(store, as_of=as_of).index
        start = known[0] if start is None else start
        end = known[-1] if end is None else end
    sessions = pd.DatetimeIndex(days.sessions(start, end)).as_unit("us")
    cutoffs = days.cutoffs(sessions, at)
    wanted = np.asarray(cutoffs.notna())
    if as_of is not None:
        wanted &= np.asarray(cutoffs <= as_of)
    return build_sessions(
        store, sessions[wanted], at=at, as_of=as_of, progress=progress, parts=parts
    )


def build_sessions(
    store: Store,
    sessions: pd.DatetimeIndex,
    *,
    at: str | Moment,
    as_of: pd.Timestamp | None = None,
    progress: Progress | None = None,
    parts: Sequence[Part] = PARTS,
    clock: SessionClock | None = None,
) -> pd.DataFrame:
    """Build the rows of given sessions; see `build`.

    Parameters
    ----------
    sessions : DatetimeIndex
        Sessions that have the moment, ascending.
    clock : SessionClock, optional
        Exchange calendar; the package's own when not given.
    """
    days = clock or calendar()
    names = [f.name for part in parts for f in part.features]
    sessions = pd.DatetimeIndex(sessions, name="session").as_unit("us")
    out = np.full((len(sessions), len(names)), np.nan)
    revisions = [t for table in stored(parts) for t in store.revision_times(table)]
    cutoffs = pd.DatetimeIndex(days.cutoffs(sessions, at)).as_unit("us")
    todo = spans(cutoffs, revisions, as_of)
    done = 0
    for piece, known_by in todo:
        late = _span(store, days, sessions[piece], at, known_by, parts, out[piece], progress, done)
        for place in np.flatnonzero(late) + piece.start:
            alone = slice(int(place), int(place) + 1)
            _span(store, days, sessions[alone], at, cutoffs[place], parts, out[alone], None, 0)
        done += piece.stop - piece.start
    return pd.DataFrame(out, index=sessions, columns=names)


def _span(
    store: Reader,
    days: SessionClock,
    sessions: pd.DatetimeIndex,
    at: str | Moment,
    as_of: pd.Timestamp | None,
    parts: Iterable[Part],
    out: np.ndarray[Any, np.dtype[np.float64]],
    progress: Progress | None,
    done: int,
) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Fill `out` from one read; return which sessions need a read of their own."""
    parts = list(parts)
    view = View(
        store,
        days,
        at=at,
        first=sessions[0],
        last=sessions[-1],
        as_of=as_of,
        session_days=SESSION_DAYS,
        hour_days=HOUR_DAYS,
    )
    where = view.grid.get_indexer(sessions)
    column = 0
    made: Columns = {}
    for number, part in enumerate(parts):
        if progress is not None:
            progress(number / len(parts), f"features: {part.name}, {len(sessions)} sessions")
        values = part.compute(view, made)
        made.update(values)
        for feature in part.features:
            out[:, column] = values[feature.name][where]
            column += 1
    tables = stored(parts)
    return late_sessions(view, tables)[where]


def stored(parts: Iterable[Part]) -> list[str]:
    """Name the canonical tables that some parts read."""
    return sorted({table for part in parts for table in part.tables if table in TABLES})


def row(store: Store, session: Any, at: str | Moment = "evening") -> pd.Series:
    """Build the row of one session as its cut-off saw it.

    Parameters
    ----------
    store : Store
        Market store.
    session : date-like
        An exchange session that has the moment.
    at : str or Moment
        Moment.

    Returns
    -------
    Series of float64
        One value a feature in the order of the catalogue, named by the session.

    Raises
    ------
    UsageError
        If the day is no session, or does not have the moment (`eve` on an ordinary weekday
        evening).
    """
    days = calendar()
    day = days.require_session(session)
    one = pd.DatetimeIndex([day], name="session").as_unit("us")
    cutoff = days.cutoffs(one, at)[0]
    if pd.isna(cutoff):
        raise UsageError(
            f"session {day:%Y-%m-%d} has no moment {at!r}: the next day is a session. Expected the "
            "last session before a weekend or holiday; choose another session or moment."
        )
    return build_sessions(store, one, at=at, as_of=cutoff).iloc[0]


def show(store: Store, session: Any, at: str | Moment = "evening") -> dict[str, Any]:
    """Build one row for the command line.

    Returns
    -------
    dict
        ``session``, ``at``, ``cutoff`` (ISO, UTC), ``features`` (name to value or None), ready for
        JSON.

    Raises
    ------
    UsageError
        If the day is no session, or does not have the moment.
    DataError
        If the session lies before the first SPX bar that was available by its cut-off.
    """
    values = row(store, session, at)
    day = pd.Timestamp(str(values.name))
    cutoff = calendar().cutoffs(pd.DatetimeIndex([day]), at)[0]
    first = spine(store, as_of=None).index[0]
    if day < first:
        raise DataError(
            f"session {day:%Y-%m-%d} lies before the first SPX bar ({first:%Y-%m-%d}). Expected a "
            "session that the store has data for; import older files or choose a later date."
        )
    return {
        "session": f"{day:%Y-%m-%d}",
        "at": at if isinstance(at, str) else at.name,
        "cutoff": cutoff.isoformat(),
        "features": {
            str(name): float(value) if np.isfinite(value) else None
            for name, value in values.items()
        },
    }
