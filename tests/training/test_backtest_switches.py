from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

import serving.policy
from serving.book import Book
from serving.policy import Facts, decide
from serving.policy_table import TABLE
from serving.settings import PolicySettings, ServingSettings
from training.backtest import trials
from training.backtest.attribution import attribute, idle_parts, switched_off
from training.backtest.switches import table_without, without_rules
from training.backtest.trials import Plan, deal, run_all
from training.backtest.variants import ALTERNATIVES

from .test_backtest_engine import run as engine_run
from .test_backtest_engine import tape

SETTINGS = ServingSettings()
POLICY = SETTINGS.policy
PLAIN = replace(ALTERNATIVES[0], hedge=False)


def tier(vix, *, off=(), green=True, below=False, ladder="glossary"):
    policy = PolicySettings(name=ladder)
    facts = Facts(vix=vix, green=green, vix_below_sma5=below)
    with without_rules(frozenset(off), policy):
        found = decide({"condor_1dte": facts}, SETTINGS.model_copy(update={"policy": policy}))
    allowance = found.allowances["condor_1dte"]
    return allowance.tier, allowance.decided_by


@pytest.mark.parametrize(
    ("off", "vix", "green", "expected"),
    [
        # above 25 the row for 20 and above speaks already
        ("VIX_NONE", 27.0, True, (0, "VIX_HOLD")),
        # where the ceiling stood, the next band down decides, green or not
        ("VIX_HOLD", 22.0, True, (2, "VIX_NORMAL")),
        ("VIX_HOLD", 27.0, True, (0, "VIX_NONE")),
        ("VIX_NORMAL", 17.0, True, (3, "VIX_CALM_GREEN")),
        ("VIX_NORMAL", 17.0, False, (2, "VIX_CALM")),
        ("VIX_NORMAL", 22.0, True, (0, "VIX_HOLD")),
        # the row beside it for the same VIX, and below the last one the default
        ("VIX_CALM_GREEN", 12.0, True, (2, "VIX_CALM")),
        ("VIX_CALM", 12.0, False, (0, "DEFAULT_CONDOR")),
        ("VIX_CALM", 12.0, True, (3, "VIX_CALM_GREEN")),
    ],
)
def test_the_next_row_down_the_ladder_takes_over(off, vix, green, expected):
    assert tier(vix, off=[off], green=green) == expected


@pytest.mark.parametrize(
    ("ladder", "off", "vix", "below", "expected"),
    [
        ("sub20_5dma", "VIX_HOLD", 22.0, True, (3, "SUB20_FALLING")),
        ("sub20_5dma", "VIX_HOLD", 22.0, False, (1, "SUB20_RISING")),
        ("sub20_5dma", "SUB20_FALLING", 17.0, True, (1, "SUB20_RISING")),
        ("sub20_5dma", "SUB20_RISING", 17.0, False, (0, "DEFAULT_CONDOR")),
        ("never_stop", "NEVER_STOP", 22.0, False, (2, "VIX_NORMAL")),
        ("never_stop", "NEVER_STOP_HALF", 30.0, False, (1, "NEVER_STOP")),
    ],
)
def test_so_it_does_on_the_other_ladders(ladder, off, vix, below, expected):
    assert tier(vix, off=[off], below=below, ladder=ladder) == expected


def test_a_switched_off_row_changes_nothing_where_it_did_not_speak():
    for row in TABLE:
        if row.kind != "ladder" or POLICY.name not in row.ladders:
            continue
        for vix in np.arange(10.0, 40.0, 0.5):
            for green in (True, False):
                whole = tier(vix, green=green)
                if row.id != whole[1]:
                    assert tier(vix, off=[row.id], green=green) == whole
    assert serving.policy.TABLE is TABLE


def test_a_restriction_is_simply_left_out():
    less = table_without(frozenset({"DEFENSIVE"}), POLICY)
    assert [r.id for r in less] == [r.id for r in TABLE if r.id != "DEFENSIVE"]


@pytest.mark.parametrize(
    ("vix", "off", "more"),
    [
        (22.0, "VIX_HOLD", True),
        (27.0, "VIX_HOLD", None),
        (27.0, "VIX_NONE", None),
        (17.0, "VIX_NORMAL", None),
        (13.0, "VIX_CALM", False),
    ],
)
def test_a_replay_without_a_ladder_row(vix, off, more):
    # the simulated curve is in contango but flat: not green
    market = tape([4500.0] * 14, vix=vix)
    whole = engine_run(market, PLAIN)
    less = engine_run(market, replace(PLAIN, off=frozenset({off})))
    opened = [int((r.trades["what"] == "open").sum()) for r in (whole, less)]
    found = attribute({("condors_only", 0.0): whole, (f"without rule {off}", 0.0): less})
    row = found[f"without rule {off}"]
    if more is None:
        pd.testing.assert_frame_equal(whole.daily, less.daily)
        assert row["sessions_changed"] == 0 and row["annual_pct"] == 0
        return
    assert (opened[1] > opened[0]) is more and min(opened) == 0
    # a still market pays every seller: a row that forbids costs, a row that allows earns
    assert (row["annual_pct"] < 0) is more
    assert row["sessions_changed"] > 0


def test_the_hedges_rows_are_compared_with_the_hedge_in_both():
    market = tape(4500 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.008, 60))), vix=14)
    served = ALTERNATIVES[0]
    whole, bare = engine_run(market, served), engine_run(market, PLAIN)
    less = engine_run(market, replace(served, off=frozenset({"HEDGE_REFRESH"})))
    results = {("served", 0.0): whole, ("condors_only", 0.0): bare}
    row = attribute({**results, ("without rule HEDGE_REFRESH", 0.0): less})[
        "without rule HEDGE_REFRESH"
    ]
    assert set(row) >= {"alvh", "condor_1dte", "condor_30_60"} and row["sessions_changed"] > 0
    wanted = {v.name: v for v in switched_off("h", POLICY, [])}
    assert all(wanted[f"without rule HEDGE_{n}"].hedge for n in ("RICH", "DEFENSIVE", "REFRESH"))
    assert not wanted["without rule VIX_HOLD"].hedge


def test_every_served_row_is_switched_off_or_said_to_be_idle():
    kinds = ("ladder", "restriction", "relaxation")
    rows = {r.id for r in TABLE if r.kind in kinds and POLICY.name in r.ladders}
    off = {i for v in switched_off("h", POLICY, []) for i in v.off}
    idle = {name.removeprefix("rule ") for name in idle_parts(POLICY) if name.startswith("rule ")}
    assert off | idle == rows and not off & idle
    assert "rule FORECAST_UNKNOWN" not in idle_parts(POLICY, unforecast=3)


@pytest.mark.parametrize("name", ["EVENT_MINOR", "UNREACHABLE", "ACCOUNT_SIZE", "FORECAST_UNKNOWN"])
def test_what_is_said_to_be_idle_moves_no_cent(name):
    market = tape(4500 * np.exp(np.cumsum(np.random.default_rng(8).normal(0, 0.007, 40))))
    assert f"rule {name}" in idle_parts(POLICY)
    whole = engine_run(market, PLAIN)
    less = engine_run(market, replace(PLAIN, off=frozenset({name})))
    pd.testing.assert_frame_equal(whole.trades, less.trades)


def test_each_replay_is_dealt_once_and_bands_stay_together():
    jobs = [(v, b) for b in (-1.0, 0.0, 1.0) for v in ALTERNATIVES]
    jobs += [(v, 0.0) for v in switched_off("h", POLICY, ["a", "b"])]
    for lanes in (1, 2, 3, 5, 100):
        dealt = deal(jobs, lanes)
        assert len(dealt) <= lanes and all(dealt)
        flat = [(v.name, b) for lane in dealt for v, b in lane]
        assert sorted(flat) == sorted((v.name, b) for v, b in jobs)
        for lane in dealt:
            bands = [b for _, b in lane]
            switches = sum(a != b for a, b in pairwise(bands))
            assert switches == len(set(bands)) - 1
    sizes = [len(lane) + 3 * len({b for _, b in lane}) for lane in deal(jobs, 2)]
    assert max(sizes) / min(sizes) < 1.3


def test_results_do_not_depend_on_the_number_of_processes():
    market = tape(4500 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.006, 25))))
    sessions = market.market.sessions
    p = dict(zip(sessions, np.linspace(0.0, 0.5, len(sessions)), strict=True))
    told = SimpleNamespace(evening=p, vix=p, preopen=p, without={})
    plan = Plan(market, told, SETTINGS, Book(equity_cents=25_000_000), 1, 24)
    jobs = [(v, b) for b in (-1.0, 0.0, 1.0) for v in ALTERNATIVES[:3]]
    one, two = (run_all(plan, jobs, processes=n) for n in (1, 2))
    assert list(one) == list(two) == [(v.name, b) for v, b in jobs]
    for key, result in one.items():
        pd.testing.assert_frame_equal(result.daily, two[key].daily)
        pd.testing.assert_frame_equal(result.trades, two[key].trades)
    assert trials._PLAN is None
