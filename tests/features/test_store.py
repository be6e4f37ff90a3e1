from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from features import ingest
from features.errors import DataError, HomeError, UsageError
from features.segments import collect_garbage, read_manifest
from features.store import MarketStore

ROOT = Path(__file__).resolve().parents[2]
NOW = pd.Timestamp("2024-08-01 12:00", tz="UTC")
LATER = NOW + pd.Timedelta(days=1)


def closes(
    *pairs: tuple[str, float | None], symbol: str = "vix", **columns: object
) -> pd.DataFrame:
    days = pd.DatetimeIndex([day for day, _ in pairs]).as_unit("us")
    values = [close for _, close in pairs]
    return pd.DataFrame({"date": days, "symbol": symbol, "close": values, **columns})


def vix(store: MarketStore, as_of: pd.Timestamp | None = None) -> list[float]:
    return store.read("vol_indices", as_of=as_of)["close"].to_list()


def files(store: MarketStore) -> dict[str, bytes]:
    return {
        path.relative_to(store.root).as_posix(): path.read_bytes()
        for path in sorted(store.root.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_an_absent_store_reads_as_empty_with_columns(store: MarketStore) -> None:
    rows = store.read("perp_bars")
    assert rows.empty
    assert list(rows) == [
        "ts", "venue", "base", "open", "high", "low", "close", "volume_base", "available_at",
    ]  # fmt: skip
    assert rows["ts"].dtype == "datetime64[us, UTC]"
    assert store.tables() == []
    assert not store.root.exists()


def test_rows_come_back_sorted_with_exact_types(store: MarketStore) -> None:
    counts = store.append(
        "vol_indices", closes(("2024-07-02", 12.03), ("2024-07-01", 12.22)), source="cboe", now=NOW
    )
    assert counts == ingest.Counts(new=2)
    rows = store.read("vol_indices")
    assert rows["close"].to_list() == [12.22, 12.03]
    assert rows.dtypes.astype("str").to_dict() == {
        "date": "datetime64[us]", "symbol": "str", "open": "float64", "high": "float64",
        "low": "float64", "close": "float64", "available_at": "datetime64[us, UTC]",
    }  # fmt: skip
    assert rows["open"].isna().all()
    assert rows["available_at"][0] == pd.Timestamp("2024-07-01 20:20", tz="UTC")


def test_a_row_is_seen_from_its_availability_on(store: MarketStore) -> None:
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    known = pd.Timestamp("2024-07-01 20:20", tz="UTC")
    assert vix(store, known - pd.Timedelta(microseconds=1)) == []
    assert vix(store, known) == [12.22]


def test_the_same_rows_again_change_no_byte(store: MarketStore) -> None:
    rows = closes(("2024-07-01", 12.22), ("2024-07-02", 12.03))
    store.append("vol_indices", rows, source="cboe", now=NOW)
    before = files(store)
    counts = store.append("vol_indices", rows, source="cboe", now=LATER)
    assert counts == ingest.Counts(same=2)
    assert files(store) == before


def test_a_correction_is_a_new_version_from_its_import_on(store: MarketStore) -> None:
    store.append(
        "vol_indices", closes(("2024-07-01", 12.22), ("2024-07-02", 12.03)), source="cboe", now=NOW
    )
    old = store.read("vol_indices", as_of=LATER - pd.Timedelta(microseconds=1))
    counts = store.append("vol_indices", closes(("2024-07-01", 13.0)), source="cboe", now=LATER)
    assert counts == ingest.Counts(revised=1)
    assert vix(store) == [13.0, 12.03]
    assert vix(store, LATER) == [13.0, 12.03]
    again = store.read("vol_indices", as_of=LATER - pd.Timedelta(microseconds=1))
    pd.testing.assert_frame_equal(again, old)
    assert list(store.revision_times("vol_indices")) == [LATER]
    assert list(store.revision_times("vol_indices", as_of=NOW)) == []


def test_correcting_back_is_a_third_version(store: MarketStore) -> None:
    for place, close in enumerate((12.0, 13.0, 12.0)):
        moment = NOW + pd.Timedelta(days=place)
        store.append("vol_indices", closes(("2024-07-01", close)), source="cboe", now=moment)
    history = store.history("vol_indices")
    assert history["close"].to_list() == [12.0, 13.0, 12.0]
    assert history["version"].is_monotonic_increasing
    assert vix(store, LATER) == [13.0]
    assert len(store.revision_times("vol_indices")) == 2


def test_a_null_says_nothing(store: MarketStore) -> None:
    full = closes(("2024-07-01", 12.22), open=12.5, high=13.0, low=12.0)
    store.append("vol_indices", full, source="cboe", now=NOW)
    assert (
        store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=LATER).same
        == 1
    )
    store.append("vol_indices", closes(("2024-07-01", 12.3)), source="cboe", now=LATER)
    row = store.read("vol_indices").iloc[0]
    assert (row["open"], row["high"], row["close"]) == (12.5, 13.0, 12.3)


def test_a_less_trusted_source_never_replaces_a_more_trusted(store: MarketStore) -> None:
    both = closes(("2024-07-01", 99.0), ("2024-07-02", 12.03))
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    assert store.append("vol_indices", both, source="yahoo", now=NOW) == ingest.Counts(
        new=1, held=1
    )
    assert vix(store) == [12.22, 12.03]
    store.append("vol_indices", closes(("2024-07-02", 12.5)), source="cboe", now=LATER)
    assert vix(store) == [12.22, 12.5]


def test_a_given_availability_takes_the_place_of_the_rule(store: MarketStore) -> None:
    given = pd.Series([pd.Timestamp("2024-07-03 10:00", tz="UTC"), pd.NaT]).astype(
        "datetime64[us, UTC]"
    )
    rows = closes(("2024-07-01", 12.22), ("2024-07-02", 12.03), available_at=given)
    store.append("vol_indices", rows, source="cboe", now=NOW)
    assert store.read("vol_indices")["available_at"].to_list() == [
        pd.Timestamp("2024-07-03 10:00", tz="UTC"),
        pd.Timestamp("2024-07-02 20:20", tz="UTC"),
    ]


def test_a_given_availability_cannot_put_a_correction_into_the_past(store: MarketStore) -> None:
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    given = pd.Timestamp("2024-07-03 10:00", tz="UTC")
    rows = closes(("2024-07-01", 12.5), available_at=given)
    store.append("vol_indices", rows, source="cboe", now=LATER)
    assert vix(store, NOW) == [12.22]
    assert vix(store, LATER) == [12.5]


def test_reads_can_be_narrowed(store: MarketStore) -> None:
    rows = [
        closes(("2024-07-01", 1.0), ("2024-07-02", 2.0), symbol=name) for name in ("vix", "vix3m")
    ]
    store.append("vol_indices", pd.concat(rows), source="cboe", now=NOW)

    def read(**options: object) -> list[tuple[str, float]]:
        found = store.read("vol_indices", columns=["close"], **options)  # type: ignore[arg-type]
        return list(zip(found["symbol"], found["close"], strict=True))

    assert read(start="2024-07-02") == [("vix", 2.0), ("vix3m", 2.0)]
    assert read(end="2024-07-01", where={"symbol": "vix3m"}) == [("vix3m", 1.0)]
    assert read(where={"symbol": ["vix", "skew"], "close": [2.0]}) == [("vix", 2.0)]
    assert read(where={"symbol": []}) == []
    assert read(where={"symbol": "it's"}) == []
    named = store.read("vol_indices", columns=["source", "ingested_at"])
    assert list(named) == ["date", "symbol", "source", "ingested_at", "available_at"]
    assert set(named["ingested_at"]) == {NOW}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"as_of": pd.Timestamp("2024-07-01")}, "`as_of` must have a timezone"),
        ({"columns": ["mid"]}, "table `vol_indices` has no column mid"),
        ({"where": {"venue": "okx"}}, "no column 'venue' to select by"),
    ],
)
def test_wrong_reads_are_refused(
    store: MarketStore, options: dict[str, object], message: str
) -> None:
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    with pytest.raises(UsageError, match=message):
        store.read("vol_indices", **options)  # type: ignore[arg-type]


def test_a_bad_row_stores_nothing(store: MarketStore) -> None:
    with pytest.raises(DataError, match=r"1 rows .* row 1: `close` is not above 0"):
        store.append(
            "vol_indices",
            closes(("2024-07-01", 12.22), ("2024-07-02", -1.0)),
            source="cboe",
            now=NOW,
        )
    with pytest.raises(DataError, match="1 keys of table `vol_indices` stand more than once"):
        store.append(
            "vol_indices",
            closes(("2024-07-01", 12.2), ("2024-07-01", 12.3)),
            source="cboe",
            now=NOW,
        )
    assert store.tables() == []


def test_a_transaction_is_all_or_nothing(store: MarketStore) -> None:
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    before = files(store)
    with (
        pytest.raises(RuntimeError, match="power cut"),
        store.transaction(now=LATER) as transaction,
    ):
        transaction.append("vol_indices", closes(("2024-07-02", 12.03)), source="cboe")
        transaction.append("dollar", dollar("2024-07-01", 120.0), source="fred")
        raise RuntimeError("power cut")
    assert files(store) == before


def dollar(day: str, value: float) -> pd.DataFrame:
    return pd.DataFrame({"date": [pd.Timestamp(day).as_unit("us")], "value_index": [value]})


def test_a_transaction_sees_its_own_rows(store: MarketStore) -> None:
    with store.transaction(now=NOW) as transaction:
        assert transaction.append("dollar", dollar("2024-07-01", 120.0), source="fred").new == 1
        assert transaction.append("dollar", dollar("2024-07-01", 120.0), source="fred").same == 1
        assert transaction.append("dollar", dollar("2024-07-01", 121.0), source="fred").revised == 1
        assert store.read("dollar").empty
    assert store.read("dollar")["value_index"].to_list() == [121.0]


def test_a_snapshot_keeps_its_state(store: MarketStore) -> None:
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    pinned = store.snapshot()
    store.append("vol_indices", closes(("2024-07-01", 13.0)), source="cboe", now=LATER)
    assert vix(pinned) == [12.22]
    assert vix(store) == [13.0]
    with pytest.raises(UsageError, match="a snapshot cannot be written"):
        pinned.append("vol_indices", closes(("2024-07-01", 14.0)), source="cboe", now=LATER)


def test_equal_imports_give_equal_bytes(tmp_path: Path) -> None:
    rows = closes(("2024-07-01", 12.22), ("2024-07-02", 12.03))
    stores = [MarketStore(tmp_path / name) for name in ("one", "two")]
    stores[0].append("vol_indices", rows, source="cboe", now=NOW)
    stores[1].append("vol_indices", rows.iloc[::-1], source="cboe", now=NOW)
    assert files(stores[0]) == files(stores[1])


def test_the_data_hash_is_that_of_the_rows(tmp_path: Path) -> None:
    rows = closes(("2024-07-01", 12.22), ("2024-07-02", 12.03), ("2024-07-03", None))[:2]
    whole, pieces = MarketStore(tmp_path / "whole"), MarketStore(tmp_path / "pieces")
    whole.append("vol_indices", rows, source="cboe", now=NOW)
    for place in (1, 0):  # other order, other pieces, other time
        pieces.append("vol_indices", rows.iloc[[place]], source="cboe", now=LATER)
    assert whole.data_hash() == pieces.data_hash()
    day = pd.Timestamp("2024-07-02", tz="UTC")
    before = whole.data_hash(as_of=day)
    assert before != whole.data_hash()
    whole.append("vol_indices", closes(("2024-07-02", 12.04)), source="cboe", now=LATER)
    assert whole.data_hash() != pieces.data_hash()
    assert whole.data_hash(as_of=day) == before


def test_many_appends_are_merged_and_nothing_is_lost(store: MarketStore) -> None:
    days = pd.bdate_range("2024-01-02", periods=40).as_unit("us")
    for place, day in enumerate(days):
        moment = NOW + pd.Timedelta(hours=place)
        rows = closes((str(day), float(place + 1)), ("2023-12-29", float(place + 1)))
        store.append("vol_indices", rows, source="cboe", now=moment)
    assert len(store.manifest().segments("vol_indices")) <= ingest.MANY_SEGMENTS
    assert vix(store) == [40.0, *(float(place + 1) for place in range(40))]
    assert len(store.history("vol_indices")) == 80
    assert vix(store, NOW + pd.Timedelta(hours=7))[0] == 8.0


def test_old_files_are_collected_after_their_grace(store: MarketStore) -> None:
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    orphan = store.root / "segments" / "vol_indices" / "000009-left-by-a-kill.parquet"
    orphan.write_bytes(b"half a file")
    manifest = read_manifest(store.root)
    assert collect_garbage(store.root, manifest) == 0
    assert collect_garbage(store.root, manifest, grace_seconds=-1.0) == 1
    assert vix(store) == [12.22]


def test_damage_is_said_and_not_read_over(store: MarketStore) -> None:
    store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)
    segment = store.root / store.manifest().segments("vol_indices")[0].file
    for damage in (b"", segment.read_bytes()[:-40]):
        segment.write_bytes(damage)
        with pytest.raises(DataError, match="is missing or damaged"):
            store.read("vol_indices")
    segment.unlink()
    with pytest.raises(DataError, match="is missing or damaged"):
        store.read("vol_indices")
    (store.root / "manifest.json").write_text('{"format": 1, "tab')
    with pytest.raises(DataError, match="cannot read the market store"):
        MarketStore(store.root).read("vol_indices")


def test_a_home_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    store = MarketStore(tmp_path / "file" / "market")
    with pytest.raises(HomeError, match="Expected a writable home"):
        store.append("vol_indices", closes(("2024-07-01", 12.22)), source="cboe", now=NOW)


WRITER = """
import sys
from pathlib import Path
import pandas as pd
from features.store import MarketStore
root, symbol = Path(sys.argv[1]), sys.argv[2]
store = MarketStore(root)
for day in pd.bdate_range("2024-01-02", periods=8).as_unit("us"):
    rows = pd.DataFrame({"date": [day], "symbol": [symbol], "close": [float(day.day)]})
    store.append("vol_indices", rows, source="cboe", now=pd.Timestamp("2024-08-01", tz="UTC"))
"""


def test_two_processes_at_once_lose_nothing(store: MarketStore) -> None:
    writers = [
        subprocess.Popen([sys.executable, "-c", WRITER, str(store.root), symbol], cwd=ROOT)
        for symbol in ("vix", "vix3m")
    ]
    assert [writer.wait(timeout=120) for writer in writers] == [0, 0]
    rows = store.read("vol_indices")
    assert rows.groupby("symbol")["close"].count().to_dict() == {"vix": 8, "vix3m": 8}
    assert (rows["close"] == rows["date"].dt.day).all()
    assert store.manifest().version == 16


@st.composite
def imports(draw: st.DrawFn) -> list[dict[int, float]]:
    """Some imports in a row, each a few days of a small calendar with a close."""
    one = st.dictionaries(st.integers(1, 5), st.sampled_from([10.0, 11.0, 12.0]), min_size=1)
    return draw(st.lists(one, min_size=1, max_size=6))


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(steps=imports())
def test_every_as_of_equals_a_slow_oracle(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[int, float]]
) -> None:
    store = MarketStore(tmp_path_factory.mktemp("oracle") / "market")
    versions: list[tuple[int, pd.Timestamp, float]] = []  # day, available, close; oldest first
    for place, step in enumerate(steps):
        now = NOW + pd.Timedelta(days=place)
        rows = closes(*((f"2024-07-{day:02d}", close) for day, close in step.items()))
        store.append("vol_indices", rows, source="cboe", now=now)
        for day, close in step.items():
            said = [version for version in versions if version[0] == day]
            rule = pd.Timestamp(f"2024-07-{day:02d} 20:20", tz="UTC")
            if not said:
                versions.append((day, rule, close))
            elif said[-1][2] != close:
                versions.append((day, now, close))
    moments = [NOW + pd.Timedelta(days=place) for place in range(len(steps))]
    for as_of in [pd.Timestamp("2024-07-03", tz="UTC"), *moments, None]:
        expected = {day: close for day, known, close in versions if as_of is None or known <= as_of}
        rows = store.read("vol_indices", as_of=as_of)
        assert dict(zip(rows["date"].dt.day, rows["close"], strict=True)) == expected
