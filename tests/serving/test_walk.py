"""A user walks through the evening: books good and bad, what is refused, the morning after."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from typing import Any

import pandas as pd
import pytest
from typer.testing import CliRunner

from features.home import Home
from features.store import MarketStore
from models.bundle import write_bundle
from serving.champion import load_champion
from serving.layout import TICKET_KEYS
from serving.ledger import Ledger
from serving.score import run_scores
from stormpetrel import app

DAY = "2023-01-18"


def ask(home: Home, *args: str) -> tuple[int, dict[str, Any], str]:
    done = CliRunner().invoke(app, ["ticket", "--home", str(home.root), "--json", *args])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout), done.stderr


def refused(home: Home, rule: str, words: str, *args: str) -> dict[str, Any]:
    """NO TRADE with the reason and the full ticket, exit 3."""
    code, ticket, _ = ask(home, *args)
    assert code == 3 and ticket["action"] == "NO_TRADE" and ticket["refused"]
    assert set(TICKET_KEYS) <= set(ticket)
    assert [row["id"] for row in ticket["refusals"]] == [rule]
    assert words in ticket["refusals"][0]["reason"], ticket["refusals"]
    assert ticket["legs"] == [] and ticket["hedge_orders"] == [] and ticket["quantity"] == 0
    assert {a["action"] for a in ticket["actions"]} == {"NO_TRADE"}
    return ticket


def test_a_good_book_is_graded_hedged_and_limited(home: Home, book: str) -> None:
    (home.root / "book.toml").write_text(book, encoding="utf-8")
    code, ticket, _ = ask(home, "--date", DAY)
    assert code == 0 and not ticket["account"]["paper"]
    near, far = ticket["positions"]
    assert near["challenged"] and near["sessions_left"] == 1 and far["sessions_left"] > 20
    for row in (near, far):
        assert [a["answer"] for a in row["answers"]] == ["hold", "reduce", "time_shift", "hedge"]
        for answer in row["answers"]:
            assert (answer["detail"] is None) == (answer["gain_cents"] is None)
            assert answer["detail"] is not None or answer["why"]
            if answer["worth"]:
                assert answer["gain_cents"] - answer["cost_cents"] >= answer["cost_cents"] > 0
    for condor in ticket["condors"]:
        if condor["legs"]:
            assert condor["quantity"] * condor["max_loss"] <= 0.01 * 50_000_000
    text = (home.scores / "tickets" / f"{DAY}-evening.txt").read_text(encoding="utf-8")
    for title in ("Now", "Open", "Hedge ladder", "Events", "Panel", "Since the session before"):
        assert f"\n{title}" in text, title
    shown = CliRunner().invoke(app, ["ticket", "--home", str(home.root), "--date", DAY]).stdout
    assert "near:" in shown and "worth it" in shown and "Hedge ladder" in shown


def test_the_morning_is_about_what_is_open(home: Home, book: str) -> None:
    (home.root / "book.toml").write_text(book, encoding="utf-8")
    _, evening, _ = ask(home, "--date", DAY)
    assert evening["open_book"] is None
    code, morning, _ = ask(home, "--date", DAY, "--at", "preopen")
    assert code == 0
    night, rows = morning["open_book"]["night"], morning["open_book"]["positions"]
    assert night["features_moved"] > 0
    parts = night["night"] + night["model"] + night["start"]
    assert parts == pytest.approx(night["change"], abs=1e-6)
    assert [row["id"] for row in rows] == ["near", "far"]
    told = {row["id"]: row["recommendation"] for row in evening["positions"]}
    assert {row["id"]: row["evening"] for row in rows} == told
    text = (home.scores / "tickets" / f"{DAY}-preopen.txt").read_text(encoding="utf-8")
    assert "\nSince the evening" in text and "worth its cost" in text
    (doubt,) = (one for one in morning["data_quality"] if one.startswith("marks are of"))
    assert doubt == f"marks are of the close of {DAY}: no overnight futures are in the store"
    assert not any(one.startswith("marks are of") for one in evening["data_quality"])


def test_a_morning_with_overnight_futures_names_their_move(home: Home) -> None:
    rows = pd.DataFrame(
        {"date": pd.Timestamp("2023-01-19"), "symbol": ["es", "vx"], "move_pct": [-1.25, 4.0]}
    )
    store = MarketStore(home.market)
    store.append("overnight", rows, source="user", now=pd.Timestamp("2023-04-04", tz="UTC"))
    _, morning, _ = ask(home, "--date", DAY, "--at", "preopen")
    told = "they leave out the night, ES -1.25 % and front VX +4.00 % since the settlement"
    assert f"marks are of the close of {DAY}: {told}" in morning["data_quality"]


def test_a_csv_book_says_the_same(home: Home, book: str) -> None:
    (home.root / "book.toml").write_text(book, encoding="utf-8")
    _, typed, _ = ask(home, "--date", DAY)
    near, far = typed["positions"]
    head = "kind,equity_cents,hedge_spent_252_cents,risk_per_trade,open_risk_cap,id,book,expiry"
    head += ",put_long,put_short,call_short,call_long,quantity,credit,opened,layer,strike,cost"
    rows = ["account,50000000,100000,0.01,0.05" + "," * 13]
    for row, credit, opened in ((near, 115, "2023-01-18"), (far, 500, "2023-01-03")):
        strikes = ",".join(str(strike) for strike in row["strikes"])
        rows.append(
            f"condor,,,,,{row['id']},{row['book']},{row['expiry']},{strikes},{row['quantity']},"
            f"{credit},{opened},,,"
        )
    rows.append("hedge,,,,,,,2023-02-15,,,,,4,,,S,20.0,120")
    path = home.root / "other.csv"
    path.write_text("\n".join([head, *rows]), encoding="utf-8")
    _, same, _ = ask(home, "--date", DAY, "--book", str(path))
    assert same == typed


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("quantity = 4\ncredit = 115", "quantity = 4\ncredit = 5000", "credit must lie"),
        ("quantity = 4\ncredit = 115", "quantity = 4\ncredits = 115", "credits"),
        ("quantity = 2", "quantity = 2.5", "quantity"),
        ("quantity = 2", 'quantity = "2"', "valid integer"),
        ("quantity = 2", "quantity = true", "valid integer"),
        ("quantity = 2", "quantity = -2", "greater than 0"),
        ('id = "far"', 'id = "near"', "stand twice"),
        ("opened = 2023-01-03", "opened = 2023-03-03", "lies after `expiry`"),
        ("opened = 2023-01-03", "opened = 2023-01-20", "after 2023-01-19"),
        ("strike = 20.0", "strike = inf", "finite"),
        ('layer = "S"', 'layer = "X"', "hedges.0.layer"),
        ("equity_cents = 50000000", "equity_cents = 0", "equity_cents"),
        ("risk_per_trade = 0.01", "risk_per_trade = 2", "risk_per_trade"),
        ("[[hedges]]", "[[hedges]", "cannot read the book"),
    ],
)
def test_a_bad_book_is_no_trade_with_the_reason(
    home: Home, book: str, old: str, new: str, words: str
) -> None:
    assert old in book
    (home.root / "book.toml").write_text(book.replace(old, new, 1), encoding="utf-8")
    refused(home, "REFUSE_INPUT", words, "--date", DAY)
    with Ledger.of(home) as ledger:
        assert ledger.entries("ticket") == []


def test_strikes_out_of_order_are_refused(home: Home, book: str) -> None:
    lines = book.splitlines()
    first, second = [i for i, line in enumerate(lines) if line.startswith("put_")][:2]
    one, two = lines[first].split(" = ")[1], lines[second].split(" = ")[1]
    lines[first], lines[second] = f"put_long = {two}", f"put_short = {one}"
    (home.root / "book.toml").write_text("\n".join(lines), encoding="utf-8")
    refused(home, "REFUSE_INPUT", "strikes must rise", "--date", DAY)


def test_what_expired_is_to_be_settled(home: Home, book: str) -> None:
    (home.root / "book.toml").write_text(book, encoding="utf-8")
    code, ticket, _ = ask(home, "--date", "2023-01-25")
    assert code == 0
    near = ticket["positions"][0]
    assert near["recommendation"] == "settle" and "take it out of the book" in near["reason"]
    old = book.replace("expiry = 2023-02-15", "expiry = 2023-01-18")
    (home.root / "book.toml").write_text(old, encoding="utf-8")
    _, ticket, _ = ask(home, "--date", "2023-01-25")
    assert any("hedge layer S expired" in doubt for doubt in ticket["data_quality"])
    (layer,) = (row for row in ticket["hedge"]["layers"] if row["layer"] == "S")
    assert layer["held"] == 0 and layer["held_after_exits"] == 0


def test_no_champion_no_trade(home: Home) -> None:
    (home.mlruns / "champion.json").unlink()
    refused(home, "REFUSE_MODEL", "no model is promoted", "--date", DAY)
    assert not home.scores.exists(), "nothing was written"


def test_a_damaged_champion_no_trade(home: Home) -> None:
    booster = next((home.mlruns / "bundles").glob("*/evening/*.lgb"))
    booster.write_text(booster.read_text(encoding="utf-8") + " ", encoding="utf-8")
    refused(home, "REFUSE_MODEL", "does not match its hash", "--date", DAY)


def test_stale_data_no_trade(home: Home) -> None:
    refused(home, "REFUSE_GATE", "no SPX and VIX close", "--date", "2023-04-10")
    shutil.rmtree(home.market)
    refused(home, "REFUSE_GATE", "no market data", "--date", "2023-04-11")


def test_an_expired_model_no_trade(home: Home) -> None:
    ticket = refused(home, "REFUSE_EXPIRED", "too old", "--date", "2023-03-15")
    assert ticket["p_shift"]["5"] is not None, "the forecast stands all the same"
    with Ledger.of(home) as ledger:
        assert ledger.last_session("score", "evening") == "2023-03-15"


def test_novel_inputs_no_trade(home: Home) -> None:
    forecast = run_scores(home, pd.DatetimeIndex([DAY])).documents[0]
    assert forecast["novelty"] is not None
    _lower_the_threshold(home, forecast["novelty"] / 2)
    refused(home, "REFUSE_NOVELTY", "beyond what the model has seen", "--date", DAY)
    off = "[serving.refusal]\nnovelty = false\n"
    (home.root / "stormpetrel.toml").write_text(off, encoding="utf-8")
    code, ticket, _ = ask(home, "--date", DAY)
    assert code == 0 and any("novel inputs" in doubt for doubt in ticket["data_quality"])


def _lower_the_threshold(home: Home, threshold: float) -> None:
    """Promote the same model with another novelty threshold."""
    bundle = load_champion(home)
    forecasters = {
        at: replace(one, novelty=replace(one.novelty, threshold=threshold))
        for at, one in bundle.forecasters.items()
    }
    version = write_bundle(home.mlruns / "bundles", forecasters).name
    record = json.dumps({"model_version": version, "until": bundle.until})
    (home.mlruns / "champion.json").write_text(record, encoding="utf-8")
