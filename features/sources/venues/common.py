"""What the venue modules share: the context of a record, and item-by-item reading."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from features.sources.contracts import Contract
from features.sources.event import Event, RecordError, Side

__all__ = ["CLOSED_BY", "Adapter", "Context", "Outcome", "coin", "each", "listed", "numbered"]

# an Event, or the reason why one item of a record was refused
Outcome = Event | RecordError

# the side of the forced ORDER tells which POSITION it closed
CLOSED_BY: dict[str, Side] = {"sell": "long", "buy": "short"}


@dataclass(frozen=True)
class Context:
    """What is known about a record beside the record itself.

    Parameters
    ----------
    file : str
        Name of the file it stood in.
    received_us : int or None
        When it was received, if the recorder wrote that down.
    extra : Mapping
        Other keys of the recorder's envelope (request parameters such as ``exchange``).
    contracts : Mapping
        The user's own contract values by ``venue:symbol``; they win over the table.
    """

    file: str = ""
    received_us: int | None = None
    extra: Mapping[str, Any] = field(default_factory=dict)
    contracts: Mapping[str, Contract] = field(default_factory=dict)


Adapter = Callable[[Any, Context], Iterable[Outcome]]


def coin(code: str) -> str:
    """Return the common code of a coin (BitMEX and others write XBT)."""
    return "BTC" if code.upper() == "XBT" else code.upper()


def each(items: Iterable[Any], read: Callable[[Any], Event | None]) -> Iterator[Outcome]:
    """Read items one by one, so that a bad one does not take its neighbours along.

    Equal ids inside ONE message are different liquidations (the venue would not list one twice),
    so they are numbered; a second delivery of the message numbers them alike and falls together.
    """
    seen: Counter[str] = Counter()
    for item in items:
        try:
            event = read(item)
        except RecordError as error:
            yield error
            continue
        if event is not None:
            yield numbered(event, seen)


def numbered(event: Event, seen: Counter[str]) -> Event:
    """Give the second, third... event with the same id in one message an id of its own."""
    seen[event.event_id] += 1
    count = seen[event.event_id]
    return event if count == 1 else replace(event, event_id=f"{event.event_id}#{count}")


def listed(message: Mapping[str, Any], key: str) -> list[Any]:
    """Read a field that must be a list."""
    value = message.get(key)
    if not isinstance(value, list):
        raise RecordError(f"`{key}` must be a list, got {type(value).__name__}")
    return value
