"""Where what came stands among the simulated paths.

A label says yes or no, and only where its head is scored. A rank says how much, at every session:
the share of the path prior's paths that the sessions after t surpass (the probability integral
transform; Dawid 1984; Diebold, Gunther and Tay 1998). Were the prior the truth, ranks would lie
evenly between 0 and 1 whatever else is known at t; what moves them is what the prior lacks.
"""

from __future__ import annotations

from functools import partial

import numpy as np
import pandas as pd

from models.heads import EVENING_HORIZONS, SHIFT_CLOSES
from models.paths import DEFAULT_PATHS, PathPrior
from models.simulate import in_pieces
from models.state import state
from models.walk import Draws, Laws, Starts, starts, walk
from models.yearly import MIN_HISTORY, Each, Year, year_by_year

__all__ = ["AHEAD", "ranks_within", "walk_forward_ranks"]

#: Sessions after t that each rank reads.
AHEAD = {"vix": max(EVENING_HORIZONS), "variance": max(EVENING_HORIZONS), "size": 1}
_SPANS = (1, *EVENING_HORIZONS)
_STEPS = max(EVENING_HORIZONS)


def walk_forward_ranks(
    spine: pd.DataFrame,
    *,
    paths: int = DEFAULT_PATHS,
    seed: int = 20080915,
    min_sessions: int = MIN_HISTORY,
    each: Each = map,
) -> pd.DataFrame:
    """Rank what came after every session, by a simulator fitted on earlier years only.

    Parameters
    ----------
    spine : DataFrame
        All exchange sessions with SPX and VIX prices.
    min_sessions : int
        Sessions of history before the first fit. Years before it are NaN.
    each : callable
        Maps over the years, which do not depend on each other.

    Returns
    -------
    DataFrame, shape (sessions, 3)
        Shares between 0 and 1, NaN where a needed price is unknown or still to come. ``vix``: mean
        rank of the second highest and second lowest VIX close of the next 5, 10 and 21 sessions,
        which the shift heads compare with the edges of the band; ``variance``: of realised
        variance over 1, 5, 10 and 21 sessions; ``size``: of the next session's absolute return.

    Notes
    -----
    Timing: a rank at t is known at the close of the last of the `AHEAD` sessions after t. Like a
    label it teaches and never enters a feature. Sessions of year Y use the prior fitted up to the
    last session of Y - 1.
    """
    told = partial(_ranks_of_year, spine, paths, seed)
    return year_by_year(spine, list(AHEAD), told, min_sessions=min_sessions, each=each)


def ranks_within(ranks: pd.DataFrame, kept: np.ndarray) -> pd.DataFrame:
    """Keep the ranks that read kept sessions alone, NaN elsewhere.

    Parameters
    ----------
    ranks : DataFrame
        Rows are consecutive sessions.
    kept : ndarray of bool
        Sessions that may be known: those up to a date, or outside of a test block.
    """
    left_out = np.concatenate([[0], np.cumsum(~kept)])
    rows = np.arange(len(kept))
    out = {}
    for name, ahead in AHEAD.items():
        whole = np.zeros(len(kept), bool)
        last = max(len(kept) - ahead, 0)
        whole[:last] = left_out[rows[:last] + ahead + 1] == left_out[:last]
        out[name] = np.where(whole, ranks[name].to_numpy(float), np.nan)
    return pd.DataFrame(out, index=ranks.index)


def _ranks_of_year(spine: pd.DataFrame, paths: int, seed: int, year: Year) -> pd.DataFrame:
    last, now = year
    prior = PathPrior.fit(spine, last, paths=paths, seed=seed)
    s = state(spine.loc[: now[-1]])
    rows = s.rows(now)
    known = s.known()[rows]
    start = starts(s, rows[known], prior.dynamics)
    laws = Laws.of([prior.dynamics], int(known.sum()))
    (first,) = spine.index.get_indexer(now[:1])
    came = _what_came(spine.iloc[first - 1 : first + len(now) + _STEPS], len(now))
    came = {name: values[known] for name, values in came.items()}
    draws = prior.draws()
    told = in_pieces(
        len(start.vix),
        draws.ret.shape[1],
        lambda piece: _count(
            start.part(piece), draws, laws.part(piece), {n: v[piece] for n, v in came.items()}
        ),
    )
    out = pd.DataFrame(np.nan, index=now, columns=list(AHEAD))
    if told:
        out.loc[known] = np.concatenate(told)
    return out


def _what_came(spine: pd.DataFrame, sessions: int) -> dict[str, np.ndarray]:
    """Extremes of log VIX and sums of squares after each session but the first of a spine."""
    vix = np.log(spine["vix_close"].to_numpy(float))
    squares = np.diff(np.log(spine["spx_close"].to_numpy(float))) ** 2
    ahead = np.full((2, sessions, _STEPS), np.nan)
    for step in range(1, _STEPS + 1):
        for row, values in enumerate((vix[1:], squares)):
            part = values[step : step + sessions]
            ahead[row, : len(part), step - 1] = part
    out: dict[str, np.ndarray] = {}
    for span in _SPANS:
        out[f"squares_{span}"] = ahead[1, :, :span].sum(axis=1)
        if span >= SHIFT_CLOSES:
            # sorting puts NaN last, so an unknown close would pass for the highest
            unknown = np.isnan(ahead[0, :, :span]).any(axis=1)
            ordered = np.sort(ahead[0, :, :span], axis=1)
            out[f"high_{span}"] = np.where(unknown, np.nan, ordered[:, -SHIFT_CLOSES])
            out[f"low_{span}"] = np.where(unknown, np.nan, ordered[:, SHIFT_CLOSES - 1])
    return out


def _count(start: Starts, draws: Draws, laws: Laws, came: dict[str, np.ndarray]) -> np.ndarray:
    """Ranks of one piece of sessions, shape (sessions, 3)."""
    shape = (len(start.vix), draws.ret.shape[1])
    total, square = np.zeros(shape), np.empty(shape)
    highs = [np.full(shape, -np.inf) for _ in range(SHIFT_CLOSES)]
    lows = [np.full(shape, np.inf) for _ in range(SHIFT_CLOSES)]
    sides = ((highs, np.maximum, np.minimum), (lows, np.minimum, np.maximum))
    passed_on = [np.empty(shape) for _ in range(SHIFT_CLOSES - 1)]
    ranks: dict[str, np.ndarray] = {}

    def see(step: int, ret: np.ndarray, log_vix: np.ndarray, scale: np.ndarray) -> None:
        np.multiply(ret, ret, out=square)
        np.add(total, square, out=total)
        for extremes, further, nearer in sides:
            # each keeps the further of itself and what comes in, and passes the nearer on
            incoming = log_vix
            for extreme, left in zip(extremes[:-1], passed_on, strict=True):
                nearer(extreme, incoming, out=left)
                further(extreme, incoming, out=extreme)
                incoming = left
            further(extremes[-1], incoming, out=extremes[-1])
        if step not in _SPANS:
            return
        ranks[f"squares_{step}"] = _rank(total, came[f"squares_{step}"])
        if step >= SHIFT_CLOSES:
            ranks[f"high_{step}"] = _rank(highs[-1], came[f"high_{step}"])
            ranks[f"low_{step}"] = _rank(lows[-1], came[f"low_{step}"])

    walk(start, draws, laws, see, steps=_STEPS)
    shifts = [f"{side}_{h}" for side in ("high", "low") for h in EVENING_HORIZONS]
    sizes = [f"squares_{span}" for span in _SPANS]
    return np.column_stack(
        [
            sum(ranks[name] for name in shifts) / len(shifts),
            sum(ranks[name] for name in sizes) / len(sizes),
            ranks["squares_1"],
        ]
    )


def _rank(paths: np.ndarray, came: np.ndarray) -> np.ndarray:
    """Share of paths below what came; half a path on each side, none of a thousand is not never."""
    below = np.count_nonzero(paths < came[:, None], axis=1)
    share = (below + 0.5) / (paths.shape[1] + 1.0)
    return np.where(np.isnan(came), np.nan, share)
