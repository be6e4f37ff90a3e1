"""Simulated paths for the ticket's odds, from the model's own path prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from features.sessions import calendar
from serving.book import Book
from serving.evidence import Evidence
from serving.proposal import expiry_of
from serving.settings import CondorSettings

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.touches import OpenPaths

__all__ = ["HORIZON", "horizon_of", "simulate"]

Array = NDArray[np.float64]

HORIZON = 45  # sessions: longer than 60 calendar days


def horizon_of(evidence: Sequence[Evidence], book: Book, settings: CondorSettings) -> int:
    """Sessions that the tickets of some sessions look ahead, HORIZON at most.

    A ticket of an empty book looks as far as its new condors live, and the first steps of a path
    do not depend on how far it goes.
    """
    if book.condors:
        return HORIZON
    days = calendar()
    fills = [days.next(item.session) for item in evidence]
    lives = [days.count(fill, expiry_of("condor_30_60", fill, settings)) for fill in fills]
    return min(max(2, *lives), HORIZON)


def simulate(
    bundle: Bundle, at: str, evidence: Sequence[Evidence], horizon: int = HORIZON
) -> tuple[list[OpenPaths], Array]:
    """Simulate SPX and VIX together from the close of each session.

    Parameters
    ----------
    bundle : Bundle
    at : str
        Moment, which picks the fitted prior.
    evidence : sequence of Evidence
        Of one spine, rising.
    horizon : int
        Sessions ahead.

    Returns
    -------
    tuple of list of OpenPaths and Array
        SPX by session, `horizon` steps each; log VIX of shape (sessions, paths, horizon).
    """
    sessions = pd.DatetimeIndex([item.session for item in evidence], name="session")
    return bundle.prior(at).open_paths(evidence[-1].spine, sessions, horizon)
