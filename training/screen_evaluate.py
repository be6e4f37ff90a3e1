"""How `evaluate` looks in a terminal: skill, calibration, alarms, corrected claims, strata."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from features.screen import gain_text, plain_table
from training.screen import gate_table, group_tables, skill_tables

__all__ = ["evaluate_screen"]

Rows = Sequence[Mapping[str, Any]]


def evaluate_screen(document: Mapping[str, Any], primary: Sequence[str]) -> Group:
    """Show a run judged again; strata only of the primary heads, all of them are in ``--json``."""
    compared = document["baselines"]
    parts: list[RenderableType] = [
        Text(f"{document['model_version']}, until {document['until']}", "bold"),
        Text(f"baselines compared: {', '.join(compared['compared'])}"),
    ]
    reasons = dict.fromkeys(row["why"] for row in compared["left_out"])
    for why in reasons:
        names = ", ".join(row["baseline"] for row in compared["left_out"] if row["why"] == why)
        parts.append(Text(f"left out: {names}: {why}", "yellow"))
    parts += [Text(), skill_tables(document["skill"]), Text(), _claims(document["claims"])]
    parts += [Text(), _diagnostics(document["diagnostics"])]
    if document["groups"]:
        parts += [Text(), group_tables(document["groups"], document["group_verdicts"])]
    parts += [Text(), *_strata(document["strata"], primary), gate_table(document["gates"])]
    return Group(*parts, Text(f"out-of-sample rows {document['oos_path']}; all strata: --json"))


def _claims(rows: Rows) -> RenderableType:
    table = plain_table("Skill, corrected over all heads")
    table.add_column("at")
    table.add_column("head")
    for name in ("h", "p", "Holm p", "B-H q"):
        table.add_column(name, justify="right")
    for row in rows:
        if row["q_bh"] is not None and row["q_bh"] <= 0.10:
            figures = (_small(row[name]) for name in ("p_value", "p_holm", "q_bh"))
            table.add_row(row["at"], row["head"], str(row["horizon"]), *figures)
    note = f"{len(rows) - table.row_count} other heads have q above 0.10 (Benjamini-Hochberg)"
    return Group(table, Text(note, "dim"))


def _diagnostics(rows: Rows) -> RenderableType:
    table = plain_table("At a 10 % alarm rate; Brier parts x 1000; coverage of the 90 % interval")
    table.add_column("at")
    table.add_column("head")
    for name in ("h", "hit", "false", "lead", "reliab.", "resol.", "PR-AUC", "cover"):
        table.add_column(name, justify="right")
    for row in rows:
        table.add_row(
            row["at"],
            row["head"],
            str(row["horizon"]),
            _figure(row["hit_rate"], ".0%"),
            _figure(row["false_alarm_rate"], ".0%"),
            _figure(row["lead_median_sessions"], ".0f"),
            _figure(row["brier_reliability"], ".1f", 1000.0),
            _figure(row["brier_resolution"], ".1f", 1000.0),
            _figure(row["pr_auc"], ".2f"),
            _figure(row["interval_coverage"], ".0%"),
        )
    return table


def _strata(rows: Rows, primary: Sequence[str]) -> list[RenderableType]:
    parts: list[RenderableType] = []
    for key in primary:
        table = plain_table(f"evening {key}, part by part")
        table.add_column("of")
        table.add_column("part")
        table.add_column("n", justify="right")
        table.add_column("rate", justify="right")
        table.add_column("gain")
        for row in rows:
            if row["at"] == "evening" and f"{row['head']}_{row['horizon']}" == key:
                rate = _figure(row["base_rate"], ".0%")
                table.add_row(row["kind"], row["stratum"], f"{row['n']:,}", rate, gain_text(row))
        parts += [table, Text()]
    return parts


def _small(p: float) -> str:
    return "< 0.0001" if p < 0.0001 else f"{p:.4f}"


def _figure(value: float | None, form: str, scale: float = 1.0) -> str:
    return "·" if value is None else format(value * scale, form)
