"""The heads: what is predicted, over which horizon, at which moment, and its label.

A label is a function of closes (and the next open) after t and of what is known at t. It is null
where the head is not scored and where a needed price is missing or still to come. `end` is the
last session that the label reads, so that purging is exact.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd

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
    "labels",
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


def labels(spine: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Compute every label at every session.

    Parameters
    ----------
    spine : DataFrame
        Index of consecutive exchange sessions; columns ``spx_open``, ``spx_close`` and
        ``vix_close`` (index points, NaN where unknown).

    Returns
    -------
    y : DataFrame
        One row a session, one column a head and horizon: 1.0, 0.0, or NaN where not scored,
        where a needed price is unknown, and where the horizon is not over.
    end : DataFrame
        Same shape: the session whose prices complete the label, NaT where that is beyond the
        spine. It depends on the calendar alone, not on whether the label is scored.

    Notes
    -----
    Timing: y at t is known at the close of ``end`` and not before; it never enters a feature.
    """
    missing = {"spx_open", "spx_close", "vix_close"} - set(spine.columns)
    if missing:
        raise UsageError(f"`spine` lacks {sorted(missing)}. Expected features.pipeline.spine.")
    vix = spine["vix_close"].to_numpy(float)
    close = spine["spx_close"].to_numpy(float)
    opening = spine["spx_open"].to_numpy(float)
    values = {key.id: _LABELS[key.head](vix, close, opening, key.horizon) for key in _EVENING}
    sessions = spine.index.to_series()
    ends = {key.id: sessions.shift(-key.horizon) for key in _EVENING}
    return pd.DataFrame(values, index=spine.index), pd.DataFrame(ends, index=spine.index)


def _ahead(x: np.ndarray, steps: int) -> np.ndarray:
    out = np.full(len(x), np.nan)
    if steps < len(x):
        out[: len(x) - steps] = x[steps:]
    return out


def _log_returns(close: np.ndarray) -> np.ndarray:
    out = np.full(len(close), np.nan)
    out[1:] = np.log(close[1:] / close[:-1])
    return out


def _yes(condition: np.ndarray, *needed: np.ndarray) -> np.ndarray:
    known = np.ones(len(condition), dtype=bool)
    for x in needed:
        known &= ~np.isnan(x)
    return np.where(known, condition.astype(float), np.nan)


def _shift(vix: np.ndarray, h: int, *, up: bool) -> np.ndarray:
    lower, upper = band_bounds(vix)
    future = [_ahead(vix, k) for k in range(1, h + 1)]
    count = np.zeros(len(vix))
    for x in future:
        count += (x >= upper) if up else (x < lower)
    y = _yes(count >= SHIFT_CLOSES, vix, *future)
    # Crisis has nothing above it and calm nothing below: the question does not arise.
    unasked = np.isinf(upper) if up else lower == 0.0
    y[unasked] = np.nan
    return y


def _shift_up(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    return _shift(vix, h, up=True)


def _shift_down(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    return _shift(vix, h, up=False)


def _realised_ahead(close: np.ndarray, h: int) -> np.ndarray:
    squares = _log_returns(close) ** 2
    total = np.zeros(len(close))
    for k in range(1, h + 1):
        total += _ahead(squares, k)
    return np.asarray(100.0 * np.sqrt(TRADING_DAYS * total / h))


def _realised_behind(close: np.ndarray) -> np.ndarray:
    squares = _log_returns(close) ** 2
    total = np.zeros(len(close))
    for k in range(REALISED_WINDOW):
        shifted = np.full(len(close), np.nan)
        shifted[k:] = squares[: max(len(squares) - k, 0)]
        total += shifted
    return np.asarray(100.0 * np.sqrt(TRADING_DAYS * total / REALISED_WINDOW))


def _expansion(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    future, past = _realised_ahead(close, h), _realised_behind(close)
    return _yes(future > EXPANSION_RATIO * past, future, past)


def _premium_failure(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    future = _realised_ahead(close, h)
    return _yes(future > vix, future, vix)


def _breach(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    move = _ahead(_log_returns(close), 1)
    return _yes(np.abs(move) > expected_move(vix), move, vix)


def _breach_down(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    move = _ahead(_log_returns(close), 1)
    return _yes(move < -expected_move(vix), move, vix)


def _spike(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    following = _ahead(vix, 1)
    return _yes(following >= SPIKE_RATIO * vix, following, vix)


def _gap_down(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    gap = np.log(_ahead(opening, 1) / close)
    return _yes(gap < -GAP_MULTIPLE * expected_move(vix), gap, vix)


def _breach_open(vix: np.ndarray, close: np.ndarray, opening: np.ndarray, h: int) -> np.ndarray:
    move = np.log(_ahead(close, 1) / _ahead(opening, 1))
    return _yes(np.abs(move) > OPEN_BREACH_MULTIPLE * expected_move(vix), move, vix)


_Label = Callable[[np.ndarray, np.ndarray, np.ndarray, int], np.ndarray]
_LABELS: dict[str, _Label] = {
    "shift_up": _shift_up,
    "shift_down": _shift_down,
    "expansion": _expansion,
    "premium_failure": _premium_failure,
    "breach": _breach,
    "breach_down": _breach_down,
    "spike": _spike,
    "gap_down": _gap_down,
    "breach_open": _breach_open,
}
