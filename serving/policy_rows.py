"""What a row of the state-to-action table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["LADDERS", "Clause", "Effect", "Row"]

Kind = Literal["refusal", "ladder", "restriction", "relaxation", "default"]
Op = Literal[">=", "<", ">", "is", "not"]

LADDERS = ("glossary", "sub20_5dma", "never_stop")


@dataclass(frozen=True)
class Clause:
    """One comparison of a fact with a number, a setting, or nothing (truth)."""

    fact: str
    op: Op
    value: float | str = 1.0


@dataclass(frozen=True)
class Effect:
    """What a matching row does; a field left alone restricts nothing.

    Attributes
    ----------
    tier_cap : int, optional
        Highest tier allowed: 0 none, 1 conservative, 2 balanced, 3 aggressive.
    tier_drop : int
        Tiers below what the ladder allows.
    size, m : float or str
        Multiple of the size, at most 1; multiple of the shorts' distance, at least 1.
    m_floor : float or str
        Shorts never nearer than this multiple of the calibrated range.
    narrower : int or str
        Points taken off W.
    open_actions : tuple of str, optional
        What may be done with open condors.
    kappa : float or str
        Added to the hedge ratio.
    no_short_layer, refresh : bool
        No buys in layer S; top up the hedge to its target.
    warn : str
        Shown on the ticket.
    """

    tier_cap: int | None = None
    tier_drop: int = 0
    size: float | str = 1.0
    m: float | str = 1.0
    m_floor: float | str = 0.0
    narrower: int | str = 0
    open_actions: tuple[str, ...] | None = None
    kappa: float | str = 0.0
    no_short_layer: bool = False
    refresh: bool = False
    warn: str = ""


@dataclass(frozen=True)
class Row:
    """One row: the id that tickets cite, and why it stands there."""

    id: str
    kind: Kind
    books: tuple[str, ...]
    when: tuple[Clause, ...]
    effect: Effect
    why: str
    ladders: tuple[str, ...] = LADDERS
