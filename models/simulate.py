"""The simulation kernel: a loop over 21 steps, arrays over sessions and paths.

Sessions are processed in chunks whose arrays stay in the cache, on as many threads as asked; all
arithmetic is elementwise, so neither the chunk nor the thread changes a bit of the result.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

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
from models.state import HISTORY, State

__all__ = [
    "MAX_STEPS",
    "STEPS",
    "Draws",
    "PathOdds",
    "Starts",
    "simulate_odds",
    "simulate_paths",
    "starts",
]

STEPS = max(EVENING_HORIZONS)
MAX_STEPS = 63
CHUNK_CELLS = 32_000
GROUPS = 20
THREADS = 2


class Dynamics(Protocol):
    """Coefficients of one step; see `models.paths.PathPrior`."""

    @property
    def drift(self) -> float: ...
    @property
    def ret_scale(self) -> np.ndarray: ...
    @property
    def vix_mean(self) -> np.ndarray: ...
    @property
    def vix_scale(self) -> np.ndarray: ...


@dataclass(frozen=True)
class Draws:
    """Residual pairs of every path and step, shape (63, paths), shared by all sessions."""

    ret: np.ndarray
    vix: np.ndarray

    @classmethod
    def make(cls, pairs: np.ndarray, *, paths: int, seed: int) -> Draws:
        """Stratify each step over the pool sorted by return, with antithetic second halves.

        The second half of the paths takes the mirrored rank of the first, so that the mean
        return of a step is nearly that of the pool.
        """
        generator = np.random.Generator(np.random.PCG64(seed))
        half = paths // 2
        ret, vix = np.empty((MAX_STEPS, 2 * half)), np.empty((MAX_STEPS, 2 * half))
        for k in range(MAX_STEPS):
            # argsort of uniforms instead of `permutation`: its stream is the documented one.
            strata = np.argsort(generator.random(half), kind="stable")
            u = (strata + generator.random(half)) / half
            u = np.concatenate([u, 1.0 - u])
            rank = np.minimum((u * len(pairs)).astype(np.int64), len(pairs) - 1)
            ret[k], vix[k] = pairs[rank, 0], pairs[rank, 1]
        return cls(ret, vix)


@dataclass(frozen=True)
class Starts:
    """What is known at t, one row a session; histories run from the oldest to t."""

    vix: np.ndarray
    log_vix: np.ndarray
    abs_ret: np.ndarray
    abs_dvix: np.ndarray
    ret: np.ndarray
    squares21: np.ndarray

    def part(self, where: slice) -> Starts:
        """Take some of the rows."""
        return Starts(*(getattr(self, name)[where] for name in self.__dataclass_fields__))


def starts(s: State, rows: np.ndarray) -> Starts:
    """Gather the windows that the simulation needs."""
    back = np.arange(HISTORY - 1, -1, -1)
    at = rows[:, None] - back[None, :]
    # Rows too early are masked by the caller; index 0 keeps the gather legal.
    log_vix = np.where(at >= 0, s.log_vix[np.maximum(at, 0)], np.nan)
    recent = at[:, -REALISED_WINDOW:]
    ok = recent >= 0
    ret = np.where(ok, s.ret[np.maximum(recent, 0)], np.nan)
    dvix = np.where(ok, s.d_log_vix[np.maximum(recent, 0)], np.nan)
    squares = np.zeros(len(rows))
    for j in range(REALISED_WINDOW - 1, -1, -1):
        squares = squares + ret[:, j] * ret[:, j]
    return Starts(s.vix[rows], log_vix, np.abs(ret), np.abs(dvix), ret[:, -1], squares)


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
        """Probability columns by head id; NaN where a shift has nowhere to go."""
        out: dict[str, np.ndarray] = {}
        for name, counts in self._heads().items():
            for h, groups in counts.items():
                out[f"{name}_{h}"] = groups.sum(axis=1) / self.paths
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


def simulate_odds(start: Starts, draws: Draws, model: Dynamics) -> PathOdds:
    """Count, over the paths of each session, how often each head's event happens."""
    n, paths = len(start.vix), draws.ret.shape[1]
    rows = max(1, CHUNK_CELLS // paths)
    pieces = [slice(i, min(i + rows, n)) for i in range(0, n, rows)]

    def run(piece: slice) -> PathOdds:
        return _count(start.part(piece), draws, model)

    if len(pieces) == 1:
        done = [run(pieces[0])]
    else:
        with ThreadPoolExecutor(THREADS) as pool:
            done = list(pool.map(run, pieces))

    def join(name: str) -> dict[int, np.ndarray]:
        return {h: np.concatenate([getattr(d, name)[h] for d in done]) for h in EVENING_HORIZONS}

    return PathOdds(
        paths, join("up"), join("down"), join("expansion"), join("failure"), join("bands")
    )


def _count(start: Starts, draws: Draws, model: Dynamics) -> PathOdds:
    n, paths = len(start.vix), draws.ret.shape[1]
    lower, upper = band_bounds(start.vix)
    with np.errstate(divide="ignore"):
        log_lower, log_upper = np.log(lower)[:, None], np.log(upper)[:, None]
    no_up, no_down = np.isinf(upper), lower == 0.0
    above = np.zeros((n, paths), np.int8)
    below = np.zeros((n, paths), np.int8)
    total = np.zeros((n, paths))
    square = np.empty((n, paths))
    odds = PathOdds(paths, {}, {}, {}, {}, {})
    edges = np.log(np.array(BAND_EDGES))

    def see(step: int, ret: np.ndarray, log_vix: np.ndarray, scale: np.ndarray) -> None:
        np.add(above, log_vix >= log_upper, out=above, casting="unsafe")
        np.add(below, log_vix < log_lower, out=below, casting="unsafe")
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

    _walk(start, draws, model, see, steps=STEPS)
    return odds


def simulate_paths(
    start: Starts, draws: Draws, model: Dynamics, *, steps: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Paths themselves, for a few sessions.

    Returns
    -------
    (log_return, log_vix, scale) : tuple of ndarray, shape (sessions, paths, steps)
        Cumulative log return since t, log VIX, and the scale of each step's return (its mean
        absolute size).
    """
    shape = (len(start.vix), draws.ret.shape[1], steps)
    returns, vix, scales = np.empty(shape), np.empty(shape), np.empty(shape)

    def see(step: int, ret: np.ndarray, log_vix: np.ndarray, scale: np.ndarray) -> None:
        before = returns[:, :, step - 2] if step > 1 else 0.0
        returns[:, :, step - 1] = before + ret
        vix[:, :, step - 1] = log_vix
        scales[:, :, step - 1] = scale

    _walk(start, draws, model, see, steps=steps)
    return returns, vix, scales


class _See(Protocol):
    def __call__(
        self, step: int, ret: np.ndarray, log_vix: np.ndarray, scale: np.ndarray
    ) -> None: ...


def _walk(start: Starts, draws: Draws, model: Dynamics, see: _See, *, steps: int) -> None:
    """Advance all paths of a chunk, step by step, and show each step to `see`."""
    n, paths = len(start.vix), draws.ret.shape[1]
    shape = (n, paths)
    b, c, d = model.ret_scale, model.vix_mean, model.vix_scale
    to_move = b[1] / (np.sqrt(float(TRADING_DAYS)) * 100.0)
    # Known-history sums that leave the windows are folded into one number a session and step,
    # so that the inner loop touches only what the paths add.
    log_vix = np.repeat(start.log_vix[:, -1:], paths, axis=1)
    ret = np.repeat(start.ret[:, None], paths, axis=1)
    old_vix, old_ret, old_dvix = start.log_vix, start.abs_ret, start.abs_dvix
    sums = {
        "v5": _sum(old_vix, 5),
        "v21": _sum(old_vix, 21),
        "v63": _sum(old_vix, 63),
        "r5": _sum(old_ret, 5),
        "r21": _sum(old_ret, 21),
        "d5": _sum(old_dvix, 5),
        "d21": _sum(old_dvix, 21),
    }
    new_vix = np.zeros(shape)
    new_ret = np.zeros(shape)
    new_dvix = np.zeros(shape)
    last_dvix = np.repeat(old_dvix[:, -1:], paths, axis=1)
    trail: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
    five_vix, five_ret, five_dvix = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    # Simulated values leave the windows of 21 only on walks longer than that.
    left_vix: np.ndarray | None = None
    keep = 5 if steps <= 21 else 21
    scale, vix_scale = np.empty(shape), np.empty(shape)
    work = np.empty(shape)
    for k in range(1, steps + 1):
        # Scale of the return.
        known = b[0] * 1e-2 + b[2] / 5.0 * sums["r5"] + b[3] / 21.0 * sums["r21"]
        np.exp(log_vix, out=scale)
        scale *= to_move
        np.multiply(five_ret, b[2] / 5.0, out=work)
        scale += work
        np.multiply(new_ret, b[3] / 21.0, out=work)
        scale += work
        np.minimum(ret, 0.0, out=work)
        work *= -b[4]
        scale += work
        scale += known[:, None]
        # Scale of the VIX change.
        known = d[0] * 1e-2 + d[1] / 5.0 * sums["d5"] + d[2] / 21.0 * sums["d21"]
        np.multiply(five_dvix, d[1] / 5.0, out=vix_scale)
        np.multiply(new_dvix, d[2] / 21.0, out=work)
        vix_scale += work
        last_dvix *= d[3]
        vix_scale += last_dvix
        vix_scale += known[:, None]
        # Mean of the VIX change.
        known = (
            c[0] + c[2] / 5.0 * sums["v5"] + c[3] / 21.0 * sums["v21"] + c[4] / 63.0 * sums["v63"]
        )
        change = log_vix * c[1]
        np.multiply(five_vix, c[2] / 5.0, out=work)
        change += work
        np.multiply(new_vix, c[3] / 21.0 + c[4] / 63.0, out=work)
        change += work
        if left_vix is not None:
            np.multiply(left_vix, c[4] / 63.0, out=work)
            change += work
        ret *= c[5]
        change += ret
        change += known[:, None]
        # Draw.
        vix_scale *= draws.vix[k - 1]
        change += vix_scale
        np.multiply(scale, draws.ret[k - 1], out=ret)
        ret += model.drift
        log_vix = log_vix + change
        see(k, ret, log_vix, scale)
        # Move the windows.
        size_ret, size_dvix = np.abs(ret), np.abs(change)
        np.copyto(last_dvix, size_dvix)
        new_vix += log_vix
        new_ret += size_ret
        new_dvix += size_dvix
        five_vix += log_vix
        five_ret += size_ret
        five_dvix += size_dvix
        trail.append((log_vix, size_ret, size_dvix))
        if k > 5:
            gone_vix, gone_ret, gone_dvix = trail[-6]
            five_vix -= gone_vix
            five_ret -= gone_ret
            five_dvix -= gone_dvix
        if k > 21:
            gone_vix, gone_ret, gone_dvix = trail[0]
            new_vix -= gone_vix
            new_ret -= gone_ret
            new_dvix -= gone_dvix
            left_vix = gone_vix.copy() if left_vix is None else left_vix + gone_vix
        if len(trail) > keep:
            del trail[0]
        if k <= 5:
            sums["v5"] = sums["v5"] - old_vix[:, -6 + k]
            sums["r5"] = sums["r5"] - old_ret[:, -6 + k]
            sums["d5"] = sums["d5"] - old_dvix[:, -6 + k]
        if k <= 21:
            sums["v21"] = sums["v21"] - old_vix[:, -22 + k]
            sums["r21"] = sums["r21"] - old_ret[:, -22 + k]
            sums["d21"] = sums["d21"] - old_dvix[:, -22 + k]
        if k < HISTORY:
            sums["v63"] = sums["v63"] - old_vix[:, -64 + k]


def _sum(history: np.ndarray, width: int) -> np.ndarray:
    total = np.zeros(history.shape[0])
    for j in range(1, width + 1):
        total = total + history[:, -j]
    return total


def _groups(hits: np.ndarray) -> np.ndarray:
    """Count by group; a group holds whole antithetic pairs."""
    paths = hits.shape[1]
    half = paths // 2
    bounds = np.linspace(0, half, GROUPS + 1).astype(int)
    both = hits[:, :half].astype(np.int8) + hits[:, half:]
    return np.column_stack(
        [both[:, a:b].sum(axis=1, dtype=np.int64) for a, b in pairwise(bounds)]
    ).astype(float)


def _null(groups: np.ndarray, where: np.ndarray) -> np.ndarray:
    groups[where] = np.nan
    return groups
