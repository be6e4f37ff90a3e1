"""Import of tidy files: once, whole, corrected, damaged, refused, and two at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from features.errors import DataError, UsageError
from features.sessions import calendar
from features.sources.tidy import FileReport, ImportReport, import_folder
from features.status import status
from features.store import MarketStore

from .test_store import files

ROOT = Path(__file__).resolve().parents[2]
NOW = pd.Timestamp("2025-01-06 12:00", tz="UTC")
LATER = NOW + pd.Timedelta(days=1)
Write = Callable[..., Path]


def spx(count: int = 250) -> pd.DataFrame:
    days = calendar().sessions("2024-01-02", None)[:count]
    level = [4700.0 + place for place in range(count)]
    return pd.DataFrame(
        {
            "date": days.strftime("%Y-%m-%d"),
            "open": level,
            "high": [value + 10.5 for value in level],
            "low": [value - 10.25 for value in level],
            "close": [value + 3.1 for value in level],
            "volume": 3_000_000_000.0,
        }
    )


def vol_closes(*rows: dict[str, object]) -> pd.DataFrame:
    names = ["date", "vix", "vix9d", "vix3m", "vix6m", "vvix", "skew"]
    return pd.DataFrame(list(rows)).reindex(columns=names)


def put(folder: Path, stem: str, rows: pd.DataFrame) -> Path:
    path = folder / f"{stem}.csv"
    rows.to_csv(path, index=False)
    return path


def taken(store: MarketStore, folder: Path, now: pd.Timestamp = NOW) -> ImportReport:
    return import_folder(store, folder, now=now)


def of(report: ImportReport, name: str) -> FileReport:
    return next(one for one in report.files if one.file == name)


def test_a_good_file_is_imported_once_and_then_changes_nothing(
    store: MarketStore, folder: Path
) -> None:
    put(folder, "spx_ohlcv", spx())
    report = taken(store, folder)
    assert of(report, "spx_ohlcv.csv").tables == {"spx_bars": 250}
    assert report.changed
    before, tables = files(store), status(store, calendar())
    again = taken(store, folder, LATER)
    assert again.tables["spx_bars"].same == 250
    assert not again.changed
    assert files(store) == before
    assert status(store, calendar()) == tables


def test_a_corrected_file_makes_new_versions_from_its_import_on(
    store: MarketStore, folder: Path
) -> None:
    rows = spx()
    put(folder, "spx_ohlcv", rows)
    taken(store, folder)
    old = store.read("spx_bars", as_of=NOW)
    rows.loc[7, "close"] += 1.0
    put(folder, "spx_ohlcv", rows)
    assert taken(store, folder, LATER).tables["spx_bars"].revised == 1
    pd.testing.assert_frame_equal(store.read("spx_bars", as_of=NOW), old)
    assert store.read("spx_bars", as_of=LATER)["close"][7] == old["close"][7] + 1.0
    assert taken(store, folder, LATER + pd.Timedelta(days=1)).changed is False


@pytest.mark.parametrize("column", ["date", "open", "close", "volume"])
def test_a_missing_column_refuses_the_file(store: MarketStore, folder: Path, column: str) -> None:
    put(folder, "spx_ohlcv", spx().drop(columns=column))
    report = taken(store, folder)
    assert of(report, "spx_ohlcv.csv").outcome == "refused"
    assert f"lacks the column {column}; expected date, open" in (report.refused[0].reason or "")
    assert not store.root.exists(), "a refused file leaves nothing, not even a folder"


def test_a_refused_file_does_not_stop_the_others(store: MarketStore, folder: Path) -> None:
    put(folder, "spx_ohlcv", spx().rename(columns={"close": "last"}))
    put(folder, "cboe_vol_indices_close", vol_closes({"date": "2024-07-01", "vix": 12.22}))
    report = taken(store, folder)
    assert [one.file for one in report.refused] == ["spx_ohlcv.csv"]
    assert store.tables() == ["vol_indices"]


def test_a_few_bad_lines_go_to_quarantine_with_file_line_and_reason(
    store: MarketStore, folder: Path
) -> None:
    rows = spx().astype({"close": "object"})
    rows.loc[9, "close"] = "n.a."
    rows.loc[40, "low"] = 9999.0
    put(folder, "spx_ohlcv", rows)
    report = taken(store, folder)
    found = of(report, "spx_ohlcv.csv")
    assert found.outcome == "imported"
    assert found.quarantined == [
        {"line": 11, "reason": "`close` is no number: 'n.a.'"},
        {"line": 42, "reason": "`low` is above `high`"},
    ]
    assert found.tables == {"spx_bars": 248}
    bad = store.read("quarantine")
    assert bad["file"].to_list() == ["spx_ohlcv.csv"] * 2
    assert bad["line"].to_list() == [11.0, 42.0]
    assert '"close": "n.a."' in bad["record"][0]
    before = files(store)
    assert taken(store, folder, LATER).changed is False
    assert files(store) == before


def test_exactly_one_percent_is_still_taken_and_more_is_refused(
    store: MarketStore, folder: Path
) -> None:
    rows = spx(200)
    rows.loc[[3, 4], "low"] = 9999.0
    put(folder, "spx_ohlcv", rows)
    assert not taken(store, folder).refused
    rows.loc[5, "low"] = 9999.0
    put(folder, "spx_ohlcv", rows)
    report = taken(store, folder, LATER)
    assert report.refused[0].reason == (
        "3 of 200 lines are bad, more than 1%; the first is line 5: `low` is above `high`"
    )
    assert len(store.read("quarantine")) == 2, "the refused import leaves no quarantine rows"


def test_unknown_names_and_folders_are_listed_as_skipped(store: MarketStore, folder: Path) -> None:
    put(folder, "spx_ohlcv", spx(5))
    put(folder, "my_own_table", spx(5))
    put(folder, "vix_futures_continuous", spx(5))
    (folder / "notes.md").write_text("hello")
    (folder / "truth").mkdir()
    report = taken(store, folder)
    assert {one.file: one.reason for one in report.files if one.outcome == "skipped"} == {
        "my_own_table.csv": "has a name that the importer does not know",
        "notes.md": "has a name that the importer does not know",
        "truth": "is a folder",
        "vix_futures_continuous.csv": "computed from vix_futures_contracts, which is stored",
    }
    assert not report.refused


def test_nothing_to_import_is_said(store: MarketStore, folder: Path) -> None:
    with pytest.raises(UsageError, match="is no folder"):
        taken(store, folder / "absent")
    with pytest.raises(DataError, match="no file with a known name has rows"):
        taken(store, folder)
    put(folder, "spx_ohlcv", spx(0))
    with pytest.raises(DataError, match="no file with a known name has rows"):
        taken(store, folder)
    assert not store.root.exists()


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "lacks the column date, open"),
        (b"<!DOCTYPE html><html><body>Not found</body></html>\n", "lacks the column date, open"),
        (b"\xff\xfe\x00\x01broken", "cannot be read"),
        (b"PAR1 and then nothing", "lacks the column"),
    ],
)
def test_files_that_are_something_else_are_refused(
    store: MarketStore, folder: Path, content: bytes, reason: str
) -> None:
    (folder / "spx_ohlcv.csv").write_bytes(content)
    assert reason in (taken(store, folder).refused[0].reason or "")


def test_a_file_that_is_no_parquet_is_refused(store: MarketStore, folder: Path) -> None:
    (folder / "spx_ohlcv.parquet").write_bytes(b"<html>200 OK</html>")
    assert "is no Parquet file" in (taken(store, folder).refused[0].reason or "")


def test_a_body_cut_off_in_the_middle_of_a_line(store: MarketStore, folder: Path) -> None:
    path = put(folder, "spx_ohlcv", spx(250))
    text = path.read_text()
    path.write_text(text[: text.rindex(",", 0, -1) - 4])
    found = of(taken(store, folder), "spx_ohlcv.csv")
    assert found.quarantined == [{"line": 251, "reason": "has 5 cells where the header has 6"}]
    assert found.tables == {"spx_bars": 249}


def test_csv_and_parquet_of_the_same_rows_store_the_same(tmp_path: Path) -> None:
    rows = spx()
    stores = []
    for kind in ("csv", "parquet"):
        folder = tmp_path / kind
        folder.mkdir()
        if kind == "csv":
            put(folder, "spx_ohlcv", rows)
        else:
            dated = rows.assign(date=pd.to_datetime(rows["date"]))
            dated.to_parquet(folder / "spx_ohlcv.parquet")
        store = MarketStore(tmp_path / f"{kind}-store")
        taken(store, folder)
        stores.append(store)
    assert stores[0].data_hash() == stores[1].data_hash()


def test_the_damaged_path_reads_good_lines_like_the_fast_one(tmp_path: Path) -> None:
    rows = spx()
    rows["close"] += 0.1 + 0.2  # needs every digit
    hashes = []
    for damaged in (False, True):
        folder = tmp_path / str(damaged)
        folder.mkdir()
        path = put(folder, "spx_ohlcv", rows)
        if damaged:
            path.write_text(path.read_text() + "2025-01-03,not,a,number,at,all\n")
        store = MarketStore(tmp_path / f"{damaged}-store")
        report = taken(store, folder)
        assert len(report.files[0].quarantined) == int(damaged)
        hashes.append(store.data_hash())
    assert hashes[0] == hashes[1]


def test_a_duplicated_day(store: MarketStore, folder: Path) -> None:
    rows = spx()
    same = rows.iloc[[3]]
    other = rows.iloc[[8]].assign(close=lambda one: one["close"] + 1.0)
    put(folder, "spx_ohlcv", pd.concat([rows, same, other]))
    found = of(taken(store, folder), "spx_ohlcv.csv")
    assert found.left_out == {"repeats another line": 1}
    reason = "its date stands twice with different values"
    assert found.quarantined == [{"line": 10, "reason": reason}, {"line": 253, "reason": reason}]
    assert found.tables == {"spx_bars": 249}


def test_days_without_a_session_and_the_future(store: MarketStore, folder: Path) -> None:
    rows = spx(250)
    rows.loc[250] = ["2024-07-04", 1.0, 2.0, 1.0, 1.5, 1.0]
    rows.loc[251] = ["2031-01-02", 1.0, 2.0, 1.0, 1.5, 1.0]
    put(folder, "spx_ohlcv", rows)
    found = of(taken(store, folder), "spx_ohlcv.csv")
    assert found.quarantined == [
        {"line": 252, "reason": "its date is no exchange session"},
        {"line": 253, "reason": "its time lies in the future"},
    ]


def test_a_session_that_is_not_over_yet_is_left_out(store: MarketStore, folder: Path) -> None:
    put(folder, "spx_ohlcv", spx(10))
    noon = pd.Timestamp(f"{spx(10)['date'].iloc[-1]} 17:00", tz="UTC")
    found = of(taken(store, folder, noon), "spx_ohlcv.csv")
    assert found.left_out == {"not over yet": 1}
    assert found.tables == {"spx_bars": 9}
    assert taken(store, folder, noon + pd.Timedelta(hours=5)).tables["spx_bars"].new == 1


def test_rows_may_bring_their_own_availability(store: MarketStore, folder: Path) -> None:
    rows = spx(3).assign(available_at=["2024-01-03T09:00:00Z", None, "2024-01-02T09:00:00Z"])
    put(folder, "spx_ohlcv", pd.concat([rows.iloc[:2], spx().iloc[2:]]))
    taken(store, folder)
    available = store.read("spx_bars")["available_at"]
    assert available[0] == pd.Timestamp("2024-01-03 09:00", tz="UTC")
    assert available[1] == pd.Timestamp("2024-01-03 21:20", tz="UTC")
    put(folder, "spx_ohlcv", pd.concat([spx().iloc[:2], rows.iloc[2:], spx().iloc[3:]]))
    found = of(taken(store, folder, LATER), "spx_ohlcv.csv")
    assert found.quarantined[0]["reason"] == "`available_at` lies before the end of the row's span"


def test_progress_ends_at_one(store: MarketStore, folder: Path) -> None:
    put(folder, "spx_ohlcv", spx(5))
    steps: list[float] = []
    import_folder(store, folder, now=NOW, progress=lambda done, what: steps.append(done))
    assert steps == sorted(steps)
    assert steps[-1] == 1.0


IMPORTER = """
import sys
from pathlib import Path
import pandas as pd
from features.sources.tidy import import_folder
from features.store import MarketStore
now = pd.Timestamp("2025-01-06 12:00", tz="UTC")
report = import_folder(MarketStore(Path(sys.argv[1])), Path(sys.argv[2]), now=now)
assert not report.refused
"""


def test_two_imports_at_once(store: MarketStore, tmp_path: Path) -> None:
    folders = []
    for name, rows in (("early", spx().iloc[:150]), ("late", spx().iloc[100:])):
        (tmp_path / name).mkdir()
        put(tmp_path / name, "spx_ohlcv", rows)
        folders.append(tmp_path / name)
    running = [
        subprocess.Popen([sys.executable, "-c", IMPORTER, str(store.root), str(one)], cwd=ROOT)
        for one in folders
    ]
    assert [one.wait(timeout=120) for one in running] == [0, 0]
    assert len(store.read("spx_bars")) == 250
    assert len(store.history("spx_bars")) == 250
