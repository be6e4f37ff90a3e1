"""From files of one format to canonical events, duplicates merged and refusals listed."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from features.sources.contracts import Contract
from features.sources.event import Event, RecordError, stamp
from features.sources.formats import Format, format_named
from features.sources.readers import Raw, read_records
from features.sources.venues.common import Context

__all__ = ["Ingest", "Quarantined", "dry_run", "read_events"]

Progress = Callable[[float, str], None]


@dataclass(frozen=True, slots=True)
class Quarantined:
    """A record that was refused: where, and why."""

    file: str
    line: int
    reason: str

    def to_json(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {"file": self.file, "line": self.line, "reason": self.reason}


@dataclass
class Ingest:
    """What came out of some files.

    Parameters
    ----------
    events : dict
        Events by id, in order of first delivery.
    quarantined : list
        Refused records, in order.
    records, duplicates : int
        Records read; events that had come before.
    ignored : int
        Records that are understood and hold no liquidation (ordinary trades, acknowledgements,
        updates of an order that was counted).
    """

    events: dict[str, Event] = field(default_factory=dict)
    quarantined: list[Quarantined] = field(default_factory=list)
    records: int = 0
    duplicates: int = 0
    ignored: int = 0


def read_events(
    name: str,
    files: Iterable[Path],
    *,
    contracts: Mapping[str, Contract] | None = None,
    progress: Progress | None = None,
) -> Ingest:
    """Read files of one format.

    Parameters
    ----------
    name : str
        Format name, see `describe_formats`.
    files : iterable of Path
        Read in the order given; duplicates fall together across files.
    contracts : Mapping, optional
        The user's own contract values by ``venue:symbol``.
    progress : callable, optional
        Called with the fraction done and the file's name.

    Raises
    ------
    UsageError
        If the format or a file does not exist.
    DataError
        If a whole file cannot be unpacked.
    """
    entry = format_named(name)
    result = Ingest()
    paths = [Path(file) for file in files]
    for place, path in enumerate(paths):
        if progress is not None:
            progress(place / len(paths), path.name)
        for raw in read_records(path, columns=entry.columns):
            _take(raw, entry, result, contracts or {})
    if progress is not None:
        progress(1.0, "read")
    return result


def _take(raw: Raw, entry: Format, result: Ingest, contracts: Mapping[str, Contract]) -> None:
    result.records += 1
    count = 0
    for outcome in _outcomes(raw, entry, contracts):
        count += 1
        if isinstance(outcome, RecordError):
            refused = Quarantined(raw.file, raw.line, str(outcome))
            if result.quarantined[-1:] != [refused]:
                result.quarantined.append(refused)
            continue
        known = result.events.get(outcome.event_id)
        if known is None:
            result.events[outcome.event_id] = outcome
        else:
            result.duplicates += 1
            result.events[outcome.event_id] = known.merged(outcome)
    if not count:
        result.ignored += 1


def _outcomes(
    raw: Raw, entry: Format, contracts: Mapping[str, Contract]
) -> Iterator[Event | RecordError]:
    if isinstance(raw.content, RecordError):
        yield raw.content
        return
    try:
        message, received, extra = _open_envelope(raw.content)
        context = Context(file=raw.file, received_us=received, extra=extra, contracts=contracts)
        for outcome in entry.adapter(message, context):
            yield outcome if isinstance(outcome, RecordError) else _finite(outcome)
    except RecordError as error:
        yield error
    except RecursionError:
        yield RecordError("the record is nested too deeply")


def _finite(event: Event) -> Event | RecordError:
    """Refuse an event whose fields are finite but whose product is not."""
    for name in ("price", "qty_base", "notional_usd"):
        value = getattr(event, name)
        if value is not None and not math.isfinite(value):
            return RecordError(f"{name} is beyond any number: the record's fields multiply to it")
    return event


def _open_envelope(content: Any) -> tuple[Any, int | None, Mapping[str, Any]]:
    """Take a recorder's envelope off: ``{"received_at": ISO or ms, "message": ...}``."""
    if not isinstance(content, Mapping) or not {"received_at", "message"} <= set(content):
        return content, None, {}
    unit = "iso" if isinstance(content["received_at"], str) else "ms"
    received = stamp(content, "received_at", unit)
    extra = {key: content[key] for key in content if key not in ("received_at", "message")}
    return content["message"], received, extra


def dry_run(
    name: str,
    files: Iterable[Path],
    *,
    contracts: Mapping[str, Contract] | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Show what an import would store, without storing anything.

    Returns
    -------
    dict
        ``events`` (the canonical events, in order of first delivery), ``quarantined`` (file, line,
        reason), and the counts ``records``, ``duplicates``, ``ignored``.
    """
    result = read_events(name, files, contracts=contracts, progress=progress)
    return {
        "format": name,
        "events": [event.to_json() for event in result.events.values()],
        "quarantined": [entry.to_json() for entry in result.quarantined],
        "records": result.records,
        "duplicates": result.duplicates,
        "ignored": result.ignored,
    }
