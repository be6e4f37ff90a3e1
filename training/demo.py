"""The demo: the main job, from a simulated market to a ticket."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from features.errors import UsageError
from features.home import Home

__all__ = ["DemoReport", "run_demo"]

Progress = Callable[[float, str], None]

#: Sessions after the training data that the demo scores as if they were lived through.
LIVED_SESSIONS = 10
#: How strongly simulated cascades lead volatility: there is something to find.
LINK = 1.0
MARKER = "simulated-market.txt"


@dataclass(frozen=True)
class DemoReport:
    """What the demo did.

    Parameters
    ----------
    home : Path
        Where everything lies.
    retrain : dict
        The object that ``retrain --json`` prints.
    forecasts : list of dict
        What ``score --json`` prints for the last sessions.
    ticket : dict
        What ``ticket --json`` prints for the last session.
    """

    home: Path
    retrain: dict[str, Any]
    forecasts: list[dict[str, Any]]
    ticket: dict[str, Any]


def run_demo(
    home: Home, *, years: int, seed: int, processes: int = 2, progress: Progress | None = None
) -> DemoReport:
    """Simulate, import, retrain, promote, score the last sessions, write the ticket.

    The model is trained on all but the last sessions, so every forecast shown is out of sample.

    Parameters
    ----------
    home : Home
        A home of the demo's own. One that an earlier demo made is made anew.
    years, seed : int
        Length and seed of the simulated market.
    processes : int
        Worker processes of the retrain.
    progress : callable, optional
        Called with the fraction done and a word.

    Raises
    ------
    UsageError
        If the home holds a market store that no demo made.
    """
    from features.sessions import calendar
    from features.sources.simulated import simulate
    from features.sources.tidy import import_folder
    from features.store import MarketStore
    from serving.score import score
    from serving.ticket import ticket
    from training.retrain import retrain

    def stage(begin: float, end: float) -> Progress:
        def report(fraction: float, doing: str) -> None:
            if progress is not None:
                progress(begin + (end - begin) * fraction, doing)

        return report

    _clear(home)
    files = home.root / "files"
    simulate(files, years=years, seed=seed, link=LINK, progress=stage(0.0, 0.08))
    store = MarketStore(home.writable(home.market))
    import_folder(store, files, now=pd.Timestamp.now(tz="UTC"), progress=stage(0.08, 0.14))
    closes = store.read("spx_bars", columns=["close"])
    last = pd.Timestamp(closes["date"].max())
    lived = calendar().sessions(last - pd.Timedelta(days=30), last)[-LIVED_SESSIONS:]
    report = retrain(
        home,
        until=calendar().previous(lived[0]),
        processes=processes,
        progress=stage(0.14, 0.94),
    )
    forecasts = score(home, lived, "evening")
    stage(0.94, 1.0)(0.5, "writing the ticket")
    return DemoReport(home.root, report.to_json(), forecasts, ticket(home, last, "evening"))


def _clear(home: Home) -> None:
    marker = home.root / MARKER
    if home.market.exists() and not marker.exists():
        raise UsageError(
            f"{home.root} holds a market store that no demo made; a demo would replace it. "
            "Choose another folder with --home."
        )
    if marker.exists():
        shutil.rmtree(home.root)
    home.writable(home.root)
    marker.write_text("Everything in this folder is simulated; a demo may replace it.\n", "utf-8")
