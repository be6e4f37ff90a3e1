from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from features.sessions import calendar
from serving.book import Book
from serving.edr import Edr
from serving.settings import ServingSettings
from serving.state import Future, MarketState
from training.backtest.engine import replay
from training.backtest.market import Market
from training.backtest.shelf import Shelf
from training.backtest.states import Tape
from training.backtest.variants import ALTERNATIVES

SETTINGS = ServingSettings()


def tape(closes, *, vix=13.0):
    sessions = calendar().sessions("2022-01-03", "2022-12-30")[: len(closes)]
    close = np.asarray(closes, dtype=float)
    frame = pd.DataFrame({"close": close, "vix": vix, "rate": 0.01}, index=sessions)
    for name in ("vix1d", "vix9d", "vix3m", "vix6m", "spy_gap"):
        frame[name] = np.nan
    states = []
    for session, spot in zip(sessions, close, strict=True):
        futures = tuple(
            Future(session + pd.Timedelta(days=d), 15.0 + d / 60, session) for d in (20, 50, 110)
        )
        states.append(
            MarketState(
                session=session,
                ticket_session=calendar().next(session),
                cutoff=session.tz_localize("UTC") + pd.Timedelta(hours=23),
                spx=spot,
                vix=vix,
                vix1d=None,
                vix9d=None,
                vix3m=16.0,
                vix6m=17.0,
                vvix=90.0,
                skew=130.0,
                vix_sma5=vix,
                vix_max20=vix,
                typical=spot,
                futures=futures,
                rate=0.01,
                events=(),
                features={},
            )
        )
    market = Market(frame, pd.DataFrame())
    edr = [Edr("edr_vix", vix / np.sqrt(252), None)] * len(close)
    opens = np.append(np.nan, close[:-1])
    return Tape(market, states, opens, np.full(len(close), vix), edr, edr, {})


def run(market, variant, *, last=None, p=0.05, band=0.0):
    sessions = market.market.sessions
    return replay(
        market,
        variant,
        first=1,
        last=last or len(market.evening) - 1,
        p_evening=dict.fromkeys(sessions, p),
        p_preopen={},
        settings=SETTINGS,
        shelf=Shelf(SETTINGS, band),
        book=Book(equity_cents=25_000_000),
    )


CONSERVATIVE = replace(ALTERNATIVES[-1], hedge=False)
ONE_DAY = replace(CONSERVATIVE, books=("condor_1dte",))


def test_a_still_market_lets_every_one_day_condor_keep_its_credit():
    result = run(tape([4500.0] * 12), ONE_DAY)
    trades = result.trades
    opened = trades[trades["what"] == "open"]
    settled = trades[trades["what"] == "settle"]
    assert len(opened) == 10 and (settled["cents"] == 0).all()
    # filled on the session after the evening, settled on the next: never the same close
    pairs = opened.merge(settled, on="position", suffixes=("_open", "_settle"))
    assert (pairs["session_open"] < pairs["session_settle"]).all()
    assert opened["session"].iloc[0] == str(result.daily.index[0].date())


def test_equity_is_cash_plus_marks_every_day():
    closes = 4500 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.008, 60)))
    result = run(tape(closes), ALTERNATIVES[0])
    daily = result.daily
    moved = daily[["condor_1dte", "condor_30_60", "alvh", "cash"]].sum(axis=1)
    assert (moved.cumsum() + 25_000_000 == daily["equity"]).all()
    assert result.stopped is None and (result.trades["book"] == "alvh").any()


def test_a_crash_loses_no_more_than_the_width():
    closes = [4500.0] * 6 + [3900.0] * 4
    result = run(tape(closes), ONE_DAY)
    worst = result.trades[result.trades["what"] == "settle"]["cents"].min()
    opened = result.trades[result.trades["what"] == "open"]
    contracts = 1 + opened["fees_cents"].max() // (4 * SETTINGS.costs.fee_cents)
    assert worst < 0 and -worst <= SETTINGS.condor.wing_width * 10_000 * contracts


def test_the_future_changes_nothing_before_it():
    calm = [4500.0 + i for i in range(20)]
    other = calm[:12] + [3800.0] * 8
    a, b = (run(tape(c), ALTERNATIVES[0], last=11).daily for c in (calm, other))
    pd.testing.assert_frame_equal(a, b)


def test_a_high_probability_opens_nothing():
    market = tape([4500.0] * 15)
    assert not (run(market, ALTERNATIVES[0], p=0.9).trades["what"] == "open").any()
    assert (run(market, ALTERNATIVES[0]).trades["what"] == "open").any()


def test_a_gap_stops_the_replay_with_a_clear_word():
    market = tape([4500.0] * 15)
    market.evening[8] = None
    result = run(market, CONSERVATIVE)
    assert len(result.daily) == 6
    assert "stopped at 2022-01-13: no VIX close" in result.stopped


@pytest.mark.parametrize("band", [-1.0, 1.0])
def test_the_band_moves_the_marks(band):
    closes = 4500 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.006, 30)))
    mid = run(tape(closes), CONSERVATIVE).daily["equity"].iloc[-1]
    assert run(tape(closes), CONSERVATIVE, band=band).daily["equity"].iloc[-1] != mid
