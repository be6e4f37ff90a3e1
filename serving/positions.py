"""What to do with each open condor: graded answers, ranked by utility, never all or nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.sessions import calendar
from serving.answers import answer_rows, choose, ranked_row
from serving.book import OpenCondor
from serving.candidates import Candidate, candidates, hedged, rolled
from serving.chain import Chain
from serving.condor import MULTIPLIER, Condor
from serving.edr import Edr
from serving.marking import chain_for
from serving.offer import HedgeMarket, offer_for, offer_profit
from serving.policy import Allowance
from serving.pricing import black76
from serving.settings import ServingSettings
from serving.smile import SESSIONS_PER_YEAR, VolInputs, spx_vol
from serving.state import MarketState
from serving.timeshift import challenges, describe, shift_back, shift_forward

__all__ = ["grade_position", "position_theta"]

Array = NDArray[np.float64]

_POINT = 100 * MULTIPLIER


def grade_position(
    position: OpenCondor,
    state: MarketState,
    inputs: VolInputs,
    edr: Edr,
    allowance: Allowance,
    paths: Array | None,
    settings: ServingSettings,
    *,
    log_vix: Array | None = None,
    market: HedgeMarket | None = None,
) -> dict[str, Any]:
    """Grade one open condor.

    Parameters
    ----------
    position : OpenCondor
    state : MarketState
    inputs : VolInputs
    edr : Edr
        The decision's expected range.
    allowance : Allowance
        Of the position's book; restricts what may be done.
    paths : Array or None
        Simulated cumulative log returns, shape (paths, sessions ahead).
    settings : ServingSettings
    log_vix : Array or None
        Simulated log VIX of the same paths.
    market : HedgeMarket or None
        Where VIX calls would be bought.

    Returns
    -------
    dict
        The position's row of the ticket: mark, challenge, ranked actions (at least two while it
        lives), the recommendation with its rules, what each kind of answer is worth against its
        cost, rolls, and projections.

    Notes
    -----
    3.10 of the dossier: ``U(a) = E[P&L] - lambda CVaR95 - cost - eta [a changes something]``;
    the best answer is taken only when it beats holding by more than its own cost.
    """
    row: dict[str, Any] = {"id": position.id, "book": position.book, "quantity": position.quantity}
    expiry = pd.Timestamp(position.expiry)
    sessions = calendar().count(state.ticket_session, expiry)
    row |= {"expiry": position.expiry.isoformat(), "sessions_left": sessions}
    if sessions == 0:
        return row | _expired(position, state)
    try:
        chain = _chain(position, expiry, sessions, state, inputs, settings)
        found = challenges(position, chain, edr, settings)
    except DataError as error:
        return row | _unmarked(str(error))
    own = position.condor()
    mark = chain.credit(position.put_short, position.call_short, own.put_width, own.call_width)
    band = chain.credit_band(position.put_short, position.call_short, own.put_width, own.call_width)
    forward = shift_forward(position, chain, state, inputs, edr, settings) if found else None
    back = shift_back(position, chain, state, inputs, edr, settings)
    answers: list[Candidate] = []
    if paths is not None and paths.shape[1] >= sessions:
        settle = state.spx * np.exp(paths[:, sessions - 1])
        answers = candidates(position, chain, mark, settle, settings)
        if market is not None and log_vix is not None:
            offer = offer_for(position, market, state, settings)
            if offer is not None:
                calls = offer_profit(offer, state, log_vix[:, sessions - 1], sessions)
                answers.append(
                    hedged(position, mark, settle, calls, offer.detail, offer.cost_cents, settings)
                )
        if forward is not None and forward.condor is not None and forward.chain is not None:
            later = int(forward.chain.sessions)
            if paths.shape[1] >= later:
                ahead = state.spx * np.exp(paths[:, later - 1])
                answers.append(rolled(position, mark, forward.condor, ahead, settings))
    allowed = [c for c in answers if c.action in allowance.open_actions]
    allowed.sort(key=lambda c: (-c.utility, c.action, c.detail))
    choice, why, rules = choose(allowed, found, allowance)
    return row | {
        "strikes": [own.put_long, own.put_short, own.call_short, own.call_long],
        "credit": position.credit / 100,
        "mark": round(mark, 4),
        "mark_lo": round(band[0], 4),
        "mark_hi": round(band[1], 4),
        "mark_source": chain.source,
        "open_profit_cents": round((position.credit / 100 - mark) * _POINT) * position.quantity,
        "be_low": own.break_evens[0],
        "be_high": own.break_evens[1],
        "max_loss": own.max_loss_cents,
        "challenged": list(found),
        "recommendation": choice,
        "reason": why,
        "rules": rules,
        "answers": answer_rows(answers, allowance, forward),
        "ranked": [ranked_row(c, n) for n, c in enumerate(allowed, start=1)],
        "forward": None if forward is None else describe(forward),
        "back": describe(back),
        "projection": _project(position, chain, mark, paths, state, inputs, sessions, settings),
        "theta_cents": round(position_theta(position, chain, inputs) * _POINT),
    }


def position_theta(position: OpenCondor, chain: Chain, inputs: VolInputs) -> float:
    """Points that the position earns when one session passes and nothing moves (`TT_1`)."""
    later = max(chain.sessions - 1, 0.0)
    return position.quantity * (
        _package_value(position.condor(), chain.forward, chain.sessions, inputs)
        - _package_value(position.condor(), chain.forward, later, inputs)
    )


def _project(
    position: OpenCondor,
    chain: Chain,
    mark: float,
    paths: Array | None,
    state: MarketState,
    inputs: VolInputs,
    sessions: int,
    settings: ServingSettings,
) -> list[dict[str, Any]]:
    """Quantiles of the profit from now on after k sessions, at today's smile moved with spot."""
    out: list[dict[str, Any]] = []
    if paths is None:
        return out
    if chain.band is not None:  # later values are the smile's, so what they start from is too
        mark = _package_value(position.condor(), chain.forward, chain.sessions, inputs)
    for ahead in settings.time_shift.projections:
        if ahead > min(sessions, paths.shape[1]):
            continue
        spot = state.spx * np.exp(paths[:, ahead - 1])
        value = _package_value(position.condor(), spot, float(sessions - ahead), inputs)
        profit = (mark - value) * _POINT * position.quantity
        levels = np.quantile(profit, (0.05, 0.25, 0.5, 0.75, 0.95))
        names = ("q05", "q25", "q50", "q75", "q95")
        row = dict(zip(names, (round(float(x)) for x in levels), strict=True))
        out.append({"sessions": ahead, **row})
    return out


def _package_value(
    condor: Condor, forward: float | Array, sessions: float, inputs: VolInputs
) -> Any:
    """Cost of buying the package back, index points; undiscounted."""
    strikes = np.array(
        [condor.put_long, condor.put_short, condor.call_short, condor.call_long], dtype=float
    )
    call = np.array([False, False, True, True])
    sign = np.array([-1.0, 1.0, 1.0, -1.0])
    at = np.asarray(forward, dtype=float)[..., None]
    if sessions <= 0:
        prices = np.maximum(np.where(call, at - strikes, strikes - at), 0.0)
    else:
        vol = spx_vol(strikes, at, sessions, inputs)
        prices = black76(at, strikes, sessions / SESSIONS_PER_YEAR, vol, call=call)
    value = prices @ sign
    return float(value) if np.ndim(forward) == 0 else value


def _chain(
    position: OpenCondor,
    expiry: pd.Timestamp,
    sessions: int,
    state: MarketState,
    inputs: VolInputs,
    settings: ServingSettings,
) -> Chain:
    furthest = max(state.spx - position.put_long, position.call_long - state.spx, 0.0)
    own = position.condor()
    return chain_for(
        state,
        inputs,
        settings.condor,
        expiry=expiry,
        sessions=sessions,
        margin=int(furthest) + 2 * settings.condor.strike_step,
        needed=[leg.strike for leg in own.legs],
    )


_LIVING = (
    "strikes", "credit", "mark", "mark_lo", "mark_hi", "mark_source",
    "open_profit_cents", "be_low", "be_high", "max_loss", "challenged",
    "recommendation", "reason", "rules", "answers", "ranked",
    "forward", "back", "projection", "theta_cents",
)  # fmt: skip
_NOTHING: dict[str, Any] = {"answers": [], "ranked": []}


def _expired(position: OpenCondor, state: MarketState) -> dict[str, Any]:
    reason = f"expired on {position.expiry}: settle it and take it out of the book"
    return dict.fromkeys(_LIVING) | {"recommendation": "settle", "reason": reason} | _NOTHING


def _unmarked(reason: str) -> dict[str, Any]:
    return dict.fromkeys(_LIVING) | {"recommendation": "hold", "reason": reason} | _NOTHING
