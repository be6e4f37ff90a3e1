"""The verb `explain`: reasons of one session or of a span, as a screen, JSON and a picture."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from rich.console import Group, RenderableType
from rich.text import Text

from features.errors import HomeError, UsageError
from features.home import Home
from features.sessions import calendar
from serving.champion import load_champion
from serving.evidence import gather
from serving.reasons import drift, explain_rows, start_name, told
from serving.why_plot import draw_drift, draw_waterfall
from serving.why_screen import drift_screen, groups_line, why_table

__all__ = ["Explanation", "explain_session", "explain_span"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class Explanation:
    """What `explain` gives: JSON, a renderable for the terminal, and the picture it wrote."""

    document: dict[str, Any]
    screen: RenderableType
    picture: Path


def explain_session(
    home: Home,
    sessions: pd.DatetimeIndex,
    at: str,
    head: str,
    horizon: int,
    *,
    png: Path | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Explain one probability; nothing is recorded.

    Parameters
    ----------
    sessions : pd.DatetimeIndex
        One session.
    png : Path, optional
        Picture to write; by default ``scores/why/<session>-<at>-<head>-<horizon>.png``.
    """
    days = _required(sessions)
    (document,) = told(home, days, at, progress=progress)
    rows = explain_rows(document, head, horizon)
    name = f"{document['session']}-{at}-{head}-{horizon}.png"
    doubts = document["data_quality"]
    error = _prior_error(home, days, at, head, horizon)
    start = start_name(head)
    title = f"{head} {horizon}, {document['session']} {at}: from the {start} to the forecast"
    picture = draw_waterfall(_place(home, png, name), rows, title, start=start)
    out = {
        "session": document["session"],
        "at": at,
        "head": head,
        "horizon": horizon,
        "model_version": document["model_version"],
        "data_quality": doubts,
        "prior_monte_carlo_error": error,
        "rows": rows,
        "picture": str(picture),
    }
    title_line = Text(f"{document['session']} {at}  model {document['model_version']}", "bold")
    parts: list[RenderableType] = [
        title_line,
        why_table(document, head, horizon),
        groups_line(rows),
    ]
    if error is not None:
        how = f"the path prior is a share of simulated paths: give or take {100 * error:.1f} points"
        parts.append(Text(how, style="dim"))
    parts += _doubts(doubts)
    return Explanation(out, Group(*parts), picture)


def explain_span(
    home: Home,
    sessions: pd.DatetimeIndex,
    at: str,
    head: str,
    horizon: int,
    *,
    png: Path | None = None,
    progress: Progress | None = None,
) -> Explanation:
    """Show how the reasons of a head drift over sessions; nothing is recorded.

    Parameters
    ----------
    sessions : pd.DatetimeIndex
        Two or more, rising.
    png : Path, optional
        Picture to write; by default ``scores/why/<first>-to-<last>-<at>-<head>-<horizon>.png``.
    """
    days = _required(sessions)
    if len(days) < 2:
        raise UsageError(
            f"a drift needs two sessions or more, got {len(days)}. Widen --from and --to, or ask "
            "for one session with --date."
        )
    documents = told(home, days, at, progress=progress)
    found = drift(documents, head, horizon)
    first, last = documents[0]["session"], documents[-1]["session"]
    title = f"{head} {horizon}, {at}, {first} to {last}: what the probability is made of"
    name = f"{first}-to-{last}-{at}-{head}-{horizon}.png"
    picture = draw_drift(_place(home, png, name), found["sessions"], title)
    in_sample = [d["session"] for d in documents if d["in_sample"]]
    doubts = []
    if in_sample:
        doubts.append(f"in-sample: the model was trained on data to {documents[-1]['until']}")
    out = {
        "at": at,
        "head": head,
        "horizon": horizon,
        "model_version": documents[-1]["model_version"],
        "data_quality": doubts,
        **found,
        "picture": str(picture),
    }
    title_line = Text(f"{first} to {last} {at}  model {documents[-1]['model_version']}", "bold")
    parts = [title_line, drift_screen(found, head, horizon), *_doubts(doubts)]
    return Explanation(out, Group(*parts), picture)


def _prior_error(
    home: Home, days: pd.DatetimeIndex, at: str, head: str, horizon: int
) -> float | None:
    """Monte-Carlo standard error of the path prior; None where no path was needed."""
    (evidence,) = gather(home, days, at).evidence
    errors = load_champion(home, at).prior(at).monte_carlo_error(evidence.spine, days)
    name = f"{head}_{horizon}"
    return float(errors[name].iloc[0]) if name in errors else None


def _required(sessions: pd.DatetimeIndex) -> pd.DatetimeIndex:
    days = pd.DatetimeIndex([calendar().require_session(s) for s in sessions], name="session")
    return days.as_unit("us")


def _place(home: Home, png: Path | None, name: str) -> Path:
    if png is None:
        return home.writable(home.scores / "why") / name
    if not png.parent.is_dir():
        raise HomeError(
            f"cannot write {png}: the folder {png.parent} does not exist. Make it, or leave --png "
            "out for a picture under scores/why of the home."
        )
    return png


def _doubts(doubts: list[str]) -> list[RenderableType]:
    return [Text("doubts: " + "; ".join(doubts), style="yellow")] if doubts else []
