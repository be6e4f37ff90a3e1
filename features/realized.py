"""Realised volatility of SPX, measured in several ways: what the condor seller is short of."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.declare import Feature, family
from features.equity import CLOSE, SPX, VIX
from features.view import View
from features.windows import (
    Array,
    ema,
    ema_weights,
    lag,
    on_observed,
    quiet,
    rolling_max,
    rolling_mean,
    rolling_std,
    rolling_sum,
)

__all__ = ["FEATURES", "compute", "daily_return", "realised_vol"]

WINDOWS = (1, 5, 10, 21, 63)
YEAR = 252.0
RISK_ALPHA = 0.06
RISK_ROWS = len(ema_weights(RISK_ALPHA))

_f = partial(family, group="equity technicals", timing=CLOSE)

FEATURES: list[Feature] = [
    *_f("rv_{n}", definition="100 sqrt(252 x mean squared log return of {n} sessions)",
        unit="vol points", inputs=SPX, lookback="n+1", reference="design 3: realised vol",
        n=WINDOWS),
    *_f("rv_parkinson_{n}",
        definition="100 sqrt(252 x mean of log(H/L)^2 / (4 log 2), {n} sessions)",
        unit="vol points", inputs=SPX, lookback="n", reference="Parkinson 1980", n=WINDOWS),
    *_f("rv_garman_klass_{n}", definition="100 sqrt(252 x mean of log(H/L)^2 / 2 - (2 log 2 - 1) "
            "log(C/O)^2, {n} sessions)", unit="vol points", inputs=SPX, lookback="n",
        reference="Garman and Klass 1980", n=(5, 21)),
    *_f("rv_overnight_{n}",
        definition="100 sqrt(252 x mean squared log(O_t / C_t-1), {n} sessions)",
        unit="vol points", inputs=SPX, lookback="n+1", reference="overnight variance", n=(5, 21)),
    *_f("rv_overnight_share_{n}",
        definition="overnight share of close-to-close variance, {n} sessions", unit="share",
        inputs=SPX, lookback="n+1", reference="overnight variance", n=(21,)),
    *_f("rv_range_ratio_{n}", definition="log(Parkinson vol / close-to-close vol), {n} sessions",
        unit="log ratio", inputs=SPX, lookback="n+1", reference="range against closes: reversals",
        n=(21,)),
    *_f("rv_down_{n}", definition="100 sqrt(252 x mean of squared negative returns, {n} sessions)",
        unit="vol points", inputs=SPX, lookback="n+1",
        reference="semivariance, Barndorff-Nielsen, Kinnebrock and Shephard 2010", n=(5, 21)),
    *_f("rv_signed_jump_{n}", definition="(up less down semivariance) over variance, {n} sessions",
        unit="-1..1", inputs=SPX, lookback="n+1", reference="Patton and Sheppard 2015", n=(5, 21)),
    *_f("rv_jump_share_{n}",
        definition="1 - bipower variation / variance, not below 0, {n} sessions", unit="0..1",
        inputs=SPX, lookback="n+2",
        reference="Barndorff-Nielsen and Shephard 2004, on daily returns", n=(21,)),
    *_f("rv_ewma", definition="100 sqrt(252 x exponential mean of squared returns, decay 0.94)",
        unit="vol points", inputs=SPX, lookback=RISK_ROWS + 1, recursive=True,
        reference="RiskMetrics 1996"),
    *_f("rv_slope_{a}_{b}", definition="log(rv_{a} / rv_{b})", unit="log ratio", inputs=SPX,
        lookback="b+1", reference="HAR terms, Corsi 2009", a=(5,), b=(21, 63)),
    *_f("rv_slope_{a}_{b}", definition="log(rv_{a} / rv_{b})", unit="log ratio", inputs=SPX,
        lookback="b+1", reference="HAR terms, Corsi 2009", a=(21,), b=(63,)),
    *_f("rv_vol_of_vol_{n}",
        definition="standard deviation of log Parkinson vol of 5 sessions over {n}",
        unit="log points", inputs=SPX, lookback="n+5", reference="volatility of volatility",
        n=(63,)),
    *_f("rv_largest_{n}",
        definition="largest absolute return of {n} sessions over their daily vol",
        unit="daily vols", inputs=SPX, lookback="n+1", reference="tail of the window", n=(21,)),
    *_f("ret_skew_{n}", definition="mean cubed return over daily vol cubed, {n} sessions",
        unit="ratio", inputs=SPX, lookback="n+1", reference="realised skewness, Amaya et al. 2015",
        n=(63,)),
    *_f("ret_kurtosis_{n}", definition="mean return^4 over daily variance squared, {n} sessions",
        unit="ratio", inputs=SPX, lookback="n+1", reference="realised kurtosis, Amaya et al. 2015",
        n=(63,)),
    *_f("ret_autocorrelation_{n}", definition="mean r_t r_t-1 over variance, {n} sessions",
        unit="-1..1", inputs=SPX, lookback="n+2", reference="first-order autocorrelation",
        n=(21,)),
    *_f("spx_vix_beta_{n}", definition="slope of log VIX changes on SPX returns, {n} sessions",
        unit="log change per log return", inputs=SPX + VIX, lookback="n+1",
        reference="leverage effect", n=(63,)),
    *_f("spx_vix_correlation_{n}",
        definition="correlation of log VIX changes and SPX returns, {n} sessions", unit="-1..1",
        inputs=SPX + VIX, lookback="n+1", reference="leverage effect", n=(21,)),
    *_f("vix_surprise", definition="today's log VIX change less spx_vix_beta_63 x today's return",
        unit="log change", inputs=SPX + VIX, lookback=64,
        reference="VIX up on an up day is a warning"),
    *_f("move_to_implied",
        definition="abs log return of t over the daily move implied the evening before",
        unit="implied moves", inputs=SPX + VIX, lookback=2, reference="design 3: EM_t"),
    *_f("breaches_{n}", definition="sessions of {n} whose move exceeded VIX_t-1 / sqrt(252)",
        unit="sessions", inputs=SPX + VIX, lookback="n+1", reference="design 3: breach",
        n=(21, 63)),
    *_f("premium_failed_{n}",
        definition="log(rv_{n} / VIX close {n} sessions ago): what the last seller got",
        unit="log ratio", inputs=SPX + VIX, lookback="n+1", reference="design 3: premium_failure",
        n=(5, 21)),
]  # fmt: skip


def _vol(square: Array, n: int) -> Array:
    return 100.0 * np.sqrt(YEAR * rolling_mean(square, n))


def realised_vol(log_close: Array, n: int) -> Array:
    """Close-to-close realised volatility, no mean removed.

    Parameters
    ----------
    log_close : array
        Log closes without holes.
    n : int
        Returns in the window.

    Returns
    -------
    array
        Annualised, in vol points.
    """
    return _vol((log_close - lag(log_close, 1)) ** 2, n)


def daily_return(view: View) -> Array:
    """Log return to the observed close before."""

    def make() -> Array:
        log_close = np.log(view.daily("spx_bars", "close"))
        return on_observed(lambda x: x - lag(x, 1), log_close, rows=2)

    return view.make("daily_return", make)


def compute(view: View) -> dict[str, Array]:
    """Compute the volatility part of the equity technicals.

    Notes
    -----
    *Timing:* row t reads SPX and VIX rows of sessions up to t.
    """
    with quiet():
        out = _measures(view)
        out.update(_shape(view))
        out.update(_against_vix(view))
        return out


def _measures(view: View) -> dict[str, Array]:
    open_, high, low, close = (view.daily("spx_bars", c) for c in ("open", "high", "low", "close"))
    log_close, r = np.log(close), daily_return(view)
    range2 = np.log(high / low) ** 2 / (4.0 * np.log(2.0))
    body2 = np.log(close / open_) ** 2
    gap2 = (np.log(open_) - on_observed(partial(lag, n=1), log_close, rows=2)) ** 2
    out: dict[str, Array] = {}
    for n in WINDOWS:
        out[f"rv_{n}"] = on_observed(partial(realised_vol, n=n), log_close, rows=n + 1)
        out[f"rv_parkinson_{n}"] = on_observed(partial(_vol, n=n), range2, rows=n)
    klass = 0.5 * np.log(high / low) ** 2 - (2.0 * np.log(2.0) - 1.0) * body2
    for n in (5, 21):
        out[f"rv_garman_klass_{n}"] = on_observed(partial(_vol, n=n), klass, rows=n)
        out[f"rv_overnight_{n}"] = on_observed(partial(_vol, n=n), gap2, rows=n)
        down2 = np.where(np.isnan(r), np.nan, np.minimum(r, 0.0) ** 2)
        up2 = np.where(np.isnan(r), np.nan, np.maximum(r, 0.0) ** 2)
        out[f"rv_down_{n}"] = on_observed(partial(_vol, n=n), down2, rows=n)
        signed = on_observed(partial(rolling_sum, n=n), up2 - down2, rows=n)
        total = on_observed(partial(rolling_sum, n=n), up2 + down2, rows=n)
        out[f"rv_signed_jump_{n}"] = signed / np.where(total > 0, total, np.nan)
    out["rv_overnight_share_21"] = (out["rv_overnight_21"] / out["rv_21"]) ** 2
    out["rv_range_ratio_21"] = np.log(out["rv_parkinson_21"] / out["rv_21"])
    smooth = on_observed(partial(ema, alpha=RISK_ALPHA), r**2, rows=RISK_ROWS)
    out["rv_ewma"] = 100.0 * np.sqrt(YEAR * smooth)
    out["rv_slope_5_21"] = np.log(out["rv_5"] / out["rv_21"])
    out["rv_slope_5_63"] = np.log(out["rv_5"] / out["rv_63"])
    out["rv_slope_21_63"] = np.log(out["rv_21"] / out["rv_63"])
    log_range = np.log(out["rv_parkinson_5"])
    out["rv_vol_of_vol_63"] = on_observed(partial(rolling_std, n=63), log_range, rows=63)
    return {k: np.where(np.isfinite(v), v, np.nan) for k, v in out.items()}


def _shape(view: View) -> dict[str, Array]:
    r = daily_return(view)
    mean2 = {n: on_observed(partial(rolling_mean, n=n), r**2, rows=n) for n in (21, 63)}
    mean3 = on_observed(partial(rolling_mean, n=63), r**3, rows=63)
    mean4 = on_observed(partial(rolling_mean, n=63), r**4, rows=63)
    before = on_observed(partial(lag, n=1), r, rows=2)
    neighbours = on_observed(partial(rolling_mean, n=21), np.abs(r) * np.abs(before), rows=21)
    product = on_observed(partial(rolling_mean, n=21), r * before, rows=21)
    largest = on_observed(partial(rolling_max, n=21), np.abs(r), rows=21)
    return {
        "rv_jump_share_21": np.maximum(0.0, 1.0 - 0.5 * np.pi * neighbours / mean2[21]),
        "rv_largest_21": largest / np.sqrt(mean2[21]),
        "ret_skew_63": mean3 / (mean2[63] * np.sqrt(mean2[63])),
        "ret_kurtosis_63": mean4 / mean2[63] ** 2,
        "ret_autocorrelation_21": product / mean2[21],
    }


def _slope(y: Array, x: Array, n: int) -> Array:
    mean_x, mean_y = rolling_mean(x, n), rolling_mean(y, n)
    return (rolling_mean(x * y, n) - mean_x * mean_y) / (rolling_mean(x * x, n) - mean_x**2)


def _correlation(y: Array, x: Array, n: int) -> Array:
    mean_x, mean_y = rolling_mean(x, n), rolling_mean(y, n)
    cross = rolling_mean(x * y, n) - mean_x * mean_y
    return cross / np.sqrt(
        (rolling_mean(x * x, n) - mean_x**2) * (rolling_mean(y * y, n) - mean_y**2)
    )


def _against_vix(view: View) -> dict[str, Array]:
    close, vix = view.daily("spx_bars", "close"), view.daily("vol_indices", "close", symbol="vix")
    log_close, log_vix, r = np.log(close), np.log(vix), daily_return(view)
    step = on_observed(lambda x: x - lag(x, 1), log_vix, rows=2)
    beta = on_observed(partial(_slope, n=63), step, r, rows=63)
    correlation = on_observed(partial(_correlation, n=21), step, r, rows=21)
    implied = on_observed(lambda v, _: lag(v, 1), vix, log_close, rows=2) / np.sqrt(YEAR) / 100.0
    ratio = np.abs(r) / implied
    breach = np.where(np.isfinite(ratio), (ratio > 1.0).astype(float), np.nan)
    out = {
        "spx_vix_beta_63": beta,
        "spx_vix_correlation_21": correlation,
        "vix_surprise": step - beta * r,
        "move_to_implied": ratio,
    }
    for n in (21, 63):
        out[f"breaches_{n}"] = on_observed(partial(rolling_sum, n=n), breach, rows=n)
    for n in (5, 21):
        realised = on_observed(partial(realised_vol, n=n), log_close, rows=n + 1)
        then = on_observed(partial(lag, n=n), vix, rows=n + 1)
        failed = np.log(realised / then)
        out[f"premium_failed_{n}"] = np.where(np.isfinite(failed), failed, np.nan)
    return out
