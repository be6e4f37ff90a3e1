"""Plots of a back-test as PNG files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.backtest.engine import Replay

__all__ = ["draw"]

_SHOWN = ("served", "rules_no_forecast", "always_conservative")
_COLOURS = ("#1f4e79", "#c55a11", "#7f7f7f")


def draw(folder: Path, report: dict[str, Any], results: dict[tuple[str, float], Replay]) -> None:
    """Draw equity with bands, drawdown, profit by rule and on event days, and outcomes.

    Parameters
    ----------
    folder : Path
        Where the PNG files go.
    report : dict
        What `run` found.
    results : dict
        Replays by (name, band).
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    def page(name: str, title: str, unit: str) -> tuple[Any, Any]:
        figure = Figure(figsize=(9, 4.5), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        axes.set_title(title)
        axes.set_ylabel(unit)
        axes.grid(alpha=0.3)
        return figure, axes

    figure, axes = page("equity", "Equity, with the smile's band", "dollars")
    for name, colour in zip(_SHOWN, _COLOURS, strict=True):
        mid = results[name, 0.0].daily["equity"] / 100
        axes.plot(mid.index, mid, color=colour, label=name)
        ends = [results[name, b].daily["equity"] / 100 for b in (-1.0, 1.0) if (name, b) in results]
        if len(ends) == 2:
            both = pd.concat(ends, axis=1).dropna()
            axes.fill_between(
                both.index, both.min(axis=1), both.max(axis=1), color=colour, alpha=0.15
            )
    axes.set_yscale("log")  # the ends of the one-day band grow apart by compounding
    axes.legend()
    figure.savefig(folder / "equity.png", dpi=110)

    figure, axes = page("drawdown", "Drawdown", "percent")
    for name, colour in zip(_SHOWN, _COLOURS, strict=True):
        level = results[name, 0.0].daily["equity"]
        axes.plot(level.index, (level / level.cummax() - 1) * 100, color=colour, label=name)
    axes.legend()
    figure.savefig(folder / "drawdown.png", dpi=110)

    _bars(
        page,
        folder / "by_rule.png",
        "Cash by deciding rule",
        {rule: row["cents"] / 100 for rule, row in report["by_rule"].items()},
    )
    _bars(
        page,
        folder / "events.png",
        "Condor profit per session, by release",
        {
            name: (row["condor_1dte"] + row["condor_30_60"]) / 100 / max(row["sessions"], 1)
            for name, row in report["strata"]["event"].items()
        },
    )
    figure, axes = page("outcomes", "Outcome of each condor", "profit, dollars")
    trades = results["served", 0.0].trades
    own = trades[trades["book"].str.startswith("condor")]
    final = own.groupby("position").agg(
        cents=("cents", "sum"),
        session=("session", "last"),
        book=("book", "first"),
        last=("what", "last"),
    )
    final = final[final["last"] != "open"]  # what is still open has no outcome
    for name, colour in zip(("condor_1dte", "condor_30_60"), _COLOURS, strict=False):
        part = final[final["book"] == name]
        axes.scatter(
            pd.to_datetime(part["session"]), part["cents"] / 100, s=6, color=colour, label=name
        )
    axes.legend()
    figure.savefig(folder / "outcomes.png", dpi=110)


def _bars(page: Any, path: Path, title: str, values: dict[str, float]) -> None:
    figure, axes = page(path.stem, title, "dollars")
    names = sorted(values, key=lambda name: values[name])
    axes.barh(np.arange(len(names)), [values[name] for name in names], color=_COLOURS[0])
    axes.set_yticks(np.arange(len(names)), names)
    axes.set_ylabel("")
    axes.set_xlabel("dollars")
    figure.savefig(path, dpi=110)
