"""The parts of the ticket beyond its orders, in lines of words: one source for text and screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["Section", "closing_sections", "opening_sections"]

Section = tuple[str, list[str]]

_NIGHT, _WHY, _MOVES = 3, 5, 3


def opening_sections(ticket: Mapping[str, Any]) -> list[Section]:
    """Say where the market stands, what is open, and what the night changed."""
    found = [("Now", _now(ticket)), ("Since the evening", _night(ticket)), ("Open", _open(ticket))]
    return [(title, lines) for title, lines in found if lines]


def closing_sections(ticket: Mapping[str, Any]) -> list[Section]:
    """Show hedge ladder, events, panel, timeframes, reasons, and what moved since yesterday."""
    found = [
        ("Hedge ladder", _ladder(ticket)),
        ("Events, next five sessions", _events(ticket)),
        ("Panel", _panel(ticket)),
        ("Why", _why(ticket)),
        ("Since the session before", _moves(ticket)),
    ]
    return [(title, lines) for title, lines in found if lines]


def _now(ticket: Mapping[str, Any]) -> list[str]:
    if ticket["vix"] is None:
        return []
    where = f"{ticket['regime']}, VIX {ticket['vix']:.2f}"
    if ticket["ivts"] is not None:
        where += f", VIX/VIX3M {ticket['ivts']:.3f}"
    if ticket["ci"] is not None:
        where += f", contango {100 * ticket['ci']:+.1f} %"
    lines = [f"{where}, term structure {ticket['light']}"]
    for head in ticket["forecast"] or ():
        if head["head"] == "shift_up" and head["probability"] is not None:
            low, high = head["interval"]
            span = "" if low is None else f" ({100 * low:.0f}-{100 * high:.0f} %)"
            lines.append(
                f"shift up in {head['horizon']} sessions {_percent(head['probability'])}{span}; "
                f"paths alone {_percent(head['prior'])}, always {_percent(head['climatology'])}"
            )
    return lines


def _night(ticket: Mapping[str, Any]) -> list[str]:
    about = ticket["open_book"]
    if about is None:
        return []
    night = about["night"]
    name = f"{night['head']} {night['horizon']}"
    if night["change"] is None:
        return [f"{name} is not scored at both moments; {night['features_moved']} inputs moved"]
    lines = [
        f"{name}: {_percent(night['was'])} in the evening, {_percent(night['is'])} now "
        f"({night['change']:+.2f} log odds: night {night['night']:+.2f}, offset "
        f"{night['start']:+.2f}, the moment's own model {night['model']:+.2f}); "
        f"{night['features_moved']} inputs moved"
    ]
    lines += [
        f"  {row['feature']} {_value(row['was'])} -> {_value(row['is'])}: {row['log_odds']:+.2f}"
        for row in night["did_it"][:_NIGHT]
    ]
    if not night["did_it"]:
        lines.append("  no input of the night pushed it")
    if not about["positions"]:
        lines.append("nothing is open")
    for row in about["positions"]:
        was = "not told in the evening" if row["evening"] is None else f"evening: {row['evening']}"
        worth = ", ".join(row["worth"]) or "nothing beyond holding"
        lines.append(f"{row['id']}: {row['now']} ({was}); worth its cost: {worth}")
    return lines


def _open(ticket: Mapping[str, Any]) -> list[str]:
    lines: list[str] = []
    for row in ticket["positions"]:
        if row["mark"] is None:
            lines.append(f"{row['id']}: {row['recommendation']} ({row['reason']})")
            continue
        strikes = "/".join(f"{strike:g}" for strike in row["strikes"])
        left = row["sessions_left"]
        lines.append(
            f"{row['id']}: {row['quantity']} x {strikes} {row['expiry']}, {left} "
            f"session{'' if left == 1 else 's'} left, sold at {row['credit']:.2f}, now "
            f"{row['mark']:.2f} "
            f"({row['mark_lo']:.2f} to {row['mark_hi']:.2f}, {row['mark_source']})"
        )
        lines += [f"  challenged: {way}" for way in row["challenged"]]
        lines.append(f"  {row['recommendation']}: {row['reason']}")
        for answer in row["answers"]:
            if answer["detail"] is None:
                lines.append(f"  {answer['answer']}: {answer['why']}")
            elif answer["answer"] != "hold":
                verdict = "worth it" if answer["worth"] else "not worth it"
                lines.append(
                    f"  {answer['detail']}: gains {_dollars(answer['gain_cents'])} for "
                    f"{_dollars(answer['cost_cents'])}, {verdict}"
                )
    return lines


def _ladder(ticket: Mapping[str, Any]) -> list[str]:
    hedge = ticket["hedge"] or {}
    if not hedge.get("layers"):
        return []
    lines = [
        f"kappa {hedge['kappa']:.2f}, {hedge['units_wanted']} units wanted; budget "
        f"{_dollars(hedge['budget_spent_cents'])} of {_dollars(hedge['budget_cents'])} spent"
    ]
    if hedge["budget_note"]:
        lines.append(hedge["budget_note"])
    for row in hedge["layers"]:
        efficiency = "" if row["efficiency"] is None else f", efficiency {row['efficiency']:.2f}"
        lines.append(
            f"{row['layer']}: held {row['held']}, target {row['target']}; {row['expiry']} "
            f"{row['strike']:g}C at {row['price']:.2f} ({row['price_source']}){efficiency}"
        )
    shocks = ", ".join(
        f"{row['vix']:g}: {_dollars(row['held_cents'])} held, {_dollars(row['target_cents'])} "
        "at target"
        for row in hedge["shocks"]
    )
    return [*lines, f"gain if VIX jumps to {shocks}"]


def _events(ticket: Mapping[str, Any]) -> list[str]:
    rows = [f"{row['date']} {row['event']}" for row in ticket["events"]]
    return [", ".join(rows)] if rows else (["none"] if ticket["vix"] is not None else [])


def _panel(ticket: Mapping[str, Any]) -> list[str]:
    lines = []
    for section, values in (ticket["panel"] or {}).items():
        known = {name: value for name, value in values.items() if value is not None}
        shown = ", ".join(f"{name} {value:.4g}" for name, value in known.items())
        lines.append(f"{section.replace('_', ' ')}: {shown or 'unknown'}")
    votes = ", ".join(
        f"{row['timeframe']} {row['vote'] or 'abstains'}" for row in ticket["timeframes"] or ()
    )
    return [*lines, f"clocks: {votes}"] if votes else lines


def _why(ticket: Mapping[str, Any]) -> list[str]:
    return [
        f"{row['text']} by {abs(row['log_odds']):.2f} log odds (value {_value(row['value'])})"
        for row in ticket["why"][:_WHY]
    ]


def _moves(ticket: Mapping[str, Any]) -> list[str]:
    since = (ticket["changes"] or {}).get("since_session")
    if since is None:
        return []
    lines = [f"regime {since['regime_was']} -> {since['regime_is']}"]
    for row in since["heads"][:_MOVES]:
        driver = row["driver"]
        cause = "" if driver is None else f", mostly {driver['feature']}"
        moved = f"{_percent(row['was'])} -> {_percent(row['is'])}"
        lines.append(f"{row['head']} {row['horizon']}: {moved}{cause}")
    return lines


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"


def _value(value: float | None) -> str:
    return "unknown" if value is None else f"{value:.4g}"


def _dollars(cents: float) -> str:
    return f"{'-' if cents < 0 else ''}${abs(cents) / 100:,.0f}"
