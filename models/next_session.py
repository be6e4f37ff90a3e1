"""One session ahead the pools of past residuals give the odds outright, without paths."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from models.dynamics import Dynamics
from models.heads import GAP_MULTIPLE, OPEN_BREACH_MULTIPLE, SPIKE_RATIO, expected_move
from models.path_terms import ahead, share_below
from models.state import State

__all__ = ["Opens", "next_session_odds"]

OPEN_SESSIONS = 504


@dataclass(frozen=True)
class Opens:
    """Scaled overnight and absolute open-to-close returns of the last sessions with an open."""

    overnight: np.ndarray
    intraday: np.ndarray

    @classmethod
    def fit(cls, dynamics: Dynamics, s: State, known: np.ndarray) -> Opens:
        """Take the last 504 sessions: the nature of the recorded open has changed before."""
        scale = np.full(len(s), np.nan)
        scale[known] = dynamics.return_scale(s, known)
        night, day = ahead(s.overnight) / scale, ahead(s.intraday) / scale
        opens = np.flatnonzero(~np.isnan(night) & ~np.isnan(day))[-OPEN_SESSIONS:]
        return cls(np.sort(night[opens]), np.sort(np.abs(day[opens])))

    @property
    def enough(self) -> bool:
        """Whether there are sessions enough to speak about opens."""
        return self.overnight.size >= OPEN_SESSIONS // 2


def next_session_odds(
    dynamics: Dynamics, pairs: np.ndarray, opens: Opens, s: State, rows: np.ndarray
) -> dict[str, np.ndarray]:
    """Probability of every next-session head, by head id; NaN for opens where too few are known.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2)
        Scaled residuals of return and log VIX, sorted by the first.
    rows : ndarray of int
        Rows of the state whose inputs are known.
    """
    scale = dynamics.return_scale(s, rows)
    move = expected_move(s.vix[rows])
    below = share_below(pairs[:, 0], (-move - dynamics.drift) / scale)
    above = 1.0 - share_below(pairs[:, 0], (move - dynamics.drift) / scale)
    mean, vix_scale = dynamics.vix_change(s, rows)
    spike = share_below(np.sort(pairs[:, 1]), (np.log(SPIKE_RATIO) - mean) / vix_scale)
    out = {
        "breach_1": below + above,
        "breach_down_1": below,
        "spike_1": 1.0 - spike,
        "gap_down_1": np.full(rows.size, np.nan),
        "breach_open_1": np.full(rows.size, np.nan),
    }
    if opens.enough:
        out["gap_down_1"] = share_below(opens.overnight, -GAP_MULTIPLE * move / scale)
        out["breach_open_1"] = 1.0 - share_below(
            opens.intraday, OPEN_BREACH_MULTIPLE * move / scale
        )
    return out
