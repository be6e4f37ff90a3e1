"""The feature table on a simulated market: live equals history, nulls, leaks, look-backs."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from features import catalog, document, pipeline
from features.altered_stores import PerturbedStore, TruncatedStore
from features.checks import check_lookahead
from features.declare import family
from features.errors import DataError, UsageError
from features.nulls import availability, why_null
from features.plot import plot
from features.sessions import calendar
from features.store import MarketStore
from features.view import View
from features.warmup import check_warmup
from features.windows import rolling_mean

NOW = pd.Timestamp("2025-01-10", tz="UTC")
# a fit of branching ratios a session costs ten times all other columns together: whole tables
# leave that part out, and what is asked of it is asked of a few sessions
TAPE = [part for part in catalog.PARTS if part.name == "tape_features"]
REST = [part for part in catalog.PARTS if part not in TAPE]
REST_NAMES = [feature.name for part in REST for feature in part.features]


@pytest.fixture(scope="module")
def market(simulated) -> MarketStore:
    return MarketStore(simulated(years=3, seed=11, link=1.0) / "market")


@pytest.fixture(scope="module")
def evening(market) -> pd.DataFrame:
    return pipeline.build(market, parts=REST)


def alone(store, session, at="evening", *, parts=REST):
    """Row of one session from what its cut-off knows."""
    one = pd.DatetimeIndex([session])
    cutoff = calendar().cutoffs(one, at)[0]
    return pipeline.build_sessions(store, one, at=at, as_of=cutoff, parts=parts).iloc[0]


def same(a, b):
    return bool(((a == b) | (np.isnan(a) & np.isnan(b))).all())


# --- the catalogue ---------------------------------------------------------------------------


def test_every_group_is_there_with_a_hundred_definitions_in_all():
    assert {f.group for f in catalog.CATALOG.values()} == set(catalog.GROUPS)
    assert len(catalog.definitions()) >= 100
    names = [f.name for part in catalog.PARTS for f in part.features]
    assert len(names) == len(set(names)) == len(catalog.CATALOG)


def test_windows_coins_and_bar_lengths_do_not_count_as_definitions():
    assert catalog.CATALOG["spx_ret_5"].family == catalog.CATALOG["spx_ret_63"].family
    assert catalog.CATALOG["btc_rsi_1h"].family == catalog.CATALOG["eth_rsi_4h"].family


def test_the_documentation_is_current():
    kept = Path(__file__).parents[2] / "docs" / "features.md"
    assert kept.read_text(encoding="utf-8") == document.markdown(), (
        "run: python -m features.document > docs/features.md"
    )


def test_a_description_of_every_column_is_ready_for_json():
    described = catalog.describe()
    assert [d["name"] for d in described] == list(catalog.CATALOG)
    assert all(d["definition"] and d["unit"] and d["reference"] and d["timing"] for d in described)
    assert not any("{" in d["definition"] + d["name"] for d in described)


def test_every_look_back_fits_into_the_span_that_is_read():
    days = {"sessions": 365.25 / 252, "hours": 1 / 24, "days": 1.0}
    for feature in catalog.CATALOG.values():
        if feature.clock == "months":
            continue
        read = pipeline.SESSION_DAYS if feature.clock == "sessions" else pipeline.HOUR_DAYS
        # one row in ten may be missing, in every window of a chain
        assert feature.lookback * days[feature.clock] * 1.1 + 30 < read, feature.name


# --- live equals history ---------------------------------------------------------------------


@pytest.mark.parametrize("at", ["evening", "eve", "preopen"])
def test_live_equals_history_bit_for_bit(market, evening, at):
    table = evening if at == "evening" else pipeline.build(market, at=at, parts=REST)
    assert list(table.columns) == REST_NAMES and (table.dtypes == "float64").all()
    for place, parts in ((40, REST), (len(table) - 2, catalog.PARTS)):
        session = table.index[place]
        history = table.loc[session]
        if parts is catalog.PARTS:
            near = pipeline.build_sessions(market, table.index[-10:], at=at, parts=TAPE)
            history = pd.concat([history, near.loc[session]])[list(catalog.CATALOG)]
        cutoff = calendar().cutoffs(table.index[[place]], at)[0]
        live = alone(TruncatedStore(market, cutoff), session, at, parts=parts)
        assert list(live.index) == list(history.index)
        assert same(live.to_numpy(), history.to_numpy())
        start = table.index[place - 3]
        early = pipeline.build(market, at=at, start=start, as_of=cutoff, parts=parts)
        assert early.index[-1] == session
        assert same(early.iloc[-1].to_numpy(), history.to_numpy())


def test_a_row_is_the_last_one_of_a_table_built_then(market, evening):
    session = evening.index[-2]
    cutoff = calendar().cutoffs(evening.index[[-2]])[0]
    row = pipeline.row(market, session)
    table = pipeline.build(market, start=evening.index[-3], as_of=cutoff)
    assert list(row.index) == list(catalog.CATALOG) and row.name == session
    assert same(row.to_numpy(), table.loc[session].to_numpy())


def test_most_of_the_table_is_known_once_warm(evening):
    last = evening.iloc[-1]
    trainable = [f.name for f in catalog.CATALOG.values() if f.trainable]
    known = last[trainable].notna()
    # three simulated years are too short for five- and ten-year windows
    assert known.mean() > 0.85


def _revised(market, tmp_path, table, key, column, factor, now):
    """A copy of a market with one value revised at a moment."""
    import shutil

    folder = tmp_path / "revised"
    shutil.copytree(market.root, folder)
    store = MarketStore(folder)
    rows = store.read(table, where=key).drop(columns=["available_at"])
    assert len(rows) == 1
    rows[column] *= factor
    store.append(table, rows, source="correction", now=now)
    return store


def test_a_revision_counts_from_its_own_moment_on(market, evening, tmp_path):
    session = evening.index[-40]
    now = calendar().cutoffs(evening.index[[-35]])[0] - pd.Timedelta(hours=1)
    store = _revised(market, tmp_path, "spx_bars", {"date": session}, "close", 1.0005, now)
    assert list(store.revision_times("spx_bars")) == [now]
    after = pipeline.build(store, start=evening.index[-60], parts=REST)
    before = evening.loc[after.index]
    changed = (after["rv_21"] != before["rv_21"]).to_numpy()
    first = after.index[np.flatnonzero(changed)[0]]
    assert first == evening.index[-35]
    for place in (-36, -35, -30):
        day = evening.index[place]
        assert same(alone(store, day).to_numpy(), after.loc[day].to_numpy())


class Late:
    """A market in which one row came days after it was due."""

    def __init__(self, store, table, session, available):
        self.store, self.table, self.session, self.available = store, table, session, available

    def read(self, name, *, as_of=None, start=None, end=None):
        frame = self.store.read(name, start=start, end=end)
        if name == self.table:
            frame = frame.copy()
            frame.loc[frame["date"] == self.session, "available_at"] = self.available
        return frame if as_of is None else frame[frame["available_at"] <= as_of]

    def revision_times(self, name):
        return self.store.revision_times(name)


def test_a_late_row_is_unknown_until_it_came(market, evening):
    session, arrival = evening.index[-30], evening.index[-27]
    available = calendar().cutoffs(pd.DatetimeIndex([arrival]))[0] - pd.Timedelta(hours=2)
    store = Late(market, "breadth", session, available)
    table = pipeline.build(store, start=evening.index[-40], parts=REST)
    assert np.isnan(table.loc[session, "advance_share"])
    assert np.isfinite(evening.loc[session, "advance_share"])
    assert same(table.loc[arrival:].to_numpy(), evening.loc[arrival:].to_numpy())
    for day in evening.index[[-31, -30, -28, -27]]:
        assert same(alone(store, day).to_numpy(), table.loc[day].to_numpy())


# --- no future -------------------------------------------------------------------------------


def test_no_feature_sees_the_future(market):
    report = check_lookahead(market, at="preopen", samples=2, parts=REST)
    assert report.passed, report.violations[:5]
    assert report.compared == 2 * len(REST_NAMES) * len(report.sessions)
    # what never answers to another past is the calendar, a count of inputs, or a flag
    assert {"weekday", "to_option_expiry", "cw_hours"} <= set(report.deaf)
    assert not {"spx_ret_1", "vix_log", "btc_ret_1d", "mcclellan", "wacc"} & set(report.deaf)


class Young:
    """A market whose first SPX bar is of a given session, so that its table is short."""

    def __init__(self, store, first):
        self.store, self.first, self.root = store, first, store.root

    def read(self, name, *, as_of=None, start=None, end=None):
        frame = self.store.read(name, as_of=as_of, start=start, end=end)
        return frame[frame["date"] >= self.first] if name == "spx_bars" else frame

    def revision_times(self, name):
        return self.store.revision_times(name)


def test_no_feature_of_the_tape_sees_the_future(market, evening):
    young = Young(market, evening.index[-12])
    report = check_lookahead(young, at="preopen", sessions=[evening.index[-3]], parts=TAPE)
    assert report.passed, report.violations[:5]
    names = [feature.name for part in TAPE for feature in part.features]
    assert report.compared == 2 * len(names)
    assert not {"btc_tape_branching", "all_tape_long_share", "all_tape_peak_rank"} & set(
        report.deaf
    )


def _leak(name, compute):
    declared = family(
        name, group="events", definition="a planted leak", unit="x", timing="none",
        inputs=("spx_bars", "vol_indices", "perp_bars"), reference="none",
    )  # fmt: skip
    return catalog.Part(name, tuple(declared), lambda view, made: {name: compute(view)})


def _close(view: View):
    return view.daily("spx_bars", "close")


def _centred(view):
    smooth = rolling_mean(_close(view), 5)
    return np.append(smooth[2:], [np.nan, np.nan])


def _whole_sample(view):
    close = _close(view)
    return (close - np.nanmean(close)) / np.nanstd(close)


def _wrong_stamp(view):
    # takes the bar that opens at the cut-off for one that has closed
    from features.bars import reference

    close = reference(view, "BTC").close
    row = view.hour_of_cutoff() + 1
    inside = (row > 0) & (row < len(close))
    return np.where(inside, close[np.where(inside, row, 0)], np.nan)


def _newest_version(view):
    # forgets as_of: reads whatever is stored today
    frame = view.store.read("spx_bars")
    return frame.set_index("date")["close"].reindex(view.grid).to_numpy()


def _week_label(view):
    # labels a week with its Monday and so shows Friday's close on Monday
    close = pd.Series(_close(view), index=view.grid)
    week = close.resample("W-MON", label="left", closed="left").last()
    return week.reindex(view.grid, method="ffill").to_numpy()


@pytest.mark.parametrize(
    "compute", [_centred, _whole_sample, _wrong_stamp, _week_label], ids=lambda f: f.__name__
)
def test_a_planted_leak_is_named(market, evening, compute):
    part = _leak("leak", compute)
    sessions = [evening.index[-50], evening.index[-49], evening.index[-48]]
    at = "preopen" if compute is _wrong_stamp else "evening"
    report = check_lookahead(market, sessions=sessions, at=at, parts=[part])
    assert not report.passed
    found = report.violations[0]
    assert found.feature == "leak"
    assert found.session in {f"{s:%Y-%m-%d}" for s in sessions}
    assert found.history != found.alone


def test_a_revision_used_early_is_named(market, evening, tmp_path):
    session = evening.index[-50]
    store = _revised(market, tmp_path, "spx_bars", {"date": session}, "close", 1.001, NOW)
    report = check_lookahead(store, sessions=[session], parts=[_leak("leak", _newest_version)])
    assert [v.test for v in report.violations][:1] == ["truncated"]
    honest = check_lookahead(store, sessions=[session], parts=[_leak("fine", _close)])
    assert honest.passed


def test_scrambling_touches_only_its_side(market, evening):
    instant = calendar().cutoffs(evening.index[[-20]])[0]
    true = market.read("spx_bars")
    after = PerturbedStore(market, instant, "after").read("spx_bars")
    late = (true["available_at"] > instant).to_numpy()
    assert (true["close"].to_numpy()[~late] == after["close"].to_numpy()[~late]).all()
    assert (true["close"].to_numpy()[late] != after["close"].to_numpy()[late]).all()


def test_nothing_is_shown_before_it_stopped_moving(market):
    report = check_warmup(market, lengths=[30, 240, 345, 400, 460], parts=REST)
    assert report.passed
    by_name = {row.feature: row for row in report.rows}
    for name in ("spx_rsi", "spx_macd_hist", "mcclellan", "btc_macd_1d", "rsi_vx30"):
        row = by_name[name]
        assert row.null_days is not None and row.settled_days is not None
        assert row.null_days < row.settled_days


# --- edges -----------------------------------------------------------------------------------


def test_the_evening_window_holds_two_hours_and_the_preopen_the_night(market, evening):
    hours = evening["cw_hours"].dropna()
    assert (hours >= 2).all() and hours.median() == 2.0
    assert evening["cw_btc_ret_6h"].notna().mean() < 0.05
    preopen = pipeline.build(market, at="preopen", start=evening.index[-60], parts=REST)
    assert preopen["cw_hours"].min() == 17.0
    assert preopen["cw_btc_ret_6h"].iloc[:-1].notna().all()


def test_eve_exists_only_before_closed_days(market, evening):
    eve = pipeline.build(market, at="eve", start=evening.index[-60], parts=REST)
    assert 10 < len(eve) < 20
    with pytest.raises(UsageError, match="has no moment"):
        pipeline.row(market, next(s for s in evening.index[-10:] if s.day_of_week == 1), "eve")


def test_a_day_without_session_and_a_day_before_the_data_are_refused(market):
    with pytest.raises(UsageError, match="no exchange session"):
        pipeline.show(market, "2024-12-25")
    with pytest.raises(DataError, match="before the first SPX bar"):
        pipeline.show(market, "2001-03-01")


def test_an_empty_store_says_what_to_do(tmp_path):
    with pytest.raises(DataError, match="stormpetrel import"):
        pipeline.build(MarketStore(tmp_path / "none"))


def test_show_has_a_value_or_null_for_every_feature(market, evening):
    shown = pipeline.show(market, evening.index[-1])
    assert list(shown["features"]) == list(catalog.CATALOG)
    assert shown["features"]["carry_gap_30"] is None
    assert shown["features"]["vix_log"] == evening["vix_log"].iloc[-1]
    assert shown["cutoff"].endswith("+00:00")


def test_every_null_has_a_reason(market, evening):
    row = evening.iloc[-1]
    reasons = why_null(row, market)
    assert set(reasons) == set(row.index[row.isna()])
    assert "option_quotes" in reasons["carry_gap_30"]
    spans = availability(evening)
    assert spans.loc["vix_log", "known"] == 1.0
    assert pd.isna(spans.loc["carry_gap_30", "first"])


def test_a_plot_is_written_and_a_wrong_name_gets_near_ones(market, evening, tmp_path):
    out = plot(market, ["vix_log"], tmp_path / "a.png", start=evening.index[-10])
    assert out.read_bytes().startswith(b"\x89PNG")
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
    with pytest.raises(UsageError, match=r"such as .*vix_log"):
        plot(market, ["vix_lag"], tmp_path / "b.png")


def test_the_pipeline_imports_nothing_heavy():
    code = (
        "import sys, features.pipeline, features.nulls; "
        "bad = {'sklearn', 'scipy', 'matplotlib', 'mlflow', 'shap', 'optuna', 'lightgbm',"
        " 'exchange_calendars', 'statsmodels', 'talib'} & set(sys.modules); "
        "sys.exit(repr(bad) if bad else 0)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=Path(__file__).parents[2]
    )
    assert done.returncode == 0, done.stderr
