"""How often each head's event happens over simulated paths, and the paths themselves.

Sessions are processed in chunks whose arrays stay in the cache, on as many threads as asked.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TypeVar

import numpy as np

from features.bands import BAND_EDGES
from models.heads import (
    EVENING_HORIZONS,
    EXPANSION_RATIO,
    REALISED_WINDOW,
    SHIFT_CLOSES,
    TRADING_DAYS,
    band_bounds,
)
from models.walk import Draws, Laws, Starts, walk

__all__ = ["STEPS", "PathOdds", "in_pieces", "simulate_odds", "simulate_paths"]

STEPS = max(EVENING_HORIZONS)
CHUNK_CELLS = 24_000
GROUPS = 20
THREADS = 2

Made = TypeVar("Made")


@dataclass
class PathOdds:
    """Counts over paths, by horizon."""

    paths: int
    up: dict[int, np.ndarray]
    down: dict[int, np.ndarray]
    expansion: dict[int, np.ndarray]
    failure: dict[int, np.ndarray]
    bands: dict[int, np.ndarray]

    def columns(self) -> dict[str, np.ndarray]:
        """Probability columns by head id; NaN where a shift has nowhere to go.

        Half a path is added to each side: none of a thousand is not never.
        """
        out: dict[str, np.ndarray] = {}
        for name, counts in self._heads().items():
            for h, groups in counts.items():
                out[f"{name}_{h}"] = (groups.sum(axis=1) + 0.5) / (self.paths + 1.0)
        return out

    def errors(self) -> dict[str, np.ndarray]:
        """Monte-Carlo standard errors by head id, from the spread of the groups of paths."""
        out: dict[str, np.ndarray] = {}
        for name, counts in self._heads().items():
            for h, groups in counts.items():
                share = groups / (self.paths / GROUPS)
                out[f"{name}_{h}"] = share.std(axis=1, ddof=1) / np.sqrt(GROUPS)
        return out

    def _heads(self) -> dict[str, dict[int, np.ndarray]]:
        return {
            "shift_up": self.up,
            "shift_down": self.down,
            "expansion": self.expansion,
            "premium_failure": self.failure,
        }


def simulate_odds(start: Starts, draws: Draws, laws: Laws) -> PathOdds:
    """Count, over the paths of each session, how often each head's event happens."""
    n, paths = len(start.vix), draws.ret.shape[1]
    done = in_pieces(n, paths, lambda piece: _count(start.part(piece), draws, laws.part(piece)))

    def join(name: str) -> dict[int, np.ndarray]:
        return {h: np.concatenate([getattr(d, name)[h] for d in done]) for h in EVENING_HORIZONS}

    return PathOdds(
        paths, join("up"), join("down"), join("expansion"), join("failure"), join("bands")
    )


def _count(start: Starts, draws: Draws, laws: Laws) -> PathOdds:
    n, paths = len(start.vix), draws.ret.shape[1]
    lower, upper = band_bounds(start.vix)
    with np.errstate(divide="ignore"):
        log_lower, log_upper = np.log(lower)[:, None], np.log(upper)[:, None]
    no_up, no_down = np.isinf(upper), lower == 0.0
    above = np.zeros((n, paths), np.int8)
    below = np.zeros((n, paths), np.int8)
    total = np.zeros((n, paths))
    square = np.empty((n, paths))
    beyond = np.empty((n, paths), bool)
    one = beyond.view(np.int8)
    odds = PathOdds(paths, {}, {}, {}, {}, {})
    edges = np.log(np.array(BAND_EDGES))

    def see(step: int, ret: np.ndarray, log_vix: np.ndarray, scale: np.ndarray) -> None:
        np.greater_equal(log_vix, log_upper, out=beyond)
        np.add(above, one, out=above)
        np.less(log_vix, log_lower, out=beyond)
        np.add(below, one, out=below)
        np.multiply(ret, ret, out=square)
        np.add(total, square, out=total)
        if step not in EVENING_HORIZONS:
            return
        odds.up[step] = _null(_groups(above >= SHIFT_CLOSES), no_up)
        odds.down[step] = _null(_groups(below >= SHIFT_CLOSES), no_down)
        past = EXPANSION_RATIO**2 * start.squares21 / REALISED_WINDOW * step
        odds.expansion[step] = _groups(total > past[:, None])
        implied = (start.vix / 100.0) ** 2 / TRADING_DAYS * step
        odds.failure[step] = _groups(total > implied[:, None])
        reached = [np.count_nonzero(log_vix >= edge, axis=1) / paths for edge in edges]
        odds.bands[step] = np.column_stack(
            [1.0 - reached[0], reached[0] - reached[1], reached[1] - reached[2], reached[2]]
        )

    walk(start, draws, laws, see, steps=STEPS)
    return odds


def simulate_paths(
    start: Starts, draws: Draws, laws: Laws, *, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paths themselves, for a few sessions.

    Returns
    -------
    (log_return, log_vix, scale) : tuple of ndarray, shape (sessions, paths, steps)
        Cumulative log return since t, log VIX, and the scale of each step's return (its mean
        absolute size).
    """
    n, paths = len(start.vix), draws.ret.shape[1]
    # a step at a time is written, so steps come first in memory
    returns, vix, scales = (np.empty((steps, n, paths)) for _ in range(3))

    def run(piece: slice) -> None:
        def see(step: int, ret: np.ndarray, log_vix: np.ndarray, scale: np.ndarray) -> None:
            before = returns[step - 2, piece] if step > 1 else 0.0
            np.add(before, ret, out=returns[step - 1, piece])
            vix[step - 1, piece] = log_vix
            scales[step - 1, piece] = scale

        walk(start.part(piece), draws, laws.part(piece), see, steps=steps)

    in_pieces(n, paths, run)
    return np.moveaxis(returns, 0, 2), np.moveaxis(vix, 0, 2), np.moveaxis(scales, 0, 2)


def in_pieces(n: int, paths: int, run: Callable[[slice], Made]) -> list[Made]:
    """Deal sessions to threads in pieces that the cache holds."""
    rows = max(1, CHUNK_CELLS // paths)
    pieces = [slice(i, min(i + rows, n)) for i in range(0, n, rows)]
    if len(pieces) == 1:
        return [run(pieces[0])]
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(run, pieces))


def _groups(hits: np.ndarray) -> np.ndarray:
    """Count by group; a group holds whole antithetic pairs."""
    paths = hits.shape[1]
    half = paths // 2
    bounds = np.linspace(0, half, GROUPS + 1).astype(int)
    both = hits[:, :half].astype(np.int8) + hits[:, half:]
    so_far = np.zeros((len(hits), half + 1))
    np.cumsum(both, axis=1, out=so_far[:, 1:])
    return np.diff(so_far[:, bounds], axis=1)


def _null(groups: np.ndarray, where: np.ndarray) -> np.ndarray:
    groups[where] = np.nan
    return groups
