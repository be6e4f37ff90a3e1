"""What a reader of the ticket should doubt: inputs that lack, marks that quotes did not reach."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from serving.edr import Edr
from serving.facts import read_signals
from serving.inputs import Inputs
from serving.state import MarketState

__all__ = ["input_doubts", "night_doubts", "quote_doubts", "quotes_used"]

_NIGHT = (("cw_es_move", "ES"), ("cw_vx_move", "front VX"))


def input_doubts(inputs: Inputs, edr: Edr, edr_cal: Edr) -> list[str]:
    """List what the ticket had to do without."""
    doubts = []
    if inputs.book.paper:
        doubts.append("paper account: no book.toml or book.csv in the home")
    known = [e for e in inputs.earlier if e is not None]
    if len(known) < len(inputs.earlier):
        doubts.append(f"hysteresis: {len(known)} of {len(inputs.earlier)} earlier forecasts known")
    missing = read_signals(inputs.state).missing
    if missing:
        doubts.append(f"rules off, their feature is null: {', '.join(missing)}")
    if edr.pct is None:
        doubts.append(f"{edr.name} unknown")
    if edr_cal.pct is None:
        doubts.append("edr_cal unknown: too few sessions of this VIX band")
    if inputs.paths is None:
        doubts.append("no simulated paths: model odds and expected values are null")
    if inputs.state.rate is None:
        doubts.append(f"no bill rate known: {inputs.settings.condor.rate:.2%} used")
    return doubts


def night_doubts(inputs: Inputs) -> list[str]:
    """Say after the evening that marks are of the last close, and what futures did since.

    Notes
    -----
    Marks are not moved by the futures: the simulated paths start at the same close, and an answer
    that closes at a moved mark would be compared with a hold that has not moved.
    """
    if inputs.document["at"] == "evening":
        return []
    features = inputs.state.features
    moves = [(name, features.get(feature)) for feature, name in _NIGHT]
    known = [f"{name} {move:+.2f} %" for name, move in moves if move is not None]
    since = (
        f"they leave out the night, {' and '.join(known)} since the settlement"
        if known
        else "no overnight futures are in the store"
    )
    return [f"marks are of the close of {inputs.state.session:%Y-%m-%d}: {since}"]


def quote_doubts(
    state: MarketState,
    condors: Sequence[Mapping[str, Any]],
    held: Sequence[Mapping[str, Any]],
) -> list[str]:
    """Name the condors that the user's quotes did not reach."""
    if state.quotes is None:
        return []
    marks = {str(condor["book"]): condor["mark_source"] for condor in condors}
    marks |= {f"position {row['id']}": row["mark_source"] for row in held}
    return [
        f"{name}: the quotes do not reach across its strikes, marked from the smile"
        for name, source in marks.items()
        if source is not None and source.startswith("smile")
    ]


def quotes_used(state: MarketState) -> dict[str, Any] | None:
    """Say which quotes were at hand; None without any."""
    if state.quotes is None:
        return None
    frame = state.quotes.frame
    return {
        "options": len(frame),
        "first": frame["quoted_at"].min().isoformat(),
        "last": frame["quoted_at"].max().isoformat(),
        "expiries": sorted({f"{expiry:%Y-%m-%d}" for expiry in frame["expiry"]}),
    }
