"""The ALVH ladder: three layers of VIX calls, sized by what a shock would bring."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import ceil

import numpy as np
import pandas as pd

from serving.book import HedgeLayer
from serving.policy import Allowance
from serving.pricing import black76, greeks76
from serving.settings import HedgeSettings, LayerSettings
from serving.state import MarketState
from serving.vix_curve import VixCurve, listed_expiries
from serving.vix_smile import CALENDAR_DAYS, vix_strike_for_delta, vix_vol

__all__ = [
    "Holding",
    "Target",
    "adaptive_kappa",
    "efficiency",
    "gain",
    "hedge_theta",
    "holding_of",
    "target_layer",
    "units_wanted",
    "vxth_weight",
]

_CENTS = 10_000  # one point of one VIX option, in cents
_SESSION_DAYS = 365 / 252


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
    expiries = listed_expiries(curve.today)
    expiry = min(expiries, key=lambda e: (abs((e - curve.today).days - layer.dte), e))
    days = (expiry - curve.today).days
    flags = []
    if abs(days - layer.dte) > settings.dte_tolerance * layer.dte:
        flags.append(f"no listed expiry within {settings.dte_tolerance:.0%} of {layer.dte} days")
    future, source = curve.forward(expiry)
    if source != "VX settlement":
        flags.append(f"future from {source}")
    vvix = float(state.vvix or np.nan)
    strike = float(vix_strike_for_delta(delta or layer.delta, future, days, vvix))
    price, vol, quote = _mark(state, expiry, strike, future, days)
    tau = days / CALENDAR_DAYS
    return Target(
        layer=layer,
        expiry=expiry,
        days=days,
        strike=strike,
        future=future,
        vol=vol,
        price=price,
        delta=float(greeks76(future, strike, tau, vol, call=True).delta),
        source=source,
        flags=tuple(flags),
        quote=quote,
    )


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
    tau = days / CALENDAR_DAYS
    vol = float(vix_vol(strike, future, days, float(state.vvix or np.nan)))
    if state.quotes is not None:
        marks = state.quotes.mark(
            root="VIX", expiry=expiry, strikes=[strike], call=True, forward=future, tau=tau
        )
        # below the intrinsic value on this future no volatility fits, and nothing can be shocked
        if marks is not None and np.isfinite(marks.vol[0]):
            band = float(marks.low[0]), float(marks.high[0])
            return float(marks.mid[0]), float(marks.vol[0]), band
    return float(black76(future, strike, tau, vol, call=True)), vol, None


def _later_vol(
    state: MarketState, strike: float, now: tuple[float, int, float], future: float, days: float
) -> float:
    """Volatility that a call will have on the standing surface, shifted to its mark of today.

    Parameters
    ----------
    now : tuple
        Today's future, days and volatility of the call.
    """
    vvix = float(state.vvix or np.nan)
    before, left, vol = now
    shift = vol / float(vix_vol(strike, before, left, vvix))
    return shift * float(vix_vol(strike, future, days, vvix))


def gain(
    strike: float,
    future: float,
    days: int,
    vol: float,
    *,
    beta: float,
    jump: float,
    shock_days: int,
    shock_vol: float = 0.0,
) -> float:
    """Points that one call gains when VIX jumps and its future follows by `beta`.

    Notes
    -----
    3.1 of the dossier: ``C(F + beta dVIX, K, vol + d, T - 5d) - C(F, K, vol, T)``.
    """
    tau = days / CALENDAR_DAYS
    after = max(days - shock_days, 0) / CALENDAR_DAYS
    moved = max(future + beta * jump, 1.0)
    then = black76(moved, strike, after, vol + shock_vol, call=True)
    return float(then - black76(future, strike, tau, vol, call=True))


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
    level = max(settings.shock_floor, settings.shock_multiple * state.vix)
    unit = sum(
        t.layer.contracts
        * gain(
            t.strike,
            t.future,
            t.days,
            t.vol,
            beta=t.layer.beta,
            jump=level - state.vix,
            shock_days=settings.shock_days,
            shock_vol=dict(zip("SML", settings.shock_vols, strict=True))[t.layer.id],
        )
        for t in targets
    )
    cents = int(unit * _CENTS)
    if exposure_cents <= 0 or cents <= 0:
        return 0, cents
    return ceil(kappa * exposure_cents / cents), cents


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
        vol = _later_vol(state, target.strike, now, future, left)
        later = float(black76(future, target.strike, left / CALENDAR_DAYS, vol, call=True))
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
        left = item.days - _SESSION_DAYS
        if item.days <= 0:
            continue
        if left <= 0:
            later = max(curve.at(0.0) - item.held.strike, 0.0)
        else:
            future = curve.at(left)
            now = item.future, item.days, item.vol
            vol = _later_vol(state, item.held.strike, now, future, left)
            later = float(black76(future, item.held.strike, left / CALENDAR_DAYS, vol, call=True))
        total += item.held.quantity * (later - item.mark)
    return total


def vxth_weight(forward_vix: float, settings: HedgeSettings) -> float:
    """Weight of one-month calls in Cboe's VXTH at a forward VIX."""
    for edge, weight in settings.vxth_bands:
        if forward_vix <= edge:
            return weight
    return 0.0
