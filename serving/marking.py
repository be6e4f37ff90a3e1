"""Which marks an expiry gets: the user's quotes where they suffice, else the smile."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.sessions import calendar
from serving.chain import Chain, QuoteBand, mark_chain
from serving.pricing import implied_vol, parity_forward
from serving.settings import CondorSettings
from serving.smile import SESSIONS_PER_YEAR, VolInputs
from serving.state import MarketState

__all__ = ["chain_for", "require_same_market"]

Array = NDArray[np.float64]

_ROOT = "SPXW"
_END_DELTA = 0.05  # quotes that end nearer than this hide where a search would go
_LEAST = 8
_NEAREST = 5  # strikes around the money that give the forward
_APART = 0.10  # a forward further from the close is another index, or another time


def chain_for(
    state: MarketState,
    inputs: VolInputs,
    settings: CondorSettings,
    *,
    expiry: pd.Timestamp,
    sessions: int,
    margin: int,
    needed: Sequence[int] = (),
) -> Chain:
    """Mark the strikes of one expiry.

    Parameters
    ----------
    state : MarketState
        With the user's quotes, when there are any.
    inputs : VolInputs
        For the smile.
    settings : CondorSettings
    expiry : pd.Timestamp
    sessions : int
        Exchange sessions from the fill to the expiry.
    margin : int
        Points of the smile's grid beyond its reach.
    needed : sequence of int
        Strikes that quotes must hold to be used.

    Returns
    -------
    Chain
        From quotes when both rights of every listed strike are quoted from one 0.05 delta to
        the other; else wholly from the smile, so that no package has two sources.

    Notes
    -----
    Quotes are of the expiry that lies as many sessions after t as the fill does before the
    chain's own: the 1 DTE condor of tomorrow afternoon is marked by today's 1 DTE options, as
    the smile marks it with one session's volatility. `source` then names that expiry.
    """
    rate = state.rate if state.rate is not None else settings.rate
    if state.quotes is not None:
        chain = _quoted(state, inputs, settings.strike_step, expiry, sessions, rate)
        if chain is not None and set(needed) <= set(chain.strikes.tolist()):
            return chain
    return mark_chain(
        expiry=expiry.date(),
        spot=state.spx,
        sessions=float(sessions),
        inputs=inputs,
        rate=rate,
        step=settings.strike_step,
        reach=settings.chain_reach,
        margin=margin,
    )


def require_same_market(state: MarketState) -> None:
    """Refuse quotes whose forward is not near the index.

    Raises
    ------
    DataError
        If an expiry's put-call parity implies a forward more than a tenth away from the close.
    """
    if state.quotes is None:
        return
    frame = state.quotes.frame
    for expiry in frame.loc[frame["root"] == _ROOT, "expiry"].unique():
        ladder = state.quotes.ladder(_ROOT, pd.Timestamp(expiry))
        if ladder.empty:
            continue
        forward = _forward(ladder, 1.0)
        if abs(forward / state.spx - 1) > _APART:
            raise DataError(
                f"{state.quotes.name} implies a forward of {forward:,.0f} for {expiry:%Y-%m-%d}, "
                f"but SPX closed at {state.spx:,.2f}. Expected quotes of {_ROOT} on that session; "
                "check root, strikes and dates."
            )


def _quoted(
    state: MarketState,
    inputs: VolInputs,
    step: int,
    expiry: pd.Timestamp,
    sessions: int,
    rate: float,
) -> Chain | None:
    quotes = state.quotes
    if quotes is None:
        return None
    ahead = calendar().sessions(state.ticket_session, expiry)
    stand_in = ahead[sessions - 1]
    ladder = quotes.ladder(_ROOT, stand_in)
    ladder = ladder[ladder.index % step == 0]
    if len(ladder) < _LEAST:
        return None
    years = sessions / SESSIONS_PER_YEAR
    discount = float(np.exp(-rate * years))
    forward = _forward(ladder, discount)
    strike = ladder.index.to_numpy(dtype=float)
    put, call = (
        (ladder[f"{side}_bid"] + ladder[f"{side}_ask"]).to_numpy(dtype=float) / 2
        for side in ("put", "call")
    )
    upper = strike >= forward
    outside = np.where(upper, call, put)  # out of the money: where the quotes are tightest
    vol = implied_vol(outside, forward, strike, years, call=upper, discount=discount)
    kept = _run_around(strike, np.isfinite(vol), forward, step)
    if kept is None:
        return None
    carried = discount * (forward - strike)
    chain = Chain(
        expiry=expiry.date(),
        spot=state.spx,
        forward=forward,
        sessions=float(sessions),
        discount=discount,
        inputs=inputs,
        strikes=strike[kept].astype(np.int64),
        vol=vol[kept],
        put=np.maximum(np.where(upper, call - carried, put), 0.0)[kept],
        call=np.maximum(np.where(upper, call, put + carried), 0.0)[kept],
        source="quotes" if stand_in == expiry else f"quotes of {stand_in:%Y-%m-%d}",
        band=QuoteBand(
            **{
                name: ladder[name].to_numpy(dtype=float)[kept]
                for name in ("put_bid", "put_ask", "call_bid", "call_ask")
            }
        ),
    )
    if max(float(chain.put_delta[0]), float(chain.call_delta[-1])) > _END_DELTA:
        return None
    return chain


def _forward(ladder: pd.DataFrame, discount: float) -> float:
    """Forward by put-call parity at the strikes where call and put are nearest to each other."""
    put = (ladder["put_bid"] + ladder["put_ask"]) / 2
    call = (ladder["call_bid"] + ladder["call_ask"]) / 2
    nearest = (call - put).abs().nsmallest(_NEAREST).index
    implied = parity_forward(call[nearest], put[nearest], nearest.to_numpy(dtype=float), discount)
    return float(np.median(implied))


def _run_around(
    strike: Array, usable: NDArray[np.bool_], forward: float, step: int
) -> slice | None:
    """Longest run of usable strikes without a gap that holds the forward."""
    joined = np.append(False, (np.diff(strike) == step) & usable[1:] & usable[:-1])
    run = np.cumsum(~joined)
    at = int(np.searchsorted(strike, forward, side="right")) - 1
    if at < 0 or not usable[at]:
        return None
    places = np.flatnonzero((run == run[at]) & usable)
    return slice(int(places[0]), int(places[-1]) + 1) if len(places) >= _LEAST else None
