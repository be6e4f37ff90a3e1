"""Reasons as pictures: the waterfall of one forecast, and their drift over sessions."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from serving.reasons import LAST, OFFSET, PRIOR, TOTAL

__all__ = ["draw_drift", "draw_waterfall"]

INK, UP, DOWN, GREY = "#1f2a36", "#c8553d", "#2b7a9b", "#9aa5b1"
COLOURS = ("#9aa5b1", "#1f2a36", "#c8553d", "#2b7a9b", "#d9a441", "#6b8f71", "#8e6c8a", "#c3b299")
FEATURES = 10


def draw_waterfall(
    path: Path, rows: Sequence[Mapping[str, Any]], title: str, *, start: str = "path prior"
) -> Path:
    """Draw the way from the prior to the forecast, bar by bar, in log odds.

    Parameters
    ----------
    path : Path
        PNG to write, whole or not at all.
    rows : sequence of mapping
        From `serving.reasons.explain_rows`.
    title : str
    start : str
        Name of the prior.
    """
    bars = _bars(rows, start)
    figure, axis = _figure(9.0, 1.6 + 0.36 * len(bars))
    stand = 0.0
    for place, (_, push, label) in enumerate(bars):
        whole = place in (0, len(bars) - 1)
        left = 0.0 if whole else stand
        colour = GREY if place == 0 else INK if whole else UP if push > 0 else DOWN
        axis.barh(place, push, left=left, color=colour, height=0.62)
        end = left + push
        if not whole:
            axis.plot([stand, stand], [place - 1, place], color=GREY, linewidth=0.7, zorder=0)
        side = 1 if push >= 0 else -1
        axis.annotate(
            label,
            (end, place),
            xytext=(5 * side, 0),
            textcoords="offset points",
            ha="left" if side > 0 else "right",
            va="center",
            fontsize=8,
            color=INK,
        )
        stand = end
    axis.set_yticks(range(len(bars)), [name for name, _, _ in bars], fontsize=8)
    axis.invert_yaxis()
    axis.axvline(0.0, color=INK, linewidth=0.8)
    axis.use_sticky_edges = False
    axis.margins(x=0.14)
    axis.spines[["top", "right"]].set_visible(False)
    axis.set(title=title, xlabel="log odds (0 is fifty-fifty); terms add up to the forecast")
    return _save(figure, path)


def draw_drift(path: Path, sessions: Sequence[Mapping[str, Any]], title: str) -> Path:
    """Draw probability by session, and below it what it is made of, in log odds.

    Parameters
    ----------
    sessions : sequence of mapping
        Rows ``sessions`` of `serving.reasons.drift`; one that is not scored leaves a gap.
    """
    import pandas as pd

    days = pd.DatetimeIndex([row["session"] for row in sessions])
    place = np.arange(len(days))
    names = list(dict.fromkeys(n for row in sessions for n in (row["terms"] or {})))
    parts = {
        name: np.array([(row["terms"] or {}).get(name, np.nan) for row in sessions])
        for name in names
    }
    parts = _largest(parts)
    figure, (top, bottom) = _figure(10.0, 7.0, rows=2)
    p = np.array([np.nan if row["probability"] is None else row["probability"] for row in sessions])
    top.plot(place, 100.0 * p, color=INK, marker="." if len(days) < 60 else None)
    top.set(title=title, ylabel="probability, %")
    above, below = np.zeros(len(days)), np.zeros(len(days))
    for (name, values), colour in zip(parts.items(), COLOURS, strict=False):
        filled = np.nan_to_num(values)
        start = np.where(filled > 0, above, below)
        bottom.bar(place, filled, bottom=start, width=0.9, color=colour, label=name)
        above += np.maximum(filled, 0.0)
        below += np.minimum(filled, 0.0)
    total = np.array([np.nan if r["log_odds"] is None else r["log_odds"] for r in sessions])
    bottom.plot(place, total, color="black", linewidth=1.2, label="forecast")
    bottom.axhline(0.0, color=INK, linewidth=0.8)
    bottom.set(ylabel="log odds")
    ticks = np.unique(np.linspace(0, len(days) - 1, min(len(days), 8)).round().astype(int))
    bottom.set_xticks(ticks, [f"{days[i]:%Y-%m-%d}" for i in ticks], fontsize=8)
    bottom.legend(
        frameon=False, fontsize=8, ncols=4, loc="upper center", bbox_to_anchor=(0.5, -0.1)
    )
    for axis in (top, bottom):
        axis.spines[["top", "right"]].set_visible(False)
    return _save(figure, path)


def _bars(rows: Sequence[Mapping[str, Any]], start: str) -> list[tuple[str, float, str]]:
    """Prior, offset, the largest features, the rest as one, other terms if not zero, total."""
    named = {row["term"]: row for row in rows if row["term"] in (PRIOR, OFFSET, TOTAL, *LAST)}
    features = [row for row in rows if row["term"] not in named]
    bars = [
        (start, *_bar(named[PRIOR])[1:]),
        _bar(named[OFFSET]),
        *map(_bar, features[:FEATURES]),
    ]
    if rest := features[FEATURES:]:
        push, points = sum(r["log_odds"] for r in rest), sum(r["points"] for r in rest)
        bars.append((f"{len(rest)} other features", push, f"{points:+.1f} points"))
    bars += [_bar(named[name]) for name in LAST if name in named and named[name]["log_odds"]]
    return [*bars, _bar(named[TOTAL])]


def _bar(row: Mapping[str, Any]) -> tuple[str, float, str]:
    if row["term"] in (PRIOR, TOTAL):
        return "= forecast", row["log_odds"], f"{100 * row['probability']:.1f} %"
    value = "" if row["value"] is None else f" = {row['value']:,.4g}"
    return f"{row['term']}{value}", row["log_odds"], f"{row['points']:+.1f} points"


def _largest(parts: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Keep the prior and the largest other terms; the rest becomes one."""
    size = {name: float(np.nansum(np.abs(values))) for name, values in parts.items()}
    order = sorted((n for n in parts if size[n] > 0.0), key=lambda n: (n != PRIOR, -size[n]))
    room = len(COLOURS)
    if len(order) <= room:
        return {name: parts[name] for name in order}
    kept = {name: parts[name] for name in order[: room - 1]}
    kept["others"] = np.nansum([parts[name] for name in order[room - 1 :]], axis=0)
    return kept


def _figure(width: float, height: float, *, rows: int = 1) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # no pyplot: nothing global, no display, safe in any thread
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    if rows == 1:
        return figure, figure.subplots()
    return figure, figure.subplots(rows, 1, sharex=True, height_ratios=[2, 3])


def _save(figure: Any, path: Path) -> Path:
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("wb") as stream:
        figure.savefig(stream, format="png", dpi=110, metadata={"Software": None})
        stream.flush()
        os.fsync(stream.fileno())
    beside.replace(path)
    return path
