"""Events as rows of the tape, and how two deliveries of a day become one."""

from __future__ import annotations

from collections.abc import Iterable

import pandas as pd
import pyarrow as pa

from features.sources.event import Event
from features.tape import MICRO, PRICE_LIMIT
from features.tape_files import EVENTS

__all__ = ["LAG_US", "events_frame", "merge", "to_pandas"]

# an event without receipt time could be known this long after it happened
LAG_US = MICRO
ORDER = ["ts_us", "venue", "symbol", "event_id"]
KNOWLEDGE = ("known_us", "received_us", "ingested_us")


def events_frame(events: Iterable[Event], *, now: pd.Timestamp) -> pd.DataFrame:
    """Lay events out as rows of the tape.

    Notes
    -----
    *Timing:* ``known_us`` is the receipt time (never before the event), and the event's time plus
    one second where no receipt was recorded. Events without time are left out.
    """
    ingested = int(now.timestamp() * MICRO)
    rows = []
    for event in events:
        if event.ts_us is None:
            continue
        received = event.received_us
        known = max(received, event.ts_us) if received is not None else event.ts_us + LAG_US
        notional = event.notional_usd
        price = event.price
        e8 = 0 if price is None else round(price * 1e8)
        rows.append(
            (
                event.ts_us,
                known,
                received,
                ingested,
                event.venue,
                event.symbol or "",
                event.base,
                event.liquidated_side or "unknown",
                price,
                event.price_kind,
                e8 if 0 < e8 < PRICE_LIMIT else 0,
                event.qty_base,
                None if notional is None else round(notional * 100),
                event.mechanism,
                event.completeness,
                int(event.throttled),
                event.rank,
                event.event_id,
            )
        )
    columns = zip(*rows, strict=True) if rows else ((),) * len(EVENTS)
    arrays = [pa.array(c, type=t) for c, t in zip(columns, EVENTS.types, strict=True)]
    return to_pandas(pa.Table.from_arrays(arrays, schema=EVENTS))


def to_pandas(table: pa.Table) -> pd.DataFrame:
    """Turn a table of events into a frame whose missing integers stay missing."""
    frame = table.to_pandas(integer_object_nulls=False)
    for name in ("received_us", "cents"):
        frame[name] = table.column(name).to_pandas(types_mapper={pa.int64(): pd.Int64Dtype()}.get)
    return frame


def merge(old: pd.DataFrame | None, new: pd.DataFrame) -> tuple[pd.DataFrame, dict[str, int], bool]:
    """Join deliveries of one day: one row an id, the same whatever came first.

    Of two rows the higher rank stays, then the later and larger one.

    Notes
    -----
    *Timing:* a row is known from the earliest delivery that said the same; one that said less, or
    something else, does not make it known.
    """
    both = new if old is None else pd.concat([old, new], ignore_index=True)
    facts = [c for c in new.columns if c not in ("event_id", *KNOWLEDGE)]
    order = list(dict.fromkeys(["rank", "ts_us", "cents", "price", *facts]))
    # a record without size gives way to the same one with it
    both = both.sort_values(
        ["event_id", *order], kind="stable", ignore_index=True, na_position="first"
    )
    best = both.drop_duplicates("event_id", keep="last").set_index("event_id")
    if len(best) < len(both):
        standing = best[facts].reindex(both["event_id"]).set_axis(both.index)
        agrees = pd.concat([_same(both[c], standing[c]) for c in facts], axis=1).all(axis=1)
        first = both[agrees].groupby("event_id")[list(KNOWLEDGE)].min()
        best[first.columns] = first.reindex(best.index)
    merged = best.reset_index()[list(new.columns)].sort_values(ORDER, ignore_index=True)
    unique = new["event_id"].nunique()
    if old is None:
        return merged, {"new": unique, "changed": 0, "same": 0}, False
    fresh = len(merged) - len(old)
    facts = [c for c in merged.columns if c not in ("ingested_us",)]
    was = old.set_index("event_id")
    now = merged.set_index("event_id").reindex(was.index)
    differs = pd.Series(False, index=was.index)
    for column in facts:
        if column != "event_id":
            differs |= ~_same(now[column], was[column])
    moved = bool((now["ts_us"] != was["ts_us"]).any())
    changed = int(differs.sum())
    return merged, {"new": fresh, "changed": changed, "same": unique - fresh - changed}, moved


def _same(a: pd.Series, b: pd.Series) -> pd.Series:
    return ((a == b) | (a.isna() & b.isna())).fillna(False).astype(bool)
