"""Hyperliquid fills with a ``liquidation`` object: node files, user fills, vendor streams.

Both counterparties of a liquidation fill carry the object. The fill of the liquidated account
gives the side; the other one is its mirror image. They share the trade id, so one of them stays.
The fills of one liquidation order (same hash, account and time) make one event.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from features.sources.event import (
    Event,
    Mechanism,
    Part,
    RecordError,
    Side,
    member,
    positive,
    stamp,
    text,
)
from features.sources.venues.common import CLOSED_BY, Context, Outcome, coin

__all__ = ["fills"]

ORDER_SIDE: dict[str, Side] = {"A": CLOSED_BY["sell"], "B": CLOSED_BY["buy"]}
MIRROR: dict[Side, Side] = {"long": "short", "short": "long"}
METHODS: dict[str, Mechanism] = {"market": "market", "backstop": "backstop"}
ADL = "Auto-Deleveraging"


@dataclass(frozen=True, slots=True)
class _Fill:
    coin: str
    user: str
    group: str
    trade: str
    side: Side
    price: float
    size: float
    ts_us: int
    mechanism: Mechanism
    own: bool


def fills(message: Any, context: Context) -> Iterator[Outcome]:
    """Read a block of node fills, a user's fills, or one fill."""
    trades: dict[str, _Fill] = {}
    for user, raw in _pairs(message):
        try:
            fill = _fill(raw, user)
        except RecordError as error:
            yield error
            continue
        if fill is None:
            continue
        known = trades.get(fill.trade)
        # the account's own fill beats its mirror image, a liquidation beats the ADL that served it
        if known is None or (fill.own, fill.mechanism != "adl") > (
            known.own,
            known.mechanism != "adl",
        ):
            trades[fill.trade] = fill
    groups: dict[tuple[str, str, Side], list[_Fill]] = {}
    for fill in trades.values():
        groups.setdefault((fill.group, fill.coin, fill.side), []).append(fill)
    for (group, _, _), members in groups.items():
        yield _event(group, members, context)


def _pairs(message: Any) -> Iterable[tuple[str | None, Any]]:
    if isinstance(message, list):
        if len(message) == 2 and isinstance(message[0], str) and isinstance(message[1], Mapping):
            return [(message[0], message[1])]
        return [pair for item in message for pair in _pairs(item)]
    if not isinstance(message, Mapping):
        raise RecordError(f"expected a fill or a block, got {type(message).__name__}")
    if "events" in message and isinstance(message["events"], list):
        return [pair for item in message["events"] for pair in _pairs(item)]
    body = message.get("data", message)
    if isinstance(body, Mapping) and isinstance(body.get("fills"), list):
        return [(body.get("user"), fill) for fill in body["fills"]]
    if message.get("channel") in ("subscriptionResponse", "pong"):
        return []
    return [(message.get("user"), message)]


def _fill(raw: Any, user: Any) -> _Fill | None:
    if not isinstance(raw, Mapping):
        raise RecordError("fills must be objects")
    name = text(raw, "coin")
    side = member(raw, "side", ORDER_SIDE)
    direction = raw.get("dir")
    detail = raw.get("liquidation")
    if detail is None and direction != ADL and not str(direction).startswith("Liquidated"):
        return None  # an ordinary trade
    ts_us = stamp(raw, "time", "ms")
    price, size = positive(raw, "px"), positive(raw, "sz")
    if name.startswith(("@", "#")) or "/" in name:
        raise RecordError(f"{name!r} is a spot market, which has no liquidations")
    mechanism: Mechanism = "market"
    own = True
    owner = str(user or "").lower()
    if isinstance(detail, Mapping):
        mechanism = member(detail, "method", METHODS)
        liquidated = text(detail, "liquidatedUser").lower()
        own = _is_own(raw, owner, liquidated, str(direction))
        if not own:
            side = MIRROR[side]
        owner = liquidated
    elif detail is not None:
        raise RecordError("`liquidation` must be an object")
    if direction == ADL:
        mechanism = "adl"
    _agree(str(direction), side, own=own)
    digest = str(raw.get("hash", ""))
    trade = str(raw.get("tid") or f"{digest}:{name}:{ts_us}:{price}:{size}")
    return _Fill(
        coin=name,
        user=owner,
        group=f"{digest}:{owner}:{ts_us}",
        trade=trade,
        side=side,
        price=price,
        size=size,
        ts_us=ts_us,
        mechanism=mechanism,
        own=own,
    )


def _is_own(raw: Mapping[str, Any], owner: str, liquidated: str, direction: str) -> bool:
    """Tell whether a fill belongs to the liquidated account.

    Without the owner's address the direction decides: the liquidated account closes, and its
    order is the one that crosses the book.
    """
    if owner:
        return owner == liquidated
    if direction.startswith("Liquidated"):
        return True
    crossed = raw.get("crossed")
    if direction.startswith("Close") and crossed is not False:
        return True
    if direction.startswith(("Open", "Close", "Long >", "Short >")) or direction in ("Buy", "Sell"):
        return False
    raise RecordError(
        f"cannot tell whose fill this is: `dir` is {direction!r} and no user is given"
    )


def _agree(direction: str, side: Side, *, own: bool) -> None:
    for word, named in (("Long", "long"), ("Short", "short")):
        if (
            own
            and direction in (f"Liquidated Cross {word}", f"Liquidated Isolated {word}")
            and (side != named)
        ):
            raise RecordError(f"`side` closes a {side}, but `dir` says {direction!r}")


def _event(group: str, members: list[_Fill], context: Context) -> Event:
    first = members[0]
    # a fill without hash and account is known by its trade alone
    known = first.trade if not group.replace(":", "").replace(str(first.ts_us), "") else group
    event = Event(
        venue="hyperliquid",
        symbol=first.coin,
        base=coin(first.coin.split(":")[-1]),  # builder markets write dex:COIN
        liquidated_side=first.side,
        price=first.price,
        price_kind="avg_fill",
        qty_base=first.size,
        notional_usd=first.size * first.price,
        mechanism=first.mechanism,
        completeness="all",
        event_id=f"hyperliquid:{first.coin}:{first.side}:{known}",
        ts_us=first.ts_us,
        received_us=context.received_us,
        market="linear",
    )
    parts = sorted((Part(m.trade, m.size, m.price, m.own) for m in members), key=lambda p: p.trade)
    return event.filled(tuple(parts))
