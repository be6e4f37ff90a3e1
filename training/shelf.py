"""Where bundles and fold models stand on disk, and how they get there whole.

``mlruns/bundles/<version>`` holds what can serve. ``mlruns/folds/<version>/<moment>/<first scored
session>`` holds the walk-forward models, with ``folds.json`` that says which sessions each one
scored: a replay of history takes the model of that fold, which has not seen the session.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd

from features.home import Home
from serving.champion import champion_path, read_champion
from training.atomic import write_json
from training.splits import Fold

__all__ = ["fold_models", "prune_folds", "publish", "staging"]

STAGING = ".staging"


@contextmanager
def staging(home: Home) -> Iterator[Path]:
    """Give a folder on the same disk; what is left in it at the end is removed.

    What a killed run left behind goes too: the caller holds the home's lock.
    """
    root = home.writable(home.mlruns) / STAGING
    shutil.rmtree(root, ignore_errors=True)
    folder = root / str(os.getpid())
    folder.mkdir(parents=True)
    try:
        yield folder
    finally:
        shutil.rmtree(root, ignore_errors=True)


def publish(
    home: Home, candidate: Path, staged_folds: Path, folds: Mapping[str, Sequence[Fold]]
) -> str:
    """Move a written bundle and its fold models to their places.

    Parameters
    ----------
    candidate : Path
        Folder of the bundle; its name is the version.
    staged_folds : Path
        Folder with ``<moment>/<first scored session>`` of each fold.
    folds : mapping of str to sequence of Fold
        The folds of each moment.

    Returns
    -------
    str
        The version. A bundle that stands already has the same content, by its name, and stays.
    """
    version = candidate.name
    bundles = home.writable(home.mlruns / "bundles")
    if not (bundles / version).is_dir():
        candidate.replace(bundles / version)
    index = [
        {
            "at": at,
            "fold": fold.name,
            "first": f"{fold.test[0]:%Y-%m-%d}",
            "last": f"{fold.test[-1]:%Y-%m-%d}",
            "until": f"{fold.until:%Y-%m-%d}",
            "bundle": _bundle_in(staged_folds, at, fold.name),
        }
        for at, steps in folds.items()
        for fold in steps
    ]
    staged_folds.mkdir(parents=True, exist_ok=True)
    write_json(staged_folds / "folds.json", index)
    target = home.writable(home.mlruns / "folds") / version
    if target.is_dir():
        shutil.rmtree(target)
    staged_folds.replace(target)
    return version


def fold_models(home: Home, version: str) -> list[dict[str, Any]]:
    """List the fold models of a version: at, first, last, until, and the bundle's folder.

    The list is empty where they were pruned. ``bundle`` is relative to ``mlruns/folds/<version>``.
    """
    path = home.mlruns / "folds" / version / "folds.json"
    if not path.is_file():
        return []
    index: list[dict[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    return index


def fold_model_for(home: Home, version: str, session: pd.Timestamp, at: str) -> Path | None:
    """Folder of the bundle that forecast `session` out of sample; None where there is none."""
    day = f"{session:%Y-%m-%d}"
    for entry in fold_models(home, version):
        if entry["at"] == at and entry["first"] <= day <= entry["last"]:
            return home.mlruns / "folds" / version / str(entry["bundle"])
    return None


def prune_folds(home: Home, *, keep: int) -> list[str]:
    """Remove the fold models of all but the newest `keep` versions; champion and previous stay."""
    root = home.mlruns / "folds"
    safe: set[str | None] = set()
    if champion_path(home).is_file():
        champion = read_champion(home)
        safe = {champion["model_version"], champion.get("previous")}
    by_age = sorted(
        (p for p in root.iterdir() if p.is_dir()), key=lambda p: p.stat().st_mtime, reverse=True
    )
    gone = [p for p in by_age[keep:] if p.name not in safe]
    for folder in gone:
        shutil.rmtree(folder)
    return [folder.name for folder in gone]


def _bundle_in(folds: Path, at: str, name: str) -> str:
    inside = [p for p in (folds / at / name).iterdir() if p.is_dir()]
    return str(inside[0].relative_to(folds))
