"""Probabilities and expected values of a condor: by the market's smile, and by the path prior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from serving.chain import Chain
from serving.condor import MULTIPLIER, Condor
from serving.settings import CostSettings, OddsSettings

if TYPE_CHECKING:
    from models.touches import OpenPaths

__all__ = ["Odds", "TouchOdds", "condor_odds", "path_touch", "slippage", "value_at"]

Array = NDArray[np.float64]


class TouchOdds(NamedTuple):
    """Probability that a short strike is touched before expiry, and where it comes from."""

    put: float
    call: float
    either: float
    source: str


@dataclass(frozen=True)
class Odds:
    """Probabilities and values of one condor; null where an input is unknown.

    Attributes
    ----------
    pop_market, pop_model : float or None
        Probability of a profit at settlement, after fees.
    touch_put, touch_call, touch : float or None
        Probability that a short strike is touched before expiry: either side, and any.
    touch_source : str or None
    ev_lo, ev_mid, ev_hi : int or None
        Expected profit under the path prior, cents for one condor, at the slipped credit: the band
        joins the mark's uncertainty with the simulation's error, and its low end pays the
        stressed slippage.
    kelly : float or None
        Kelly share of the maximum loss under the path prior, before the cap.
    """

    pop_market: float | None
    pop_model: float | None
    touch_put: float | None
    touch_call: float | None
    touch: float | None
    touch_source: str | None
    ev_lo: int | None
    ev_mid: int | None
    ev_hi: int | None
    kelly: float | None


def slippage(credit: float, costs: CostSettings, *, stress: bool = False) -> float:
    """Points lost on filling four legs: ``max(minimum, share of the credit)`` (5.4)."""
    lost = max(costs.slippage_min / 100, costs.slippage_share * abs(credit))
    return lost * (costs.slippage_stress if stress else 1.0)


def condor_odds(
    condor: Condor,
    chain: Chain,
    *,
    returns: Array | None,
    touch: TouchOdds | None = None,
    band: tuple[float, float] | None = None,
    costs: CostSettings,
    settings: OddsSettings,
) -> Odds:
    """Judge one condor.

    Parameters
    ----------
    condor : Condor
        With its limit credit.
    chain : Chain
        Marks of its expiry.
    returns : Array or None
        Simulated log returns from the fill to the settlement.
    touch : TouchOdds or None
        Of the same paths; the market's when absent.
    band : tuple of float, optional
        Ends of the package's credit, index points; the chain's when absent.
    costs, settings

    Returns
    -------
    Odds
    """
    be_low, be_high = condor.break_evens
    pop_market = chain.probability_below(be_high) - chain.probability_below(be_low)
    pop_market = min(max(pop_market, 0.0), 1.0)
    touch = touch or _market_touch(condor, chain, settings)
    if returns is None or not len(returns):
        return Odds(pop_market, None, *touch, None, None, None, None)
    settle = chain.spot * np.exp(returns)
    pop_model = float(np.mean((settle > be_low) & (settle < be_high)))
    profit = _profit(condor, settle)
    mid_credit = condor.credit / 100
    lost, stressed = (slippage(mid_credit, costs, stress=stress) for stress in (False, True))
    if band is None:
        band = chain.credit_band(
            condor.put_short, condor.call_short, condor.put_width, condor.call_width
        )
    mean = float(profit.mean())
    error = settings.ev_quantile * float(profit.std()) / np.sqrt(len(profit))
    cents = 100 * MULTIPLIER
    down = min(band[0] - mid_credit, 0.0) * cents
    up = max(band[1] - mid_credit, 0.0) * cents
    base = mean - lost * cents
    return Odds(
        pop_market=pop_market,
        pop_model=pop_model,
        touch_put=touch.put,
        touch_call=touch.call,
        touch=touch.either,
        touch_source=touch.source,
        ev_lo=round(mean - stressed * cents + down - error),
        ev_mid=round(base),
        ev_hi=round(base + up + error),
        kelly=_kelly(base, condor),
    )


def path_touch(condor: Condor, spot: float, ways: OpenPaths, first: int, last: int) -> TouchOdds:
    """Odds that a short strike is touched at an open, at a close or between them.

    Parameters
    ----------
    spot : float
        Index points that the strikes rest on.
    ways : OpenPaths
        Simulated sessions.
    first, last : int
        Closes of the fill and of the settlement, 0 for the close of t: a condor that fills at
        the open of the session after t starts at 0, and that open counts.
    """
    put, call, either = ways.leave(
        float(np.log(condor.put_short / spot)),
        float(np.log(condor.call_short / spot)),
        first=first,
        last=last,
    )
    how = "closes and bridges" if ways.night is None else "opens, closes and bridges"
    return TouchOdds(put, call, either, f"path prior, {how}")


def value_at(condor: Condor, settle: Array) -> Array:
    """Profit in cents at settlements in index points (not rounded to hundredths)."""
    return _profit(condor, settle)


def _profit(condor: Condor, settle: Array) -> Array:
    put = np.clip(condor.put_short - settle, 0.0, condor.put_width)
    call = np.clip(settle - condor.call_short, 0.0, condor.call_width)
    return np.asarray(condor.max_profit_cents - (put + call) * 100 * MULTIPLIER)


def _kelly(mean_cents: float, condor: Condor) -> float:
    """Binary Kelly share: the win probability that gives this mean, on credit against loss."""
    win, loss = condor.max_profit_cents, condor.max_loss_cents
    p = (mean_cents + loss) / (win + loss)
    return float(p - (1 - p) * loss / win) if win > 0 else 0.0


def _market_touch(condor: Condor, chain: Chain, settings: OddsSettings) -> TouchOdds:
    put = min(1.0, settings.touch_first_guess * chain.probability_below(condor.put_short))
    call = min(1.0, settings.touch_first_guess * (1 - chain.probability_below(condor.call_short)))
    return TouchOdds(put, call, min(1.0, put + call), "market, twice terminal")
