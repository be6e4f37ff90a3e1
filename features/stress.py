"""Stress and value: cost of capital, credit, rates, the dollar, and what the index costs."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import numpy as np

from features.asof import DAY_US, as_known
from features.declare import Feature, family
from features.freshness import SLOW_LIMIT_DAYS
from features.view import View
from features.windows import (
    Array,
    change,
    on_observed,
    quiet,
    rolling_rank,
    rolling_std,
    rolling_z,
)

__all__ = ["EQUITY_PREMIUM_PCT", "FEATURES", "compute", "cost_of_capital"]

# No premium series is stored, so it is a constant: it sets the level of `wacc` and leaves every
# change of it, and so the stress score, alone.
EQUITY_PREMIUM_PCT = 4.5
EQUITY_WEIGHT, TAX = 0.80, 0.21
STRESS_Z = 1.5
VALUE_MONTHS, MEDIAN_MONTHS = 120, 60

SLOWLY = "newest value available at 18:00 New York of session t, null when it is too old"
DEBT = ("rates.dgs10", "rates.baa", "rates.hy_oas")

_f = partial(family, group="stress and value", timing=SLOWLY)

FEATURES: list[Feature] = [
    *_f("wacc", definition="0.80 (DGS10 + 4.5) + 0.20 x cost of debt x (1 - 0.21); cost of debt "
            "is Moody's Baa to 2018, DGS10 + high-yield spread after it (proxy)", unit="percent",
        inputs=DEBT, reference="domain 3.12; constant equity premium"),
    *_f("wacc_stress_z", definition="21-session change of WACC, cost of debt from one source, "
            "over the standard deviation of such changes in 252 sessions", unit="z", inputs=DEBT,
        lookback=273, reference="domain 3.12"),
    *_f("wacc_stress", definition="1 where wacc_stress_z > 1.5", unit="flag", inputs=DEBT,
        lookback=273, reference="domain 3.12"),
    *_f("hy_oas", definition="high-yield option-adjusted spread", unit="percent",
        inputs=("rates.hy_oas",), reference="ICE BofA via FRED BAMLH0A0HYM2"),
    *_f("hy_oas_chg_{n}", definition="change of the high-yield spread in {n} sessions",
        unit="percent points", inputs=("rates.hy_oas",), lookback="n+1",
        reference="credit spread change", n=(5, 21)),
    *_f("hy_oas_z_{n}", definition="z of the high-yield spread in {n} sessions", unit="z",
        inputs=("rates.hy_oas",), lookback="n", reference="credit spread", n=(252,)),
    *_f("ig_oas", definition="investment-grade spread; starts in 2023 in the collected files",
        unit="percent", inputs=("rates.ig_oas",), reference="ICE BofA via FRED BAMLC0A0CM"),
    *_f("baa_spread", definition="Moody's Baa less DGS10, to 2018", unit="percent",
        inputs=("rates.baa", "rates.dgs10"), reference="domain 3.12: Baa - 10y"),
    *_f("baa_aaa", definition="Moody's Baa less Aaa, to 2018", unit="percent",
        inputs=("rates.baa", "rates.aaa"), reference="default spread, Fama and French 1989"),
    *_f("curve_2_10", definition="10-year less 2-year yield", unit="percent",
        inputs=("rates.t10y2y",), reference="FRED T10Y2Y"),
    *_f("curve_3m_10", definition="10-year less 3-month yield", unit="percent",
        inputs=("rates.t10y3m",), reference="FRED T10Y3M"),
    *_f("curve_3m_10_chg_{n}", definition="change of that slope in {n} sessions",
        unit="percent points", inputs=("rates.t10y3m",), lookback="n+1", reference="FRED T10Y3M",
        n=(21,)),
    *_f("dgs10_chg_{n}", definition="change of the 10-year yield in {n} sessions",
        unit="percent points", inputs=("rates.dgs10",), lookback="n+1", reference="FRED DGS10",
        n=(5, 21)),
    *_f("dgs2_chg_{n}", definition="change of the 2-year yield in {n} sessions",
        unit="percent points", inputs=("rates.dgs2",), lookback="n+1", reference="FRED DGS2",
        n=(21,)),
    *_f("rates_vol_{n}",
        definition="standard deviation of daily DGS10 changes, {n} sessions, a year",
        unit="percent points a year", inputs=("rates.dgs10",), lookback="n+1",
        reference="realised bond volatility, in place of MOVE", n=(21,)),
    *_f("real_yield_chg_{n}", definition="change of the 10-year real yield in {n} sessions",
        unit="percent points", inputs=("rates.dfii10",), lookback="n+1", reference="FRED DFII10",
        n=(21,)),
    *_f("breakeven_chg_{n}", definition="change of 10-year break-even inflation in {n} sessions",
        unit="percent points", inputs=("rates.t10yie",), lookback="n+1", reference="FRED T10YIE",
        n=(21,)),
    *_f("fed_funds_chg_{n}", definition="change of the funds rate in {n} sessions",
        unit="percent points", inputs=("rates.dff",), lookback="n+1", reference="FRED DFF",
        n=(63,)),
    *_f("usd_z", definition="z of the nominal broad dollar in 1260 sessions: proxy of the real "
            "effective rate", unit="z", inputs=("dollar",), lookback=1260,
        reference="domain 3.14"),
    *_f("usd_chg20", definition="percent change of the broad dollar in 20 sessions",
        unit="percent", inputs=("dollar",), lookback=21, reference="domain 3.14"),
    *_f("dollar_squeeze", definition="1 where usd_chg20 > 2 %", unit="flag", inputs=("dollar",),
        lookback=21, reference="domain 3.14"),
    *_f("cape", definition="log of the cyclically adjusted P/E, to 2023", unit="log ratio",
        inputs=("valuation.cape",), reference="Shiller"),
    *_f("pcf_z",
        definition="z of CAPE in 120 months, in place of price to cash flow (proxy, to 2023)",
        unit="z", inputs=("valuation.cape",), lookback=VALUE_MONTHS, clock="months",
        reference="domain 3.13"),
    *_f("pcf_rich", definition="1 where CAPE is above its median of 60 months (proxy, to 2023)",
        unit="flag", inputs=("valuation.cape",), lookback=MEDIAN_MONTHS, clock="months",
        reference="domain 3.13"),
    *_f("earnings_yield_gap", definition="100 / CAPE - 10-year real yield, to 2023",
        unit="percent", inputs=("valuation.cape", "rates.dfii10"),
        reference="equity premium proxy"),
    *_f("credit_equity_split_{n}", definition="z of the 21-session high-yield change plus z of "
            "the 21-session SPX return, {n} sessions: credit worse than stocks", unit="z",
        inputs=("rates.hy_oas", "spx_bars"), lookback="n+21", reference="credit leads equity",
        n=(252,)),
    *_f("stress_cross_z", definition="mean of the known ones of: z of the 21-session "
            "credit-spread change, wacc_stress_z, z of the 20-session dollar change, less z of "
            "BTC funding (90 days)", unit="z", inputs=(*DEBT, "dollar", "liquidation_totals"),
        lookback=273, reference="domain 3.12, cross-asset version; the carry gap has no data"),
    *_f("stress_cross_n", definition="how many of those four were known", unit="count",
        inputs=(*DEBT, "dollar", "liquidation_totals"), lookback=273, reference="domain 3.12"),
]  # fmt: skip


def _rate(view: View, series: str) -> Array:
    return view.slow("rates", "value_pct", series=series)


def cost_of_capital(risk_free: Array, debt: Array) -> Array:
    """Weighted average cost of capital of the index, percent.

    Parameters
    ----------
    risk_free, debt : array
        Ten-year yield and cost of debt, percent.
    """
    equity = EQUITY_WEIGHT * (risk_free + EQUITY_PREMIUM_PCT)
    return equity + (1.0 - EQUITY_WEIGHT) * debt * (1.0 - TAX)


def compute(view: View) -> dict[str, Array]:
    """Compute the group.

    Notes
    -----
    *Timing:* every series is taken as known at the evening cut-off of each session, so changes
    are changes of what was known. A yield of t is published on the next business day: the value
    at t is yesterday's.
    """
    with quiet():
        out = {**_capital(view), **_rates(view), **_dollar(view), **_value(view)}
        out.update(_cross(view, out))
    return {k: np.where(np.isfinite(v), v, np.nan) for k, v in out.items()}


def _diff(x: Array, n: int) -> Array:
    return on_observed(partial(change, n=n), x, rows=n + 1)


def _capital(view: View) -> dict[str, Array]:
    risk_free, baa, spread = _rate(view, "dgs10"), _rate(view, "baa"), _rate(view, "hy_oas")
    moodys = cost_of_capital(risk_free, baa)
    proxy = cost_of_capital(risk_free, risk_free + spread)
    by_moodys, by_proxy = _diff(moodys, 21), _diff(proxy, 21)
    step = np.where(np.isfinite(by_moodys), by_moodys, by_proxy)
    sigma = on_observed(partial(rolling_std, n=252), step, rows=252)
    z = step / np.where(sigma > 0, sigma, np.nan)
    return {
        "wacc": np.where(np.isfinite(moodys), moodys, proxy),
        "wacc_stress_z": z,
        "wacc_stress": np.where(np.isfinite(z), (z > STRESS_Z).astype(float), np.nan),
        "hy_oas": spread,
        "hy_oas_chg_5": _diff(spread, 5),
        "hy_oas_chg_21": _diff(spread, 21),
        "hy_oas_z_252": on_observed(partial(rolling_z, n=252), spread, rows=252),
        "ig_oas": _rate(view, "ig_oas"),
        "baa_spread": baa - risk_free,
        "baa_aaa": baa - _rate(view, "aaa"),
    }


def _rates(view: View) -> dict[str, Array]:
    ten, slope = _rate(view, "dgs10"), _rate(view, "t10y3m")
    step = _diff(ten, 1)
    return {
        "curve_2_10": _rate(view, "t10y2y"),
        "curve_3m_10": slope,
        "curve_3m_10_chg_21": _diff(slope, 21),
        "dgs10_chg_5": _diff(ten, 5),
        "dgs10_chg_21": _diff(ten, 21),
        "dgs2_chg_21": _diff(_rate(view, "dgs2"), 21),
        "rates_vol_21": on_observed(partial(rolling_std, n=21), step, rows=21) * np.sqrt(252.0),
        "real_yield_chg_21": _diff(_rate(view, "dfii10"), 21),
        "breakeven_chg_21": _diff(_rate(view, "t10yie"), 21),
        "fed_funds_chg_63": _diff(_rate(view, "dff"), 63),
    }


def _dollar(view: View) -> dict[str, Array]:
    level = view.slow("dollar", "value_index")
    step = 100.0 * (np.exp(_diff(np.log(level), 20)) - 1.0)
    return {
        "usd_z": on_observed(partial(rolling_z, n=1260), level, rows=1260),
        "usd_chg20": step,
        "dollar_squeeze": np.where(np.isfinite(step), (step > 2.0).astype(float), np.nan),
    }


def _value(view: View) -> dict[str, Array]:
    cape = view.known("valuation", "value", series="cape")
    # one row a month: a month that is missing breaks the count, so windows run on calendar months
    month = cape.date.astype("datetime64[us]").astype("datetime64[M]").astype(np.int64)
    first = int(month[0]) if len(month) else 0
    grid = np.full((int(month[-1]) - first + 1) if len(month) else 0, np.nan)
    grid[month - first] = cape.value
    z = on_observed(partial(rolling_z, n=VALUE_MONTHS), np.log(grid), rows=VALUE_MONTHS)
    above = rolling_rank(grid, MEDIAN_MONTHS, min_count=MEDIAN_MONTHS - 6)
    rich = np.where(np.isfinite(above), (above > 0.5).astype(float), np.nan)

    def known(values: Array) -> Array:
        rows = replace(cape, value=np.where(np.isfinite(values), values, np.nan)).without_nulls()
        return as_known(rows, view.grid, view.known_at, SLOW_LIMIT_DAYS["valuation"])

    price_earnings = known(cape.value)
    return {
        "cape": np.log(price_earnings),
        "pcf_z": known(z[month - first]),
        "pcf_rich": known(rich[month - first]),
        "earnings_yield_gap": 100.0 / price_earnings - _rate(view, "dfii10"),
    }


def _cross(view: View, made: dict[str, Array]) -> dict[str, Array]:
    log_close = np.log(view.daily("spx_bars", "close"))
    spread_z = on_observed(partial(rolling_z, n=252), made["hy_oas_chg_21"], rows=252)
    spx_z = on_observed(partial(rolling_z, n=252), _diff(log_close, 21), rows=252)
    baa_step = _diff(made["baa_spread"], 21)
    baa_z = on_observed(partial(rolling_z, n=252), baa_step, rows=252)
    usd_z = on_observed(partial(rolling_z, n=252), made["usd_chg20"], rows=252)
    funding_z = _funding_z(view)
    pieces = [
        np.where(np.isfinite(baa_z), baa_z, spread_z),
        made["wacc_stress_z"],
        usd_z,
        -funding_z,
    ]
    total, count = np.zeros(len(view.grid)), np.zeros(len(view.grid))
    for piece in pieces:
        known = np.isfinite(piece)
        total = total + np.where(known, piece, 0.0)
        count = count + known
    return {
        "credit_equity_split_252": spread_z + spx_z,
        "stress_cross_z": np.where(count >= 2, total / np.maximum(count, 1), np.nan),
        "stress_cross_n": count,
    }


def _funding_z(view: View) -> Array:
    funding = view.known("liquidation_totals", "funding_pct", base="BTC")
    if not len(funding.value):
        return view.nan()
    day = funding.date // DAY_US
    grid = np.full(int(day[-1] - day[0]) + 1, np.nan)
    grid[day - day[0]] = funding.value
    z = on_observed(partial(rolling_z, n=90), grid, rows=90)
    return as_known(replace(funding, value=z[day - day[0]]), view.grid, view.known_at, 3)
