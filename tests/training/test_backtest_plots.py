"""A back-test that has nothing of a kind is drawn all the same, and says what there is none of."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from training.backtest import plots

ENDS = ("low", "mid", "high")
DAYS = pd.bdate_range("2022-01-03", periods=100, name="session")
BOOKS = ("condor_1dte", "condor_30_60", "alvh")
TRADES = pd.DataFrame(
    [
        ("2022-01-04", "condor_1dte", "open", 100, "a"),
        ("2022-01-05", "condor_1dte", "settle", -250, "a"),
        ("2022-06-07", "condor_1dte", "open", 100, "b"),
        ("2022-06-08", "condor_1dte", "settle", -50, "b"),
    ],
    columns=["session", "book", "what", "cents", "position"],
)


@pytest.fixture
def drawn(monkeypatch) -> list[Any]:
    """Panels of every figure that is drawn, in order."""
    found: list[Any] = []
    own = plots._figure

    def keep(*args: Any, **shared: Any) -> Any:
        figure, axes = own(*args, **shared)
        found.append(axes)
        return figure, axes

    monkeypatch.setattr(plots, "_figure", keep)
    return found


def words(panel: Any) -> str:
    return " ".join(text.get_text() for text in panel.texts)


def event(sessions: int, **pct: float) -> dict[str, Any]:
    return {"sessions": sessions, "pct": {book: pct.get(book, 0.0) for book in BOOKS}}


def same(kind: dict[str, Any]) -> dict[str, Any]:
    return {end: {"event": kind} for end in ENDS}


def levels(values: list[float]) -> dict[str, dict[float, pd.Series]]:
    series = pd.Series(values, index=DAYS[: len(values)], dtype=float)
    return {name: dict.fromkeys((-1.0, 0.0, 1.0), series) for name in plots._SHOWN}


def test_a_run_that_never_traded_has_all_its_pictures(drawn, tmp_path: Path) -> None:
    daily = pd.DataFrame({"equity": 100_000_00}, index=DAYS)
    interest = TRADES.iloc[:1].assign(book="cash", what="interest", position="")
    one = SimpleNamespace(daily=daily, trades=interest)
    report = {
        "by_rule": {end: {} for end in ENDS},
        "strata": same({"FOMC": event(0), "none": event(5)}),
    }
    every = {(name, band): one for name in plots._SHOWN for band in (-1.0, 0.0, 1.0)}
    plots.draw(tmp_path, report, every)
    names = {"equity", "drawdown", "by_rule", "events", "outcomes"}
    assert {path.stem for path in tmp_path.glob("*.png")} == names
    equity, drawdown, rules, events, outcomes = drawn
    assert not any(words(panel) for panel in [*equity.flat, *drawdown.flat])
    assert words(rules[0, 0]) == "nothing to show: no rule moved cash at any end of the marks"
    for panel in events.flat:
        assert words(panel) == "nothing to show: this book neither won nor lost"
        assert not panel.patches
    for panel in outcomes.flat:
        assert words(panel).startswith("nothing to show: no condor of this book")
        assert not panel.collections and not panel.xaxis.get_visible()


def test_one_book_without_condors_leaves_the_other_its_dates(drawn, tmp_path: Path) -> None:
    plots._outcomes(tmp_path / "outcomes.png", TRADES)
    (short,), (longer,) = drawn[0]
    assert not words(short) and "mean -0.50" in short.get_title()
    assert words(longer).startswith("nothing to show") and longer.get_title() == "condor_30_60"
    assert longer.xaxis.get_visible()


def test_a_rule_of_one_end_alone_is_drawn_from_zero(drawn, tmp_path: Path) -> None:
    ends = {
        "low": {"R1": {"trades": 2, "cents": -5_000}},
        "mid": {},
        "high": {"R2": {"trades": 1, "cents": 7_000}},
    }
    plots._rules(tmp_path / "by_rule.png", ends)
    panel = drawn[0][0, 0]
    assert [tick.get_text() for tick in panel.get_yticklabels()] == ["R1", "R2"]
    spans = {
        int(line.get_ydata()[0]): sorted(line.get_xdata())
        for line in panel.lines
        if list(line.get_ydata()) in ([0, 0], [1, 1])
    }
    assert spans == {0: [-50.0, 0.0], 1: [0.0, 70.0]}


def test_a_release_without_sessions_has_no_bar(drawn, tmp_path: Path) -> None:
    kinds = {"FOMC": event(0), "CPI": event(2, alvh=0.04), "none": event(5, alvh=-0.05)}
    plots._events(tmp_path / "events.png", same(kinds))
    *condors, hedge = drawn[0].flat
    assert all(words(panel).endswith("neither won nor lost") for panel in condors)
    heights = [bar.get_height() for bar in hedge.patches]
    np.testing.assert_allclose(heights, [np.nan, 2.0, -1.0])


def test_no_release_at_all(drawn, tmp_path: Path) -> None:
    plots._events(tmp_path / "events.png", same({}))
    plots._events(tmp_path / "events.png", same({"FOMC": event(0)}))
    for panel in [*drawn[0].flat, *drawn[1].flat]:
        assert words(panel) == "nothing to show: no session was replayed"


@pytest.mark.parametrize("money", [True, False])
@pytest.mark.parametrize("values", [[], [np.nan] * 100])
def test_panels_without_a_session(drawn, tmp_path: Path, values, money) -> None:
    plots._panels(tmp_path / "equity.png", "Equity", levels(values), money=money)
    for panel in drawn[0].flat:
        assert words(panel) == "nothing to show: no session was replayed"
        assert not panel.lines


def test_one_empty_panel_leaves_the_others_theirs(drawn, tmp_path: Path) -> None:
    mixed = {**levels([1.0, 2.0, 8.0, 4.0, 5.0] * 20), "served": levels([])["served"]}
    plots._panels(tmp_path / "equity.png", "Equity", mixed, money=True)
    empty, *others = drawn[0].flat
    assert words(empty) and not empty.lines
    assert all(len(panel.lines) == 1 and not words(panel) for panel in others)
