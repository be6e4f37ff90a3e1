"""Run one monthly option programme over history, all rolls at once."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from serving.pricing import black76
from serving.smile import DEFAULT, SESSIONS_PER_YEAR, SmileParameters, VolInputs, spx_vol
from serving.smile_marks import half_spread
from training.backtest.expiries import OVERNIGHT_SHARE, month_ends, monthly_expiries, sessions_left
from training.backtest.indices import PROGRAMS, Program, RollState
from training.backtest.market import Market
from training.backtest.rolls import ROLL_DEFAULT, RollParameters, RollPoints, roll_points

__all__ = ["MonthlyRun", "Schedule", "monthly_returns", "schedule"]

Array = NDArray[np.float64]
Positions = NDArray[np.intp]

DAYS_PER_YEAR = 365.0
BACKING = 10.0  # bills are ten times the maximum loss
# Levels at the opening and the roll are estimates, and pay-offs bend: returns are means over a
# hexagon of shifts with the mean, variance and third moments of two independent normal errors.
_ANGLES = np.arange(6) * np.pi / 3
NODES = tuple(zip(np.sqrt(2) * np.cos(_ANGLES), np.sqrt(2) * np.sin(_ANGLES), strict=True))


@dataclass(frozen=True)
class Schedule:
    """Rolls and the month-end after each: positions among the sessions, and times between."""

    roll: Positions
    following: Positions
    mark: Positions
    days_to_mark: Array
    days_to_following: Array


@dataclass(frozen=True)
class MonthlyRun:
    """Result of a programme: monthly returns and what was held.

    Attributes
    ----------
    returns : pd.Series
        Fraction per month, index month (Period); months whose mark has no VIX are left out.
    unmarked : list of str
        Those months.
    credit, strikes : Array
        Net premium per unit and strikes (rolls x legs), index points.
    """

    returns: pd.Series
    unmarked: list[str]
    credit: Array
    strikes: Array


def schedule(market: Market) -> Schedule:
    """Lay out the monthly rolls that lie inside the market's span.

    Raises
    ------
    DataError
        If fewer than three rolls lie in the span.
    """
    sessions = market.sessions
    rolls = monthly_expiries(sessions[1], sessions[-1])
    at = sessions.get_indexer(rolls)
    if len(at) < 3:
        raise DataError(
            f"only {len(at)} monthly expiries between {sessions[0].date()} and "
            f"{sessions[-1].date()}; a replication needs at least 3. Choose a longer span."
        )
    ends = month_ends(sessions)
    roll, following = at[:-1], at[1:]
    mark = ends[np.searchsorted(ends, roll)]
    day = sessions.to_numpy().astype("datetime64[D]").astype(np.int64)
    return Schedule(
        roll=roll,
        following=following,
        mark=mark,
        days_to_mark=(day[mark] - day[roll]).astype(float),
        days_to_following=(day[following] - day[roll]).astype(float),
    )


def monthly_returns(
    market: Market,
    index: str,
    *,
    plan: Schedule | None = None,
    parameters: SmileParameters = DEFAULT,
    rolls: RollParameters = ROLL_DEFAULT,
    band: float = 0.0,
    points: RollPoints | None = None,
) -> MonthlyRun:
    """Run an index's programme and give its month-to-month returns.

    Parameters
    ----------
    market : Market
        Daily history.
    index : str
        A key of `PROGRAMS`.
    plan, points : optional
        What `schedule` and `roll_points` give, to spare recomputing them.
    parameters, rolls : SmileParameters, RollParameters
        Calibrated numbers.
    band : float
        -1, 0 or +1: which end of the smile's uncertainty all marks stand at.

    Returns
    -------
    MonthlyRun

    Raises
    ------
    DataError
        If a smile input is missing at a roll.

    Notes
    -----
    At each roll the old package settles at the special opening, the new one is sold at the mid
    less a half-spread on every leg; bills compound at the rate known at the roll.
    """
    plan = plan or schedule(market)
    market.require(
        np.union1d(plan.roll, plan.following),
        ("close", "vix", "skew", "rate", "dividend"),
        "at a roll",
    )
    both = points or roll_points(market, np.append(plan.roll, plan.following[-1]), parameters=rolls)
    runs = [
        _run(market, PROGRAMS[index], plan, both.moved(*node), parameters, band) for node in NODES
    ]
    returns = pd.Series(
        np.mean([gross for gross, _, _ in runs], axis=0) - 1.0,
        index=market.sessions[plan.mark[1:]].to_period("M"),
        name=index,
    )
    unmarked = [str(month) for month in returns.index[returns.isna()]]
    _, credit, strikes = _run(market, PROGRAMS[index], plan, both, parameters, band)
    return MonthlyRun(returns.dropna(), unmarked, credit, strikes)


def _run(
    market: Market,
    program: Program,
    plan: Schedule,
    both: RollPoints,
    parameters: SmileParameters,
    band: float,
) -> tuple[Array, Array, Array]:
    """Give gross returns by month, credits and strikes by roll, at given levels."""
    state = _state(market, plan, both, parameters)
    rate, dividend = market.column("rate")[plan.roll], market.column("dividend")[plan.roll]
    tau = plan.days_to_following / DAYS_PER_YEAR
    strikes = [leg.strike(state) for leg in program.legs]
    premiums = _prices(program, strikes, state, np.exp(-rate * tau), band)
    early = market.sessions[plan.roll] < pd.Timestamp(parameters.spread_change)
    credit = _total(
        -leg.side * price
        - half_spread(
            price, state.forward, state.sessions, state.inputs, early=early, parameters=parameters
        )
        for leg, price in zip(program.legs, premiums, strict=True)
    )
    mark = _mark(market, plan, program, strikes, parameters, band)
    payoff = _total(
        -leg.side * np.maximum((both.soq[1:] - k) * (1 if leg.call else -1), 0.0)
        for leg, k in zip(program.legs, strikes, strict=True)
    )
    to_mark, to_following = (
        _growth(market, plan, program, both, strikes, credit, liability, days, rate, dividend)
        for liability, days in ((mark, plan.days_to_mark), (payoff, plan.days_to_following))
    )
    gross = to_mark[1:] * to_following[:-1] / to_mark[:-1]
    return gross, credit, np.stack(strikes, axis=1)


def _state(
    market: Market, plan: Schedule, points: RollPoints, parameters: SmileParameters
) -> RollState:
    rate, dividend = market.column("rate")[plan.roll], market.column("dividend")[plan.roll]
    spot = points.spot[:-1]
    forward = spot * np.exp((rate - dividend) * plan.days_to_following / DAYS_PER_YEAR)
    # SKEW is published after the close: the roll sees the session before
    skew = market.column("skew")[plan.roll - 1]
    gone = OVERNIGHT_SHARE + 0.4 * (1 - OVERNIGHT_SHARE)  # the first hour and a half is lively
    left = sessions_left(plan.roll, plan.following, am=True, passed=gone)
    return RollState(spot, forward, left, VolInputs.of(vix=points.vix[:-1], skew=skew), parameters)


def _prices(
    program: Program, strikes: list[Array], state: RollState, discount: Array, band: float
) -> list[Array]:
    return [
        black76(
            state.forward,
            strike,
            state.sessions / SESSIONS_PER_YEAR,
            spx_vol(
                strike,
                state.forward,
                state.sessions,
                state.inputs,
                band=band,
                parameters=state.parameters,
            ),
            call=leg.call,
            discount=discount,
        )
        for leg, strike in zip(program.legs, strikes, strict=True)
    ]


def _mark(
    market: Market,
    plan: Schedule,
    program: Program,
    strikes: list[Array],
    parameters: SmileParameters,
    band: float,
) -> Array:
    at = plan.mark
    spot, vix, skew = (market.column(name)[at] for name in ("close", "vix", "skew"))
    known = np.isfinite(spot) & np.isfinite(vix) & np.isfinite(skew)
    out = np.full(at.shape, np.nan)
    days = plan.days_to_following - plan.days_to_mark
    rate, dividend = market.column("rate")[at], market.column("dividend")[at]
    forward = spot * np.exp((rate - dividend) * days / DAYS_PER_YEAR)
    state = RollState(
        spot[known],
        forward[known],
        sessions_left(at, plan.following, am=True)[known],
        VolInputs.of(vix=vix[known], skew=skew[known]),
        parameters,
    )
    discount = np.exp(-rate * days / DAYS_PER_YEAR)[known]
    prices = _prices(program, [k[known] for k in strikes], state, discount, band)
    out[known] = _total(-leg.side * price for leg, price in zip(program.legs, prices, strict=True))
    return out


def _growth(
    market: Market,
    plan: Schedule,
    program: Program,
    points: RollPoints,
    strikes: list[Array],
    credit: Array,
    liability: Array,
    days: Array,
    rate: Array,
    dividend: Array,
) -> Array:
    """Give the value per unit of capital at the roll, after `days`, owing `liability` per unit."""
    bills = np.exp(rate * days / DAYS_PER_YEAR)
    if program.kind == "overwrite":
        spot = points.spot[:-1]
        later = np.where(
            days == plan.days_to_following, points.spot[1:], market.column("close")[plan.mark]
        )
        paid = spot * np.expm1(dividend * days / DAYS_PER_YEAR)
        return np.asarray((later + paid - liability) / (spot - credit))
    if program.kind == "collateral":
        at_expiry = np.exp(rate * plan.days_to_following / DAYS_PER_YEAR)
        units = 1.0 / (strikes[0] / at_expiry - credit)
    else:
        width = np.maximum(strikes[1] - strikes[0], strikes[3] - strikes[2])
        units = 1.0 / (BACKING * width)
    return np.asarray((1.0 + units * credit) * bills - units * liability)


def _total(parts: object) -> Array:
    return np.asarray(sum(parts))  # type: ignore[call-overload]
