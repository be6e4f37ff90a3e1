from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from rich.console import Console
from typer.testing import CliRunner

from features.arrivals import arrivals
from features.home import Home
from features.sessions import calendar
from features.status import status
from features.store import MarketStore
from serving.ledger import Ledger
from serving.monitor import scored_at
from serving.screen import status_screen
from serving.verbs import app


@pytest.fixture
def home(tmp_path: Path) -> Home:
    """A home in which the VIX close of Wednesday came an hour after the evening's cut-off."""
    home = Home(tmp_path)
    store = MarketStore(home.market)
    for day, moment in (("2024-07-02", "2024-07-02 21:20"), ("2024-07-03", "2024-07-03 23:00")):
        one = pd.DataFrame({"date": calendar().sessions(day, day), "symbol": "vix", "close": 15.0})
        store.append("vol_indices", one, source="cboe", now=pd.Timestamp(moment, tz="UTC"))
    return home


def document(home: Home) -> dict[str, Any]:
    store = MarketStore(home.market)
    return {
        "tables": status(store, calendar()),
        "arrivals": arrivals(store, calendar(), scored=scored_at(home)),
        "health": {"trust": "no", "reasons": ["no model is promoted"]},
    }


def drawn(shown: dict[str, Any], width: int) -> str:
    console = Console(file=io.StringIO(), width=width)
    console.print(status_screen(shown, width=width))
    return console.file.getvalue()  # type: ignore[attr-defined]


def test_the_screen_shows_the_lag_and_warns(home: Home) -> None:
    text = drawn(document(home), 80)
    line = next(
        line for line in text.splitlines() if line.startswith("vol_indices  ") and "1.8" in line
    )
    # 21:20 is 1 hour after the rule's 20:20, 23:00 is 2.7 hours after it
    assert line.split() == ["vol_indices", "2", "1.8", "2.7", "2", "1"]
    assert "vol_indices: on 1 of 2 evenings" in text
    assert max(map(len, text.splitlines())) <= 80


def test_a_wide_terminal_shows_versions_and_the_last_row(home: Home) -> None:
    text = drawn(document(home), 126)
    row = next(line for line in text.splitlines() if line.startswith("vol_indices"))
    assert row.split()[:8] == [
        "vol_indices", "2", "2", "2024-07-02", "2024-07-03", "2024-07-03", "17:00", "2024-07-03",
    ]  # fmt: skip
    assert "…" not in text


def test_a_store_without_live_rows_says_so(tmp_path: Path) -> None:
    assert "No row has arrived live yet" in drawn(document(Home(tmp_path)), 80)


def test_the_ledger_tells_when_an_evening_was_first_scored(home: Home) -> None:
    with Ledger.of(home) as ledger:
        for inputs, now in (("a", "2024-07-03T23:05:00+00:00"), ("b", "2024-07-05T12:00:00+00:00")):
            ledger.record(
                kind="score", session="2024-07-03", at="evening", model_version="m1",
                inputs_hash=inputs, in_sample=False, document={}, reason="", now=now,
            )  # fmt: skip
    assert scored_at(home) == {
        pd.Timestamp("2024-07-03"): pd.Timestamp("2024-07-03 23:05", tz="UTC")
    }
    # scored at 23:05, the close of 23:00 was there
    assert document(home)["arrivals"]["vol_indices"]["warning"] is None


def test_the_verb_prints_the_lags(home: Home) -> None:
    done = CliRunner().invoke(app, ["status", "--json", "--home", str(home.root)])
    lag = json.loads(done.stdout)["arrivals"]["vol_indices"]
    assert (lag["live_rows"], lag["worst_hours"], lag["evenings_missed"]) == (2, 2.667, 1)
    assert "on 1 of 2 evenings" in lag["warning"]
