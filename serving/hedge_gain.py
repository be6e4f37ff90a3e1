"""What one VIX call gains in a shock."""

from __future__ import annotations

from serving.pricing import black76
from serving.vix_smile import CALENDAR_DAYS

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
    tau = days / CALENDAR_DAYS
    after = max(days - shock_days, 0) / CALENDAR_DAYS
    moved = max(future + beta * jump, 1.0)
    then = black76(moved, strike, after, vol + shock_vol, call=True)
    return float(then - black76(future, strike, tau, vol, call=True))
