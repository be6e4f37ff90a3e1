"""Positioning: promoter and steward scores of the perpetual market, and the states they make."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.bars import BASES, reference
from features.crypto_flows import DAY
from features.declare import Feature, family
from features.tails import tail_max, tail_mean, tail_min, tail_sum, tail_z
from features.totals import day_of_cutoff, days_wanted, totals
from features.view import View
from features.windows import Array, change, lag, on_observed, quiet, rolling_any, rolling_max

__all__ = ["FEATURES", "compute", "states"]

Z_DAYS, MIN_DAYS = 90, 60
FROTH, FALL, FALL_DAYS, STEWARD, REENTRY_DAYS = 1.0, 1.5, 3, 0.5, 5
CASCADE_Z = 2.0
IN = ("perp_bars", "spot_bars", "liquidation_totals")
TIMING = "UTC days that had ended, and whose totals were due, at the cut-off"

_f = partial(family, group="positioning", inputs=IN, timing=TIMING, clock="days",
             lookback=Z_DAYS + 8, reference="domain 3.9", b=("btc", "eth"))  # fmt: skip
_m = partial(family, group="positioning", inputs=IN, timing=TIMING, clock="days",
             lookback=Z_DAYS + 8, reference="domain 3.9")  # fmt: skip

FEATURES: list[Feature] = [
    *_f("{b}_promoter", definition="mean of the known ones of z90(funding), z90(open interest in "
            "coins), z90(perp basis), z90(7-day return)", unit="z"),
    *_f("{b}_promoter_n", definition="how many of the four promoter inputs were known",
        unit="count"),
    *_f("{b}_steward", definition="mean of the known ones of z90(spot share of volume), z90(fall "
            "of open interest from its 7-day maximum), z90(close location in the day's range); "
            "the CVD gap has no data", unit="z"),
    *_f("{b}_steward_n", definition="how many of the three steward inputs were known",
        unit="count"),
    *_f("{b}_promoter_chg_{n}d", definition="change of the promoter score in {n} days", unit="z",
        n=(3,)),
    *_f("{b}_froth", definition="1 where the promoter score is above 1", unit="flag"),
    *_f("{b}_promoter_exhaustion", definition="1 where liquidations stand 2 sd above their 90-day "
            "norm on one of 3 days and the promoter score fell by 1.5 or more in 3 days",
        unit="flag"),
    *_f("{b}_steward_reentry",
        definition="1 where exhaustion occurred within 5 days and the steward score is above 0.5",
        unit="flag"),
    *_m("positioning_state", definition="of BTC: 1 froth, -1 promoter exhaustion, -2 steward "
            "re-entry, 0 neutral; the last that applies", unit="-2..1"),
    *_m("promoter_market", definition="mean of the known promoter scores of BTC and ETH",
        unit="z"),
    *_m("steward_market", definition="mean of the known steward scores of BTC and ETH", unit="z"),
]  # fmt: skip


def states(promoter: Array, steward: Array, cascade: Array) -> dict[str, Array]:
    """Turn scores on consecutive days into the three states of the method.

    Parameters
    ----------
    promoter, steward : array
        Scores a day.
    cascade : array
        1 on a day with a cascade, else 0.

    Returns
    -------
    dict
        Flags ``froth``, ``promoter_exhaustion``, ``steward_reentry``; NaN where an input is.
    """
    recent = on_observed(partial(rolling_any, n=FALL_DAYS), cascade, rows=FALL_DAYS)
    fell = promoter - lag(promoter, FALL_DAYS)
    known = np.isfinite(recent) & np.isfinite(fell)
    tired = np.where(known, ((recent > 0) & (fell <= -FALL)).astype(float), np.nan)
    lately = on_observed(partial(rolling_max, n=REENTRY_DAYS), tired, rows=REENTRY_DAYS)
    back = np.isfinite(lately) & np.isfinite(steward)
    return {
        "froth": np.where(np.isfinite(promoter), (promoter > FROTH).astype(float), np.nan),
        "promoter_exhaustion": tired,
        "steward_reentry": np.where(
            back, ((lately > 0) & (steward > STEWARD)).astype(float), np.nan
        ),
    }


def _mean_of(pieces: list[Array]) -> tuple[Array, Array]:
    total, count = np.zeros(len(pieces[0])), np.zeros(len(pieces[0]))
    for piece in pieces:
        known = np.isfinite(piece)
        total = total + np.where(known, piece, 0.0)
        count = count + known
    return np.where(count > 0, total / np.maximum(count, 1), np.nan), count


def compute(view: View) -> dict[str, Array]:
    """Compute the group.

    Notes
    -----
    *Timing:* everything runs on UTC days. A day is used once its totals were due, five minutes
    after it ended; bars of the same day are older than that.
    """
    out: dict[str, Array] = {}
    with quiet():
        made = {base.lower(): _one(view, base) for base in BASES}
    for coin, columns in made.items():
        out.update({f"{coin}_{name}": values for name, values in columns.items()})
    btc = made["btc"]
    state = np.where(np.isfinite(btc["promoter"]), 0.0, np.nan)
    for name, code in (("froth", 1.0), ("promoter_exhaustion", -1.0), ("steward_reentry", -2.0)):
        state = np.where(btc[name] > 0, code, state)
    out["positioning_state"] = state
    out["promoter_market"] = _mean_of([m["promoter"] for m in made.values()])[0]
    out["steward_market"] = _mean_of([m["steward"] for m in made.values()])[0]
    return out


def _one(view: View, base: str) -> dict[str, Array]:
    t = totals(view, base.lower())
    rows = days_wanted(view, t.first, t.days)
    bars, spot = reference(view, base), reference(view, base, table="spot_bars")
    # last hour of each UTC day of the totals on the hour clock
    ends = _day_ends(view, t.first, t.days)

    def z(x: Array) -> Array:
        return tail_z(x, rows, Z_DAYS, min_count=MIN_DAYS)

    close, low, high = (
        tail_mean(bars.close, ends, 1),
        tail_min(bars.low, ends, DAY),
        tail_max(bars.high, ends, DAY),
    )
    basis = tail_mean((bars.close / spot.close - 1.0) * 1e4, ends, DAY)
    coins = t.oi_usd / close
    drop = -np.log(coins / on_observed(partial(rolling_max, n=7), coins, rows=7))
    volume, spot_volume = tail_sum(bars.volume, ends, DAY), tail_sum(spot.volume, ends, DAY)
    place = (close - low) / np.where(high > low, high - low, np.nan)
    promoter, promoter_n = _mean_of(
        [z(t.funding_pct), z(coins), z(basis), z(change(np.log(close), 7))]
    )
    steward, steward_n = _mean_of([z(spot_volume / (spot_volume + volume)), z(drop), z(place)])
    promoter = np.where(promoter_n >= 2, promoter, np.nan)
    steward = np.where(steward_n >= 2, steward, np.nan)
    total = t.long_usd + t.short_usd
    ratio = np.log(np.where(total > 0, total, np.nan) / t.volume_usd)
    size = np.full(t.days, np.nan)
    for era in (0.0, 1.0):
        part = np.where(t.throttled == era, ratio, np.nan)
        own = tail_z(part, rows, Z_DAYS, min_count=20)
        size = np.where(np.isfinite(part), own, size)
    cascade = np.where(np.isfinite(size), (size >= CASCADE_Z).astype(float), np.nan)
    columns = {
        "promoter": promoter,
        "promoter_n": promoter_n,
        "steward": steward,
        "steward_n": steward_n,
        "promoter_chg_3d": change(promoter, 3),
        **states(promoter, steward, cascade),
    }
    at = day_of_cutoff(view, t.first)
    out = {}
    for name, values in columns.items():
        column = view.nan()
        inside = (at >= 0) & (at < t.days)
        column[inside] = values[at[inside]]
        out[name] = column
    return out


def _day_ends(view: View, first: int, days: int) -> np.ndarray[tuple[int], np.dtype[np.int64]]:
    """Row of the last hour of each day; -1 where the clock does not reach it."""
    if not len(view.hours):
        return np.full(days, -1, dtype=np.int64)
    opened = view.hours.as_unit("us").asi8[0] // 3_600_000_000
    ends = (first + np.arange(days, dtype=np.int64) + 1) * DAY - 1 - opened
    return np.where((ends >= 0) & (ends < len(view.hours)), ends, -1)
