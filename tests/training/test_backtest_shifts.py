from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from serving.book import Book, OpenCondor
from serving.edr import Edr
from serving.proposal import vol_inputs
from serving.settings import ServingSettings
from training.backtest.engine import replay
from training.backtest.shelf import Shelf
from training.backtest.shifts import rolled
from training.backtest.strata import shifted
from training.backtest.variants import ALTERNATIVES

from .test_backtest_engine import tape

SETTINGS = ServingSettings()
VARIANT = next(v for v in ALTERNATIVES if v.name == "served_time_shift")


def one(state, *, rolls=0, put_short=4480):
    day = state.ticket_session.date()
    return OpenCondor(
        id="a",
        book="condor_1dte",
        expiry=day,
        put_long=put_short - 10,
        put_short=put_short,
        call_short=4620,
        call_long=4630,
        quantity=2,
        credit=70,
        opened=state.session.date(),
        rolls_used=rolls,
    )


def opening(spot, *, vix=17.0):
    return replace(tape([4550.0] * 6, vix=vix).evening[3], spx=spot)


def roll(position, state, *, pct=1.1):
    edr = Edr("edr_vix", pct, None)
    return rolled(position, state, vol_inputs(state)[0], edr, SETTINGS)


def test_a_tested_put_is_rolled_to_a_later_expiry_that_pays_for_it():
    state = opening(4500.0)
    new = roll(one(state), state)
    p = new.position
    assert p.expiry > state.ticket_session.date() and p.quantity == 2 and p.rolls_used == 1
    assert p.put_short - p.put_long == 10 == p.call_long - p.call_short
    # the new credit, after slippage, against the cost of closing without its fees
    assert p.credit * 100 * 2 > 0 and new.paid_cents > new.fees_cents > 0
    assert p.realised_loss_cents > 0
    assert p.original_max_loss_cents == one(state).condor().max_loss_cents


@pytest.mark.parametrize(
    ("spot", "rolls", "vix", "pct"),
    [
        (4550.0, 0, 17.0, 1.1),  # not challenged
        (4500.0, 2, 17.0, 1.1),  # rolled twice already
        (4500.0, 0, 14.0, 0.9),  # neither the range nor the VIX is above its trigger
    ],
)
def test_what_may_not_be_rolled_stays(spot, rolls, vix, pct):
    state = opening(spot, vix=vix)
    assert roll(one(state, rolls=rolls), state, pct=pct) is None


def run(market, book, variant):
    sessions = market.market.sessions
    return replay(
        market,
        variant,
        first=1,
        last=6,
        p_evening=dict.fromkeys(sessions, 0.05),
        p_preopen={},
        settings=SETTINGS,
        shelf=Shelf(SETTINGS, 0.0),
        book=book,
    )


def test_in_the_replay_a_roll_is_two_trades_that_close_to_the_cent():
    market = tape([4550.0] * 8, vix=17.0)
    market.open_spot[2] = 4500.0
    held = one(market.evening[1])
    book = Book(equity_cents=25_000_000, condors=(held,))
    bare = replace(VARIANT, hedge=False, books=())
    with_roll = run(market, book, replace(bare, books=("condor_1dte",)))
    trades = with_roll.trades
    day = str(market.market.sessions[2].date())
    own = trades[(trades["session"] == day) & trades["position"].str.startswith("a")]
    assert list(own["what"]) == ["close", "open"] and list(own["position"]) == ["a", "a+"]
    assert own["rule"].iloc[0] == "BOOK:TIME_SHIFT"
    found = shifted(with_roll)
    assert found["rolls"] == 1 and found["chains"] == 1
    assert found["first_loss_cents"] < 0
    moved = with_roll.daily[["condor_1dte", "condor_30_60", "alvh", "cash"]].sum(axis=1)
    expected = with_roll.daily["equity"].diff().iloc[1:]
    assert np.array_equal(moved.iloc[1:], expected)
    still = run(market, book, replace(bare, books=("condor_1dte",), time_shift=False))
    assert not (still.trades["rule"].str.endswith("TIME_SHIFT")).any()
    assert isinstance(still.daily, pd.DataFrame)
