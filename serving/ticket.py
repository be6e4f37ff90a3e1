"""The ticket: what the evening's forecast means for each book, as one canonical document."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import DataError, RefusedError, UsageError
from features.home import Home
from features.sessions import calendar
from serving.book import read_book
from serving.champion import load_champion
from serving.evidence import gather, moment_of, open_store
from serving.ledger import Entry, Ledger, canonical_json
from serving.quotes import ChainQuotes, read_quotes
from serving.refused import Lack, refused_ticket
from serving.score import BULK_SESSIONS, collector_paused, score_sessions, scored_parts
from serving.settings import load_settings
from serving.texts import write_ticket_files
from serving.writer import TicketWriter

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["TicketRun", "run_tickets", "ticket", "ticket_or_refusal"]

Progress = Callable[[float, str], None]

_UNSIGNED = '{"signal_id":null'
_REASON = "the inputs of this ticket differ from those first recorded"


@dataclass
class TicketRun:
    """What a run of `ticket` did; `entries` in order of session."""

    entries: list[Entry]
    recorded: int
    repeated: int

    def __iadd__(self, other: TicketRun) -> TicketRun:
        self.entries += other.entries
        self.recorded += other.recorded
        self.repeated += other.repeated
        return self

    @property
    def nothing_new(self) -> bool:
        """Whether all was recorded before."""
        return self.recorded == 0

    @property
    def documents(self) -> list[dict[str, Any]]:
        """The tickets, as printed."""
        return [entry.body for entry in self.entries]


def ticket(home: Home, session: Any, at: str = "evening") -> dict[str, Any]:
    """Write the ticket of one session.

    Parameters
    ----------
    home : Home
    session : date-like
        Last closed session t; the ticket is for the one after.
    at : str
        Moment.

    Returns
    -------
    dict
        The canonical ticket with every key. ``action`` is ``TRADE`` or ``NO_TRADE``; ``refused``
        says whether a gate refused (exit code 3), which a HOLD of the table is not.
    """
    day = calendar().require_session(session)
    return run_tickets(home, pd.DatetimeIndex([day]), at).documents[0]


def ticket_or_refusal(
    home: Home,
    session: pd.Timestamp,
    at: str,
    *,
    book_path: Path | None = None,
    chain_path: Path | None = None,
) -> tuple[dict[str, Any], list[str]]:
    """Write the ticket of one session and its files; NO TRADE where no ticket can be made.

    Returns
    -------
    tuple of dict and list of str
        The ticket, and what to tell the user: the files written, or why nothing was recorded
        (no model is promoted, or the user's own book or quotes are wrong).
    """
    chosen = pd.DatetimeIndex([session])
    try:
        run = run_tickets(home, chosen, at, book_path=book_path, chain_path=chain_path)
        document = run.documents[0]
        return document, [f"wrote {path}" for path in write_ticket_files(home, document)]
    except (DataError, RefusedError) as error:
        lack: Lack = "no_model" if isinstance(error, RefusedError) else "bad_input"
        document = refused_ticket(session, at, load_settings(home), str(error), lack)
        return document, [f"stormpetrel: {error}"]


@collector_paused()
def run_tickets(
    home: Home,
    sessions: pd.DatetimeIndex,
    at: str = "evening",
    *,
    book_path: Path | None = None,
    chain_path: Path | None = None,
    now: pd.Timestamp | None = None,
    progress: Progress | None = None,
) -> TicketRun:
    """Write the tickets of several sessions, recording forecast and ticket once each.

    Parameters
    ----------
    home, sessions, at
        As in `ticket`.
    book_path : Path, optional
        The user's book; ``book.toml`` or ``book.csv`` of the home when absent.
    chain_path : Path, optional
        The user's option quotes; see `serving.quotes.read_quotes`. One session only.
    now : pd.Timestamp, optional
        UTC time of the recording.
    progress : callable, optional

    Returns
    -------
    TicketRun

    Raises
    ------
    RefusedError
        If no model is promoted.
    DataError
        If the sessions lie before the data begins, or the book cannot be used.
    """
    settings = load_settings(home)
    book = read_book(home, settings.sizing, book_path)
    book.require_opened_by(calendar().next(sessions[0]))
    quotes = None if chain_path is None else _quotes(home, chain_path, sessions, at)
    # later moments look back on the evening
    bundle = load_champion(home, at, "evening")
    stamp = now if now is not None else pd.Timestamp.now(tz="UTC")
    try:
        gathered = gather(home, score_sessions(sessions), at, progress=progress)
    except DataError as error:
        if len(sessions) != 1 or not _after_data_begins(home, sessions[0]):
            raise
        refused = refused_ticket(
            sessions[0],
            at,
            settings,
            str(error),
            "gate_missing",
            model_version=bundle.model_version,
            book=book,
        )
        with Ledger.of(home) as ledger:
            return _record(ledger, [refused], bundle, at, stamp)
    writer = TicketWriter(home, bundle, settings, book, quotes, at, gathered.evidence)
    run = TicketRun([], 0, 0)
    with Ledger.of(home, bulk=len(gathered.evidence) > BULK_SESSIONS) as ledger:
        for part in scored_parts(home, bundle, gathered, at, now=stamp):
            told = [(evidence, entry.body) for evidence, entry, _ in part]
            run += _record(ledger, writer.tickets(told), bundle, at, stamp)
            if progress is not None:
                progress(len(run.entries) / len(gathered.evidence), "writing tickets")
    return run


def _quotes(home: Home, path: Path, sessions: pd.DatetimeIndex, at: str) -> ChainQuotes | None:
    """Read the user's quotes, and keep those of the session by its cut-off."""
    if len(sessions) != 1:
        raise UsageError(
            f"one file of quotes speaks about one session, got {len(sessions)}. Write the tickets "
            "one by one."
        )
    days = calendar()
    (cutoff,) = days.cutoffs(sessions, moment_of(home, at))
    (opening,) = days.open_utc(sessions)
    if pd.isna(cutoff):
        return None  # the moment does not exist for this session, which the scoring says
    return read_quotes(path).known(opening, cutoff)


def _record(
    ledger: Ledger,
    tickets: Sequence[dict[str, Any]],
    bundle: Bundle,
    at: str,
    now: pd.Timestamp,
) -> TicketRun:
    run = TicketRun([], 0, 0)
    until = pd.Timestamp(bundle.until)
    for document in tickets:
        signed, text, digest = _signed(document)
        entry, new = ledger.record(
            kind="ticket",
            session=document["session"],
            at=at,
            model_version=bundle.model_version,
            inputs_hash=digest,
            in_sample=pd.Timestamp(document["session"]) <= until,
            document=signed,
            text=text,
            reason=_REASON,
            now=now.isoformat(),
        )
        run.entries.append(entry.shelved())
        run.recorded += new
        run.repeated += not new
    return run


def _signed(document: dict[str, Any]) -> tuple[dict[str, Any], str, str]:
    """Give a ticket its id, the first digits of its hash; also its text and the hash."""
    text = canonical_json(document)
    digest = hashlib.sha256(text.encode()).hexdigest()
    # the first key is the id, null so far: what follows it is not written a second time
    _, rest = text.split(_UNSIGNED, 1)
    signal = digest[:16]
    return {**document, "signal_id": signal}, f'{{"signal_id":"{signal}"{rest}', digest


def _after_data_begins(home: Home, session: pd.Timestamp) -> bool:
    if not home.market.is_dir():
        return True  # nothing is imported yet: the gate inputs are missing
    bars = open_store(home).read("spx_bars", columns=["date"])
    return not bars.empty and bool(session >= bars["date"].min())
