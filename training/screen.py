"""How the laboratory's answers look in a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from string import ascii_lowercase
from typing import Any

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from features.screen import gain_text, plain_table

__all__ = [
    "demo_screen",
    "gate_table",
    "group_tables",
    "retrain_screen",
    "runs_table",
    "skill_tables",
    "tuning_screen",
]


def _number(value: float | None, form: str) -> str:
    return "·" if value is None else format(value, form)


def skill_tables(skill: Sequence[Mapping[str, Any]]) -> Group:
    """Show, moment by moment, each head's gain over its best baseline, with its interval."""
    parts: list[RenderableType] = [
        Text("Skill out of sample: gain in log loss over the best baseline, 90 % interval", "bold")
    ]
    for at in dict.fromkeys(row["at"] for row in skill):
        table = plain_table(str(at))
        table.add_column("head")
        for name in ("h", "n"):
            table.add_column(name, justify="right")
        table.add_column("best baseline")
        table.add_column("gain")
        table.add_column("ECE", justify="right")
        for row in skill:
            if row["at"] == at:
                table.add_row(
                    row["head"],
                    str(row["horizon"]),
                    f"{row['n']:,}",
                    row["best_baseline"],
                    gain_text(row),
                    _number(row["ece"], ".3f"),
                )
        parts += [table]
    return Group(*parts)


def baselines_line(baselines: Mapping[str, Any]) -> Text:
    """Name what "the best baseline" was the best of, and what was left out."""
    line = Text("Baselines compared: " + ", ".join(baselines["compared"]), style="dim")
    for row in baselines["left_out"]:
        line.append(f"\nleft out: {row['baseline']} ({row['why']})", style="yellow")
    return line


def group_tables(
    groups: Sequence[Mapping[str, Any]], verdicts: Sequence[Mapping[str, Any]]
) -> Group:
    """Show what each feature group was worth; an interval that crosses zero adds nothing."""
    marks = _footnotes(groups)
    parts: list[RenderableType] = [
        Text("Does a feature group earn its place? Gain with it over a refit without it", "bold"),
        Text("* stands after correction over all groups, moments and heads", "dim"),
        *(Text(f"{mark} {note}", "dim") for note, mark in marks.items()),
    ]
    for at in dict.fromkeys(row["at"] for row in groups):
        table = plain_table(str(at))
        table.add_column("group")
        table.add_column("head")
        table.add_column("h", justify="right")
        table.add_column("gain")
        table.add_column("")
        for verdict in verdicts:
            if verdict["at"] == at:
                mine = [r for r in groups if r["at"] == at and r["group"] == verdict["group"]]
                table.add_row(verdict["group"], "together", "", *_worth(verdict, marks))
                for row in mine:
                    table.add_row("", row["head"], str(row["horizon"]), *_worth(row, marks))
        parts += [table]
    return Group(*parts)


def _worth(row: Mapping[str, Any], marks: Mapping[str, str]) -> tuple[Text, str]:
    return gain_text(row), "*" if row["useful"] else marks.get(row["note"] or "", "")


def direction_screen(rows: Sequence[Mapping[str, Any]]) -> Group:
    """Show whether liquidations know more than equity and VIX moves up to the same moment."""
    marks = _footnotes(rows)
    table = plain_table("Which way does it run? Gain over what the other side's moves said already")
    for name in ("question", "at", "target"):
        table.add_column(name)
    table.add_column("gain")
    table.add_column("")
    for row in rows:
        target = f"{row['head']} {row['horizon']}"
        mark = marks.get(row["note"] or "", "")
        table.add_row(row["question"], row["at"], target, gain_text(row), mark)
    return Group(table, *(Text(f"{mark} {note}", "dim") for note, mark in marks.items()))


def _footnotes(rows: Sequence[Mapping[str, Any]]) -> dict[str, str]:
    notes = dict.fromkeys(str(row["note"]) for row in rows if row["note"])
    return dict(zip(notes, ascii_lowercase, strict=False))


def study_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Show what followed cascades, less what followed matched days."""
    table = plain_table("After cascades, less matched days (a look back, no forecast)")
    table.add_column("outcome")
    for name in ("sessions", "events", "difference", "90 % interval"):
        table.add_column(name, justify="right")
    for row in rows:
        interval = f"[{row['effect_lo']:+.2f}, {row['effect_hi']:+.2f}]"
        table.add_row(
            row["outcome"],
            str(row["horizon"]),
            str(row["events"]),
            f"{row['effect']:+.2f}",
            interval,
        )
    return table


def translation_screen(told: Mapping[str, Any]) -> Group:
    """Show what cascades became, what tells which, and whether it beat knowing nothing."""
    counted = (
        f"{told['sessions']} cascade sessions in {told['clusters']} independent clusters: "
        f"{told['weak']} became weakness (SPX {told['fall_pct']:.0f} % within {told['horizon']} "
        f"sessions), {told['fleeting']} a fleeting volatility pop"
    )
    parts: list[RenderableType] = [Text("Does a cascade become equity weakness?", "bold")]
    parts.append(Text(counted))
    lead = told["lead"]
    if lead is not None:
        parts.append(
            Text(
                f"weakness after cascades {100 * lead['after_cascade']:.1f} %, else "
                f"{100 * lead['else']:.1f} %; beyond VIX and the day's return "
                f"{lead['log_odds']:+.2f} log odds [{lead['lo']:+.2f}, {lead['hi']:+.2f}]"
            )
        )
    if told["reason"] is not None:
        parts.append(Text(f"no score: {told['reason']}", "yellow"))
    table = plain_table("Log odds for one standard deviation")
    table.add_column("input")
    for name in ("known", "log odds", "90 % interval"):
        table.add_column(name, justify="right")
    for row in told["coefficients"]:
        table.add_row(
            row["input"],
            f"{100 * row['known']:.0f} %",
            f"{row['coefficient']:+.2f}",
            f"[{row['lo']:+.2f}, {row['hi']:+.2f}]",
        )
    skill = plain_table("Out of sample, gain in log loss")
    for name in ("forecast", "against"):
        skill.add_column(name)
    skill.add_column("n", justify="right")
    skill.add_column("gain")
    for row in told["skill"]:
        skill.add_row(row["forecast"], row["against"], f"{row['n']:,}", gain_text(row))
    if told["coefficients"]:
        parts.append(table)
    return Group(*parts, skill)


def gate_table(gates: Sequence[Mapping[str, Any]]) -> Table:
    """Show each gate, whether it passed, and why."""
    table = plain_table("Gates")
    table.add_column("gate")
    table.add_column("passed")
    table.add_column("detail", overflow="fold")
    for gate in gates:
        passed = gate["passed"]
        mark = Text("·" if passed is None else "yes" if passed else "no")
        mark.stylize("green" if passed else "red" if passed is False else "dim")
        table.add_row(gate["gate"], mark, gate["detail"])
    return table


def retrain_screen(report: Mapping[str, Any]) -> Group:
    """Show the outcome of a retrain: verdict, gates, skill, groups."""
    verdict = "promoted" if report["promoted"] else "kept as challenger, not promoted"
    if report["fallback"]:
        verdict += "; it answers with the baseline, because the model has not beaten it"
    parts: list[RenderableType] = [
        Text(f"{report['model_version']}: {verdict}", style="bold"),
        Text(
            f"until {report['until']}, {report['seconds']:.0f} s, "
            f"run {report['run_id'] or 'not tracked'}"
        ),
        Text(),
        gate_table(report["gates"]),
        Text(),
        skill_tables(report["skill"]),
        baselines_line(report["baselines"]),
    ]
    if report["groups"]:
        parts += [Text(), group_tables(report["groups"], report["group_verdicts"])]
    if report["direction"]:
        parts += [Text(), direction_screen(report["direction"])]
    if report["event_study"]:
        parts += [Text(), study_table(report["event_study"])]
    if report.get("translation"):
        parts += [Text(), translation_screen(report["translation"])]
    return Group(*parts)


def runs_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """Show what was trained, newest last; gains are those of the primary heads."""
    table = plain_table("Runs")
    table.add_column("version", no_wrap=True)
    table.add_column("is")
    heads = list(dict.fromkeys(name for row in rows for name in row["gains"]))
    for name in heads:
        table.add_column(name, justify="right")
    table.add_column("s", justify="right")
    table.add_column("MLflow run", no_wrap=True)
    for row in rows:
        state = "champion" if row["champion"] else "promoted" if row["promoted"] else "kept"
        gains = [_number(row["gains"].get(name), "+.4f") for name in heads]
        run = row["run_id"][:12] if row["run_id"] else "not tracked"
        table.add_row(
            row["model_version"],
            f"{state}{', fallback' * bool(row['fallback'])}",
            *gains,
            f"{row['seconds']:.0f}",
            run,
        )
    return table


def tuning_screen(tuning: Mapping[str, Any]) -> Group:
    """Show what a search found, and whether the default stays."""
    verdict = "the winner replaces the default" if tuning["accepted"] else "the default stays"
    table = plain_table("Settings")
    table.add_column("setting")
    for name in ("default", "best trial"):
        table.add_column(name, justify="right")
    for name, value in tuning["default"].items():
        table.add_row(name, f"{value:g}", f"{tuning['best'][name]:g}")
    risk = tuning["overfitting"]
    return Group(
        Text(verdict, style="bold"),
        Text(
            f"{tuning['trials']} trials, {tuning['pruned']} pruned, on {tuning['span']['first']} "
            f"to {tuning['span']['search_last']}; judged to {tuning['span']['last']}"
        ),
        Text(f"search loss {tuning['best_loss']:.4f}, default {tuning['default_loss']:.4f}"),
        Text(
            f"held-back gain over the default {tuning['held_gain']:+.4f} "
            f"[{tuning['held_lo']:+.4f}, {tuning['held_hi']:+.4f}]"
        ),
        Text(
            "probability of overfitting "
            + ("unknown: one trial" if risk is None else f"{risk:.2f}")
            + ("" if tuning["reproducible"] else "; several workers: not reproducible")
        ),
        table,
        Text(f"study {tuning['storage']}"),
    )


def demo_screen(
    *, home: str, retrain: Mapping[str, Any], forecast: Mapping[str, Any], ticket: Mapping[str, Any]
) -> Group:
    """Show the whole of the main job on one screen: forecast, why, ticket, skill, where it lies."""
    from serving.screen import forecast_screen, ticket_screen

    rule = Rule(style="dim")
    return Group(
        Rule("Stormpetrel on a simulated market", style="bold"),
        forecast_screen(forecast),
        rule,
        ticket_screen(ticket),
        rule,
        gate_table(retrain["gates"]),
        Text(),
        skill_tables(retrain["skill"]),
        rule,
        Text(f"market, runs, scores   {home}"),
        Text(f"out-of-sample rows     {retrain['oos_path']}"),
        Text("MLflow UI              make ui"),
    )
