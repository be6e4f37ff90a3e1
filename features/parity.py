"""Parity: what option prices imply for financing. Null without chain quotes, never imputed."""

from __future__ import annotations

from functools import partial

from features.declare import Feature, family
from features.view import View
from features.windows import Array

__all__ = ["FEATURES", "compute"]

_f = partial(
    family,
    group="parity",
    inputs=("option_quotes",),
    timing="needs a chain of SPX quotes, which no stored table holds",
    reference="domain 3.24",
    trainable=False,
)

FEATURES: list[Feature] = [
    *_f("carry_gap_{days}", definition="rate implied by put-call parity at {days} days less OIS",
        unit="percent", days=(30, 91, 182)),
    *_f("carry_gap_slope", definition="carry gap at 182 days less that at 30", unit="percent"),
    *_f("parity_residual", definition="standard deviation of the parity regression's residuals",
        unit="index points"),
]  # fmt: skip


def compute(view: View) -> dict[str, Array]:
    """Return nulls: no stored table holds option quotes."""
    return {feature.name: view.nan() for feature in FEATURES}
