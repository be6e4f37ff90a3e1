"""Simulated paths for the ticket's odds, from the model's own path prior."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from serving.evidence import Evidence

if TYPE_CHECKING:
    from models.bundle import Bundle
    from models.touches import OpenPaths

__all__ = ["HORIZON", "simulate"]

Array = NDArray[np.float64]

HORIZON = 45  # sessions: longer than 60 calendar days


def simulate(
    bundle: Bundle, at: str, evidence: Sequence[Evidence]
) -> tuple[list[OpenPaths], Array]:
    """Simulate SPX and VIX together from the close of each session.

    Parameters
    ----------
    bundle : Bundle
    at : str
        Moment, which picks the fitted prior.
    evidence : sequence of Evidence
        Of one spine, rising.

    Returns
    -------
    tuple of list of OpenPaths and Array
        SPX by session, HORIZON steps each; log VIX of shape (sessions, paths, HORIZON).
    """
    sessions = pd.DatetimeIndex([item.session for item in evidence], name="session")
    return bundle.prior(at).open_paths(evidence[-1].spine, sessions, HORIZON)
