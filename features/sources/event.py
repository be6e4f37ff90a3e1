"""The canonical liquidation event, and the strict readers of single fields.

Every venue module turns its raw record into `Event`. A field that the venue does not give is None;
a field that is there but cannot be trusted raises `RecordError`, which quarantines the record.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Literal

__all__ = [
    "Completeness",
    "Event",
    "Mechanism",
    "Part",
    "PriceKind",
    "RecordError",
    "Side",
    "member",
    "number",
    "positive",
    "stamp",
    "text",
]

Side = Literal["long", "short"]
PriceKind = Literal["avg_fill", "order_limit", "bankruptcy", "mark"]
Mechanism = Literal["market", "backstop", "adl", "onchain"]
# all: every liquidation; 1_per_s: at most one a symbol and second; snapshot: a sample that the
# publisher chose; aggregate: a total over a bar, not an event
Completeness = Literal["all", "1_per_s", "snapshot", "aggregate"]

MICROS = {"s": 1_000_000, "ms": 1_000, "us": 1}
EARLIEST = 1_262_304_000_000_000  # 2010-01-01, before the first derivative on any of the venues
LATEST = 4_102_444_800_000_000  # 2100-01-01
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class RecordError(ValueError):
    """One raw record cannot be turned into events; its text is the quarantine reason."""


@dataclass(frozen=True, slots=True)
class Part:
    """One fill of an event: its trade id, size, price, and whether the owner's view gave it."""

    trade: str
    size: float
    price: float
    own: bool


@dataclass(frozen=True, slots=True)
class Event:
    """One liquidation, or one side of one bar of totals.

    Parameters
    ----------
    venue, symbol, base : str or None
        Where; `symbol` as the venue writes it, `base` the coin.
    liquidated_side : {"long", "short"} or None
        The side of the POSITION that was closed by force.
    price, price_kind : float, str or None
        USD price and what it is.
    qty_base : float or None
        Size in base coin.
    notional_usd : float or None
        Size in USD.
    mechanism, completeness : str
        How it was closed, and what the feed leaves out.
    event_id : str
        The same for every delivery of the same event, so that repeats fall together.
    ts_us, received_us : int or None
        Event and receipt time, microseconds since the epoch.
    market : str
        ``linear``, ``inverse`` or ``onchain``; empty where it does not matter.
    rank : int
        Between two records of the same id the higher one stays (an execution beats its trigger).
    parts : tuple of Part
        The fills that make up the event, where the venue reports fills one by one; records of the
        same id then add up instead of replacing one another.
    """

    venue: str
    symbol: str | None
    base: str | None
    liquidated_side: Side | None
    price: float | None
    price_kind: PriceKind | None
    qty_base: float | None
    notional_usd: float | None
    mechanism: Mechanism
    completeness: Completeness
    event_id: str
    ts_us: int | None
    received_us: int | None = None
    market: str = ""
    rank: int = 0
    parts: tuple[Part, ...] = ()

    @property
    def throttled(self) -> bool:
        """Whether the feed leaves liquidations out, so that sums are lower bounds."""
        return self.completeness in ("1_per_s", "snapshot")

    def merged(self, other: Event) -> Event:
        """Join two records of the same event: add their fills up, or keep the higher rank."""
        if not self.parts or not other.parts:
            return other if (other.rank, other.sort_key()) > (self.rank, self.sort_key()) else self
        fills = {part.trade: part for part in self.parts}
        for part in other.parts:
            if part.trade not in fills or (part.own and not fills[part.trade].own):
                fills[part.trade] = part
        return self.filled(tuple(fills[key] for key in sorted(fills)))

    def filled(self, parts: tuple[Part, ...]) -> Event:
        """Return the event with size, notional and mean price of these fills."""
        size = math.fsum(part.size for part in parts)
        notional = math.fsum(part.size * part.price for part in parts)
        return replace(
            self,
            parts=parts,
            qty_base=size,
            notional_usd=notional,
            price=notional / size,
            rank=2 * len(parts) + int(all(part.own for part in parts)),
        )

    def sort_key(self) -> tuple[int, float, float]:
        """Order two records of the same event and rank, so that any order of delivery agrees."""
        return (self.ts_us or 0, self.notional_usd or 0.0, self.price or 0.0)

    def to_json(self) -> dict[str, Any]:
        """Return the published fields; times are ISO 8601 in UTC, absent values None."""
        return {
            "ts": iso(self.ts_us),
            "venue": self.venue,
            "symbol": self.symbol,
            "base": self.base,
            "liquidated_side": self.liquidated_side,
            "price": self.price,
            "price_kind": self.price_kind,
            "qty_base": self.qty_base,
            "notional_usd": self.notional_usd,
            "mechanism": self.mechanism,
            "completeness": self.completeness,
            "market": self.market or None,
            "received_at": iso(self.received_us),
            "event_id": self.event_id,
        }


def iso(micros: int | None) -> str | None:
    """Write microseconds since the epoch as ISO 8601, None as None."""
    if micros is None:
        return None
    return (EPOCH + timedelta(microseconds=micros)).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _get(record: Mapping[str, Any], key: str) -> Any:
    if not isinstance(record, Mapping):
        raise RecordError(f"expected an object with `{key}`, got {type(record).__name__}")
    if key not in record:
        raise RecordError(f"`{key}` is missing")
    return record[key]


def text(record: Mapping[str, Any], key: str) -> str:
    """Read a non-empty text."""
    value = _get(record, key)
    if not isinstance(value, str) or not value.strip():
        raise RecordError(f"`{key}` must be a non-empty text, got {value!r}")
    return value.strip()


def member(record: Mapping[str, Any], key: str, meaning: Mapping[Any, Any]) -> Any:
    """Look a field up in a table of known values; anything else is refused."""
    value = _get(record, key)
    try:
        known = value in meaning and not isinstance(value, bool)
    except TypeError:
        known = False
    if not known:
        raise RecordError(f"`{key}` must be one of {sorted(map(str, meaning))}, got {value!r}")
    return meaning[value]


def number(record: Mapping[str, Any], key: str, *, optional: bool = False) -> float | None:
    """Read a finite number, given as a number or as a decimal text.

    Raises
    ------
    RecordError
        If it is neither, or is NaN or infinite; if it is absent, null or empty and not optional.
    """
    if optional and (not isinstance(record, Mapping) or record.get(key) in (None, "")):
        return None
    value = _get(record, key)
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal):
        raise RecordError(f"`{key}` must be a number, got {value!r}")
    # float() also takes "1_000" and " nan "; a venue never writes the first
    if isinstance(value, str) and "_" in value:
        raise RecordError(f"`{key}` must be a number, got {value!r}")
    try:
        result = float(value)
    except (ValueError, OverflowError):
        raise RecordError(f"`{key}` must be a number, got {value!r}") from None
    if not math.isfinite(result):
        raise RecordError(f"`{key}` must be finite, got {value!r}")
    return result


def positive(record: Mapping[str, Any], key: str) -> float:
    """Read a finite number above zero."""
    value = number(record, key)
    if value is None or value <= 0:
        raise RecordError(f"`{key}` must be above 0, got {record[key]!r}")
    return value


def stamp(record: Mapping[str, Any], key: str, unit: str) -> int:
    """Read a time as microseconds since the epoch.

    The unit belongs to the column of the format: it is declared, never guessed from the size of
    the number. A number that is no plausible time in that unit is refused.

    Parameters
    ----------
    unit : {"s", "ms", "us", "iso"}
        ``iso`` is an ISO 8601 text with a zone (or a datetime that carries one).
    """
    value = _get(record, key)
    if unit == "iso":
        micros = _iso_micros(value, key)
    else:
        if isinstance(value, str) and value.strip().isdigit():
            value = int(value)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            raise RecordError(f"`{key}` must be whole {unit} since 1970, got {value!r}")
        micros = value * MICROS[unit]
    if not EARLIEST <= micros < LATEST:
        raise RecordError(f"`{key}` is no time between 2010 and 2100 in {unit}: {value!r}")
    return micros


def _iso_micros(value: Any, key: str) -> int:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value.strip())
        except ValueError:
            raise RecordError(f"`{key}` must be an ISO 8601 time, got {value!r}") from None
    if not isinstance(value, datetime):
        raise RecordError(f"`{key}` must be an ISO 8601 time, got {value!r}")
    if value.tzinfo is None:
        raise RecordError(f"`{key}` must carry a time zone, got {value!s}")
    return (value - EPOCH) // timedelta(microseconds=1)
