"""What the replay holds: condors and VIX calls, marked, opened, settled."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import lru_cache

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.errors import DataError
from features.sessions import calendar
from serving.book import HedgeLayer, OpenCondor
from serving.hedge import holding_of
from serving.odds import slippage
from serving.pricing import black76
from serving.settings import CostSettings
from serving.smile import SESSIONS_PER_YEAR, VolInputs, spx_vol
from serving.state import MarketState
from serving.vix_curve import VixCurve

__all__ = [
    "CENTS",
    "Held",
    "check_book",
    "close_cents",
    "hedge_marks",
    "mark_condors",
    "settle_cents",
]

CENTS = 10_000  # one index point of one contract
_CALL = np.array([False, False, True, True])
_SIDE = np.array([-1.0, 1.0, 1.0, -1.0])  # what closing costs: shorts bought back, longs sold
_FAR = 0.6


@dataclass(frozen=True)
class Held:
    """An open condor and the policy row that opened it."""

    position: OpenCondor
    rule: str

    @property
    def strikes(self) -> NDArray[np.float64]:
        """Long put, short put, short call, long call."""
        p = self.position
        return np.array([p.put_long, p.put_short, p.call_short, p.call_long], dtype=float)


def mark_condors(
    held: list[Held],
    *,
    today: pd.Timestamp,
    spot: float,
    inputs: VolInputs,
    rate: float,
    after_open: bool = False,
) -> NDArray[np.float64]:
    """Give what buying each condor back would cost at mid, index points.

    Parameters
    ----------
    held : list of Held
        Positions that have not expired.
    today : pd.Timestamp
        Session of the mark.
    spot : float
        Index level then.
    inputs : VolInputs
        Smile inputs of one moment.
    rate : float
        Bill rate, fraction a year.
    after_open : bool
        True at the opening: that session's own variance is still to come.

    Returns
    -------
    Array
        One price a condor, between 0 and its width.
    """
    if not held:
        return np.empty(0)
    gone = 0.25 if after_open else 1.0
    left = np.array([_sessions(today, h.position.expiry) - gone for h in held])[:, None]
    strikes = np.stack([h.strikes for h in held])
    forward = spot  # as the ticket's chain: carry over these weeks is below the smile's band
    vol = spx_vol(strikes, forward, left, inputs)
    tau = left / SESSIONS_PER_YEAR
    price = black76(forward, strikes, tau, vol, call=_CALL, discount=np.exp(-rate * tau))
    widths = np.maximum(strikes[:, 1] - strikes[:, 0], strikes[:, 3] - strikes[:, 2])
    return np.asarray(np.clip(price @ _SIDE, 0.0, widths))


@lru_cache(maxsize=65_536)
def _sessions(today: pd.Timestamp, expiry: date) -> int:
    """Count once: every replay of a span asks about the same pairs."""
    return len(calendar().sessions(today, expiry))


def close_cents(debit: float, position: OpenCondor, costs: CostSettings) -> tuple[int, int]:
    """Give the cost of closing with fees, and the fees, cents: mid and slippage, rounded up."""
    points = debit + slippage(debit, costs)
    ticks = int(np.ceil(round(points / 0.05, 6))) * 5
    fees = 4 * costs.fee_cents * position.quantity
    return ticks * 100 * position.quantity + fees, fees


def settle_cents(position: OpenCondor, level: float) -> int:
    """Give what a condor owes at settlement, cents, never negative."""
    settle = round(level * 100)
    put = max(position.put_short * 100 - settle, 0) - max(position.put_long * 100 - settle, 0)
    call = max(settle - position.call_short * 100, 0) - max(settle - position.call_long * 100, 0)
    return (put + call) * 100 * position.quantity


def hedge_marks(layers: list[HedgeLayer], state: MarketState, curve: VixCurve) -> list[float]:
    """Give the mark of each held layer, index points a contract."""
    return [holding_of(layer, state, curve).mark for layer in layers]


def check_book(
    condors: tuple[OpenCondor, ...], hedges: tuple[HedgeLayer, ...], first: date, spot: float
) -> None:
    """Refuse a starting book that cannot stand at the first session.

    Raises
    ------
    DataError
        If a position has expired, was opened later, or has strikes far from the index.
    """
    for position in condors:
        if position.expiry <= first or position.opened > first:
            raise DataError(
                f"condor {position.id} was opened {position.opened} and expires {position.expiry}: "
                f"it cannot be open on {first}. Mend the book or the span."
            )
        if not calendar().is_session(position.expiry):
            raise DataError(
                f"condor {position.id} expires {position.expiry}, when the exchange is closed: "
                "impossible. Mend the book."
            )
        far = max(abs(position.put_long / spot - 1), abs(position.call_long / spot - 1))
        if far > _FAR:
            raise DataError(
                f"condor {position.id} has strikes {position.put_long}-{position.call_long} with "
                f"the index at {spot:.2f} on {first}: impossible. Mend the book or the span."
            )
    for layer in hedges:
        if layer.expiry <= first:
            raise DataError(
                f"hedge layer {layer.layer} expired {layer.expiry}, before {first}. Mend the book."
            )
