"""Conjunctions across markets: cascades against the A/D line, the VIX curve, and each other."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.bars import BASES, reference
from features.crypto_flows import DAY, HOURS_A_YEAR, hourly_return
from features.crypto_technicals import FRAMES, signal_hours
from features.declare import Feature, family
from features.realized import daily_return
from features.tails import at_rows, tail_mean
from features.view import View
from features.windows import (
    Array,
    Flags,
    lag,
    on_observed,
    quiet,
    rolling_max,
    rolling_mean,
    rolling_sum,
)

__all__ = ["FEATURES", "compute"]

AD = ("breadth", "spx_bars")
CASC = ("perp_bars", "open_interest")
VX = ("vix_futures",)
LIQ = ("liquidation_totals",)
VIX = ("vol_indices.vix",)
TIMING = "all parts as known at the cut-off of session t"

_f = partial(family, group="cross-asset", timing=TIMING)

FEATURES: list[Feature] = [
    *_f("cascade_accelerates", definition="1 where BTC and ETH cascades of 3 days come faster "
            "than those of 21 days and at least 2 began in 7 days", unit="flag", inputs=CASC,
        reference="domain 3.15: cascade_accel, from hourly cascades"),
    *_f("divergence_ew", definition="1 where cascades accelerate and the A/D line holds",
        unit="flag", inputs=(*CASC, "breadth"), lookback=269,
        reference="domain 3.15: early warning"),
    *_f("confirmed",
        definition="1 where a cascade began in 7 days and the A/D line confirms weakness",
        unit="flag", inputs=(*CASC, "breadth"), lookback=269, reference="domain 3.15"),
    *_f("casc_rel_rsi", definition="z90(log(liquidations of 7 days / open interest)), all coins, "
            "x (rsi_vx30 - 50) / 50", unit="z", inputs=LIQ + VX, lookback=187, recursive=True,
        reference="domain 3.17"),
    *_f("casc_in_backwardation",
        definition="BTC and ETH cascades of 7 days while VX1 > VX2, else 0", unit="cascades",
        inputs=CASC + VX, reference="domain 3.18: Second alarm of the article"),
    *_f("casc_in_inversion", definition="BTC and ETH cascades of 7 days while VIX > VIX3M, else 0",
        unit="cascades", inputs=(*CASC, *VIX, "vol_indices.vix3m"), reference="domain 3.18"),
    *_f("defensive_setup",
        definition="1 where at least 2 cascades began in 7 days and the light is red or VX1 > VX2",
        unit="flag", inputs=(*CASC, *VX, *VIX, "vol_indices.vix3m"),
        reference="domain 3.22: DEFENSIVE, its cascade part"),
    *_f("confirmation_window", definition="1 where a MACD-exhaustion signal of BTC or ETH on any "
            "bar length stood on session t or the one before", unit="flag", inputs=("perp_bars",),
        lookback=2, reference="article: opens a window of 2 sessions"),
    *_f("confirmation_holds", definition="1 where that window is open and the A/D line holds, -1 "
            "where it confirms weakness, else 0", unit="-1, 0, 1", inputs=("perp_bars", "breadth"),
        lookback=269, reference="domain 3.15, 3.16"),
    *_f("cash_press", definition="[max20 VIX >= 20 and VIX <= 0.85 of it] + [VIX/VIX3M < 0.95 and "
            "its 20-session maximum >= 1] + [VIX - rv_21 >= 3]", unit="0..3",
        inputs=(*VIX, "vol_indices.vix3m", "spx_bars"), lookback=22, reference="domain 3.4"),
    *_f("cash_press_on", definition="1 where cash_press is at least 2", unit="flag",
        inputs=(*VIX, "vol_indices.vix3m", "spx_bars"), lookback=22, reference="domain 3.4"),
    *_f("vote_{frame}", definition="+1 fear, -1 calm of crypto on {frame} bars: mean sign of (50 "
            "- RSI14) and of -MACD histogram of BTC and ETH, rounded to a majority",
        unit="-1, 0, 1", inputs=("perp_bars",), reference="domain 3.10: timeframes vote",
        frame=("1h", "4h", "1d")),
    *_f("vote_equity_day", definition="+1 fear, -1 calm of SPX and VIX on daily bars: majority of "
            "RSI(SPX) < 50, MACD(SPX) < 0, RSI(VIX) > 50, A/D under its EMA21", unit="-1, 0, 1",
        inputs=("spx_bars", *VIX, "breadth"), lookback=269, reference="domain 3.10"),
    *_f("vote_equity_week",
        definition="the same on completed weeks: RSI(SPX), MACD(SPX), RSI(VIX)", unit="-1, 0, 1",
        inputs=("spx_bars", *VIX), lookback=1210, reference="domain 3.10"),
    *_f("vote_macro", definition="majority of wacc_stress_z > 0, 21-session high-yield change > "
            "0, usd_chg20 > 0", unit="-1, 0, 1", inputs=("rates.dgs10", "rates.hy_oas", "dollar"),
        lookback=273, reference="domain 3.10"),
    *_f("votes", definition="sum of the known votes", unit="-6..6", inputs=("spx_bars", *VIX),
        lookback=1210, reference="domain 3.10: false binary"),
    *_f("votes_split", definition="share of the known votes that disagree with the majority",
        unit="0..1", inputs=("spx_bars", *VIX), lookback=1210,
        reference="domain 3.10: false binary"),
    *_f("{b}_spx_correlation_{n}",
        definition="correlation of coin and SPX returns from US close to US close, {n} sessions",
        unit="-1..1", inputs=("perp_bars", "spx_bars"), lookback="n+1",
        reference="coupling of the two markets", b=("btc", "eth"), n=(63,)),
    *_f("{b}_spx_beta_{n}",
        definition="slope of SPX returns on coin returns from US close to US close, {n} sessions",
        unit="ratio", inputs=("perp_bars", "spx_bars"), lookback="n+1",
        reference="coupling of the two markets", b=("btc", "eth"), n=(63,)),
    *_f("btc_implied_gap", definition="btc_spx_beta_63 x BTC return since the US close, in "
            "implied daily moves of SPX", unit="implied moves",
        inputs=("perp_bars", "spx_bars", *VIX), lookback=64,
        reference="what the closed window says about the open"),
    *_f("crypto_equity_vol", definition="log(btc_rv_7d / VIX)", unit="log ratio",
        inputs=("perp_bars", *VIX), reference="crypto stress against equity fear"),
    *_f("crypto_equity_vol_chg_{n}", definition="change of log(btc_rv_7d / VIX) in {n} sessions",
        unit="log ratio", inputs=("perp_bars", *VIX), lookback="n+1",
        reference="crypto stress against equity fear", n=(5,)),
    *_f("joint_falls_{n}", definition="sessions of {n} on which SPX and BTC both fell",
        unit="sessions", inputs=("perp_bars", "spx_bars"), lookback="n+1",
        reference="risk off in both markets", n=(10,)),
    *_f("casc_quiet_vix", definition="1 where a cascade began in 7 days and the VIX is under 15",
        unit="flag", inputs=(*CASC, *VIX), reference="article: a warning before the VIX moves"),
]  # fmt: skip


def compute(view: View, made: dict[str, Array]) -> dict[str, Array]:
    """Compute the group from the columns of the other groups.

    Parameters
    ----------
    view : View
        As-of tables.
    made : dict of arrays
        Columns of the groups before, on the view's session grid.

    Notes
    -----
    *Timing:* row t joins columns of row t, each as known at its cut-off.
    """
    with quiet():
        out = {**_cascades(view, made), **_press(view), **_votes(made)}
        out.update(_coupling(view, made))
    return {k: np.where(np.isfinite(v), v, np.nan) for k, v in out.items()}


def _flag(test: Flags, *needs: Array) -> Array:
    known = np.isfinite(needs[0])
    for need in needs[1:]:
        known &= np.isfinite(need)
    return np.where(known, test.astype(float), np.nan)


def _cascades(view: View, made: dict[str, Array]) -> dict[str, Array]:
    count = made["btc_casc_n_7d"] + made["eth_casc_n_7d"]
    faster = made["btc_casc_acceleration"] + made["eth_casc_acceleration"]
    accelerates = _flag((faster > 0) & (count >= 2), faster, count)
    holds, weak = made["ad_holds"], made["ad_confirm"]
    inverted, light = made["bw_f"], made["contango_light"]
    opened = _window_open(view)
    return {
        "cascade_accelerates": accelerates,
        "divergence_ew": _flag((accelerates > 0) & (holds > 0), accelerates, holds),
        "confirmed": _flag((count > 0) & (weak > 0), count, weak),
        "casc_rel_rsi": made["all_liq_z"] * (made["rsi_vx30"] - 50.0) / 50.0,
        "casc_in_backwardation": count * inverted,
        "casc_in_inversion": count * made["bw_c"],
        "defensive_setup": _flag(
            (count >= 2) & ((inverted > 0) | (light == 0)), count, inverted, light
        ),
        "confirmation_window": opened,
        "confirmation_holds": np.where(opened > 0, holds - weak, opened),
        "casc_quiet_vix": _flag(
            (count > 0) & (made["vix_log"] < np.log(15.0)), count, made["vix_log"]
        ),
    }


def _window_open(view: View) -> Array:
    """Whether a signal stands at the cut-off or stood on the evening of the session before."""
    before = np.append(-1, view.hour_of_evening()[:-1])
    opened = np.full(len(view.grid), np.nan)
    for base in BASES:
        for frame in FRAMES:
            signal = signal_hours(view, base, frame)["macd_exhaustion"]
            opened = np.fmax(opened, view.at_cutoff(signal))
            opened = np.fmax(opened, at_rows(signal, before))
    return np.where(view.hour_of_cutoff() >= 0, opened, np.nan)


def _press(view: View) -> dict[str, Array]:
    vix = view.daily("vol_indices", "close", symbol="vix")
    ratio = vix / view.daily("vol_indices", "close", symbol="vix3m")
    top = on_observed(partial(rolling_max, n=20), vix, rows=20)
    steepest = on_observed(partial(rolling_max, n=20), ratio, rows=20)
    square = daily_return(view) ** 2
    realised = 100.0 * np.sqrt(252.0 * on_observed(partial(rolling_mean, n=21), square, rows=21))
    press = (
        ((top >= 20.0) & (vix <= 0.85 * top)).astype(float)
        + ((ratio < 0.95) & (steepest >= 1.0))
        + (vix - realised >= 3.0)
    )
    press = np.where(np.isfinite(top + steepest + realised), press, np.nan)
    return {"cash_press": press, "cash_press_on": _flag(press >= 2, press)}


def _majority(signs: list[Array]) -> Array:
    """Sign of the sum of the known signs; NaN when none is known."""
    total, count = np.zeros(len(signs[0])), np.zeros(len(signs[0]))
    for sign in signs:
        known = np.isfinite(sign)
        total = total + np.where(known, sign, 0.0)
        count = count + known
    return np.where(count > 0, np.sign(total), np.nan)


def _votes(made: dict[str, Array]) -> dict[str, Array]:
    out: dict[str, Array] = {}
    for frame in ("1h", "4h", "1d"):
        signs = []
        for coin in ("btc", "eth"):
            signs.append(np.sign(50.0 - made[f"{coin}_rsi_{frame}"]))
            signs.append(-np.sign(made[f"{coin}_macd_{frame}"]))
        out[f"vote_{frame}"] = _majority(signs)
    out["vote_equity_day"] = _majority(
        [
            np.sign(50.0 - made["spx_rsi"]),
            -np.sign(made["spx_macd_hist"]),
            np.sign(made["vix_rsi"] - 50.0),
            -np.sign(made["ad_line_gap"]),
        ]
    )
    out["vote_equity_week"] = _majority(
        [
            np.sign(50.0 - made["spx_rsi_weekly"]),
            -np.sign(made["spx_macd_hist_weekly"]),
            np.sign(made["vix_rsi_weekly"] - 50.0),
        ]
    )
    out["vote_macro"] = _majority(
        [np.sign(made[name]) for name in ("wacc_stress_z", "hy_oas_chg_21", "usd_chg20")]
    )
    every = list(out.values())
    total, against, count = (np.zeros(len(every[0])) for _ in range(3))
    for vote in every:
        total = total + np.where(np.isfinite(vote), vote, 0.0)
        count = count + np.isfinite(vote)
    for vote in every:
        against = against + (vote * np.sign(total) < 0)
    out["votes"] = np.where(count > 0, total, np.nan)
    out["votes_split"] = np.where(count > 0, against / np.maximum(count, 1), np.nan)
    return out


def _coupling(view: View, made: dict[str, Array]) -> dict[str, Array]:
    r = daily_return(view)
    vix = view.daily("vol_indices", "close", symbol="vix")
    close_row = view.hour_of_close()
    out: dict[str, Array] = {}
    falls = view.nan()
    for base in BASES:
        coin = base.lower()
        at_close = at_rows(np.log(reference(view, base).close), close_row)
        step = on_observed(lambda x: x - lag(x, 1), at_close, rows=2)
        correlation, beta = _moments(step, r)
        out[f"{coin}_spx_correlation_63"], out[f"{coin}_spx_beta_63"] = correlation, beta
        if coin == "btc":
            falls = _flag((step < 0) & (r < 0), step, r)
    implied = vix / np.sqrt(252.0) / 100.0
    out["btc_implied_gap"] = out["btc_spx_beta_63"] * made["cw_btc_ret"] / implied
    ratio = np.log(made["btc_rv_7d"] / vix)
    out["crypto_equity_vol"] = ratio
    # the evening is there at every moment, the cut-off of an earlier session is not
    square = hourly_return(reference(view, "BTC")) ** 2
    hourly = tail_mean(square, view.hour_of_evening(), 7 * DAY)
    evening = np.log(100.0 * np.sqrt(HOURS_A_YEAR * hourly) / vix)
    out["crypto_equity_vol_chg_5"] = ratio - lag(evening, 5)
    out["joint_falls_10"] = on_observed(partial(rolling_sum, n=10), falls, rows=10)
    return out


def _moments(x: Array, y: Array) -> tuple[Array, Array]:
    n = 63

    def both(a: Array, b: Array) -> Array:
        cross = rolling_mean(a * b, n) - rolling_mean(a, n) * rolling_mean(b, n)
        return cross / np.sqrt(
            (rolling_mean(a * a, n) - rolling_mean(a, n) ** 2)
            * (rolling_mean(b * b, n) - rolling_mean(b, n) ** 2)
        )

    def slope(a: Array, b: Array) -> Array:
        cross = rolling_mean(a * b, n) - rolling_mean(a, n) * rolling_mean(b, n)
        return cross / (rolling_mean(a * a, n) - rolling_mean(a, n) ** 2)

    return on_observed(both, x, y, rows=n), on_observed(slope, x, y, rows=n)
