"""The VIX curve by hand: expiries, constant maturity, episodes."""

from __future__ import annotations

import datetime as dt

import numpy as np
import pytest

from features.curve import RANKS, Curve, constant_maturity
from features.sources.expiries import rule_days
from features.term_structure import EPISODE_CAP, episode_age


@pytest.mark.parametrize(
    ("month", "day"),
    [
        ("2024-01", dt.date(2024, 1, 17)),
        ("2024-08", dt.date(2024, 8, 21)),
        ("2020-03", dt.date(2020, 3, 18)),
        ("2018-02", dt.date(2018, 2, 14)),
    ],
)
def test_contracts_settle_thirty_days_before_the_next_third_friday(month, day):
    number = np.array([np.datetime64(month, "M").astype(int)])
    found = np.datetime64("1970-01-01") + np.timedelta64(int(rule_days(number)[0]), "D")
    assert found.astype(dt.date) == day


def _curve(settles, days):
    settle = np.full((1, RANKS), np.nan)
    left = np.full((1, RANKS), np.nan)
    settle[0, : len(settles)] = settles
    left[0, : len(days)] = days
    return Curve(settle, left, np.array([10.0]))


def test_constant_maturity_by_hand():
    # 30 days lies 10/28 of the way from 20 to 48 days: 18 + 10/28 x 2 = 18.714286
    assert constant_maturity(_curve([18.0, 20.0], [20, 48]))[0] == pytest.approx(18.7142857143)
    # with 2 and 30 days the second month is the answer itself
    assert constant_maturity(_curve([18.0, 20.0, 21.0], [2, 30, 58]))[0] == pytest.approx(20.0)
    # the front has 33 days: the line through both months carried on, 18 - 3/28 x 2
    assert constant_maturity(_curve([18.0, 20.0], [33, 61]))[0] == pytest.approx(17.7857142857)


def test_constant_maturity_is_null_without_the_month_beyond():
    assert np.isnan(constant_maturity(_curve([18.0], [20]))[0])


def test_an_episode_ends_with_the_third_false_in_a_row():
    flag = np.zeros(EPISODE_CAP + 12)
    start = EPISODE_CAP + 2
    flag[start] = 1.0
    flag[start + 3] = 1.0
    ages = episode_age(flag)[start - 1 : start + 7].tolist()
    # off; then 1 2 3 (two falses are inside), a new true keeps it alive: 4 5 6, third false: off
    assert ages == [0.0, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 0.0]
