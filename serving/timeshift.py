"""Rolling a challenged condor to another expiry: two trades, judged as two trades."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from features.sessions import calendar
from serving.book import OpenCondor
from serving.chain import Chain
from serving.condor import MULTIPLIER, Condor, round_to_tick
from serving.edr import Edr
from serving.marking import chain_for
from serving.settings import ServingSettings
from serving.smile import VolInputs
from serving.state import MarketState

__all__ = ["Roll", "challenges", "shift_back", "shift_forward"]

_POINT = 100 * MULTIPLIER


@dataclass(frozen=True)
class Roll:
    """Result of a search: a new package, or why there is none."""

    allowed: bool
    condor: Condor | None
    chain: Chain | None
    reason: str


def challenges(
    position: OpenCondor, chain: Chain, edr: Edr, settings: ServingSettings
) -> tuple[str, ...]:
    """Say in which ways a condor is challenged (3.2 of the dossier); empty when it is not.

    Parameters
    ----------
    position : OpenCondor
    chain : Chain
        Marks of its expiry.
    edr : Edr
        Expected daily range.
    settings : ServingSettings
    """
    own = settings.time_shift
    found = []
    sides = (
        ("put", chain.put_delta, position.put_short, chain.spot - position.put_short),
        ("call", chain.call_delta, position.call_short, position.call_short - chain.spot),
    )
    near = own.challenged_edr * (edr.points(chain.spot) or 0.0)
    for name, deltas, strike, distance in sides:
        delta = float(deltas[chain.position(strike)])
        if delta >= own.challenged_delta:
            found.append(f"{name} delta {delta:.2f}")
        if distance <= near:
            found.append(f"spot {distance:.0f} points from the short {name}")
    mark = _mark(position, chain)
    if mark * 100 >= own.challenged_mark * position.credit:
        found.append(f"mark {mark:.2f} against a credit of {position.credit / 100:.2f}")
    return tuple(found)


def shift_forward(
    position: OpenCondor,
    chain: Chain,
    state: MarketState,
    inputs: VolInputs,
    edr: Edr,
    settings: ServingSettings,
) -> Roll:
    """Search a later expiry that pays for closing this one.

    Parameters
    ----------
    position : OpenCondor
        Challenged.
    chain : Chain
        Marks of its expiry.
    state, inputs, edr, settings

    Returns
    -------
    Roll
        The first expiry of 1 to 7 DTE whose credit covers debit, fees and cushion, with shorts of
        at most 0.18 delta, the same quantity, and a maximum loss that with what was realised stays
        within 1.5 times the original. Strikes start at the delta cap and move out while the credit
        still suffices. None: ``NO_ROLL``.
    """
    own = settings.time_shift
    range_high = edr.pct is not None and edr.pct > own.edr_trigger
    if not (range_high or state.vix > own.vix_trigger):
        return Roll(False, None, None, "neither EDR nor VIX is above its trigger")
    if position.rolls_used >= own.max_rolls:
        return Roll(False, None, None, f"rolled {position.rolls_used} times already")
    following = calendar().next(state.ticket_session)
    near = state.events_between(state.session, following)
    if any(e.event in ("FOMC", "CPI") for e in near):
        return Roll(False, None, None, "FOMC or CPI within a session")
    debit = _mark(position, chain)
    fees = 8 * settings.costs.fee_cents / _POINT  # four legs closed, four opened
    needed = debit * (1 + own.cushion) + fees
    lost = max(round(debit * 100) - position.credit, 0) * MULTIPLIER
    before = position.realised_loss_cents
    original = position.original_max_loss_cents or position.condor().max_loss_cents
    for dte in range(own.expiries[0], own.expiries[1] + 1):
        expiry = state.ticket_session + pd.Timedelta(days=dte)
        if not calendar().is_session(expiry) or expiry.date() <= position.expiry:
            continue
        later = _chain_of(expiry, state, inputs, settings, position)
        condor = _package(position, later, needed, settings)
        if condor is None:
            continue
        if condor.max_loss_cents + lost + before > own.max_loss_growth * original:
            continue
        return Roll(True, condor, later, f"{dte} DTE pays {condor.credit / 100:.2f}")
    return Roll(True, None, None, "NO_ROLL: accept defined loss")


def shift_back(
    position: OpenCondor,
    chain: Chain,
    state: MarketState,
    inputs: VolInputs,
    edr: Edr,
    settings: ServingSettings,
) -> Roll:
    """Bring a shifted condor back to the near expiries after a pullback.

    Notes
    -----
    The pullback is the close against (high + low + close) / 3 of the session, the daily stand-in
    for VWAP: below it for a tested call, above it for a tested put.
    """
    own = settings.time_shift
    if position.rolls_used == 0:
        return Roll(False, None, None, "was never shifted")
    if edr.pct is None or edr.pct >= own.edr_trigger:
        return Roll(False, None, None, "EDR is not below its trigger")
    if state.typical is None:
        return Roll(False, None, None, "the session's high and low are unknown")
    call_tested = position.call_short - state.spx < state.spx - position.put_short
    pulled = state.spx < state.typical if call_tested else state.spx > state.typical
    if not pulled:
        return Roll(False, None, None, "no pullback from the tested side")
    for dte in (0, 1, 2):
        expiry = state.ticket_session + pd.Timedelta(days=dte)
        if not calendar().is_session(expiry) or expiry.date() >= position.expiry:
            continue
        nearer = _chain_of(expiry, state, inputs, settings, position)
        condor = _package(position, nearer, 0.0, settings)
        if condor is not None:
            return Roll(True, condor, nearer, f"{dte} DTE pays {condor.credit / 100:.2f}")
    return Roll(True, None, None, "NO_ROLL: no near expiry pays")


def describe(roll: Roll) -> Mapping[str, Any]:
    """Show a roll on the ticket."""
    condor = roll.condor
    return {
        "allowed": roll.allowed,
        "reason": roll.reason,
        "expiry": None if condor is None else condor.expiry.isoformat(),
        "strikes": None
        if condor is None
        else [condor.put_long, condor.put_short, condor.call_short, condor.call_long],
        "credit": None if condor is None else condor.credit / 100,
        "max_loss": None if condor is None else condor.max_loss_cents,
    }


def _mark(position: OpenCondor, chain: Chain) -> float:
    own = position.condor()
    return chain.credit(position.put_short, position.call_short, own.put_width, own.call_width)


def _chain_of(
    expiry: pd.Timestamp,
    state: MarketState,
    inputs: VolInputs,
    settings: ServingSettings,
    position: OpenCondor,
) -> Chain:
    sessions = calendar().count(state.ticket_session, expiry)
    own = position.condor()
    margin = 2 * max(own.put_width, own.call_width)
    return chain_for(
        state, inputs, settings.condor, expiry=expiry, sessions=sessions, margin=margin
    )


def _package(
    position: OpenCondor, chain: Chain, needed: float, settings: ServingSettings
) -> Condor | None:
    """Widest package at or below the delta cap that still brings `needed` points."""
    own, cap = position.condor(), settings.time_shift.max_short_delta
    puts = chain.strikes[chain.put_delta <= cap]
    calls = chain.strikes[chain.call_delta <= cap]
    low, high = chain.strikes[0] + own.put_width, chain.strikes[-1] - own.call_width
    if not len(puts) or not len(calls):
        return None
    put, call = int(puts[-1]), int(calls[0])
    if put < low or call > high:
        return None

    def credit(at_put: int, at_call: int) -> int:
        points = chain.credit(at_put, at_call, own.put_width, own.call_width)
        return round_to_tick(points, settings.condor.tick, down=True)

    if credit(put, call) < max(needed * 100, settings.condor.tick):
        return None
    while needed > 0:
        put_delta = float(chain.put_delta[chain.position(put)])
        outward = (put - chain.step, call)
        if put_delta < float(chain.call_delta[chain.position(call)]):
            outward = (put, call + chain.step)
        if outward[0] < low or outward[1] > high or credit(*outward) < needed * 100:
            break
        put, call = outward
    return Condor(
        expiry=chain.expiry,
        put_long=put - own.put_width,
        put_short=put,
        call_short=call,
        call_long=call + own.call_width,
        credit=credit(put, call),
        fees_cents=4 * settings.costs.fee_cents,
    )
