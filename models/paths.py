"""The structural prior: SPX returns and log VIX simulated together, on the past only.

One step of a path, from what is known so far:

* scale of the return: a non-negative linear HAR of absolute returns on VIX and on mean absolute
  returns of 5 and 21 sessions, and on the last fall;
* mean of the change of log VIX: HAR on its level and means over 5, 21 and 63 sessions, and the
  last return; its scale: a non-negative HAR of absolute changes;
* the pair (return residual, VIX residual) of one past session, each divided by its own scale then
  and multiplied by the scale now. Drawn in pairs, so the leverage effect survives.

All sessions share one stratified and antithetic set of draws (common random numbers): the
probability at t does not depend on which other sessions are asked, and changes from day to day
come from the state, not from the dice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError, UsageError
from models.heads import (
    EVENING_HORIZONS,
    GAP_MULTIPLE,
    OPEN_BREACH_MULTIPLE,
    SPIKE_RATIO,
    expected_move,
    head_keys,
)
from models.path_terms import (
    ahead,
    mean_inputs,
    ret_inputs,
    scale_weights,
    share_below,
    touch_odds,
    vix_scale_inputs,
    weighted,
)
from models.simulate import MAX_STEPS, Draws, PathOdds, simulate_odds, simulate_paths, starts
from models.state import HISTORY, State, state, window_mean
from models.yearly import MIN_HISTORY, MIN_SESSIONS, years

__all__ = ["PathPrior", "walk_forward_prior"]

OPEN_SESSIONS = 504
DEFAULT_PATHS = 1000


@dataclass(frozen=True)
class PathPrior:
    """A fitted simulator.

    Parameters
    ----------
    until : str
        Last session of the fit, ISO date.
    drift : float
        Mean log return of a session.
    ret_scale : ndarray
        Intercept and weights of (VIX move, mean abs return 5, 21, last fall).
    vix_mean : ndarray
        Intercept and weights of (log VIX, its means over 5, 21, 63, last return).
    vix_scale : ndarray
        Intercept and weights of (mean abs change of log VIX over 5, 21, last).
    pairs : ndarray, shape (n, 2)
        Scaled residuals of return and log VIX, sorted by the first.
    overnight, intraday : ndarray
        Scaled overnight and open-to-close returns of the last sessions whose open is known.
    paths : int
        Paths of the simulation.
    seed : int
        Seed of the shared draws.
    """

    until: str
    drift: float
    ret_scale: np.ndarray
    vix_mean: np.ndarray
    vix_scale: np.ndarray
    pairs: np.ndarray
    overnight: np.ndarray
    intraday: np.ndarray
    paths: int = DEFAULT_PATHS
    seed: int = 20080915
    _draws: list[Draws] = field(default_factory=list, repr=False, compare=False)

    @classmethod
    def fit(
        cls,
        spine: pd.DataFrame,
        until: pd.Timestamp,
        *,
        paths: int = DEFAULT_PATHS,
        seed: int = 20080915,
    ) -> PathPrior:
        """Fit on the sessions up to and including `until`.

        Raises
        ------
        DataError
            If fewer than 756 sessions are usable.
        """
        s = state(spine.loc[:until])
        x_ret, x_mean, x_scale = ret_inputs(s), mean_inputs(s), vix_scale_inputs(s)
        known = ~(np.isnan(x_ret).any(1) | np.isnan(x_mean).any(1) | np.isnan(x_scale).any(1))
        ahead_ret, ahead_vix = ahead(s.ret), ahead(s.d_log_vix)
        rows = known & ~np.isnan(ahead_ret) & ~np.isnan(ahead_vix)
        if rows.sum() < MIN_SESSIONS:
            raise DataError(
                f"the path prior has {int(rows.sum())} usable sessions up to {until:%Y-%m-%d}, "
                f"expected {MIN_SESSIONS} or more. Import a longer history of SPX and VIX closes."
            )
        drift = float(ahead_ret[rows].mean())
        ret_scale = scale_weights(x_ret[rows], np.abs(ahead_ret[rows] - drift))
        vix_mean = np.linalg.lstsq(x_mean[rows], ahead_vix[rows], rcond=None)[0]
        vix_residual = ahead_vix[rows] - weighted(x_mean[rows], vix_mean)
        vix_scale = scale_weights(x_scale[rows], np.abs(vix_residual))
        z_ret = (ahead_ret[rows] - drift) / weighted(x_ret[rows], ret_scale)
        z_vix = vix_residual / weighted(x_scale[rows], vix_scale)
        pairs = np.column_stack([z_ret - z_ret.mean(), z_vix - z_vix.mean()])
        pairs = pairs[np.lexsort((pairs[:, 1], pairs[:, 0]))]
        scale = np.full(len(s), np.nan)
        scale[known] = weighted(x_ret[known], ret_scale)
        night, day = ahead(s.overnight) / scale, ahead(s.intraday) / scale
        opens = np.flatnonzero(~np.isnan(night) & ~np.isnan(day))[-OPEN_SESSIONS:]
        return cls(
            until=f"{s.sessions[-1]:%Y-%m-%d}",
            drift=drift,
            ret_scale=ret_scale,
            vix_mean=vix_mean,
            vix_scale=vix_scale,
            pairs=pairs,
            overnight=np.sort(night[opens]),
            intraday=np.sort(np.abs(day[opens])),
            paths=paths,
            seed=seed,
        )

    def draws(self) -> Draws:
        """Shared draws, made once."""
        if not self._draws:
            self._draws.append(Draws.make(self.pairs, paths=self.paths, seed=self.seed))
        return self._draws[0]

    def odds(self, spine: pd.DataFrame, sessions: pd.DatetimeIndex) -> PathOdds:
        """Simulate and count, for sessions whose state is known; see `PathOdds`."""
        s = state(spine)
        rows = self._rows(s, sessions)
        return simulate_odds(starts(s, rows), self.draws(), self)

    def probabilities(
        self, spine: pd.DataFrame, sessions: pd.DatetimeIndex, at: str = "evening"
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
        s = state(spine)
        rows = self._rows(s, sessions)
        out = pd.DataFrame(np.nan, index=sessions, columns=[k.id for k in head_keys(at)])
        known = rows[self._known(s)[rows]]
        if known.size == 0:
            return out
        where = self._known(s)[rows]
        values = simulate_odds(starts(s, known), self.draws(), self).columns()
        values |= self._next_session(s, known)
        for name in out.columns:
            out.loc[where, name] = values[name]
        return out

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
    ) -> tuple[np.ndarray, np.ndarray]:
        """Odds that SPX touches each level, and that it closes beyond it, within `horizon`.

        Parameters
        ----------
        levels : ndarray
            Index points; one above the close is an upper barrier, one below a lower barrier.
        horizon : int
            Sessions, 1 to 63.

        Returns
        -------
        (touch, beyond) : tuple of ndarray
            Touch at any time, with a Brownian-bridge correction inside each session; and the
            close of the last session beyond the level.
        """
        log_return, _, scale = self._simulate(spine, pd.DatetimeIndex([session]), horizon)
        spot = float(spine["spx_close"].loc[session])
        return touch_odds(log_return[0].T, scale[0].T, np.log(np.asarray(levels, float) / spot))

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
        rows = self._rows(s, sessions)
        if not self._known(s)[rows].all():
            first = sessions[~self._known(s)[rows]][0]
            raise DataError(
                f"the {HISTORY + 1} SPX and VIX closes up to {first:%Y-%m-%d} are not all known. "
                "Import them, or choose another session."
            )
        return simulate_paths(starts(s, rows), self.draws(), self, steps=horizon)

    def to_json(self) -> dict[str, Any]:
        """Plain numbers."""
        return {
            "until": self.until,
            "drift": self.drift,
            "ret_scale": self.ret_scale.tolist(),
            "vix_mean": self.vix_mean.tolist(),
            "vix_scale": self.vix_scale.tolist(),
            "pairs": self.pairs.T.tolist(),
            "overnight": self.overnight.tolist(),
            "intraday": self.intraday.tolist(),
            "paths": self.paths,
            "seed": self.seed,
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> PathPrior:
        """Read what `to_json` wrote."""
        return cls(
            until=str(document["until"]),
            drift=float(document["drift"]),
            ret_scale=np.array(document["ret_scale"], float),
            vix_mean=np.array(document["vix_mean"], float),
            vix_scale=np.array(document["vix_scale"], float),
            pairs=np.array(document["pairs"], float).T.copy(),
            overnight=np.array(document["overnight"], float),
            intraday=np.array(document["intraday"], float),
            paths=int(document["paths"]),
            seed=int(document["seed"]),
        )

    def _rows(self, s: State, sessions: pd.DatetimeIndex) -> np.ndarray:
        rows = s.sessions.get_indexer(sessions)
        if (rows < 0).any():
            first = sessions[rows < 0][0]
            raise UsageError(f"{first:%Y-%m-%d} is not in the spine. Give it the sessions to t.")
        return np.asarray(rows)

    def _known(self, s: State) -> np.ndarray:
        known = ~np.isnan(s.vix) & ~np.isnan(window_mean(s.log_vix, HISTORY + 1))
        return known & ~np.isnan(window_mean(s.ret, 22))

    def _next_session(self, s: State, rows: np.ndarray) -> dict[str, np.ndarray]:
        """One session ahead the pool of residuals gives the odds outright, without paths."""
        scale = weighted(ret_inputs(s)[rows], self.ret_scale)
        move = expected_move(s.vix[rows])
        z_ret = self.pairs[:, 0]
        z_vix = np.sort(self.pairs[:, 1])
        below = share_below(z_ret, (-move - self.drift) / scale)
        above = 1.0 - share_below(z_ret, (move - self.drift) / scale)
        mean = weighted(mean_inputs(s)[rows], self.vix_mean)
        vix_scale = weighted(vix_scale_inputs(s)[rows], self.vix_scale)
        out = {
            "breach_1": below + above,
            "breach_down_1": below,
            "spike_1": 1.0 - share_below(z_vix, (np.log(SPIKE_RATIO) - mean) / vix_scale),
            "gap_down_1": np.full(rows.size, np.nan),
            "breach_open_1": np.full(rows.size, np.nan),
        }
        if self.overnight.size >= OPEN_SESSIONS // 2:
            out["gap_down_1"] = share_below(self.overnight, -GAP_MULTIPLE * move / scale)
            out["breach_open_1"] = 1.0 - share_below(
                self.intraday, OPEN_BREACH_MULTIPLE * move / scale
            )
        return out


def walk_forward_prior(
    spine: pd.DataFrame,
    *,
    at: str = "evening",
    paths: int = DEFAULT_PATHS,
    seed: int = 20080915,
    min_sessions: int = MIN_HISTORY,
) -> pd.DataFrame:
    """Prior of every session, from a simulator fitted on earlier years only.

    Parameters
    ----------
    min_sessions : int
        Sessions of history before the first fit. Years before it are NaN.

    Notes
    -----
    Timing: sessions of year Y use the fit up to the last session of Y - 1.
    """
    index = pd.DatetimeIndex(spine.index)
    out = pd.DataFrame(np.nan, index=index, columns=[k.id for k in head_keys(at)])
    for last, now in years(index, min_sessions=min_sessions):
        prior = PathPrior.fit(spine, last, paths=paths, seed=seed)
        out.loc[now] = prior.probabilities(spine.loc[: now[-1]], now, at)
    return out
