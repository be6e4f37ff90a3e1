"""The pictures of a run, as PNG files."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.bands import BAND_EDGES, BAND_NAMES
from models.scores import calibration_bins, log_loss_rows
from training.diagnostics import alarms, lead_times
from training.evaluate import best_baseline
from training.workers import Crew

__all__ = ["Pictures", "draw_all"]

INK, CALM, WARM, GREY = "#1f2a36", "#2b7a9b", "#c8553d", "#9aa5b1"
TOGETHER = "together"
VIX_FLOOR = 5.0
BAND_TINTS = ("#e8f1f5", "#f4f1e6", "#f7e3d4", "#f2cfc6")


class Pictures:
    """Pictures that a crew draws while the run goes on.

    Parameters
    ----------
    crew : Crew
        Who draws them.
    easel : Path
        Folder where they stand until they are hung.
    """

    def __init__(self, crew: Crew, easel: Path) -> None:
        self.crew = crew
        self.easel = easel
        self._drawn: list[Future[list[Path]]] = []

    def draw(self, pictures: Callable[..., list[Path]], *given: Any) -> None:
        """Hand over some of them: a function of the folder and what is `given`."""
        self._drawn.append(self.crew.submit(pictures, self.easel, *given))

    def hang(self, folder: Path) -> None:
        """Wait for all of them and move them to their place."""
        folder.mkdir(parents=True, exist_ok=True)
        for drawn in self._drawn:
            for picture in drawn.result():
                picture.replace(folder / picture.name)


def draw_all(
    folder: Path,
    oos: pd.DataFrame,
    spine: pd.DataFrame,
    tables: Mapping[str, pd.DataFrame],
    primary: tuple[str, ...],
) -> list[Path]:
    """Draw every picture that the out-of-sample rows allow.

    Parameters
    ----------
    folder : Path
        Gets ``reliability.png``, ``skill_by_year.png``, ``probability_timeline.png``,
        ``lead_time.png`` and, with their tables, ``group_gains.png`` and ``event_study.png``.
    oos : DataFrame
        Scored rows.
    spine : DataFrame
        For the VIX close under the probabilities.
    tables : mapping of str to DataFrame
        ``groups``, ``group_verdicts`` and ``event_study``; any may be empty.
    primary : tuple of str
        Heads, in the evening, that the pictures are about.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ids = oos["head"].astype(str) + "_" + oos["horizon"].astype(str)
    evening = oos["at"] == "evening"
    heads = {name: oos[evening & (ids == name)] for name in primary}
    heads = {name: rows for name, rows in heads.items() if not rows.empty}
    drawn: list[Path] = []
    if heads:
        drawn.append(_draw(folder / "reliability.png", _reliability, heads))
        drawn.append(_draw(folder / "skill_by_year.png", _skill_by_year, heads))
        drawn.append(_draw(folder / "probability_timeline.png", _timeline, heads, spine))
        drawn.append(_draw(folder / "lead_time.png", _lead_time, heads))
    together = tables["group_verdicts"].assign(head=TOGETHER, horizon="")
    scored = pd.concat([t.dropna(subset=["gain"]) for t in (together, tables["groups"])])
    if len(scored):
        drawn.append(_draw(folder / "group_gains.png", _group_gains, scored))
    if len(tables["event_study"]):
        drawn.append(_draw(folder / "event_study.png", _event_study, tables["event_study"]))
    return drawn


def _draw(path: Path, picture: Callable[..., Any], *args: Any) -> Path:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # no pyplot: nothing global, no display, safe in any thread
    figure = Figure(figsize=(10, 6), layout="constrained")
    FigureCanvasAgg(figure)
    picture(figure, *args)
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path


def _reliability(figure: Any, heads: dict[str, pd.DataFrame]) -> None:
    axes = figure.subplots(1, len(heads), squeeze=False)[0]
    for axis, (name, rows) in zip(axes, heads.items(), strict=True):
        y = rows["y"].to_numpy(dtype=float)
        top = 0.05
        for column, colour, label in (("p", CALM, "model"), ("prior", GREY, "path prior")):
            forecast, observed, _ = calibration_bins(y, rows[column].to_numpy(dtype=float))
            axis.plot(forecast, observed, "o-", color=colour, label=label)
            top = max(top, float(forecast.max()), float(observed.max()))
        axis.plot([0, top], [0, top], "--", color=INK, linewidth=0.8, label="perfect")
        axis.set(
            title=f"{name}: said and seen", xlabel="mean probability", ylabel="share that came"
        )
        axis.legend(frameon=False)


def _skill_by_year(figure: Any, heads: dict[str, pd.DataFrame]) -> None:
    axis = figure.subplots()
    width = 0.8 / len(heads)
    for number, (name, rows) in enumerate(heads.items()):
        y = rows["y"].to_numpy(dtype=float)
        best, reference = best_baseline(rows)
        saved = pd.Series(reference - log_loss_rows(y, rows["p"].to_numpy(dtype=float)))
        climatology = pd.Series(log_loss_rows(y, rows["climatology"].to_numpy(dtype=float)))
        years = rows["session"].dt.year.to_numpy()
        gains = saved.groupby(years).mean() / climatology.groupby(years).mean()
        place = (number - (len(heads) - 1) / 2.0) * width
        axis.bar(gains.index + place, gains, width, label=f"{name} over {best}")
    axis.axhline(0.0, color=INK, linewidth=0.8)
    axis.xaxis.get_major_locator().set_params(integer=True)
    axis.set(title="Gain by year, out of sample", ylabel="gain (share of climatology's log loss)")
    axis.legend(frameon=False)


def _timeline(figure: Any, heads: dict[str, pd.DataFrame], spine: pd.DataFrame) -> None:
    top, bottom = figure.subplots(2, 1, sharex=True, height_ratios=[1, 1])
    first = min(rows["session"].min() for rows in heads.values())
    vix = spine["vix_close"].loc[first:]
    high = max(float(vix.max()) * 1.05, 35.0)
    edges = (0.0, *BAND_EDGES, high)
    for low, upper, tint, name in zip(edges[:-1], edges[1:], BAND_TINTS, BAND_NAMES, strict=True):
        bottom.axhspan(low, upper, color=tint)
        middle = (max(low, VIX_FLOOR) + min(upper, low + 10.0)) / 2.0
        bottom.annotate(
            name,
            (1.0, middle),
            xycoords=("axes fraction", "data"),
            xytext=(4, 0),
            textcoords="offset points",
            va="center",
            fontsize=8,
            color=INK,
        )
    bottom.plot(vix.index, vix, color=INK, linewidth=0.8)
    bottom.set(ylabel="VIX close", ylim=(VIX_FLOOR, high))
    for (name, rows), colour in zip(heads.items(), (WARM, CALM, INK, GREY), strict=False):
        # a head that is not scored in a band leaves a gap, not a line across it
        whole = rows.set_index("session")["p"].reindex(vix.index)
        top.plot(whole.index, whole, color=colour, linewidth=0.7, label=name)
    top.set(title="Probability of a shift, out of sample, over the VIX", ylabel="probability")
    top.legend(frameon=False, ncol=len(heads))


def _lead_time(figure: Any, heads: dict[str, pd.DataFrame]) -> None:
    axes = figure.subplots(1, len(heads), squeeze=False)[0]
    for axis, (name, rows) in zip(axes, heads.items(), strict=True):
        y = rows["y"].to_numpy(dtype=float)
        leads = {
            label: lead_times(y, alarms(rows[column].to_numpy(dtype=float)))
            for column, label in (("p", "model"), ("prior", "path prior"))
        }
        top = int(max(np.nanmax(np.append(found, 1.0)) for found in leads.values()))
        counts = np.arange(top + 1)
        for (label, found), colour in zip(leads.items(), (CALM, GREY), strict=True):
            # share of all episodes that were called at least so many sessions before their end
            share = [float(np.mean(found >= count)) for count in counts]
            axis.step(counts, share, where="post", color=colour, label=label)
        axis.set(
            title=f"{name}: alarms on a tenth of the sessions",
            xlabel="sessions of warning, at least",
            ylabel=f"share of {len(leads['model'])} episodes",
            ylim=(0.0, 1.0),
            xlim=(0, min(top, 30)),
        )
        axis.legend(frameon=False)


def _event_study(figure: Any, study: pd.DataFrame) -> None:
    outcomes = list(dict.fromkeys(study["outcome"]))
    axes = figure.subplots(1, len(outcomes), squeeze=False)[0]
    for axis, outcome in zip(axes, outcomes, strict=True):
        rows = study[study["outcome"] == outcome]
        axis.fill_between(
            rows["horizon"], rows["effect_lo"], rows["effect_hi"], color=CALM, alpha=0.2, lw=0
        )
        axis.plot(rows["horizon"], rows["effect"], "o-", color=CALM)
        axis.axhline(0.0, color=INK, linewidth=0.8)
        axis.set(title=outcome, xlabel="sessions after", ylabel="difference to matched days")
    count = int(study["events"].max())
    figure.suptitle(
        f"After {count} cascades, against days alike in VIX and return (90 % interval, a look back)"
    )


def _group_gains(figure: Any, groups: pd.DataFrame) -> None:
    names = list(dict.fromkeys(groups["group"]))
    moments = list(dict.fromkeys(groups["at"]))
    label = (groups["head"] + " " + groups["horizon"].astype(str)).str.strip()
    most = max(label[groups["at"] == at].nunique() for at in moments)
    height = 1.5 + 0.16 * len(names) * most
    figure.set_size_inches(4.2 * len(moments) + 1.5, height)
    axes = figure.subplots(1, len(moments), sharey=True, squeeze=False)[0]
    for axis, at in zip(axes, moments, strict=True):
        questions = list(dict.fromkeys(label[groups["at"] == at]))
        for number, question in enumerate(questions):
            rows = groups[(groups["at"] == at) & (label == question)]
            place = np.array([names.index(g) for g in rows["group"]])
            error = np.stack([rows["gain"] - rows["gain_lo"], rows["gain_hi"] - rows["gain"]])
            axis.errorbar(
                rows["gain"],
                place + 0.8 * (number + 0.5) / len(questions),
                xerr=np.abs(error.astype(float)),
                fmt="D" if question == TOGETHER else "o",
                color=INK if question == TOGETHER else None,
                ms=4 if question == TOGETHER else 3,
                lw=1,
                label=question,
            )
        axis.axvline(0.0, color=INK, linewidth=0.8)
        axis.set(title=at, xlabel="gain of keeping it, 90 % interval", ylim=(len(names), -0.2))
        axis.legend(
            frameon=False, fontsize=7, loc="upper center", bbox_to_anchor=(0.5, -0.6 / height)
        )
    for axis in axes:
        axis.locator_params(axis="x", nbins=5)
        for border in range(1, len(names)):
            axis.axhline(border - 0.1, color=GREY, linewidth=0.4)
    axes[0].set_yticks(np.arange(len(names)) + 0.4, names)
    figure.suptitle("What each feature group is worth (share of climatology's log loss)")
