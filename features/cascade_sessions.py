"""Cascades that a session's cut-off learned of: how many, how large, which side, how engineered.

One row says whether a cascade is new, by hourly price and open interest (BTC, ETH) or by the daily
totals of any coin. The event tape is left out: no tape spans the years that a model learns from,
and an event that only the newest rows can have is another event.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from statistics import NormalDist

import numpy as np
import pandas as pd

from features.bars import BASES, HOUR_US
from features.cascade_rows import DELAY, CascadeRows, cascade_rows
from features.cascade_totals import cascade_days, daily_totals
from features.declare import Feature, family
from features.engineered import score
from features.epochs import DAY_TABLES
from features.liquidations import SIZE_DAYS, SIZE_MIN, size_ranks
from features.totals import DAY_US, day_of_cutoff, totals
from features.view import View
from features.windows import Array, quiet

__all__ = ["FEATURES", "compute"]

SPOT_VENUE = "binance"
MEASURED_SHARE = 0.8
RANK_EDGE = 0.02
LATE_DAYS = 7
# the window of a day's z, and the days that may come late
TOTALS_LOOKBACK = pd.Timedelta(days=100)
# thresholds look back 90 days, ranks a year of cascades further
LOOKBACK_HOURS = (SIZE_DAYS + 90) * 24
HOURLY = ("perp_bars", "open_interest")
BOTH = (*HOURLY, "liquidation_totals")

_f = partial(family, group="liquidations", clock="hours", per_event=True, lookback=LOOKBACK_HOURS,
             timing="cascades first known after the evening cut-off before this one, as known at "
             "the cut-off")  # fmt: skip

FEATURES: list[Feature] = [
    *_f("casc_new", definition="new cascades: BTC and ETH by price and open interest, every coin "
        "by daily totals; null where neither could be measured", unit="cascades", inputs=BOTH,
        reference="domain 3.20"),
    *_f("casc_new_z", definition="normal score of the largest new cascade's rank among the "
        "cascades of its coin, definition and feed era of 365 days before (open interest lost, "
        "USD liquidated)", unit="z", inputs=BOTH, reference="domain 3.14: cascade_z"),
    *_f("casc_new_long_share", definition="long share of the new cascades, their mean",
        unit="0..1", inputs=BOTH, reference="domain 3.14: long_share"),
    *_f("casc_new_engineered", definition="engineered score of the new cascades that price and "
        "open interest found, their mean", unit="0..1", inputs=(*HOURLY, "spot_bars"),
        reference="domain 3.14: engineered_score"),
]  # fmt: skip


@dataclass(frozen=True)
class _New:
    """One cascade that is new to one session."""

    place: int
    rank: float
    long_share: float
    engineered: float = np.nan


def compute(view: View) -> dict[str, Array]:
    """Compute the columns.

    Notes
    -----
    *Timing:* a cascade belongs to the first cut-off that knows its first bar, in the version that
    this cut-off knows; a bar's cascade is known an hour after its close, with its open interest.
    Ranks count cascades that were known before it.
    """
    out = {f.name: view.nan() for f in FEATURES}
    begin, end = _windows(view)
    new = [e for base in BASES for e in _from_price(view, base, begin, end)]
    new += _from_totals(view, begin, end)
    known = _measured(view, begin, end)
    out["casc_new"][known] = 0.0
    rows: dict[int, list[_New]] = {}
    for event in new:
        rows.setdefault(event.place, []).append(event)
    normal = NormalDist()
    for place, events in rows.items():
        ranks = [e.rank for e in events if np.isfinite(e.rank)]
        scores = [e.engineered for e in events if np.isfinite(e.engineered)]
        out["casc_new"][place] = float(len(events))
        out["casc_new_long_share"][place] = sum(e.long_share for e in events) / len(events)
        if ranks:
            edge = min(max(max(ranks), RANK_EDGE), 1.0 - RANK_EDGE)
            out["casc_new_z"][place] = normal.inv_cdf(edge)
        if scores:
            out["casc_new_engineered"][place] = sum(scores) / len(scores)
    return out


def _windows(view: View) -> tuple[np.ndarray, np.ndarray]:
    """After which instant, and up to which, a cascade is new to each session; end -1 for none."""
    cutoffs, evenings = view.cutoffs.asi8, view.known_at.asi8
    before = np.append(np.iinfo(np.int64).max, evenings[:-1])
    begin = np.where(cutoffs > evenings, evenings, before)
    return begin, np.where(view.wanted, cutoffs, -1)


def _places(known: np.ndarray, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Session to which each instant is new; -1 where there is none."""
    there = np.flatnonzero(end >= 0)
    at = np.searchsorted(end[there], known, side="left")
    place = np.append(there, -1)[at]
    return np.where((place >= 0) & (known > begin[place]), place, -1)


def _measured(view: View, begin: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Whether most hours of each window, or its last day of totals, could show a cascade."""
    out = np.zeros(len(view.grid), dtype=bool)
    closes = view.hours.asi8 + HOUR_US
    seen = np.zeros(len(closes))
    for base in BASES:
        seen = np.maximum(seen, np.isfinite(cascade_rows(view, base).onset))
    counted = np.concatenate([[0.0], np.cumsum(seen)])
    first, last = (np.searchsorted(closes, edge, side="right") for edge in (begin, end))
    last = np.maximum(first, last)
    hours = (end - begin) / HOUR_US
    there = end >= 0
    out[there] = (counted[last] - counted[first])[there] >= MEASURED_SHARE * hours[there]
    every = totals(view, "all")
    day = day_of_cutoff(view, every.first)
    inside = there & (day >= 0) & (day < every.days)
    volumes = every.long_usd + every.short_usd
    out[inside] |= np.isfinite(volumes[day[inside]])
    return out


def _from_price(view: View, base: str, begin: np.ndarray, end: np.ndarray) -> list[_New]:
    found = cascade_rows(view, base)
    onsets = np.flatnonzero(found.version == 1)
    if not len(onsets):
        return []
    places = _places(view.hours.asi8[found.row[onsets]] + HOUR_US, begin, end)
    cutoff_row = view.hour_of_cutoff()
    kept = [
        (onset, place, _newest(found, onset, int(cutoff_row[place])))
        for onset, place in zip(onsets.tolist(), places.tolist(), strict=True)
        if place >= 0
    ]
    if not kept:
        return []
    ranks = size_ranks(view, base)
    engineered = _engineered(view, base, found, [(onset, now) for onset, _, now in kept])
    return [
        _New(place, float(ranks[now]), float(found.side[now] > 0), value)
        for (_, place, now), value in zip(kept, engineered, strict=True)
    ]


def _newest(found: CascadeRows, onset: int, row: int) -> int:
    """Newest version of a cascade that the hour `row` knows."""
    own = np.flatnonzero((found.number == found.number[onset]) & (found.row <= row))
    return int(own[-1])


def _engineered(
    view: View, base: str, found: CascadeRows, versions: list[tuple[int, int]]
) -> Array:
    onsets, now = (np.array(column) for column in zip(*versions, strict=True))
    first, last = found.row[onsets] - DELAY, found.row[now] - DELAY
    cascades = pd.DataFrame(
        {
            "start": view.hours[first],
            "end": view.hours[last] + pd.Timedelta(hours=1),
            "side": np.where(found.side[now] > 0, "long", "short"),
            "reversal_share": found.reversal_share[now],
            "oi_change_pct": found.oi_change_pct[now],
        }
    )
    touched = [np.arange(a, b + 1) for a, b in zip(first, last, strict=True)]
    hours = view.hours[np.unique(np.concatenate(touched))]
    bars, spot = view.table("perp_bars"), view.table("spot_bars")
    bars = bars[(bars["base"] == base) & bars["ts"].isin(hours)]
    spot = spot[(spot["base"] == base) & (spot["venue"] == SPOT_VENUE) & spot["ts"].isin(hours)]
    with quiet():
        told = score(cascades, bars=bars, spot=spot)
    return told["engineered_score"].to_numpy(dtype=float)


def _from_totals(view: View, begin: np.ndarray, end: np.ndarray) -> list[_New]:
    days = view.table("liquidation_totals")
    days = days[days["long_usd"].notna() & days["short_usd"].notna()]
    if not len(days) or not (end >= 0).any():
        return []
    # most cut-offs learn of none: look at their own days before a year of them is ranked
    earliest = int(begin[end >= 0].min())
    since = pd.Timestamp(earliest, unit="us") - TOTALS_LOOKBACK
    if not (_known_at(*cascade_days(days[days["date"] >= since])) > earliest).any():
        return []
    found = daily_totals(days)
    known = _known_at(found["start"], found["available_at"])
    usd = found["notional_usd"].to_numpy(dtype=float)
    kinds = pd.factorize(found["base"].astype(str) + found["feed_era"].astype(str))[0]
    share = (found["long_usd"] / found["notional_usd"]).to_numpy(dtype=float)
    out = []
    for i, place in enumerate(_places(known, begin, end)):
        if place < 0:
            continue
        past = (kinds == kinds[i]) & (known < known[i]) & (known > known[i] - SIZE_DAYS * DAY_US)
        rank = float((usd[past] < usd[i]).mean()) if past.sum() >= SIZE_MIN else np.nan
        out.append(_New(int(place), rank, float(share[i])))
    return out


def _known_at(
    days: pd.Series | pd.DatetimeIndex, available: pd.Series | pd.DatetimeIndex
) -> np.ndarray:
    """When totals were due, or came; -1 where they came too late to be news."""
    due = pd.DatetimeIndex(days).as_unit("us") + DAY_TABLES["liquidation_totals"]
    came = pd.DatetimeIndex(available).as_unit("us").asi8
    return np.where(came - due.asi8 <= LATE_DAYS * DAY_US, np.maximum(due.asi8, came), -1)
