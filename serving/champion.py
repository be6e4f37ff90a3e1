"""Which model answers: the promoted bundle of a home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from features.errors import DataError, RefusedError
from features.home import Home

if TYPE_CHECKING:
    from models.bundle import Bundle

__all__ = ["champion_path", "load_champion", "read_champion"]


def champion_path(home: Home) -> Path:
    """File that names the promoted bundle."""
    return home.mlruns / "champion.json"


def read_champion(home: Home) -> dict[str, Any]:
    """Read the promotion record.

    Raises
    ------
    RefusedError
        If nothing was promoted yet.
    DataError
        If the record cannot be read.
    """
    path = champion_path(home)
    if not path.is_file():
        raise RefusedError(
            f"no model is promoted in {home.root}: {path.name} is missing. Expected a champion; "
            "run `stormpetrel retrain --until DATE` first."
        )
    try:
        record = json.loads(path.read_text(encoding="utf-8"))
        str(record["model_version"])
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise DataError(
            f"{path} is damaged: {error!r}. Expected a JSON object with `model_version`; promote "
            "again with `stormpetrel promote`."
        ) from error
    return dict(record)


def load_champion(home: Home, *moments: str) -> Bundle:
    """Load the promoted bundle, its files checked against their hashes.

    Parameters
    ----------
    home : Home
    *moments : str
        Moments to read; all when none is named.

    Raises
    ------
    RefusedError
        If nothing was promoted yet, or the bundle does not match its hashes.
    """
    from models.bundle import load_bundle

    record = read_champion(home)
    try:
        folder = home.mlruns / "bundles" / str(record["model_version"])
        return load_bundle(folder, moments=moments or None)
    except DataError as error:
        raise RefusedError(str(error)) from error
