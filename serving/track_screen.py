"""How the track record looks in a terminal: what was said, what came true, against baselines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from features.screen import gain_text, plain_table, records_table

__all__ = ["track_screen"]

Rows = Sequence[Mapping[str, Any]]
FILL_COLUMNS = ("book", "fills", "modelled_mid", "realised", "slippage_share", "calibrated_share")


def track_screen(document: Mapping[str, Any]) -> Group:
    """Show a live track record, or a replay of history; every field is in ``--json``."""
    parts: list[RenderableType] = []
    if "sessions_recorded" in document:
        parts.append(
            Text(
                f"{document['sessions_recorded']} forecasts recorded, "
                f"{document['sessions_in_sample']} of them in-sample and left out; "
                f"{document['outcomes_new']} outcomes new, {document['outcomes_waiting']} waiting"
            )
        )
    else:
        parts.append(
            Text(
                f"{document['model_version']} replayed with its kept fold models, "
                f"until {document['until']}"
            )
        )
    parts += [Text(), _skill(document["skill"])]
    if document.get("fills"):
        rows = document["fills"]
        names = [name for name in FILL_COLUMNS if name in rows[0]]
        parts += [Text(), records_table("Fills against the model's marks", rows, names)]
    return Group(*parts)


def _skill(rows: Rows) -> RenderableType:
    if not rows:
        return Text("no forecast has an outcome yet", style="dim")
    table = plain_table("said: mean probability; seen: how often it came true")
    for name in ("at", "head"):
        table.add_column(name)
    for name in ("h", "n", "said", "seen", "ECE"):
        table.add_column(name, justify="right")
    table.add_column("gain")
    for row in rows:
        table.add_row(
            row["at"],
            row["head"],
            str(row["horizon"]),
            f"{row['n']:,}",
            f"{row['mean_probability']:.1%}",
            f"{row['base_rate']:.1%}",
            _error(row),
            gain_text(row),
        )
    return Group(table, Text("! outside what a calibrated forecast would show", style="dim"))


def _error(row: Mapping[str, Any]) -> Text:
    band = row.get("ece_band")
    outside = band is not None and row["ece"] > band[1]
    return Text(f"{row['ece']:.3f}{'!' if outside else ''}", style="red" if outside else "")
