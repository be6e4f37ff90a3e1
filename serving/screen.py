"""How the evening looks in a terminal: the forecast, why, and the ticket."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from serving.page import Section, closing_sections, opening_sections
from serving.translation import bias_line
from serving.why_screen import percent as _percent
from serving.why_screen import plain_table as _table
from serving.why_screen import why_table

__all__ = ["forecast_screen", "forecast_table", "status_screen", "ticket_screen"]

_REGIME_STYLE = {
    "calm": "green",
    "normal": "cyan",
    "elevated": "yellow",
    "crisis": "bold red",
}
_BAR_WIDTH = 12
#: Columns of a terminal from which on every column of the market store fits.
_WIDE = 126


def _bar(probability: float, climatology: float | None) -> Text:
    filled = round(_BAR_WIDTH * probability)
    bar = Text("█" * filled + "─" * (_BAR_WIDTH - filled))
    warm = climatology is not None and probability > 1.5 * climatology
    bar.stylize("yellow" if warm else "blue", 0, filled)
    return bar


def forecast_table(heads: Sequence[Mapping[str, Any]]) -> Table:
    """Show each head's probability beside its interval, its prior and its climatology."""
    table = _table("Forecast, each probability beside its 90 % interval and its baselines")
    table.add_column("head")
    table.add_column("h", justify="right")
    table.add_column("")
    for name in ("probability", "90 %", "prior", "climatology"):
        table.add_column(name, justify="right")
    for head in heads:
        probability = head["probability"]
        if probability is None:
            shown: tuple[RenderableType, ...] = (Text("not scored in this band", "dim"), "·", "·")
        else:
            low, high = head["interval"]
            interval = "·" if low is None else f"{100 * low:.0f}-{100 * high:.0f} %"
            shown = (_bar(probability, head["climatology"]), _percent(probability), interval)
        table.add_row(
            head["head"],
            str(head["horizon"]),
            *shown,
            _percent(head["prior"]),
            _percent(head["climatology"]),
        )
    return table


def forecast_screen(document: Mapping[str, Any]) -> Group:
    """Show one session's forecast, and why its first scored head says what it says."""
    regime = str(document["regime"])
    title = Text.assemble(
        (f"{document['session']} {document['at']}", "bold"),
        "  regime now: ",
        (regime, _REGIME_STYLE.get(regime, "")),
        f"  model {document['model_version']}",
    )
    parts: list[RenderableType] = [title, Text(), forecast_table(document["heads"])]
    scored = [head for head in document["heads"] if head["probability"] is not None]
    if scored:
        first = next((h for h in scored if h["head"] == "shift_up"), scored[0])
        parts += [Text(), why_table(document, first["head"], first["horizon"])]
    if document["data_quality"]:
        parts += [
            Text(),
            Text("doubts: " + "; ".join(map(str, document["data_quality"])), style="yellow"),
        ]
    return Group(*parts)


def _dollars(cents: float | None) -> str:
    if cents is None:
        return "·"
    return f"{'-' if cents < 0 else ''}${abs(cents) / 100:,.0f}"


def _condor(condor: Mapping[str, Any]) -> list[RenderableType]:
    name = str(condor["book"]).removeprefix("condor_").replace("_", "-")
    name = "1 DTE condor" if name == "1dte" else f"{name} DTE condor"
    if condor["decision"] != "OPEN":
        why = condor["size_reason"] or ", ".join(condor["rules"])
        return [Text.assemble((f"{name}: no new condor", "yellow"), f"  {why}")]
    head = Text.assemble(
        (f"{name}: sell {condor['quantity']}", "bold green"),
        f"  {condor['tier']}, expiry {condor['expiry']} {condor['settlement']}, "
        f"{condor['DTE']} DTE, fills {condor['fill']}",
    )
    legs = Table(box=None, pad_edge=False, header_style="dim")
    for column in ("", "qty", "strike", "", "mid", "IV", "delta"):
        legs.add_column(column, justify="left" if not column else "right")
    for leg in condor["legs"]:
        legs.add_row(
            leg["action"],
            str(leg["qty"]),
            f"{leg['strike']:,.0f}",
            "call" if leg["right"] == "C" else "put",
            f"{leg['mid']:.2f}",
            _percent(leg["iv"]),
            f"{leg['delta']:+.2f}",
        )
    money = Text(
        f"limit {condor['limit_price']:.2f} credit, at least "
        f"{condor['min_acceptable_credit']:.2f}; one earns {_dollars(condor['max_profit'])} or "
        f"loses {_dollars(condor['max_loss'])} after {_dollars(condor['fees_est'])} fees; "
        f"break-evens {condor['be_low']:,.2f} and {condor['be_high']:,.2f}"
    )
    odds = Text(
        f"win rate needed {_percent(condor['win_rate_needed'])}; probability of profit: paths "
        f"{_percent(condor['pop_model'])}, smile {_percent(condor['pop_market'])}; touched "
        f"{_percent(condor['touch_prob'])}; expected value {_dollars(condor['ev_lo'])} to "
        f"{_dollars(condor['ev_hi'])} over the uncertainty of the marks"
    )
    return [head, legs, money, odds]


def ticket_screen(ticket: Mapping[str, Any]) -> Group:
    """Show what the ticket does in each book, the rules that decided, and the hedge."""
    parts: list[RenderableType] = []
    title = f"Ticket for {ticket['ticket_session']}, from {ticket['session']} {ticket['at']}"
    if ticket["refused"]:
        parts.append(Text.assemble((title, "bold"), ("  NO TRADE: refused", "bold red")))
        parts += [
            Text(f"  {row['id']}: {row['reason']}", style="red") for row in ticket["refusals"]
        ]
    else:
        style = "bold green" if ticket["action"] == "TRADE" else "bold yellow"
        parts.append(
            Text.assemble((title, "bold"), (f"  {ticket['action'].replace('_', ' ')}", style))
        )
    parts += _sections(opening_sections(ticket))
    if not ticket["refused"]:
        for condor in ticket["condors"]:
            parts += _condor(condor)
    for order in ticket["hedge_orders"]:
        parts.append(Text(f"hedge: {_hedge_line(order)}", style="cyan"))
    if not ticket["hedge_orders"] and not ticket["refused"]:
        parts.append(Text("hedge: nothing to do", style="dim"))
    parts.append(Text(bias_line(ticket["equity_bias"]), style="dim"))
    for action in ticket["actions"]:
        rules = ", ".join(action["rules"])
        parts.append(Text(f"{action['rank']}. {action['text']}  [{rules}]", style="dim"))
    parts += _sections(closing_sections(ticket))
    if ticket["data_quality"]:
        parts.append(Text("doubts: " + "; ".join(map(str, ticket["data_quality"])), style="yellow"))
    parts.append(Text(str(ticket["disclaimer"]), style="dim italic"))
    return Group(*parts)


def _sections(sections: list[Section]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for title, lines in sections:
        parts.append(Text(title, "bold"))
        parts += [Text(f"  {line}") for line in lines]
    return parts


def _hedge_line(order: Mapping[str, Any]) -> str:
    return (
        f"{order['action']} {order['qty']} VIX {order['strike']:g}{order['right']} "
        f"{order['expiry']} "
        f"(layer {order['layer']}) at {order['limit_price']:.2f}: {order['why']}  [{order['rule']}]"
    )


def status_screen(document: Mapping[str, Any], *, width: int = 80) -> Group:
    """Show the tables, how late live rows come, and whether to trust tonight's number.

    Parameters
    ----------
    document : Mapping
        What ``status --json`` prints.
    width : int
        Columns of the terminal; from 126 on, versions and times of the last row are shown too.
    """
    health = document["health"]
    style = {"yes": "bold green", "caution": "bold yellow"}.get(health["trust"], "bold red")
    parts: list[RenderableType] = [
        _market_table(document["tables"], wide=width >= _WIDE),
        Text(),
        *_lag_parts(document["arrivals"]),
        Text(),
        Text.assemble("trust tonight's number: ", (health["trust"], style)),
    ]
    parts += [Text(f"  {reason}") for reason in health["reasons"]]
    return Group(*parts)


def _market_table(tables: Mapping[str, Mapping[str, Any]], *, wide: bool) -> Table:
    table = _table("Market store")
    more = ("versions", "last event", "last available") if wide else ()
    shown = ("table", "rows", *more[:1], "from", "to", *more[1:], "gaps", "good through", "fresh")
    for name in shown:
        table.add_column(name, justify="right" if name in ("rows", "versions", "gaps") else "left")
    fresh = {True: Text("yes", "green"), False: Text("stale", "red"), None: Text("·", "dim")}
    for name, one in tables.items():
        cells: dict[str, str | Text] = {
            "table": name,
            "rows": f"{one['rows']:,}",
            "versions": f"{one['versions']:,}",
            "from": str(one["first"] or "·")[:10],
            "to": str(one["last"] or "·")[:10],
            "last event": _minute(one["last_event"]),
            "last available": _minute(one["last_available"]),
            "gaps": f"{one['gaps']:,}",
            "good through": str(one["good_through"] or "·"),
            "fresh": fresh[one["fresh"]],
        }
        table.add_row(*(cells[column] for column in shown))
    return table


def _lag_parts(arrivals: Mapping[str, Mapping[str, Any]]) -> list[RenderableType]:
    if not arrivals:
        return [Text("No row has arrived live yet: lags show once rows come daily.", style="dim")]
    table = _table("How far live rows trail their table's rule, last 90 days")
    shown = ("table", "live rows", "median hours", "worst hours", "evenings", "late")
    for name in shown:
        table.add_column(name, justify="left" if name == "table" else "right")
    for name, lag in arrivals.items():
        table.add_row(
            name,
            f"{lag['live_rows']:,}",
            f"{lag['median_hours']:,.1f}",
            f"{lag['worst_hours']:,.1f}",
            str(lag["evenings"]),
            Text(str(lag["evenings_missed"]), "red" if lag["warning"] else ""),
        )
    warnings = [Text(lag["warning"], "yellow") for lag in arrivals.values() if lag["warning"]]
    return [table, *warnings]


def _minute(stamp: str | None) -> str:
    return "·" if stamp is None else stamp[:16].replace("T", " ")
