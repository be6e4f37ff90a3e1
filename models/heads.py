"""The heads: what is predicted, over which horizon, at which moment."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from features.bands import BAND_EDGES
from features.errors import UsageError

__all__ = [
    "EVENING_HORIZONS",
    "HEADS",
    "TRADING_DAYS",
    "Head",
    "HeadKey",
    "band_bounds",
    "expected_move",
    "head_keys",
    "parse_key",
]

TRADING_DAYS = 252
EVENING_HORIZONS = (5, 10, 21)
EXPANSION_RATIO = 1.5
SPIKE_RATIO = 1.10
GAP_MULTIPLE = 0.5
OPEN_BREACH_MULTIPLE = 0.75
SHIFT_CLOSES = 2
REALISED_WINDOW = 21


@dataclass(frozen=True)
class Head:
    """One question about the sessions after t.

    Parameters
    ----------
    name : str
        Name in the skill table and on the ticket.
    horizons : tuple of int
        Sessions ahead at the evening.
    question : str
        When the label is 1, in words.
    cumulative : bool
        True where a yes at a short horizon is a yes at every longer one, so that the
        probability must not fall as the horizon grows.
    needs_open : bool
        True where the next session's SPX open is part of the label.
    """

    name: str
    horizons: tuple[int, ...]
    question: str
    cumulative: bool = False
    needs_open: bool = False


@dataclass(frozen=True, order=True)
class HeadKey:
    """A head at one horizon; `id` names its column."""

    head: str
    horizon: int

    @property
    def id(self) -> str:
        """Column name, for instance ``shift_up_5``."""
        return f"{self.head}_{self.horizon}"


_HEADS = (
    Head(
        "shift_up",
        EVENING_HORIZONS,
        "at least 2 VIX closes of the next h sessions lie in a higher band than today's",
        cumulative=True,
    ),
    Head(
        "shift_down",
        EVENING_HORIZONS,
        "at least 2 VIX closes of the next h sessions lie in a lower band than today's",
        cumulative=True,
    ),
    Head(
        "expansion",
        EVENING_HORIZONS,
        "realised volatility of the next h sessions is above 1.5 times that of the last 21",
    ),
    Head(
        "premium_failure",
        EVENING_HORIZONS,
        "realised volatility of the next h sessions is above today's VIX close",
    ),
    Head("breach", (1,), "the next close is more than one expected move away"),
    Head("breach_down", (1,), "the next close is more than one expected move below"),
    Head("spike", (1,), "the next VIX close is at least 10 % higher"),
    Head(
        "gap_down", (1,), "the next open is more than half an expected move below", needs_open=True
    ),
    Head(
        "breach_open",
        (1,),
        "the next session moves more than 0.75 expected moves from open to close",
        needs_open=True,
    ),
)
HEADS: dict[str, Head] = {head.name: head for head in _HEADS}

_EVENING = tuple(HeadKey(head.name, h) for head in _HEADS for h in head.horizons)
_SHORT = tuple(
    key
    for key in _EVENING
    if key.horizon == 1 or (key.horizon == 5 and key.head in ("shift_up", "shift_down"))
)
_KEYS: dict[str, tuple[HeadKey, ...]] = {"evening": _EVENING, "eve": _SHORT, "preopen": _SHORT}
_BY_ID = {key.id: key for key in _EVENING}


def head_keys(at: str) -> list[HeadKey]:
    """List the heads that are forecast at a moment.

    Parameters
    ----------
    at : str
        ``evening``, ``eve`` or ``preopen``. Any other moment asks the evening's questions.
    """
    return list(_KEYS.get(at, _EVENING))


def parse_key(identifier: str) -> HeadKey:
    """Turn ``shift_up_5`` back into its key.

    Raises
    ------
    UsageError
        If no head has that name at that horizon.
    """
    try:
        return _BY_ID[identifier]
    except KeyError:
        raise UsageError(
            f"`{identifier}` is no head. Expected one of {', '.join(_BY_ID)}; choose one of them."
        ) from None


def expected_move(vix: np.ndarray) -> np.ndarray:
    """One-session expected move as a fraction, ``VIX / sqrt(252) / 100``."""
    return vix / np.sqrt(float(TRADING_DAYS)) / 100.0


def band_bounds(vix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Lower and upper edge of the band that each VIX close lies in.

    Parameters
    ----------
    vix : ndarray
        VIX closes, index points.

    Returns
    -------
    (lower, upper) : tuple of ndarray
        A close is in a higher band when it is at or above `upper`, in a lower one when it is
        below `lower`. Calm has lower 0, crisis has upper infinity, NaN stays NaN.
    """
    edges = np.array([0.0, *BAND_EDGES, np.inf])
    band = np.searchsorted(np.array(BAND_EDGES), np.nan_to_num(vix, nan=0.0), side="right")
    unknown = np.isnan(vix)
    lower = np.where(unknown, np.nan, edges[band])
    upper = np.where(unknown, np.nan, edges[band + 1])
    return lower, upper
