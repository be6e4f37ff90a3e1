"""Files of every layout that have columns and no line that can be read."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from features.errors import DataError
from features.sources.tidy import LAYOUTS, import_folder
from features.store import MarketStore

NOW = pd.Timestamp("2025-01-06 12:00", tz="UTC")
STORED = sorted(name for name, layout in LAYOUTS.items() if layout.tidy is not None)
COLUMNS = {"number": "float64", "text": "str", "moment": "datetime64[us, UTC]"}


def blank(name: str, lines: int) -> pd.DataFrame:
    return pd.DataFrame(
        {
            one.name: pd.Series([None] * lines, dtype=COLUMNS.get(one.kind, "str"))
            for one in LAYOUTS[name].fields
        }
    )


@pytest.mark.parametrize("suffix", ["csv", "parquet"])
def test_files_without_rows_are_skipped_and_stop_nothing(tmp_path: Path, suffix: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    for name in STORED:
        path = folder / f"{LAYOUTS[name].stem}.{suffix}"
        if suffix == "csv":
            blank(name, 0).to_csv(path, index=False)
        else:
            blank(name, 0).to_parquet(path, index=False)
    store = MarketStore(tmp_path / "market")
    with pytest.raises(DataError, match="no file with a known name has rows"):
        import_folder(store, folder, now=NOW)
    assert not store.root.exists()
    closes = pd.DataFrame({"date": ["2024-07-01"], "vix": [12.22]})
    used = folder / f"cboe_vol_indices_close.{suffix}"
    used.unlink()
    closes.reindex(columns=[f.name for f in LAYOUTS["cboe_vol_indices_close"].fields]).to_csv(
        used.with_suffix(".csv"), index=False
    )
    report = import_folder(store, folder, now=NOW)
    others = [one for one in report.files if one.file != "cboe_vol_indices_close.csv"]
    told = {(one.outcome, one.reason) for one in others}
    assert told == {("skipped", "has no rows")}
    assert len(report.files) == len(STORED) and store.tables() == ["vol_indices"]


@pytest.mark.parametrize("name", STORED)
def test_a_file_whose_lines_have_no_time_is_refused(tmp_path: Path, name: str) -> None:
    layout, folder = LAYOUTS[name], tmp_path / "data"
    folder.mkdir()
    blank(name, 3).to_parquet(folder / f"{layout.stem}.parquet", index=False)
    store = MarketStore(tmp_path / "market")
    (file,) = import_folder(store, folder, now=NOW).files
    assert file.outcome == "refused"
    assert (
        f"3 of 3 lines are bad, more than 1%; the first is line 1: `{layout.fields[0].name}`"
        in (file.reason or "")
    )
    assert not store.root.exists()
