"""Proof of no future: rebuild rows from truncated and from perturbed data, and compare bits."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.catalog import PARTS, Part
from features.errors import UsageError
from features.pipeline import Store, build_sessions, spine
from features.sessions import Moment, calendar
from features.tables import TABLES
from features.tape_asof import NEVER
from features.tape_source import SCRAMBLED, EventSource, TruncatedTape, open_source

__all__ = ["LookaheadReport", "PerturbedStore", "TruncatedStore", "Violation", "check_lookahead"]

Progress = Callable[[float, str], None]
Side = Literal["after", "before"]


class TruncatedStore:
    """A store that holds nothing that came after an instant, whatever a reader asks for.

    Parameters
    ----------
    store : Store
        The whole store.
    until : Timestamp
        The instant.
    """

    def __init__(self, store: Store, until: pd.Timestamp) -> None:
        self.store = store
        self.until = until

    def read(
        self,
        name: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Read as of the earlier one of `as_of` and the instant."""
        bound = self.until if as_of is None else min(as_of, self.until)
        return self.store.read(name, as_of=bound, start=start, end=end)

    def tape(self) -> EventSource | None:
        """Return the tape as it stood at the instant."""
        whole = open_source(self.store)
        return None if whole is None else TruncatedTape(whole, _us(self.until))

    def revision_times(self, name: str) -> pd.DatetimeIndex:
        """Return the revisions up to the instant."""
        times = self.store.revision_times(name)
        return times[times <= self.until]


class PerturbedStore:
    """A store whose numbers are scrambled on one side of an instant.

    Parameters
    ----------
    store : Store
        The true store.
    instant : Timestamp
        Rows are told apart by ``available_at``.
    side : {"after", "before"}
        Which rows are scrambled.
    seed : int
        Seed of the factors.
    """

    def __init__(self, store: Store, instant: pd.Timestamp, side: Side, *, seed: int = 7) -> None:
        self.store = store
        self.instant = instant
        self.side = side
        self.seed = seed

    def read(
        self,
        name: str,
        *,
        as_of: pd.Timestamp | None = None,
        start: Any = None,
        end: Any = None,
    ) -> pd.DataFrame:
        """Read, then multiply the numbers of the chosen rows by factors between 0.6 and 1.6."""
        frame = self.store.read(name, as_of=as_of, start=start, end=end).copy()
        late = (frame["available_at"] > self.instant).to_numpy()
        chosen = late if self.side == "after" else ~late
        # the factor belongs to the row, not to its place in the answer
        keys = _mixed(frame.loc[chosen, list(TABLES[name].key)])
        for column in TABLES[name].values:
            if TABLES[name].column(column).kind != "number" or column == "interval_hours":
                continue
            values = frame[column].to_numpy(dtype=float, na_value=np.nan).copy()
            values[chosen] *= 0.6 + _unit(keys, f"{self.seed}:{name}:{column}")
            frame[column] = values
        return frame

    def tape(self) -> EventSource | None:
        """Return the tape with the sizes and prices of the chosen events scrambled."""
        whole = open_source(self.store)
        return None if whole is None else _PerturbedTape(whole, self)

    def revision_times(self, name: str) -> pd.DatetimeIndex:
        """Return the true revisions."""
        return self.store.revision_times(name)


class _PerturbedTape(TruncatedTape):
    """A tape whose events are scrambled on one side of an instant."""

    def __init__(self, whole: EventSource, store: PerturbedStore) -> None:
        super().__init__(whole, NEVER)
        self.store = store

    def events(self, day: int) -> pd.DataFrame:
        frame = self.whole.events(day)
        late = (frame["known_us"] > _us(self.store.instant)).to_numpy()
        chosen = late if self.store.side == "after" else ~late
        keys = _mixed(frame.loc[chosen, ["ts_us", "venue", "base", "side"]])
        for column in SCRAMBLED:
            values = frame[column].to_numpy(dtype=np.int64).copy()
            factor = 0.6 + _unit(keys, f"{self.store.seed}:tape:{column}")
            values[chosen] = (values[chosen] * factor).astype(np.int64)
            frame[column] = values
        return frame


def _us(instant: pd.Timestamp) -> int:
    return int(pd.DatetimeIndex([instant]).as_unit("us").asi8[0])


def _mixed(rows: pd.DataFrame) -> NDArray[np.uint64]:
    """Hash every key by itself, whatever rows stand around it."""
    mixed = np.zeros(len(rows), dtype=np.uint64)
    for column in rows.columns:
        codes, values = pd.factorize(rows[column])
        hashed = pd.util.hash_array(np.asarray(values, dtype=object).astype(str).astype(object))
        mixed = mixed * np.uint64(1_000_003) + hashed[codes]
    return mixed


def _unit(keys: NDArray[np.uint64], salt: str) -> NDArray[np.float64]:
    """Turn hashed keys into numbers between 0 and 1, other ones for each salt."""
    start = int.from_bytes(hashlib.sha256(salt.encode()).digest()[:8], "little")
    mixed = keys ^ np.uint64(start)
    mixed = (mixed ^ (mixed >> np.uint64(33))) * np.uint64(0xFF51AFD7ED558CCD)
    mixed ^= mixed >> np.uint64(33)
    return mixed.astype(np.float64) / 2.0**64


@dataclass(frozen=True)
class Violation:
    """One value that the future changed.

    Parameters
    ----------
    feature, session : str
        Which value.
    test : str
        ``truncated`` or ``perturbed after``.
    history, alone : float or None
        The value in the table of the whole history, and the one without (or with another) future.
    """

    feature: str
    session: str
    test: str
    history: float | None
    alone: float | None


@dataclass
class LookaheadReport:
    """Result of `check_lookahead`.

    Parameters
    ----------
    at : str
        Moment.
    sessions : list of str
        Sessions that were recomputed.
    compared : int
        Values compared.
    violations : list of Violation
        Empty when no value depends on what came after its cut-off.
    deaf : list of str
        Features that had values and never answered to a scrambled past: constants and calendar
        features must stand here, and nothing else.
    """

    at: str
    sessions: list[str] = field(default_factory=list)
    compared: int = 0
    violations: list[Violation] = field(default_factory=list)
    deaf: list[str] = field(default_factory=list)

    @property
    def passed(self) -> bool:
        """Whether no violation was found."""
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Return the report as JSON-ready values."""
        return {**asdict(self), "passed": self.passed}


def check_lookahead(
    store: Store,
    *,
    sessions: Sequence[Any] | None = None,
    at: str | Moment = "evening",
    samples: int = 12,
    parts: Sequence[Part] = PARTS,
    progress: Progress | None = None,
) -> LookaheadReport:
    """Recompute sampled rows without their future and with another one, and compare every feature.

    Parameters
    ----------
    store : Store
        Market store.
    sessions : sequence of dates, optional
        Sessions to recompute; when not given, half of `samples` over the whole history, the last
        session among them, and half over the last 1260 sessions.
    at : str or Moment
        Moment.
    samples : int
        How many sessions to take when they are not given.
    parts : sequence of Part
        What to compute; the whole catalogue by default.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Returns
    -------
    LookaheadReport
        Values are compared bit for bit; null equals null.

    Raises
    ------
    UsageError
        If a given day is no session, has no such moment, or `samples` is below 1.
    """
    if samples < 1:
        raise UsageError(f"`samples` must be at least 1, got {samples}. Ask for some sessions.")
    table_sessions = _with_moment(pd.DatetimeIndex(spine(store).index), at)
    wanted = _chosen(table_sessions, sessions, samples, at)
    history = build_sessions(store, table_sessions, at=at, parts=parts, progress=progress)
    report = LookaheadReport(at=at if isinstance(at, str) else at.name)
    heard = np.zeros(history.shape[1], dtype=bool)
    alive = np.zeros(history.shape[1], dtype=bool)
    cutoffs = calendar().cutoffs(wanted, at)
    for number, (session, cutoff) in enumerate(zip(wanted, cutoffs, strict=True)):
        if progress is not None:
            progress(number / len(wanted), f"check lookahead: {session:%Y-%m-%d}")
        one = wanted[number : number + 1]
        truth = history.loc[session].to_numpy()
        tests: list[tuple[str, Store]] = [
            ("truncated", TruncatedStore(store, cutoff)),
            ("perturbed after", PerturbedStore(store, cutoff, "after")),
        ]
        for name, other in tests:
            row = build_sessions(other, one, at=at, parts=parts).iloc[0].to_numpy()
            report.compared += len(row)
            for place in np.flatnonzero(~_same(truth, row)):
                report.violations.append(
                    Violation(
                        feature=str(history.columns[int(place)]),
                        session=f"{session:%Y-%m-%d}",
                        test=name,
                        history=_or_none(truth[place]),
                        alone=_or_none(row[place]),
                    )
                )
        past = PerturbedStore(store, cutoff, "before")
        moved = build_sessions(past, one, at=at, as_of=cutoff, parts=parts).iloc[0].to_numpy()
        heard |= ~_same(truth, moved)
        alive |= np.isfinite(truth)
        report.sessions.append(f"{session:%Y-%m-%d}")
    report.deaf = [str(c) for c in history.columns[alive & ~heard]]
    return report


def _with_moment(sessions: pd.DatetimeIndex, at: str | Moment) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(sessions[np.asarray(calendar().cutoffs(sessions, at).notna())])


def _chosen(
    known: pd.DatetimeIndex, sessions: Sequence[Any] | None, samples: int, at: str | Moment
) -> pd.DatetimeIndex:
    if sessions is None:
        # half of them over the whole history, half over the five years in which crypto speaks
        whole = np.linspace(0, len(known) - 1, (samples + 1) // 2)
        recent = np.linspace(max(0, len(known) - 1260), len(known) - 1, samples // 2 + 1)[:-1]
        return known.take(np.unique(np.append(whole, recent).round().astype(np.int64)))
    days = pd.DatetimeIndex([calendar().require_session(s) for s in sessions]).as_unit("us")
    strange = days[~days.isin(known)]
    if len(strange):
        raise UsageError(
            f"session {strange[0]:%Y-%m-%d} has no row at {at!r}. Expected sessions between "
            f"{known[0]:%Y-%m-%d} and {known[-1]:%Y-%m-%d} that have that moment."
        )
    return pd.DatetimeIndex(days.unique().sort_values(), name="session")


def _same(a: Any, b: Any) -> NDArray[np.bool_]:
    """Bit for bit, but for the sign of zero and the payload of NaN."""
    return np.asarray((a == b) | (np.isnan(a) & np.isnan(b)))


def _or_none(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
