"""The ticket in words, and the files that a ticket is kept in."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from features.home import Home
from serving.formats import ibkr_order, legs_csv, schwab_order, tastytrade_order
from serving.page import closing_sections, opening_sections
from serving.translation import bias_line

__all__ = ["broker_orders", "ticket_csv", "ticket_text", "write_ticket_files"]


def ticket_text(ticket: Mapping[str, Any]) -> str:
    """Write the ticket as a page of plain text."""
    lines = [
        f"{ticket['session']} {ticket['at']}: ticket for {ticket['ticket_session']}",
        f"model {ticket['model_version']}, signal {ticket['signal_id']}",
    ]
    if ticket["refused"]:
        lines += ["NO TRADE: refused"]
        lines += [f"  {row['id']}: {row['reason']}" for row in ticket["refusals"]]
    for title, rows in opening_sections(ticket):
        lines += [title, *(f"  {row}" for row in rows)]
    if not ticket["refused"]:
        for condor in ticket["condors"]:
            lines += _condor_lines(condor)
        lines += _hedge_lines(ticket)
        lines.append(bias_line(ticket["equity_bias"]))
    for title, rows in closing_sections(ticket):
        lines += [title, *(f"  {row}" for row in rows)]
    lines += [f"doubt: {doubt}" for doubt in ticket["data_quality"]]
    return "\n".join([*lines, ticket["disclaimer"]]) + "\n"


def ticket_csv(ticket: Mapping[str, Any]) -> str:
    """Write one row a leg: condors of both books, then the hedge orders."""
    signal = ticket["signal_id"]
    rows: list[dict[str, Any]] = [
        {
            **leg,
            "qty": leg["qty"] * condor["quantity"],
            "signal_id": signal,
            "book": condor["book"],
            "limit_price": condor["limit_price"],
        }
        for condor in ticket["condors"]
        for leg in condor["legs"]
    ]
    rows += [{**order, "signal_id": signal, "book": "alvh"} for order in ticket["hedge_orders"]]
    return legs_csv(rows)


def broker_orders(ticket: Mapping[str, Any], broker: str) -> list[dict[str, Any]]:
    """Shape every order of a ticket for a broker: ``tastytrade``, ``schwab`` or ``ibkr``.

    Nothing is sent: the shapes are for the user's own tools.
    """
    shape = {"tastytrade": tastytrade_order, "schwab": schwab_order, "ibkr": ibkr_order}[broker]
    out = [
        shape(c["legs"], quantity=c["quantity"], price=c["limit_price"])
        for c in ticket["condors"]
        if c["legs"]
    ]
    for order in ticket["hedge_orders"]:
        leg = {"action": order["action"], "qty": 1, "osi": order["osi"]}
        sold = order["action"] == "STC"
        out.append(shape([leg], quantity=order["qty"], price=order["limit_price"], credit=sold))
    return out


def write_ticket_files(home: Home, ticket: Mapping[str, Any]) -> list[Path]:
    """Keep a ticket as JSON, CSV and text under ``scores/tickets``, each whole or not at all."""
    folder = home.writable(home.scores / "tickets")
    name = f"{ticket['session']}-{ticket['at']}"
    texts = {
        "json": json.dumps(ticket, indent=1, allow_nan=False) + "\n",
        "csv": ticket_csv(ticket),
        "txt": ticket_text(ticket),
    }
    out = []
    for suffix, text in texts.items():
        path = folder / f"{name}.{suffix}"
        beside = folder / f".{name}.{suffix}.{os.getpid()}"
        with beside.open("w", encoding="utf-8") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        beside.replace(path)
        out.append(path)
    return out


def _condor_lines(condor: Mapping[str, Any]) -> list[str]:
    if not condor["legs"]:
        return [f"{condor['book']}: no new condor ({condor['tier_rule']})"]
    strikes = "/".join(f"{leg['strike']}{leg['right']}" for leg in condor["legs"])
    return [
        f"{condor['book']}: sell {condor['quantity']} x {strikes} {condor['expiry']} at "
        f"{condor['limit_price']:.2f} or better, not below {condor['min_acceptable_credit']:.2f}; "
        f"fills {condor['fill']}",
        f"  {condor['tier']} by {condor['tier_rule']}; break-evens {condor['be_low']:.2f} to "
        f"{condor['be_high']:.2f}; profit at most {condor['max_profit'] / 100:.2f}, loss at most "
        f"{condor['max_loss'] / 100:.2f} dollars each",
        f"  profit probability: market {_percent(condor['pop_market'])}, paths "
        f"{_percent(condor['pop_model'])}; needed {_percent(condor['win_rate_needed'])}",
    ]


def _hedge_lines(ticket: Mapping[str, Any]) -> list[str]:
    orders = [
        f"hedge {o['layer']}: {o['action']} {o['qty']} x VIX {o['expiry']} {o['strike']:g}C at "
        f"{o['limit_price']:.2f} ({o['rule']}: {o['why']})"
        for o in ticket["hedge_orders"]
    ]
    return orders


def _percent(value: float | None) -> str:
    return "unknown" if value is None else f"{100 * value:.1f} %"
