"""Which model serves: the champion file, promotion, rollback, and the record of each change."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from features.errors import RefusedError, UsageError
from features.home import Home
from serving.champion import champion_path
from serving.champion import read_champion as champion_record
from training.atomic import write_json
from training.gates import INTEGRITY_GATES
from training.records import load_report, versions

__all__ = [
    "Champion",
    "audit",
    "promote",
    "read_champion",
    "rollback",
    "set_champion",
]


@dataclass(frozen=True)
class Champion:
    """The bundle that answers, as written in ``mlruns/champion.json``.

    Parameters
    ----------
    model_version : str
    bundle : str
        Folder relative to ``mlruns``.
    previous : str or None
        Version that a rollback returns to.
    fallback : bool
        True where the bundle answers with the baseline.
    until : str
        Last session that the model has seen.
    """

    model_version: str
    bundle: str
    previous: str | None
    fallback: bool
    until: str


def read_champion(home: Home) -> Champion | None:
    """Read the champion file; None where nothing was promoted yet.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    if not champion_path(home).is_file():
        return None
    record = champion_record(home)
    return Champion(
        model_version=str(record["model_version"]),
        bundle=f"bundles/{record['model_version']}",
        previous=record.get("previous"),
        fallback=bool(record.get("fallback", False)),
        until=str(record.get("until", "")),
    )


def set_champion(
    home: Home,
    *,
    model_version: str,
    fallback: bool,
    until: str,
    action: str,
    reason: str,
    forced: bool = False,
) -> Champion:
    """Make a version the champion; the record is written before the change.

    Returns
    -------
    Champion
        What the file says now. The same version again changes nothing.
    """
    home.writable(home.mlruns)
    with _locked(home):
        current = read_champion(home)
        if current is not None and current.model_version == model_version:
            return current
        previous = current.model_version if current is not None else None
        champion = Champion(model_version, f"bundles/{model_version}", previous, fallback, until)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        entry = {
            "at": now,
            "action": action,
            "model_version": model_version,
            "previous": previous,
            "fallback": fallback,
            "forced": forced,
            "reason": reason,
        }
        _append(home.mlruns / "promotions.jsonl", entry)
        document = {
            "model_version": model_version,
            "bundle": champion.bundle,
            "previous": previous,
            "fallback": fallback,
            "until": until,
            "promoted_at": now,
            "action": action,
            "forced": forced,
            "reason": reason,
        }
        write_json(champion_path(home), document)
        return champion


def promote(
    home: Home, model_version: str, *, force: bool = False, reason: str | None = None
) -> Champion:
    """Make a trained version the champion.

    Parameters
    ----------
    model_version : str
        As listed by `training.records.versions`.
    force : bool
        Pass closed gates; needs a reason, which is recorded.
    reason : str, optional
        Why; recorded with every promotion.

    Raises
    ------
    UsageError
        If the version is unknown, or `force` comes without a reason.
    RefusedError
        If a gate was closed when the version was trained.
    """
    if force and not (reason and reason.strip()):
        raise UsageError('`--force` needs a reason that is recorded: add --reason "...".')
    report = _known(home, model_version)
    closed = [gate for gate in report["gates"] if not gate["passed"]]
    # a fallback answers with the baseline: the gates on skill do not speak about it
    blocking = [g for g in closed if not report["fallback"] or g["gate"] in INTEGRITY_GATES]
    if blocking and not force:
        why = "; ".join(f"{gate['gate']}: {gate['detail']}" for gate in blocking)
        raise RefusedError(
            f"{model_version} did not pass: {why}. Train on better data, or promote it all the "
            'same with --force --reason "...".'
        )
    return set_champion(
        home,
        model_version=model_version,
        fallback=bool(report["fallback"]),
        until=str(report["until"]),
        action="promote",
        reason=reason or "all gates passed",
        forced=bool(force and blocking),
    )


def rollback(home: Home, *, reason: str | None = None) -> Champion:
    """Return to the champion before this one.

    Raises
    ------
    RefusedError
        If there is no champion, or none before it, or its bundle is gone.
    """
    current = read_champion(home)
    if current is None:
        raise RefusedError("there is no champion to roll back. Train one: stormpetrel retrain.")
    if current.previous is None:
        raise RefusedError(
            f"{current.model_version} is the first champion: nothing to roll back to. "
            "Promote another version by name: stormpetrel promote VERSION."
        )
    report = _known(home, current.previous)
    return set_champion(
        home,
        model_version=current.previous,
        fallback=bool(report["fallback"]),
        until=str(report["until"]),
        action="rollback",
        reason=reason or "rollback",
    )


def audit(home: Home) -> list[dict[str, Any]]:
    """Every change of the champion, oldest first."""
    path = home.mlruns / "promotions.jsonl"
    if not path.is_file():
        return []
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]


def _known(home: Home, model_version: str) -> dict[str, Any]:
    folder = home.mlruns / "bundles" / model_version
    report = load_report(home, model_version)
    if report is None or not folder.is_dir():
        known = ", ".join(versions(home)) or "none"
        raise UsageError(
            f"no trained version {model_version!r} in {home.mlruns}. Known: {known}. "
            "List them: stormpetrel runs."
        )
    return report


def _append(path: Path, entry: dict[str, Any]) -> None:
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(entry) + "\n")
        handle.flush()
        os.fsync(handle.fileno())


@contextmanager
def _locked(home: Home) -> Iterator[None]:
    lock = FileLock(home.mlruns / ".champion.lock", timeout=30)
    try:
        with lock:
            yield
    except Timeout as error:
        raise RefusedError(
            f"another process is changing the champion in {home.mlruns}. Try again when it ends."
        ) from error
