"""Breadth: how many issues take part, and whether the A/D line confirms the index."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.declare import Feature, family
from features.equity import CLOSE
from features.realized import daily_return
from features.tables import BREADTH_PRECEDENCE
from features.view import View
from features.windows import (
    START_WEIGHT,
    Array,
    Flags,
    change,
    ema,
    ema_weights,
    fir,
    on_observed,
    quiet,
    rolling_max,
    rolling_mean,
    rolling_min,
    rolling_std,
    rolling_sum,
    rolling_z,
)

__all__ = ["FEATURES", "compute", "gap_to_ema", "line_shortfall", "mcclellan", "net_advances",
           "summation"]  # fmt: skip

IN = ("breadth",)
FAST, SLOW = 0.10, 0.05
MCCLELLAN_ROWS = len(ema_weights(SLOW))
EMA21 = 2.0 / 22.0
EMA21_ROWS = len(ema_weights(EMA21))
SIGMA_ROWS = 252
HOLD_ROWS = SIGMA_ROWS + 4
DIVERGENCE_DAYS = 5
ZWEIG_ALPHA = 2.0 / 11.0
ZWEIG_ROWS = len(ema_weights(ZWEIG_ALPHA))

TIMING = (
    CLOSE + "; A/D counts at 17:30. Where the NYSE has none (2015-11-12 to 2017-01-02, from "
    "2020-02-11 on) they count today's S&P 500 members: survivorship-biased"
)

_f = partial(family, group="breadth", inputs=IN, timing=TIMING)

FEATURES: list[Feature] = [
    *_f("advance_share", definition="advances / (advances + declines)", unit="0..1",
        reference="domain 3.15; precedence NYSE, then S&P 500 members"),
    *_f("advance_share_{n}", definition="mean advance share of {n} sessions", unit="0..1",
        lookback="n", reference="domain 3.15", n=(5, 21)),
    *_f("ad_line_z_{n}", definition="sum of b = (adv - dec) / (adv + dec) over {n} sessions in "
            "standard deviations of that sum over 252", unit="sd", lookback="n+251",
        reference="domain 3.15", n=(5,)),
    *_f("ad_line_gap", definition="A/D line less its 21-session exponential average, over the "
            "standard deviation of its 5-session change", unit="sd",
        lookback=max(EMA21_ROWS, HOLD_ROWS), recursive=True, reference="domain 3.15"),
    *_f("ad_line_trend_{n}", definition="A/D line less its mean of {n} sessions, over the "
            "standard deviation of its 5-session change", unit="sd", lookback=HOLD_ROWS,
        reference="Potomac: line against its 50-day mean", n=(50,)),
    *_f("ad_holds", definition="1 where AD >= EMA21(AD) and the 5-session sum of b > -0.5 sd",
        unit="flag", lookback=max(EMA21_ROWS, HOLD_ROWS), recursive=True, reference="domain 3.15"),
    *_f("ad_confirm", definition="1 where AD < EMA21(AD) and the 5-session sum of b < -1 sd",
        unit="flag", lookback=max(EMA21_ROWS, HOLD_ROWS), recursive=True, reference="domain 3.15"),
    *_f("ad_div_bear", definition="1 where for 5 sessions running SPX made a 20-session high "
            "within 5 sessions and AD lies more than 1 sd under its own 20-session high",
        unit="flag", inputs=(*IN, "spx_bars"), lookback=HOLD_ROWS + 20, reference="domain 3.15"),
    *_f("ad_div_days", definition="sessions of the last 10 on which that condition held",
        unit="sessions", inputs=(*IN, "spx_bars"), lookback=HOLD_ROWS + 20,
        reference="domain 3.15: persistence"),
    *_f("ad_index_split", definition="1 where SPX is above its 50-session mean and AD below its "
            "own, -1 the other way round, else 0", unit="-1, 0, 1", inputs=(*IN, "spx_bars"),
        lookback=50, reference="Potomac breadth note"),
    *_f("mcclellan", definition="1000 x (10 % exponential average of b - 5 % average)",
        unit="points", lookback=MCCLELLAN_ROWS, recursive=True,
        reference="McClellan, ratio-adjusted"),
    *_f("mcclellan_summation", definition="19 x 5 % average - 9 x 10 % average of 1000 b: the "
            "running sum of the oscillator up to a constant", unit="points",
        lookback=MCCLELLAN_ROWS, recursive=True,
        reference="Miekka's closed form of the summation index"),
    *_f("mcclellan_summation_chg_{n}", definition="change of the summation index in {n} sessions",
        unit="points", lookback=MCCLELLAN_ROWS + 5, recursive=True, reference="McClellan", n=(5,)),
    *_f("zweig_ema", definition="10-session exponential average of the advance share", unit="0..1",
        lookback=ZWEIG_ROWS, recursive=True, reference="Zweig 1986"),
    *_f("zweig_thrust", definition="1 where that average stands at or above 0.615 and was at or "
            "below 0.40 within the 10 sessions before", unit="flag", lookback=ZWEIG_ROWS + 10,
        recursive=True, reference="Zweig 1986"),
    *_f("high_low_share",
        definition="(new highs - new lows) / (advances + declines) of one universe", unit="-1..1",
        reference="new highs minus lows; NYSE from 2005-10, S&P 500 after 2015-11"),
    *_f("high_low_share_{n}", definition="mean of that share over {n} sessions", unit="-1..1",
        lookback="n", reference="new highs minus lows", n=(10,)),
    *_f("high_low_split", definition="smaller of new highs and new lows over issues", unit="0..1",
        reference="Hindenburg condition: both at once"),
    *_f("up_volume_share", definition="up volume / (up + down volume)", unit="0..1",
        reference="issue: up-volume share"),
    *_f("up_volume_share_{n}", definition="mean up-volume share of {n} sessions", unit="0..1",
        lookback="n", reference="issue: up-volume share", n=(10,)),
    *_f("down_ninety_{n}", definition="sessions of {n} with at least 90 % of the volume down",
        unit="sessions", lookback="n", reference="Lowry, 90 % days", n=(21,)),
    *_f("arms_log", definition="log((adv / dec) / (up volume / down volume))", unit="log ratio",
        reference="Arms 1967 (TRIN)"),
    *_f("arms_log_{n}", definition="mean of log TRIN over {n} sessions", unit="log ratio",
        lookback="n", reference="Arms 1967, open TRIN", n=(10,)),
    *_f("above_ma200", definition="S&P 500 members above their 200-session mean", unit="0..1",
        reference="survivorship-biased: today's members"),
    *_f("above_ma50", definition="S&P 500 members above their 50-session mean", unit="0..1",
        reference="survivorship-biased: today's members"),
    *_f("above_ma50_chg_{n}", definition="change of that share in {n} sessions", unit="share",
        lookback="n+1", reference="survivorship-biased: today's members", n=(5,)),
    *_f("breadth_surprise", definition="advance share less what the same session's SPX return "
            "explains over 252 sessions", unit="share", inputs=(*IN, "spx_bars"), lookback=253,
        reference="breadth worse than the index"),
    *_f("breadth_dispersion_{n}", definition="standard deviation of b over {n} sessions",
        unit="share", lookback="n", reference="one-sided days follow each other in stress",
        n=(21,)),
    *_f("breadth_z_{n}", definition="z of b in {n} sessions", unit="z", lookback="n",
        reference="domain 3.15", n=(63,)),
]  # fmt: skip


def net_advances(view: View) -> Array:
    """Per-issue net advances b = (adv - dec) / (adv + dec), by the precedence of universes."""

    def make() -> Array:
        with quiet():
            up, down = first_known(view, "advances", "declines")
            return (up - down) / np.where(up + down > 0, up + down, np.nan)

    return view.make("net_advances", make)


def first_known(view: View, *columns: str) -> tuple[Array, ...]:
    """Columns of the first universe, in the order of precedence, that has all of them."""
    orders = [BREADTH_PRECEDENCE[column] for column in columns]
    universes = [u for u in orders[0] if all(u in order for order in orders)]
    out = [view.nan() for _ in columns]
    for universe in universes:
        values = [view.daily("breadth", column, universe=universe) for column in columns]
        use = np.isnan(out[0])
        for value in values:
            use &= np.isfinite(value)
        for into, value in zip(out, values, strict=True):
            into[use] = value[use]
    return tuple(out)


def mcclellan(b: Array) -> Array:
    """McClellan oscillator of ratio-adjusted net advances, in points.

    Parameters
    ----------
    b : array
        (advances - declines) / (advances + declines) without holes.
    """
    return 1000.0 * (ema(b, FAST) - ema(b, SLOW))


def summation(b: Array) -> Array:
    """McClellan summation index with the constant that makes it independent of its start.

    Notes
    -----
    The oscillator's running sum telescopes: ``sum = 19 E(5 %) - 9 E(10 %) + constant``. Dropping
    the constant leaves a level with finite memory, neutral at 0.
    """
    return 1000.0 * (19.0 * ema(b, SLOW) - 9.0 * ema(b, FAST))


def gap_to_ema(b: Array, alpha: float) -> Array:
    """A/D line less its exponential average, from the increments alone.

    Notes
    -----
    ``AD_t - AD_t-k`` is the sum of the last k increments, so the gap is a weighted sum of the
    increments with the weight that lies beyond each of them. The level of the line, which
    depends on where it started, is never formed.
    """
    weights = ema_weights(alpha, start_weight=START_WEIGHT)
    beyond = np.cumsum(weights[::-1])[::-1][1:]
    return fir(b, np.append(beyond, 0.0))


def line_shortfall(b: Array, n: int) -> Array:
    """How far the A/D line lies under its highest value of `n` sessions (0 at the high)."""
    out = np.full(len(b), np.nan)
    if len(b) < n:
        return out
    worst = np.zeros(len(b) - n + 1)
    since = np.zeros(len(b) - n + 1)
    for k in range(n - 1):
        since = since + b[n - 1 - k : len(b) - k]
        worst = np.minimum(worst, since)
    out[n - 1 :] = -worst
    return out


def compute(view: View) -> dict[str, Array]:
    """Compute the group.

    Notes
    -----
    *Timing:* row t reads counts of sessions up to t. Every value is a ratio within one universe,
    so a change of universe changes the noise, not the level.
    """
    with quiet():
        out = {**_line(view), **_participation(view)}
    return {k: np.where(np.isfinite(v), v, np.nan) for k, v in out.items()}


def _both(a: Array, b: Array, test: Flags) -> Array:
    return np.where(np.isfinite(a) & np.isfinite(b), test.astype(float), np.nan)


def _line(view: View) -> dict[str, Array]:
    b = net_advances(view)
    share = (1.0 + b) / 2.0
    sum5 = on_observed(partial(rolling_sum, n=5), b, rows=5)
    sigma = on_observed(partial(rolling_std, n=SIGMA_ROWS), sum5, rows=SIGMA_ROWS)
    gap = on_observed(partial(gap_to_ema, alpha=EMA21), b, rows=EMA21_ROWS)
    trend = on_observed(lambda x: fir(x, np.arange(49, -1, -1) / 50.0), b, rows=50)
    shortfall = on_observed(partial(line_shortfall, n=20), b, rows=20)
    close = view.daily("spx_bars", "close")
    top = on_observed(partial(rolling_max, n=20), close, rows=20)
    high = np.where(np.isfinite(top), (close >= top).astype(float), np.nan)
    recent_high = on_observed(partial(rolling_max, n=5), high, rows=5)
    apart = _both(recent_high, shortfall / sigma, (recent_high > 0) & (shortfall > sigma))
    running = on_observed(partial(rolling_min, n=DIVERGENCE_DAYS), apart, rows=DIVERGENCE_DAYS)
    mean50 = on_observed(partial(rolling_mean, n=50), close, rows=50)
    index_up = np.sign(close - mean50)
    split = np.where(index_up * trend < 0, index_up, 0.0)
    zweig = on_observed(partial(ema, alpha=ZWEIG_ALPHA), share, rows=ZWEIG_ROWS)
    low10 = on_observed(partial(rolling_min, n=10), zweig, rows=10)
    index_sum = on_observed(summation, b, rows=MCCLELLAN_ROWS)
    out = {
        "advance_share": share,
        "ad_line_z_5": sum5 / sigma,
        "ad_line_gap": gap / sigma,
        "ad_line_trend_50": trend / sigma,
        "ad_holds": _both(gap, sum5 / sigma, (gap >= 0) & (sum5 > -0.5 * sigma)),
        "ad_confirm": _both(gap, sum5 / sigma, (gap < 0) & (sum5 < -1.0 * sigma)),
        "ad_div_bear": running,
        "ad_div_days": on_observed(partial(rolling_sum, n=10), apart, rows=10),
        "ad_index_split": np.where(np.isfinite(trend + mean50), split, np.nan),
        "mcclellan": on_observed(mcclellan, b, rows=MCCLELLAN_ROWS),
        "mcclellan_summation": index_sum,
        "mcclellan_summation_chg_5": on_observed(partial(change, n=5), index_sum, rows=6),
        "zweig_ema": zweig,
        "zweig_thrust": _both(zweig, low10, (zweig >= 0.615) & (low10 <= 0.40)),
        "breadth_dispersion_21": on_observed(partial(rolling_std, n=21), b, rows=21),
        "breadth_z_63": on_observed(partial(rolling_z, n=63), b, rows=63),
        "breadth_surprise": _surprise(view, share),
    }
    for n in (5, 21):
        out[f"advance_share_{n}"] = on_observed(partial(rolling_mean, n=n), share, rows=n)
    return out


def _surprise(view: View, share: Array) -> Array:
    def residual(y: Array, x: Array) -> Array:
        n = SIGMA_ROWS
        mean_x, mean_y = rolling_mean(x, n), rolling_mean(y, n)
        cross = rolling_mean(x * y, n) - mean_x * mean_y
        slope = cross / (rolling_mean(x * x, n) - mean_x**2)
        return y - mean_y - slope * (x - mean_x)

    return on_observed(residual, share, daily_return(view), rows=SIGMA_ROWS)


def _participation(view: View) -> dict[str, Array]:
    highs, lows, up, down = first_known(view, "new_highs", "new_lows", "advances", "declines")
    issues = np.where(up + down > 0, up + down, np.nan)
    high_low = (highs - lows) / issues
    up_volume, down_volume, adv, dec = first_known(
        view, "up_volume", "down_volume", "advances", "declines"
    )
    volume = np.where(up_volume + down_volume > 0, up_volume + down_volume, np.nan)
    share = up_volume / volume
    ninety = np.where(np.isfinite(share), (share <= 0.10).astype(float), np.nan)
    arms = np.log((adv / dec) / (up_volume / down_volume))
    arms = np.where(np.isfinite(arms), arms, np.nan)
    above200, members = first_known(view, "n_above_ma200", "n_ma200")
    above50, _ = first_known(view, "n_above_ma50", "n_ma200")
    members = np.where(members > 0, members, np.nan)
    above50 = above50 / members
    return {
        "high_low_share": high_low,
        "high_low_share_10": on_observed(partial(rolling_mean, n=10), high_low, rows=10),
        "high_low_split": np.minimum(highs, lows) / issues,
        "up_volume_share": share,
        "up_volume_share_10": on_observed(partial(rolling_mean, n=10), share, rows=10),
        "down_ninety_21": on_observed(partial(rolling_sum, n=21), ninety, rows=21),
        "arms_log": arms,
        "arms_log_10": on_observed(partial(rolling_mean, n=10), arms, rows=10),
        "above_ma200": above200 / members,
        "above_ma50": above50,
        "above_ma50_chg_5": on_observed(partial(change, n=5), above50, rows=6),
    }
