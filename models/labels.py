"""The label of every head: a function of prices after t and of what is known at t.

It is null where the head is not scored and where a needed price is missing or still to come. `end`
is the last session that the label reads, so that purging is exact.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from features.errors import UsageError
from models.heads import (
    EXPANSION_RATIO,
    GAP_MULTIPLE,
    OPEN_BREACH_MULTIPLE,
    REALISED_WINDOW,
    SHIFT_CLOSES,
    SPIKE_RATIO,
    TRADING_DAYS,
    band_bounds,
    expected_move,
    head_keys,
)

__all__ = ["labels"]


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
    keys = head_keys("evening")
    values = {key.id: _LABELS[key.head](vix, close, opening, key.horizon) for key in keys}
    sessions = spine.index.to_series()
    ends = {key.id: sessions.shift(-key.horizon) for key in keys}
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
