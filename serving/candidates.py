"""The graded answers to an open condor, each as a distribution of profit from now on."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from serving.book import OpenCondor
from serving.chain import Chain
from serving.condor import MULTIPLIER, Condor
from serving.odds import slippage, value_at
from serving.settings import ServingSettings

__all__ = ["Candidate", "candidates", "hedged", "rolled"]

Array = NDArray[np.float64]

_POINT = 100 * MULTIPLIER
_TAIL = 0.05


@dataclass(frozen=True)
class Candidate:
    """One answer: its mean profit from now on, tail, cost and utility, cents for the position."""

    action: str
    detail: str
    mean: float
    cvar: float
    cost: float
    utility: float


def candidates(
    position: OpenCondor, chain: Chain, mark: float, settle: Array, settings: ServingSettings
) -> list[Candidate]:
    """List what can be done without changing the expiry.

    Parameters
    ----------
    position : OpenCondor
    chain : Chain
        Marks of its expiry.
    mark : float
        Cost of buying it back, index points.
    settle : Array
        Simulated settlements, index points.
    settings : ServingSettings
    """
    own, count = position.condor(), position.quantity
    fee, lost = settings.costs.fee_cents, slippage(mark, settings.costs) * _POINT
    # profit from now on of one condor held to its settlement: what is owed now, less what is paid
    held = mark * _POINT - (own.max_profit_cents - value_at(own, settle))
    out = [_judge("hold", "as it is", held * count, 0.0, settings)]
    for share in settings.time_shift.resize_steps:
        kept = max(int(share * count), 0)
        if 0 < kept < count:
            cost = (count - kept) * (4 * fee + lost)
            out.append(_judge("resize", f"to {kept} of {count}", held * kept, cost, settings))
    cost = count * (4 * fee + lost)
    out.append(_judge("close", "all", np.zeros_like(settle), cost, settings))
    narrower = settings.policy.divergence_w
    if min(own.put_width, own.call_width) > narrower:
        cut = Condor(
            expiry=own.expiry,
            put_long=own.put_long + narrower,
            put_short=own.put_short,
            call_short=own.call_short,
            call_long=own.call_long - narrower,
            credit=own.credit,
        )
        worth = chain.credit(cut.put_short, cut.call_short, cut.put_width, cut.call_width)
        profit = worth * _POINT - (cut.max_profit_cents - value_at(cut, settle))
        cost = count * (4 * fee + lost)
        out.append(_judge("cut_w", f"W -{narrower}", profit * count, cost, settings))
    further = _further(own, chain, settings)
    if further is not None:
        profit = value_at(further, settle) + further.fees_cents
        cost = count * (8 * fee + lost + slippage(further.credit / 100, settings.costs) * _POINT)
        detail = f"shorts to {further.put_short}/{further.call_short}"
        out.append(_judge("shift_m", detail, profit * count, cost, settings))
    return out


def hedged(
    position: OpenCondor,
    mark: float,
    settle: Array,
    calls: Array,
    detail: str,
    cost: float,
    settings: ServingSettings,
) -> Candidate:
    """Judge holding the condor with VIX calls beside it.

    Parameters
    ----------
    settle, calls : Array
        Settlements in index points and profits of the calls in cents, on the same paths.
    cost : float
        Of buying the calls, cents.
    """
    own = position.condor()
    held = mark * _POINT - (own.max_profit_cents - value_at(own, settle))
    return _judge("hedge", detail, held * position.quantity + calls, cost, settings)


def rolled(
    position: OpenCondor, mark: float, condor: Condor, settle: Array, settings: ServingSettings
) -> Candidate:
    """Judge closing the condor and opening another of a later expiry."""
    fee, count = settings.costs.fee_cents, position.quantity
    lost = slippage(mark, settings.costs) + slippage(condor.credit / 100, settings.costs)
    profit = value_at(condor, settle) + condor.fees_cents
    cost = count * (8 * fee + lost * _POINT)
    detail = f"to {condor.expiry} {condor.put_short}/{condor.call_short}"
    return _judge("time_shift", detail, profit * count, cost, settings)


def _judge(
    action: str, detail: str, profit: Array, cost: float, settings: ServingSettings
) -> Candidate:
    own = settings.time_shift
    mean = float(profit.mean())
    tail = np.sort(profit)[: max(int(_TAIL * len(profit)), 1)]
    cvar = max(-float(tail.mean()), 0.0)
    loyalty = 0.0 if action == "hold" else own.loyalty_cents
    return Candidate(
        action, detail, mean, cvar, cost, mean - own.cvar_weight * cvar - cost - loyalty
    )


def _further(own: Condor, chain: Chain, settings: ServingSettings) -> Condor | None:
    """Give the same widths with both shorts further out by the defensive multiple."""
    multiple, step = settings.policy.defensive_m, chain.step
    put = int(np.floor((chain.spot - (chain.spot - own.put_short) * multiple) / step)) * step
    call = int(np.ceil((chain.spot + (own.call_short - chain.spot) * multiple) / step)) * step
    put, call = min(put, own.put_short), max(call, own.call_short)
    low, high = put - own.put_width, call + own.call_width
    if low < chain.strikes[0] or high > chain.strikes[-1] or put >= call:
        return None
    credit = int(chain.credit(put, call, own.put_width, own.call_width) * 20) * 5
    if credit <= 0:
        return None
    return Condor(own.expiry, low, put, call, high, credit, 4 * settings.costs.fee_cents)
