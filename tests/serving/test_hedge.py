from __future__ import annotations

import math
from dataclasses import replace
from datetime import date

import numpy as np
import pandas as pd
import pytest

from serving.book import Book, HedgeLayer
from serving.hedge import adaptive_kappa, vxth_weight
from serving.hedge_gain import gain
from serving.ladder import plan_hedge
from serving.policy import Facts, decide
from serving.settings import HedgeSettings, ServingSettings
from serving.state import Future, MarketState
from serving.vix_curve import curve_of, listed_expiries

SETTINGS = HedgeSettings()


def state(vix: float = 18.0, **change: object) -> MarketState:
    """The dossier's curve: VIX 18 and futures 19 / 20.7 / 21.3 at 30, 110 and 220 days."""
    session = pd.Timestamp("2026-03-16")
    expiries = listed_expiries(pd.Timestamp("2026-03-17"), months=9)
    days = np.array([(e - pd.Timestamp("2026-03-17")).days for e in expiries], dtype=float)
    levels = (
        np.interp(days, [0, 30, 60, 110, 160, 220], [18, 19, 19.9, 20.7, 21.1, 21.3]) + vix - 18
    )
    futures = tuple(Future(e, float(p), session) for e, p in zip(expiries, levels, strict=True))
    known = MarketState(
        session=session, ticket_session=pd.Timestamp("2026-03-17"),
        cutoff=pd.Timestamp("2026-03-16 22:00", tz="UTC"), spx=7000.0, vix=vix, vix1d=None,
        vix9d=None, vix3m=20.0, vix6m=21.0, vvix=95.0, skew=130.0, vix_sma5=vix, vix_max20=vix,
        typical=7000.0, futures=futures, rate=0.04, events=(), features={},
    )  # fmt: skip
    return replace(known, **change)  # type: ignore[arg-type]


def allowance(vix: float, **facts: object):  # type: ignore[no-untyped-def]
    known = {"alvh": Facts(vix=vix, **facts)}  # type: ignore[arg-type]
    return decide(known, ServingSettings()).allowances["alvh"]


def plan(book: Book, at: MarketState, exposure: int, **facts: object):  # type: ignore[no-untyped-def]
    rules = allowance(at.vix, **facts)
    return plan_hedge(at, book, rules, p_shift=0.3, exposure_cents=exposure, settings=SETTINGS)


def test_listed_expiries_are_those_of_the_exchange_s_rule() -> None:
    # the third Friday of April 2025 is Good Friday: March's options expire a day early
    found = listed_expiries(pd.Timestamp("2025-01-22"), months=5)
    assert [f"{day:%m-%d}" for day in found] == ["02-19", "03-18", "04-16", "05-21", "06-18"]


def test_the_dossier_s_unit_costs_about_what_it_says() -> None:
    summary = plan(Book(equity_cents=10**9), state(), 10**6).summary
    # 4/4/2 calls near 0.50 delta at VIX 18 cost 2,357 dollars there, on exact tenors
    assert summary["unit_cost_cents"] / 100 == pytest.approx(2357, rel=0.12)
    by_vix = {row["vix"]: row["unit_cents"] / 100 for row in summary["shocks"]}
    assert by_vix[22.0] < by_vix[30.0] < by_vix[40.0] < by_vix[65.0]
    assert by_vix[30.0] == pytest.approx(4500, rel=0.15)
    assert [row["layer"] for row in summary["layers"]] == ["S", "M", "L"]


def test_units_grow_with_what_is_at_risk() -> None:
    rich = Book(equity_cents=10**10)
    losses = (0, 430_000, 2_430_000)
    summaries = [plan(rich, state(), loss).summary for loss in losses]
    units = [summary["units_wanted"] for summary in summaries]
    one = summaries[0]["unit_gain_cents"]
    assert one / 100 == pytest.approx(4476, rel=0.15)  # the dossier's, on exact tenors
    assert units == [math.ceil(0.65 * loss / one) for loss in losses] and units[:2] == [0, 1]


def test_the_budget_binds_and_says_so() -> None:
    poor = plan(Book(equity_cents=12_000_000), state(), 2_430_000)
    spent = sum(o["qty"] * round(o["limit_price"] * 100) * 100 for o in poor.orders)
    assert 0 < spent <= 180_000
    assert "budget binds" in poor.summary["budget_note"]
    broke = plan(Book(equity_cents=12_000_000, hedge_spent_252_cents=180_000), state(), 2_430_000)
    assert broke.orders == () and "0 contracts" in broke.summary["budget_note"]


def test_redeployed_proceeds_end_at_the_hard_stop() -> None:
    # 2 % of 120,000 dollars is 2,400: 2,100 spent leave 300, whatever the proceeds
    book = Book(
        equity_cents=12_000_000, hedge_spent_252_cents=210_000, hedge_proceeds_held_cents=500_000
    )
    orders = plan(book, state(18.0, vix_max20=30.0), 2_430_000).orders
    assert sum(o["qty"] * round(o["limit_price"] * 100) * 100 for o in orders) <= 30_000
    free = book.model_copy(update={"hedge_spent_252_cents": 0})
    orders = plan(free, state(18.0, vix_max20=30.0), 2_430_000).orders
    assert sum(o["qty"] * round(o["limit_price"] * 100) * 100 for o in orders) > 180_000


def test_rich_volatility_buys_no_short_layer() -> None:
    layers = {o["layer"] for o in plan(Book(equity_cents=10**9), state(27.0), 2_430_000).orders}
    assert layers == {"M", "L"}


def test_roll_and_harvest() -> None:
    near = HedgeLayer(layer="M", expiry=date(2026, 4, 15), strike=20, quantity=4, cost=150)
    dear = HedgeLayer(layer="S", expiry=date(2026, 5, 19), strike=19, quantity=4, cost=30)
    book = Book(equity_cents=10**9, hedges=(near, dear))
    orders = plan(book, state(), 430_000).orders
    sold = {o["rule"]: (o["layer"], o["qty"]) for o in orders if o["action"] == "STC"}
    assert sold == {"ALVH_ROLL": ("M", 4), "ALVH_HARVEST": ("S", 2)}
    assert all(o["layer"] == "M" for o in orders if o["action"] == "BTO")


def test_kappa_by_hand() -> None:
    plain = allowance(18.0)
    assert adaptive_kappa(state(), 0.3, plain, SETTINGS) == pytest.approx(0.65)
    assert adaptive_kappa(state(), 0.7, plain, SETTINGS) == pytest.approx(0.65 + 0.35 * 0.4)
    assert adaptive_kappa(state(vix3m=17.0), 0.3, plain, SETTINGS) == pytest.approx(0.75)
    calm = allowance(14.0)
    assert adaptive_kappa(state(14.0), 0.1, calm, SETTINGS) == pytest.approx(0.55)
    more = allowance(18.0, defensive=True)
    assert adaptive_kappa(state(vix3m=17.0), 1.0, more, SETTINGS) == 1.0


def test_a_call_gains_when_vix_jumps_and_loses_when_it_stands() -> None:
    up = gain(19, 19, 30, 0.95, beta=0.75, jump=12, shock_days=5)
    still = gain(19, 19, 30, 0.95, beta=0.75, jump=0, shock_days=5)
    assert up > 5 and still < 0


@pytest.mark.parametrize(
    ("vix", "weight"), [(15, 0.0), (15.1, 0.01), (30, 0.01), (50, 0.005), (51, 0)]
)
def test_vxth_s_bands(vix: float, weight: float) -> None:
    assert vxth_weight(vix, SETTINGS) == weight


def test_without_futures_the_curve_is_flagged_and_without_vvix_nothing_is_priced() -> None:
    bare = state(futures=())
    assert curve_of(bare).source == "VIX family, upper bound"
    assert curve_of(bare).at(0) == 18.0
    nothing = plan(Book(equity_cents=10**9), state(vvix=None), 430_000)
    assert nothing.orders == () and "VVIX unknown" in nothing.doubts[0]
    assert set(nothing.summary) == set(plan(Book(equity_cents=10**9), state(), 0).summary)
