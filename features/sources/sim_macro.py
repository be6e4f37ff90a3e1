"""What surrounds the simulated stock market: breadth, rates, credit, valuation, events."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import pandas as pd

from features.sources.sim_curve import autoregressive
from features.sources.sim_equity import EquityPath

__all__ = ["breadth_counts", "event_dates", "macro_rates", "valuation_months"]

Floats = npt.NDArray[np.float64]

_ISSUES_NYSE, _ISSUES_SP = 3100, 498


def _logistic(values: Floats) -> Floats:
    return 1.0 / (1.0 + np.exp(-values))


def breadth_counts(seed: np.random.SeedSequence, path: EquityPath) -> dict[str, pd.DataFrame]:
    """Advance and decline counts, new highs and lows, volumes and shares above averages.

    Returns
    -------
    dict of str to DataFrame
        ``nyse`` and ``sp500`` with the columns of their files but the date; ``wide``, the
        advances and declines of a second large-cap universe.

    Notes
    -----
    *Timing:* row i uses the index up to session i.
    """
    rng = np.random.default_rng(seed)
    size = len(path.close)
    common = 0.33 * rng.standard_normal(size)
    divergence = autoregressive(rng, size, memory=0.985, deviation=0.12)
    pull = np.clip(path.shocks, -5.0, 5.0) + divergence

    def advances(issues: int, slope: float, noise: float, still: float) -> tuple[Floats, ...]:
        share = _logistic(slope * (pull + common) + noise * rng.standard_normal(size))
        unchanged = rng.binomial(issues, still, size)
        up = rng.binomial(issues - unchanged, share)
        return up.astype(float), (issues - unchanged - up).astype(float), unchanged.astype(float)

    closes = pd.Series(np.concatenate([path.warm_close, path.close]))
    kept = slice(len(path.warm_close), None)
    off50 = (closes / closes.rolling(50).mean() - 1.0).to_numpy()[kept]
    off200 = (closes / closes.rolling(200).mean() - 1.0).to_numpy()[kept]
    off_high = (closes / closes.rolling(252).max() - 1.0).to_numpy()[kept]
    off_low = (closes / closes.rolling(252).min() - 1.0).to_numpy()[kept]
    new_high = _logistic(-2.4 + 38.0 * off_high + 2.0 * divergence)
    new_low = _logistic(-3.0 - 30.0 * off_low - 2.0 * divergence)
    above50 = _logistic(0.45 + 42.0 * off50 + 1.5 * divergence)
    above200 = _logistic(0.75 + 15.0 * off200 + 1.5 * divergence)

    frames = {}
    for name, issues, slope, noise, still in (
        ("nyse", _ISSUES_NYSE, 0.79, 0.25, 0.033),
        ("sp500", _ISSUES_SP, 1.55, 0.30, 0.008),
        ("wide", 537, 1.45, 0.40, 0.012),
    ):
        up, down, same = advances(issues, slope, noise, still)
        traded = (3.6e9 if name != "nyse" else 1.4e9) * np.exp(
            0.18 * rng.standard_normal(size) + 0.9 * np.maximum(path.fast, -0.2)
        )
        rise = np.clip(up / (up + down) + 0.09 * rng.standard_normal(size), 0.001, 0.999)
        frames[name] = pd.DataFrame(
            {
                "advances": up,
                "declines": down,
                "unchanged": same,
                "new_highs": rng.binomial(issues, new_high).astype(float),
                "new_lows": rng.binomial(issues, new_low).astype(float),
                "up_volume": np.round(traded * rise),
                "down_volume": np.round(traded * (1.0 - rise)),
                "unchanged_volume": np.round(traded * 0.02),
                "n_issues": float(issues),
                "n_above_ma50": rng.binomial(issues, above50).astype(float),
                "n_above_ma200": rng.binomial(issues, above200).astype(float),
            }
        )
    return frames


def macro_rates(seed: np.random.SeedSequence, path: EquityPath) -> pd.DataFrame:
    """Rates and spreads in percent and the broad dollar index, one row a session.

    Credit spreads follow a smoothed VIX, so they widen under stress; ten-year yields fall with
    stocks a little.

    Returns
    -------
    DataFrame
        The columns of ``fred_macro_daily.csv`` but the date, and ``aaa`` and ``baa``.
    """
    from scipy.signal import lfilter

    rng = np.random.default_rng(seed)
    size = len(path.vix)
    policy = np.clip(
        np.cumsum(rng.choice([-0.25, 0.0, 0.25], size, p=[0.009, 0.979, 0.012])) + 1.5, 0.05, 6.0
    )
    policy = np.round((policy - 0.08) / 0.25) * 0.25 + 0.08
    bills = policy + 0.05 + autoregressive(rng, size, memory=0.97, deviation=0.10)
    slope = 1.1 + autoregressive(rng, size, memory=0.997, deviation=0.75)
    daily = autoregressive(rng, size, memory=0.99, deviation=0.22)
    flight = np.asarray(lfilter([1.0], [1.0, -0.97], 1.5 * np.clip(path.returns, -0.06, 0.06)))
    dgs10 = np.clip(0.45 * policy + 1.6 + 0.5 * slope + daily + flight, 0.4, 9.0)
    dgs2 = np.clip(0.75 * policy + 0.5 + 0.1 * slope + 0.8 * daily + 0.7 * flight, 0.05, 9.0)
    inflation = 2.1 + autoregressive(rng, size, memory=0.995, deviation=0.25) + 0.3 * flight
    smooth = np.asarray(
        lfilter([0.06], [1.0, -0.94], np.log(path.vix), zi=[0.94 * np.log(path.vix[0])])[0]
    )
    own = autoregressive(rng, size, memory=0.995, deviation=0.10)
    high_yield = np.exp(-0.75 + 0.75 * smooth + own)
    dollar = 100.0 * np.exp(
        np.cumsum(0.0033 * rng.standard_normal(size) - 0.07 * np.clip(path.returns, -0.05, 0.05))
    )
    frame = pd.DataFrame(
        {
            "dgs10": dgs10,
            "dgs2": dgs2,
            "dgs3mo_derived": np.clip(bills, 0.0, 9.0),
            "dff": policy,
            "t10yie": inflation,
            "t5yifr": inflation + 0.15,
            "bamlh0a0hym2": high_yield,
            "bamlc0a0cm": 0.45 + 0.16 * high_yield,
            "aaa": dgs10 + 0.9,
            "baa": dgs10 + 1.2 + 0.22 * high_yield,
        }
    ).round(2)
    frame["t10y3m"] = (frame["dgs10"] - frame["dgs3mo_derived"]).round(2)
    frame["t10y2y"] = (frame["dgs10"] - frame["dgs2"]).round(2)
    frame["dfii10"] = (frame["dgs10"] - frame["t10yie"]).round(2)
    frame["dtwexbgs"] = np.round(dollar, 4)
    return frame


def valuation_months(
    seed: np.random.SeedSequence, closes: pd.Series[float], long_rate: pd.Series[float]
) -> pd.DataFrame:
    """Monthly valuation table in Shiller's layout, from daily closes and ten-year yields."""
    rng = np.random.default_rng(seed)
    price = closes.groupby(pd.DatetimeIndex(closes.index).to_period("M")).mean()
    rate = long_rate.groupby(pd.DatetimeIndex(long_rate.index).to_period("M")).mean()
    months = len(price)
    earnings = (
        float(price.iloc[0]) / 20.0 * np.exp(np.cumsum(0.0045 + 0.01 * rng.standard_normal(months)))
    )
    prices = 240.0 * np.exp(np.cumsum(0.0021 + 0.0022 * rng.standard_normal(months)))
    real = prices[-1] / prices
    frame = pd.DataFrame(
        {
            "date": price.index.to_timestamp(),  # type: ignore[attr-defined]
            "sp500": price.to_numpy().round(2),
            "dividend": (earnings * 0.38).round(2),
            "earnings": earnings.round(2),
            "cpi": prices.round(2),
            "long_interest_rate": rate.to_numpy().round(2),
        }
    )
    frame["real_price"] = (frame["sp500"] * real).round(2)
    frame["real_dividend"] = (frame["dividend"] * real).round(2)
    frame["real_earnings"] = (frame["earnings"] * real).round(2)
    tenyear = frame["real_earnings"].rolling(120, min_periods=1).mean()
    frame["pe10"] = (frame["real_price"] / tenyear).round(2)
    return frame


def event_dates(sessions: pd.DatetimeIndex) -> pd.DataFrame:
    """Days of scheduled releases by plain rules: columns date, event.

    NFP on the first Friday, CPI on the second Wednesday, PPI the session after CPI, FOMC on the
    third Wednesday of every month but February, April, August and October. A day that is no
    session moves to the session before.
    """
    rows = []
    for month in pd.period_range(sessions[0].to_period("M"), sessions[-1].to_period("M"), freq="M"):
        first = month.to_timestamp()
        friday = first + pd.Timedelta(days=(4 - first.weekday()) % 7)
        wednesday = first + pd.Timedelta(days=(2 - first.weekday()) % 7)
        wanted = [("NFP", friday), ("CPI", wednesday + pd.Timedelta(days=7))]
        if month.month not in (2, 4, 8, 10):
            wanted.append(("FOMC", wednesday + pd.Timedelta(days=14)))
        for event, day in wanted:
            place = int(sessions.searchsorted(day, side="right")) - 1
            if place < 0 or day > sessions[-1]:
                continue
            rows.append((sessions[place], event))
            if event == "CPI" and place + 1 < len(sessions):
                rows.append((sessions[place + 1], "PPI"))
    return pd.DataFrame(rows, columns=["date", "event"]).sort_values(
        ["date", "event"], ignore_index=True
    )
