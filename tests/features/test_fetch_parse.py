"""The strict readers and the windows of paged requests."""

from __future__ import annotations

import importlib.util
import itertools
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from features.errors import UsageError
from features.sources.fetch import fetch
from features.sources.fetchers.http import AnswerError
from features.sources.fetchers.job import ms, with_intervals
from features.sources.fetchers.parse import csv_rows, numbers, settled_once, stamps, windows
from features.sources.fetchers.settings import FetchSettings
from features.store import MarketStore

HOUR = pd.Timedelta(hours=1)
START = pd.Timestamp("2024-03-09", tz="UTC").as_unit("us")


@given(hours=st.integers(0, 2000), page=st.integers(1, 500))
def test_windows_cover_the_span_once(hours: int, page: int) -> None:
    cut = list(windows(START, START + hours * HOUR, page))
    edges = [begin for begin, _ in cut] + [cut[-1][1]] if cut else [START]
    assert edges[0] == START
    assert edges[-1] == START + hours * HOUR
    assert all(later > earlier for earlier, later in itertools.pairwise(edges))
    assert all(a[1] == b[0] for a, b in itertools.pairwise(cut))
    assert all(end - begin <= page * HOUR for begin, end in cut)


@given(st.permutations(range(6)), st.lists(st.integers(0, 5), max_size=5))
def test_order_and_repetition_of_pages_do_not_matter(order: list[int], again: list[int]) -> None:
    rows = pd.DataFrame({"ts": START + np.arange(6) * HOUR, "close": np.arange(6) * 1.5})
    mixed = rows.iloc[[*order, *again]]
    pd.testing.assert_frame_equal(settled_once(mixed, ["ts"], what="pages"), rows)


def test_a_cut_line_a_short_header_and_a_trailing_comma() -> None:
    assert csv_rows("A,B,\n1,2,\n", ("A", "B"), what="x").to_numpy().tolist() == [["1", "2"]]
    with pytest.raises(AnswerError, match="last line of x is cut: '3'"):
        csv_rows("A,B\n1,2\n3", ("A", "B"), what="x")
    with pytest.raises(AnswerError, match=r"x has no column B. Expected A, B, got A, C"):
        csv_rows("A,C\n1,2\n", ("A", "B"), what="x")
    with pytest.raises(AnswerError, match="got nothing"):
        csv_rows("", ("A",), what="x")


@pytest.mark.parametrize("cell", ["n/a", "NaN", "nan", "inf", "1,0", "-", "None"])
def test_only_numbers_and_stated_blanks_are_numbers(cell: str) -> None:
    assert numbers(pd.Series(["1.5", ".", ""]), what="x").isna().tolist() == [False, True, True]
    with pytest.raises(AnswerError, match="where a number was expected"):
        numbers(pd.Series(["1.5", cell]), what="x")


def test_stamps_are_read_by_their_stated_unit_never_by_size() -> None:
    moment = stamps(pd.Series(["1735603200000"]), "ms", what="x")
    assert moment.iloc[0] == pd.Timestamp("2024-12-31", tz="UTC")
    assert str(moment.dtype) == "datetime64[us, UTC]"
    assert stamps(pd.Series([1735603200]), "s", what="x").equals(moment)
    with pytest.raises(AnswerError, match="Expected epoch ms"):
        stamps(pd.Series([1735603200]), "ms", what="x")
    assert ms(pd.Timestamp("2024-12-31", tz="UTC").as_unit("us")) == "1735603200000"
    assert ms(pd.Timestamp("2024-12-31", tz="UTC")) == "1735603200000"


def test_a_missing_settlement_is_no_long_interval() -> None:
    at = pd.DatetimeIndex(START + np.array([0, 8, 16, 32, 40, 44, 48]) * HOUR)
    frame = pd.DataFrame({"ts": at, "rate": 0.0001})
    got = with_intervals(frame)
    assert list(got["ts"]) == list(at[1:])
    # 16 hours are a settlement that is missing; four hours are a change of the interval
    assert got["interval_hours"].tolist() == [8.0, 8.0, 8.0, 8.0, 4.0, 4.0]
    assert with_intervals(frame.iloc[:1]).empty


def test_fetch_needs_its_extra_and_says_which(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    found = importlib.util.find_spec

    def without(name: str, *rest: Any) -> Any:
        return None if name == "httpx" else found(name, *rest)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    now = pd.Timestamp("2025-01-02", tz="UTC")
    with pytest.raises(UsageError, match=r"needs httpx.*\[data\]"):
        fetch(MarketStore(tmp_path), ["cboe"], now=now, settings=FetchSettings())


def test_the_catalogue_of_sources_needs_no_network_library() -> None:
    code = (
        "import sys; from features.sources.fetch import sources; sources();"
        "print([m for m in ('httpx', 'stamina', 'scipy') if m in sys.modules])"
    )
    root = Path(__file__).resolve().parents[2]
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
