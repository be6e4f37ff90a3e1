"""The closed window: what crypto did since the last US close, while SPX options slept."""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.bars import BASES, first_known, funding_rate, open_interest, reference
from features.cascade_rows import cascade_rows
from features.crypto_flows import hourly_return, venue_spread_bps
from features.declare import Feature, family
from features.liquidations import size_ranks
from features.tails import at_rows, tail_mean
from features.view import View
from features.windows import Array, quiet

__all__ = ["FEATURES", "MAX_HOURS", "NORM_WEEKS", "Window", "compute", "window", "window_sum"]

# longer closures than eight days have not been since 2001 and have no norm to be compared with
MAX_HOURS = 192
NORM_WEEKS, NORM_MIN = 8, 4
WEEK, MONTH = 168, 720
PERP = ("perp_bars",)
TIMING = "hours from the US close of session t (early closes included) to the cut-off"

_f = partial(family, group="closed window", timing=TIMING, clock="hours", b=("btc", "eth"))
_g = partial(family, group="closed window", timing=TIMING, clock="hours")
_NORM_ROWS = MAX_HOURS + NORM_WEEKS * WEEK

FEATURES: list[Feature] = [
    *_g("cw_hours", definition="hours from the US close to the cut-off", unit="hours", inputs=(),
        reference="issue: closed window"),
    *_g("cw_days_off",
        definition="calendar days between session t and the next that are no session", unit="days",
        inputs=(), clock="sessions", reference="issue: weekend and holiday length"),
    *_f("cw_{b}_ret", definition="log return over the window", unit="log return", inputs=PERP,
        lookback=MAX_HOURS, reference="issue: whole window"),
    *_f("cw_{b}_ret_{n}h", definition="log return of its last {n} hours; null when it is shorter",
        unit="log return", inputs=PERP, lookback="n+1", reference="issue: last 6 h, last 1 h",
        n=(1, 6)),
    *_f("cw_{b}_sigmas",
        definition="log return over the window in hourly vols of 30 days x sqrt(hours)", unit="sd",
        inputs=PERP, lookback=MAX_HOURS + MONTH, reference="return against its norm"),
    *_f("cw_{b}_worst_hour", definition="lowest hourly log return of the window",
        unit="log return", inputs=PERP, lookback=MAX_HOURS, reference="issue: worst hour"),
    *_f("cw_{b}_low", definition="log(lowest low of the window / price at the US close)",
        unit="log return", inputs=PERP, lookback=MAX_HOURS, reference="depth of the window"),
    *_f("cw_{b}_range", definition="log(highest high / lowest low) of the window",
        unit="log return", inputs=PERP, lookback=MAX_HOURS, reference="range of the window"),
    *_f("cw_{b}_rebound", definition="log return from the lowest low of the window to the cut-off",
        unit="log return", inputs=PERP, lookback=MAX_HOURS, reference="snap-back, cascades 3"),
    *_f("cw_{b}_rv_ratio", definition="log(realised vol of the window / that of the same hours of "
            "the 8 weeks before)", unit="log ratio", inputs=PERP, lookback=_NORM_ROWS,
        reference="issue: realised vol against its norm for that window length"),
    *_f("cw_{b}_volume_ratio",
        definition="log(volume of the window / mean of the same hours of the 8 weeks before)",
        unit="log ratio", inputs=PERP, lookback=_NORM_ROWS,
        reference="issue: volume against norm"),
    *_f("cw_{b}_cascades", definition="cascades that became known in the window", unit="cascades",
        inputs=(*PERP, "open_interest"), lookback=MAX_HOURS, reference="issue: cascades"),
    *_f("cw_{b}_long_cascades", definition="of those, cascades that hurt longs", unit="cascades",
        inputs=(*PERP, "open_interest"), lookback=MAX_HOURS, reference="issue: cascades"),
    *_f("cw_{b}_cascade_rank", definition="rank among 365 days of cascades of the window's "
            "largest fall of open interest in a cascade (notional is not seen without a tape); "
            "null without one", unit="0..1", inputs=(*PERP, "open_interest"), lookback=365 * 24,
        reference="issue: notional rank"),
    *_f("cw_{b}_oi_change", definition="log change of open interest in coins over the window",
        unit="log change", inputs=("open_interest",), lookback=MAX_HOURS,
        reference="issue: open-interest drop"),
    *_f("cw_{b}_oi_low",
        definition="log(lowest open interest of the window / that at the US close)",
        unit="log change", inputs=("open_interest",), lookback=MAX_HOURS,
        reference="issue: open-interest drop"),
    *_f("cw_{b}_funding_change", definition="funding at the cut-off less that at the US close",
        unit="percent a year", inputs=("funding",), lookback=MAX_HOURS,
        reference="issue: funding change"),
    *_f("cw_{b}_spread_max", definition="largest distance between the venues' hourly closes",
        unit="bps", inputs=PERP, lookback=MAX_HOURS, reference="issue: spread between venues"),
    *_f("cw_{b}_spread_ratio",
        definition="log(mean venue distance of the window / of 30 days before)", unit="log ratio",
        inputs=PERP, lookback=MAX_HOURS + MONTH, reference="issue: spread between venues"),
    *_f("cw_{b}_basis_change",
        definition="perp / spot - 1 at the cut-off less that at the US close", unit="bps",
        inputs=(*PERP, "spot_bars"), lookback=MAX_HOURS, reference="cascades 3: perp leads spot"),
    *_g("cw_eth_btc_ret", definition="ETH less BTC log return over the window", unit="log return",
        inputs=PERP, lookback=MAX_HOURS, reference="beta of the riskier coin"),
    *_g("cw_es_move",
        definition="overnight move of S&P 500 futures to 08:55 before the next session",
        unit="percent", inputs=("overnight.es",), clock="sessions",
        reference="control; user data only", trainable=False),
    *_g("cw_vx_move",
        definition="overnight move of the front VIX future to 08:55 before the next session",
        unit="percent", inputs=("overnight.vx",), clock="sessions",
        reference="control; user data only", trainable=False),
]  # fmt: skip


class Window:
    """The hours of each session's closed window.

    Parameters
    ----------
    close : array of int
        Row of the last hour before the US close.
    end : array of int
        Row of the last hour before the cut-off.
    """

    def __init__(self, close: NDArray[np.int64], end: NDArray[np.int64]) -> None:
        hours = end - close
        good = (close >= 0) & (end > close) & (hours <= MAX_HOURS)
        self.close = np.where(good, close, -1)
        self.end = np.where(good, end, -1)
        self.hours = np.where(good, hours, 0)
        self.longest = int(self.hours.max(initial=0))


def window(view: View) -> Window:
    """Find each session's window."""
    return view.make("window", lambda: Window(view.hour_of_close(), view.hour_of_cutoff()))


def _walk(w: Window, x: Array, weeks: int = 0) -> list[tuple[Array, NDArray[np.bool_]]]:
    """Give the values of the window from its end back, each with the sessions it belongs to."""
    return [
        (at_rows(x, w.end, k + weeks * WEEK), (w.hours > k) & (w.end >= 0))
        for k in range(w.longest)
    ]


def window_sum(w: Window, x: Array, *, weeks: int = 0) -> Array:
    """Sum over the window, or over the same hours some weeks before; NaN with any hour unknown."""
    total = np.zeros(len(w.hours))
    for value, inside in _walk(w, x, weeks):
        total = total + np.where(inside, value, 0.0)
    return np.where(w.hours > 0, total, np.nan)


def window_min(w: Window, x: Array) -> Array:
    """Smallest value of the window; NaN with any hour unknown."""
    best = np.full(len(w.hours), np.inf)
    for value, inside in _walk(w, x):
        best = np.where(inside, np.minimum(best, value), best)
    return np.where(w.hours > 0, best, np.nan)


def _norm(w: Window, x: Array) -> Array:
    """Mean of the sums over the same hours of the eight weeks before."""
    total, count = np.zeros(len(w.hours)), np.zeros(len(w.hours))
    for weeks in range(1, NORM_WEEKS + 1):
        then = window_sum(w, x, weeks=weeks)
        known = np.isfinite(then)
        total = total + np.where(known, then, 0.0)
        count = count + known
    return np.where(count >= NORM_MIN, total / np.maximum(count, 1), np.nan)


def compute(view: View) -> dict[str, Array]:
    """Compute the group.

    Notes
    -----
    *Timing:* an hour counts once it has closed by the cut-off. At `evening` the window holds two
    hours, at `eve` a weekend, at `preopen` the whole night.
    """
    w = window(view)
    out: dict[str, Array] = {}
    with quiet():
        for base in BASES:
            made = {**_price(view, w, base), **_cascades(view, w, base), **_interest(view, w, base)}
            for name, values in made.items():
                out[f"cw_{base.lower()}_{name}"] = np.where(np.isfinite(values), values, np.nan)
        out["cw_eth_btc_ret"] = out["cw_eth_ret"] - out["cw_btc_ret"]
    out.update(_clock(view))
    return out


def _price(view: View, w: Window, base: str) -> dict[str, Array]:
    bars = reference(view, base)
    spot = reference(view, base, table="spot_bars")
    log_close, r = np.log(bars.close), hourly_return(bars)
    start, end = at_rows(log_close, w.close), at_rows(log_close, w.end)
    low, high = window_min(w, np.log(bars.low)), -window_min(w, -np.log(bars.high))
    hourly = np.sqrt(tail_mean(r * r, w.close, MONTH))
    spread = venue_spread_bps(view, base)
    mean_spread = window_sum(w, spread) / np.maximum(w.hours, 1)
    basis = (bars.close / spot.close - 1.0) * 1e4
    return {
        "ret": end - start,
        "ret_1h": np.where(w.hours >= 1, end - at_rows(log_close, w.end, 1), np.nan),
        "ret_6h": np.where(w.hours >= 6, end - at_rows(log_close, w.end, 6), np.nan),
        "sigmas": (end - start) / (hourly * np.sqrt(w.hours)),
        "worst_hour": window_min(w, r),
        "low": low - start,
        "range": high - low,
        "rebound": end - low,
        "rv_ratio": 0.5 * np.log(window_sum(w, r * r) / _norm(w, r * r)),
        "volume_ratio": np.log(window_sum(w, bars.volume) / _norm(w, bars.volume)),
        "spread_max": -window_min(w, -spread),
        "spread_ratio": np.log(mean_spread / tail_mean(spread, w.close, MONTH)),
        "basis_change": at_rows(basis, w.end) - at_rows(basis, w.close),
    }


def _cascades(view: View, w: Window, base: str) -> dict[str, Array]:
    found = cascade_rows(view, base)
    ranks = size_ranks(view, base)
    best = np.full(len(w.hours), np.nan)
    for row, rank in zip(found.row, ranks, strict=True):
        inside = (row > w.close) & (row <= w.end) & (w.end >= 0)
        best = np.where(inside, np.fmax(best, rank), best)
    return {
        "cascades": window_sum(w, found.onset),
        "long_cascades": window_sum(w, found.long_onset),
        "cascade_rank": best,
    }


def _interest(view: View, w: Window, base: str) -> dict[str, Array]:
    found: dict[str, list[Array]] = {"oi_change": [], "oi_low": []}
    for held in open_interest(view, base):
        level = np.log(held)
        start = at_rows(level, w.close)
        found["oi_change"].append(at_rows(level, w.end) - start)
        found["oi_low"].append(np.minimum(window_min(w, level) - start, 0.0))
    rate = funding_rate(view, base)
    change = at_rows(rate, w.end) - at_rows(rate, w.close)
    out = {name: first_known(values, len(w.hours)) for name, values in found.items()}
    out["funding_change"] = change
    return out


def _clock(view: View) -> dict[str, Array]:
    grid = view.grid
    closes = view.calendar.close_utc(grid)
    known = view.cutoffs.notna()
    hours = view.nan()
    seconds = (view.cutoffs[known] - closes[known]).total_seconds()
    hours[known] = np.asarray(seconds, dtype=float) / 3600.0
    after = view.next_sessions()
    days_off = view.nan()
    held = after.notna()
    days_off[held] = np.asarray((after[held] - grid[held]).days, dtype=float) - 1.0
    moves = {}
    for symbol in ("es", "vx"):
        frame = view.table("overnight")
        frame = frame[frame["symbol"] == symbol]
        where = after.get_indexer(pd.DatetimeIndex(frame["date"]))
        values = view.nan()
        available = pd.DatetimeIndex(frame["available_at"]).as_unit("us").asi8
        due = view.cutoffs.asi8[where] >= available
        kept = (where >= 0) & due & known[where]
        values[where[kept]] = frame["move_pct"].to_numpy(dtype=float, na_value=np.nan)[kept]
        moves[f"cw_{symbol}_move"] = values
    return {"cw_hours": hours, "cw_days_off": days_off, **moves}
