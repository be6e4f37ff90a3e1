"""The user's quotes reach the marks, each mark names its source, and bad chains are refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.errors import DataError, UsageError
from features.home import Home
from features.sessions import calendar
from serving.chain import Chain, mark_chain
from serving.ledger import Ledger
from serving.smile import VolInputs
from serving.ticket import run_tickets
from serving.vix_smile import mark_vix, vix_strikes
from stormpetrel import app

SESSION = pd.Timestamp("2023-01-18")
DAY = pd.DatetimeIndex([SESSION])
AT = "2023-01-18T21:10:00Z"  # 16:10 New York


# thresholds that let both books open whatever the made-up VIX is
OPEN = """\
[serving.policy]
vix_calm = 98
vix_hold = 99
vix_none = 100
vix_half = 99
[serving.condor]
premium_floor = 0.001
[serving.sizing]
risk_per_trade = 0.05
"""


def smile_chain(plain: dict[str, Any], expiry: pd.Timestamp, sessions: float, lift: float) -> Chain:
    inputs = VolInputs.of(vix=plain["vix"] * lift, skew=125.0)
    return mark_chain(
        expiry=expiry.date(), spot=plain["S"], sessions=sessions, inputs=inputs, rate=0.04, step=5,
        reach=0.25, margin=100,
    )  # fmt: skip


def quotes_of(marks: Chain, expiry: pd.Timestamp, half: float = 0.05) -> list[str]:
    rows = []
    for strike, put, call in zip(marks.strikes, marks.put, marks.call, strict=True):
        for right, mid in (("P", put), ("C", call)):
            rows.append(
                f"{AT},SPXW,{expiry:%Y-%m-%d},{strike},{right},"
                f"{max(mid - half, 0):.6f},{mid + half:.6f}"
            )
    return rows


def write(path: Path, rows: list[str]) -> Path:
    header = "quoted_at,root,expiry,strike,right,bid,ask"
    path.write_text("\n".join([header, *rows]) + "\n", encoding="utf-8")
    return path


@pytest.fixture
def plain(evening: Any) -> dict[str, Any]:
    (ticket,) = evening("marking", run_tickets, DAY, OPEN)
    return ticket


@pytest.fixture
def market(plain: dict[str, Any], tmp_path: Path) -> Path:
    """Quotes of today's one-day options and of the far expiry, from a smile a fifth dearer."""
    near = calendar().next(SESSION)
    far = pd.Timestamp(plain["condors"][1]["expiry"])
    left = float(len(calendar().sessions(near, far)))
    rows = quotes_of(smile_chain(plain, near, 1.0, 1.2), near)
    rows += quotes_of(smile_chain(plain, far, left, 1.2), far)
    for layer in plain["hedge"]["layers"]:
        strikes = vix_strikes(layer["future"])
        calls = mark_vix(strikes, layer["future"], layer["days"], 150.0)
        rows += [
            f"{AT},VIX,{layer['expiry']},{k:g},C,{max(m - 0.1, 0):.6f},{m + 0.1:.6f}"
            for k, m in zip(strikes, calls.mid, strict=True)
        ]
    return write(tmp_path / "chain.csv", rows)


def test_every_mark_names_its_source_and_band(
    home: Home, plain: dict[str, Any], market: Path
) -> None:
    ticket = run_tickets(home, DAY, chain_path=market).documents[0]
    assert ticket["revision"] == 1, "other inputs are a revision, never an overwrite"
    assert [c["mark_source"] for c in ticket["condors"]] == ["quotes of 2023-01-19", "quotes"]
    for before, after in zip(plain["condors"], ticket["condors"], strict=True):
        assert before["mark_source"].startswith("smile: ")
        for condor, source in ((before, "smile"), (after, "quotes")):
            for leg in condor["legs"]:
                assert leg["source"] == source
                assert leg["low"] <= leg["mid"] <= leg["high"]
            assert condor["net_credit_lo"] <= condor["net_credit_mid"] <= condor["net_credit_hi"]
    for leg in ticket["legs"]:
        assert leg["high"] - leg["low"] == pytest.approx(0.10, abs=2e-4), "bid and ask themselves"
    # four legs sold at the bids and bought at the asks: four half spreads either side
    both = ticket["net_credit_hi"] - ticket["net_credit_lo"]
    assert both == pytest.approx(0.40, abs=1e-3)
    orders = ticket["hedge_orders"]
    assert orders and {order["source"] for order in orders} == {"quotes"}
    assert all(o["high"] - o["low"] == pytest.approx(0.2, abs=1e-3) for o in orders)
    assert {order["source"] for order in plain["hedge_orders"]} == {"smile"}
    assert ticket["chain_quotes"]["options"] > 500 and plain["chain_quotes"] is None


def test_quotes_move_the_strikes_as_the_same_smile_would(
    home: Home, plain: dict[str, Any], market: Path
) -> None:
    ticket = run_tickets(home, DAY, chain_path=market).documents[0]
    marks = smile_chain(plain, calendar().next(SESSION), 1.0, 1.2)
    (one, other) = (c["legs"] for c in (plain, ticket))
    assert other[1]["strike"] < one[1]["strike"], "dearer options: the same credit lies further out"
    for leg in other:
        place = marks.position(leg["strike"])
        mid = (marks.call if leg["right"] == "C" else marks.put)[place]
        assert leg["mid"] == pytest.approx(mid, abs=1e-3)
        assert leg["iv"] == pytest.approx(float(marks.vol[place]), rel=1e-3)


def test_quotes_that_do_not_reach_leave_the_whole_package_to_the_smile(
    home: Home, plain: dict[str, Any], tmp_path: Path
) -> None:
    near = calendar().next(SESSION)
    marks = smile_chain(plain, near, 1.0, 1.2)
    hole = marks.position(plain["legs"][1]["strike"])
    rows = quotes_of(marks, near)
    gap = write(tmp_path / "gap.csv", [r for i, r in enumerate(rows) if i // 2 != hole])
    ticket = run_tickets(home, DAY, chain_path=gap).documents[0]
    assert ticket["mark_source"].startswith("smile: ")
    assert any("condor_1dte: the quotes do not reach" in d for d in ticket["data_quality"])
    assert ticket["legs"] == plain["legs"]


def test_an_open_condor_is_marked_by_its_own_expiry(
    home: Home, plain: dict[str, Any], market: Path
) -> None:
    far = plain["condors"][1]
    a, b, c, d = (leg["strike"] for leg in far["legs"])
    book = (
        'equity_cents = 50000000\n[[condors]]\nid = "far"\nbook = "condor_30_60"\n'
        f"expiry = {far['expiry']}\nput_long = {a}\nput_short = {b}\ncall_short = {c}\n"
        f"call_long = {d}\nquantity = 1\ncredit = 500\nopened = 2023-01-17\n"
    )
    (home.root / "book.toml").write_text(book, encoding="utf-8")
    (smile,) = run_tickets(home, DAY).documents[0]["positions"]
    (quoted,) = run_tickets(home, DAY, chain_path=market).documents[0]["positions"]
    assert smile["mark_source"].startswith("smile: ") and quoted["mark_source"] == "quotes"
    assert quoted["mark"] != smile["mark"]
    for row in (smile, quoted):
        assert row["mark_lo"] <= row["mark"] <= row["mark_hi"]
    assert quoted["mark_hi"] - quoted["mark_lo"] == pytest.approx(0.40, abs=1e-3)


def cheap_far_call(rows: list[str]) -> list[str]:
    """Give one call a bid above the ask of the call five points nearer."""
    calls = [i for i, row in enumerate(rows) if ",C," in row]
    at = calls[len(calls) // 2]
    head, _, _ = rows[at].rpartition(",")[0].rpartition(",")
    return [*rows[:at], f"{head},900,901", *rows[at + 1 :]]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (cheap_far_call, "sure profit"),
        (lambda rows: [r.replace(AT, "2023-01-18T23:30:00Z") for r in rows], "no quote of this"),
        (lambda rows: [r.replace(AT, "2023-01-17T21:10:00Z") for r in rows], "no quote of this"),
        (lambda rows: [r.replace("SPXW", "SPY") for r in rows], "`root` must be"),
        (lambda rows: [], "no quote of this"),
    ],
)
def test_bad_chains_are_refused_before_anything_is_written(
    home: Home, plain: dict[str, Any], tmp_path: Path, spoil: Any, words: str
) -> None:
    near = calendar().next(SESSION)
    path = write(tmp_path / "bad.csv", spoil(quotes_of(smile_chain(plain, near, 1.0, 1.2), near)))
    for name in ("ledger.db", "ledger.db-wal", "ledger.db-shm"):
        (home.scores / name).unlink(missing_ok=True)
    with pytest.raises(DataError, match=words):
        run_tickets(home, DAY, chain_path=path)
    with Ledger.of(home) as ledger:
        assert ledger.entries("score") == [] and ledger.entries("ticket") == []


def test_quotes_of_another_index_are_refused(
    home: Home, plain: dict[str, Any], tmp_path: Path
) -> None:
    near = calendar().next(SESSION)
    other = {**plain, "S": plain["S"] * 1.3}
    path = write(tmp_path / "other.csv", quotes_of(smile_chain(other, near, 1.0, 1.0), near))
    with pytest.raises(DataError, match="implies a forward"):
        run_tickets(home, DAY, chain_path=path)


def test_one_file_speaks_about_one_session(home: Home, market: Path) -> None:
    with pytest.raises(UsageError, match="one session, got 2"):
        run_tickets(home, calendar().sessions("2023-01-17", "2023-01-18"), chain_path=market)


def test_the_verb_takes_a_chain_and_refuses_a_bad_one(
    home: Home, market: Path, tmp_path: Path
) -> None:
    told = ["ticket", "--date", "2023-01-18", "--home", str(home.root), "--json", "--chain"]
    done = CliRunner().invoke(app, [*told, str(market)])
    assert done.exit_code == 0, done.output
    ticket = json.loads(done.stdout)
    assert ticket["mark_source"].startswith("quotes")
    csv = (home.scores / "tickets" / "2023-01-18-evening.csv").read_text(encoding="utf-8")
    assert ",quotes\n" in csv and csv.splitlines()[0].endswith("low,high,source")
    bad = CliRunner().invoke(app, [*told, str(tmp_path / "nowhere.csv")])
    refused = json.loads(bad.stdout)
    assert bad.exit_code == 3 and refused["action"] == "NO_TRADE" and refused["legs"] == []
    assert refused["refusals"][0]["id"] == "REFUSE_INPUT"
    assert "cannot read quotes" in refused["refusals"][0]["reason"]


def test_the_smile_s_band_holds_the_mark_at_every_strike(plain: dict[str, Any]) -> None:
    marks = smile_chain(plain, calendar().next(SESSION), 1.0, 1.0)
    found = marks.marks(marks.strikes, call=np.full(len(marks.strikes), True))
    assert (found.low <= found.mid + 1e-9).all() and (found.mid <= found.high + 1e-9).all()
