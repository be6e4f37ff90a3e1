import numpy as np
import pytest

from features.errors import DataError, StormpetrelError, UsageError
from serving.book import OpenCondor
from serving.policy_table import TABLE
from serving.settings import CostSettings, PolicySettings
from training.backtest.accounts import Account, interest_cents
from training.backtest.holdings import check_book, close_cents, settle_cents
from training.backtest.measures import deflated_sharpe, paired_gain, time_under_water
from training.backtest.switches import table_without, without_rules

CONDOR = OpenCondor(
    id="a",
    book="condor_1dte",
    expiry="2024-01-10",
    put_long=4690,
    put_short=4700,
    call_short=4800,
    call_long=4810,
    quantity=3,
    credit=70,
    opened="2024-01-09",
)


def test_accounts_close_to_the_cent():
    account = Account(1_000_000)
    account.post("2024-01-09", "condor_1dte", "open", 19_500, fees=1_500)
    first = account.close_day({"condor_1dte": -12_000})
    assert first["condor_1dte"] == 7_500 and first["equity"] == 1_007_500
    account.post("2024-01-10", "condor_1dte", "settle", -9_000)
    account.post("2024-01-10", "cash", "interest", 137)
    second = account.close_day({})
    assert second["condor_1dte"] == 3_000 and second["cash"] == 137
    assert second["equity"] == account.cash_cents == 1_010_637
    assert account.fees_cents == 1_500


def test_a_cent_that_nobody_booked_is_found():
    account = Account(1_000_000)
    account.cash_cents += 1
    with pytest.raises(StormpetrelError, match="do not close"):
        account.close_day({})


@pytest.mark.parametrize(
    ("level", "points"),
    [(4750, 0), (4700, 0), (4695.5, 4.5), (4600, 10), (4803.25, 3.25), (4900, 10)],
)
def test_settlement_by_hand(level, points):
    assert settle_cents(CONDOR, level) == round(points * 100 * 100) * 3


def test_closing_costs_mid_slippage_and_fees_rounded_up():
    # 1.00 + 10 % = 1.10 points x 100 dollars x 3, and 4 legs x 1.25 x 3
    cents, fees = close_cents(1.00, CONDOR, CostSettings())
    assert (cents, fees) == (33_000 + 1_500, 1_500)


def test_an_impossible_book_is_refused():
    with pytest.raises(DataError, match="cannot be open on 2024-01-10"):
        check_book((CONDOR,), (), CONDOR.expiry, 4750.0)
    with pytest.raises(DataError, match="impossible"):
        check_book((CONDOR,), (), CONDOR.opened, 1000.0)


def test_interest_is_whole_cents():
    assert interest_cents(10_000_000, 0.05, 3) == round(10_000_000 * np.expm1(0.05 * 3 / 365))


def test_rules_come_back_after_being_switched_off():
    import serving.policy

    policy = PolicySettings()
    name = next(row.id for row in TABLE if row.kind == "ladder")
    with without_rules(frozenset({name}), policy):
        assert name not in {row.id for row in serving.policy.TABLE}
    assert serving.policy.TABLE is TABLE
    with pytest.raises(UsageError, match="no policy row"):
        table_without(frozenset({"NO_SUCH"}), policy)


def test_time_under_water():
    assert time_under_water(np.array([1.0, 2.0, 1.5, 1.9, 2.0, 1.0])) == 2


def test_a_constant_gain_has_no_interval():
    row = paired_gain(np.full(100, 0.003), np.full(100, 0.001))
    assert row == {"annual_pct": 50.4, "low_pct": 50.4, "high_pct": 50.4}


def test_many_trials_deflate_a_sharpe_ratio():
    daily = np.random.default_rng(1).normal(0.0005, 0.01, 1000)
    ratio = daily.mean() / daily.std(ddof=1)
    alone = deflated_sharpe(daily, np.array([ratio]))
    among = deflated_sharpe(daily, np.append(np.linspace(-0.05, 0.05, 19), ratio))
    assert among < alone
