"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
from filelock import FileLock

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real market files; the test is skipped where there is none."""
    folder = Path(os.environ.get("STORMPETREL_DATA") or PROJECT_ROOT.parent / "shared" / "data")
    if not (folder / "spx_ohlcv.csv").is_file():
        pytest.skip(f"no market files in {folder}: set STORMPETREL_DATA to their folder")
    return folder


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, Callable[[Path], None]], Path]:
    """Give a folder that the first worker to ask for it fills; all others read it.

    Nobody may write into it: a test that writes copies it first.
    """
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def give(name: str, fill: Callable[[Path], None]) -> Path:
        folder = shared / "once" / name
        folder.parent.mkdir(exist_ok=True)
        with FileLock(folder.with_name(f".{name}.lock")):
            if not folder.is_dir():
                # what a failed attempt left is nobody's folder
                unfinished = folder.with_name(f".{name}.unfinished")
                shutil.rmtree(unfinished, ignore_errors=True)
                unfinished.mkdir()
                fill(unfinished)
                unfinished.rename(folder)
        return folder

    return give


@pytest.fixture(scope="session")
def simulated(once: Callable[[str, Callable[[Path], None]], Path]) -> Callable[..., Path]:
    """Give a folder with a simulated market's ``files`` and the ``market`` store they make.

    Without its tape a market keeps the daily totals of liquidations. The columns of the tape train
    nothing, and cost a build of the table ten times what all others do.
    """
    from features.sources.simulated import simulate
    from features.sources.tidy import import_folder
    from features.store import MarketStore

    def give(*, years: int, seed: int, link: float, tape: bool = True) -> Path:
        def fill(folder: Path) -> None:
            simulate(folder / "files", years=years, seed=seed, link=link)
            if not tape:
                (folder / "files" / "crypto_liquidation_events_okx_hl.parquet").unlink()
            store = MarketStore(folder / "market")
            import_folder(store, folder / "files", now=pd.Timestamp("2025-01-10", tz="UTC"))

        name = f"market-{years}y-seed{seed}-link{link:g}"
        return once(name if tape else f"{name}-no-tape", fill)

    return give
