"""European option prices, Greeks and implied volatility, vectorised over everything."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import ndtr

from features.errors import UsageError

__all__ = ["Greeks", "black76", "black_scholes", "greeks76", "implied_vol", "parity_forward"]

Array = NDArray[np.float64]

_INV_SQRT_2PI = 0.3989422804014327
_VOL_LOW, _VOL_HIGH = 1e-6, 20.0
_MAX_STEPS = 100


@dataclass(frozen=True)
class Greeks:
    """Black-76 sensitivities, each an array of the broadcast shape.

    Attributes
    ----------
    delta : Array
        Change of price per point of the forward (discounted, so a call lies in [0, discount]).
    gamma : Array
        Change of delta per point of the forward.
    vega : Array
        Change of price per 1.00 of volatility (divide by 100 for one volatility point).
    theta : Array
        Change of price per year of time passing at a fixed forward and discount factor;
        negative for a bought option.
    """

    delta: Array
    gamma: Array
    vega: Array
    theta: Array


def black76(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Array:
    """Price European options on a forward.

    Parameters
    ----------
    forward, strike : ArrayLike
        Index points, positive.
    tau : ArrayLike
        Years to expiry, not negative; 0 gives the intrinsic value.
    vol : ArrayLike
        Volatility as a fraction per square root of year (0.2 is 20 %), not negative.
    call : ArrayLike
        True for calls, False for puts.
    discount : ArrayLike
        Discount factor to the payment day.

    Returns
    -------
    Array
        Prices in index points, of the broadcast shape. NaN inputs give NaN.

    Raises
    ------
    UsageError
        If a forward or strike is not positive, or a time or volatility is negative.

    Notes
    -----
    Black (1976): ``D (F N(d1) - K N(d2))`` for a call.
    """
    # every term meets every other: the result has the broadcast shape without widening them first
    forward_, strike_, sd, sign, discount_ = _read(forward, strike, tau, vol, call, discount)
    d1, d2 = _d1_d2(forward_, strike_, sd)
    return np.asarray(discount_ * sign * (forward_ * ndtr(sign * d1) - strike_ * ndtr(sign * d2)))


def black_scholes(
    spot: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    call: ArrayLike,
    rate: ArrayLike = 0.0,
    dividend: ArrayLike = 0.0,
) -> Array:
    """Price European options on a spot with continuous rate and dividend yield.

    Parameters
    ----------
    spot, strike, tau, vol, call
        As in `black76`, with the spot in place of the forward.
    rate, dividend : ArrayLike
        Continuously compounded, fractions per year.

    Returns
    -------
    Array
        Prices in index points.
    """
    tau_ = np.asarray(tau, dtype=float)
    rate_, dividend_ = np.asarray(rate, dtype=float), np.asarray(dividend, dtype=float)
    forward = np.asarray(spot, dtype=float) * np.exp((rate_ - dividend_) * tau_)
    return black76(forward, strike, tau_, vol, call=call, discount=np.exp(-rate_ * tau_))


def greeks76(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    *,
    call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Greeks:
    """Give the Black-76 sensitivities.

    Parameters
    ----------
    forward, strike, tau, vol, call, discount
        As in `black76`.

    Returns
    -------
    Greeks
        At zero time or volatility: the step function for delta, zero for the others.
    """
    forward_, strike_, sd, sign, discount_ = _checked(forward, strike, tau, vol, call, discount)
    tau_ = np.asarray(tau, dtype=float)
    vol_ = np.asarray(vol, dtype=float)
    d1, _ = _d1_d2(forward_, strike_, sd)
    density = np.where(sd > 0, _INV_SQRT_2PI * np.exp(-0.5 * np.minimum(d1 * d1, 1e4)), 0.0)
    alive = np.where(sd > 0, sd, 1.0)
    root = np.sqrt(tau_)
    return Greeks(
        delta=np.asarray(discount_ * sign * ndtr(sign * d1)),
        gamma=np.asarray(discount_ * density / (forward_ * alive)),
        vega=np.asarray(discount_ * forward_ * density * root),
        theta=np.asarray(
            -discount_ * forward_ * density * vol_ / (2 * np.where(root > 0, root, 1.0))
        ),
    )


def implied_vol(
    price: ArrayLike,
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    *,
    call: ArrayLike,
    discount: ArrayLike = 1.0,
) -> Array:
    """Invert `black76` for the volatility.

    Parameters
    ----------
    price : ArrayLike
        Index points.
    forward, strike, tau, call, discount
        As in `black76`.

    Returns
    -------
    Array
        Volatility as a fraction. NaN where no volatility gives the price: at or below the
        intrinsic value, at or above the price's upper bound, or at zero time.

    Notes
    -----
    Newton steps kept inside a shrinking bracket (a bisection step where Newton leaves it), so
    the search cannot diverge; it works on the out-of-the-money side, where digits survive.
    """
    ones = np.ones(1)
    forward_, strike_, _, sign, discount_ = _checked(forward, strike, tau, ones[0], call, discount)
    tau_ = np.broadcast_to(np.asarray(tau, dtype=float), forward_.shape)
    value = np.asarray(price, dtype=float) / discount_
    shape = np.broadcast_shapes(value.shape, forward_.shape)
    forward_, strike_, sign, value, tau_ = (
        np.broadcast_to(a, shape).astype(float).ravel()
        for a in (forward_, strike_, sign, value, tau_)
    )
    intrinsic = np.maximum(sign * (forward_ - strike_), 0.0)
    time_value = value - intrinsic
    ceiling = np.minimum(forward_, strike_)  # the out-of-the-money price lies below both
    with np.errstate(invalid="ignore"):
        solvable = (time_value > 0) & (time_value < ceiling) & (tau_ > 0)
    result = np.full(value.shape, np.nan)
    if solvable.any():
        result[solvable] = _solve(
            time_value[solvable], forward_[solvable], strike_[solvable], tau_[solvable]
        )
    return result.reshape(shape)


def parity_forward(
    call_price: ArrayLike, put_price: ArrayLike, strike: ArrayLike, discount: ArrayLike
) -> Array:
    """Give the forward that put-call parity implies, ``K + (C - P) / D``, per strike."""
    gap = np.asarray(call_price, dtype=float) - np.asarray(put_price, dtype=float)
    return np.asarray(np.asarray(strike, dtype=float) + gap / np.asarray(discount, dtype=float))


def _solve(target: Array, forward: Array, strike: Array, tau: Array) -> Array:
    sign = np.where(strike >= forward, 1.0, -1.0)
    root = np.sqrt(tau)
    low = np.full(target.shape, _VOL_LOW)
    high = np.full(target.shape, _VOL_HIGH) / np.maximum(root, 1e-4)
    # the volatility of greatest vega: Newton from there never overshoots to the wrong side
    vol = np.clip(np.sqrt(2 * np.abs(np.log(forward / strike))) / root, 0.05 / root, high)
    for _ in range(_MAX_STEPS):
        sd = vol * root
        d1, d2 = _d1_d2(forward, strike, sd)
        error = sign * (forward * ndtr(sign * d1) - strike * ndtr(sign * d2)) - target
        low = np.where(error < 0, vol, low)
        high = np.where(error < 0, high, vol)
        vega = forward * _INV_SQRT_2PI * np.exp(-0.5 * np.minimum(d1 * d1, 1e3)) * root
        step = np.where(vega > 1e-300, error / np.where(vega > 1e-300, vega, 1.0), np.inf)
        newton = vol - step
        inside = (newton > low) & (newton < high)
        following = np.where(inside, newton, 0.5 * (low + high))
        done = np.abs(following - vol) <= 1e-14 + 1e-13 * vol
        vol = following
        if done.all():
            break
    return np.asarray(vol)


def _checked(*given: ArrayLike) -> tuple[Array, Array, Array, Array, Array]:
    """Read the inputs and give them their broadcast shape."""
    return (*np.broadcast_arrays(*_read(*given)),)  # type: ignore[return-value]


def _read(
    forward: ArrayLike,
    strike: ArrayLike,
    tau: ArrayLike,
    vol: ArrayLike,
    call: ArrayLike,
    discount: ArrayLike,
) -> tuple[Array, Array, Array, Array, Array]:
    """Read and check the inputs: forward, strike, deviation, sign of the right, discount."""
    forward_ = np.asarray(forward, dtype=float)
    strike_ = np.asarray(strike, dtype=float)
    tau_ = np.asarray(tau, dtype=float)
    vol_ = np.asarray(vol, dtype=float)
    for name, values, bad in (
        ("forward", forward_, forward_ <= 0),
        ("strike", strike_, strike_ <= 0),
        ("tau", tau_, tau_ < 0),
        ("vol", vol_, vol_ < 0),
    ):
        if bad.any():
            rule = "positive" if name in ("forward", "strike") else "not negative"
            raise UsageError(
                f"`{name}` must be {rule}, got {values[bad].flat[0]}. Check the option's inputs."
            )
    sign = np.where(np.asarray(call, dtype=bool), 1.0, -1.0)
    return forward_, strike_, vol_ * np.sqrt(tau_), sign, np.asarray(discount, dtype=float)


def _d1_d2(forward: Array, strike: Array, sd: Array) -> tuple[Array, Array]:
    log_moneyness = np.log(forward / strike)
    alive = np.where(sd > 0, sd, 1.0)
    # without time or volatility d1 is +-infinity, and 0 exactly at the money: intrinsic either way
    frozen = np.where(log_moneyness > 0, np.inf, np.where(log_moneyness < 0, -np.inf, 0.0))
    centre = np.where(sd > 0, log_moneyness / alive, frozen)
    half = np.where(sd > 0, 0.5 * sd, 0.0)
    return centre + half, centre - half
