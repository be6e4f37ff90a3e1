"""Write small files so that a reader sees the old one or the new one, never a half."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pandas as pd

__all__ = ["write_json", "write_parquet", "write_text"]


def write_text(path: Path, text: str) -> Path:
    """Write UTF-8 text beside `path`, flush it to the disk, and put it in place."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    with beside.open("w", encoding="utf-8") as handle:
        handle.write(text)
        handle.flush()
        os.fsync(handle.fileno())
    beside.replace(path)
    return path


def write_json(path: Path, value: Any) -> Path:
    """Write JSON with a final newline; NaN is refused because JSON has none."""
    text = json.dumps(value, indent=2, allow_nan=False, default=str)
    return write_text(path, f"{text}\n")


def write_parquet(path: Path, frame: pd.DataFrame) -> Path:
    """Write a frame as Parquet without its index."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    frame.to_parquet(beside, index=False)
    with beside.open("rb") as handle:
        os.fsync(handle.fileno())
    beside.replace(path)
    return path
