"""The rules of Cboe's option strategy indices, as data and small strike functions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from serving.smile import SmileParameters, VolInputs
from serving.smile_marks import strike_for_delta

__all__ = ["PROGRAMS", "Leg", "Program", "RollState"]

Array = NDArray[np.float64]
STEP = 5.0  # points between listed monthly strikes


@dataclass(frozen=True)
class RollState:
    """What stands at each roll: arrays over rolls."""

    spot: Array
    forward: Array
    sessions: Array
    inputs: VolInputs
    parameters: SmileParameters


@dataclass(frozen=True)
class Leg:
    """One option of the package: `side` is +1 bought, -1 sold."""

    call: bool
    side: int
    strike: Callable[[RollState], Array]


@dataclass(frozen=True)
class Program:
    """An index's package and how it is funded.

    `condor`: bills worth ten times the maximum loss (wing width, the credit not deducted);
    `collateral`: the short put's strike is covered by bills at expiry;
    `overwrite`: the stock index with dividends, less the short call.
    """

    name: str
    kind: Literal["condor", "collateral", "overwrite"]
    legs: tuple[Leg, ...]
    source: str


def _delta(call: bool, delta: float) -> Callable[[RollState], Array]:
    def strike(state: RollState) -> Array:
        return strike_for_delta(
            delta,
            state.forward,
            state.sessions,
            state.inputs,
            call=call,
            step=STEP,
            parameters=state.parameters,
        )

    return strike


def _at_or_below(multiple: float) -> Callable[[RollState], Array]:
    return lambda state: np.floor(multiple * state.spot / STEP) * STEP


def _at_or_above(multiple: float) -> Callable[[RollState], Array]:
    return lambda state: np.ceil(multiple * state.spot / STEP) * STEP


_CBOE = "Cboe methodology as told in its product pages and dashboards"

PROGRAMS: dict[str, Program] = {
    "cndr": Program(
        "cndr",
        "condor",
        (
            Leg(False, +1, _delta(False, 0.05)),
            Leg(False, -1, _delta(False, 0.20)),
            Leg(True, -1, _delta(True, 0.20)),
            Leg(True, +1, _delta(True, 0.05)),
        ),
        _CBOE + ": 20-delta sold, 5-delta bought, bills ten times the maximum loss",
    ),
    "bfly": Program(
        "bfly",
        "condor",
        (
            Leg(False, +1, _at_or_below(0.95)),
            Leg(False, -1, _at_or_above(1.0)),
            Leg(True, -1, _at_or_above(1.0)),
            Leg(True, +1, _at_or_above(1.05)),
        ),
        _CBOE + ": at-the-money straddle sold, 5 % wings bought, bills ten times the maximum loss; "
        "the first listed strike outwards fits the published levels to 2007 best",
    ),
    "put": Program(
        "put",
        "collateral",
        (Leg(False, -1, _at_or_below(1.0)),),
        "Cboe PUT methodology 2014: highest strike at or below the index, fully collateralised",
    ),
    "bxm": Program(
        "bxm",
        "overwrite",
        (Leg(True, -1, _at_or_above(1.0)),),
        "Cboe BXM methodology: first strike above the index, sold against the index",
    ),
}
