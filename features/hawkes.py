"""How self-exciting a tape is: the branching ratio of a marked Hawkes process.

The rate of liquidations is a base rate plus what earlier ones add: each of relative size w adds
``a_j * w`` expected others, spread over time with mean delay ``1 / b_j``, for a few fixed delays
(one exponential alone fails on real tapes). The branching ratio is the sum of the a_j: the share of
liquidations that others set off; near 1 the market feeds itself.

Limits. Seconds are counted, not milliseconds: equal stamps need no jitter, and delays far below a
second end up in the shortest one. On a throttled feed only "something happened in this second" is
observed; the likelihood says so, and the hidden events of a second are put back in expectation
before the excitation is computed anew. Where seconds are mostly full (the height of a cascade)
nothing can tell one hidden event from a hundred, and the ratio stays a lower estimate. A base rate
that drifts within the window (a news day, the time of day) looks like excitation: read the ratio
against its own history. Below 50 seconds with events there is no estimate.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError, UsageError

__all__ = ["DELAYS_S", "Hawkes", "branching_ratio"]

DELAYS_S = (1.0, 10.0, 100.0)
MIN_ACTIVE = 50
MICRO = 1_000_000
# rounds in which a throttled second's hidden events are put back
IMPUTATIONS = 6


@dataclass(frozen=True)
class Hawkes:
    """An estimate over one window.

    Parameters
    ----------
    ratio : float
        Branching ratio; NaN where there are too few events.
    base_rate : float
        Exogenous events per second.
    by_delay : tuple of float
        Parts of the ratio, in the order of the delays.
    n_events, n_active : int
        Events, and seconds that have any.
    throttled : bool
        Whether only occurrence was used.
    converged : bool
        Whether the fit settled.
    """

    ratio: float
    base_rate: float
    by_delay: tuple[float, ...]
    n_events: int
    n_active: int
    throttled: bool
    converged: bool


def branching_ratio(
    ts_us: NDArray[np.int64],
    notional: NDArray[np.float64] | None = None,
    *,
    start_us: int,
    end_us: int,
    throttled: bool = False,
    delays_s: tuple[float, ...] = DELAYS_S,
    mark_power: float = 0.5,
    iterations: int = 500,
    tolerance: float = 1e-5,
) -> Hawkes:
    """Estimate the branching ratio of the events in [start_us, end_us).

    Parameters
    ----------
    ts_us : array
        Event times in microseconds, in any order; those outside the window are not used.
    notional : array, optional
        Sizes; the mark is ``(size / mean size) ** mark_power``, scaled to mean 1. Without it every
        event counts the same.
    throttled : bool
        The feed shows at most one event a second.
    delays_s : tuple of float
        Mean delays of the excitation, at least half a second each.

    Returns
    -------
    Hawkes
        With NaN ratio below 50 active seconds.

    Raises
    ------
    UsageError
        If the window is empty or a delay is too short.
    DataError
        If sizes are negative or not finite.

    Notes
    -----
    Poisson likelihood by second (Bernoulli on a throttled feed), maximised by expectation
    maximisation, which keeps all parts positive. *Timing:* uses events in the window alone.
    """
    if end_us <= start_us:
        raise UsageError(f"the window must not be empty, got [{start_us}, {end_us}).")
    if min(delays_s) < 0.5:
        raise UsageError(f"`delays_s` must be at least 0.5 s each, got {delays_s}.")
    inside = (ts_us >= start_us) & (ts_us < end_us)
    length = -(-(end_us - start_us) // MICRO)
    active, place = np.unique((ts_us[inside] - start_us) // MICRO, return_inverse=True)
    counts = np.bincount(place, minlength=len(active)).astype(float)
    events = int(inside.sum())
    if len(active) < MIN_ACTIVE:
        nothing = (float("nan"),) * len(delays_s)
        nan = float("nan")
        return Hawkes(nan, nan, nothing, events, len(active), throttled, False)
    marks = _marks(notional, inside, events, mark_power)
    pushed = np.bincount(place, weights=marks, minlength=len(active)).astype(float)
    kernels = _kernels(active, length, delays_s)
    if not throttled:
        design = _excitation(pushed, length, kernels)
        start = _start(counts, length, len(delays_s))
        weights, _, converged = _fit(counts, *design, start, False, iterations, tolerance)
    else:
        seen = np.ones(len(active))
        pushed = pushed / counts
        hidden, weights = seen, _start(seen, length, len(delays_s))
        for _ in range(IMPUTATIONS):
            design = _excitation(pushed * hidden, length, kernels)
            weights, hidden, converged = _fit(seen, *design, weights, True, iterations, tolerance)
    parts = tuple(float(w) for w in weights[1:])
    ratio, base = float(sum(parts)), float(weights[0])
    return Hawkes(ratio, base, parts, events, len(active), throttled, converged)


def _marks(
    notional: NDArray[np.float64] | None,
    inside: NDArray[np.bool_],
    events: int,
    power: float,
) -> NDArray[np.float64]:
    if notional is None:
        return np.ones(events)
    sizes = np.asarray(notional, dtype=float)[inside]
    if not np.isfinite(sizes).all() or (sizes < 0).any():
        raise DataError("`notional` must be finite and not negative. Leave out unsized events.")
    marks = sizes**power
    mean = marks.mean()
    return marks / mean if mean > 0 else np.ones(events)


@dataclass(frozen=True)
class _Kernels:
    """What the delays do on given active seconds, whatever their marks; one row a delay.

    Parameters
    ----------
    gain : array (delays, 1)
        Share of a mark that arrives in the second after it.
    fades : array (delays, active seconds - 1)
        Share left from the second after an active one to the next active one.
    reached : array (delays, active seconds)
        Share of each active second's excitation that falls into the window.
    band : array (2, delays * active seconds)
        The recursion from one active second to the next, as a lower band matrix.
    """

    gain: NDArray[np.float64]
    fades: NDArray[np.float64]
    reached: NDArray[np.float64]
    band: NDArray[np.float64]


def _kernels(active: NDArray[np.int64], length: int, delays_s: tuple[float, ...]) -> _Kernels:
    keep = np.array([[float(np.exp(-1.0 / delay))] for delay in delays_s])
    fades = keep ** (np.diff(active) - 1.0)
    # the last second of a delay hands nothing to the first of the next
    below = np.pad(-keep * fades, ((0, 0), (0, 1))).ravel()
    band = np.asfortranarray([np.ones(len(below)), below])
    return _Kernels(1.0 - keep, fades, 1.0 - keep ** (length - 1.0 - active), band)


def _excitation(
    pushed: NDArray[np.float64], length: int, kernels: _Kernels
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Sum over earlier seconds of mark times kernel; each kernel's weights add up to one.

    Returns
    -------
    rows : array (active seconds, 1 + delays)
        One, then the sums, in the seconds that have events.
    total : array (1 + delays)
        Their sums over all seconds of the window.
    """
    from scipy.linalg.blas import dtbsv

    gained = kernels.gain * pushed
    # what each active second hands on: its own marks and what is left of the sum before it
    handed = dtbsv(1, kernels.band, gained.ravel(), lower=1, diag=1).reshape(gained.shape)
    rows = np.ones((len(pushed), 1 + len(gained)))
    rows[0, 1:] = 0.0
    rows[1:, 1:] = (kernels.fades * handed[:, :-1]).T
    return rows, np.append(float(length), (pushed * kernels.reached).sum(axis=1))


def _start(observed: NDArray[np.float64], length: int, delays: int) -> NDArray[np.float64]:
    """Half of the events from outside, half from each other."""
    return np.append(0.5 * observed.sum() / length, np.full(delays, 0.5 / delays))


def _fit(
    observed: NDArray[np.float64],
    rows: NDArray[np.float64],
    total: NDArray[np.float64],
    weights: NDArray[np.float64],
    throttled: bool,
    iterations: int,
    tolerance: float,
) -> tuple[NDArray[np.float64], NDArray[np.float64], bool]:
    """Return base rate and parts, the events each second stands for, and whether it settled."""
    converged = False
    expected, rate, share = observed, np.empty(len(observed)), np.empty(len(observed))
    if throttled:
        expected = np.empty(len(observed))
    floored = np.maximum(total, 1e-12)
    for _ in range(iterations):
        np.matmul(rows, weights, out=rate)
        if throttled:
            # how many events a second that shows one stands for, on average
            np.expm1(np.negative(rate, out=share), out=share)
            np.divide(rate, np.negative(share, out=share), out=expected)
        fresh = weights * (np.divide(expected, rate, out=share) @ rows) / floored
        converged = float(np.abs(fresh - weights).max()) < tolerance
        weights = fresh
        if converged:
            break
    return weights, expected, converged
