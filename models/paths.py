"""The structural prior: SPX returns and log VIX simulated together, on the past only.

One step of a path, from what is known so far:

* scale of the return: a non-negative linear HAR of absolute returns on VIX, on the mean size of
  the last 5 and 21 sessions (by their true range, which says more than the absolute return; for
  sessions already simulated by the latter), on the last fall and on the mean fall of 5 sessions;
* mean of the change of log VIX: HAR on its level and means over 5, 21 and 63 sessions, on the last
  return and the mean return of 5, and on the weekends and holidays that come and go; its scale: a
  non-negative HAR of absolute changes, and how far the level stands above its mean of 21 sessions;
* the pair (return residual, VIX residual) of one past session, each divided by its own scale then
  and multiplied by the scale now. Drawn in pairs, so the leverage effect survives;
  The scale of VIX and the draws follow the recent years (`models.path_terms.recency`);
* the overnight part of the return: that of the same past session where its open is believed (the
  last 504 with one), else one lent by a session alike (`models.overnight`). Closes and VIX do not
  depend on it.

All sessions share one stratified and antithetic set of draws (common random numbers): the
probability at t does not depend on which other sessions are asked, and changes from day to day
come from the state, not from the dice.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError
from models.blocks import block_folds
from models.dynamics import Dynamics, usable
from models.heads import EVENING_HORIZONS, head_keys
from models.next_session import Opens, next_session_odds
from models.path_terms import recency
from models.simulate import PathOdds, simulate_odds, simulate_paths
from models.state import HISTORY, state
from models.touches import OpenPaths, Touch
from models.walk import MAX_STEPS, Draws, Laws, Starts, starts

__all__ = ["DEFAULT_PATHS", "PathPrior"]

DEFAULT_PATHS = 1000
MIN_SESSIONS = 756
REMEMBERED = 4


@dataclass(frozen=True)
class PathPrior:
    """A fitted simulator.

    Parameters
    ----------
    until : str
        Last session of the fit, ISO date.
    dynamics : Dynamics
        Coefficients of one step.
    pairs : ndarray, shape (n, 2)
        Scaled residuals of return and log VIX, sorted by the first.
    ages : ndarray of int, shape (n,)
        Sessions from each pair's to the newest one's: a pair counts by `recency`.
    opens : Opens
        Overnight and open-to-close returns of the last sessions with an open.
    nights : ndarray, shape (n,) or None
        Overnight part of each pair, over the scale of its return; None where too few sessions
        have an open.
    members : tuple of Dynamics
        Coefficients fitted without one contiguous block each, for the interval.
    paths : int
        Paths of the simulation.
    seed : int
        Seed of the shared draws.
    """

    until: str
    dynamics: Dynamics
    pairs: np.ndarray
    ages: np.ndarray
    opens: Opens
    nights: np.ndarray | None = None
    members: tuple[Dynamics, ...] = ()
    paths: int = DEFAULT_PATHS
    seed: int = 20080915
    _draws: list[Draws] = field(default_factory=list, repr=False, compare=False)
    _told: dict[Any, list[dict[str, np.ndarray]]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    @classmethod
    def fit(
        cls,
        spine: pd.DataFrame,
        until: pd.Timestamp,
        *,
        paths: int = DEFAULT_PATHS,
        seed: int = 20080915,
        blocks: int = 0,
    ) -> PathPrior:
        """Fit on the sessions up to and including `until`.

        Parameters
        ----------
        blocks : int
            Members to fit, each without one of so many contiguous blocks; none by default.

        Raises
        ------
        DataError
            If fewer than 756 sessions are usable.
        """
        s = state(spine.loc[:until])
        known, complete = usable(s)
        rows = np.flatnonzero(complete)
        if rows.size < MIN_SESSIONS:
            raise DataError(
                f"the path prior has {rows.size} usable sessions up to {until:%Y-%m-%d}, "
                f"expected {MIN_SESSIONS} or more. Import a longer history of SPX and VIX closes."
            )
        dynamics = Dynamics.fit(s, rows)
        folds = block_folds(rows.size, blocks, gap=0) if blocks else []
        pairs = dynamics.residual_pairs(s, rows)
        opens = Opens.fit(dynamics, s, known, rows, pairs)
        order = np.lexsort((pairs[:, 1], pairs[:, 0]))
        pairs = pairs[order]
        return cls(
            until=f"{s.sessions[-1]:%Y-%m-%d}",
            dynamics=dynamics,
            pairs=pairs,
            ages=(rows[-1] - rows)[order],
            opens=opens,
            nights=opens.nights(pairs),
            members=tuple(Dynamics.fit(s, rows[kept]) for kept, _ in folds),
            paths=paths,
            seed=seed,
        )

    def draws(self) -> Draws:
        """Shared draws, made once."""
        if not self._draws:
            self._draws.append(
                Draws.make(
                    self.pairs, recency(self.ages), self.nights, paths=self.paths, seed=self.seed
                )
            )
        return self._draws[0]

    def odds(self, spine: pd.DataFrame, sessions: pd.DatetimeIndex) -> PathOdds:
        """Simulate and count, for sessions whose state is known; see `PathOdds`."""
        s = state(spine)
        rows = s.rows(sessions)
        start, laws = starts(s, rows, self.dynamics), Laws.of([self.dynamics], rows.size)
        return simulate_odds(start, self.draws(), laws)

    def probabilities(
        self,
        spine: pd.DataFrame,
        sessions: pd.DatetimeIndex,
        at: str = "evening",
    ) -> pd.DataFrame:
        """Prior probability of every head of a moment.

        Parameters
        ----------
        spine : DataFrame
            History up to the last of `sessions` at least; rows after a session do not matter.
        sessions : DatetimeIndex
            Sessions t.
        at : str
            The prior speaks from the close of t at every moment; the moment picks the heads.

        Returns
        -------
        DataFrame
            One row a session, one column a head and horizon; NaN where the head is not scored
            or the 63 sessions before t are not known.
        """
        (told,) = self.told_by([self.dynamics], spine, sessions, at)
        return pd.DataFrame(told, index=sessions)

    def told_by(
        self, dynamics: Sequence[Dynamics], spine: pd.DataFrame, sessions: pd.DatetimeIndex, at: str
    ) -> list[dict[str, np.ndarray]]:
        """Give the columns of `probabilities` by each of some dynamics, all simulated at once."""
        s = state(spine)
        rows = s.rows(sessions)
        where = s.known()[rows]
        known = rows[where]
        n, names = known.size, [k.id for k in head_keys(at)]
        out = [{name: np.full(len(rows), np.nan) for name in names} for _ in dynamics]
        if n == 0:
            return out
        counts = recency(self.ages)
        start = Starts.join([starts(s, known, law) for law in dynamics])
        values = simulate_odds(start, self.draws(), Laws.of(dynamics, n)).columns()
        for place, (law, columns) in enumerate(zip(dynamics, out, strict=True)):
            own = slice(place * n, (place + 1) * n)
            nights = next_session_odds(law, self.pairs, counts, self.opens, s, known)
            for name, column in columns.items():
                column[where] = nights[name] if name in nights else values[name][own]
        return out

    def laws(self, *, members: bool) -> list[Dynamics]:
        """Dynamics of the whole, and those of the members behind it."""
        return [self.dynamics, *(self.members if members else ())]

    def recalled(
        self, spine: pd.DataFrame, sessions: pd.DatetimeIndex, *, members: bool
    ) -> list[dict[str, np.ndarray]]:
        """Give `told_by` its laws for every head, from memory where the same was asked before.

        The refits of a fold, and its moments, ask one prior for the same sessions.
        """
        prices, days = spine.to_numpy(float).tobytes(), sessions.to_numpy().tobytes()
        asked = (members, tuple(spine.columns), prices, days)
        if asked not in self._told:
            if len(self._told) == REMEMBERED:
                self._told.clear()
            laws = self.laws(members=members)
            self._told[asked] = self.told_by(laws, spine, sessions, "evening")
        return self._told[asked]

    def band_odds(self, spine: pd.DataFrame, session: pd.Timestamp) -> dict[int, list[float]]:
        """Probability of each VIX band at each horizon, calm first."""
        odds = self.odds(spine, pd.DatetimeIndex([session]))
        return {h: odds.bands[h][0].tolist() for h in EVENING_HORIZONS}

    def monte_carlo_error(self, spine: pd.DataFrame, sessions: pd.DatetimeIndex) -> pd.DataFrame:
        """Estimate the standard error of the probabilities from 20 groups of antithetic pairs."""
        odds = self.odds(spine, sessions)
        return pd.DataFrame(odds.errors(), index=sessions)

    def path_quantiles(
        self, spine: pd.DataFrame, session: pd.Timestamp, levels: tuple[float, ...]
    ) -> pd.DataFrame:
        """Quantiles of the SPX close, index points, for steps 1 to 21 (rows)."""
        log_return, _ = self.sample(spine, pd.DatetimeIndex([session]), max(EVENING_HORIZONS))
        spot = float(spine["spx_close"].loc[session])
        table = np.quantile(spot * np.exp(log_return[0]), levels, axis=0).T
        return pd.DataFrame(table, index=range(1, len(table) + 1), columns=list(levels))

    def touch_probability(
        self, spine: pd.DataFrame, session: pd.Timestamp, levels: np.ndarray, horizon: int
    ) -> Touch:
        """Odds that SPX touches each level, and that it closes beyond it, within `horizon`.

        Parameters
        ----------
        levels : ndarray
            Index points; one above the close is an upper barrier, one below a lower barrier.
        horizon : int
            Sessions, 1 to 63.

        Returns
        -------
        Touch
            Touch at an open, a close or by a Brownian bridge between them; the close of the last
            session beyond the level; and the Monte-Carlo error.
        """
        (way,), _ = self.open_paths(spine, pd.DatetimeIndex([session]), horizon)
        spot = float(spine["spx_close"].loc[session])
        return way.touch(np.log(np.asarray(levels, float) / spot))

    def open_paths(
        self, spine: pd.DataFrame, sessions: pd.DatetimeIndex, horizon: int
    ) -> tuple[list[OpenPaths], np.ndarray]:
        """Paths of each session with opens, and log VIX; closes, shapes and errors of `sample`."""
        log_return, log_vix, scale = self._simulate(spine, sessions, horizon)
        drawn = self.draws().night
        night = None if drawn is None else drawn[:horizon].T
        ways = [
            OpenPaths(returns, scales, night, self.opens.day)
            for returns, scales in zip(log_return, scale, strict=True)
        ]
        return ways, log_vix

    def sample(
        self, spine: pd.DataFrame, sessions: pd.DatetimeIndex, horizon: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Paths of some sessions.

        Returns
        -------
        (log_return, log_vix) : tuple of ndarray, shape (sessions, paths, horizon)
            Cumulative log return of SPX since the close of t, and log VIX. The first `n` steps
            do not depend on `horizon`, nor a session on the others.

        Raises
        ------
        UsageError
            If `horizon` is not 1 to 63.
        DataError
            If the state of a session is unknown.
        """
        log_return, log_vix, _ = self._simulate(spine, sessions, horizon)
        return log_return, log_vix

    def _simulate(
        self, spine: pd.DataFrame, sessions: pd.DatetimeIndex, horizon: int
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        if not 1 <= horizon <= MAX_STEPS:
            raise UsageError(f"`horizon` must be 1 to {MAX_STEPS} sessions, got {horizon}.")
        s = state(spine)
        rows = s.rows(sessions)
        known = s.known()[rows]
        if not known.all():
            first = sessions[~known][0]
            raise DataError(
                f"the {HISTORY + 1} SPX and VIX closes up to {first:%Y-%m-%d} are not all known. "
                "Import them, or choose another session."
            )
        start, laws = starts(s, rows, self.dynamics), Laws.of([self.dynamics], rows.size)
        return simulate_paths(start, self.draws(), laws, steps=horizon)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "until": self.until,
            "dynamics": self.dynamics.to_json(),
            "members": [member.to_json() for member in self.members],
            "pairs": self.pairs.T.tolist(),
            "ages": self.ages.tolist(),
            "opens": self.opens.to_json(),
            "nights": None if self.nights is None else self.nights.tolist(),
            "paths": self.paths,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PathPrior:
        """Read what `to_json` wrote."""
        nights = document["nights"]
        return cls(
            until=str(document["until"]),
            dynamics=Dynamics.from_json(document["dynamics"]),
            pairs=np.array(document["pairs"], float).T.copy(),
            ages=np.array(document["ages"], np.int64),
            opens=Opens.from_json(document["opens"]),
            nights=None if nights is None else np.array(nights, float),
            members=tuple(Dynamics.from_json(member) for member in document["members"]),
            paths=int(document["paths"]),
            seed=int(document["seed"]),
        )
