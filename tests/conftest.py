"""Fixtures that every room's tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PROJECT_ROOT = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of the real market files; the test is skipped where there is none."""
    folder = Path(os.environ.get("STORMPETREL_DATA") or PROJECT_ROOT.parent / "shared" / "data")
    if not (folder / "spx_ohlcv.csv").is_file():
        pytest.skip(f"no market files in {folder}: set STORMPETREL_DATA to their folder")
    return folder
