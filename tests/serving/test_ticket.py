from __future__ import annotations

import json
import shutil

import pandas as pd
import pytest

from features.errors import DataError, RefusedError, UsageError
from features.home import Home
from serving import writer
from serving.condor import MULTIPLIER
from serving.layout import CONDOR_KEYS, TICKET_KEYS
from serving.ledger import Ledger
from serving.policy_table import TABLE
from serving.scenarios import HORIZON
from serving.score import run_scores
from serving.texts import broker_orders, ticket_csv, ticket_text, write_ticket_files
from serving.ticket import run_tickets, ticket

DAYS = pd.DatetimeIndex(["2023-01-11", "2023-01-18", "2023-01-25", "2023-02-02"])


def write(home: Home, name: str, text: str) -> None:
    (home.root / name).write_text(text, encoding="utf-8")


def any_policy(home: Home) -> None:
    """Let the table trade on every VIX of the synthetic market, forecast ignored."""
    write(home, "stormpetrel.toml", '[serving.policy]\nname = "never_stop"\noverlay = false\n')


def test_every_key_is_there_and_the_money_adds_up(home: Home) -> None:
    any_policy(home)
    opened = 0
    for document in run_tickets(home, DAYS).documents:
        assert list(document)[: len(TICKET_KEYS)] == list(TICKET_KEYS)
        assert json.loads(json.dumps(document, allow_nan=False)) == document
        for condor in document["condors"]:
            assert set(condor) == set(CONDOR_KEYS)
            assert set(condor["rules"]) <= {row.id for row in TABLE} and condor["rules"]
            if condor["decision"] != "OPEN":
                assert condor["legs"] == [] and condor["max_loss"] is None
                continue
            opened += 1
            strikes = [leg["strike"] for leg in condor["legs"]]
            assert strikes == sorted(strikes) and len(set(strikes)) == 4
            assert all(strike % 5 == 0 for strike in strikes)
            assert strikes[1] < document["S"] < strikes[2]
            assert round(condor["limit_price"] * 100) % 5 == 0
            assert condor["min_acceptable_credit"] <= condor["limit_price"]
            gross = round(condor["limit_price"] * 100) * MULTIPLIER
            assert condor["max_profit"] == gross - condor["fees_est"]
            assert condor["max_loss"] == condor["W_put"] * 10_000 - condor["max_profit"] > 0
            assert 0 <= condor["pop_market"] <= 1 and 0 <= condor["pop_model"] <= 1
            assert condor["ev_lo"] <= condor["ev_mid"] <= condor["ev_hi"]
            sides = condor["touch_put"], condor["touch_call"]
            assert max(sides) <= condor["touch_prob"] <= sum(sides) + 1e-6
            assert condor["touch_prob"] <= 1
            assert condor["touch_source"] == "path prior, opens, closes and bridges"
            assert condor["be_low"] == pytest.approx(strikes[1] - condor["max_profit"] / 10_000)
            limit = 0.02 * document["account"]["equity_cents"]
            assert condor["quantity"] * condor["max_loss"] <= limit
    assert opened >= 4


def test_the_two_books_fill_and_expire_when_the_design_says(home: Home) -> None:
    one, other = ticket(home, "2023-01-18")["condors"]
    assert (one["book"], one["fill"], one["expiry"], one["DTE"]) == (
        "condor_1dte", "2023-01-19 15:10 Chicago", "2023-01-20", 1,
    )  # fmt: skip
    assert other["fill"] == "2023-01-19 at the open" and 30 <= other["DTE"] <= 60
    assert pd.Timestamp(other["expiry"]).day_name() == "Friday"


def test_the_same_ticket_twice_is_the_same_bytes(home: Home) -> None:
    first, again = run_tickets(home, DAYS[1:2]), run_tickets(home, DAYS[1:2])
    assert not first.nothing_new and again.nothing_new
    assert first.entries[0].document == again.entries[0].document


def test_a_ticket_of_a_batch_equals_the_lone_one(home: Home) -> None:
    batch = run_tickets(home, DAYS).entries[2].body
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (home.scores / name).unlink(missing_ok=True)
    assert ticket(home, DAYS[2]) == batch


def test_an_old_model_is_refused_with_the_whole_ticket(home: Home) -> None:
    document = ticket(home, "2023-03-15")
    assert document["refused"] and document["action"] == "NO_TRADE"
    assert [row["id"] for row in document["refusals"]] == ["REFUSE_EXPIRED"]
    assert set(TICKET_KEYS) <= set(document) and document["legs"] == []
    assert document["hedge_orders"] == [] and document["p_shift"]["5"] is not None


def test_missing_closes_are_refused_but_dates_before_the_data_are_errors(home: Home) -> None:
    document = ticket(home, "2023-04-10")
    assert document["refused"] and document["refusals"][0]["id"] == "REFUSE_GATE"
    assert set(TICKET_KEYS) <= set(document) and document["vix"] is None
    with pytest.raises(DataError, match="cannot be scored"):
        ticket(home, "2012-01-05")


def test_a_hold_of_the_table_is_no_refusal(home: Home) -> None:
    write(home, "stormpetrel.toml", "[serving.policy]\nvix_calm = 1\nvix_hold = 2\n")
    document = ticket(home, "2023-01-18")
    assert not document["refused"] and document["refusals"] == []
    assert document["decision"] == "HOLD" and document["tier_rule"] in ("VIX_HOLD", "VIX_NONE")


def test_unknown_settings_are_refused_by_name(home: Home) -> None:
    write(home, "stormpetrel.toml", "[serving.condor]\nwingwidth = 5\n")
    with pytest.raises(UsageError, match=r"serving\.condor\.wingwidth"):
        ticket(home, "2023-01-18")


def test_open_positions_are_graded_and_the_hedge_is_harvested(home: Home, book: str) -> None:
    book = book.replace("cost = 120", "cost = 20")
    write(home, "book.toml", book)
    document = ticket(home, "2023-01-18")
    row, _ = document["positions"]
    assert row["challenged"] and row["sessions_left"] == 1
    assert len(row["ranked"]) >= 2 and [r["rank"] for r in row["ranked"][:2]] == [1, 2]
    utilities = [r["utility_cents"] for r in row["ranked"]]
    assert utilities == sorted(utilities, reverse=True)
    assert row["recommendation"] and row["reason"] and row["rules"]
    assert row["theta_cents"] != 0 and document["temporal_theta"]["mismatch"] is not None
    assert not document["account"]["paper"]
    rules = {order["rule"]: order for order in document["hedge_orders"]}
    assert "ALVH_HARVEST" in rules or "ALVH_ROLL" in rules
    assert (home.root / "book.toml").read_text(encoding="utf-8") == book


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("equity_cents = 5\nequityy = 3\n", "equityy"),
        ("equity_cents = -5\n", "equity_cents"),
        ("equity_cents = 5\npaper = true\n", "must not set `paper`"),
        ("equity_cents = \n", "cannot read the book"),
    ],
)
def test_a_wrong_book_is_refused(home: Home, text: str, words: str) -> None:
    write(home, "book.toml", text)
    with pytest.raises(DataError, match=words):
        ticket(home, "2023-01-18")


def test_a_book_as_csv(home: Home) -> None:
    header = "kind,equity_cents,layer,expiry,strike,quantity,cost"
    rows = ("account,30000000,,,,,", "hedge,,M,2023-05-17,22,2,150")
    write(home, "book.csv", "\n".join([header, *rows]))
    account = ticket(home, "2023-01-18")["account"]
    assert (account["equity_cents"], account["hedge_contracts"]) == (30_000_000, 2)


def test_preopen_says_what_changed_since_the_evening(home: Home) -> None:
    run_scores(home, DAYS[1:2])
    document = ticket(home, "2023-01-18", "preopen")
    changed = document["changes"]["since_evening"]
    assert changed["session"] == "2023-01-18" and changed["at"] == "evening" and changed["heads"]
    assert document["asof"]["chicago"].startswith("2023-01-19T08:00:00")


def test_files_orders_and_text(home: Home) -> None:
    any_policy(home)
    document = next(d for d in run_tickets(home, DAYS).documents if d["legs"])
    paths = write_ticket_files(home, document)
    assert sorted(path.suffix for path in paths) == [".csv", ".json", ".txt"]
    assert json.loads(paths[0].read_text(encoding="utf-8")) == document
    legs = sum(len(c["legs"]) for c in document["condors"]) + len(document["hedge_orders"])
    assert len(ticket_csv(document).splitlines()) == legs + 1
    text = ticket_text(document)
    assert str(document["legs"][0]["strike"]) in text and "no advice" in text
    for broker in ("tastytrade", "schwab", "ibkr"):
        orders = broker_orders(document, broker)
        opened = sum(1 for c in document["condors"] if c["legs"])
        assert len(orders) == opened + len(document["hedge_orders"])


def test_no_champion_writes_nothing(home: Home) -> None:
    (home.mlruns / "champion.json").unlink()
    with pytest.raises(RefusedError, match="retrain"):
        ticket(home, "2023-01-18")
    with Ledger.of(home) as ledger:
        assert ledger.entries("ticket") == []
    assert not home.scores.exists()


def test_a_ticket_of_an_empty_book_is_the_same_however_far_its_paths_go(home, monkeypatch):
    any_policy(home)
    short = run_tickets(home, DAYS).documents
    shutil.rmtree(home.scores)
    monkeypatch.setattr(writer, "horizon_of", lambda *_: HORIZON)
    assert run_tickets(home, DAYS).documents == short
    assert any(condor["legs"] for document in short for condor in document["condors"])
