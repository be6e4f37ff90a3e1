"""Every feature, declared once, in the order of the table's columns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from features import (
    breadth,
    cascade_sessions,
    closed_window,
    crossasset,
    crypto_flows,
    crypto_technicals,
    equity,
    events,
    liquidations,
    parity,
    positioning,
    realized,
    stress,
    tape_features,
    term_structure,
)
from features.declare import GROUPS, Feature
from features.freshness import freshness
from features.view import View
from features.windows import Array

__all__ = [
    "CATALOG",
    "GROUPS",
    "PARTS",
    "Columns",
    "Feature",
    "Part",
    "definitions",
    "describe",
    "untrainable",
]

Columns = dict[str, Array]


@dataclass(frozen=True)
class Part:
    """A module's declarations and the function that computes them.

    Parameters
    ----------
    name : str
        Name of the module.
    features : tuple of Feature
        In the order of the columns.
    compute : callable
        Takes a view and the columns of the parts before; gives one array a feature.
    """

    name: str
    features: tuple[Feature, ...]
    compute: Callable[[View, Columns], Columns]

    @property
    def tables(self) -> frozenset[str]:
        """Names of the tables that the part reads."""
        return frozenset(table for feature in self.features for table in feature.tables)


def _alone(compute: Callable[[View], Columns]) -> Callable[[View, Columns], Columns]:
    return lambda view, made: compute(view)


def _part(module: Any) -> Part:
    compute = module.compute if module is crossasset else _alone(module.compute)
    return Part(module.__name__.partition(".")[2], tuple(module.FEATURES), compute)


# joins of columns come after the columns
PARTS: tuple[Part, ...] = tuple(
    _part(module)
    for module in (
        liquidations,
        cascade_sessions,
        tape_features,
        crypto_technicals,
        crypto_flows,
        closed_window,
        equity,
        realized,
        term_structure,
        breadth,
        stress,
        positioning,
        events,
        crossasset,
        parity,
    )
)

CATALOG: dict[str, Feature] = {f.name: f for part in PARTS for f in part.features}


def definitions() -> list[str]:
    """Return the distinct definitions: variants that differ in a window alone count once."""
    return list(dict.fromkeys(f.family for f in CATALOG.values()))


def untrainable() -> list[str]:
    """Return the features that the data of today cannot give a history to."""
    return [f.name for f in CATALOG.values() if not f.trainable]


def describe() -> list[dict[str, Any]]:
    """Describe every feature in the order of the columns, ready for JSON.

    Returns
    -------
    list of dict
        ``name, group, definition, unit, inputs, lookback, clock, timing, reference, family,
        recursive, trainable, per_event, freshness``.
    """
    return [
        {
            "name": f.name,
            "group": f.group,
            "definition": f.definition,
            "unit": f.unit,
            "inputs": list(f.inputs),
            "lookback": f.lookback,
            "clock": f.clock,
            "timing": f.timing,
            "reference": f.reference,
            "family": f.family,
            "recursive": f.recursive,
            "trainable": f.trainable,
            "per_event": f.per_event,
            "freshness": [freshness(name) for name in f.inputs],
        }
        for f in CATALOG.values()
    ]
