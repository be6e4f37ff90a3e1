"""Sessions with an open, and the odds that past residuals give one session ahead without paths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from models.dynamics import Dynamics
from models.heads import GAP_MULTIPLE, OPEN_BREACH_MULTIPLE, SPIKE_RATIO, expected_move
from models.overnight import overnight_parts
from models.path_terms import ahead, share_below
from models.state import State
from models.touches import NORMAL_SIZE

__all__ = ["Opens", "next_session_odds"]

OPEN_SESSIONS = 504


@dataclass(frozen=True)
class Opens:
    """The last sessions with an open: their two returns, and the residuals beside them.

    Parameters
    ----------
    returns : ndarray, shape (m, 2)
        Log returns from the close before to the open and from open to close, over the scale of
        the session's return, in the order of sessions.
    residuals : ndarray, shape (m, 2)
        Scaled residuals of return and log VIX of the same sessions; NaN where VIX is unknown.
    reach : ndarray, shape (m, 2)
        What low and high of the same sessions say about the variance between open and close, over
        the squared scale: ``2 x (x - c)`` with x the extreme and c the close, as log returns since
        the open. NaN where they are unknown.
    """

    returns: np.ndarray
    residuals: np.ndarray
    reach: np.ndarray

    @classmethod
    def fit(
        cls, dynamics: Dynamics, s: State, known: np.ndarray, rows: np.ndarray, pairs: np.ndarray
    ) -> Opens:
        """Take the last 504 sessions: the nature of the recorded open has changed before.

        Parameters
        ----------
        known : ndarray of bool
            Rows whose inputs are known.
        rows : ndarray of int
            Rows of the fit.
        pairs : ndarray, shape (rows, 2)
            Residuals of the sessions after those rows.
        """
        scale = np.full(len(s), np.nan)
        scale[known] = dynamics.return_scale(s, known)
        returns = np.column_stack([ahead(s.overnight) / scale, ahead(s.intraday) / scale])
        residuals = np.full((len(s), 2), np.nan)
        residuals[rows] = pairs
        ends = np.column_stack([s.fall, s.rise])
        reach = 2.0 * ends * (ends - s.intraday[:, None])
        reach = np.column_stack([ahead(side) / scale**2 for side in reach.T])
        opens = np.flatnonzero(~np.isnan(returns).any(axis=1))[-OPEN_SESSIONS:]
        return cls(returns[opens], residuals[opens], reach[opens])

    @property
    def enough(self) -> bool:
        """Whether there are sessions enough to speak about opens."""
        return len(self.returns) >= OPEN_SESSIONS // 2

    @property
    def day(self) -> tuple[float, float]:
        """Standard deviation between open and close over the scale, towards lows and highs.

        Notes
        -----
        From open to close c of a Brownian motion, ``2 x (x - c)`` of its highest or lowest point x
        is exponential with the variance as its mean, whatever c. Lows and highs are taken apart
        because volatility rises as the market falls, inside a session too.
        """
        if not self.enough:
            return NORMAL_SIZE, NORMAL_SIZE
        known = self.reach[~np.isnan(self.reach).any(axis=1)]
        if len(known) < OPEN_SESSIONS // 2:
            size = NORMAL_SIZE * float(np.abs(self.returns[:, 1]).mean())
            return size, size
        down, up = np.sqrt(known.mean(axis=0)).tolist()
        return down, up

    def nights(self, pairs: np.ndarray) -> np.ndarray | None:
        """Overnight part of each residual pair; None where too few opens are known."""
        if not self.enough:
            return None
        whole = ~np.isnan(self.residuals).any(axis=1)
        return overnight_parts(pairs, self.residuals[whole], self.returns[whole, 0])

    def to_json(self) -> dict[str, Any]:
        """Plain numbers; None for NaN."""
        return {
            name: [[None if x != x else x for x in side] for side in getattr(self, name).T.tolist()]
            for name in ("returns", "residuals", "reach")
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Opens:
        """Read what `to_json` wrote."""
        returns, residuals, reach = (
            np.array(document[name], float).reshape(2, -1).T.copy()
            for name in ("returns", "residuals", "reach")
        )
        return cls(returns, residuals, reach)


def next_session_odds(
    dynamics: Dynamics,
    pairs: np.ndarray,
    counts: np.ndarray,
    opens: Opens,
    s: State,
    rows: np.ndarray,
) -> dict[str, np.ndarray]:
    """Probability of every next-session head, by head id; NaN for opens where too few are known.

    Parameters
    ----------
    pairs : ndarray, shape (n, 2)
        Scaled residuals of return and log VIX.
    counts : ndarray, shape (n,)
        How much each of them counts.
    rows : ndarray of int
        Rows of the state whose inputs are known.
    """
    scale = dynamics.return_scale(s, rows)
    move = expected_move(s.vix[rows])
    below = share_below(pairs[:, 0], (-move - dynamics.drift) / scale, counts)
    above = 1.0 - share_below(pairs[:, 0], (move - dynamics.drift) / scale, counts)
    mean, vix_scale = dynamics.vix_change(s, rows)
    spike = share_below(pairs[:, 1], (np.log(SPIKE_RATIO) - mean) / vix_scale, counts)
    out = {
        "breach_1": below + above,
        "breach_down_1": below,
        "spike_1": 1.0 - spike,
        "gap_down_1": np.full(rows.size, np.nan),
        "breach_open_1": np.full(rows.size, np.nan),
    }
    if opens.enough:
        night, size = opens.returns[:, 0], np.abs(opens.returns[:, 1])
        out["gap_down_1"] = share_below(night, -GAP_MULTIPLE * move / scale)
        out["breach_open_1"] = 1.0 - share_below(size, OPEN_BREACH_MULTIPLE * move / scale)
    return out
