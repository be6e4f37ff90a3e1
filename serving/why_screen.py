"""How reasons look in a terminal: one forecast, and their drift over sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group
from rich.table import Table
from rich.text import Text

from serving.reasons import LAST, OFFSET, PRIOR, TOTAL, explain_rows, start_name

__all__ = ["drift_screen", "groups_line", "percent", "plain_table", "why_table"]

_REASONS = 6
_GROUPS = 3
_CHANGES = 8
_SESSIONS = 20


def plain_table(title: str) -> Table:
    """Make an empty table in the house's look."""
    return Table(title=title, title_justify="left", header_style="bold", box=None, pad_edge=False)


def percent(value: float | None) -> str:
    """Write a probability as a percentage; a dot where there is none."""
    return "·" if value is None else f"{100 * value:.1f} %"


def why_table(document: Mapping[str, Any], head: str, horizon: int) -> Table:
    """Show what leads from the path prior to one probability, in log odds and in points."""
    prior, *terms, total = explain_rows(document, head, horizon)
    start = start_name(head)
    table = plain_table(f"Why: {head} {horizon}, from the {start}, in terms that add up")
    table.add_column("term")
    for name in ("value", "log odds", "points"):
        table.add_column(name, justify="right")
    table.add_row(start, "", f"{prior['log_odds']:+.3f}", percent(prior["probability"]))
    named = {row["term"]: row for row in terms if row["term"] in (OFFSET, *LAST)}
    features = [row for row in terms if row["term"] not in named]
    _why_row(table, named[OFFSET])
    for row in features[:_REASONS]:
        _why_row(table, row)
    if len(features) > _REASONS:
        rest = features[_REASONS:]
        push, points = sum(r["log_odds"] for r in rest), sum(r["points"] for r in rest)
        table.add_row(f"{len(rest)} other features", "", f"{push:+.3f}", f"{points:+.1f}")
    for name in LAST:
        if name in named:
            _why_row(table, named[name])
    total_odds = f"{total['log_odds']:+.3f}"
    table.add_row("= forecast", "", total_odds, percent(total["probability"]), style="bold")
    return table


def _why_row(table: Table, row: Mapping[str, Any]) -> None:
    value = "" if row["value"] is None else f"{row['value']:,.4g}"
    table.add_row(row["term"], value, f"{row['log_odds']:+.3f}", f"{row['points']:+.1f}")


def groups_line(rows: Sequence[Mapping[str, Any]]) -> Text:
    """Sum the features' log odds and points by group, the largest first.

    Parameters
    ----------
    rows : sequence of mapping
        From `serving.reasons.explain_rows`.
    """
    pushes: dict[str, float] = {}
    points: dict[str, float] = {}
    for row in rows:
        if row["term"] not in (PRIOR, OFFSET, TOTAL, *LAST):
            pushes[row["group"]] = pushes.get(row["group"], 0.0) + row["log_odds"]
            points[row["group"]] = points.get(row["group"], 0.0) + row["points"]
    order = sorted(pushes, key=lambda group: (-abs(pushes[group]), group))
    parts = [f"{group} {pushes[group]:+.3f} ({points[group]:+.1f})" for group in order]
    return Text("by group, log odds (points): " + (", ".join(parts) or "no feature contributes"))


def drift_screen(found: Mapping[str, Any], head: str, horizon: int) -> Group:
    """Show how the reasons of a head drift: sessions evenly thinned, then the largest changes."""
    sessions = list(found["sessions"])
    size: dict[str, float] = {}
    for row in sessions:
        for name, push in (row["terms"] or {}).items():
            size[name] = max(size.get(name, 0.0), abs(push))
    others = sorted(set(size) - {PRIOR, OFFSET}, key=lambda name: (-size[name], name))
    shown = [PRIOR, OFFSET, *others[:_GROUPS]]
    table = plain_table(f"{head} {horizon}: what its log odds are made of, by session")
    table.add_column("session", no_wrap=True)
    for name in (*shown, "rest", "log odds", "chance"):
        table.add_column(name, justify="right")
    for row in _thin(sessions):
        terms = row["terms"]
        if terms is None:
            table.add_row(row["session"], *["·"] * (len(shown) + 3))
            continue
        pushes = [terms.get(name, 0.0) for name in shown]
        pushes += [row["log_odds"] - sum(pushes), row["log_odds"]]
        table.add_row(
            row["session"], *(f"{push:+.2f}" for push in pushes), percent(row["probability"])
        )
    moved = plain_table("What changed most between the first and the last scored session, log odds")
    moved.add_column("term")
    moved.add_column("group")
    for name in ("first", "last", "change"):
        moved.add_column(name, justify="right")
    for row in found["changes"][:_CHANGES]:
        cells = [f"{row[name]:+.3f}" for name in ("first", "last", "change")]
        moved.add_row(row["term"], row["group"], *cells)
    return Group(table, Text(), moved)


def _thin(rows: Sequence[Any]) -> list[Any]:
    """At most `_SESSIONS` rows, evenly spaced, the first and the last among them."""
    if len(rows) <= _SESSIONS:
        return list(rows)
    step = (len(rows) - 1) / (_SESSIONS - 1)
    return [rows[round(i * step)] for i in range(_SESSIONS)]
