"""One simulated market in memory: stocks first, then crypto that may feel them, then the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

import numpy as np
import pandas as pd

from features.errors import UsageError
from features.sessions import calendar
from features.sources import sim_cascades, sim_crypto, sim_curve, sim_equity, sim_macro, sim_tape
from features.sources.expiries import monthly_expiries
from features.sources.sim_files import crypto_files, equity_files

__all__ = ["CRYPTO_YEARS", "END", "Progress", "SimulatedMarket", "generate"]

END = "2024-12-31"
CRYPTO_YEARS = 4
Progress = Callable[[float, str], None]


@dataclass(frozen=True)
class SimulatedMarket:
    """A simulated market: what would be published, and what is true.

    Parameters
    ----------
    sessions : DatetimeIndex
        Exchange sessions.
    hours : DatetimeIndex
        Hours of the crypto market (UTC).
    path : EquityPath
        The hidden regime, the index and VIX.
    cascades : DataFrame
        Every cascade; empty without crypto.
    files : dict of str to DataFrame
        What is published, by file name.
    truth : dict of str to DataFrame
        ``regimes.csv`` and ``cascades.csv``.
    """

    sessions: pd.DatetimeIndex
    hours: pd.DatetimeIndex
    path: sim_equity.EquityPath
    cascades: pd.DataFrame
    files: dict[str, pd.DataFrame]
    truth: dict[str, pd.DataFrame]


def generate(
    *,
    years: int,
    seed: int,
    link: float,
    start: date | pd.Timestamp | str | None = None,
    crypto: bool = True,
    crypto_years: int = CRYPTO_YEARS,
    progress: Progress | None = None,
) -> SimulatedMarket:
    """Simulate a market in memory.

    Parameters
    ----------
    years : int
        Years of stock market, 1 to 50.
    seed : int
        Same seed, years, link and start: the same market.
    link : float
        0 (null world) to 5: how strongly cascades lead volatility.
    start : date, optional
        First day. By default the span ends on 2024-12-31.
    crypto : bool, default True
        Without it only stocks, VIX and what surrounds them are made; they come out the same.
    crypto_years : int
        Crypto covers the last so many of the years.
    progress : callable, optional
        Called with the fraction done and what is being done.

    Raises
    ------
    UsageError
        If an argument is out of range.

    Notes
    -----
    *Timing:* at link 0 stocks use no draw and no number of the crypto market, and an hour of
    crypto uses stocks up to that hour: given the past of stocks, crypto is independent of their
    future.
    """
    tell = progress or _silent
    sessions = _span(years, seed, link, start)
    known = calendar()
    opens, closes = known.open_utc(sessions), known.close_utc(sessions)
    hours = _hours(sessions, crypto_years)
    seeds = np.random.SeedSequence(seed).spawn(11)

    tell(0.0, "simulating stocks and VIX")
    own = sim_cascades.spontaneous_cascades(seeds[0], hours[0], hours[-1])
    load, damping, push = sim_cascades.equity_lead(own, opens, closes, link=link, since=hours[0])
    path = sim_equity.equity_path(seeds[1], len(sessions), load=load, damping=damping, push=push)
    files = _stock_files(seeds[2:7], path, sessions)
    truth = {"regimes.csv": _regime_truth(sessions, path, load)}
    if not crypto:
        return SimulatedMarket(sessions, hours, path, own.iloc[:0], files, truth)

    tell(0.25, "simulating crypto")
    since = int(opens.searchsorted(hours[0]))
    implied = np.concatenate([[np.nan], path.vix[:-1]]) / 100.0 / 252.0**0.5
    surprise = (path.returns / implied)[since:]
    felt = sim_cascades.reactive_cascades(seeds[7], opens[since:], closes[since:], surprise)
    cascades = pd.concat([own, felt]).sort_values(["onset", "base"], ignore_index=True)
    cascades["cascade"] = np.arange(len(cascades))
    view = sim_crypto.equity_view(hours, opens, closes, path.returns, path.vix)
    markets = sim_crypto.crypto_markets(seeds[8], hours, view, cascades)
    tell(0.4, "simulating liquidations")
    tape = sim_tape.liquidation_tape(seeds[9], hours, markets, cascades)
    public = sim_tape.throttle(tape)
    files |= crypto_files(seeds[10], hours, markets, tape, public)
    truth["cascades.csv"] = _cascade_truth(cascades, tape, public)
    return SimulatedMarket(sessions, hours, path, cascades, files, truth)


def _silent(_: float, __: str) -> None:
    return


def _span(
    years: int, seed: int, link: float, start: date | pd.Timestamp | str | None
) -> pd.DatetimeIndex:
    if not 1 <= years <= 50:
        raise UsageError(f"`years` must lie between 1 and 50, got {years}.")
    if seed < 0:
        raise UsageError(f"`seed` must be 0 or more, got {seed}.")
    if not 0.0 <= link <= 5.0:
        raise UsageError(f"`link` must lie between 0 (null world) and 5, got {link}.")
    if start is None:
        last = pd.Timestamp(END)
        first = last - pd.DateOffset(years=years) + pd.Timedelta(days=1)
    else:
        first = pd.Timestamp(start)
        last = first + pd.DateOffset(years=years) - pd.Timedelta(days=1)
    return calendar().sessions(first, last)


def _hours(sessions: pd.DatetimeIndex, years: int) -> pd.DatetimeIndex:
    newest = sessions[-1]
    oldest = newest - pd.DateOffset(years=years) + pd.Timedelta(days=1)
    span = max(oldest, sessions[0]), newest + pd.Timedelta(hours=23)
    return pd.date_range(*span, freq="h", tz="UTC").as_unit("us")


def _stock_files(
    seeds: list[np.random.SeedSequence], path: sim_equity.EquityPath, sessions: pd.DatetimeIndex
) -> dict[str, pd.DataFrame]:
    known = calendar()
    indices = sim_curve.volatility_indices(seeds[0], path)
    # contracts are listed nine months ahead, releases announced four
    reach = known.sessions(sessions[0], sessions[-1] + pd.Timedelta(days=400))
    contracts = sim_curve.contract_rows(seeds[1], path, sessions, monthly_expiries(reach))
    breadth = sim_macro.breadth_counts(seeds[2], path)
    macro = sim_macro.macro_rates(seeds[3], path)
    valuation = sim_macro.valuation_months(
        seeds[4],
        closes=pd.Series(path.close, index=sessions),
        long_rate=pd.Series(macro["dgs10"].to_numpy(), index=sessions),
    )
    ahead = known.sessions(sessions[0], sessions[-1] + pd.Timedelta(days=120))
    events = sim_macro.event_dates(ahead)
    return equity_files(sessions, path, indices, contracts, breadth, macro, valuation, events)


def _regime_truth(
    sessions: pd.DatetimeIndex, path: sim_equity.EquityPath, load: sim_equity.Floats
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "session": sessions,
            "regime": path.regime,
            "name": np.array(sim_equity.REGIMES)[path.regime],
            "daily_volatility": path.sigma,
            "slow_log_vix": path.slow,
            "fast_log_vix": path.fast,
            "load": load,
        }
    )


def _cascade_truth(
    cascades: pd.DataFrame, tape: pd.DataFrame, public: pd.DataFrame
) -> pd.DataFrame:
    """Add to each cascade what it did on the tape: span, events, US dollars, what feeds show."""
    grouped = tape[tape["cascade"] >= 0].groupby("cascade")
    facts = pd.DataFrame(
        {
            "start": grouped["timestamp"].min(),
            "end": grouped["timestamp"].max(),
            "events": grouped.size(),
            "notional_usd": grouped["notional_usd"].sum().round(2),
            "events_shown": public[public["cascade"] >= 0].groupby("cascade").size(),
        }
    )
    return cascades.join(facts, on="cascade")
