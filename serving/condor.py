"""The iron condor: exact legs and pay-off in integers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
from numpy.typing import NDArray

from features.errors import DataError

__all__ = ["MULTIPLIER", "Condor", "Leg", "round_to_tick"]

MULTIPLIER = 100  # dollars a point; so one hundredth of a point is 100 cents

_E4 = 10_000  # one point is 10,000 cents of one contract: break-evens are exact in this unit


@dataclass(frozen=True)
class Leg:
    """One leg: `quantity` is positive when bought, negative when sold, for one condor."""

    action: str
    right: str
    strike: int
    quantity: int


@dataclass(frozen=True)
class Condor:
    """One short iron condor on SPX.

    Parameters
    ----------
    expiry : date
        Last trading day; the settlement is PM at its close (SPXW).
    put_long, put_short, call_short, call_long : int
        Strikes, index points, rising.
    credit : int
        Net credit in hundredths of an index point; 70 is 0.70, that is 70 dollars a condor.
    fees_cents : int
        Fees of opening one condor. Cash settlement costs none.

    Raises
    ------
    DataError
        If the strikes are not ordered, or the credit is not positive or not below the width.

    Notes
    -----
    Money is integer cents for one condor; a hundredth of a point is 100 cents.
    """

    expiry: date
    put_long: int
    put_short: int
    call_short: int
    call_long: int
    credit: int
    fees_cents: int = 0

    def __post_init__(self) -> None:
        if not self.put_long < self.put_short < self.call_short < self.call_long:
            raise DataError(
                "strikes must rise from the long put to the long call, got "
                f"{self.put_long}, {self.put_short}, {self.call_short}, {self.call_long}. "
                "Check the widths and the distances."
            )
        if not 0 < self.credit < 100 * max(self.put_width, self.call_width):
            raise DataError(
                f"the credit must lie between zero and the width of {self.put_width} points, got "
                f"{self.credit / 100:.2f}. A condor that cannot lose, or cannot win, is mispriced."
            )

    @property
    def put_width(self) -> int:
        """Points from the short to the long put (`W_put`)."""
        return self.put_short - self.put_long

    @property
    def call_width(self) -> int:
        """Points from the short to the long call (`W_call`)."""
        return self.call_long - self.call_short

    @property
    def legs(self) -> tuple[Leg, ...]:
        """The four legs, from the lowest strike up."""
        return (
            Leg("BTO", "P", self.put_long, 1),
            Leg("STO", "P", self.put_short, -1),
            Leg("STO", "C", self.call_short, -1),
            Leg("BTO", "C", self.call_long, 1),
        )

    @property
    def max_profit_cents(self) -> int:
        """Credit less fees: kept when the index settles between the shorts."""
        return self.credit * MULTIPLIER - self.fees_cents

    @property
    def max_loss_cents(self) -> int:
        """Wider width less the net credit: only one side can lose."""
        return max(self.put_width, self.call_width) * _E4 - self.max_profit_cents

    @property
    def margin_cents(self) -> int:
        """Cash needed: the greater of the two spreads less the credit (5.5 of the dossier)."""
        return max(self.put_width, self.call_width) * _E4 - self.credit * MULTIPLIER

    @property
    def break_evens(self) -> tuple[float, float]:
        """Settlements of zero profit after fees, index points, exact to a ten-thousandth."""
        low = self.put_short * _E4 - self.max_profit_cents
        high = self.call_short * _E4 + self.max_profit_cents
        return low / _E4, high / _E4

    @property
    def win_rate_needed(self) -> float:
        """Share of full wins that breaks even when every loss is a full one."""
        return self.max_loss_cents / (self.max_loss_cents + self.max_profit_cents)

    def payoff_cents(self, settle: NDArray[np.int64] | int) -> NDArray[np.int64]:
        """Profit at a settlement, summed leg by leg.

        Parameters
        ----------
        settle : NDArray[np.int64] or int
            Settlement in hundredths of an index point.

        Returns
        -------
        NDArray[np.int64]
            Cents for one condor.
        """
        at = np.asarray(settle, dtype=np.int64)
        total = np.full(at.shape, self.max_profit_cents, dtype=np.int64)
        for leg in self.legs:
            strike = 100 * leg.strike
            value = np.maximum(strike - at if leg.right == "P" else at - strike, 0)
            total += leg.quantity * value * MULTIPLIER
        return total


def round_to_tick(price: float, tick: int, *, down: bool = False) -> int:
    """Round a price in points to a multiple of `tick` hundredths; halves go down.

    Parameters
    ----------
    price : float
        Index points.
    tick : int
        Hundredths of a point.
    down : bool
        Round towards zero instead of to the nearest.

    Returns
    -------
    int
        Hundredths of a point.
    """
    ticks = price * 100 / tick
    whole = np.floor(ticks + 1e-9) if down else np.ceil(ticks - 0.5 - 1e-9)
    return int(whole) * tick
