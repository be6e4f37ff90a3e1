"""A few more VIX calls against one open condor: the answer `hedge`, priced on the same paths."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from serving.book import OpenCondor
from serving.hedge import Target, adaptive_kappa, sizing_gain, target_layer
from serving.hedge_carry import SESSION_DAYS
from serving.policy import Allowance
from serving.pricing import black76
from serving.settings import ServingSettings
from serving.state import MarketState
from serving.vix_calls import call_vol
from serving.vix_curve import VixCurve, curve_of
from serving.vix_smile import CALENDAR_DAYS, vix_vol

__all__ = ["HedgeMarket", "Offer", "hedge_market", "offer_for", "offer_profit"]

Array = NDArray[np.float64]

_CENTS = 10_000


@dataclass(frozen=True)
class HedgeMarket:
    """Where calls would be bought tonight, and how much of a condor's loss they should offset."""

    target: Target
    curve: VixCurve
    kappa: float


@dataclass(frozen=True)
class Offer:
    """Calls bought for one position; cost in cents beyond the mark."""

    market: HedgeMarket
    contracts: int
    cost_cents: float

    @property
    def detail(self) -> str:
        """The order in words."""
        call = self.market.target
        return (
            f"{self.contracts} VIX {call.expiry:%Y-%m-%d} {call.strike:g}C (layer {call.layer.id})"
        )


def hedge_market(
    state: MarketState, allowance: Allowance, p_shift: float | None, settings: ServingSettings
) -> HedgeMarket | None:
    """Choose the layer that answers a shock soonest and may be bought; None without VVIX."""
    if state.vvix is None or allowance.refused:
        return None
    own = settings.hedge
    layers = {layer.id: layer for layer in own.layers}
    wanted = "M" if allowance.no_short_layer else "S"
    if wanted not in layers:
        return None
    curve = curve_of(state)
    return HedgeMarket(
        target_layer(layers[wanted], state, curve, own),
        curve,
        adaptive_kappa(state, p_shift, allowance, own),
    )


def offer_for(
    position: OpenCondor, market: HedgeMarket, state: MarketState, settings: ServingSettings
) -> Offer | None:
    """Size calls for one position by the ladder's own shock; None where they gain nothing."""
    each = sizing_gain(market.target, state, settings.hedge)
    if each <= 0:
        return None
    loss = position.condor().max_loss_cents * position.quantity
    contracts = ceil(market.kappa * loss / (each * _CENTS))
    cost = contracts * (settings.costs.fee_cents + settings.costs.vix_slippage * 100)
    return Offer(market, contracts, cost)


def offer_profit(offer: Offer, state: MarketState, log_vix: Array, sessions: int) -> Array:
    """Profit of the calls after some sessions, cents.

    Parameters
    ----------
    log_vix : Array
        Simulated log VIX then, one a path.
    sessions : int

    Notes
    -----
    The future stands where the curve is at the days then left, moved by the layer's beta times
    the change of the VIX; volatility is the surface's, shifted to today's mark.
    """
    call, curve = offer.market.target, offer.market.curve
    left = max(call.days - sessions * SESSION_DAYS, 0.0)
    jump = np.exp(log_vix) - state.vix
    future = np.maximum(curve.at(left) + call.layer.beta * jump, 1.0)
    if left > 0:
        vvix = float(state.vvix or np.nan)
        shift = call.vol / call_vol(call.strike, call.future, call.days, vvix)
        vol = shift * vix_vol(call.strike, future, left, vvix)
        value = black76(future, call.strike, left / CALENDAR_DAYS, vol, call=True)
    else:
        value = np.maximum(future - call.strike, 0.0)
    return np.asarray(offer.contracts * (value - call.price) * _CENTS)
