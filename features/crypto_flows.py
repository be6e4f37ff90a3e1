"""Crypto technicals, second half: returns, volatility, funding, basis, open interest, flow."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.bars import (
    BASES,
    Bars,
    first_known,
    funding_rate,
    open_interest,
    reference,
    venue_closes,
)
from features.declare import Feature, family
from features.tails import (
    Rows,
    at_rows,
    tail_max,
    tail_mean,
    tail_sum,
    tail_z,
)
from features.view import View
from features.windows import Array, known_mean, lag, quiet

__all__ = ["DAY", "FEATURES", "HOURS_A_YEAR", "compute", "hourly_return", "venue_spread_bps"]

DAY = 24
HOURS_A_YEAR = 24.0 * 365.0
Z_DAYS = 90
TIMING = "hours that had closed at the cut-off; null after 3 hours without bars"
PERP = ("perp_bars",)

_f = partial(family, group="crypto technicals", timing=TIMING, clock="hours")
_B = ("btc", "eth")

FEATURES: list[Feature] = [
    *_f("{b}_ret_{n}d", definition="log return of {n} x 24 hours", unit="log return", inputs=PERP,
        lookback=720, reference="crypto return", b=_B, n=(1, 3, 7, 30)),
    *_f("{b}_drawdown_{n}d", definition="log(close / highest close of {n} x 24 hours)",
        unit="log return", inputs=PERP, lookback=720, reference="drawdown", b=_B, n=(7, 30)),
    *_f("{b}_rv_{n}d",
        definition="100 sqrt(8760 x mean squared hourly log return, {n} x 24 hours)",
        unit="vol points", inputs=PERP, lookback=721, reference="realised volatility", b=_B,
        n=(1, 7, 30)),
    *_f("{b}_rv_slope", definition="log(rv_1d / rv_30d)", unit="log ratio", inputs=PERP,
        lookback=721, reference="volatility against its norm", b=_B),
    *_f("{b}_down_share_7d",
        definition="share of squared hourly returns that were falls, 168 hours", unit="0..1",
        inputs=PERP, lookback=169, reference="realised semivariance", b=_B),
    *_f("{b}_jump_1d",
        definition="largest absolute hourly return of 24 over the 30-day hourly vol",
        unit="hourly vols", inputs=PERP, lookback=721, reference="jump in the day", b=_B),
    *_f("{b}_volume_z", definition="z of log volume of 24 hours among the same of 90 days",
        unit="z", inputs=PERP, lookback=(Z_DAYS + 1) * DAY, reference="volume against its norm",
        b=_B),
    *_f("{b}_venue_spread",
        definition="mean of highest less lowest close of the venues over their lowest, 24 hours",
        unit="bps", inputs=PERP, lookback=DAY, reference="cascades 3: deviation between venues",
        b=_B),
    *_f("{b}_funding", definition="last settled funding a year", unit="percent a year",
        inputs=("funding",), lookback=9, reference="domain 3.9", b=_B),
    *_f("{b}_funding_7d", definition="mean funding of 168 hours a year", unit="percent a year",
        inputs=("funding",), lookback=168, reference="domain 3.9", b=_B),
    *_f("{b}_funding_z", definition="z of funding among the same hour of 90 days", unit="z",
        inputs=("funding",), lookback=Z_DAYS * DAY, reference="domain 3.9", b=_B),
    *_f("{b}_funding_chg_3d", definition="change of funding in 72 hours", unit="percent a year",
        inputs=("funding",), lookback=73, reference="funding collapse, domain 3.12", b=_B),
    *_f("{b}_funding_negative_7d", definition="share of 168 hours with negative funding",
        unit="0..1", inputs=("funding",), lookback=168, reference="deleveraged market", b=_B),
    *_f("{b}_basis", definition="mean of perp close / spot close - 1, 24 hours", unit="bps",
        inputs=(*PERP, "spot_bars"), lookback=DAY, reference="perp basis", b=_B),
    *_f("{b}_basis_z", definition="z of that basis among the same hour of 90 days", unit="z",
        inputs=(*PERP, "spot_bars"), lookback=(Z_DAYS + 1) * DAY, reference="domain 3.9", b=_B),
    *_f("{b}_oi_chg_{n}d", definition="log change of open interest in coins, {n} x 24 hours",
        unit="log change", inputs=("open_interest",), lookback=169,
        reference="open-interest change", b=_B, n=(1, 7)),
    *_f("{b}_oi_drop_7d", definition="log(open interest / its highest of 168 hours)",
        unit="log change", inputs=("open_interest",), lookback=168,
        reference="domain 3.9: drop from the 7-day maximum", b=_B),
    *_f("{b}_oi_z", definition="z of log open interest among the same hour of 90 days", unit="z",
        inputs=("open_interest",), lookback=Z_DAYS * DAY, reference="crowding", b=_B),
    *_f("{b}_oi_price",
        definition="open-interest change less price change of 7 days: new positions",
        unit="log change", inputs=("open_interest", *PERP), lookback=169,
        reference="positioning: new longs against covering", b=_B),
    *_f("eth_btc_ret_{n}d", definition="ETH less BTC log return of {n} x 24 hours",
        unit="log return", inputs=PERP, lookback=169, reference="beta of the riskier coin",
        n=(7,)),
]  # fmt: skip


def hourly_return(bars: Bars) -> Array:
    """Log return of each hour to the hour before."""
    log_close = np.log(bars.close)
    return log_close - lag(log_close, 1)


def venue_spread_bps(view: View, base: str) -> Array:
    """Distance between the venues' closes in each hour, in basis points of the lowest.

    Returns
    -------
    array
        On `View.hours`; NaN where fewer than two venues have the hour.
    """

    def make() -> Array:
        top = np.full(len(view.hours), np.nan)
        bottom, count = top.copy(), np.zeros(len(view.hours))
        for closes in venue_closes(view, base):
            top, bottom = np.fmax(top, closes), np.fmin(bottom, closes)
            count += np.isfinite(closes)
        return np.where(count >= 2, (top / bottom - 1.0) * 1e4, np.nan)

    return view.make(("venue_spread", base), make)


def last_rows(view: View, x: Array, limit_hours: int = 3) -> Rows:
    """Row of the newest known hour at each cut-off, at most `limit_hours` old; -1 without one."""
    row = view.hour_of_cutoff()
    out = np.full(len(row), -1, dtype=np.int64)
    for back in range(limit_hours + 1):
        known = np.isfinite(at_rows(x, row, back))
        out = np.where((out < 0) & known, row - back, out)
    return out


def compute(view: View) -> dict[str, Array]:
    """Compute the flow part of the group."""
    out: dict[str, Array] = {}
    with quiet():
        for base in BASES:
            made = {**_price(view, base), **_funding(view, base), **_interest(view, base)}
            out.update({f"{base.lower()}_{name}": values for name, values in made.items()})
        out["eth_btc_ret_7d"] = out["eth_ret_7d"] - out["btc_ret_7d"]
    return {k: np.where(np.isfinite(v), v, np.nan) for k, v in out.items()}


def _price(view: View, base: str) -> dict[str, Array]:
    bars, spot = reference(view, base), reference(view, base, table="spot_bars")
    rows = last_rows(view, bars.close)
    log_close, r = np.log(bars.close), hourly_return(bars)
    now = at_rows(log_close, rows)
    out = {f"ret_{n}d": now - at_rows(log_close, rows, n * DAY) for n in (1, 3, 7, 30)}
    for n in (7, 30):
        out[f"drawdown_{n}d"] = now - tail_max(log_close, rows, n * DAY)
    for n in (1, 7, 30):
        out[f"rv_{n}d"] = 100.0 * np.sqrt(HOURS_A_YEAR * tail_mean(r * r, rows, n * DAY))
    out["rv_slope"] = np.log(out["rv_1d"] / out["rv_30d"])
    falls = np.where(np.isnan(r), np.nan, np.minimum(r, 0.0) ** 2)
    total = tail_sum(r * r, rows, 7 * DAY)
    out["down_share_7d"] = tail_sum(falls, rows, 7 * DAY) / np.where(total > 0, total, np.nan)
    hourly_vol = out["rv_30d"] / 100.0 / np.sqrt(HOURS_A_YEAR)
    out["jump_1d"] = tail_max(np.abs(r), rows, DAY) / hourly_vol
    out["volume_z"] = tail_z(np.log(_day_sum(bars.volume)), rows, Z_DAYS, step=DAY)
    out["venue_spread"] = tail_mean(venue_spread_bps(view, base), rows, DAY)
    basis = _day_mean((bars.close / spot.close - 1.0) * 1e4)
    out["basis"] = at_rows(basis, rows)
    out["basis_z"] = tail_z(basis, rows, Z_DAYS, step=DAY)
    return out


def _day_sum(x: Array) -> Array:
    total = np.zeros(len(x))
    for k in range(DAY):
        total = total + lag(x, k)
    return np.where(total > 0, total, np.nan)


def _day_mean(x: Array) -> Array:
    """Mean of the known ones of 24 hours; NaN where fewer than 21 are known."""
    return known_mean(x, DAY, min_count=21)


def _funding(view: View, base: str) -> dict[str, Array]:
    rate = funding_rate(view, base)
    rows = last_rows(view, rate, limit_hours=0)
    negative = np.where(np.isfinite(rate), (rate < 0).astype(float), np.nan)
    now = at_rows(rate, rows)
    return {
        "funding": now,
        "funding_7d": tail_mean(rate, rows, 7 * DAY),
        "funding_z": tail_z(rate, rows, Z_DAYS, step=DAY),
        "funding_chg_3d": now - at_rows(rate, rows, 3 * DAY),
        "funding_negative_7d": tail_mean(negative, rows, 7 * DAY),
    }


def _interest(view: View, base: str) -> dict[str, Array]:
    found: dict[str, list[Array]] = {}
    for held in open_interest(view, base):
        level = np.log(held)
        rows = last_rows(view, level)
        now = at_rows(level, rows)
        one = {
            "oi_chg_1d": now - at_rows(level, rows, DAY),
            "oi_chg_7d": now - at_rows(level, rows, 7 * DAY),
            "oi_drop_7d": now - tail_max(level, rows, 7 * DAY),
            "oi_z": tail_z(level, rows, Z_DAYS, step=DAY),
        }
        for name, values in one.items():
            found.setdefault(name, []).append(values)
    names = ("oi_chg_1d", "oi_chg_7d", "oi_drop_7d", "oi_z")
    out = {name: first_known(found.get(name, []), len(view.grid)) for name in names}
    log_close = np.log(reference(view, base).close)
    rows = last_rows(view, log_close)
    out["oi_price"] = out["oi_chg_7d"] - (
        at_rows(log_close, rows) - at_rows(log_close, rows, 7 * DAY)
    )
    return out
