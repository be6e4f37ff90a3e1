"""Features of the event tape: a loop by hand, live equals history, what came late, what is null."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features import pipeline
from features.altered_stores import PerturbedStore, TruncatedStore
from features.cascade_list import cascades as listed
from features.catalog import CATALOG, PARTS
from features.coverage_log import import_coverage
from features.hawkes import branching_ratio
from features.nulls import why_null
from features.recorded import recorded
from features.sessions import calendar
from features.store import MarketStore
from features.tape_files import EVENTS
from features.tape_source import loose_events
from features.tape_store import Tape

PART = [part for part in PARTS if part.name == "tape_features"]
NAMES = [feature.name for feature in PART[0].features]
NOW = pd.Timestamp("2025-01-10", tz="UTC")
LAST = pd.Timestamp("2024-10-19", tz="UTC")
US = 1_000_000
DAY_US, HOUR_US = 86_400 * US, 3_600 * US


def tape_rows(events: pd.DataFrame) -> pd.DataFrame:
    """Rows for `Tape.add` from events with the columns of the stage."""
    return pd.DataFrame(
        {
            "ts_us": events["ts_us"], "known_us": events["known_us"],
            "received_us": pd.array([pd.NA] * len(events), dtype="Int64"),
            "ingested_us": events["known_us"], "venue": events["venue"], "symbol": "x",
            "base": events["base"], "side": events["side"], "price": events["price_e8"] / 1e8,
            "price_kind": "mark", "price_e8": events["price_e8"], "qty_base": 1.0,
            "cents": pd.array(events["cents"], dtype="Int64"), "mechanism": "market",
            "completeness": "all", "throttled": events["throttled"], "rank": 0,
            "event_id": [f"e{i}" for i in range(len(events))],
        }
    )[EVENTS.names]  # fmt: skip


@pytest.fixture(scope="module")
def loose(simulated: Any) -> MarketStore:
    """A simulated market whose tape lies in the store's short table."""
    return MarketStore(simulated(years=1, seed=5, link=1.0) / "market")


@pytest.fixture(scope="module")
def events(loose: MarketStore) -> pd.DataFrame:
    span = {"start": pd.Timestamp("2024-06-10", tz="UTC"), "end": LAST}
    return loose_events(loose.read("liquidation_events", **span))


@pytest.fixture(scope="module")
def late(
    loose: MarketStore, events: pd.DataFrame, tmp_path_factory: pytest.TempPathFactory
) -> tuple[MarketStore, pd.DataFrame]:
    """The same market with a tape of its own, of two months, some of whose events came late."""
    store = MarketStore(tmp_path_factory.mktemp("late") / "store")
    for name in loose.tables():
        if name != "liquidation_events":
            rows = loose.read(name).drop(columns="available_at")
            store.append(name, rows, source="copy", now=NOW)
    rng = np.random.default_rng(3)
    since = int(pd.Timestamp("2024-08-19", tz="UTC").timestamp()) * US
    events = events[events["ts_us"] >= since]
    delay = rng.exponential(2 * US, len(events)).astype(np.int64)
    slow = rng.random(len(events)) < 0.05
    delay[slow] = rng.exponential(2 * DAY_US, slow.sum()).astype(np.int64)
    rows = events.assign(known_us=events["ts_us"] + delay)
    Tape(store.root / "tape").add(tape_rows(rows))
    return store, rows


@pytest.fixture(scope="module")
def few(late: tuple[MarketStore, pd.DataFrame]) -> pd.DataFrame:
    """Events of three weeks, for tapes of a test's own."""
    since = int(pd.Timestamp("2024-09-24", tz="UTC").timestamp()) * US
    return late[1][late[1]["ts_us"] >= since]


def build(store: Any, sessions: list[str], at: str = "evening") -> pd.DataFrame:
    wanted = pd.DatetimeIndex(sessions).as_unit("us")
    return pipeline.build_sessions(store, wanted, at=at, parts=PART)


# --- by hand ---------------------------------------------------------------------------------


def by_hand(events: pd.DataFrame, at_us: int, *, logged: bool = False) -> dict[str, float]:
    """Everything but scores and branching from the events that had arrived, in plain loops."""
    known = events[(events["known_us"] <= at_us) & (events["ts_us"] > at_us - 125 * DAY_US)]
    rows = sorted(known.to_dict("records"), key=lambda r: r["ts_us"])
    minute: dict[tuple[str, int], int] = {}
    for row in rows:
        key = (row["base"], row["ts_us"] // (60 * US))
        minute[key] = minute.get(key, 0) + row["cents"]
    running: dict[tuple[str, str], dict[str, Any]] = {}
    every: list[dict[str, Any]] = []
    for row in rows:
        key = (row["base"], row["side"])
        one = running.get(key)
        if one is None or row["ts_us"] - one["end"] > 60 * US:
            one = {"base": row["base"], "side": row["side"], "start": row["ts_us"], "known": 0,
                   "usd": 0, "minutes": {}, "tens": {}, "throttled": 0}  # fmt: skip
            running[key] = one
            every.append(one)
        one["end"] = row["ts_us"]
        one["known"] = max(one["known"], row["known_us"])
        one["usd"] += row["cents"]
        one["throttled"] += row["throttled"]
        for name, step in (("minutes", 60), ("tens", 10)):
            place = row["ts_us"] // (step * US)
            one[name][place] = one[name].get(place, 0) + row["cents"]
    every.sort(key=lambda s: (s["start"], s["base"], s["side"]))
    found = []
    pasts: dict[tuple[str, int], list[float]] = {}
    for one in every:
        day = one["start"] // DAY_US
        if (one["base"], day) not in pasts:
            pasts[one["base"], day] = sorted(
                s["usd"] / 100
                for s in every
                if s["base"] == one["base"]
                and day - 30 <= s["start"] // DAY_US < day
                and max(s["end"] + 60 * US, s["known"]) <= day * DAY_US
            )
        past = pasts[one["base"], day]
        level = 100_000.0
        if len(past) >= 100:
            level = max(level, past[int(np.ceil(0.95 * len(past))) - 1])
        both = sum(minute[one["base"], m] for m in one["minutes"])
        large = one["usd"] / 100 >= level and one["usd"] / both >= 0.8
        if large and one["start"] > at_us - 90 * DAY_US:
            found.append(one)
    hours = {row["ts_us"] // HOUR_US for row in rows}

    def heard(days: int) -> float:
        first, last = -((days * DAY_US - at_us) // HOUR_US), at_us // HOUR_US
        if logged:
            return 1.0
        return sum(h in hours for h in range(first, last)) / (last - first)

    out = {}
    for scope in ("btc", "eth", "all"):
        mine = [c for c in found if scope in ("all", c["base"].lower())]
        recent = [s for s in every if s["start"] > at_us - 7 * DAY_US]
        recent = [s for s in recent if scope in ("all", s["base"].lower())]
        made = count_by_hand(mine, recent, at_us)
        if heard(7) < 0.8:
            made.update(dict.fromkeys(("n_7d", "long_share", "notional_rank", "peak_rank")))
        if heard(21) < 0.8:
            made.update(dict.fromkeys(("n_21d", "since")))
        made["coverage_7d"] = heard(7)
        for name, value in made.items():
            out[f"{scope}_tape_{name}"] = np.nan if value is None else value
    return out


def count_by_hand(
    mine: list[dict[str, Any]], recent: list[dict[str, Any]], at_us: int
) -> dict[str, float | None]:
    week = [c for c in mine if c["start"] > at_us - 7 * DAY_US]
    out: dict[str, float | None] = {
        "n_7d": len(week),
        "n_21d": sum(c["start"] > at_us - 21 * DAY_US for c in mine),
        "since": min((at_us - mine[-1]["start"]) / DAY_US, 60.0) if mine else 60.0,
    }
    longs, shorts = (sum(s["usd"] for s in recent if s["side"] == d) for d in ("long", "short"))
    out["long_share"] = longs / (longs + shorts)
    out["throttled"] = float(any(s["throttled"] for s in recent))
    if week:
        largest = max(week, key=lambda c: c["usd"])
        others = [c["usd"] for c in mine if c is not largest]
        out["notional_rank"] = sum(u < largest["usd"] for u in others) / len(others)
        peaks = [max(c["tens"].values()) for c in mine if c is not week[-1]]
        newest = max(week[-1]["tens"].values())
        out["peak_rank"] = sum(p < newest for p in peaks) / len(peaks)
    return out


def cutoff_us(session: str, at: str = "evening") -> int:
    return int(calendar().cutoffs(pd.DatetimeIndex([session]), at)[0].timestamp()) * US


def check_by_hand(store: Any, events: pd.DataFrame, sessions: list[str], at: str) -> None:
    made = build(store, sessions, at)
    for session in sessions:
        hand = by_hand(events, cutoff_us(session, at))
        row = {name: made.loc[session, name] for name in hand}
        assert row == pytest.approx(hand, rel=1e-12, nan_ok=True), session


def beside(store: MarketStore, root: Path, events: pd.DataFrame) -> Any:
    """A market with a tape of its own."""
    Tape(root / "tape").add(tape_rows(events))
    return SimpleNamespace(read=store.read, revision_times=store.revision_times, root=root)


def test_values_equal_a_loop_by_hand(loose: MarketStore, events: pd.DataFrame) -> None:
    check_by_hand(loose, events, ["2024-10-15", "2024-10-16"], "evening")


def test_late_events_count_from_their_arrival_on(late: tuple[MarketStore, pd.DataFrame]) -> None:
    check_by_hand(*late, ["2024-10-15", "2024-10-16", "2024-10-17"], "preopen")


def test_a_running_cascade_counts_as_far_as_it_had_come(
    late: tuple[MarketStore, pd.DataFrame], few: pd.DataFrame, tmp_path: Path
) -> None:
    at_us = cutoff_us("2024-10-16")
    ts = at_us + np.arange(-30, 30) * US
    burst = {"ts_us": ts, "known_us": ts, "base": "BTC", "side": "long", "venue": "okx",
             "cents": 9_000_000, "price_e8": 10**12, "throttled": 0}  # fmt: skip
    rows = pd.concat([few, pd.DataFrame(burst)], ignore_index=True)
    store = beside(late[0], tmp_path, rows)
    made = build(store, ["2024-10-16"]).iloc[0]
    assert made["btc_tape_since"] == pytest.approx(30 / 86_400)
    # half of its sixty orders were there: none of them is added from the future
    whole = by_hand(rows.assign(known_us=rows["ts_us"]), at_us + 40 * US)
    assert made["btc_tape_n_7d"] == by_hand(rows, at_us)["btc_tape_n_7d"]
    assert made["btc_tape_long_share"] < whole["btc_tape_long_share"]
    check_by_hand(store, rows, ["2024-10-16"], "evening")


def test_scores_and_weights_are_those_of_the_listed_cascades(loose: MarketStore) -> None:
    cutoff = calendar().cutoffs(pd.DatetimeIndex(["2024-10-16"]), "evening")[0]
    made = build(loose, ["2024-10-16"]).iloc[0]
    rows = [
        row
        for row in listed(loose, "2024-10-09", "2024-10-16")
        if row["definition"] == "tape"
        and cutoff - pd.Timedelta(days=7) < pd.Timestamp(row["start"]) <= cutoff
    ]
    assert len(rows) == made["all_tape_n_7d"] >= 3
    known = [
        row["engineered_score"]
        for row in rows
        if pd.Timestamp(row["end"]) + pd.Timedelta(minutes=65) <= cutoff
        and row["engineered_score"] is not None
    ]
    assert made["all_tape_engineered"] == pytest.approx(np.mean(known), rel=1e-9)
    weighted = len(rows) - 0.7 * sum(known)
    assert made["all_tape_weighted_n_7d"] == pytest.approx(weighted, rel=1e-9)


def test_branching_is_the_fit_to_three_days_of_known_events(
    late: tuple[MarketStore, pd.DataFrame],
) -> None:
    store, rows = late
    at_us = cutoff_us("2024-10-16")
    known = rows[(rows["known_us"] <= at_us) & (rows["base"] == "BTC")].sort_values("ts_us")
    span = {"start_us": at_us - 3 * DAY_US, "end_us": at_us}
    fit = branching_ratio(
        known["ts_us"].to_numpy(), known["cents"].to_numpy() / 100, throttled=True, **span
    )
    made = build(store, ["2024-10-16"])["btc_tape_branching"].iloc[0]
    assert made == pytest.approx(fit.ratio, rel=1e-9)


# --- no future -------------------------------------------------------------------------------


def check_no_future(store: Any, at: str, place: int) -> None:
    sessions = calendar().sessions("2024-10-07", "2024-10-17")
    history = pipeline.build_sessions(store, sessions, at=at, parts=PART)
    assert history.notna().mean().mean() > 0.7
    session = sessions[place]
    cutoff = calendar().cutoffs(pd.DatetimeIndex([session]), at)[0]
    one, truth = [f"{session:%Y-%m-%d}"], history.loc[[session]]
    others = (TruncatedStore(store, cutoff), PerturbedStore(store, cutoff, "after"))
    for other in others:
        pd.testing.assert_frame_equal(build(other, one, at), truth, check_exact=True)
    moved = build(PerturbedStore(store, cutoff, "before"), one, at)
    # scrambled sizes move what sizes make
    made = ["btc_tape_branching", "all_tape_long_share", "all_tape_peak_rank"]
    same = (moved[made] == truth[made]).iloc[0]
    assert not same.any()


MOMENTS = pytest.mark.parametrize(("at", "place"), [("evening", 2), ("preopen", 7)])


@MOMENTS
def test_nothing_sees_the_future_of_the_short_table(
    loose: MarketStore, at: str, place: int
) -> None:
    check_no_future(loose, at, place)


@MOMENTS
def test_nothing_sees_the_future_of_a_late_tape(
    late: tuple[MarketStore, pd.DataFrame], at: str, place: int
) -> None:
    check_no_future(late[0], at, place)


def test_the_tape_replaces_the_short_table_day_by_day_and_venue_by_venue(
    loose: MarketStore, few: pd.DataFrame, events: pd.DataFrame, tmp_path: Path
) -> None:
    # the tape has the same events of one venue, from a day on, some of them late
    both = beside(loose, tmp_path, few[few["venue"] == "okx"])
    check_no_future(both, "evening", 7)
    prompt = events[(events["venue"] == "okx") & (events["ts_us"] >= few["ts_us"].min())]
    same = beside(loose, tmp_path / "prompt", prompt)
    sessions = ["2024-10-16"]
    pd.testing.assert_frame_equal(build(same, sessions), build(loose, sessions), check_exact=True)


# --- what is null, and why -------------------------------------------------------------------


def test_without_a_tape_all_is_null_and_says_so(
    late: tuple[MarketStore, pd.DataFrame], tmp_path: Path
) -> None:
    read, revised = late[0].read, late[0].revision_times
    store = SimpleNamespace(read=read, revision_times=revised, root=tmp_path)
    made = build(store, ["2024-10-16"])
    assert made.isna().all().all()
    reasons = why_null(made.iloc[0], store)
    assert set(reasons) == set(NAMES)
    assert set(reasons.values()) == {"no data: needs liquidation_events"}


def test_a_deaf_recorder_gives_null_not_zero(
    late: tuple[MarketStore, pd.DataFrame], few: pd.DataFrame, tmp_path: Path
) -> None:
    at_us = cutoff_us("2024-10-16")
    deaf = few[(few["ts_us"] < at_us - 3 * DAY_US) | (few["ts_us"] > at_us)]
    store = beside(late[0], tmp_path, deaf)
    made = build(store, ["2024-10-16"]).iloc[0]
    assert made["btc_tape_coverage_7d"] < 4 / 7
    assert np.isnan(made["btc_tape_n_7d"])
    assert np.isnan(made["btc_tape_branching"])
    assert made["btc_tape_throttled"] == 1.0
    assert "hours behind a value heard" in why_null(made, store)["btc_tape_n_7d"]
    # the log says that it listened all the time: the silence was real
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"venue": "okx", "connected_from": "2024-06-01T00:00:00Z", '
        '"connected_to": "2024-10-20T00:00:00Z"}\n'
    )
    import_coverage(store, [log])
    heard = build(store, ["2024-10-16"]).iloc[0]
    assert heard["btc_tape_coverage_7d"] == 1.0
    hand = by_hand(deaf, at_us, logged=True)
    assert heard[list(hand)].to_dict() == pytest.approx(hand, rel=1e-12)
    cut = TruncatedStore(store, pd.Timestamp(at_us, unit="us", tz="UTC"))
    pd.testing.assert_series_equal(build(cut, ["2024-10-16"]).iloc[0], heard, check_exact=True)


def test_days_on_both_sides_of_the_change_of_feed_are_not_added_up(
    late: tuple[MarketStore, pd.DataFrame], few: pd.DataFrame, tmp_path: Path
) -> None:
    shift = int(pd.Timestamp("2021-04-27", tz="UTC").timestamp()) * US
    shift -= int(pd.Timestamp("2024-10-02", tz="UTC").timestamp()) * US
    moved = few.assign(ts_us=few["ts_us"] + shift, known_us=few["known_us"] + shift)
    store = beside(late[0], tmp_path, moved)
    made = build(store, ["2021-04-26", "2021-04-28", "2021-05-05"])
    assert made["btc_tape_n_7d"].notna().tolist() == [True, False, True]
    assert made["btc_tape_long_share"].notna().tolist() == [True, False, True]


def test_the_catalogue_says_what_they_are() -> None:
    assert {CATALOG[name].group for name in NAMES} == {"liquidations", "closed window"}
    assert not any(CATALOG[name].trainable for name in NAMES)


def test_the_list_says_how_much_is_recorded_of_what_is_needed(
    loose: MarketStore, late: tuple[MarketStore, pd.DataFrame], tmp_path: Path
) -> None:
    sessions = loose.read("spx_bars")["date"]
    hours = set(loose.read("liquidation_events")["ts"].dt.floor("h"))
    known = 0
    for cutoff in calendar().cutoffs(pd.DatetimeIndex(sessions), "evening"):
        behind = pd.date_range(end=cutoff.floor("h"), periods=169, freq="h")[:-1]
        known += sum(hour in hours for hour in behind) >= 0.8 * 168
    tape = recorded(loose)["btc_tape_n_7d"]
    assert (tape.known, tape.needed) == (known, math.ceil(0.6 * len(sessions)))
    assert tape.text().startswith(("counts: ", "untrainable: "))
    assert recorded(loose)["cw_btc_tape_cascades"].needed == 150
    assert recorded(loose)["parity_residual"].text().startswith("untrainable: 0 sessions known of")
    assert 0 < recorded(late[0])["btc_tape_n_7d"].known < tape.known
    assert recorded(MarketStore(tmp_path)) == {}
