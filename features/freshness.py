"""How old the newest row of each input may be before the features that read it are null."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["FRESHNESS", "SLOW_LIMIT_DAYS", "freshness"]

#: Calendar days between the date that a slow series speaks about and the session that reads it.
SLOW_LIMIT_DAYS: Mapping[str, int] = {
    "rates.aaa": 75,
    "rates.baa": 75,
    "valuation": 110,
    "dollar": 16,
    "rates": 7,
}

_SAME_SESSION = "the row of session t itself; null without it"
_HOUR = "an hour at most 3 hours older than the last closed one"

#: The rule of each table in words.
FRESHNESS: Mapping[str, str] = {
    "vol_indices": _SAME_SESSION,
    "vix_futures": _SAME_SESSION,
    "spx_bars": _SAME_SESSION,
    "breadth": _SAME_SESSION,
    "rates": "a date at most 7 days before session t (`aaa`, `baa`: 75 days)",
    "dollar": "a date at most 16 days before session t",
    "valuation": "a month that began at most 110 days before session t",
    "perp_bars": _HOUR,
    "spot_bars": _HOUR,
    "open_interest": _HOUR,
    "funding": "a settlement at most 9 hours before the last closed hour ended",
    "liquidation_totals": "the last UTC day that was due, or the day before it",
    "liquidation_events": "an event tape, and four fifths of the hours behind a value heard: "
    "by the recorder's log of connections, or by an event where no log speaks",
    "scheduled_events": "dates published by the cut-off; null outside the list of an event",
    "overnight": "the row of the coming session, by the cut-off",
    "option_quotes": "not stored: always null",
}


def freshness(name: str) -> str:
    """Return the freshness rule of an input, ``table`` or ``table.series``, in words."""
    return FRESHNESS[name.partition(".")[0]]
