"""What a forecast reads: the feature row and the spine of each session as of its cut-off."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError, UsageError
from features.home import Home
from features.moments import Moment, moments
from features.sessions import calendar
from features.store import MarketStore

__all__ = ["Evidence", "Gathered", "gather", "moment_of", "open_store", "ticket_session"]

Progress = Callable[[float, str], None]
_Pairs = list[tuple[pd.Timestamp, pd.Timestamp]]  # session and its cut-off

SPINE_TABLES = ("spx_bars", "vol_indices")
_HASHED_SESSIONS = 260  # a year of closes: longer than any window of the prior


@dataclass(frozen=True)
class Evidence:
    """Inputs of one session at one moment.

    Attributes
    ----------
    session : pd.Timestamp
    cutoff : pd.Timestamp
    features : pd.Series
        Feature values by name, NaN where null.
    history : pd.DataFrame
        Opens, highs, lows, closes of SPX and VIX closes as of the cut-off; sessions that were known
        alike share one.
    place : int
        Row of the session in it.
    digest : str
        SHA-256 of all of it.
    names : tuple of str
        Names of the features, one tuple for all rows of a table.
    columns : mapping of str to array
        Columns of `history`, shared with it.
    """

    session: pd.Timestamp
    cutoff: pd.Timestamp
    features: pd.Series[float]
    history: pd.DataFrame
    place: int
    digest: str
    names: tuple[str, ...]
    columns: Mapping[str, NDArray[np.float64]] = field(repr=False)

    @property
    def spine(self) -> pd.DataFrame:
        """History up to the session."""
        return self.history.iloc[: self.place + 1]

    def recent(self, name: str, sessions: int) -> NDArray[np.float64]:
        """Give one column of the last few sessions, this one last."""
        return self.columns[name][max(self.place + 1 - sessions, 0) : self.place + 1]

    def values(self) -> dict[str, float | None]:
        """Give the feature row as a mapping; None where null."""
        row = self.features.to_numpy(dtype=float).tolist()
        return {n: None if v != v else v for n, v in zip(self.names, row, strict=True)}


@dataclass(frozen=True)
class Gathered:
    """Evidence of many sessions, and the sessions that have no closes."""

    evidence: list[Evidence]
    skipped: list[tuple[pd.Timestamp, str]]


def ticket_session(session: pd.Timestamp) -> pd.Timestamp:
    """Session that a forecast's ticket is for: the one after."""
    return calendar().next(session)


def gather(
    home: Home,
    sessions: pd.DatetimeIndex,
    at: str,
    *,
    progress: Progress | None = None,
) -> Gathered:
    """Read everything that the forecasts of `sessions` may know.

    Parameters
    ----------
    home : Home
    sessions : pd.DatetimeIndex
        Sessions t, rising.
    at : str
        Moment.
    progress : callable, optional

    Returns
    -------
    Gathered

    Raises
    ------
    UsageError
        If a date is no session, the moment is unknown, or does not exist for a lone session.
    DataError
        If no session has its SPX and VIX closes.

    Notes
    -----
    Timing: a value for t uses rows with ``available_at <= cutoff(t)``, in the version that was
    known then.
    """
    from features.pipeline import build_sessions

    moment = moment_of(home, at)
    days = calendar()
    store = open_store(home)
    wanted, skipped = _existing(sessions, days.cutoffs(sessions, moment), at)
    groups: list[tuple[pd.DataFrame, _Pairs]] = []
    for spine, pairs in _spines(store, wanted):
        good, without = _with_closes(spine, pairs)
        skipped += without
        if good:
            groups.append((spine, good))
    if not groups:
        raise DataError(_no_closes(store, skipped))
    index = pd.DatetimeIndex([s for _, good in groups for s, _ in good], name="session")
    frame = build_sessions(store, index.as_unit("us"), at=moment, progress=progress)
    found = [item for spine, good in groups for item in _evidence(frame, spine, good, at)]
    return Gathered(found, sorted(skipped))


def open_store(home: Home) -> MarketStore:
    """Open one snapshot of a home's market store.

    Raises
    ------
    DataError
        If nothing was imported yet.
    """
    if not home.market.is_dir():
        raise DataError(
            f"there is no market data in {home.root}: {home.market.name}/ is missing. Expected an "
            "imported history; run `stormpetrel import DIR` first."
        )
    return MarketStore(home.market).snapshot()


def moment_of(home: Home, at: str) -> Moment:
    """Look a moment up by name.

    Raises
    ------
    UsageError
        If the home has no such moment.
    """
    known = moments(home)
    if at not in known:
        raise UsageError(f"no moment is called {at!r}. Expected one of {', '.join(known)}.")
    return known[at]


def _existing(
    sessions: pd.DatetimeIndex, cutoffs: pd.DatetimeIndex, at: str
) -> tuple[_Pairs, list[tuple[pd.Timestamp, str]]]:
    pairs = list(zip(sessions, cutoffs, strict=True))
    wanted = [(session, cutoff) for session, cutoff in pairs if not pd.isna(cutoff)]
    if not wanted:
        raise UsageError(
            f"the moment {at!r} does not exist after {sessions[0]:%Y-%m-%d}: it is for the day "
            "before a session that follows a closed day. Use `evening` or `preopen`."
        )
    why = f"the moment {at!r} does not exist after this session"
    return wanted, [(session, why) for session, cutoff in pairs if pd.isna(cutoff)]


def _with_closes(
    spine: pd.DataFrame, pairs: _Pairs
) -> tuple[_Pairs, list[tuple[pd.Timestamp, str]]]:
    closes = spine[["spx_close", "vix_close"]].reindex([session for session, _ in pairs])
    good: _Pairs = []
    without = []
    for pair, (spx, vix) in zip(pairs, closes.to_numpy(dtype=float), strict=True):
        lacking = [name for name, value in (("SPX", spx), ("VIX", vix)) if not value > 0]
        if lacking:
            without.append((pair[0], f"no {' and '.join(lacking)} close known at the cut-off"))
        else:
            good.append(pair)
    return good, without


def _spines(store: MarketStore, wanted: _Pairs) -> Iterator[tuple[pd.DataFrame, _Pairs]]:
    """Group sessions between revisions of the closes: one read serves a whole group."""
    from features.pipeline import spine

    revisions = sorted({stamp for table in SPINE_TABLES for stamp in store.revision_times(table)})
    epochs = np.searchsorted(
        pd.DatetimeIndex(revisions).as_unit("us").asi8 if revisions else np.array([], np.int64),
        pd.DatetimeIndex([cutoff for _, cutoff in wanted]).as_unit("us").asi8,
        side="right",
    )
    for epoch in sorted(set(epochs.tolist())):
        group = [pair for pair, e in zip(wanted, epochs, strict=True) if e == epoch]
        as_of = max(cutoff for _, cutoff in group)
        if store.read("spx_bars", as_of=as_of, columns=["date"]).empty:
            columns = ["spx_open", "spx_high", "spx_low", "spx_close", "vix_close"]
            yield pd.DataFrame(columns=columns, index=pd.DatetimeIndex([]), dtype=float), group
        else:
            yield spine(store, as_of=as_of), group


def _evidence(
    frame: pd.DataFrame,
    spine: pd.DataFrame,
    group: _Pairs,
    at: str,
) -> list[Evidence]:
    closes = _bytes_ready(spine.to_numpy(dtype=float))
    values = _bytes_ready(frame.to_numpy(dtype=float))
    columns = tuple(map(str, frame.columns))
    history = {str(name): spine[name].to_numpy(dtype=float) for name in spine.columns}
    names = ",".join([*columns, *map(str, spine.columns)])
    header = hashlib.sha256(f"{at};{names}".encode())
    rows = frame.index.get_indexer(pd.DatetimeIndex([s for s, _ in group]))
    places = spine.index.get_indexer(pd.DatetimeIndex([s for s, _ in group]))
    out = []
    for (session, cutoff), row, place in zip(group, rows, places, strict=True):
        if row < 0:
            raise DataError(
                f"the feature table has no row for {session:%Y-%m-%d} although its closes are "
                "known. Expected one row a session; check the store with `stormpetrel status`."
            )
        digest = header.copy()
        digest.update(f"{session:%Y-%m-%d};{cutoff.isoformat()}".encode())
        digest.update(values[row].tobytes())
        digest.update(closes[max(0, place + 1 - _HASHED_SESSIONS) : place + 1].tobytes())
        out.append(
            Evidence(
                session=session,
                cutoff=cutoff,
                features=frame.iloc[row],
                history=spine,
                place=int(place),
                digest=digest.hexdigest(),
                names=columns,
                columns=history,
            )
        )
    return out


def _bytes_ready(values: np.ndarray) -> np.ndarray:
    """Every NaN with the same bits, so that equal tables have equal bytes."""
    out = np.ascontiguousarray(values, dtype="<f8").copy()
    out[np.isnan(out)] = np.nan
    return out


def _no_closes(store: MarketStore, skipped: Sequence[tuple[pd.Timestamp, str]]) -> str:
    session, reason = skipped[0]
    bars = store.read("spx_bars", columns=["date"])
    span = (
        "the store has no SPX bars"
        if bars.empty
        else f"the store's SPX bars run from {bars['date'].min():%Y-%m-%d} to "
        f"{bars['date'].max():%Y-%m-%d}"
    )
    return (
        f"{session:%Y-%m-%d} cannot be scored: {reason}; {span}. Expected both closes; import or "
        "fetch the missing days, or choose another date."
    )
