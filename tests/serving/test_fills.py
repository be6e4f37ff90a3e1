"""Fills given back: kept once and whole, and what they do to the slippage."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.errors import DataError, UsageError
from features.home import Home
from serving.fills import calibrated_costs, give_fill, give_fills, slippage_report
from serving.ledger import Ledger, ledger_path
from serving.records import Fill
from serving.settings import CostSettings
from serving.ticket import run_tickets
from serving.track import track_record
from stormpetrel import app

COSTS = CostSettings()
HEADER = "signal_id,book,filled_at,quantity,credit"


def fill(quantity: int = 1, credit: int = 60, **change: Any) -> Fill:
    one = Fill("f", "s", "condor_1dte", "2023-01-19T21:10:00+00:00", quantity, credit, 80)
    return replace(one, **change)


@pytest.fixture
def open_ticket(evening: Any) -> dict[str, Any]:
    """A recorded ticket that proposes condors."""
    text = "[serving.policy]\nvix_calm = 98\nvix_hold = 99\nvix_none = 100\nvix_half = 99\n"
    text += "[serving.condor]\npremium_floor = 0.001\n"
    (ticket,) = evening("fills", run_tickets, pd.DatetimeIndex(["2023-01-18"]), text)
    assert ticket["legs"]
    return ticket


def told(ticket: dict[str, Any], **change: Any) -> dict[str, Any]:
    return {
        "signal_id": ticket["signal_id"],
        "credit": ticket["min_acceptable_credit"],
        "quantity": 2,
        "filled_at": "2023-01-19T15:10:00-06:00",
        **change,
    }


def test_each_contract_moves_the_share_by_hand() -> None:
    # a quarter of 0.80 given up on 20 contracts, against 0.10 that weighs as much as 20
    assert calibrated_costs(COSTS, [fill(20)], "condor_1dte").slippage_share == pytest.approx(
        (20 * 0.10 + 20 * 0.25) / 40
    )
    assert calibrated_costs(COSTS, [], "condor_1dte") == COSTS
    assert calibrated_costs(COSTS, [fill(20)], "condor_30_60") == COSTS
    better = calibrated_costs(COSTS, [fill(1000, credit=90)], "condor_1dte")
    assert better.slippage_share == 0.0, "never a bonus"
    (row,) = slippage_report([fill(20), fill(10, credit=80)], COSTS)
    assert (row["contracts"], row["fills"]) == (30, 2)
    assert row["slippage_share"] == pytest.approx(20 * 0.25 / 30, abs=1e-4)
    assert row["slippage_points"] == pytest.approx(20 * 0.20 / 30, abs=1e-4)
    assert row["calibrated_share"] == pytest.approx((2 + 5) / 50, abs=1e-4)


def test_fills_show_on_the_track_record_and_on_later_tickets(
    home: Home, open_ticket: dict[str, Any]
) -> None:
    give = told(open_ticket)
    assert give_fill(home, **give)[1] and not give_fill(home, **give)[1]
    (row,) = track_record(home)["fills"]
    mid = round(open_ticket["net_credit_mid"] * 100) / 100
    assert (row["fills"], row["contracts"]) == (1, 2)
    assert row["slippage_points"] == pytest.approx(mid - give["credit"], abs=1e-4)
    lost = (mid - give["credit"]) / mid
    assert row["calibrated_share"] == pytest.approx((20 * 0.1 + 2 * lost) / 22, abs=1e-4)
    before, after = (
        run_tickets(home, pd.DatetimeIndex([day])).documents[0]["condors"]
        for day in (pd.Timestamp("2023-01-18"), pd.Timestamp("2023-01-19"))
    )
    # the fill of the 19th afternoon is known on the 19th's evening, not on the 18th's
    assert before[0]["slippage_share"] == 0.10
    assert after[0]["slippage_share"] == pytest.approx(row["calibrated_share"], abs=1e-4)
    assert after[1]["slippage_share"] in (0.10, None), "the other book has no fills"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"signal_id": "nothing"}, "no recorded ticket"),
        ({"book": "condor_9dte"}, "proposed no condor"),
        ({"credit": 0.72}, r"steps of 0\.05"),
        ({"credit": 70.0}, "not in dollars"),
        ({"credit": float("nan")}, "must be a number"),
        ({"quantity": 0}, "whole number"),
        ({"filled_at": "2023-01-19 15:10"}, "with a zone"),
        ({"filled_at": "2023-01-18T15:10:00-06:00"}, "between the ticket's cut-off"),
        ({"filled_at": "2093-01-18T15:10:00-06:00"}, "between the ticket's cut-off"),
    ],
)
def test_a_fill_that_makes_no_sense_is_refused(
    home: Home, open_ticket: dict[str, Any], change: dict[str, Any], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        give_fill(home, **told(open_ticket, **change))
    with Ledger.of(home) as ledger:
        assert ledger.fills() == []


def rows_of(ticket: dict[str, Any], count: int) -> list[str]:
    signal_id, credit = ticket["signal_id"], ticket["min_acceptable_credit"]
    return [
        f"{signal_id},condor_1dte,2023-01-19T21:{minute:02d}:00Z,1,{credit}"
        for minute in range(count)
    ]


def test_a_csv_is_kept_whole_or_not_at_all(
    home: Home, open_ticket: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "fills.csv"
    rows = rows_of(open_ticket, 3)
    path.write_text("\n".join([HEADER, *rows, rows[0].replace(",1,", ",one,")]), encoding="utf-8")
    with pytest.raises(DataError, match=r"line 5: `quantity` must be a number.*Nothing was"):
        give_fills(home, path)
    with Ledger.of(home) as ledger:
        assert ledger.fills() == []
    path.write_text("\n".join([HEADER, *rows]), encoding="utf-8")
    assert give_fills(home, path) == (3, 0) and give_fills(home, path) == (0, 3)
    path.write_text("signal_id,book\n", encoding="utf-8")
    with pytest.raises(DataError, match="lacks the columns filled_at, quantity, credit"):
        give_fills(home, path)


# the process kills itself with SIGKILL at its n-th statement on the ledger while it records
_VICTIM = """
    import os, signal, sqlite3, sys
    from pathlib import Path
    from features.home import Home
    from serving import ledger as module

    left = int(sys.argv[3])

    class Deadly(sqlite3.Connection):
        def execute(self, *args):
            global left
            left -= 1
            if left < 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return super().execute(*args)

    connect = sqlite3.connect
    module.sqlite3.connect = lambda *a, **k: connect(*a, factory=Deadly, **k)
    from serving.fills import give_fills
    give_fills(Home(Path(sys.argv[1])), Path(sys.argv[2]))
"""


def test_kill_minus_nine_leaves_all_fills_of_a_file_or_none(
    home: Home, open_ticket: dict[str, Any], tmp_path: Path
) -> None:
    path, script = tmp_path / "fills.csv", tmp_path / "victim.py"
    path.write_text("\n".join([HEADER, *rows_of(open_ticket, 3)]), encoding="utf-8")
    script.write_text(textwrap.dedent(_VICTIM), encoding="utf-8")
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).resolve().parents[2])}
    counts = []
    # three to open, three to look the tickets up, begin, three inserts, commit
    for statement in range(5, 14):
        done = subprocess.run(
            [sys.executable, str(script), str(home.root), str(path), str(statement)],
            capture_output=True, text=True, env=environment,
        )  # fmt: skip
        with Ledger.of(home) as ledger:
            counts.append(len(ledger.fills()))
        if done.returncode == 0:
            break
        assert done.returncode == -signal.SIGKILL, done.stderr
    assert counts[-1] == 3 and len(counts) >= 5 and set(counts[:-1]) == {0}


def test_what_was_recorded_cannot_be_changed(home: Home, open_ticket: dict[str, Any]) -> None:
    give_fill(home, **told(open_ticket))
    with sqlite3.connect(ledger_path(home)) as connection:
        for table in ("entries", "fills"):
            for change in (f"DELETE FROM {table}", f"UPDATE {table} SET recorded_at = 'x'"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    connection.execute(change)


def test_the_verb_gives_fills_back(home: Home, open_ticket: dict[str, Any], tmp_path: Path) -> None:
    runner, where = CliRunner(), ["--home", str(home.root), "--json"]
    one = ["ticket", "fill", open_ticket["signal_id"], "--credit", "0.6", "--quantity", "2",
           "--filled-at", "2023-01-19T21:10:00Z", *where]  # fmt: skip
    done = runner.invoke(app, one)
    assert done.exit_code == 0 and json.loads(done.stdout) == {"new": 1, "known": 0}
    again = runner.invoke(app, one)
    assert again.exit_code == 4 and json.loads(again.stdout) == {"new": 0, "known": 1}
    path = tmp_path / "fills.csv"
    path.write_text("\n".join([HEADER, *rows_of(open_ticket, 2)]), encoding="utf-8")
    many = runner.invoke(app, ["ticket", "fill", "--csv", str(path), *where])
    assert many.exit_code == 0 and json.loads(many.stdout) == {"new": 2, "known": 0}
    for wrong in ([], ["abc"], ["abc", "--credit", "0.6", "--csv", str(path)]):
        refused = runner.invoke(app, ["ticket", "fill", *wrong, *where])
        assert isinstance(refused.exception, UsageError), wrong
