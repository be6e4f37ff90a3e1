"""What the features push, of a whole forecast: kept as arrays, shown as rows, stored as bytes.

A forecast holds thousands of pushes and most readers want none of them, so they become rows and
text only when somebody asks.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from typing import Any, overload

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError

__all__ = [
    "Pushes",
    "largest_change",
    "largest_pushes",
    "pack",
    "plain",
    "pushes_by_name",
    "unpack",
    "value_of",
    "with_rows",
    "without_pushes",
]


class Pushes(Sequence[dict[str, Any]]):
    """Contributions of one head; every item is ``{feature, value, log_odds}``, in order.

    Parameters
    ----------
    names : tuple of str
        All terms that the head could have, shared by many forecasts.
    places : NDArray of int
        Which of them push.
    values : NDArray of float
        Their values, NaN where null.
    log_odds : NDArray of float
    """

    __hash__ = None  # type: ignore[assignment]

    def __init__(
        self,
        names: tuple[str, ...],
        places: NDArray[np.intp],
        values: NDArray[np.float64],
        log_odds: NDArray[np.float64],
    ) -> None:
        self.names, self.places, self.values, self.log_odds = names, places, values, log_odds

    @cached_property
    def by_name(self) -> dict[str, float]:
        """Log odds by feature."""
        names = self.names
        found = [names[place] for place in self.places.tolist()]
        return dict(zip(found, self.log_odds.tolist(), strict=True))

    def take(self, kept: NDArray[np.bool_]) -> Pushes:
        """Leave some terms out."""
        return Pushes(self.names, self.places[kept], self.values[kept], self.log_odds[kept])

    def value_of(self, name: str) -> float | None:
        """Value of one feature; None where null or absent."""
        try:
            place = self.names.index(name)
        except ValueError:
            return None
        found = self.values[self.places == place]
        return None if not found.size or np.isnan(found[0]) else float(found[0])

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        values = self.values.tolist()
        for (name, push), value in zip(self.by_name.items(), values, strict=True):
            yield {
                "feature": name,
                "value": None if value != value else value,
                "log_odds": push,
            }

    @overload
    def __getitem__(self, place: int) -> dict[str, Any]: ...
    @overload
    def __getitem__(self, place: slice) -> list[dict[str, Any]]: ...
    def __getitem__(self, place: int | slice) -> dict[str, Any] | list[dict[str, Any]]:
        return list(self)[place]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)


Rows = Sequence[Mapping[str, Any]]


def pushes_by_name(contributions: Rows) -> dict[str, float]:
    """Log odds by feature of one head's contributions."""
    if isinstance(contributions, Pushes):
        return contributions.by_name
    return {item["feature"]: item["log_odds"] for item in contributions}


def largest_change(was: Rows, now: Rows) -> tuple[str, float] | None:
    """Find the feature of `now` whose push changed most, in log odds; the first of equals."""
    if isinstance(was, Pushes) and isinstance(now, Pushes) and was.names is now.names:
        before = np.zeros(len(was.names))
        before[was.places] = was.log_odds
        moved = now.log_odds - before[now.places]
        best = int(np.argmax(np.abs(moved)))
        return now.names[now.places[best]], float(moved[best])
    old = pushes_by_name(was)
    changes = [(name, push - old.get(name, 0.0)) for name, push in pushes_by_name(now).items()]
    return max(changes, key=lambda change: abs(change[1]), default=None)


def largest_pushes(contributions: Rows, count: int) -> list[Mapping[str, Any]]:
    """Rows with the largest pushes, either way; the first by name of equals."""
    if isinstance(contributions, Pushes) and len(contributions) > count:
        size = np.abs(contributions.log_odds)
        contributions = contributions.take(size >= np.sort(size)[-count])
    return sorted(contributions, key=lambda c: (-abs(c["log_odds"]), c["feature"]))[:count]


def value_of(contributions: Rows, name: str) -> float | None:
    """Value of one feature among a head's contributions; None where null or absent."""
    if isinstance(contributions, Pushes):
        return contributions.value_of(name)
    return next((c["value"] for c in contributions if c["feature"] == name), None)


def plain(value: Any) -> list[dict[str, Any]]:
    """Write pushes out as rows: what `json` calls for a value that it does not know."""
    if isinstance(value, Pushes):
        return list(value)
    raise TypeError(f"a document holds a {type(value).__name__}. Expected plain JSON values.")


def without_pushes(document: dict[str, Any]) -> dict[str, Any]:
    """Give the document with empty contributions where `pack` keeps them."""
    heads = [
        {**head, "contributions": []} if isinstance(head.get("contributions"), Pushes) else head
        for head in document["heads"]
    ]
    return {**document, "heads": heads}


def with_rows(document: dict[str, Any]) -> dict[str, Any]:
    """Give the document with its pushes written out as rows."""
    heads = [
        {**head, "contributions": plain(head["contributions"])}
        if isinstance(head.get("contributions"), Pushes)
        else head
        for head in document["heads"]
    ]
    return {**document, "heads": heads}


def pack(document: Mapping[str, Any]) -> tuple[str, bytes] | None:
    """Pack the pushes of a document; None where it has none.

    Returns
    -------
    tuple of str and bytes
        JSON array of the names; and, little-endian, one value a name (float64, NaN where null),
        how many terms each head has (uint32), which names they are (uint32), their log odds
        (float64). All heads of a forecast read the same values.

    Raises
    ------
    DataError
        If a push or value is infinite.
    """
    told = [head.get("contributions") for head in document.get("heads", ())]
    found = [pushes for pushes in told if isinstance(pushes, Pushes)]
    if not found:
        return None
    names, text, maps = _union(tuple(p.names for p in found))
    values = np.full(len(names), np.nan)
    places = [known[p.places] for p, known in zip(found, maps, strict=True)]
    for one, where in zip(found, places, strict=True):
        values[where] = one.values
    log_odds = np.concatenate([p.log_odds for p in found])
    if not np.isfinite(log_odds).all() or np.isinf(values).any():
        raise DataError("a push is not finite. Expected finite numbers; the bundle is damaged.")
    counts = [len(pushes) if isinstance(pushes, Pushes) else 0 for pushes in told]
    parts = (
        values.astype("<f8"),
        np.array(counts, "<u4"),
        np.concatenate(places).astype("<u4"),
        log_odds.astype("<f8"),
    )
    return text, b"".join(part.tobytes() for part in parts)


def unpack(document: dict[str, Any], names: tuple[str, ...], packed: bytes) -> dict[str, Any]:
    """Put the packed pushes back into the document that `without_pushes` left."""
    heads = document["heads"]
    values = np.frombuffer(packed, "<f8", len(names))
    counts = np.frombuffer(packed, "<u4", len(heads), values.nbytes)
    start, total = values.nbytes + counts.nbytes, int(counts.sum())
    places = np.frombuffer(packed, "<u4", total, start).astype(np.intp)
    log_odds = np.frombuffer(packed, "<f8", total, start + 4 * total)
    out, low = [], 0
    for head, count in zip(heads, counts.tolist(), strict=True):
        own = places[low : low + count]
        pushes = Pushes(names, own, values[own], log_odds[low : low + count])
        out.append({**head, "contributions": pushes} if count else head)
        low += count
    return {**document, "heads": out}


@lru_cache(maxsize=64)
def _union(
    heads: tuple[tuple[str, ...], ...],
) -> tuple[tuple[str, ...], str, tuple[NDArray[np.intp], ...]]:
    """Join the names of all heads, as a tuple and as JSON, and find each head's among them."""
    names = tuple(dict.fromkeys(name for own in heads for name in own))
    place = {name: k for k, name in enumerate(names)}
    maps = tuple(np.array([place[name] for name in own], np.intp) for own in heads)
    return names, json.dumps(names, ensure_ascii=False), maps
