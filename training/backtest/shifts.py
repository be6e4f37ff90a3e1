"""Time-shifting a challenged one-day condor at an opening: two trades, booked as two trades."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from features.sessions import calendar
from serving.book import OpenCondor
from serving.chain import mark_chain
from serving.condor import round_to_tick
from serving.edr import Edr
from serving.odds import slippage
from serving.settings import ServingSettings
from serving.smile import VolInputs
from serving.state import MarketState
from serving.timeshift import challenges, shift_back, shift_forward
from training.backtest.holdings import close_cents

__all__ = ["Shifted", "rolled"]


@dataclass(frozen=True)
class Shifted:
    """The package that replaces a challenged one, what closing that cost, and fees of each trade.

    Attributes
    ----------
    position : OpenCondor
        The new position, opened today.
    paid_cents : int
        Paid to close the old one, fees included.
    fees_cents : int
        Fees of either trade.
    """

    position: OpenCondor
    paid_cents: int
    fees_cents: int


def rolled(
    position: OpenCondor,
    state: MarketState,
    inputs: VolInputs,
    edr: Edr,
    settings: ServingSettings,
) -> Shifted | None:
    """Roll a condor at an opening by the ticket's own search, if it is challenged there.

    Parameters
    ----------
    position : OpenCondor
        Open, one of the 1 DTE book: the search looks 1 to 7 days ahead, so it never finds a later
        expiry for the 30-60 DTE book.
    state : MarketState
        Levels of the opening; `ticket_session` is that session.
    inputs : VolInputs
        Smile inputs of the opening.
    edr : Edr
        Expected daily range of the evening before.
    settings : ServingSettings

    Returns
    -------
    Shifted or None
        None when nothing is challenged, no roll is allowed, or none pays after slippage. A
        challenged condor goes forward; one that was shifted before comes back on a pullback.
    """
    expiry = pd.Timestamp(position.expiry)
    own = settings.condor
    furthest = max(state.spx - position.put_long, position.call_long - state.spx, 0.0)
    chain = mark_chain(
        expiry=position.expiry,
        spot=state.spx,
        sessions=float(len(calendar().sessions(state.ticket_session, expiry))),
        inputs=inputs,
        rate=state.rate if state.rate is not None else own.rate,
        step=own.strike_step,
        reach=own.chain_reach,
        margin=int(furthest) + 2 * own.strike_step,
    )
    if challenges(position, chain, edr, settings):
        roll = shift_forward(position, chain, state, inputs, edr, settings)
    else:
        roll = shift_back(position, chain, state, inputs, edr, settings)
    if roll.condor is None:
        return None
    mid = roll.condor.credit / 100
    credit = round_to_tick(mid - slippage(mid, settings.costs), own.tick, down=True)
    if credit <= 0:
        return None
    mark = chain.credit(
        position.put_short,
        position.call_short,
        position.put_short - position.put_long,
        position.call_long - position.call_short,
    )
    paid, fees = close_cents(mark, position, settings.costs)
    lost = max(round(mark * 100) - position.credit, 0) * 100
    new = roll.condor
    return Shifted(
        position.model_copy(
            update={
                "id": f"{position.id}+",
                "expiry": new.expiry,
                "put_long": new.put_long,
                "put_short": new.put_short,
                "call_short": new.call_short,
                "call_long": new.call_long,
                "credit": credit,
                "opened": state.ticket_session.date(),
                "rolls_used": position.rolls_used + 1,
                "realised_loss_cents": position.realised_loss_cents + lost,
                "original_max_loss_cents": position.original_max_loss_cents
                or position.condor().max_loss_cents,
            }
        ),
        paid,
        fees,
    )
