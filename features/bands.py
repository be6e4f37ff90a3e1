"""The four bands of the VIX close, the regimes that a forecast speaks about."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

__all__ = ["BAND_EDGES", "BAND_NAMES", "band_index", "band_name"]

BAND_EDGES: tuple[float, ...] = (15.0, 20.0, 30.0)
BAND_NAMES: tuple[str, ...] = ("calm", "normal", "elevated", "crisis")


def band_index(vix: npt.ArrayLike | Iterable[float]) -> npt.NDArray[np.int64]:
    """Return the number of the band of each VIX close.

    Parameters
    ----------
    vix : array-like of float
        VIX closes in index points, any shape.

    Returns
    -------
    ndarray of int64
        0 calm (below 15), 1 normal (15 to 20), 2 elevated (20 to 30), 3 crisis (30 and above);
        -1 where the close is unknown. A close on an edge belongs to the band above it.

    Notes
    -----
    *Timing:* the band of session t is known with that session's VIX close.

    Examples
    --------
    >>> band_index([14.99, 15.0, 30.0, float("nan")]).tolist()
    [0, 1, 3, -1]
    """
    closes = np.asarray(vix, dtype=np.float64)
    bands = np.searchsorted(np.asarray(BAND_EDGES), closes, side="right").astype(np.int64)
    return np.where(np.isnan(closes), -1, bands)


def band_name(vix: float) -> str | None:
    """Name the band of one VIX close; None where it is unknown."""
    band = int(band_index([vix])[0])
    return None if band < 0 else BAND_NAMES[band]
