"""What the night changed, by hand; and the hedge as an answer, on the paths that value it."""

from __future__ import annotations

import math
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pytest

from serving.book import OpenCondor
from serving.hedge_gain import gain
from serving.night import night_of
from serving.offer import hedge_market, offer_for, offer_profit
from serving.policy import Facts, decide
from serving.settings import ServingSettings
from serving.state import Future, MarketState
from serving.vix_curve import listed_expiries

SETTINGS = ServingSettings()


def told(probability: float | None, base: float, **push: float) -> dict[str, Any]:
    terms = [{"feature": name, "value": 1.0, "log_odds": value} for name, value in push.items()]
    head = {"head": "shift_up", "horizon": 5, "probability": probability, "base_log_odds": base}
    return {"heads": [{**head, "contributions": terms}]}


def odds(*terms: float) -> float:
    return 1 / (1 + math.exp(-sum(terms)))


def test_the_move_is_split_and_adds_up() -> None:
    evening = told(odds(-1.5, 0.2, -0.1), -1.5, btc_night_ret=0.2, vix_log=-0.1)
    now = told(odds(-1.4, 0.7, 0.1, 0.3), -1.4, btc_night_ret=0.7, vix_log=0.1, btc_funding=0.3)
    before = {"btc_night_ret": 0.0, "vix_log": 2.8, "btc_funding": None, "same": None}
    after = {"btc_night_ret": -0.06, "vix_log": 2.8, "btc_funding": 0.01, "same": None}
    night = night_of(evening, now, before, after, SETTINGS)
    assert night["features_moved"] == 2
    assert night["start"] == pytest.approx(0.1)
    assert night["night"] == pytest.approx(0.5 + 0.3)
    assert night["model"] == pytest.approx(0.2), "vix_log stands still: another model, no news"
    assert night["change"] == pytest.approx(0.1 + 0.8 + 0.2)
    assert [row["feature"] for row in night["did_it"]] == ["btc_night_ret", "btc_funding"]
    assert night["did_it"][1] == {
        "feature": "btc_funding", "was": None, "is": 0.01, "log_odds": pytest.approx(0.3)
    }  # fmt: skip


def test_a_head_that_is_not_scored_has_no_split() -> None:
    night = night_of(told(None, 0.0), told(0.2, -1.4), {"a": 1.0}, {"a": 2.0}, SETTINGS)
    assert night["change"] is None and night["did_it"] == [] and night["features_moved"] == 1


@pytest.fixture
def state() -> MarketState:
    session, following = pd.Timestamp("2024-06-18"), pd.Timestamp("2024-06-20")
    futures = tuple(
        Future(expiry, 18.0 + i, session)
        for i, expiry in enumerate(listed_expiries(following, months=8))
    )
    return MarketState(
        session=session, ticket_session=following, cutoff=pd.Timestamp("2024-06-18 22:00Z"),
        spx=5400.0, vix=17.0, vix1d=None, vix9d=None, vix3m=19.0, vix6m=20.0, vvix=90.0,
        skew=130.0, vix_sma5=17.0, vix_max20=18.0, typical=5400.0, futures=futures, rate=0.04,
        events=(), features={},
    )  # fmt: skip


def position(quantity: int = 4) -> OpenCondor:
    return OpenCondor(
        id="a", book="condor_30_60", expiry=date(2024, 7, 19), put_long=5175, put_short=5200,
        call_short=5600, call_long=5625, quantity=quantity, credit=500, opened=date(2024, 6, 3),
    )  # fmt: skip


def market_of(state: MarketState, **facts: Any) -> Any:
    allowance = decide({"alvh": Facts(vix=state.vix, **facts)}, SETTINGS).allowances["alvh"]
    return hedge_market(state, allowance, 0.3, SETTINGS)


def test_the_hedge_is_sized_by_its_own_shock_and_valued_on_the_paths(state: MarketState) -> None:
    market = market_of(state)
    offer = offer_for(position(), market, state, SETTINGS)
    assert offer is not None and market.target.layer.id == "S"
    call = market.target
    each = gain(
        call.strike, call.future, call.days, call.vol, beta=0.75, jump=30 - 17, shock_days=5
    )
    wanted = math.ceil(0.65 * position().condor().max_loss_cents * 4 / (each * 10_000))
    assert offer.contracts == wanted
    assert offer.cost_cents == wanted * (125 + 500), "fee and one tick"
    # nothing moves and no time passes: nothing is won
    still = offer_profit(offer, state, np.log([state.vix]), 0)
    assert still[0] == pytest.approx(0.0, abs=1e-6)
    paths = np.log([10.0, 17.0, 25.0, 40.0])
    won = offer_profit(offer, state, paths, 5)
    assert (np.diff(won) > 0).all() and won[0] > -wanted * call.price * 10_000 and won[-1] > 0
    # at expiry only the intrinsic value is left
    expired = offer_profit(offer, state, np.log([17.0]), 40)
    settled = max(market.curve.at(0.0) - call.strike, 0.0)
    assert expired[0] == pytest.approx(wanted * (settled - call.price) * 10_000)


def test_above_25_the_next_layer_is_offered_and_a_refusal_offers_none(state: MarketState) -> None:
    from dataclasses import replace

    rich = replace(state, vix=27.0)
    assert market_of(rich).target.layer.id == "M"
    assert market_of(state, novel=True) is None
    assert market_of(replace(state, vvix=None)) is None
