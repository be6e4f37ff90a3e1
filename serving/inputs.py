"""Everything that one ticket is made of, as one value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from serving.book import Book
from serving.edr import Edr
from serving.records import Fill
from serving.settings import ServingSettings
from serving.state import MarketState

if TYPE_CHECKING:
    from models.touches import OpenPaths

__all__ = ["Inputs"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Inputs:
    """Everything a ticket is made of.

    Attributes
    ----------
    document : dict
        Forecast of the session, as recorded.
    earlier : tuple of dict or None
        Forecasts of the sessions before, newest first.
    evening : dict or None
        The evening's forecast of the same session, for the later moments.
    evening_features : mapping or None
        The feature row that it read.
    evening_held : mapping
        What the evening's ticket recommended, by id of the position.
    state : MarketState
    edrs : tuple of Edr
    ways : OpenPaths or None
        Simulated sessions of SPX, from close to open to close.
    log_vix : Array or None
        Simulated log VIX on the same paths.
    book : Book
    settings : ServingSettings
    fills : tuple of Fill
        The user's fills that were known at the cut-off.
    """

    document: Mapping[str, Any]
    earlier: tuple[Mapping[str, Any] | None, ...]
    evening: Mapping[str, Any] | None
    state: MarketState
    edrs: tuple[Edr, ...]
    ways: OpenPaths | None
    book: Book
    settings: ServingSettings
    fills: tuple[Fill, ...] = ()
    log_vix: Array | None = None
    evening_features: Mapping[str, float | None] | None = None
    evening_held: Mapping[str, str] = field(default_factory=dict)

    @property
    def paths(self) -> Array | None:
        """Simulated cumulative log returns at closes, shape (paths, sessions ahead)."""
        return None if self.ways is None else self.ways.log_return
