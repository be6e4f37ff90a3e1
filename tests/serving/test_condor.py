from __future__ import annotations

from dataclasses import replace
from datetime import date

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError
from models.touches import OpenPaths
from serving.chain import Chain, mark_chain
from serving.condor import Condor, round_to_tick
from serving.odds import TouchOdds, condor_odds, path_touch
from serving.settings import CostSettings, OddsSettings
from serving.smile import VolInputs
from serving.strikes import push_out, search_delta, search_rsai

EXPIRY = date(2026, 11, 24)


@st.composite
def condors(draw: st.DrawFn) -> Condor:
    put_short = draw(st.integers(200, 1400)) * 5
    width_put, width_call = draw(st.integers(1, 20)) * 5, draw(st.integers(1, 20)) * 5
    call_short = put_short + draw(st.integers(1, 100)) * 5
    credit = draw(st.integers(1, 20 * max(width_put, width_call) - 1)) * 5
    return Condor(
        expiry=EXPIRY,
        put_long=put_short - width_put,
        put_short=put_short,
        call_short=call_short,
        call_long=call_short + width_call,
        credit=credit,
        fees_cents=draw(st.integers(0, 2000)),
    )


def chain(spot: float = 7139.0, vix: float = 17.95, sessions: float = 1.0) -> Chain:
    inputs = VolInputs.of(vix=vix, skew=130.0)
    return mark_chain(
        expiry=EXPIRY, spot=spot, sessions=sessions, inputs=inputs, rate=0.04, step=5, reach=0.25,
        margin=100,
    )  # fmt: skip


def test_the_dossier_s_arithmetic() -> None:
    # W = 10, credit 0.70, no fees: keeps 70 dollars, risks 930, needs 93 %
    condor = Condor(EXPIRY, 6980, 6990, 7250, 7260, 70)
    assert (condor.max_profit_cents, condor.max_loss_cents) == (7_000, 93_000)
    assert condor.break_evens == (6989.3, 7250.7)
    assert condor.win_rate_needed == pytest.approx(0.93)
    charged = Condor(EXPIRY, 6980, 6990, 7250, 7260, 70, fees_cents=500)
    assert (charged.max_profit_cents, charged.max_loss_cents) == (6_500, 93_500)
    assert charged.break_evens == (6989.35, 7250.65)


@given(condors(), st.integers(0, 1_200_000))
def test_legs_pay_the_condor_s_formula_at_every_price(condor: Condor, settle: int) -> None:
    put_lost = min(max(100 * condor.put_short - settle, 0), 100 * condor.put_width)
    call_lost = min(max(settle - 100 * condor.call_short, 0), 100 * condor.call_width)
    expected = condor.credit * 100 - condor.fees_cents - 100 * (put_lost + call_lost)
    assert int(condor.payoff_cents(settle)) == expected


@given(condors())
def test_profit_and_loss_are_bounded_to_the_cent(condor: Condor) -> None:
    strikes = [condor.put_long, condor.put_short, condor.call_short, condor.call_long]
    settle = np.array([0, *(100 * k for k in strikes), 10**7], dtype=np.int64)
    paid = condor.payoff_cents(settle)
    assert paid.max() == condor.max_profit_cents
    assert paid.min() == -condor.max_loss_cents
    wider = max(condor.put_width, condor.call_width)
    assert condor.max_loss_cents == 10_000 * wider - condor.max_profit_cents


@pytest.mark.parametrize(
    ("strikes", "credit", "words"),
    [
        ((6990, 6990, 7250, 7260), 70, "must rise"),
        ((6980, 7260, 7250, 7270), 70, "must rise"),
        ((6980, 6990, 7250, 7260), 0, "credit must lie"),
        ((6980, 6990, 7250, 7260), 1000, "credit must lie"),
    ],
)
def test_what_is_no_condor_is_refused(
    strikes: tuple[int, int, int, int], credit: int, words: str
) -> None:
    with pytest.raises(DataError, match=words):
        Condor(EXPIRY, *strikes, credit)


@pytest.mark.parametrize(
    ("price", "down", "expected"),
    [
        (0.712, False, 70),
        (0.7251, False, 75),
        (0.725, False, 70),
        (0.7499, True, 70),
        (0.7, True, 70),
    ],
)
def test_net_prices_are_multiples_of_a_tick(price: float, down: bool, expected: int) -> None:
    assert round_to_tick(price, 5, down=down) == expected


def test_the_search_finds_the_dossier_s_distances() -> None:
    # 3.7: at 1-day volatility of 14 %, W = 10, the tiers lie near 112, 94 and 82 points
    marks = chain()
    edr = 17.95 / np.sqrt(252) / 100 * 7139
    for target, distance in ((0.70, 112), (1.15, 94), (1.60, 82)):
        found = search_rsai(
            marks, edr_points=edr, target=target, width=10, tolerance=0.05, max_delta=0.18
        )
        assert found.status == "OK"
        assert abs(found.credit - target) <= 0.05 + 1e-9
        mean = (marks.spot - found.put_short + found.call_short - marks.spot) / 2
        assert mean == pytest.approx(distance, abs=8)
        assert found.steps[0].put_short == int((7139 - edr) // 5) * 5


def test_a_tier_beyond_the_delta_cap_is_unreachable() -> None:
    found = search_rsai(
        chain(vix=9.0), edr_points=40.0, target=3.5, width=10, tolerance=0.05, max_delta=0.10
    )
    assert found.status == "UNREACHABLE"


@settings(max_examples=40, deadline=None)
@given(
    st.floats(1500, 9000), st.floats(10, 45), st.sampled_from([0.7, 1.15, 1.6]),
    st.sampled_from([5, 10, 25]),
)  # fmt: skip
def test_every_search_ends_ordered_and_within_the_cap(
    spot: float, vix: float, target: float, width: int
) -> None:
    marks = chain(spot=spot, vix=vix)
    edr = vix / np.sqrt(252) / 100 * spot
    found = search_rsai(
        marks, edr_points=edr, target=target, width=width, tolerance=0.05, max_delta=0.18
    )
    again = search_rsai(
        marks, edr_points=edr, target=target, width=width, tolerance=0.05, max_delta=0.18
    )
    assert found == again
    assert found.put_short < found.call_short
    assert found.put_short % 5 == 0 and found.call_short % 5 == 0
    if found.status != "UNREACHABLE":
        place_put, place_call = marks.position(found.put_short), marks.position(found.call_short)
        assert max(marks.put_delta[place_put], marks.call_delta[place_call]) <= 0.18 + 1e-9


@settings(max_examples=40, deadline=None)
@given(st.floats(2000, 8000), st.floats(10, 60), st.sampled_from([1.0, 31.0]), st.floats(0.5, 2.5))
def test_market_probability_of_profit_is_a_probability_and_rises_with_m(
    spot: float, vix: float, sessions: float, m: float
) -> None:
    marks = chain(spot=spot, vix=vix, sessions=sessions)
    edr = vix / np.sqrt(252) / 100 * spot * np.sqrt(sessions)
    before = -1.0
    for multiple in (m, m * 1.1, m * 1.3):
        put = int((spot - multiple * edr) // 5) * 5
        call = -int(-(spot + multiple * edr) // 5) * 5
        if put - 10 < marks.strikes[0] or call + 10 > marks.strikes[-1]:
            break
        credit = round_to_tick(marks.credit(put, call, 10, 10), 5)
        if not 0 < credit < 1000:
            break
        condor = Condor(EXPIRY, put - 10, put, call, call + 10, credit)
        odds = condor_odds(
            condor, marks, returns=None, costs=CostSettings(), settings=OddsSettings()
        )
        assert odds.pop_market is not None and 0 <= odds.pop_market <= 1
        assert odds.pop_market >= before - 0.002  # the credit moves in whole ticks
        before = odds.pop_market


def test_the_path_prior_s_odds_are_counted_by_hand() -> None:
    marks = chain(spot=7000.0)
    condor = Condor(EXPIRY, 6890, 6900, 7100, 7110, 100)
    settle = np.array([6880.0, 6899.5, 7000.0, 7100.5, 7109.0])  # be: 6899 and 7101
    odds = condor_odds(
        condor, marks, returns=np.log(settle / 7000), costs=CostSettings(), settings=OddsSettings()
    )
    assert odds.pop_model == pytest.approx(3 / 5)
    # profits in cents: -90000, +5000, +10000, +5000, -80000; slippage 0.10 points
    assert odds.ev_mid == round((-90000 + 5000 + 10000 + 5000 - 80000) / 5 - 1000)
    assert odds.ev_lo is not None and odds.ev_hi is not None
    assert odds.ev_lo < odds.ev_mid < odds.ev_hi


def test_restrictions_only_move_shorts_outward() -> None:
    marks = chain()
    found = search_delta(marks, delta=0.16, width=25)
    moved = push_out(marks, found, multiple=1.25, floor_points=0.0, width=20)
    assert moved.put_short < found.put_short and moved.call_short > found.call_short
    assert moved.credit < found.credit
    held = push_out(marks, found, multiple=1.0, floor_points=0.0, width=25)
    assert (held.put_short, held.call_short) == (found.put_short, found.call_short)
    floor = push_out(marks, found, multiple=1.0, floor_points=200.0, width=25)
    assert marks.spot - floor.put_short >= 200 and floor.call_short - marks.spot >= 200


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 5), st.floats(12, 30))
def test_scaling_all_prices_scales_the_search(scale: int, vix: float) -> None:
    inputs = VolInputs.of(vix=vix, skew=130.0)
    common = {"expiry": EXPIRY, "sessions": 1.0, "inputs": inputs, "rate": 0.04, "reach": 0.2}
    one = mark_chain(spot=5000.0, step=5, margin=60, **common)
    other = mark_chain(spot=5000.0 * scale, step=5 * scale, margin=60 * scale, **common)
    edr = vix / np.sqrt(252) / 100 * 5000
    kept = {"max_delta": 0.18}
    a = search_rsai(one, edr_points=edr, target=0.7, width=10, tolerance=0.05, **kept)
    b = search_rsai(
        other, edr_points=edr * scale, target=0.7 * scale, width=10 * scale,
        tolerance=0.05 * scale, **kept,
    )  # fmt: skip
    assert a.status == b.status
    assert (a.put_short * scale, a.call_short * scale) == (b.put_short, b.call_short)
    assert a.credit * scale == pytest.approx(b.credit, rel=1e-9)


def test_touches_by_paths_are_counted_by_hand() -> None:
    """Sessions that do not move between open and close: gaps and closes alone touch."""
    condor = Condor(EXPIRY, 6890, 6900, 7100, 7110, 100)
    close = np.log(np.array([[7000, 7000], [6950, 6890], [7000, 7105], [7000, 7000.0]]) / 7000)
    gap = np.zeros((4, 2))
    gap[3, 1] = np.log(6880 / 7000)  # opens below the put, closes where it was
    ways = OpenPaths(close, np.ones((4, 2)), gap, (0.0, 0.0))
    whole = path_touch(condor, 7000.0, ways, 0, 2)
    assert whole == (2 / 4, 1 / 4, 3 / 4, "path prior, opens, closes and bridges")
    assert path_touch(condor, 7000.0, ways, 0, 1)[:3] == (0.0, 0.0, 0.0)
    # From the first close on, 6890 is 60 of 6950 away: less than the short put's 100.
    later = path_touch(condor, 7000.0, ways, 1, 2)
    assert later[:3] == (1 / 4, 1 / 4, 2 / 4)
    closed = path_touch(condor, 7000.0, replace(ways, night=None), 0, 2)
    assert closed == (1 / 4, 1 / 4, 2 / 4, "path prior, closes and bridges")


def test_without_paths_the_touch_is_the_market_s() -> None:
    marks = chain(spot=7000.0)
    condor = Condor(EXPIRY, 6890, 6900, 7100, 7110, 100)
    odds = condor_odds(condor, marks, returns=None, costs=CostSettings(), settings=OddsSettings())
    assert odds.touch_source == "market, twice terminal"
    assert odds.touch_put == pytest.approx(2 * marks.probability_below(6900))
    given = TouchOdds(0.1, 0.2, 0.25, "elsewhere")
    told = condor_odds(
        condor, marks, returns=np.zeros(3), touch=given, costs=CostSettings(),
        settings=OddsSettings(),
    )  # fmt: skip
    assert (told.touch_put, told.touch_call, told.touch, told.touch_source) == given
