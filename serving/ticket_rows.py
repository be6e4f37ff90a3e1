"""Small parts of the ticket: account, actions, refusals, ranges, forecast, events, reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd

from features.sessions import calendar
from serving.book import Book
from serving.edr import Edr
from serving.policy import Decision
from serving.pushes import largest_pushes
from serving.settings import BOOKS, ServingSettings
from serving.state import MarketState

__all__ = [
    "account_fields",
    "action_rows",
    "edr_rows",
    "event_rows",
    "forecast_rows",
    "p_shift",
    "reason_rows",
    "refusal_rows",
    "roll_rules",
    "rounded",
    "stamps",
]


def stamps(cutoff: pd.Timestamp) -> dict[str, str]:
    """Give the cut-off in UTC and in Chicago, each with its offset."""
    return {
        "utc": cutoff.isoformat(),
        "chicago": cutoff.tz_convert("America/Chicago").isoformat(),
    }


def account_fields(book: Book) -> dict[str, Any]:
    """Say on which account the ticket works."""
    return {
        "paper": book.paper,
        "equity_cents": book.equity_cents,
        "open_risk_cents": book.open_risk_cents,
        "open_condors": len(book.condors),
        "hedge_contracts": sum(layer.quantity for layer in book.hedges),
    }


def action_rows(decision: Decision) -> list[dict[str, Any]]:
    """Rank the actions, each with its rules."""
    return [
        {
            "rank": action.rank,
            "book": action.book,
            "action": action.action,
            "rules": list(action.rules),
            "text": action.text,
        }
        for action in decision.actions
    ]


def refusal_rows(decision: Decision) -> list[dict[str, str]]:
    """List each refusal once, with its reason."""
    seen: dict[str, str] = {}
    for book in BOOKS:
        allowance = decision.allowances.get(book)
        if allowance is not None and allowance.refused:
            seen |= dict(zip(allowance.rules, allowance.reasons, strict=True))
    return [{"id": rule, "reason": reason} for rule, reason in seen.items()]


def edr_rows(edrs: Sequence[Edr], spot: float) -> list[dict[str, Any]]:
    """Show every variant of the expected range with its trailing coverage."""
    return [
        {
            "name": edr.name,
            "pct": rounded(edr.pct),
            "points": None if edr.pct is None else round(edr.points(spot) or 0.0, 4),
            "coverage": rounded(edr.coverage),
        }
        for edr in edrs
    ]


def forecast_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Show the heads without their contributions."""
    keys = ("head", "horizon", "probability", "prior", "climatology", "interval")
    return [{key: head[key] for key in keys} for head in document["heads"]]


def p_shift(document: Mapping[str, Any]) -> dict[str, float | None]:
    """Give the shift-up probability by horizon; null where it is not scored."""
    found = {
        str(head["horizon"]): head["probability"]
        for head in document["heads"]
        if head["head"] == "shift_up"
    }
    return {str(h): found.get(str(h)) for h in (5, 10, 21)}


def event_rows(state: MarketState) -> list[dict[str, str]]:
    """List the releases of the next five sessions."""
    days = calendar().sessions(state.ticket_session, state.ticket_session + pd.Timedelta(days=14))
    inside = state.events_between(state.session, days[min(4, len(days) - 1)])
    return [{"date": f"{e.date:%Y-%m-%d}", "event": e.event} for e in inside]


def roll_rules(settings: ServingSettings) -> dict[str, Any]:
    """Say in words when an open condor is challenged and where it may go."""
    own = settings.time_shift
    return {
        "challenged": (
            f"|delta| of a short >= {own.challenged_delta:g}, or mark >= "
            f"{own.challenged_mark:g} x credit, or spot within {own.challenged_edr:g} x EDR of it"
        ),
        "forward": (
            f"challenged, and EDR > {own.edr_trigger:g} % or VIX > {own.vix_trigger:g}, at most "
            f"{own.max_rolls} rolls, not within a session of FOMC or CPI; "
            f"{own.expiries[0]} to {own.expiries[1]} DTE, same quantity"
        ),
        "back": f"shifted before, EDR < {own.edr_trigger:g} %, and a pullback; 0 to 2 DTE",
    }


def reason_rows(document: Mapping[str, Any], settings: ServingSettings) -> list[dict[str, Any]]:
    """Largest pushes of the overlay's head, in words."""
    wanted = (settings.policy.p_head, settings.policy.p_horizon)
    for head in document["heads"]:
        if (head["head"], head["horizon"]) == wanted and head["probability"] is not None:
            break
    else:
        return []
    return [
        {
            "feature": row["feature"],
            "value": row["value"],
            "log_odds": row["log_odds"],
            "text": f"{row['feature']} {'raises' if row['log_odds'] > 0 else 'lowers'} "
            f"{wanted[0]} {wanted[1]}",
        }
        for row in largest_pushes(head["contributions"], 5)
        if row["log_odds"] != 0
    ]


def rounded(value: float | None, digits: int = 6) -> float | None:
    """Round a number for print; null and not-a-number stay null."""
    return None if value is None or value != value else round(float(value), digits)
