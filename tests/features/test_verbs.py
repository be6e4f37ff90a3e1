from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import typer
from typer.testing import CliRunner

from features.errors import UsageError
from features.sessions import calendar
from features.sources import simulated
from features.sources.fetch import sources
from features.store import MarketStore
from features.verbs import app


def leaves(command: typer.core.TyperCommand, path: str = "") -> Iterator[tuple[str, list[str]]]:
    """List every verb with its options."""
    for name, one in getattr(command, "commands", {}).items():
        yield from leaves(one, f"{path} {name}".strip())
    if not getattr(command, "commands", {}):
        yield path, [option for parameter in command.params for option in parameter.opts]


VERBS = dict(leaves(typer.main.get_command(app)))


@pytest.mark.parametrize("verb", VERBS)
def test_every_verb_has_a_home_and_json(verb: str) -> None:
    assert {"--home", "--json"} <= set(VERBS[verb])


def test_the_help_of_fetch_names_every_source() -> None:
    shown = CliRunner().invoke(app, ["fetch", "--help"]).stdout
    words = set(shown.replace("│", " ").replace(",", " ").replace(".", " ").split())
    assert set(sources()) <= words


def test_a_simulated_market_goes_into_the_home_unless_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Path] = []

    def listen(folder: Path, **_: object) -> None:
        asked.append(folder)
        raise UsageError("nothing need be written here")

    monkeypatch.setattr(simulated, "simulate", listen)
    home = ["--home", str(tmp_path / "home")]
    for words in (home, [*home, "--out", str(tmp_path / "out")]):
        done = CliRunner().invoke(app, ["simulate", *words])
        assert isinstance(done.exception, UsageError)
    assert asked == [tmp_path / "home" / "simulated", tmp_path / "out"]


def test_cascades_of_a_span_that_ends_before_it_begins_are_refused(tmp_path: Path) -> None:
    words = ["cascades", "--from", "2024-02-01", "--to", "2024-01-01", "--home", str(tmp_path)]
    done = CliRunner().invoke(app, words)
    assert isinstance(done.exception, UsageError)
    assert "Swap them" in str(done.exception)


def test_a_table_for_a_folder_that_does_not_exist_is_refused_at_once(tmp_path: Path) -> None:
    words = ["features", "build", "--out", str(tmp_path / "no" / "x.parquet")]
    done = CliRunner().invoke(app, [*words, "--home", str(tmp_path)])
    assert isinstance(done.exception, UsageError)
    assert "Make it" in str(done.exception)


def test_an_import_of_events_counts_and_names_what_it_refused(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text(
        '{"e":"forceOrder","E":1650898336327,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC",'
        '"q":"4","p":"38854.46","ap":"38986.50","X":"FILLED","l":"4","z":"4","T":1650898336320}}\n'
        "not JSON\n"
    )
    words = ["import", "--format", "binance-forceorder", str(tape), "--home", str(tmp_path / "h")]
    shown = CliRunner().invoke(app, words).stdout
    assert "1 refused" in shown
    assert "the line is not JSON" in shown
    report = json.loads(CliRunner().invoke(app, [*words, "--json"]).stdout)
    assert (report["new"], report["same"], len(report["quarantined"])) == (0, 1, 1)


def test_a_failed_fetch_says_on_screen_which_table_is_stale(tmp_path: Path, provider: Any) -> None:
    home = tmp_path / "home"
    store = MarketStore(home / "market")
    days = calendar().sessions("2024-12-02", "2024-12-31")
    rows = pd.DataFrame({"date": days, "series": "dgs10", "value_pct": 4.5})
    store.append("rates", rows, source="fred", now=pd.Timestamp("2025-01-01", tz="UTC"))
    (home / "stormpetrel.toml").write_text(
        "[fetch]\nattempts = 2\nwait_initial_seconds = 0.001\n"
        f'[fetch.fred]\nbase_url = "{provider.url}"\n'
    )
    provider.on("/graph/fredgraph.csv", provider.reply(b"no", status=500))
    before = (store.root / "manifest.json").read_bytes()
    done = subprocess.run(
        [sys.executable, "-m", "stormpetrel", "fetch", "fred", "--home", str(home)],
        capture_output=True, text=True, check=False, cwd=Path(__file__).parents[2],
    )  # fmt: skip
    assert done.returncode == 1
    assert "stale: rates, last 2024-12-31" in done.stdout
    assert "stale: dollar, which is empty" in done.stdout
    assert done.stderr == ""  # retries are no news for a terminal
    assert (store.root / "manifest.json").read_bytes() == before
