import json
import shutil
from dataclasses import replace
from itertools import pairwise
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from features.errors import DataError, UsageError
from features.home import Home
from features.sessions import calendar
from models.explain import Contribution, HeadForecast
from models.logit import sigmoid
from serving.book import Book, OpenCondor
from serving.settings import ServingSettings
from training.backtest import run as verb
from training.backtest.attribution import attribute, switched_off
from training.backtest.engine import replay
from training.backtest.forecasts import Forecasts
from training.backtest.groups import _same, forecasts_without, without_groups
from training.backtest.holdings import check_book
from training.backtest.measures import excess_returns
from training.backtest.page import results_page
from training.backtest.plots import outcomes
from training.backtest.rolls import ROLL_DEFAULT, roll_points
from training.backtest.shelf import Shelf
from training.backtest.states import _AT_OPEN
from training.backtest.trials import Plan
from training.backtest.variants import ALTERNATIVES
from training.backtest.write_up import BAND_NAMES, screen_rows

from .test_backtest_engine import run as engine_run
from .test_backtest_engine import tape
from .test_backtest_replicate import still_market

DAY = pd.Timestamp("2020-03-02")
SETTINGS = ServingSettings()


def told(terms, *, base=-1.0):
    total = base + sum(value for _, value in terms)
    parts = tuple(Contribution(name, 0.0, value) for name, value in terms)
    p = float(sigmoid(total))
    return HeadForecast("shift_up", 5, p, 0.2, 0.1, (p, p), base, parts)


def test_a_groups_say_is_taken_out_of_the_log_odds():
    forecast = told([("a", 0.5), ("b", -0.2), ("c", 0.1), ("booster_bias", 0.3)])
    groups = {"a": "one", "b": "one", "c": "two", "d": "silent"}
    found = without_groups({DAY: forecast}, groups)
    assert set(found) == {"one", "two"}
    assert found["one"][DAY] == pytest.approx(float(sigmoid(-1.0 + 0.1 + 0.3)))
    assert found["two"][DAY] == pytest.approx(float(sigmoid(-1.0 + 0.5 - 0.2 + 0.3)))


def test_models_that_no_longer_give_the_stored_forecast_are_refused():
    forecast = told([("a", 0.5)])
    _same({DAY: forecast}, {DAY: forecast.probability}, "v")
    with pytest.raises(DataError, match="no longer give its stored forecasts: on 2020-03-02"):
        _same({DAY: forecast}, {DAY: forecast.probability + 0.01}, "v")


def test_a_run_without_kept_models_cannot_say_what_a_group_adds(tmp_path):
    empty = pd.DataFrame()
    with pytest.raises(DataError, match="no kept walk-forward models"):
        forecasts_without(
            Home(tmp_path),
            "v",
            head="shift_up",
            horizon=5,
            features=empty,
            spine=empty,
            stored={},
            groups={},
        )


def test_only_rules_of_the_served_ladder_are_switched_off():
    names = {v.name for v in switched_off("shift_up_5", SETTINGS.policy, ["breadth"])}
    assert {"without rule VIX_HOLD", "without group breadth", "without head shift_up_5"} <= names
    assert "without rule NEVER_STOP" not in names


def test_a_part_that_changes_nothing_is_worth_nothing():
    market = tape([4500.0] * 15)
    plain = replace(ALTERNATIVES[0], hedge=False)
    whole = engine_run(market, plain)
    less = engine_run(market, replace(plain, off=frozenset({"VIX_CALM_GREEN", "VIX_CALM"})))
    none = engine_run(market, replace(plain, off=frozenset({"VIX_NONE"})))
    found = attribute(
        {("condors_only", 0.0): whole, ("without a", 0.0): less, ("without b", 0.0): none}
    )
    assert found["without b"]["sessions_changed"] == 0
    assert found["without b"]["annual_pct"] == found["without b"]["high_pct"] == 0
    assert found["without a"]["sessions_changed"] > 0


def test_the_forecast_before_the_opening_can_only_restrict():
    market = tape([4500.0] * 12)
    sessions = market.market.sessions
    variant = next(v for v in ALTERNATIVES if v.name == "served_preopen")

    def go(before):
        return replay(
            market,
            replace(variant, hedge=False),
            first=1,
            last=11,
            p_evening=dict.fromkeys(sessions, 0.05),
            p_preopen=before,
            settings=SETTINGS,
            shelf=Shelf(SETTINGS, 0.0),
            book=Book(equity_cents=25_000_000),
        )

    calm, alarm = go(dict.fromkeys(sessions, 0.01)), go({sessions[5]: 0.9})
    assert calm.restricted_at_open == 0
    assert alarm.restricted_at_open == 1
    opened = [r.trades.loc[r.trades["what"] == "open", "session"] for r in (calm, alarm)]
    assert set(opened[0]) - set(opened[1]) == {str(sessions[6].date())}


@pytest.mark.parametrize(("field", "hedge"), [("skew", False), ("vvix", True)])
def test_a_missing_smile_input_stops_the_replay_and_is_named(field, hedge):
    market = tape([4500.0] * 15)
    market.evening[8] = replace(market.evening[8], **{field: None})
    result = engine_run(market, replace(ALTERNATIVES[0], hedge=hedge))
    assert f"no {field.upper()} on 2022-01-13" in result.stopped
    assert len(result.daily) == 6 + (field == "skew")


def test_an_order_at_the_opening_does_not_know_the_close():
    market = still_market(seed=4)
    at = np.array([300])
    market.frame["open"] = market.frame["close"].shift()  # stale prints: the gap is inferred
    frame = market.frame.copy()
    frame.iloc[300, frame.columns.get_loc("close")] *= 1.05
    moved = type(market)(frame, market.futures)
    fill = [roll_points(m, at, parameters=_AT_OPEN).soq[0] for m in (market, moved)]
    index = [roll_points(m, at, parameters=ROLL_DEFAULT).soq[0] for m in (market, moved)]
    assert fill[0] == fill[1] and index[0] != index[1]


def test_a_condor_that_expires_on_a_closed_day_is_refused():
    holiday = OpenCondor(
        id="x",
        book="condor_1dte",
        expiry="2024-12-25",
        put_long=5890,
        put_short=5900,
        call_short=6000,
        call_long=6010,
        quantity=1,
        credit=70,
        opened="2024-12-23",
    )
    with pytest.raises(DataError, match="the exchange is closed"):
        check_book((holiday,), (), pd.Timestamp("2024-12-23").date(), 5950.0)


def test_interest_is_no_skill():
    daily = pd.DataFrame({"equity": [101_000, 102_010], "cash": [1_000, 10]})
    assert excess_returns(daily, 100_000) == pytest.approx([0.0, 1_000 / 101_000])


def fake(first="2020-01-02", last="2020-12-30"):
    days = calendar().sessions(first, last)
    p = dict.fromkeys(days, 0.1)
    return Forecasts("v", p, {}, p, days[0], days[-1])


@pytest.mark.parametrize(
    ("start", "end", "error", "word"),
    [
        ("2019-06-03", None, DataError, "run from 2020-01-02 to 2020-12-30"),
        (None, "2021-06-01", DataError, "Choose a span inside, or retrain"),
        ("2020-06-01", "2020-06-01", UsageError, "`start` must lie before `end`"),
    ],
)
def test_a_span_without_forecasts_is_refused(monkeypatch, tmp_path, start, end, error, word):
    monkeypatch.setattr(verb, "load_forecasts", lambda *a, **k: fake())
    home = Home(tmp_path)
    with pytest.raises(error, match=word):
        verb.run(home, start=start, end=end)
    assert not (tmp_path / "mlruns").exists()


@pytest.fixture(scope="module")
def small_run():
    """Give what `run` reports over thirty simulated sessions, and the replays behind it."""
    market = tape(4500 * np.exp(np.cumsum(np.random.default_rng(5).normal(0, 0.006, 30))))
    results = {(v.name, b): engine_run(market, v, band=b) for v in ALTERNATIVES for b in BAND_NAMES}
    for variant in switched_off("shift_up_5", SETTINGS.policy, []):
        if variant.name in ("without rule VIX_CALM", "without rule HEDGE_REFRESH"):
            results[variant.name, 0.0] = engine_run(market, variant)
    sessions = market.market.sessions
    p = dict.fromkeys(sessions, 0.05)
    plan = Plan(
        market,
        Forecasts("v", p, p, p, sessions[0], sessions[-1]),
        SETTINGS,
        Book(equity_cents=25_000_000),
        1,
        29,
    )
    events = pd.DataFrame({"date": sessions[[5, 9]], "event": ["FOMC", "CPI"]})
    report = verb._report(plan, results, events, True)
    report["benchmarks"] = {
        "cndr": {"annual_return_model_pct": 2.6, "annual_return_band_pct": [1.4, 2.6, 3.9]},
        "vxth": {"refused": "no levels"},
    }
    report["replications"] = [
        {
            "index": "bfly",
            "from": "2008-01",
            "to": "2015-12",
            "months": 96,
            "monthly_corr": 0.946,
            "tracking_error_pct": 4.02,
            "annual_return_model_pct": -2.01,
            "annual_return_index_pct": -2.73,
            "annual_vol_model_pct": 10.82,
            "annual_vol_index_pct": 12.21,
            "annual_return_band_pct": [-3.46, -2.01, -0.59],
            "months_unmarked": [],
        },
        {"index": "put", "refused": "no VIX"},
    ]
    return report, results


def test_the_page_says_what_the_report_says(small_run):
    report, _ = small_run
    page = results_page(json.loads(json.dumps(report)))
    lines = page.splitlines()
    assert lines[0] == f"**{report['verdict']}**"
    assert "BFLY **misses the correlation by 0.004** and meets the return (+0.72 points)." in page
    assert "Not replicated: PUT: no VIX" in page and "vxth unknown (no levels)" in page
    tables = [line for line in lines if line.startswith("|")]
    ends = report["variants"]["condor_30_60_only"]
    row = next(line for line in tables if line.startswith("| condor_30_60_only |"))
    three = " / ".join(f"{ends[e]['annual_return_pct']:.1f}" for e in ("low", "mid", "high"))
    assert f"| {three} |" in row
    # where the one-day book trades, no figure between the ends of its band is printed
    ends = report["variants"]["served"]
    row = next(line for line in tables if line.startswith("| served |"))
    two = " / ".join(f"{ends[e]['annual_return_pct']:.1f}" for e in ("low", "high"))
    assert f"| {two} |" in row
    gain = report["attribution"]["without rule VIX_CALM"]
    assert any(line.startswith(f"| rule VIX_CALM | {gain['annual_pct']:.2f} [") for line in tables)
    assert "No replay can move these" in page and "rule EVENT_MINOR (only warns)" in page
    for name in ("FOMC", "CPI", "PPI"):
        assert sum(line.startswith(f"| {name} |") for line in tables) == 2
    for above, below in pairwise(lines):
        if above.startswith("|") and below.startswith("|"):
            assert above.count("|") == below.count("|")


def test_strata_add_up_to_the_whole_at_every_end(small_run):
    report, results = small_run
    for band, end in BAND_NAMES.items():
        daily = results["served", band].daily
        for kind in ("year", "vix_band"):
            rows = report["strata"][end][kind].values()
            assert sum(row["sessions"] for row in rows) == len(daily)
            for book in ("condor_1dte", "condor_30_60", "alvh", "cash"):
                assert sum(row[book] for row in rows) == daily[book].sum()
        near = report["strata"][end]["event_window"]
        assert [near[n]["sessions"] for n in ("FOMC", "CPI", "PPI")] == [3, 3, 0]


def test_an_outcome_is_the_share_of_the_credit_that_was_kept(small_run):
    found = outcomes(small_run[1]["served", 0.0].trades)
    assert len(found) and (found["kept"] <= 1).all()
    trades = pd.DataFrame(
        [
            ("2022-01-04", "condor_1dte", "open", 100, "a"),
            ("2022-01-05", "condor_1dte", "settle", -250, "a"),
            ("2022-01-05", "condor_1dte", "open", 100, "b"),
            ("2022-01-05", "condor_1dte", "settle", 0, "BOOK"),
        ],
        columns=["session", "book", "what", "cents", "position"],
    )
    assert outcomes(trades)["kept"].to_dict() == {"a": -1.5}


def test_a_run_is_drawn_and_logged_to_an_experiment_of_its_own(
    tmp_path, monkeypatch, small_run, tracked
):
    from training.backtest import record as records

    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    report, results = small_run
    assert report["trials"] == len(ALTERNATIVES) + 2
    assert [row["variant"] for row in screen_rows(report)] == [v.name for v in ALTERNATIVES]
    home = Home(tmp_path)
    shutil.copytree(tracked, home.mlruns)
    folder = home.mlruns / records.record(home, report, results)
    assert (folder / "results.md").read_text() == results_page(report)
    assert json.loads((folder / "report.json").read_text())["verdict"] == report["verdict"]
    drawn = {p.stem for p in folder.glob("*.png")}
    assert {"equity", "drawdown", "by_rule", "events", "outcomes"} <= drawn
    import mlflow

    experiment = mlflow.get_experiment_by_name(records.EXPERIMENT)
    runs = mlflow.search_runs([experiment.experiment_id], output_format="list")
    assert len(runs) == 1 and runs[0].data.tags["verdict"] == report["verdict"]
    names = {f.path for f in mlflow.artifacts.list_artifacts(run_id=runs[0].info.run_id)}
    assert names == {"backtest"}
    assert SimpleNamespace(**runs[0].data.metrics)
