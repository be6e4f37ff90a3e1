"""The tape stage: hand-made sessions, the oracle, and the selection of cascades."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageError
from features.tape import hourly, run, sessions
from features.tape_attributes import attributes
from features.tape_cascades import Past, TapeRule, select, thresholds
from features.tape_engine import connect
from features.tape_oracle import hourly_oracle, sessions_oracle

DAY_US = 86_400_000_000
T0 = 1_700_006_400_000_000  # 2023-11-15 00:00 UTC
ORDER = ("start_us", "base", "side")


def tape(rows: list[tuple[float, str, str, float]], *, side: str = "long") -> pd.DataFrame:
    """Events from (second, venue, side, usd)."""
    return pd.DataFrame(
        {
            "ts_us": [T0 + int(s * 1e6) for s, _, _, _ in rows],
            "known_us": [T0 + int(s * 1e6) + 1 for s, _, _, _ in rows],
            "base": "BTC",
            "side": [d or side for _, _, d, _ in rows],
            "venue": [v for _, v, _, _ in rows],
            "cents": [int(usd * 100) for _, _, _, usd in rows],
            "price_e8": [int((50_000 - s) * 1e8) for s, _, _, _ in rows],
            "throttled": [int(v == "binance") for _, v, _, _ in rows],
        }
    )


def random_tape(seed: int, n: int, *, stamp_us: int = 1_000) -> pd.DataFrame:
    """Bursts of events on several coins and venues, with equal stamps as coarse as asked."""
    rng = np.random.default_rng(seed)
    parents = rng.integers(0, 3 * DAY_US, max(n // 15, 1))
    ts = parents[rng.integers(0, len(parents), n)] + rng.exponential(2e7, n).astype(np.int64)
    ts = np.minimum(ts, 3 * DAY_US - 1) // stamp_us * stamp_us
    price = (5e12 * np.exp(0.002 * rng.standard_normal(n))).astype(np.int64)
    return pd.DataFrame(
        {
            "ts_us": T0 + ts,
            "known_us": T0 + ts + rng.integers(0, 5_000_000, n),
            "base": rng.choice(["BTC", "ETH"], n),
            "side": rng.choice(["long", "short", "unknown"], n, p=[0.6, 0.38, 0.02]),
            "venue": rng.choice(["binance", "bybit", "okx"], n),
            "cents": np.exp(rng.normal(11, 2, n)).astype(np.int64),
            "price_e8": np.where(rng.random(n) < 0.05, 0, price),
            "throttled": rng.integers(0, 2, n),
        }
    )


def by_engine(events: pd.DataFrame, **options: Any) -> pd.DataFrame:
    connection = connect()
    connection.con.register("events", events)
    return run(sessions(connection.table("events"), **options), order=ORDER)


def test_gap_decides_to_the_microsecond() -> None:
    events = tape([(0, "okx", "", 10), (60, "okx", "", 20), (120.000001, "okx", "", 40)])
    found = by_engine(events)
    # 60 s of silence still joins, one microsecond more does not
    assert found["n"].tolist() == [2, 1]
    assert found["cents"].tolist() == [3_000, 4_000]
    assert found["end_us"].tolist() == [T0 + 60_000_000, T0 + 120_000_001]


def test_a_gap_is_measured_between_events_not_between_clock_minutes() -> None:
    # 59.9 -> 119.8 lies in two clock minutes but is 59.9 s; 119.8 -> 180.1 is 60.3 s
    found = by_engine(tape([(59.9, "okx", "", 1), (119.8, "okx", "", 1), (180.1, "okx", "", 1)]))
    assert found["n"].tolist() == [2, 1]


def test_attributes_by_hand() -> None:
    rows = [
        (0.0, "okx", "long", 100.0), (0.5, "okx", "long", 100.0), (9.0, "bybit", "long", 300.0),
        (10.0, "binance", "long", 500.0), (20.0, "okx", "short", 250.0),
    ]  # fmt: skip
    found = attributes(by_engine(tape(rows)))
    long = found[found["side"] == "long"].iloc[0]
    assert (long["n"], long["notional_usd"], long["duration_s"]) == (4, 1000.0, 10.0)
    assert long["peak_1s_usd"] == 500.0
    assert long["peak_10s_usd"] == 500.0  # seconds 0..9 hold 500, second 10 holds 500
    # dollars at 0 s: 200, 9 s: 300, 10 s: 500 -> centre 7.7 of 10 s
    assert long["acceleration"] == pytest.approx(2 * 0.77 - 1)
    assert long["opposite_usd"] == 250.0
    assert long["one_sidedness"] == pytest.approx(0.8)
    assert long["imbalance"] == pytest.approx((1000 - 250) / 1250)
    assert (long["n_venues"], long["top_venue_share"]) == (3, 0.5)
    assert long["venue_hhi"] == pytest.approx(0.2**2 + 0.3**2 + 0.5**2)
    assert long["tape_move_bps"] == pytest.approx((1 - 49_990 / 50_000) * 1e4)
    assert long["throttled"]
    assert long["throttled_share"] == 0.25
    short = found[found["side"] == "short"].iloc[0]
    assert np.isnan(short["acceleration"])  # a single moment has no direction


@pytest.mark.parametrize("stamp_us", [1, 1_000, 1_000_000, 60_000_000])
@pytest.mark.parametrize("gap_seconds", [10, 45, 60, 300])
def test_expression_equals_the_oracle(stamp_us: int, gap_seconds: int) -> None:
    events = random_tape(gap_seconds, 3_000, stamp_us=stamp_us)
    expected = sessions_oracle(events, gap_seconds=gap_seconds)
    found = by_engine(events.sample(frac=1.0, random_state=1), gap_seconds=gap_seconds)
    pd.testing.assert_frame_equal(found, expected[found.columns], check_dtype=False)
    shifted = by_engine(events, gap_seconds=gap_seconds, origin_us=T0)
    pd.testing.assert_frame_equal(found, shifted)  # the origin changes nothing


def test_hourly_equals_the_oracle() -> None:
    events = random_tape(3, 3_000)
    connection = connect()
    connection.con.register("events", events)
    found = run(hourly(connection.table("events")), order=("hour_us", "base", "side"))
    expected = hourly_oracle(events)
    pd.testing.assert_frame_equal(found, expected[found.columns], check_dtype=False)
    assert found["cents"].sum() == events["cents"].sum()


def test_gap_out_of_range() -> None:
    with pytest.raises(UsageError, match="between 10 and 3600, got 5"):
        by_engine(tape([(0, "okx", "", 1)]), gap_seconds=5)


def make_sessions(usd: list[float], *, hours: float = 1.0, side: str = "long") -> pd.DataFrame:
    """One isolated event a session, `hours` apart."""
    rows = [(i * hours * 3600, "okx", side, x) for i, x in enumerate(usd)]
    return by_engine(tape(rows))


def test_floor_alone_decides_while_history_is_thin() -> None:
    found = select(make_sessions([50_000, 99_999, 100_000, 250_000]))
    assert found["notional_usd"].tolist() == [100_000, 250_000]
    assert found["threshold_usd"].tolist() == [100_000, 100_000]


def test_threshold_is_the_quantile_of_the_days_before_only() -> None:
    # four days of 48 sessions growing in size, then one session on day five
    sizes = [200_000.0 + 1_000 * i for i in range(192)]
    frame = make_sessions([*sizes, 375_000.0], hours=0.5)
    rule = TapeRule(min_sessions=100)
    told = thresholds(frame, Past(frame, gap_seconds=60, rule=rule))
    last = told.iloc[-1]
    assert last["n_past"] == 192
    assert last["threshold_usd"] == np.sort(sizes)[int(np.ceil(0.95 * 192)) - 1]
    assert told["threshold_usd"].iloc[:96].eq(rule.floor_usd).all()  # fewer than 100 before
    # what comes later changes nothing
    early = frame.iloc[:150]
    cut = thresholds(early, Past(early, gap_seconds=60, rule=rule))
    pd.testing.assert_frame_equal(cut, told.iloc[:150])


def test_a_session_open_at_midnight_is_not_in_that_days_threshold() -> None:
    rows = [(86_390.0, "okx", "long", 1e6), (86_400.0 + 3600, "okx", "long", 1e6)]
    frame = by_engine(tape(rows))
    told = thresholds(frame, Past(frame, gap_seconds=60, rule=TapeRule()))
    assert told["n_past"].tolist() == [0, 0]


def test_ranks_do_not_reach_across_the_change_of_feed() -> None:
    frame = make_sessions([1e6] * 150, hours=0.5)
    shift = int(pd.Timestamp("2021-04-27", tz="UTC").timestamp() * 1e6) - T0 - 3 * DAY_US
    for name in ("start_us", "end_us", "known_us"):
        frame[name] += shift
    told = thresholds(frame, Past(frame, gap_seconds=60, rule=TapeRule()))
    starts = pd.to_datetime(frame["start_us"], unit="us")
    assert told.loc[starts >= pd.Timestamp("2021-04-27"), "n_past"].eq(0).all()
    assert told.loc[starts < pd.Timestamp("2021-04-27"), "n_past"].max() == 96


def test_two_sided_and_unknown_sessions_are_no_cascades() -> None:
    rows = [(0.0, "okx", "long", 500_000.0), (1.0, "okx", "short", 400_000.0),
            (9_000.0, "okx", "unknown", 900_000.0), (18_000.0, "okx", "long", 500_000.0),
            (18_001.0, "okx", "short", 100_000.0)]  # fmt: skip
    found = select(by_engine(tape(rows)))
    assert found["side"].tolist() == ["long"]
    assert found["one_sidedness"].iloc[0] == pytest.approx(5 / 6)


def test_available_one_gap_after_the_last_event_or_at_its_late_receipt() -> None:
    events = tape([(0, "okx", "", 2e5), (7200, "okx", "", 2e5)])
    events.loc[1, "known_us"] += 600_000_000
    found = select(by_engine(events))
    waits = (found["available_at"] - found["end"]).dt.total_seconds().tolist()
    assert waits == [60.0, pytest.approx(600.000001)]


def test_throttled_flag_reaches_the_cascade() -> None:
    found = select(by_engine(tape([(0, "binance", "", 2e5), (7200, "okx", "", 2e5)])))
    assert found["throttled"].tolist() == [True, False]
