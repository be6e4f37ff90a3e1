"""One step after another: the simulation's kernel, arrays over sessions and paths.

All arithmetic is elementwise, so how sessions are cut into chunks changes no bit of the result.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from models.dynamics import Dynamics
from models.heads import REALISED_WINDOW, TRADING_DAYS
from models.path_terms import turns
from models.state import HISTORY, State

__all__ = ["MAX_STEPS", "Draws", "Laws", "See", "Starts", "starts", "walk"]

MAX_STEPS = 63


@dataclass(frozen=True)
class Draws:
    """Residual pairs of every path and step, shape (63, paths), shared by all sessions.

    `night` holds the overnight parts that go with them, None where opens are not known.
    """

    ret: np.ndarray
    vix: np.ndarray
    night: np.ndarray | None = None

    @classmethod
    def make(
        cls,
        pairs: np.ndarray,
        counts: np.ndarray,
        nights: np.ndarray | None = None,
        *,
        paths: int,
        seed: int,
    ) -> Draws:
        """Stratify each step over the pool sorted by return, with antithetic second halves.

        A pair is drawn as often as it counts. The second half of the paths takes the mirrored
        rank of the first, so that the mean return of a step is nearly that of the pool.
        """
        upper = np.cumsum(counts) / counts.sum()
        generator = np.random.Generator(np.random.PCG64(seed))
        half = paths // 2
        shape = (MAX_STEPS, 2 * half)
        ret, vix = np.empty(shape), np.empty(shape)
        night = None if nights is None else np.empty(shape)
        for k in range(MAX_STEPS):
            # argsort of uniforms instead of `permutation`: its stream is the documented one.
            strata = np.argsort(generator.random(half), kind="stable")
            u = (strata + generator.random(half)) / half
            u = np.concatenate([u, 1.0 - u])
            rank = np.minimum(np.searchsorted(upper, u, side="right"), len(pairs) - 1)
            ret[k], vix[k] = pairs[rank, 0], pairs[rank, 1]
            if night is not None and nights is not None:
                night[k] = nights[rank]
        return cls(ret, vix, night)


@dataclass(frozen=True)
class Starts:
    """What is known at t, one row a session; histories run from the oldest to t.

    `size` is that of past sessions by their range, as `State.size`; a simulated session has its
    absolute return in its place. `rets` are returns; `turns`, one column a step to come, are those
    of `models.path_terms`.
    """

    vix: np.ndarray
    log_vix: np.ndarray
    size: np.ndarray
    abs_dvix: np.ndarray
    rets: np.ndarray
    squares21: np.ndarray
    turns: np.ndarray

    def part(self, where: slice) -> Starts:
        """Take some of the rows."""
        return Starts(*(getattr(self, name)[where] for name in self.__dataclass_fields__))

    @classmethod
    def join(cls, parts: Sequence[Starts]) -> Starts:
        """Put the rows of some one after the other."""
        names = cls.__dataclass_fields__
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


@dataclass(frozen=True)
class Laws:
    """Dynamics that each row is simulated by, one column a row; weights as in `Dynamics`."""

    drift: np.ndarray
    ret_scale: np.ndarray
    vix_mean: np.ndarray
    vix_scale: np.ndarray

    @classmethod
    def of(cls, dynamics: Sequence[Dynamics], rows: int) -> Laws:
        """Take each of some dynamics for so many rows, one after the other."""
        each = [np.array([one.drift for one in dynamics])]
        each += [
            np.column_stack([getattr(one, name) for one in dynamics])
            for name in ("ret_scale", "vix_mean", "vix_scale")
        ]
        return cls(*(np.repeat(weights, rows, axis=-1) for weights in each))

    def part(self, where: slice) -> Laws:
        """Take some of the rows."""
        return Laws(*(getattr(self, name)[..., where] for name in self.__dataclass_fields__))


def starts(s: State, rows: np.ndarray, model: Dynamics) -> Starts:
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
    size = np.where(ok, s.size(model.move_of_range)[np.maximum(recent, 0)], np.nan)
    ahead = turns(s.sessions[rows], MAX_STEPS)
    return Starts(s.vix[rows], log_vix, size, np.abs(dvix), ret, squares, ahead)


# Step, returns, log VIX and scales of the returns, each by session and path; arrays that the next
# step overwrites.
See = Callable[[int, np.ndarray, np.ndarray, np.ndarray], None]


class _Trail:
    """Log VIX, returns and sizes of the moves of the last steps, in arrays used again and again."""

    def __init__(self, shape: tuple[int, int], steps: int) -> None:
        # Simulated values leave the windows of 21 only on walks longer than that.
        self.depth = 6 if steps <= 21 else 22
        self.arrays = tuple(np.empty((self.depth, *shape)) for _ in range(4))

    def at(self, step: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """Log VIX, return, its size, size of the VIX change of a step."""
        vix, ret, size, dvix = (array[step % self.depth] for array in self.arrays)
        return vix, ret, size, dvix


def walk(start: Starts, draws: Draws, laws: Laws, see: See, *, steps: int) -> None:
    """Advance all paths of a chunk, step by step, and show each step to `see`."""
    n, paths = len(start.vix), draws.ret.shape[1]
    shape = (n, paths)
    b, c, d = laws.ret_scale, laws.vix_mean, laws.vix_scale
    # Weights of what differs by path; those of what is known by row stand where they are used.
    to_move, size_5, fall_5, size_21, fall = _by_row(
        b[1] / (np.sqrt(float(TRADING_DAYS)) * 100.0),
        b[2] / 5.0 + b[5] / 10.0,
        b[5] / 10.0,
        b[3] / 21.0,
        -0.5 * b[4],
    )
    vix_now, vix_5, vix_21, vix_63, ret_5, ret_1 = _by_row(
        c[1], c[2] / 5.0, c[3] / 21.0 + c[4] / 63.0, c[4] / 63.0, c[6] / 5.0, c[5]
    )
    dvix_5, dvix_21, dvix_1, above, drift = _by_row(d[1] / 5.0, d[2] / 21.0, d[3], d[4], laws.drift)
    # Known-history sums that leave the windows are folded into one number a session and step,
    # so that the inner loop touches only what the paths add.
    old_vix, old_size, old_dvix = start.log_vix, start.size, start.abs_dvix
    old_ret, old_fall = start.rets, np.maximum(-start.rets, 0.0)
    sums = {f"v{width}": _sum(old_vix, width) for width in (5, 21, 63)}
    sums |= {f"s{width}": _sum(old_size, width) for width in (5, 21)}
    sums |= {f"d{width}": _sum(old_dvix, width) for width in (5, 21)}
    sums |= {"r5": _sum(old_ret, 5), "f5": _sum(old_fall, 5)}
    trail = _Trail(shape, steps)
    log_vix, ret, size, size_dvix = trail.at(0)
    np.copyto(ret, start.rets[:, -1:])
    np.copyto(log_vix, start.log_vix[:, -1:])
    np.copyto(size_dvix, old_dvix[:, -1:])
    np.abs(ret, out=size)
    new_vix, new_size, new_dvix = (np.zeros(shape) for _ in range(3))
    five_vix, five_ret, five_size, five_dvix = (np.zeros(shape) for _ in range(4))
    left_vix = np.zeros(shape) if steps > 22 else None
    scale, vix_scale, change, work = (np.empty(shape) for _ in range(4))
    for k in range(1, steps + 1):
        # Scale of the return.
        known = b[0] * 1e-2 + b[2] / 5.0 * sums["s5"] + b[3] / 21.0 * sums["s21"]
        known = known + b[5] / 5.0 * sums["f5"]
        np.exp(log_vix, out=scale)
        scale *= to_move
        # A fall is half of the size less the move, to the last bit and faster than a minimum.
        np.multiply(five_size, size_5, out=work)
        scale += work
        np.multiply(five_ret, fall_5, out=work)
        scale -= work
        np.multiply(new_size, size_21, out=work)
        scale += work
        np.subtract(ret, size, out=work)
        work *= fall
        scale += work
        scale += known[:, None]
        # Scale of the VIX change.
        known = d[0] * 1e-2 + d[1] / 5.0 * sums["d5"] + d[2] / 21.0 * sums["d21"]
        np.multiply(five_dvix, dvix_5, out=vix_scale)
        np.multiply(new_dvix, dvix_21, out=work)
        vix_scale += work
        np.multiply(size_dvix, dvix_1, out=work)
        vix_scale += work
        np.multiply(new_vix, -1.0 / 21.0, out=work)
        work += log_vix
        work -= sums["v21"][:, None] / 21.0
        np.maximum(work, 0.0, out=work)
        work *= above
        vix_scale += work
        vix_scale += known[:, None]
        # Mean of the VIX change.
        known = (
            c[0] + c[2] / 5.0 * sums["v5"] + c[3] / 21.0 * sums["v21"] + c[4] / 63.0 * sums["v63"]
        )
        known = known + c[6] / 5.0 * sums["r5"] + c[7] * start.turns[:, k - 1]
        np.multiply(log_vix, vix_now, out=change)
        np.multiply(five_vix, vix_5, out=work)
        change += work
        np.multiply(new_vix, vix_21, out=work)
        change += work
        if left_vix is not None and k > 22:
            np.multiply(left_vix, vix_63, out=work)
            change += work
        np.multiply(five_ret, ret_5, out=work)
        change += work
        np.multiply(ret, ret_1, out=work)
        change += work
        change += known[:, None]
        # Draw.
        vix_scale *= draws.vix[k - 1]
        change += vix_scale
        before, (log_vix, ret, size, size_dvix) = log_vix, trail.at(k)
        gone = trail.at(k - 21) if k > 21 else None
        np.multiply(scale, draws.ret[k - 1], out=ret)
        ret += drift
        np.add(before, change, out=log_vix)
        see(k, ret, log_vix, scale)
        if k == steps:
            break
        # Move the windows.
        np.abs(ret, out=size)
        np.abs(change, out=size_dvix)
        new_vix += log_vix
        new_size += size
        new_dvix += size_dvix
        five_vix += log_vix
        five_ret += ret
        five_size += size
        five_dvix += size_dvix
        if k > 5:
            gone_vix, gone_ret, gone_size, gone_dvix = trail.at(k - 5)
            five_vix -= gone_vix
            five_ret -= gone_ret
            five_size -= gone_size
            five_dvix -= gone_dvix
        if gone is not None and left_vix is not None:
            gone_vix, _, gone_size, gone_dvix = gone
            new_vix -= gone_vix
            new_size -= gone_size
            new_dvix -= gone_dvix
            left_vix += gone_vix
        if k <= 5:
            sums["v5"] = sums["v5"] - old_vix[:, -6 + k]
            sums["s5"] = sums["s5"] - old_size[:, -6 + k]
            sums["r5"] = sums["r5"] - old_ret[:, -6 + k]
            sums["f5"] = sums["f5"] - old_fall[:, -6 + k]
            sums["d5"] = sums["d5"] - old_dvix[:, -6 + k]
        if k <= 21:
            sums["v21"] = sums["v21"] - old_vix[:, -22 + k]
            sums["s21"] = sums["s21"] - old_size[:, -22 + k]
            sums["d21"] = sums["d21"] - old_dvix[:, -22 + k]
        if k < HISTORY:
            sums["v63"] = sums["v63"] - old_vix[:, -64 + k]


def _by_row(*weights: np.ndarray) -> list[np.ndarray]:
    """Weights beside the paths; rows of one law share a lone weight, which is twice as fast."""
    one_law = all((weight == weight[0]).all() for weight in weights)
    return [weight[:1] if one_law else weight[:, None] for weight in weights]


def _sum(history: np.ndarray, width: int) -> np.ndarray:
    total = np.zeros(history.shape[0])
    for j in range(1, width + 1):
        total = total + history[:, -j]
    return total
