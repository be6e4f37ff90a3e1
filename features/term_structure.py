"""VIX term structure: Cboe's indices and the futures curve against each other and the VIX."""

from __future__ import annotations

from functools import partial

import numpy as np

from features.curve import constant_maturity, curve
from features.declare import Feature, family
from features.equity import CLOSE
from features.realized import realised_vol
from features.technical import WILDER_ROWS, rsi
from features.view import View
from features.windows import (
    Array,
    change,
    lag,
    on_observed,
    quiet,
    rolling_any,
    rolling_max,
    rolling_rank,
)

__all__ = ["EPISODE_CAP", "FEATURES", "GREEN_CI", "GREEN_IVTS", "compute", "episode_age"]

GREEN_CI = 0.035
GREEN_IVTS = 0.917
EPISODE_CAP = 126
# with fewer sessions left than this the front future is nearly the spot, and the next one is front
MIN_SESSIONS_LEFT = 5
VX = ("vix_futures",)
V30, V3M, V9D = "vol_indices.vix", "vol_indices.vix3m", "vol_indices.vix9d"

_f = partial(family, group="VIX term structure", timing=CLOSE)

FEATURES: list[Feature] = [
    *_f("vix_vix3m", definition="VIX / VIX3M", unit="ratio", inputs=(V30, V3M),
        reference="domain 3.8: IVTS"),
    *_f("vix_vix3m_chg_{n}", definition="change of VIX / VIX3M in {n} sessions", unit="ratio",
        inputs=(V30, V3M), lookback="n+1", reference="domain 3.8", n=(1, 5)),
    *_f("vix_vix3m_rank_{n}",
        definition="share of the {n} sessions before with a lower VIX / VIX3M", unit="0..1",
        inputs=(V30, V3M), lookback="n+1", reference="domain 3.8", n=(252,)),
    *_f("vix_vix3m_max_{n}", definition="highest VIX / VIX3M of {n} sessions", unit="ratio",
        inputs=(V30, V3M), lookback="n", reference="domain 3.4", n=(20,)),
    *_f("vix9d_vix", definition="VIX9D / VIX", unit="ratio", inputs=(V9D, V30),
        reference="issue: VIX9D/VIX"),
    *_f("vix9d_vix_chg_{n}", definition="change of VIX9D / VIX in {n} sessions", unit="ratio",
        inputs=(V9D, V30), lookback="n+1", reference="slope of the short end", n=(1, 5)),
    *_f("vix3m_vix6m", definition="VIX3M / VIX6M", unit="ratio", inputs=(V3M, "vol_indices.vix6m"),
        reference="long end of the curve"),
    *_f("vix1d_vix9d", definition="VIX1D / VIX9D; no history in the collected files", unit="ratio",
        inputs=("vol_indices.vix1d", V9D), reference="domain 3.5", trainable=False),
    *_f("vix_curvature", definition="log VIX9D - 2 log VIX + log VIX3M", unit="log points",
        inputs=(V9D, V30, V3M), reference="curvature of the index curve"),
    *_f("fwd_vol_30_93", definition="log(sqrt((93 VIX3M^2 - 30 VIX^2) / 63) / VIX)",
        unit="log ratio", inputs=(V30, V3M), reference="forward variance, additive in time"),
    *_f("fwd_vol_9_30", definition="log(sqrt((30 VIX^2 - 9 VIX9D^2) / 21) / VIX9D)",
        unit="log ratio", inputs=(V9D, V30), reference="forward variance, additive in time"),
    *_f("vx30_log", definition="log of the 30-day constant-maturity VIX future", unit="log points",
        inputs=VX, reference="domain 3.17"),
    *_f("vx30_chg_{n}", definition="log change of the 30-day future in {n} sessions",
        unit="log change", inputs=VX, lookback="n+1", reference="domain 3.17", n=(1, 5, 21)),
    *_f("vx30_basis", definition="log(30-day future / VIX)", unit="log ratio", inputs=(*VX, V30),
        reference="futures basis"),
    *_f("vx30_basis_chg_{n}", definition="change of log(30-day future / VIX) in {n} sessions",
        unit="log ratio", inputs=(*VX, V30), lookback="n+1", reference="futures basis", n=(5,)),
    *_f("vx2_vx1", definition="VX2 / VX1 - 1, first two monthly settlements", unit="fraction",
        inputs=VX, reference="domain 3.8"),
    *_f("vx4_vx2", definition="VX4 / VX2 - 1", unit="fraction", inputs=VX,
        reference="issue: VX4/VX2"),
    *_f("vx7_vx4", definition="VX7 / VX4 - 1", unit="fraction", inputs=VX,
        reference="mid-term slope, months 4 to 7"),
    *_f("vx_curvature", definition="log VX1 - 2 log VX2 + log VX3", unit="log points", inputs=VX,
        reference="curvature of the futures curve"),
    *_f("vix_vx1", definition="VIX / VX1", unit="ratio", inputs=(V30, *VX),
        reference="issue: VIX/VX1"),
    *_f("vx_contango",
        definition="F2 / F1 - 1, front = first expiry with at least 5 sessions left",
        unit="fraction", inputs=VX, reference="domain 3.8: CI"),
    *_f("vx_contango_chg_{n}", definition="change of F2 / F1 - 1 in {n} sessions", unit="fraction",
        inputs=VX, lookback="n+1", reference="domain 3.8", n=(5,)),
    *_f("vx_roll_yield", definition="log(VIX / F1) x 30 / days to expiry of F1: what a long front "
            "future earns in 30 days if nothing moves", unit="log return", inputs=(V30, *VX),
        reference="roll yield"),
    *_f("bw_f", definition="1 where VX1 > VX2", unit="flag", inputs=VX, reference="domain 3.18"),
    *_f("bw_c", definition="1 where VIX > VIX3M", unit="flag", inputs=(V30, V3M),
        reference="domain 3.18"),
    *_f("bw_s", definition="1 where VIX > VX1", unit="flag", inputs=(V30, *VX),
        reference="domain 3.18"),
    *_f("bw_f_age", definition="sessions in the bw_f episode, 0 outside, at most 126",
        unit="sessions", inputs=VX, lookback=EPISODE_CAP + 2,
        reference="domain 3.18: first true until 3 false in a row"),
    *_f("bw_c_age", definition="sessions in the bw_c episode, 0 outside, at most 126",
        unit="sessions", inputs=(V30, V3M), lookback=EPISODE_CAP + 2,
        reference="domain 3.18: first true until 3 false in a row"),
    *_f("bw_s_age", definition="sessions in the bw_s episode, 0 outside, at most 126",
        unit="sessions", inputs=(V30, *VX), lookback=EPISODE_CAP + 2,
        reference="domain 3.18: first true until 3 false in a row"),
    *_f("contango_light", definition="2 green: CI >= 3.5 % and VIX/VIX3M < 0.917; 0 red: CI < 0 "
            "or VIX/VIX3M >= 1; 1 yellow otherwise", unit="0, 1, 2", inputs=(V30, V3M, *VX),
        reference="domain 3.8"),
    *_f("rsi_vx30", definition="RSI14 (Wilder) of the 30-day constant-maturity future",
        unit="0..100", inputs=VX, lookback=WILDER_ROWS, recursive=True, reference="domain 3.17"),
    *_f("rsi_vx_slope", definition="RSI14 (Wilder) of F2 / F1", unit="0..100", inputs=VX,
        lookback=WILDER_ROWS, recursive=True, reference="domain 3.17"),
    *_f("vvix_log", definition="log VVIX", unit="log points", inputs=("vol_indices.vvix",),
        reference="Cboe VVIX"),
    *_f("vvix_chg_{n}", definition="log change of VVIX in {n} sessions", unit="log change",
        inputs=("vol_indices.vvix",), lookback="n+1", reference="Cboe VVIX", n=(5,)),
    *_f("vvix_rank_{n}", definition="share of the {n} sessions before with a lower VVIX",
        unit="0..1", inputs=("vol_indices.vvix",), lookback="n+1", reference="Cboe VVIX",
        n=(252,)),
    *_f("vvix_to_vix", definition="log(VVIX / VIX)", unit="log ratio",
        inputs=("vol_indices.vvix", V30), reference="VVIX high over a calm VIX is caution"),
    *_f("vvix_rsi", definition="RSI14 (Wilder) of VVIX", unit="0..100",
        inputs=("vol_indices.vvix",), lookback=WILDER_ROWS, recursive=True,
        reference="domain 3.17"),
    *_f("skew", definition="Cboe SKEW less 100", unit="index points", inputs=("vol_indices.skew",),
        reference="Cboe SKEW: 100 - 10 x risk-neutral skewness"),
    *_f("skew_chg_{n}", definition="change of SKEW in {n} sessions", unit="index points",
        inputs=("vol_indices.skew",), lookback="n+1", reference="Cboe SKEW", n=(5,)),
    *_f("skew_rank_{n}", definition="share of the {n} sessions before with a lower SKEW",
        unit="0..1", inputs=("vol_indices.skew",), lookback="n+1", reference="Cboe SKEW",
        n=(252,)),
    *_f("vrp_points", definition="VIX - rv_21", unit="vol points", inputs=(V30, "spx_bars"),
        lookback=22, reference="variance premium; domain 3.4"),
    *_f("vrp_variance", definition="(VIX^2 - rv_21^2) / 100", unit="percent^2 / 100",
        inputs=(V30, "spx_bars"), lookback=22, reference="Bollerslev, Tauchen and Zhou 2009"),
    *_f("vrp_log_{h}", definition="log(implied / realised vol) at {h}: VIX9D over rv_5, VIX over "
            "rv_21, VIX3M over rv_63", unit="log ratio", inputs=("vol_indices.{h}", "spx_bars"),
        lookback=64, reference="variance premium by horizon", h=("vix9d", "vix", "vix3m")),
    *_f("vrp_mixed", definition="log VIX - log sqrt((rv_5^2 + rv_21^2 + rv_63^2) / 3)",
        unit="log ratio", inputs=(V30, "spx_bars"), lookback=64,
        reference="implied against an equal-weight HAR forecast"),
    *_f("vrp_rank_{n}",
        definition="share of the {n} sessions before with a lower log(VIX / rv_21)", unit="0..1",
        inputs=(V30, "spx_bars"), lookback="n+23", reference="variance premium against its past",
        n=(252,)),
    *_f("edr_vix", definition="VIX / sqrt(252)", unit="percent a day", inputs=(V30,),
        reference="domain 3.5"),
    *_f("edr_1d", definition="VIX1D / sqrt(252); no history in the collected files",
        unit="percent a day", inputs=("vol_indices.vix1d",), reference="domain 3.5",
        trainable=False),
    *_f("edr_blend", definition="(0.1 VIX9D + 0.5 rv_20) / 0.6 / sqrt(252)", unit="percent a day",
        inputs=(V9D, "spx_bars"), lookback=21, reference="domain 3.5, m = 1"),
]  # fmt: skip


def episode_age(flag: Array) -> Array:
    """Sessions in an episode that runs from the first true until three false in a row.

    Parameters
    ----------
    flag : array
        0 or 1 without holes.

    Returns
    -------
    array
        0 outside an episode, 1 on its first session, at most `EPISODE_CAP`.
    """
    inside = rolling_any(flag, 3)
    age = np.zeros(len(flag))
    alive = np.ones(len(flag), dtype=bool)
    for k in range(EPISODE_CAP):
        alive = alive & (lag(inside, k) > 0)
        age += alive
    age[: EPISODE_CAP + 1] = np.nan
    return age


def _flag(above: Array, below: Array) -> Array:
    known = np.isfinite(above) & np.isfinite(below)
    return np.where(known, (above > below).astype(float), np.nan)


def compute(view: View) -> dict[str, Array]:
    """Compute the group.

    Notes
    -----
    *Timing:* row t reads index closes (16:20 New York) and settlements (17:00) of sessions to t.
    """
    with quiet():
        out = {**_indices(view), **_futures(view), **_premium(view)}
    return {k: np.where(np.isfinite(v), v, np.nan) for k, v in out.items()}


def _index(view: View, symbol: str) -> Array:
    return view.daily("vol_indices", "close", symbol=symbol)


def _indices(view: View) -> dict[str, Array]:
    vix, v9, v3, v6 = (_index(view, s) for s in ("vix", "vix9d", "vix3m", "vix6m"))
    v1, vvix, skew = (_index(view, s) for s in ("vix1d", "vvix", "skew"))
    ivts, short = vix / v3, v9 / vix
    out = {
        "vix_vix3m": ivts,
        "vix_vix3m_rank_252": on_observed(partial(rolling_rank, n=252), ivts, rows=253),
        "vix_vix3m_max_20": on_observed(partial(rolling_max, n=20), ivts, rows=20),
        "vix9d_vix": short,
        "vix3m_vix6m": v3 / v6,
        "vix1d_vix9d": v1 / v9,
        "vix_curvature": np.log(v9) - 2.0 * np.log(vix) + np.log(v3),
        "fwd_vol_30_93": 0.5 * np.log((93.0 * v3**2 - 30.0 * vix**2) / 63.0) - np.log(vix),
        "fwd_vol_9_30": 0.5 * np.log((30.0 * vix**2 - 9.0 * v9**2) / 21.0) - np.log(v9),
        "bw_c": _flag(vix, v3),
        "vvix_log": np.log(vvix),
        "vvix_chg_5": on_observed(partial(change, n=5), np.log(vvix), rows=6),
        "vvix_rank_252": on_observed(partial(rolling_rank, n=252), vvix, rows=253),
        "vvix_to_vix": np.log(vvix / vix),
        "vvix_rsi": on_observed(rsi, vvix, rows=WILDER_ROWS),
        "skew": skew - 100.0,
        "skew_chg_5": on_observed(partial(change, n=5), skew, rows=6),
        "skew_rank_252": on_observed(partial(rolling_rank, n=252), skew, rows=253),
        "edr_vix": vix / np.sqrt(252.0),
        "edr_1d": v1 / np.sqrt(252.0),
    }
    for n in (1, 5):
        out[f"vix_vix3m_chg_{n}"] = on_observed(partial(change, n=n), ivts, rows=n + 1)
        out[f"vix9d_vix_chg_{n}"] = on_observed(partial(change, n=n), short, rows=n + 1)
    out["bw_c_age"] = on_observed(episode_age, out["bw_c"], rows=EPISODE_CAP + 2)
    return out


def _futures(view: View) -> dict[str, Array]:
    vix, ivts = _index(view, "vix"), _index(view, "vix") / _index(view, "vix3m")
    months = curve(view)
    vx = {k: months.rank(k) for k in (1, 2, 3, 4, 7)}
    near = months.sessions_left < MIN_SESSIONS_LEFT
    front = np.where(near, vx[2], vx[1])
    contango = np.where(near, vx[3], vx[2]) / front - 1.0
    front_days = np.where(near, months.days[:, 1], months.days[:, 0])
    vx30 = constant_maturity(months)
    basis = np.log(vx30 / vix)
    out = {
        "vx30_log": np.log(vx30),
        "vx30_basis": basis,
        "vx30_basis_chg_5": on_observed(partial(change, n=5), basis, rows=6),
        "vx2_vx1": vx[2] / vx[1] - 1.0,
        "vx4_vx2": vx[4] / vx[2] - 1.0,
        "vx7_vx4": vx[7] / vx[4] - 1.0,
        "vx_curvature": np.log(vx[1]) - 2.0 * np.log(vx[2]) + np.log(vx[3]),
        "vix_vx1": vix / vx[1],
        "vx_contango": contango,
        "vx_contango_chg_5": on_observed(partial(change, n=5), contango, rows=6),
        "vx_roll_yield": np.log(vix / front) * 30.0 / front_days,
        "bw_f": _flag(vx[1], vx[2]),
        "bw_s": _flag(vix, vx[1]),
        "rsi_vx30": on_observed(rsi, vx30, rows=WILDER_ROWS),
        "rsi_vx_slope": on_observed(rsi, contango + 1.0, rows=WILDER_ROWS),
    }
    for n in (1, 5, 21):
        out[f"vx30_chg_{n}"] = on_observed(partial(change, n=n), np.log(vx30), rows=n + 1)
    for flag in ("bw_f", "bw_s"):
        out[f"{flag}_age"] = on_observed(episode_age, out[flag], rows=EPISODE_CAP + 2)
    green = (contango >= GREEN_CI) & (ivts < GREEN_IVTS)
    red = (contango < 0.0) | (ivts >= 1.0)
    light = np.where(red, 0.0, np.where(green, 2.0, 1.0))
    out["contango_light"] = np.where(np.isfinite(contango + ivts), light, np.nan)
    return out


def _premium(view: View) -> dict[str, Array]:
    log_close = np.log(view.daily("spx_bars", "close"))
    rv = {
        n: on_observed(partial(realised_vol, n=n), log_close, rows=n + 1) for n in (5, 20, 21, 63)
    }
    vix, v9, v3 = (_index(view, s) for s in ("vix", "vix9d", "vix3m"))
    log_premium = np.log(vix / rv[21])
    mixed = np.sqrt((rv[5] ** 2 + rv[21] ** 2 + rv[63] ** 2) / 3.0)
    return {
        "vrp_points": vix - rv[21],
        "vrp_variance": (vix**2 - rv[21] ** 2) / 100.0,
        "vrp_log_vix9d": np.log(v9 / rv[5]),
        "vrp_log_vix": log_premium,
        "vrp_log_vix3m": np.log(v3 / rv[63]),
        "vrp_mixed": np.log(vix / mixed),
        "vrp_rank_252": on_observed(partial(rolling_rank, n=252), log_premium, rows=253),
        "edr_blend": (0.1 * v9 + 0.5 * rv[20]) / 0.6 / np.sqrt(252.0),
    }
