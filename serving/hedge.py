"""The ALVH ladder: three layers of VIX calls, sized by what a shock would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import ceil

import numpy as np
import pandas as pd

from serving.book import HedgeLayer
from serving.hedge_gain import gain
from serving.policy import Allowance
from serving.settings import HedgeSettings, LayerSettings
from serving.state import MarketState
from serving.vix_calls import call_delta, call_price, call_vol, strike_for_delta
from serving.vix_curve import VixCurve, nearest_expiry
from serving.vix_smile import CALENDAR_DAYS

__all__ = [
    "Holding",
    "Target",
    "adaptive_kappa",
    "holding_of",
    "sizing_gain",
    "target_layer",
    "units_wanted",
    "vxth_weight",
]

_CENTS = 10_000  # one point of one VIX option, in cents


@dataclass(frozen=True)
class Target:
    """Where a layer would be bought today.

    Attributes
    ----------
    layer : LayerSettings
    expiry : pd.Timestamp
    days : int
        Calendar days from the fill.
    strike, future, vol, price, delta : float
    source : str
        Where the future comes from.
    flags : tuple of str
    quote : tuple of float or None
        Bid and ask where the price is a quote's.
    """

    layer: LayerSettings
    expiry: pd.Timestamp
    days: int
    strike: float
    future: float
    vol: float
    price: float
    delta: float
    source: str
    flags: tuple[str, ...]
    quote: tuple[float, float] | None = None

    @property
    def unit_cost_cents(self) -> int:
        """Cost of the layer's contracts in one unit, at the mark rounded up to the tick."""
        return self.layer.contracts * self.price_hundredths * 100

    @property
    def price_hundredths(self) -> int:
        """Mark rounded up to the VIX option tick, hundredths of a point."""
        tick = 5 if self.price < 3 else 10
        return ceil(round(self.price * 100 / tick, 9)) * tick


@dataclass(frozen=True)
class Holding:
    """A held layer, marked; `quote` is bid and ask where the mark is a quote's."""

    held: HedgeLayer
    days: int
    future: float
    vol: float
    mark: float
    quote: tuple[float, float] | None = None

    @property
    def multiple(self) -> float:
        """Mark over cost."""
        return self.mark * 100 / self.held.cost


def adaptive_kappa(
    state: MarketState, p_shift: float | None, allowance: Allowance, settings: HedgeSettings
) -> float:
    """Share of the condor loss to offset: forecast, backwardation, VIX and the policy's rows."""
    p = p_shift if p_shift is not None else 0.5
    kappa = settings.kappa + settings.kappa_shift * max(2 * p - 1, 0.0)
    kappa += settings.kappa_backwardation * state.backwardation
    kappa -= settings.kappa_calm * (state.vix < settings.refresh_vix and p < 0.2)
    low, high = settings.kappa_range
    return float(min(max(kappa + allowance.kappa, low), high))


def target_layer(
    layer: LayerSettings,
    state: MarketState,
    curve: VixCurve,
    settings: HedgeSettings,
    *,
    delta: float | None = None,
) -> Target:
    """Choose expiry and strike of a layer.

    Parameters
    ----------
    layer : LayerSettings
    state : MarketState
        Its VVIX must be known.
    curve : VixCurve
    settings : HedgeSettings
    delta : float, optional
        In place of the layer's own.

    Returns
    -------
    Target
        The listed monthly expiry nearest to the layer's days; the listed strike whose Black-76
        delta on the future of that expiry is nearest.
    """
    expiry = nearest_expiry(curve.today, layer.dte)
    days = (expiry - curve.today).days
    flags = []
    if abs(days - layer.dte) > settings.dte_tolerance * layer.dte:
        flags.append(f"no listed expiry within {settings.dte_tolerance:.0%} of {layer.dte} days")
    future, source = curve.forward(expiry)
    if source != "VX settlement":
        flags.append(f"future from {source}")
    vvix = float(state.vvix or np.nan)
    strike = _listed_strike(delta or layer.delta, future, days, vvix)
    price, vol, quote = _mark(state, expiry, strike, future, days)
    return Target(
        layer=layer,
        expiry=expiry,
        days=days,
        strike=strike,
        future=future,
        vol=vol,
        price=price,
        delta=call_delta(strike, future, days, vol),
        source=source,
        flags=tuple(flags),
        quote=quote,
    )


@lru_cache(maxsize=65_536)
def _listed_strike(delta: float, future: float, days: int, vvix: float) -> float:
    """Search once for each question: a replay asks about the same evening many times."""
    return strike_for_delta(delta, future, days, vvix)


def holding_of(held: HedgeLayer, state: MarketState, curve: VixCurve) -> Holding:
    """Mark a held layer; an expired one is worth nothing more."""
    expiry = pd.Timestamp(held.expiry)
    days = (expiry - curve.today).days
    if days <= 0:
        return Holding(held, days, state.vix, 0.0, max(state.vix - held.strike, 0.0))
    future, _ = curve.forward(expiry)
    mark, vol, quote = _mark(state, expiry, held.strike, future, days)
    return Holding(held, days, future, vol, mark, quote)


def _mark(
    state: MarketState, expiry: pd.Timestamp, strike: float, future: float, days: int
) -> tuple[float, float, tuple[float, float] | None]:
    """Price and volatility of a call, and its bid and ask when the user's quotes have it."""
    vol = call_vol(strike, future, days, float(state.vvix or np.nan))
    if state.quotes is not None:
        marks = state.quotes.mark(
            root="VIX",
            expiry=expiry,
            strikes=[strike],
            call=True,
            forward=future,
            tau=days / CALENDAR_DAYS,
        )
        # below the intrinsic value on this future no volatility fits, and nothing can be shocked
        if marks is not None and np.isfinite(marks.vol[0]):
            band = float(marks.low[0]), float(marks.high[0])
            return float(marks.mid[0]), float(marks.vol[0]), band
    return call_price(strike, future, days, vol), vol, None


def units_wanted(
    targets: Sequence[Target],
    state: MarketState,
    *,
    kappa: float,
    exposure_cents: int,
    settings: HedgeSettings,
) -> tuple[int, int]:
    """Size the ladder: units, and what one unit gains in the sizing shock, cents.

    Notes
    -----
    ``ceil(kappa x maximum condor loss / G(unit, VIX to max(30, 1.67 VIX)))``.
    """
    unit = sum(t.layer.contracts * sizing_gain(t, state, settings) for t in targets)
    cents = int(unit * _CENTS)
    if exposure_cents <= 0 or cents <= 0:
        return 0, cents
    return ceil(kappa * exposure_cents / cents), cents


def sizing_gain(target: Target, state: MarketState, settings: HedgeSettings) -> float:
    """Points that one call of a layer gains in the shock that sizes hedges."""
    level = max(settings.shock_floor, settings.shock_multiple * state.vix)
    return gain(
        target.strike,
        target.future,
        target.days,
        target.vol,
        beta=target.layer.beta,
        jump=level - state.vix,
        shock_days=settings.shock_days,
        shock_vol=dict(zip("SML", settings.shock_vols, strict=True))[target.layer.id],
    )


def vxth_weight(forward_vix: float, settings: HedgeSettings) -> float:
    """Weight of one-month calls in Cboe's VXTH at a forward VIX."""
    for edge, weight in settings.vxth_bands:
        if forward_vix <= edge:
            return weight
    return 0.0
