"""What one VIX call gains in a shock."""

from __future__ import annotations

from serving.vix_calls import call_price

__all__ = ["gain"]


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
    moved = max(future + beta * jump, 1.0)
    then = call_price(strike, moved, max(days - shock_days, 0), vol + shock_vol)
    return then - call_price(strike, future, days, vol)
