"""Plans of one band, computed once and shared by all replays at that band."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pandas as pd

from serving.proposal import Plan, expiry_of, plan_book, vol_inputs
from serving.settings import ServingSettings
from serving.smile import VolInputs
from serving.state import MarketState
from serving.vix_smile import VIX_DEFAULT
from training.backtest.states import banded

__all__ = ["Shelf", "Tonight"]


@dataclass(frozen=True)
class Tonight:
    """A plan as the policy reads it: the expiry, and the 1 DTE book's premium gauge (points)."""

    expiry: pd.Timestamp
    gauge: float | None


class Shelf:
    """Plans by (session, book) of one band; replays of the same band share it.

    Parameters
    ----------
    settings : ServingSettings
        The served settings.
    band : float
        -1, 0 or +1: the end of the smile's uncertainty at which everything is marked.
    """

    def __init__(self, settings: ServingSettings, band: float) -> None:
        self._settings, self.band = settings, band
        self._plans: dict[tuple[pd.Timestamp, pd.Timestamp, str, float], Plan] = {}

    def inputs(self, state: MarketState) -> VolInputs:
        """Give the smile inputs of a state at this shelf's band."""
        return banded(vol_inputs(state)[0], self.band)

    def plan(self, book: str, state: MarketState, edr_points: float) -> Plan:
        """Give the expiry and its marks for a fill at a state's levels."""
        key = (state.session, state.ticket_session, book, state.spx)
        if key not in self._plans:
            self._plans[key] = plan_book(
                book, state, self.inputs(state), edr_points, self._settings
            )
        return self._plans[key]

    def tonight(self, book: str, state: MarketState, edr_points: float) -> Tonight:
        """Give what the policy reads of a book's plan in the evening."""
        if book == "condor_1dte":
            plan = self.plan(book, state, edr_points)
            return Tonight(plan.expiry, plan.gauge)
        # this book's rules read no marks: none are made until it fills
        return Tonight(expiry_of(book, state.ticket_session, self._settings.condor), None)

    def hedge_state(self, state: MarketState) -> MarketState:
        """Give the state with VVIX at this shelf's band."""
        if state.vvix is None or self.band == 0:
            return state
        return replace(state, vvix=state.vvix * (1 + self.band * VIX_DEFAULT.band))
