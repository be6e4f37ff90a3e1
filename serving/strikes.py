"""Which strikes: the RSAi search for a credit, the search for a delta, and pushing further out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from serving.chain import Chain

__all__ = ["Search", "Step", "premium_gauge", "push_out", "search_delta", "search_rsai"]

_EPS = 1e-9


@dataclass(frozen=True)
class Step:
    """One move of the search: which short moved where, and what the package was then worth."""

    side: str
    put_short: int
    call_short: int
    credit: float


@dataclass(frozen=True)
class Search:
    """Where a search ended.

    Attributes
    ----------
    status : str
        ``OK``, ``NEAREST`` (the grid has no package within a tick of the target; the nearest one,
        the further out on a tie) or ``UNREACHABLE``.
    put_short, call_short : int
        Strikes of the shorts.
    credit : float
        Mid credit, index points.
    steps : tuple of Step
        Every move, in order; the first is the start.
    """

    status: str
    put_short: int
    call_short: int
    credit: float
    steps: tuple[Step, ...]


def search_rsai(
    chain: Chain,
    *,
    edr_points: float,
    target: float,
    width: int,
    tolerance: float,
    max_delta: float,
    m_start: float = 1.0,
) -> Search:
    """Walk the shorts until the package is worth the tier's credit.

    Parameters
    ----------
    chain : Chain
        Marks of the expiry.
    edr_points : float
        Expected daily range, index points.
    target : float
        Credit wanted, index points.
    width : int
        Points from short to long on both sides.
    tolerance : float
        One tick, index points.
    max_delta : float
        Either short above it ends the search as ``UNREACHABLE``.
    m_start : float
        Both shorts start at this multiple of the range, rounded outward to a listed strike.

    Returns
    -------
    Search

    Notes
    -----
    Section 3.6 of the dossier: while the credit exceeds the target by more than a tick, the side
    of larger absolute delta moves outward; while it falls short by more, the side of smaller delta
    moves inward; a tie moves the put, whose volatility is the higher one. Moves that only swing
    between two packages end at the nearer. No randomness: the same marks give the same steps.
    """
    put, call = _outward(chain, edr_points * m_start)
    seen: dict[tuple[int, int], float] = {}
    steps: list[Step] = []
    side = "start"
    while True:
        credit = chain.credit(put, call, width, width)
        steps.append(Step(side, put, call, credit))
        put_delta = float(chain.put_delta[chain.position(put)])
        call_delta = float(chain.call_delta[chain.position(call)])
        gap = credit - target
        inside = max(put_delta, call_delta) > max_delta + _EPS
        if abs(gap) <= tolerance + _EPS:
            return Search("UNREACHABLE" if inside else "OK", put, call, credit, tuple(steps))
        if inside and gap < 0:
            return Search("UNREACHABLE", put, call, credit, tuple(steps))
        if (put, call) in seen:
            return _nearest(chain, seen, target, max_delta, tuple(steps))
        seen[put, call] = credit
        if gap > 0:
            side = "put" if put_delta >= call_delta - _EPS else "call"
        else:
            side = "put" if put_delta <= call_delta + _EPS else "call"
        move = chain.step if gap > 0 else -chain.step
        put, call = (put - move, call) if side == "put" else (put, call + move)
        if put - width < chain.strikes[0] or call + width > chain.strikes[-1] or put >= call:
            last = steps[-1]
            return Search("UNREACHABLE", last.put_short, last.call_short, last.credit, tuple(steps))


def search_delta(chain: Chain, *, delta: float, width: int) -> Search:
    """Take the strikes whose deltas are nearest to a target.

    Parameters
    ----------
    chain : Chain
        Marks of the expiry.
    delta : float
        Absolute delta of both shorts.
    width : int
        Points from short to long on both sides.

    Returns
    -------
    Search
        ``UNREACHABLE`` when the wings leave the marked strikes.
    """
    put = int(chain.strikes[int(np.argmin(np.abs(chain.put_delta - delta)))])
    call = int(chain.strikes[int(np.argmin(np.abs(chain.call_delta - delta)))])
    if put - width < chain.strikes[0] or call + width > chain.strikes[-1] or put >= call:
        return Search("UNREACHABLE", put, call, float("nan"), ())
    credit = chain.credit(put, call, width, width)
    return Search("OK", put, call, credit, (Step("start", put, call, credit),))


def push_out(
    chain: Chain, search: Search, *, multiple: float, floor_points: float, width: int
) -> Search:
    """Move both shorts to `multiple` times their distance, and never nearer than a floor.

    Parameters
    ----------
    chain : Chain
        Marks of the expiry.
    search : Search
        Where the search for credit or delta ended.
    multiple : float
        At least 1; a restriction never moves a short nearer.
    floor_points : float
        Smallest distance from the spot, index points.
    width : int
        Points from short to long on both sides; may differ from the search's.

    Returns
    -------
    Search
        The same status; ``UNREACHABLE`` when the strikes end before.
    """
    near = [
        max((chain.spot - search.put_short) * multiple, floor_points),
        max((search.call_short - chain.spot) * multiple, floor_points),
    ]
    put = min(_down(chain, chain.spot - near[0]), search.put_short)
    call = max(_up(chain, chain.spot + near[1]), search.call_short)
    if put - width < chain.strikes[0] or call + width > chain.strikes[-1]:
        return Search("UNREACHABLE", put, call, float("nan"), search.steps)
    credit = chain.credit(put, call, width, width)
    steps = search.steps
    if (put, call) != (search.put_short, search.call_short):
        steps = (*steps, Step("restriction", put, call, credit))
    return Search(search.status, put, call, credit, steps)


def premium_gauge(chain: Chain, *, edr_points: float, width: int) -> float:
    """Credit of the standard condor: shorts at one expected daily range, `width` points wide."""
    put, call = _outward(chain, edr_points)
    return chain.credit(put, call, width, width)


def _outward(chain: Chain, points: float) -> tuple[int, int]:
    return _down(chain, chain.spot - points), _up(chain, chain.spot + points)


def _down(chain: Chain, level: float) -> int:
    return int(np.floor(level / chain.step + _EPS)) * chain.step


def _up(chain: Chain, level: float) -> int:
    return int(np.ceil(level / chain.step - _EPS)) * chain.step


def _nearest(
    chain: Chain,
    seen: dict[tuple[int, int], float],
    target: float,
    max_delta: float,
    steps: tuple[Step, ...],
) -> Search:
    allowed = {
        place: credit
        for place, credit in seen.items()
        if max(
            float(chain.put_delta[chain.position(place[0])]),
            float(chain.call_delta[chain.position(place[1])]),
        )
        <= max_delta + _EPS
    }
    if not allowed:
        last = steps[-1]
        return Search("UNREACHABLE", last.put_short, last.call_short, last.credit, steps)
    put, call = min(
        allowed, key=lambda place: (round(abs(allowed[place] - target), 9), place[0] - place[1])
    )
    return Search("NEAREST", put, call, allowed[put, call], steps)
