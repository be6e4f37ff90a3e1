"""Plots of a back-test as PNG files."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from training.backtest.engine import Replay

__all__ = ["draw", "outcomes"]

_SHOWN = {
    "served": "#1f4e79",
    "rules_no_forecast": "#c55a11",
    "always_conservative": "#595959",
    "condor_30_60_only": "#2e7d32",
}
_BOOKS = {"condor_1dte": "#1f4e79", "condor_30_60": "#2e7d32", "alvh": "#c55a11"}
_APART = 3.0  # highest over lowest equity from which an axis is logarithmic
_NEAR, _FAR = 10_000, 100_000  # dollars; a linear axis that goes on to the second hides the small
_DPI = 110


def draw(folder: Path, report: Mapping[str, Any], results: dict[tuple[str, float], Replay]) -> None:
    """Draw equity and drawdown with bands, profit by rule and on event days, and outcomes.

    Parameters
    ----------
    folder : Path
        Where the PNG files go.
    report : mapping
        What `run` found.
    results : dict
        Replays by (name, band).
    """
    levels = {
        name: {band: results[name, band].daily["equity"] / 100 for n, band in results if n == name}
        for name in _SHOWN
    }
    _panels(folder / "equity.png", "Equity, dollars", levels, money=True)
    falls = {
        name: {band: (one / one.cummax() - 1) * 100 for band, one in bands.items()}
        for name, bands in levels.items()
    }
    _panels(folder / "drawdown.png", "Drawdown, percent of the peak", falls, money=False)
    _rules(folder / "by_rule.png", report["by_rule"])
    _events(folder / "events.png", report["strata"])
    _outcomes(folder / "outcomes.png", results["served", 0.0].trades)


def outcomes(trades: pd.DataFrame) -> pd.DataFrame:
    """Give what each finished condor kept of its credit.

    Parameters
    ----------
    trades : pd.DataFrame
        Of one replay.

    Returns
    -------
    pd.DataFrame
        By position `session` (its last), `book`, and `kept`: all its cash over what its opening
        brought; 1 is the whole credit. Condors that are open at the end, or were opened before the
        span, are left out.
    """
    own = trades[trades["book"].isin(["condor_1dte", "condor_30_60"])]
    grouped = own.groupby("position")
    found = grouped.agg(
        cents=("cents", "sum"),
        session=("session", "last"),
        book=("book", "first"),
        first=("what", "first"),
        credit=("cents", "first"),
        last=("what", "last"),
    )
    whole = (found["first"] == "open") & (found["last"] != "open") & (found["credit"] > 0)
    found = found[whole]
    return pd.DataFrame(
        {
            "session": pd.to_datetime(found["session"]),
            "book": found["book"],
            "kept": found["cents"] / found["credit"],
        }
    )


def _figure(rows: int, columns: int, size: tuple[float, float], **shared: Any) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(rows, columns, squeeze=False, **shared)
    for one in axes.flat:
        one.grid(alpha=0.3)
    return figure, axes


def _nothing(axes: Any, why: str) -> None:
    """Say in a panel why it is empty: a bare frame looks like a fault, a bar at zero like news."""
    axes.text(
        0.5,
        0.5,
        f"nothing to show: {why}",
        transform=axes.transAxes,
        ha="center",
        va="center",
        wrap=True,
        fontsize=9,
    )


def _blank(axes: Any) -> None:
    """Take the scales away that no value stands on; shared ones stay with the other panels."""
    axes.grid(False)
    axes.xaxis.set_visible(False)
    axes.yaxis.set_visible(False)


def _dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=8)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))


def _panels(
    path: Path, title: str, levels: Mapping[str, Mapping[float, pd.Series]], *, money: bool
) -> None:
    """One panel a variant on common axes: bands that overlap hide each other."""
    figure, axes = _figure(2, 2, (11, 7), sharex=True, sharey=True)
    for one, (name, bands) in zip(axes.flat, levels.items(), strict=True):
        one.set_title(name, fontsize=11)
        if not bands[0.0].notna().any():
            _nothing(one, "no session was replayed")
            continue
        colour, both = _SHOWN[name], pd.DataFrame(dict(bands)).dropna()
        if {-1.0, 1.0} <= set(bands):
            one.fill_between(
                both.index,
                both.min(axis=1),
                both.max(axis=1),
                color=colour,
                alpha=0.2,
                label="low to high end of the marks",
            )
        one.plot(bands[0.0].index, bands[0.0], color=colour, lw=1.2, label="central marks")
        one.legend(loc="upper left" if money else "lower left", fontsize=8)
    every = pd.concat([s for bands in levels.values() for s in bands.values()])
    if not every.notna().any():
        for one in axes.flat:
            _blank(one)
    elif money:
        if every.min() > 0 and every.max() / every.min() > _APART:
            axes[0, 0].set_yscale("log")
            _few_ticks(axes[0, 0], float(every.min()), float(every.max()))
        axes[0, 0].yaxis.set_major_formatter(_dollars)
    _dates(axes[0, 0])
    figure.suptitle(title)
    figure.savefig(path, dpi=_DPI)


def _few_ticks(axes: Any, low: float, high: float) -> None:
    from matplotlib.ticker import NullLocator

    decades = range(int(np.floor(np.log10(low))), int(np.ceil(np.log10(high))) + 1)
    ticks = [m * 10.0**d for d in decades for m in (1, 2, 5)]
    axes.set_yticks([t for t in ticks if low * 0.8 <= t <= high * 1.25])
    axes.yaxis.set_minor_locator(NullLocator())


def _dollars(value: float, _: Any = None) -> str:
    size = abs(value)
    if size >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if size >= 1e3 else f"{value:g}"


def _rules(path: Path, ends: Mapping[str, Mapping[str, Mapping[str, int]]]) -> None:
    """Dots with whiskers from the low to the high end: the ends differ by orders of magnitude."""
    # a rule that decided nothing at one end of the marks moved no cash there
    cash = {
        rule: {end: rows.get(rule, {"cents": 0})["cents"] / 100 for end, rows in ends.items()}
        for rule in sorted({rule for rows in ends.values() for rule in rows})
    }
    mid = {rule: row["mid"] for rule, row in cash.items()}
    names = sorted(mid, key=lambda rule: mid[rule])
    figure, axes = _figure(1, 1, (9, 1.5 + 0.35 * max(len(names), 1)))
    one = axes[0, 0]
    one.set_title("Cash by the rule that decided: central marks, and low to high end")
    if not names:
        _nothing(one, "no rule moved cash at any end of the marks")
        _blank(one)
        figure.savefig(path, dpi=_DPI)
        return
    for place, rule in enumerate(names):
        found = cash[rule].values()
        one.plot([min(found), max(found)], [place, place], color=_SHOWN["served"], alpha=0.35, lw=5)
        one.plot(mid[rule], place, "o", color=_SHOWN["served"])
        one.annotate(
            _dollars(round(mid[rule], -2)),
            (mid[rule], place),
            xytext=(0, 7),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )
    one.set_yticks(np.arange(len(names)), names)
    one.set_ylim(-0.6, len(names) - 0.2)
    unit = "dollars"
    if max(abs(value) for row in cash.values() for value in row.values()) > _FAR:
        one.set_xscale("symlog", linthresh=_NEAR)
        one.autoscale(axis="x")  # limits found on the linear scale would cut the longest line
        unit += f", linear within {_dollars(_NEAR)} of zero and logarithmic beyond"
    one.xaxis.set_major_formatter(_dollars)
    one.axvline(0, color="black", lw=0.8)
    one.set_xlabel(unit)
    figure.savefig(path, dpi=_DPI)


def _events(path: Path, ends: Mapping[str, Any]) -> None:
    labels = list(ends["mid"]["event"])
    figure, axes = _figure(1, len(_BOOKS), (12, 4))
    for one, (book, colour) in zip(axes.flat, _BOOKS.items(), strict=True):
        one.set_title(book, fontsize=11)
        values = {
            end: [_mean_pct(rows["event"][x], book) for x in labels] for end, rows in ends.items()
        }
        table = np.array(list(values.values()))
        if not (np.abs(table) > 0).any():
            seen = np.isfinite(table).any()
            _nothing(one, "this book neither won nor lost" if seen else "no session was replayed")
            _blank(one)
            continue
        place = np.arange(len(labels))
        one.bar(place, values["mid"], color=colour, alpha=0.8)
        one.vlines(place, table.min(axis=0), table.max(axis=0), color="black", lw=1.2)
        sessions = [ends["mid"]["event"][x]["sessions"] for x in labels]
        one.set_xticks(
            place, [f"{x}\n{n:,}" for x, n in zip(labels, sessions, strict=True)], fontsize=8
        )
        one.set_xlim(-0.6, len(labels) - 0.4)  # a label without a bar keeps its place
        one.axhline(0, color="black", lw=0.8)
    axes[0, 0].set_ylabel("hundredths of a percent of equity")
    figure.suptitle(
        "Mean profit a session by release, with the number of sessions; "
        "bars at central marks, lines from low to high end"
    )
    figure.savefig(path, dpi=_DPI)


def _mean_pct(row: Mapping[str, Any], book: str) -> float:
    """Give hundredths of a percent a session; NaN without sessions, where zero would be a claim."""
    return 100 * row["pct"][book] / row["sessions"] if row["sessions"] else np.nan


def _outcomes(path: Path, trades: pd.DataFrame) -> None:
    figure, axes = _figure(2, 1, (11, 7), sharex=True)
    found = outcomes(trades)
    for one, book in zip(axes.flat, ("condor_1dte", "condor_30_60"), strict=True):
        part = found[found["book"] == book]
        if part.empty:
            one.set_title(book, fontsize=11)
            _nothing(one, "no condor of this book was both opened and closed in the span")
            one.yaxis.set_visible(False)
            continue
        won = part["kept"] > 0
        for which, colour, word in ((won, "#2e7d32", "gain"), (~won, "#b71c1c", "loss")):
            one.scatter(
                part["session"][which],
                part["kept"][which],
                s=7,
                color=colour,
                alpha=0.5,
                label=f"{word}: {int(which.sum()):,}",
            )
        one.set_title(f"{book}: mean {part['kept'].mean():+.2f} of the credit", fontsize=11)
        one.set_ylabel("credits kept")
        one.axhline(0, color="black", lw=0.8)
        one.legend(loc="lower left", fontsize=8)
    _dates(axes[0, 0])
    if found.empty:
        for one in axes.flat:
            _blank(one)
    figure.suptitle("Outcome of each condor at central marks: 1 is the whole credit kept")
    figure.savefig(path, dpi=_DPI)
