"""What changed since yesterday, or since the evening."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.pushes import largest_change, value_of
from serving.settings import ServingSettings

__all__ = ["changes_of"]


def changes_of(
    document: Mapping[str, Any],
    earlier: Sequence[Mapping[str, Any] | None],
    evening: Mapping[str, Any] | None,
    settings: ServingSettings,
) -> dict[str, Any]:
    """Compare a forecast with the session before, and a later moment with its evening.

    Parameters
    ----------
    document : mapping
        Tonight's forecast.
    earlier : sequence of mapping or None
        Forecasts of the sessions before, newest first.
    evening : mapping or None
        The same session's evening forecast.
    settings : ServingSettings

    Returns
    -------
    dict
        ``since_session`` and ``since_evening``, each null or with what moved.
    """
    before = earlier[0] if earlier else None
    return {
        "since_session": None if before is None else _compare(before, document),
        "since_evening": None if evening is None else _compare(evening, document),
    }


def _compare(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, Any]:
    old = {(h["head"], h["horizon"]): h for h in before["heads"]}
    moves = []
    for head in after["heads"]:
        was = old.get((head["head"], head["horizon"]))
        if was is None or was["probability"] is None or head["probability"] is None:
            continue
        moves.append(
            {
                "head": head["head"],
                "horizon": head["horizon"],
                "was": was["probability"],
                "is": head["probability"],
                "change": head["probability"] - was["probability"],
                "driver": _driver(was, head),
            }
        )
    moves.sort(key=lambda m: (-abs(m["change"]), m["head"], m["horizon"]))
    return {
        "session": before["session"],
        "at": before["at"],
        "regime_was": before["regime"],
        "regime_is": after["regime"],
        "heads": moves,
    }


def _driver(was: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any] | None:
    """Feature whose push changed most, with its values."""
    found = largest_change(was["contributions"], now["contributions"])
    if found is None:
        return None
    name, change = found
    before, after = (value_of(head["contributions"], name) for head in (was, now))
    return {"feature": name, "was": before, "is": after, "change": change}
