"""Daily liquidation totals on the UTC-day clock: BTC, ETH, and all coins together."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.epochs import DAY_TABLES
from features.view import View
from features.windows import Array

__all__ = ["DAY_US", "SCOPES", "Totals", "day_of_cutoff", "on_cutoffs", "totals"]

DAY_US = 86_400_000_000
SCOPES = ("btc", "eth", "all")
STALE_DAYS = 1


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
        frame = view.table("liquidation_totals")
        day = pd.DatetimeIndex(frame["date"]).as_unit("us").asi8 // DAY_US
        if not len(day):
            none = np.zeros(0)
            return {scope: Totals(0, *[none] * (len(fields(Totals)) - 1)) for scope in SCOPES}
        first, count = int(day.min()), int(day.max() - day.min()) + 1
        throttled = np.full(count, np.nan)
        throttled[day - first] = (frame["feed_era"] != "pre_2021_04_27").to_numpy(dtype=float)
        per_base: dict[str, dict[str, Array]] = {}
        for base in sorted(frame["base"].unique()):
            rows = (frame["base"] == base).to_numpy()
            arrays = {}
            for name, column in _COLUMNS.items():
                values = np.full(count, np.nan)
                numbers = frame[column].to_numpy(dtype=float, na_value=np.nan)
                values[day[rows] - first] = numbers[rows]
                arrays[name] = values
            per_base[str(base)] = arrays
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
    known = view.cutoffs.notna()
    out = np.full(len(view.grid), -1, dtype=np.int64)
    due = (view.cutoffs[known] - DAY_TABLES["liquidation_totals"]).as_unit("us")
    out[known] = due.asi8 // DAY_US - first
    return out


def on_cutoffs(view: View, first: int, daily: Array) -> Array:
    """Take a daily column at each cut-off; the newest known day may be one day late."""
    row = day_of_cutoff(view, first)
    out = view.nan()
    for back in range(STALE_DAYS + 1):
        at = row - back
        use = np.isnan(out) & (row >= 0) & (at >= 0) & (at < len(daily))
        out[use] = daily[at[use]]
    return out
