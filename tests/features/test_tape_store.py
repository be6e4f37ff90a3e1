"""The tape on disk: any order of delivery gives the same bytes, and a day touches only itself."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from features.errors import DataError, UsageError
from features.sources.event import Event
from features.tape_files import DAY_US
from features.tape_oracle import sessions_oracle
from features.tape_rows import events_frame
from features.tape_source import tape_hash
from features.tape_store import Tape, import_events

T0 = 1_700_006_400_000_000  # 2023-11-15 00:00 UTC
NOW = pd.Timestamp("2024-01-01", tz="UTC")


def event(when: int | None, number: int, **changes: Any) -> Event:
    fields: dict[str, Any] = {
        "venue": "okx", "symbol": "BTC-USDT-SWAP", "base": "BTC", "liquidated_side": "long",
        "price": 50_000.0, "price_kind": "bankruptcy", "qty_base": 1.0, "notional_usd": 50_000.0,
        "mechanism": "market", "completeness": "all", "event_id": f"e{number}", "ts_us": when,
    }  # fmt: skip
    return Event(**{**fields, **changes})


def burst(seed: int, n: int = 120, days: int = 3) -> list[Event]:
    """Events that crowd around midnights, so that sessions run across days."""
    rng = np.random.default_rng(seed)
    midnight = rng.integers(1, days, n) * DAY_US
    ts = T0 + midnight + (rng.standard_normal(n) * 3e8).astype(np.int64) // 1000 * 1000
    spread = rng.random(n) < 0.3
    ts = np.where(spread, T0 + rng.integers(0, days * DAY_US, n), ts)
    return [
        event(
            int(t),
            i,
            base=str(rng.choice(["BTC", "ETH"])),
            liquidated_side=[None, "long", "short"][rng.choice([0, 1, 2], p=[0.05, 0.5, 0.45])],
            venue=str(rng.choice(["okx", "bybit"])),
            notional_usd=float(round(rng.lognormal(9, 1), 2)),
        )
        for i, t in enumerate(ts)
    ]


def layers(tape: Tape) -> dict[tuple[int, str], bytes]:
    files = tape.files.manifest().files
    return {
        (day, layer): tape.files.path(files[day][layer]).read_bytes()
        for day in files
        for layer in ("sessions", "hourly")
    }


@settings(max_examples=4, deadline=None)
@given(seed=st.integers(0, 10_000), cuts=st.integers(2, 4), repeats=st.integers(0, 30))
def test_any_delivery_equals_a_rebuild(
    tmp_path_factory: pytest.TempPathFactory, seed: int, cuts: int, repeats: int
) -> None:
    folder = tmp_path_factory.mktemp("tape")
    events = burst(seed)
    frame = events_frame(events, now=NOW)
    whole = Tape(folder / "whole")
    whole.add(frame)
    rng = np.random.default_rng(seed)
    order = rng.permutation(len(frame))
    parts = np.array_split(order, cuts)
    pieces = Tape(folder / "pieces")
    for part in parts:
        again = rng.choice(len(frame), repeats)
        pieces.add(frame.iloc[np.concatenate([part, again])])
    assert layers(pieces) == layers(whole)
    pieces.rebuild()
    assert layers(pieces) == layers(whole)
    frame["side"] = frame["side"].fillna("unknown")
    expected = sessions_oracle(frame.astype({"cents": "int64"}))
    found = whole.read("sessions").sort_values(["start_us", "base", "side"], ignore_index=True)
    pd.testing.assert_frame_equal(found, expected[found.columns], check_dtype=False)


def test_a_session_that_lasts_for_days_is_one_however_it_arrives(tmp_path: Path) -> None:
    # an event every 50 s for two and a half days, delivered from the end to the start
    events = [event(T0 + i * 50_000_000, i) for i in range(4_320)]
    frame = events_frame(events, now=NOW)
    backwards, forwards = Tape(tmp_path / "b"), Tape(tmp_path / "f")
    day = frame["ts_us"].to_numpy() // DAY_US
    for today in sorted(set(day), reverse=True):
        backwards.add(frame[day == today])
    for today in sorted(set(day)):
        forwards.add(frame[day == today])
    assert layers(backwards) == layers(forwards)
    assert forwards.read("sessions")["n"].tolist() == [4_320]


def test_a_new_day_touches_itself_and_what_was_open_at_its_start(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "tape")
    noon = DAY_US // 2
    tape.add(events_frame([event(T0 + noon, 1), event(T0 + DAY_US - 10_000_000, 2)], now=NOW))
    tape.add(events_frame([event(T0 + 2 * DAY_US + noon, 3)], now=NOW))
    before = tape.files.manifest().files
    report = tape.add(events_frame([event(T0 + DAY_US + 5_000_000, 4)], now=NOW))
    after = tape.files.manifest().files
    first = T0 // DAY_US
    assert report["days"] == [first + 1]
    assert after[first]["events"] == before[first]["events"]
    assert after[first]["sessions"] != before[first]["sessions"]  # its last session went on
    assert after[first]["hourly"] == before[first]["hourly"]
    assert after[first + 2] == before[first + 2]
    assert tape.read("sessions")["n"].tolist() == [1, 2, 1]


def test_a_repeat_changes_no_file(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "tape")
    frame = events_frame(burst(1), now=NOW)
    tape.add(frame)
    manifest = tape.files.manifest_path.read_bytes()
    later = events_frame(burst(1), now=NOW + pd.Timedelta(days=9))
    report = tape.add(later.sample(frac=1.0, random_state=2))
    assert (report["new"], report["changed"], report["days"]) == (0, 0, [])
    assert report["same"] == 120
    assert tape.files.manifest_path.read_bytes() == manifest


def test_a_better_record_replaces_a_worse_one_in_any_order(tmp_path: Path) -> None:
    trigger = event(T0, 1, price=None, notional_usd=None, rank=0)
    done = event(T0, 1, notional_usd=123.0, rank=1)
    results = []
    for place, order in enumerate(([trigger, done], [done, trigger])):
        tape = Tape(tmp_path / str(place))
        for record in order:
            tape.add(events_frame([record], now=NOW))
        results.append(layers(tape))
        assert tape.read("sessions")["cents"].tolist() == [12_300]
    assert results[0] == results[1]


def test_a_better_record_is_known_from_its_own_receipt_on(tmp_path: Path) -> None:
    trigger = event(T0, 1, notional_usd=None, rank=0, received_us=T0 + 1)
    done = event(T0, 1, rank=1, received_us=T0 + 40_000_000)
    again = event(T0, 1, rank=1, received_us=T0 + 30_000_000)
    for order in ([trigger, done, again], [again, done, trigger], [done, trigger, again]):
        tape = Tape(tmp_path / str(order[0].received_us))
        for record in order:
            tape.add(events_frame([record], now=NOW))
        assert tape.read("sessions")["known_us"].tolist() == [T0 + 30_000_000]


def test_only_sized_forced_orders_of_a_known_coin_make_sessions(tmp_path: Path) -> None:
    tape = Tape(tmp_path / "tape")
    odd = [
        event(T0, 1, notional_usd=None), event(T0, 2, mechanism="adl"), event(T0, 3, base=None),
        event(T0, 4, mechanism="onchain"), event(T0, 5, mechanism="backstop"),
    ]  # fmt: skip
    tape.add(events_frame(odd, now=NOW))
    assert len(tape.read("events")) == 5
    assert tape.read("sessions")["n"].tolist() == [1]


def test_known_at_receipt_or_one_second_after_the_event() -> None:
    frame = events_frame(
        [event(T0, 1), event(T0, 2, received_us=T0 + 5), event(T0, 3, received_us=T0 - 5),
         event(None, 4)],
        now=NOW,
    )  # fmt: skip
    assert frame["known_us"].tolist() == [T0 + 1_000_000, T0 + 5, T0]


def test_import_reports_and_leaves_no_trace_of_refused_records(tmp_path: Path) -> None:
    row = {"T": 1_739_502_302_929, "s": "BTCUSDT", "S": "Buy", "v": "2", "p": "95000"}
    message = {"topic": "allLiquidation.BTCUSDT", "ts": 1, "data": [row, {**row, "S": "?"}]}
    path = tmp_path / "a.jsonl"
    path.write_text(json.dumps(message) + "\n" + json.dumps(message) + "\n")
    store = SimpleNamespace(root=tmp_path / "market")
    seen: list[float] = []
    report = import_events(
        store, "bybit-liquidation", [path], now=NOW, progress=lambda f, _: seen.append(f)
    )
    assert (report["events"], report["new"], report["duplicates"]) == (1, 1, 1)
    assert report["days"] == ["2025-02-14"]
    assert [q["line"] for q in report["quarantined"]] == [1, 2]
    assert seen[-1] == 1.0
    json.dumps(report, allow_nan=False)
    assert Tape(tmp_path / "market" / "tape").read("sessions")["cents"].tolist() == [19_000_000]


def test_totals_are_refused_as_events(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="holds totals a bar, not events"):
        import_events(SimpleNamespace(root=tmp_path), "coinglass-pair", [], now=NOW)


def test_a_broken_manifest_says_so(tmp_path: Path) -> None:
    tape = Tape(tmp_path)
    tape.files.manifest_path.write_text("{")
    with pytest.raises(DataError, match=r"manifest\.json cannot be read"):
        tape.read("sessions")


def test_the_hash_of_a_moment_does_not_know_what_is_recorded_later(tmp_path: Path) -> None:
    store = SimpleNamespace(root=tmp_path)
    as_of = pd.Timestamp(T0 + DAY_US, unit="us", tz="UTC")
    assert tape_hash(store, as_of=as_of) is None
    tape = Tape(tmp_path / "tape")
    tape.add(events_frame([event(T0 + 2 * DAY_US, 1)], now=NOW))
    assert tape_hash(store, as_of=as_of) is None
    tape.add(events_frame([event(T0, 2)], now=NOW))
    before = tape_hash(store, as_of=as_of)
    assert before is not None
    tape.add(events_frame([event(T0, 3, received_us=T0 + 2 * DAY_US)], now=NOW))
    assert tape_hash(store, as_of=as_of) == before
    tape.add(events_frame([event(T0, 4)], now=NOW))
    assert tape_hash(store, as_of=as_of) != before
