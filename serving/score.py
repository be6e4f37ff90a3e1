"""The verb `score`: forecast, explain, record; exactly once a session, moment and model."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import UsageError
from features.home import Home
from features.sessions import calendar
from serving.champion import load_champion
from serving.documents import forecast
from serving.evidence import Evidence, Gathered, gather
from serving.ledger import Entry, Ledger

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = [
    "BULK_SESSIONS",
    "ScoreRun",
    "collector_paused",
    "due_sessions",
    "run_scores",
    "score",
    "score_sessions",
    "scored_parts",
]

Progress = Callable[[float, str], None]

BULK_SESSIONS = 60  # a run over more sessions asks the disk once, at its end
_CHUNK = 256  # sessions forecast at once: bounds the memory of the simulated paths
_REASON = "the inputs of this session differ from those first recorded"


@dataclass
class ScoreRun:
    """What a run of `score` did.

    Attributes
    ----------
    entries : list of Entry
        One a session, in order; `entry.document` is what is printed.
    recorded, repeated, revised : int
        Sessions new to the ledger, known to it, and known with other inputs.
    skipped : list of (session, reason)
    evidence : list of Evidence
        What each entry rests on, in the same order.
    """

    entries: list[Entry] = field(default_factory=list)
    recorded: int = 0
    repeated: int = 0
    revised: int = 0
    skipped: list[tuple[str, str]] = field(default_factory=list)
    evidence: list[Evidence] = field(default_factory=list)

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The forecasts, as printed."""
        return [entry.printed for entry in self.entries]

    @property
    def nothing_new(self) -> bool:
        """Whether all was recorded before: exit code 4, with the same JSON."""
        return self.recorded == 0 and self.revised == 0


def score(
    home: Home, sessions: pd.DatetimeIndex | Sequence[Any], at: str = "evening"
) -> list[dict[str, Any]]:
    """Forecast sessions and record them.

    Parameters
    ----------
    home : Home
    sessions : sequence of dates
        Last closed sessions t.
    at : str
        Moment: ``evening``, ``eve`` or ``preopen``, or one of the configuration's.

    Returns
    -------
    list of dict
        One forecast a session; see ``docs/ticket.md`` for its keys.
    """
    return run_scores(home, sessions, at).documents


@contextmanager
def collector_paused() -> Iterator[None]:
    """Keep Python from looking for cycles of references, inside a ``with`` or a decorated function.

    A run builds a few hundred thousand objects that stay to its end and four a session in cycles;
    looking them all over again and again takes a tenth of a cold score.
    """
    running = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if running:
            gc.enable()


@collector_paused()
def run_scores(
    home: Home,
    sessions: pd.DatetimeIndex | Sequence[Any],
    at: str = "evening",
    *,
    now: pd.Timestamp | None = None,
    progress: Progress | None = None,
) -> ScoreRun:
    """Forecast sessions in order and record each in a transaction of its own.

    Parameters
    ----------
    home, sessions, at
        As in `score`.
    now : pd.Timestamp, optional
        UTC time of the recording; the wall clock when absent. It is not part of the forecast.
    progress : callable, optional
        Takes the share done and what is being done.

    Returns
    -------
    ScoreRun

    Raises
    ------
    RefusedError
        If no model is promoted.
    UsageError
        If a date is no session or the moment does not exist for it.
    DataError
        If none of the sessions has its SPX and VIX closes.
    """
    bundle = load_champion(home, at)
    gathered = gather(home, score_sessions(sessions), at, progress=progress)
    run = ScoreRun(skipped=[(f"{s:%Y-%m-%d}", why) for s, why in gathered.skipped])
    stamp = now if now is not None else pd.Timestamp.now(tz="UTC")
    for part in scored_parts(home, bundle, gathered, at, now=stamp):
        for evidence, entry, new in part:
            run.entries.append(entry.shelved())
            run.evidence.append(evidence)
            if not new:
                run.repeated += 1
            elif entry.revision:
                run.revised += 1
            else:
                run.recorded += 1
        if progress is not None:
            progress(len(run.entries) / len(gathered.evidence), "scoring")
    return run


def scored_parts(
    home: Home, bundle: Bundle, gathered: Gathered, at: str, *, now: pd.Timestamp
) -> Iterator[list[tuple[Evidence, Entry, bool]]]:
    """Forecast and record a few hundred sessions at a time.

    Parameters
    ----------
    home : Home
    bundle : Bundle
    gathered : Gathered
    at : str
    now : pd.Timestamp
        UTC time of the recording.

    Yields
    ------
    list of (Evidence, Entry, bool)
        What each forecast rests on, what stands in the ledger, and whether it is new.
    """
    found = gathered.evidence
    with Ledger.of(home, bulk=len(found) > BULK_SESSIONS) as ledger:
        for low in range(0, len(found), _CHUNK):
            part = found[low : low + _CHUNK]
            told = []
            for evidence, document in zip(part, forecast(bundle, part, at), strict=True):
                entry, new = ledger.record(
                    kind="score",
                    session=document["session"],
                    at=at,
                    model_version=bundle.model_version,
                    inputs_hash=evidence.digest,
                    in_sample=document["in_sample"],
                    document=document,
                    reason=_REASON,
                    now=now.isoformat(),
                )
                told.append((evidence, entry, new))
            yield told


def due_sessions(home: Home, at: str, *, now: pd.Timestamp) -> pd.DatetimeIndex:
    """List the sessions that a daily run has to score: all since the last one recorded.

    Parameters
    ----------
    home : Home
    at : str
    now : pd.Timestamp
        UTC.

    Returns
    -------
    pd.DatetimeIndex
        Missed days first; the last closed session alone where nothing was recorded, and also
        where it was recorded (running it again prints it again).
    """
    days = calendar()
    last = days.last_closed(now)
    with Ledger.of(home) as ledger:
        seen = ledger.last_session("score", at)
    if seen is None or pd.Timestamp(seen) >= last:
        return days.sessions(last, last)
    missed = days.sessions(pd.Timestamp(seen) + pd.Timedelta(days=1), last)
    exist = days.cutoffs(missed, at)
    due = missed[(exist <= now) & exist.notna()]
    return due if len(due) else days.sessions(last, last)


def score_sessions(sessions: pd.DatetimeIndex | Sequence[Any]) -> pd.DatetimeIndex:
    """Check dates and sort them; a date that is no session is refused."""
    days = calendar()
    wanted = pd.DatetimeIndex([days.require_session(s) for s in sessions], name="session")
    if not len(wanted):
        raise UsageError(
            "there is no session in the range asked for. Expected at least one trading day; widen "
            "--from and --to."
        )
    return wanted.as_unit("us").unique().sort_values()
