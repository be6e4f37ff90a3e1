"""Liquidations: how often, how large against their market, which side, how recently."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.bars import BASES
from features.cascade_rows import CascadeRows, cascade_rows
from features.declare import Feature, family
from features.tails import Rows, tail_rank, tail_sum, tail_z
from features.totals import SCOPES, Totals, days_wanted, on_cutoffs, totals
from features.view import View
from features.windows import Array, lag, on_observed, quiet, rolling_max, rolling_sum

__all__ = ["FEATURES", "compute", "recent_state", "size_ranks", "within_era"]

DAY = 24
RANK_DAYS, ERA_MIN_DAYS = 90, 20
SIZE_DAYS, SIZE_MIN = 365, 5
SINCE_CAP_DAYS = 60
RECENT_DAYS = 7
CAPITULATION_DAYS = 3
TOTALS = ("liquidation_totals",)
CASCADES = ("perp_bars", "open_interest")
DAILY = "totals of the last UTC day that was due at the cut-off (00:05 UTC), at most one day late"
HOURLY = "cascades known by the cut-off; one whose open interest came after it is not counted"

_t = partial(family, group="liquidations", inputs=TOTALS, timing=DAILY, clock="days",
             s=("btc", "eth", "all"))  # fmt: skip
_h = partial(family, group="liquidations", inputs=CASCADES, timing=HOURLY, clock="hours",
             s=("btc", "eth"))  # fmt: skip

FEATURES: list[Feature] = [
    *_t("{s}_liq_oi_rank", definition="share of the 90 days before, of the same feed era, with a "
            "lower liquidated USD / open interest", unit="0..1", lookback=RANK_DAYS + 1,
        reference="issue: rank against open interest"),
    *_t("{s}_liq_volume_rank", definition="share of the 90 days before, of the same feed era, "
            "with a lower liquidated USD / perpetual volume", unit="0..1", lookback=RANK_DAYS + 1,
        reference="issue: rank against volume"),
    *_t("{s}_liq_z", definition="z of log(liquidated USD of 7 days / open interest) in 90 days of "
            "the same feed era", unit="z", lookback=RANK_DAYS + 7,
        reference="domain 3.17: z90(log liq_7d/OI)"),
    *_t("{s}_liq_day_z",
        definition="z of log(liquidated USD / perpetual volume) in 90 days of the same feed era",
        unit="z", lookback=RANK_DAYS, reference="cascades 1, definition 3"),
    *_t("{s}_liq_long_share", definition="long share of liquidated USD of the last day",
        unit="0..1", reference="domain 3.20: long_share"),
    *_t("{s}_liq_long_share_7d", definition="long share of liquidated USD of 7 days", unit="0..1",
        lookback=7, reference="domain 3.20: long_share"),
    *_t("{s}_liq_acceleration",
        definition="log(liquidated USD of the last day / mean of the 7 before)", unit="log ratio",
        lookback=8, reference="issue: acceleration, from totals"),
    *_t("{s}_liq_days_{n}d", definition="days of {n} whose log(liquidated USD / volume) stood 2 "
            "sd above its 90-day mean, one era", unit="days", lookback="n+90",
        reference="cascades 1, definition 3", n=(7, 21)),
    *_t("{s}_capitulation", definition="1 where on one of the last 3 days the long share was at "
            "least 0.8, open interest at least 10 % under its 7-day maximum and funding negative",
        unit="flag", lookback=10, reference="domain 3.20: capitulation"),
    *_t("{s}_liq_coverage_7d", definition="share of the last 7 days with totals", unit="0..1",
        lookback=7, reference="cascades 2: coverage"),
    *_t("{s}_liq_throttled",
        definition="1 where the feed shows one order a second (from 2021-04-27)", unit="flag",
        reference="structural break of the feed"),
    *_t("{s}_taker_imbalance", definition="(taker buys - sells) / (buys + sells) of the last day",
        unit="-1..1", reference="aggressive flow"),
    *_h("{s}_casc_n_{n}d",
        definition="cascades (hourly price and open interest) that began in {n} x 24 hours",
        unit="cascades", lookback=504, reference="issue: n_7d, n_21d", n=(7, 21)),
    *_h("{s}_casc_long_n_{n}d", definition="of those, cascades that hurt longs", unit="cascades",
        lookback=504, reference="domain 3.20", n=(7, 21)),
    *_h("{s}_casc_acceleration",
        definition="cascades a day of the last 3 days less those of 21 days",
        unit="cascades a day", lookback=504, reference="issue: acceleration"),
    *_h("{s}_casc_since", definition="days since a cascade last began, at most 60", unit="days",
        lookback=SINCE_CAP_DAYS * DAY, reference="issue: time since last"),
    *_h("{s}_casc_move", definition="signed move of the newest cascade of 7 days in trailing "
            "sigmas; null without one", unit="hourly sigmas", lookback=RECENT_DAYS * DAY,
        reference="cascades 1: max adverse move"),
    *_h("{s}_casc_severity", definition="severity of the newest cascade of 7 days", unit="0..1",
        lookback=RECENT_DAYS * DAY, reference="cascades 1: trailing share of smaller moves"),
    *_h("{s}_casc_reversal", definition="share of its move that the newest cascade of 7 days took "
            "back within its last hour", unit="0..1", lookback=RECENT_DAYS * DAY,
        reference="cascades 3: sharp reversal"),
    *_h("{s}_casc_oi_change", definition="open-interest change over the newest cascade of 7 days",
        unit="percent", lookback=RECENT_DAYS * DAY, reference="cascades 1, definition 5"),
    *_h("{s}_casc_oi_lost_{n}d",
        definition="sum of open-interest changes over the cascades of {n} days", unit="percent",
        lookback=504, reference="cascades 1, definition 5", n=(7, 21)),
    *_h("{s}_casc_size_rank", definition="share of the cascades of 365 days before with a smaller "
            "fall of open interest in USD than the newest one of 7 days", unit="0..1",
        lookback=SIZE_DAYS * DAY, reference="issue: magnitude rank"),
    *_h("{s}_casc_coverage_7d",
        definition="share of 168 hours in which a cascade could be measured", unit="0..1",
        lookback=168, reference="cascades 2: coverage"),
]  # fmt: skip


def within_era(values: Array, throttled: Array) -> list[Array]:
    """Split a daily series at the break of the feed, each part NaN on the other side."""
    return [np.where(throttled == era, values, np.nan) for era in (0.0, 1.0)]


def compute(view: View) -> dict[str, Array]:
    """Compute the group.

    Notes
    -----
    *Timing:* levels are never compared across 2021-04-27: windows and ranks stay inside a feed
    era, and the first 20 days of an era are null.
    """
    out: dict[str, Array] = {}
    with quiet():
        for scope in SCOPES:
            own = totals(view, scope)
            first = own.first
            made = _from_totals(own, days_wanted(view, first, own.days))
            out.update({f"{scope}_{k}": on_cutoffs(view, first, v) for k, v in made.items()})
        for base in BASES:
            made = _from_cascades(view, base)
            out.update({f"{base.lower()}_{k}": v for k, v in made.items()})
    return {k: np.where(np.isfinite(v), v, np.nan) for k, v in out.items()}


def _in_era(op: partial[Array], values: Array, throttled: Array, rows: Rows) -> Array:
    out = np.full(len(values), np.nan)
    for part in within_era(values, throttled):
        made = op(part, rows)
        out = np.where(np.isfinite(part), made, out)
    return out


def _from_totals(t: Totals, rows: Rows) -> dict[str, Array]:
    total = t.long_usd + t.short_usd
    to_interest = total / np.where(t.oi_usd > 0, t.oi_usd, np.nan)
    to_volume = total / np.where(t.volume_usd > 0, t.volume_usd, np.nan)
    rank = partial(tail_rank, n=RANK_DAYS, min_count=ERA_MIN_DAYS)
    z = partial(tail_z, n=RANK_DAYS, min_count=ERA_MIN_DAYS)
    weekly = np.full(t.days, np.nan)
    for part in within_era(total, t.throttled):
        weekly = np.where(np.isfinite(part), rolling_sum(part, 7), weekly)
    long7, both7 = rolling_sum(t.long_usd, 7), rolling_sum(total, 7)
    day_z = _in_era(z, np.log(np.where(to_volume > 0, to_volume, np.nan)), t.throttled, rows)
    heavy = np.where(np.isfinite(day_z), (day_z >= 2.0).astype(float), np.nan)
    drop = t.oi_usd / rolling_max(t.oi_usd, 7) - 1.0
    broken = (t.long_usd / total >= 0.8) & (drop <= -0.10) & (t.funding_pct < 0)
    known = np.isfinite(total) & np.isfinite(drop) & np.isfinite(t.funding_pct)
    broken_days = np.where(known, broken.astype(float), np.nan)
    before = np.full(t.days, np.nan)
    for part in within_era(total, t.throttled):
        before = np.where(np.isfinite(part), lag(rolling_sum(part, 7) / 7.0, 1), before)
    covered = np.where(np.isfinite(total), 1.0, np.nan)
    return {
        "liq_oi_rank": _in_era(rank, to_interest, t.throttled, rows),
        "liq_volume_rank": _in_era(rank, to_volume, t.throttled, rows),
        "liq_z": _in_era(z, np.log(weekly / t.oi_usd), t.throttled, rows),
        "liq_day_z": day_z,
        "liq_long_share": t.long_usd / np.where(total > 0, total, np.nan),
        "liq_long_share_7d": long7 / np.where(both7 > 0, both7, np.nan),
        "liq_acceleration": np.log(total / before),
        "liq_days_7d": tail_sum(heavy, rows, 7),
        "liq_days_21d": tail_sum(heavy, rows, 21),
        "capitulation": on_observed(
            partial(rolling_max, n=CAPITULATION_DAYS), broken_days, rows=CAPITULATION_DAYS
        ),
        "liq_coverage_7d": tail_sum(covered, rows, 7, min_count=0) / 7.0,
        "liq_throttled": t.throttled,
        "taker_imbalance": (t.taker_buy_usd - t.taker_sell_usd)
        / (t.taker_buy_usd + t.taker_sell_usd),
    }


def recent_state(view: View, found: CascadeRows, values: Array, days: int) -> Array:
    """Value of the newest version of a cascade known at each cut-off, null when it is too old."""
    rows = view.hour_of_cutoff()
    out = view.nan()
    if len(found.row):
        place = np.searchsorted(found.row, rows, side="right") - 1
        fresh = (place >= 0) & (rows >= 0)
        fresh &= rows - found.row[np.maximum(place, 0)] < days * DAY
        out[fresh] = values[place[fresh]]
    return out


def size_ranks(view: View, base: str) -> Array:
    """Share of the cascades of a year before with a smaller fall, for each version of a coin's."""
    return view.make(("size_ranks", base), lambda: _size_ranks(cascade_rows(view, base)))


def _size_ranks(found: CascadeRows) -> Array:
    size = -found.oi_change_usd
    out = np.full(len(size), np.nan)
    count = int(found.number.max(initial=-1)) + 1
    # newest version of each cascade so far: the hour it was known from, and its size
    newest, held = np.full(count, -SIZE_DAYS * DAY), np.full(count, np.nan)
    for i, (number, row) in enumerate(zip(found.number.tolist(), found.row.tolist(), strict=True)):
        others = row - newest < SIZE_DAYS * DAY
        others[number] = False
        n = np.count_nonzero(others)
        if n >= SIZE_MIN:
            out[i] = np.count_nonzero(held[others] < size[i]) / n
        newest[number], held[number] = row, size[i]
    return out


def _from_cascades(view: View, base: str) -> dict[str, Array]:
    found = cascade_rows(view, base)
    rows = view.hour_of_cutoff()
    short = 0.8
    n = {
        d: tail_sum(found.onset, rows, d * DAY, min_count=int(short * d * DAY)) for d in (3, 7, 21)
    }
    longs = {
        d: tail_sum(found.long_onset, rows, d * DAY, min_count=int(short * d * DAY))
        for d in (7, 21)
    }
    cap = SINCE_CAP_DAYS * DAY
    since = np.full(len(rows), float(cap))
    begins = found.row[found.version == 1]
    if len(begins):
        place = np.searchsorted(begins, rows, side="right") - 1
        age = rows - begins[np.maximum(place, 0)]
        since = np.where(place >= 0, np.minimum(age, cap), since).astype(float)
    measured = np.where(np.isfinite(found.onset), 1.0, np.nan)
    covered = tail_sum(measured, rows, RECENT_DAYS * DAY, min_count=0)
    lost = np.zeros(len(found.onset))
    # a version holds the whole change so far: what it adds is its difference to the one before
    so_far: dict[int, float] = {}
    for number, row, held in zip(found.number, found.row, found.oi_change_pct, strict=True):
        lost[row] += held - so_far.get(number, 0.0)
        so_far[number] = held
    lost = np.where(np.isfinite(found.onset), lost, np.nan)
    signed = -found.side * found.move_sigmas
    return {
        "casc_n_7d": n[7],
        "casc_n_21d": n[21],
        "casc_long_n_7d": longs[7],
        "casc_long_n_21d": longs[21],
        "casc_acceleration": n[3] / 3.0 - n[21] / 21.0,
        "casc_since": np.where(np.isfinite(n[21]), since / DAY, np.nan),
        "casc_move": recent_state(view, found, signed, RECENT_DAYS),
        "casc_severity": recent_state(view, found, found.severity, RECENT_DAYS),
        "casc_reversal": recent_state(view, found, found.reversal_share, RECENT_DAYS),
        "casc_oi_change": recent_state(view, found, found.oi_change_pct, RECENT_DAYS),
        "casc_oi_lost_7d": tail_sum(lost, rows, 7 * DAY, min_count=int(short * 7 * DAY)),
        "casc_oi_lost_21d": tail_sum(lost, rows, 21 * DAY, min_count=int(short * 21 * DAY)),
        "casc_size_rank": recent_state(view, found, size_ranks(view, base), RECENT_DAYS),
        "casc_coverage_7d": np.where(rows >= 0, covered / (RECENT_DAYS * DAY), np.nan),
    }
