"""The smile's numbers in one frozen place, and what it reads and gives."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from features.errors import DataError

__all__ = ["DEFAULT", "SESSIONS_PER_YEAR", "Marks", "Shape", "SmileParameters", "VolInputs"]

Array = NDArray[np.float64]
Shape = Literal["quadratic", "ssvi"]

SESSIONS_PER_YEAR = 252.0


@dataclass(frozen=True)
class SmileParameters:
    """Every number of the smile, in one place.

    Ratios are at-the-money volatility over the index of that tenor, which is a variance swap
    rate and so lies above it. `provenance` says where the numbers come from.
    """

    ratio_30d: float = 0.8827  # at `skew_reference`
    ratio_per_skew: float = -0.0157  # change per 30 points of SKEW
    skew_reference: float = 120.0
    skew_low: float = (
        100.0  # the effect of SKEW is not extrapolated outside the calibration's range
    )
    skew_high: float = 145.0
    band_30d: float = 0.04  # relative half-width of the level band, VIX tenor and beyond
    ratio_vix9d: float = 0.95
    band_vix9d: float = 0.05
    ratio_vix1d: float = 0.95
    band_vix1d: float = 0.07
    ratio_1d: float = 0.80  # over the VIX, where no VIX1D is known
    ratio_1d_low: float = 0.70
    ratio_1d_high: float = 1.00
    slope_30d: float = -0.1684  # per unit of standardised moneyness, at `skew_reference`
    slope_per_skew: float = -0.1044  # change per 30 points of SKEW
    curvature_30d: float = 0.0281
    slope_1d: float = -0.10  # SKEW carries no one-day information
    curvature_1d: float = 0.030
    z_limit: float = 5.0  # the quadratic saturates smoothly here: its wings stay convex
    shape: Shape = "quadratic"
    half_spread: float = 0.0029  # of the premium at the money, from `spread_change` on
    half_spread_early: float = 0.0257  # before it: wider markets, and indices sold at the bid
    spread_change: str = "2002-01-01"
    # the share grows as the premium shrinks below the at-the-money one
    spread_exponent: float = 0.4
    provenance: str = (
        "level, slope, curvature and half-spreads of the thirty-day smile: fitted to published "
        "CNDR, BFLY, PUT and BXM levels of 1996-2007 (training/backtest/calibrate.py); its band "
        "is wider than the 3 % at which that fit is a tenth worse. One-day numbers: the method's "
        "dossier, never calibrated to quotes"
    )


DEFAULT = SmileParameters()


@dataclass(frozen=True)
class VolInputs:
    """What the smile reads, in index points; arrays broadcast together, NaN where unknown."""

    vix: Array
    skew: Array
    vix1d: Array
    vix9d: Array
    vix3m: Array
    vix6m: Array

    @classmethod
    def of(
        cls,
        *,
        vix: ArrayLike,
        skew: ArrayLike,
        vix1d: ArrayLike | None = None,
        vix9d: ArrayLike | None = None,
        vix3m: ArrayLike | None = None,
        vix6m: ArrayLike | None = None,
    ) -> VolInputs:
        """Take numbers or arrays; `None` means unknown.

        Raises
        ------
        DataError
            If a VIX or SKEW value is missing or not positive: without them there is no mark.
        """
        given = {
            "vix": vix,
            "skew": skew,
            "vix1d": vix1d,
            "vix9d": vix9d,
            "vix3m": vix3m,
            "vix6m": vix6m,
        }
        arrays = {
            name: np.asarray(np.nan if value is None else value, dtype=float)
            for name, value in given.items()
        }
        for name in ("vix", "skew"):
            bad = ~(arrays[name] > 0)
            if bad.any():
                raise DataError(
                    f"the smile has no mark without `{name}`: got {arrays[name][bad].flat[0]} in "
                    f"{int(bad.sum())} of {bad.size} places, expected a positive index level. "
                    "Import the missing closes."
                )
        return cls(**arrays)

    @property
    def ndim(self) -> int:
        """Dimensions that the fields broadcast to."""
        return max(getattr(self, f.name).ndim for f in fields(self))

    def take(self, index: object) -> VolInputs:
        """Index every field alike (fields that are scalars stay as they are)."""
        return VolInputs(
            **{
                f.name: value if (value := getattr(self, f.name)).ndim == 0 else value[index]
                for f in fields(self)
            }
        )


@dataclass(frozen=True)
class Marks:
    """Prices with their uncertainty: the same options at the low, central and high smile."""

    mid: Array
    low: Array
    high: Array
    vol: Array
    source: NDArray[np.str_]

    @classmethod
    def at_ends(
        cls,
        vol: Callable[[Array], Array],
        price: Callable[[Array], Array],
        *,
        source: ArrayLike,
        dimensions: int,
    ) -> Marks:
        """Mark options at the low end, the centre and the high end of a band, all at once.

        Parameters
        ----------
        vol : callable
            Volatility for ends of the band: -1, 0 and +1, on an axis before all others.
        price : callable
            Prices for those volatilities, in their shape.
        source : ArrayLike of str
            What the volatility rests on; it broadcasts to the prices.
        dimensions : int
            Dimensions that the options' own inputs broadcast to.
        """
        vols = vol(np.array([-1.0, 0.0, 1.0]).reshape(3, *[1] * dimensions))
        low, mid, high = price(vols)
        return cls(mid, low, high, vols[1], np.broadcast_to(np.asarray(source), mid.shape))
