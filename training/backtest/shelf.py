"""Plans of one band, computed once and shared by all replays at that band."""

from __future__ import annotations

from dataclasses import replace

import pandas as pd

from serving.proposal import Plan, plan_book, vol_inputs
from serving.settings import ServingSettings
from serving.smile import VolInputs
from serving.state import MarketState
from serving.vix_smile import VIX_DEFAULT
from training.backtest.states import banded

__all__ = ["Shelf"]


class Shelf:
    """Plans by (session, book) of one band; replays of the same band share it."""

    def __init__(self, settings: ServingSettings, band: float) -> None:
        self._settings, self._band = settings, band
        self._plans: dict[tuple[pd.Timestamp, pd.Timestamp, str, float], Plan] = {}

    def inputs(self, state: MarketState) -> VolInputs:
        """Give the smile inputs of a state at this shelf's band."""
        return banded(vol_inputs(state)[0], self._band)

    def plan(self, book: str, state: MarketState, edr_points: float) -> Plan:
        """Give the expiry and its marks for a fill at a state's levels."""
        key = (state.session, state.ticket_session, book, state.spx)
        if key not in self._plans:
            self._plans[key] = plan_book(
                book, state, self.inputs(state), edr_points, self._settings
            )
        return self._plans[key]

    def hedge_state(self, state: MarketState) -> MarketState:
        """Give the state with VVIX at this shelf's band."""
        if state.vvix is None or self._band == 0:
            return state
        return replace(state, vvix=state.vvix * (1 + self._band * VIX_DEFAULT.band))
