"""What was said before a ticket: by the sessions before it, and by the evening of its own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pandas as pd

from features.errors import DataError
from features.home import Home
from features.sessions import calendar
from serving.documents import forecast
from serving.evidence import Evidence, gather
from serving.ledger import Ledger
from serving.settings import ServingSettings

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["EveningBefore", "before", "earlier_documents", "evenings_of"]


@dataclass(frozen=True)
class EveningBefore:
    """The evening of a session, for its later moments.

    Attributes
    ----------
    document : dict
        Forecast, as recorded; made now where it was not.
    features : mapping
        The feature row that it read.
    held : mapping
        What the evening's ticket recommended for each open position, by its id.
    """

    document: dict[str, Any]
    features: Mapping[str, float | None]
    held: Mapping[str, str]


def evenings_of(
    home: Home, bundle: Bundle, evidence: Sequence[Evidence], at: str
) -> dict[str, EveningBefore]:
    """Give the evening of each session, by ISO date; empty for the evening itself.

    Parameters
    ----------
    home : Home
    bundle : Bundle
    evidence : sequence of Evidence
        Of the later moment.
    at : str
    """
    if at == "evening" or "evening" not in bundle.forecasters:
        return {}
    index = pd.DatetimeIndex([item.session for item in evidence])
    gathered = gather(home, index, "evening").evidence
    names = [f"{item.session:%Y-%m-%d}" for item in gathered]
    told = dict(zip(names, forecast(bundle, gathered, "evening"), strict=True))
    held: dict[str, dict[str, str]] = {}
    with Ledger.of(home) as ledger:
        for entry in ledger.entries("score", at="evening", sessions=names, first_only=True):
            told[entry.session] = entry.body
        for entry in ledger.entries("ticket", at="evening", sessions=names):
            rows = entry.body["positions"]
            held[entry.session] = {row["id"]: row["recommendation"] for row in rows}
    return {
        name: EveningBefore(told[name], item.values(), held.get(name, {}))
        for name, item in zip(names, gathered, strict=True)
    }


def earlier_documents(
    home: Home,
    bundle: Bundle,
    evidence: Sequence[Evidence],
    at: str,
    documents: Mapping[str, dict[str, Any]],
    settings: ServingSettings,
) -> dict[str, dict[str, Any]]:
    """Give the forecasts of the sessions before some tickets, by ISO date.

    Parameters
    ----------
    home, bundle
    evidence : sequence of Evidence
        Of the tickets.
    at : str
    documents : mapping
        Forecasts of that moment at hand.
    settings : ServingSettings
        How many sessions hysteresis looks back.

    Returns
    -------
    dict
        As recorded where they were, else made now; the `eve` looks back on evenings.
    """
    days = calendar()
    moment = "evening" if at == "eve" else at
    known = dict(documents) if moment == at else {}
    needed = set()
    for item in evidence:
        day = item.session
        for _ in range(settings.policy.hysteresis_sessions - 1):
            day = days.previous(day)
            needed.add(day)
    lacking = {f"{day:%Y-%m-%d}": day for day in sorted(needed)}
    lacking = {name: day for name, day in lacking.items() if name not in known}
    if not lacking:
        return known
    with Ledger.of(home) as ledger:
        for entry in ledger.entries("score", at=moment, sessions=list(lacking), first_only=True):
            if entry.session in lacking:
                known.setdefault(entry.session, entry.body)
    missing = [day for name, day in lacking.items() if name not in known]
    if missing:
        try:
            gathered = gather(home, pd.DatetimeIndex(missing), moment)
        except DataError:
            return known  # the history begins here: nothing before it restricts anything
        for document in forecast(bundle, gathered.evidence, moment):
            known[document["session"]] = document
    return known


def before(
    session: pd.Timestamp, known: Mapping[str, dict[str, Any]], settings: ServingSettings
) -> tuple[dict[str, Any] | None, ...]:
    """Give the forecasts of the sessions before one, newest first, as far as hysteresis looks."""
    days = calendar()
    out = []
    day = session
    for _ in range(settings.policy.hysteresis_sessions - 1):
        day = days.previous(day)
        out.append(known.get(f"{day:%Y-%m-%d}"))
    return tuple(out)
