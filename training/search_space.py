"""What tuning may turn: small trees and strong regularisation, around the shipped default."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

__all__ = ["SPACE", "Range", "default_parameters", "suggest", "with_parameters"]


@dataclass(frozen=True)
class Range:
    """Bounds of one setting; integers stay integers, `log` searches orders of magnitude."""

    low: float
    high: float
    log: bool = False
    whole: bool = False


# Never near the library's defaults: 31 leaves and a rate of 0.1 lose to a constant on such data.
SPACE: dict[str, Range] = {
    "rounds": Range(30, 400, log=True, whole=True),
    "num_leaves": Range(2, 12, whole=True),
    "learning_rate": Range(0.005, 0.1, log=True),
    "min_data_share": Range(0.005, 0.08, log=True),
    "lambda_l2": Range(1.0, 200.0, log=True),
    "feature_fraction": Range(0.15, 1.0),
    "bagging_fraction": Range(0.3, 0.95),
}


def default_parameters(settings: Any) -> dict[str, float | int]:
    """Read the searched settings of `settings`, clipped into the space."""
    chosen: dict[str, float | int] = {}
    for name, span in SPACE.items():
        value = min(max(getattr(settings, name), span.low), span.high)
        chosen[name] = round(value) if span.whole else float(value)
    return chosen


def suggest(trial: Any) -> dict[str, float | int]:
    """Ask an Optuna trial for one value of each setting."""
    chosen: dict[str, float | int] = {}
    for name, span in SPACE.items():
        if span.whole:
            chosen[name] = trial.suggest_int(name, int(span.low), int(span.high), log=span.log)
        else:
            chosen[name] = trial.suggest_float(name, span.low, span.high, log=span.log)
    return chosen


def with_parameters(settings: Any, parameters: dict[str, Any]) -> Any:
    """Copy `settings` with the searched values in place."""
    return dataclasses.replace(settings, **{name: parameters[name] for name in SPACE})
