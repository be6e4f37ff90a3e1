"""Proof of no future: rebuild rows from truncated and from perturbed data, and compare bits."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.altered_stores import PerturbedStore, TruncatedStore
from features.catalog import PARTS, Part
from features.errors import UsageError
from features.moments import Moment
from features.pipeline import Store, build_sessions, spine
from features.sessions import calendar

__all__ = ["LookaheadReport", "Violation", "check_lookahead"]

Progress = Callable[[float, str], None]


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
