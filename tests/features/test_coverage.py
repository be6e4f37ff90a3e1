"""No message is never zero liquidations."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from features.coverage import hourly_coverage, hourly_levels, merge_intervals
from features.coverage_log import coverage_of, import_coverage
from features.errors import DataError, UsageError
from features.store import MarketStore
from features.tape_store import Tape
from features.verbs import app

DAY = "2024-03-01 "


def at(clock: str) -> pd.Timestamp:
    return pd.Timestamp(DAY + clock, tz="UTC").as_unit("us")


def spans(*rows: tuple[str, str, str]) -> pd.DataFrame:
    return pd.DataFrame([{"venue": v, "start": at(a), "end": at(b)} for v, a, b in rows])


def test_a_gap_in_the_connection_lowers_coverage() -> None:
    log = spans(("okx", "00:00", "01:15"), ("okx", "01:45", "04:00"), ("okx", "01:00", "01:10"))
    found = hourly_coverage(log, start=at("00:00"), end=at("06:00"))["okx"]
    assert found.tolist()[:4] == [1.0, 0.5, 1.0, 1.0]
    assert found.iloc[4:].isna().all()  # after the log ends nothing is known, not zero


def test_repeats_and_overlaps_count_once() -> None:
    log = spans(("okx", "00:00", "02:00"), ("okx", "01:00", "03:00"), ("okx", "00:00", "02:00"))
    assert merge_intervals(log)[["start", "end"]].to_numpy().tolist() == [
        [at("00:00"), at("03:00")]
    ]


def test_silence_is_zero_only_on_a_complete_and_connected_feed() -> None:
    log = spans(("bybit", "00:00", "01:30"), ("bybit", "02:00", "04:00"))
    coverage = hourly_coverage(log, start=at("00:00"), end=at("05:00"))
    hourly = pd.DataFrame(
        {"base": "BTC", "side": "long", "hour_us": [int(at("00:00").timestamp() * 1e6)],
         "n": [3], "cents": [500_00], "n_throttled": [1]}
    )  # fmt: skip
    choice = {"base": "BTC", "side": "long"}
    unknown = hourly_levels(hourly, coverage, **choice)
    assert unknown["usd"].tolist()[:1] == [500.0]
    assert unknown["usd"].iloc[1:].isna().all()
    known = hourly_levels(hourly, coverage, **choice, complete_venues=frozenset({"bybit"}))
    values = known["usd"].to_numpy()
    assert values[[0, 2, 3]].tolist() == [500.0, 0.0, 0.0]
    assert np.isnan(values[[1, 4]]).all()  # half connected; not in the log
    assert known["throttled"].tolist() == [True, False, False, False, False]


def test_a_span_that_ends_before_it_starts() -> None:
    with pytest.raises(DataError, match=r"ends .* before its start"):
        merge_intervals(spans(("okx", "02:00", "01:00")))


def test_a_log_of_connections_is_stored_beside_the_tape(tmp_path: Path) -> None:
    store = SimpleNamespace(root=tmp_path)
    log = tmp_path / "log.jsonl"
    rows = [
        {"venue": "OKX", "connected_from": "2024-03-01T00:00:00Z",
         "connected_to": "2024-03-01T01:15:00Z"},
        {"venue": "okx", "connected_from": "2024-03-01T01:45:00Z",
         "connected_to": "2024-03-01T03:00:00Z"},
        {"venue": "okx", "connected_from": "2024-03-01T05:00:00Z",
         "connected_to": "2024-03-01T04:00:00Z"},
    ]  # fmt: skip
    log.write_text("\n".join(json.dumps(row) for row in rows) + "\nnonsense\n")
    report = import_coverage(store, [log])
    assert (report["spans"], report["read"]) == (2, 2)
    assert [q["line"] for q in report["quarantined"]] == [3, 4]
    assert import_coverage(store, [log])["spans"] == 2  # the same log again
    found = coverage_of(store, start=at("00:00"), end=at("03:00"))["okx"]
    assert found.tolist() == [1.0, 0.5, 1.0]
    # a later delivery of events keeps it
    Tape(tmp_path / "tape").rebuild()
    assert len(coverage_of(store, start=at("00:00"), end=at("03:00"))) == 3


def test_the_verb_stores_spans_and_quarantines_what_is_none(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text(
        '{"venue": "okx", "connected_from": "2026-03-04T11:00:00Z", '
        '"connected_to": "2026-03-04T13:30:00Z"}\n'
        '{"venue": "okx", "connected_from": "2026-03-06T11:00:00Z"}\n'
    )
    home = tmp_path / "home"
    words = ["import", "--coverage", str(log), "--home", str(home)]
    done = CliRunner().invoke(app, [*words, "--json"])
    report = json.loads(done.stdout)
    assert (done.exit_code, report["spans"]) == (0, 1)
    assert [(entry["line"], entry["reason"]) for entry in report["quarantined"]] == [
        (2, "`connected_to` is missing")
    ]
    assert "`connected_to` is missing" in CliRunner().invoke(app, words).stdout
    start = pd.Timestamp("2026-03-04 11:00", tz="UTC")
    hours = coverage_of(
        MarketStore(home / "market"), start=start, end=start + pd.Timedelta(hours=3)
    )
    assert hours["okx"].tolist() == [1.0, 1.0, 0.5]


def test_a_log_without_a_single_span_is_refused(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('{"venue": "okx"}\n')
    done = CliRunner().invoke(app, ["import", "--coverage", str(log), "--home", str(tmp_path)])
    assert done.exit_code == 3


def test_an_unknown_engine_is_refused_before_anything_is_stored(tmp_path: Path) -> None:
    tape = tmp_path / "tape.jsonl"
    tape.write_text(
        '{"e":"forceOrder","E":1650898336327,"o":{"s":"BTCUSDT","S":"SELL","o":"LIMIT","f":"IOC",'
        '"q":"4","p":"38854.46","ap":"38986.50","X":"FILLED","l":"4","z":"4","T":1650898336320}}\n'
    )
    words = ["import", "--format", "binance-forceorder", str(tape), "--home", str(tmp_path / "h")]
    done = CliRunner().invoke(app, [*words, "--engine", "spork"])
    assert isinstance(done.exception, UsageError)
    assert not list((tmp_path / "h").rglob("*.parquet"))
