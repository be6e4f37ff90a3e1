"""Markdown tables of the results page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

__all__ = ["cells", "table"]


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """Lay out a Markdown table, one line a row."""
    return [
        f"| {' | '.join(heads)} |",
        f"|{'---|' * len(heads)}",
        *(f"| {' | '.join(row)} |" for row in rows),
    ]


def cells(rows: Sequence[Mapping[str, Any]], key: str, how: str) -> str:
    """Join one figure of several rows, low to high end; an unknown one is a dash."""
    return " / ".join("-" if row[key] is None else format(row[key], how) for row in rows)
