"""Equity technicals: what SPX and VIX closes, highs and lows say by themselves."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.bands import BAND_EDGES, band_index
from features.declare import Feature, family
from features.technical import MACD_ROWS, WILDER_ROWS, atr_pct, macd_histogram, on_weeks, rsi
from features.view import View
from features.windows import (
    Array,
    change,
    lag,
    on_observed,
    quiet,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_rank,
    rolling_std,
    rolling_z,
    rows_since,
)

__all__ = ["FEATURES", "compute"]

SPX = ("spx_bars",)
VIX = ("vol_indices.vix",)
CLOSE = "known after the close of session t; the same at every later moment of t"

_f = partial(family, group="equity technicals", timing=CLOSE)

FEATURES: list[Feature] = [
    *_f("spx_ret_{n}", definition="log(C_t / C_t-{n})", unit="log return", inputs=SPX,
        lookback="n+1", reference="close-to-close return", n=(1, 5, 10, 21, 63)),
    *_f("spx_gap", definition="log(O_t / C_t-1)", unit="log return", inputs=SPX, lookback=2,
        reference="overnight gap"),
    *_f("spx_intraday", definition="log(C_t / O_t)", unit="log return", inputs=SPX,
        reference="open-to-close return"),
    *_f("spx_close_location", definition="(C - L) / (H - L) of session t", unit="0..1", inputs=SPX,
        reference="close location value"),
    *_f("spx_drawdown_{n}", definition="log(C_t / highest close of {n} sessions)",
        unit="log return", inputs=SPX, lookback="n", reference="drawdown", n=(21, 63, 252)),
    *_f("spx_runup_{n}", definition="log(C_t / lowest close of {n} sessions)", unit="log return",
        inputs=SPX, lookback="n", reference="rise from the low", n=(21, 63)),
    *_f("spx_since_high_{n}", definition="sessions since the highest close of {n} sessions",
        unit="sessions", inputs=SPX, lookback="n", reference="time under water", n=(252,)),
    *_f("spx_to_sma_{n}", definition="log(C_t / mean close of {n} sessions)", unit="log return",
        inputs=SPX, lookback="n", reference="distance from the moving average", n=(20, 50, 200)),
    *_f("spx_macd_hist", definition="MACD(12,26,9) histogram of log close over ATR14 %",
        unit="ATR", inputs=SPX, lookback=MACD_ROWS, recursive=True,
        reference="Appel; domain 3.16 form"),
    *_f("spx_macd_hist_weekly",
        definition="MACD(12,26,9) histogram of log close on completed weeks", unit="log return",
        inputs=SPX, lookback=5 * MACD_ROWS, recursive=True, reference="Appel"),
    *_f("spx_rsi", definition="RSI14 (Wilder) of the close", unit="0..100", inputs=SPX,
        lookback=WILDER_ROWS, recursive=True, reference="Wilder 1978"),
    *_f("spx_rsi_weekly", definition="RSI14 (Wilder) of the close on completed weeks",
        unit="0..100", inputs=SPX, lookback=5 * WILDER_ROWS, recursive=True,
        reference="Wilder 1978"),
    *_f("spx_atr_pct", definition="ATR14 (Wilder) over the close", unit="fraction", inputs=SPX,
        lookback=WILDER_ROWS, recursive=True, reference="Wilder 1978"),
    *_f("spx_streak", definition="closes in a row in the direction of today's, signed, at most 10",
        unit="sessions", inputs=SPX, lookback=11, reference="run length"),
    *_f("spx_volume_z_{n}", definition="z of log share volume in {n} sessions", unit="z",
        inputs=SPX, lookback="n", reference="volume against its norm", n=(63,)),
    *_f("vix_log", definition="log VIX close", unit="log points", inputs=VIX,
        reference="level, the first thing to beat"),
    *_f("vix_chg_{n}", definition="log(VIX_t / VIX_t-{n})", unit="log change", inputs=VIX,
        lookback="n+1", reference="VIX change", n=(1, 5, 10, 21)),
    *_f("vix_to_sma_{n}", definition="log(VIX_t / its mean of {n} sessions)", unit="log change",
        inputs=VIX, lookback="n", reference="domain 11: VIX/20dma", n=(5, 20, 63)),
    *_f("vix_rank_{n}", definition="share of the {n} sessions before with a lower VIX close",
        unit="0..1", inputs=VIX, lookback="n+1", reference="VIX percentile", n=(63, 252)),
    *_f("vix_max_ratio_{n}", definition="log(VIX_t / its highest close of {n} sessions)",
        unit="log change", inputs=VIX, lookback="n", reference="domain 3.4", n=(20,)),
    *_f("vix_edge_up", definition="log(next higher band edge / VIX_t); null in crisis",
        unit="log change", inputs=VIX, reference="VIX bands 15, 20, 30"),
    *_f("vix_edge_down", definition="log(VIX_t / lower edge of its band); null in calm",
        unit="log change", inputs=VIX, reference="VIX bands 15, 20, 30"),
    *_f("vix_band_age", definition="sessions since the close was last in another band, at most 63",
        unit="sessions", inputs=VIX, lookback=63, reference="regime persistence, domain 2"),
    *_f("vix_vol_{n}",
        definition="annualised standard deviation of daily log VIX changes, {n} sessions",
        unit="log change a year", inputs=VIX, lookback="n+1", reference="volatility of VIX",
        n=(21,)),
    *_f("vix_range", definition="log(high / low) of the VIX on session t", unit="log change",
        inputs=VIX, reference="intraday range"),
    *_f("vix_close_location", definition="(C - L) / (H - L) of the VIX on session t", unit="0..1",
        inputs=VIX, reference="close location value"),
    *_f("vix_macd_hist", definition="MACD(12,26,9) histogram of log VIX", unit="log change",
        inputs=VIX, lookback=MACD_ROWS, recursive=True, reference="Appel"),
    *_f("vix_macd_hist_weekly", definition="MACD(12,26,9) histogram of log VIX on completed weeks",
        unit="log change", inputs=VIX, lookback=5 * MACD_ROWS, recursive=True, reference="Appel"),
    *_f("vix_rsi", definition="RSI14 (Wilder) of the VIX close", unit="0..100", inputs=VIX,
        lookback=WILDER_ROWS, recursive=True, reference="Wilder 1978; domain 3.17"),
    *_f("vix_rsi_weekly", definition="RSI14 (Wilder) of the VIX close on completed weeks",
        unit="0..100", inputs=VIX, lookback=5 * WILDER_ROWS, recursive=True,
        reference="Wilder 1978"),
    *_f("vix_spike_age",
        definition="sessions since the VIX last rose 10 % in a session, at most 63",
        unit="sessions", inputs=VIX, lookback=64, reference="the spike head's event"),
]  # fmt: skip


def week_ends(view: View) -> Array:
    """1 where a session is the last one of its week by the exchange calendar."""

    def make() -> Array:
        here, after = (
            (days.to_numpy().astype("datetime64[D]").astype(np.int64) + 3) // 7
            for days in (view.grid, view.next_sessions())
        )
        return (here != after).astype(float)

    return view.make("week_ends", make)


def _streak(close: Array) -> Array:
    sign = np.sign(change(close, 1))
    run = sign.copy()
    alive = np.isfinite(sign)
    for k in range(1, 10):
        alive = alive & (lag(sign, k) == sign)
        run = run + np.where(alive, sign, 0.0)
    return run


def compute(view: View) -> dict[str, Array]:
    """Compute the price part of the group.

    Returns
    -------
    dict of arrays
        One array a feature on the view's session grid.

    Notes
    -----
    *Timing:* row t reads SPX and VIX rows of sessions up to t.
    """
    with quiet():
        return {**_spx(view), **_vix(view)}


def _spx(view: View) -> dict[str, Array]:
    open_, high, low, close = (view.daily("spx_bars", c) for c in ("open", "high", "low", "close"))
    log_close = np.log(close)
    out: dict[str, Array] = {}
    for n in (1, 5, 10, 21, 63):
        out[f"spx_ret_{n}"] = on_observed(partial(change, n=n), log_close, rows=n + 1)
    out["spx_gap"] = np.log(open_) - lag(log_close, 1)
    out["spx_intraday"] = log_close - np.log(open_)
    span = np.where(high > low, high - low, np.nan)
    out["spx_close_location"] = (close - low) / span
    for n in (21, 63, 252):
        top = on_observed(partial(rolling_max, n=n), log_close, rows=n)
        out[f"spx_drawdown_{n}"] = log_close - top
    for n in (21, 63):
        bottom = on_observed(partial(rolling_min, n=n), log_close, rows=n)
        out[f"spx_runup_{n}"] = log_close - bottom
    out["spx_since_high_252"] = on_observed(_since_high, close, rows=252)
    for n in (20, 50, 200):
        mean = on_observed(partial(rolling_mean, n=n), close, rows=n)
        out[f"spx_to_sma_{n}"] = np.log(close / mean)
    histogram = on_observed(macd_histogram, log_close, rows=MACD_ROWS)
    atr = on_observed(atr_pct, high, low, close, rows=WILDER_ROWS)
    out["spx_macd_hist"] = histogram / atr
    out["spx_atr_pct"] = atr
    out["spx_rsi"] = on_observed(rsi, close, rows=WILDER_ROWS)
    ends = week_ends(view)
    out["spx_macd_hist_weekly"] = on_weeks(
        view.grid, ends, macd_histogram, log_close, rows=MACD_ROWS
    )
    out["spx_rsi_weekly"] = on_weeks(view.grid, ends, rsi, close, rows=WILDER_ROWS)
    out["spx_streak"] = on_observed(_streak, close, rows=11)
    volume = np.log(np.where(view.daily("spx_bars", "volume_shares") > 0,
                             view.daily("spx_bars", "volume_shares"), np.nan))  # fmt: skip
    out["spx_volume_z_63"] = on_observed(partial(rolling_z, n=63), volume, rows=63)
    return out


def _since_high(close: Array) -> Array:
    # the newest of the 252 closes that equals their maximum
    top = rolling_max(close, 252)
    out = np.full(len(close), np.nan)
    for k in range(251, -1, -1):
        out = np.where(lag(close, k) == top, float(k), out)
    return out


def _band_age(vix: Array) -> Array:
    band = band_index(vix).astype(float)
    age = np.zeros(len(vix))
    same = np.ones(len(vix), dtype=bool)
    for k in range(1, 63):
        same = same & (lag(band, k) == band)
        age += same
    age[:62] = np.nan
    return age


def _vix(view: View) -> dict[str, Array]:
    high, low, vix = (view.daily("vol_indices", c, symbol="vix") for c in ("high", "low", "close"))
    log_vix = np.log(vix)
    out: dict[str, Array] = {"vix_log": log_vix}
    for n in (1, 5, 10, 21):
        out[f"vix_chg_{n}"] = on_observed(partial(change, n=n), log_vix, rows=n + 1)
    for n in (5, 20, 63):
        mean = on_observed(partial(rolling_mean, n=n), vix, rows=n)
        out[f"vix_to_sma_{n}"] = np.log(vix / mean)
    for n in (63, 252):
        out[f"vix_rank_{n}"] = on_observed(partial(rolling_rank, n=n), vix, rows=n + 1)
    top = on_observed(partial(rolling_max, n=20), log_vix, rows=20)
    out["vix_max_ratio_20"] = log_vix - top
    edges = np.log(np.array([np.nan, *BAND_EDGES, np.nan]))
    band = band_index(vix)
    known = band >= 0
    out["vix_edge_up"] = np.where(known, edges[np.maximum(band, 0) + 1] - log_vix, np.nan)
    out["vix_edge_down"] = np.where(known, log_vix - edges[np.maximum(band, 0)], np.nan)
    out["vix_band_age"] = on_observed(_band_age, vix, rows=63)
    step = on_observed(partial(change, n=1), log_vix, rows=2)
    out["vix_vol_21"] = on_observed(partial(rolling_std, n=21), step, rows=21) * np.sqrt(252.0)
    out["vix_range"] = np.where(high >= low, np.log(high / low), np.nan)
    out["vix_close_location"] = (vix - low) / np.where(high > low, high - low, np.nan)
    out["vix_macd_hist"] = on_observed(macd_histogram, log_vix, rows=MACD_ROWS)
    out["vix_rsi"] = on_observed(rsi, vix, rows=WILDER_ROWS)
    ends = week_ends(view)
    out["vix_macd_hist_weekly"] = on_weeks(view.grid, ends, macd_histogram, log_vix, rows=MACD_ROWS)
    out["vix_rsi_weekly"] = on_weeks(view.grid, ends, rsi, vix, rows=WILDER_ROWS)
    spike = np.where(np.isfinite(step), (step >= np.log(1.1)).astype(float), np.nan)
    out["vix_spike_age"] = on_observed(partial(rows_since, limit=63), spike, rows=63)
    return out
