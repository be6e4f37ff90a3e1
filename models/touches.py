"""SPX paths from close to open to close, and how often they touch a level on the way."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

__all__ = ["NORMAL_SIZE", "OpenPaths", "Touch"]

# Standard deviation of a normal variable over its mean absolute size.
NORMAL_SIZE = float(np.sqrt(np.pi / 2.0))
# Log odds of a session's touch below which nothing of it is left: not in 1 - p (2^-54), nor in the
# sum with the other level's p, which is rounded to more than this wherever it shows in 1 - p.
FAR = -98.0
TINY = 1e-12  # variance, over the squared scale, of sessions that do not move after the open


@dataclass(frozen=True)
class Touch:
    """Odds of some levels.

    Parameters
    ----------
    touch : ndarray
        Probability that SPX touches each level, at an open, at a close or between them.
    beyond : ndarray
        Probability that the last close lies beyond it.
    error : ndarray
        Standard error of `touch`, from the spread of antithetic pairs of paths. Strata are not
        counted in its favour, so it errs to the wide side.
    """

    touch: np.ndarray
    beyond: np.ndarray
    error: np.ndarray


@dataclass(frozen=True)
class OpenPaths:
    """Simulated sessions of SPX after one close t, each with its open.

    Parameters
    ----------
    log_return : ndarray, shape (paths, steps)
        Cumulative log return since the close of t; the second half of the paths mirrors the first.
    scale : ndarray, shape (paths, steps)
        Mean absolute log return that each session was expected to have.
    night : ndarray, shape (paths, steps) or None
        Log return from the close before to the open, over `scale`; None where too few opens are
        known, and then a session moves from close to close.
    day : tuple of float
        Standard deviation of the log return from open to close, over `scale`: for levels below,
        and for levels above.

    Notes
    -----
    A session touches a level that lies between the close before and its open, at the open. From
    open to close it is a Brownian bridge of the session's own scale: between two log prices at
    distances l and r on one side of the level, it is touched with probability exp(-2 l r / var).
    The variance differs for levels below and above.
    """

    log_return: np.ndarray
    scale: np.ndarray
    night: np.ndarray | None
    day: tuple[float, float]

    def touch(self, levels: np.ndarray) -> Touch:
        """Odds of touching log levels, each above or below 0, the log return at the close of t."""
        levels = np.asarray(levels, float)
        way, last = self._way(0, None), self.log_return[:, -1]
        touch, beyond, error = (np.empty(levels.size) for _ in range(3))
        for i, level in enumerate(levels):
            side = 1.0 if level >= 0 else -1.0
            hit = _some(_hits(way, side, level))
            touch[i] = hit.mean()
            beyond[i] = np.mean(side * (level - last) <= 0)
            half = len(hit) // 2
            error[i] = (hit[:half] + hit[half:]).std(ddof=1) / 2.0 / np.sqrt(half)
        return Touch(touch, beyond, error)

    def leave(
        self, lower: float, upper: float, *, first: int = 0, last: int | None = None
    ) -> tuple[float, float, float]:
        """Odds of touching the lower log level, the upper one, and any of the two.

        Parameters
        ----------
        lower, upper : float
            Log returns since the close of step `first`.
        first, last : int
            Steps whose closes the way begins and ends with; 0 is the close of t.

        Notes
        -----
        Both levels touched between one open and its close count as two touches of that session
        in "any of the two": for levels a few scales apart this adds nothing that can be seen.
        """
        way = self._way(first, last)
        low, high = _hits(way, -1.0, lower), _hits(way, 1.0, upper)
        either = np.minimum(low + high, 1.0)
        put, call, both = (float(_some(hit).mean()) for hit in (low, high, either))
        return put, call, both

    def _way(self, first: int, last: int | None) -> _Way:
        """Sessions between two closes, as log returns since the first of them."""
        close = self.log_return[:, first:last]
        start = self.log_return[:, first - 1 : first] if first else np.zeros((len(close), 1))
        close = close - start
        opening = np.zeros_like(close)
        opening[:, 1:] = close[:, :-1]
        scale = self.scale[:, first:last]
        if self.night is not None:
            opening += scale * self.night[:, first:last]
        steep = -2.0 / (scale * scale)
        below, above = (max(size * size, TINY) for size in self.day)
        return _Way(opening, close, steep, below, above)


class _Way(NamedTuple):
    """Opens and closes of sessions by path, -2 over the squared scale, and variances over it."""

    opening: np.ndarray
    close: np.ndarray
    steep: np.ndarray
    below: float
    above: float


def _hits(way: _Way, side: float, level: float) -> np.ndarray:
    """Probability of a touch in each session, by path; 1 where open or close is beyond."""
    left, right = _room(way.opening, side, level), _room(way.close, side, level)
    left *= right
    left *= way.steep
    left /= way.above if side > 0 else way.below
    far = left < FAR
    np.exp(left, out=left, where=~far)  # most steps of most paths are far from a short strike
    np.copyto(left, 0.0, where=far)
    return left


def _some(hits: np.ndarray) -> np.ndarray:
    """Probability of a touch in any of the sessions, by path."""
    return np.asarray(1.0 - np.prod(1.0 - hits, axis=1))


def _room(at: np.ndarray, side: float, level: float) -> np.ndarray:
    """Log distance that is left to the level, 0 beyond it."""
    room = np.multiply(at, -side)
    room += side * level
    return np.asarray(np.maximum(room, 0.0, out=room))
