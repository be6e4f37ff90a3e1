"""Daily liquidation totals on the UTC-day clock: BTC, ETH, and all coins together."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray

from features.epochs import DAY_TABLES, in_us
from features.view import View
from features.windows import Array

__all__ = ["DAY_US", "SCOPES", "Totals", "day_of_cutoff", "days_wanted", "on_cutoffs", "totals"]

DAY_US = 86_400_000_000
SCOPES = ("btc", "eth", "all")
STALE_DAYS = 1
# how far a flag of a day is carried: cascade days of three weeks, and the day that may be late
LOOK_BACK_DAYS = 30


@dataclass(frozen=True)
class Totals:
    """Totals of one scope on consecutive UTC days, NaN where unknown.

    Parameters
    ----------
    first : int
        Day (since 1970) of row 0.
    long_usd, short_usd, oi_usd, volume_usd : array
        USD. For all coins, sums over the coins that have both sides, open interest and volume.
    funding_pct, taker_buy_usd, taker_sell_usd, accounts_ratio : array
        As in the table; for all coins, funding is the mean weighted by open interest.
    throttled : array
        1 from the day on which the public feed was throttled, 0 before.
    """

    first: int
    long_usd: Array
    short_usd: Array
    oi_usd: Array
    volume_usd: Array
    funding_pct: Array
    taker_buy_usd: Array
    taker_sell_usd: Array
    accounts_ratio: Array
    throttled: Array

    @property
    def days(self) -> int:
        """How many days."""
        return len(self.long_usd)


_COLUMNS = {
    "long_usd": "long_usd",
    "short_usd": "short_usd",
    "oi_usd": "oi_usd",
    "volume_usd": "perp_volume_usd",
    "funding_pct": "funding_pct",
    "taker_buy_usd": "taker_buy_usd",
    "taker_sell_usd": "taker_sell_usd",
    "accounts_ratio": "lsr_global",
}


def totals(view: View, scope: str) -> Totals:
    """Totals of ``btc``, ``eth`` or ``all``."""
    return view.make(("totals", scope), lambda: _totals(view)[scope])


def _totals(view: View) -> dict[str, Totals]:
    def make() -> dict[str, Totals]:
        table = "liquidation_totals"
        day = view.times(table, "date") // DAY_US
        if not len(day):
            none = np.zeros(0)
            return {scope: Totals(0, *[none] * (len(fields(Totals)) - 1)) for scope in SCOPES}
        first, count = int(day.min()), int(day.max() - day.min()) + 1
        throttled = np.full(count, np.nan)
        for (era,), rows in view.places(table, "feed_era").items():
            throttled[day[rows] - first] = float(era != "pre_2021_04_27")
        per_base: dict[str, dict[str, Array]] = {}
        for (base,), rows in sorted(view.places(table, "base").items()):
            arrays = {name: np.full(count, np.nan) for name in _COLUMNS}
            for name, column in _COLUMNS.items():
                arrays[name][day[rows] - first] = view.numbers(table, column)[rows]
            per_base[base] = arrays
        missing = {name: np.full(count, np.nan) for name in _COLUMNS}
        out = {
            scope: Totals(first, throttled=throttled, **per_base.get(scope.upper(), missing))
            for scope in ("btc", "eth")
        }
        out["all"] = Totals(first, throttled=throttled, **_sum(per_base, count))
        return out

    return view.make("totals", make)


def _sum(per_base: dict[str, dict[str, Array]], count: int) -> dict[str, Array]:
    """Add up coins; a coin takes part on a day only with everything that a ratio needs."""
    need = ("long_usd", "short_usd", "oi_usd", "volume_usd")
    out = {name: np.zeros(count) for name in _COLUMNS}
    seen = np.zeros(count, dtype=bool)
    weight = np.zeros(count)
    for arrays in per_base.values():
        use = np.ones(count, dtype=bool)
        for name in need:
            use &= np.isfinite(arrays[name])
        seen |= use
        for name in (*need, "taker_buy_usd", "taker_sell_usd"):
            out[name] = out[name] + np.where(use, np.nan_to_num(arrays[name]), 0.0)
        funded = use & np.isfinite(arrays["funding_pct"])
        share = np.where(funded, np.nan_to_num(arrays["oi_usd"]), 0.0)
        weight = weight + share
        out["funding_pct"] = out["funding_pct"] + share * np.nan_to_num(arrays["funding_pct"])
    out["funding_pct"] = np.where(
        weight > 0, out["funding_pct"] / np.where(weight > 0, weight, 1.0), np.nan
    )
    out["accounts_ratio"] = np.full(count, np.nan)
    return {name: np.where(seen, values, np.nan) for name, values in out.items()}


def day_of_cutoff(view: View, first: int) -> NDArray[np.int64]:
    """Row of the last UTC day whose totals were due at each cut-off; -1 without one."""

    def find() -> NDArray[np.int64]:
        due = view.cutoffs.asi8 - in_us(DAY_TABLES["liquidation_totals"])
        return np.where(view.cutoffs.notna(), due // DAY_US - first, -1)

    return view.make(("day_of_cutoff", first), find)


def days_wanted(view: View, first: int, days: int) -> NDArray[np.int64]:
    """Row of each of some days; -1 for those before any that a cut-off wanted looks back on."""
    rows = np.arange(days)
    looked_at = day_of_cutoff(view, first)[view.wanted]
    return np.where(rows >= looked_at.min(initial=days) - LOOK_BACK_DAYS, rows, -1)


def on_cutoffs(view: View, first: int, daily: Array) -> Array:
    """Take a daily column at each cut-off; the newest known day may be one day late."""
    row = day_of_cutoff(view, first)
    out = view.nan()
    for back in range(STALE_DAYS + 1):
        at = row - back
        use = np.isnan(out) & (row >= 0) & (at >= 0) & (at < len(daily))
        out[use] = daily[at[use]]
    return out
