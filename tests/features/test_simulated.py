"""Files of a simulated market: those of the real one, and the same bytes from the same seed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pyarrow.parquet as pq
import pytest

from features.errors import UsageError
from features.sources.simulated import simulate
from features.sources.tidy import import_folder
from features.store import MarketStore

HOUR = pd.Timedelta(hours=1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("sim") / "one"
    simulate(out, years=1, seed=3, link=1.0)
    return out


def _bytes(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path.relative_to(folder)): path.read_bytes() for path in files}


def test_same_seed_same_bytes_and_another_seed_other_bytes(folder: Path, tmp_path: Path) -> None:
    simulate(tmp_path / "again", years=1, seed=3, link=1.0)
    simulate(tmp_path / "other", years=1, seed=4, link=1.0)
    assert _bytes(tmp_path / "again") == _bytes(folder)
    assert _bytes(tmp_path / "other")["spx_ohlcv.csv"] != _bytes(folder)["spx_ohlcv.csv"]


def test_a_simulation_may_be_repeated_into_its_folder_but_not_into_another(
    folder: Path, tmp_path: Path
) -> None:
    (tmp_path / "spx_ohlcv.csv").write_text("mine")
    with pytest.raises(UsageError, match="holds files that no simulation wrote"):
        simulate(tmp_path, years=1, seed=3, link=1.0)
    assert (tmp_path / "spx_ohlcv.csv").read_text() == "mine"
    before = _bytes(folder)
    simulate(folder, years=1, seed=3, link=1.0)
    assert _bytes(folder) == before


def test_a_repetition_leaves_no_file_of_another_span_behind(tmp_path: Path) -> None:
    out = tmp_path / "out"
    simulate(out, years=1, seed=0, link=0.0, start="2018-01-01")
    assert (out / "moodys_aaa_baa_monthly.csv").is_file()
    report = simulate(out, years=1, seed=0, link=0.0)
    names = {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file()}
    assert names == set(report.rows) | {"truth/simulation.json"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"years": 0, "seed": 1, "link": 0.0}, "`years` must lie between 1 and 50"),
        ({"years": 1, "seed": -1, "link": 0.0}, "`seed` must be 0 or more"),
        ({"years": 1, "seed": 1, "link": -0.1}, "`link` must lie between 0"),
        ({"years": 1, "seed": 1, "link": float("nan")}, "`link` must lie between 0"),
    ],
)
def test_arguments_out_of_range_are_refused(
    tmp_path: Path, arguments: dict[str, float], words: str
) -> None:
    with pytest.raises(UsageError, match=words):
        simulate(tmp_path / "out", **arguments)  # type: ignore[arg-type]
    assert not (tmp_path / "out").exists()


@pytest.mark.real
def test_files_have_the_columns_and_types_of_the_real_ones(folder: Path, real_data: Path) -> None:
    for path in sorted(p for p in folder.iterdir() if p.is_file()):
        if path.suffix == ".parquet":
            ours, theirs = (pq.read_schema(p / path.name) for p in (folder, real_data))
            assert ours.remove_metadata().equals(theirs.remove_metadata()), path.name
        else:
            header = path.open().readline()
            assert header == (real_data / path.name).open().readline(), path.name


def test_progress_ends_at_one_and_never_falls(tmp_path: Path) -> None:
    seen: list[float] = []
    simulate(tmp_path / "out", years=1, seed=0, link=0.0, progress=lambda f, _: seen.append(f))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_every_file_is_one_that_the_importer_knows_and_no_row_is_bad(
    folder: Path, tmp_path: Path
) -> None:
    now = pd.Timestamp("2025-01-02", tz="UTC")
    report = import_folder(MarketStore(tmp_path / "market"), folder, now=now)
    outcomes = {one.file: (one.outcome, len(one.quarantined)) for one in report.files}
    assert outcomes.pop("truth") == ("skipped", 0)
    assert set(outcomes.values()) == {("imported", 0)}
    assert len(outcomes) == 18  # in 2024 there is neither NYSE breadth nor Moody's
    # the truth is beside the market, not in it
    assert not any("truth" in str(one.tables) for one in report.files)
