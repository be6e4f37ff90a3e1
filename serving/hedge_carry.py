"""What holding VIX calls costs in a quiet market, on the standing surface (roll-down included)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from serving.hedge import Holding, Target
from serving.hedge_gain import gain
from serving.settings import HedgeSettings
from serving.state import MarketState
from serving.vix_calls import call_price, call_vol
from serving.vix_curve import VixCurve

__all__ = ["SESSION_DAYS", "efficiency", "hedge_theta", "later_vol"]

SESSION_DAYS = 365 / 252


def efficiency(
    target: Target, state: MarketState, curve: VixCurve, settings: HedgeSettings
) -> float | None:
    """Temporal-theta efficiency of a layer: gain at VIX 30 over what it loses in a quiet month.

    Returns
    -------
    float or None
        Null when VIX is already at the shock, or the layer loses nothing (backwardation).

    Notes
    -----
    3.3 of the dossier: ``G(VIX to 30) / -TT_21``, where TT_21 is the change of value when the
    surface stands still for 21 sessions and the option rolls down the curve.
    """
    jump = settings.shock_floor - state.vix
    passed = round(settings.theta_sessions * 365 / 252)
    left = max(target.days - passed, 0)
    future = curve.at(left)
    if left > 0:
        now = target.future, target.days, target.vol
        vol = later_vol(state, target.strike, now, future, left)
        later = call_price(target.strike, future, left, vol)
    else:
        later = max(future - target.strike, 0.0)
    carry = later - target.price
    if jump <= 0 or carry >= 0:
        return None
    won = gain(
        target.strike,
        target.future,
        target.days,
        target.vol,
        beta=target.layer.beta,
        jump=jump,
        shock_days=settings.shock_days,
    )
    return won / -carry


def hedge_theta(holdings: Sequence[Holding], state: MarketState, curve: VixCurve) -> float:
    """Points that the held calls gain (mostly lose) when one session passes quietly (`TT_1`)."""
    total = 0.0
    for item in holdings:
        left = item.days - SESSION_DAYS
        if left <= 0:
            later = max(curve.at(0.0) - item.held.strike, 0.0)
        else:
            future = curve.at(left)
            now = item.future, item.days, item.vol
            vol = later_vol(state, item.held.strike, now, future, left)
            later = call_price(item.held.strike, future, left, vol)
        total += item.held.quantity * (later - item.mark)
    return total


def later_vol(
    state: MarketState,
    strike: float,
    now: tuple[float, int, float],
    future: float,
    days: float,
) -> float:
    """Give the volatility that a call will have on the standing surface, shifted to its mark.

    Parameters
    ----------
    now : tuple
        Today's future, days and volatility of the call.
    """
    vvix = float(state.vvix or np.nan)
    before, left, vol = now
    return vol / call_vol(strike, before, left, vvix) * call_vol(strike, future, days, vvix)
