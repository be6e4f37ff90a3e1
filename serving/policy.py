"""The policy: state, forecast, book and settings to what each book may do, with the rules.

Pure: no clock, no store, no randomness. Refusals come first. Every restriction that matches
composes by minimum: the lowest tier, the smallest size, the largest distance, the narrowest W.
The forecast can only restrict.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from serving.policy_rows import Clause, Row
from serving.policy_table import TABLE
from serving.settings import BOOKS, TIERS, PolicySettings, ServingSettings

__all__ = [
    "Action",
    "Allowance",
    "Decision",
    "Facts",
    "Forecast",
    "decide",
    "held_level",
    "overlay_level",
]


@dataclass(frozen=True)
class Forecast:
    """What the policy reads of a forecast.

    Attributes
    ----------
    p_shift : float or None
        Probability of the overlay's head; None where it is not scored.
    p_applies : bool
        False in the crisis band, where the head cannot be scored.
    earlier : tuple of (float or None)
        The same of the sessions before, newest first: what hysteresis looks at.
    model_age_days : int
        Calendar days from the model's last training session to t.
    novel, feature_mismatch : bool
    """

    p_shift: float | None
    p_applies: bool = True
    earlier: tuple[float | None, ...] = ()
    model_age_days: int = 0
    novel: bool = False
    feature_mismatch: bool = False


@dataclass(frozen=True)
class Facts:
    """The facts that rows compare; one set for each book."""

    vix: float
    vix_below_sma5: bool = False
    green: bool = False
    overlay: int = 0
    p_unknown: bool = False
    defensive: bool = False
    divergence: bool = False
    event_major: bool = False
    event_minor: bool = False
    premium_short: bool = False
    unreachable: bool = False
    too_small: bool = False
    same_expiry: bool = False
    capitulation: bool = False
    gate_missing: bool = False
    feature_mismatch: bool = False
    novel: bool = False
    no_model: bool = False
    bad_input: bool = False
    model_age_days: int = 0


@dataclass(frozen=True)
class Allowance:
    """What one book may do.

    Attributes
    ----------
    book : str
    tier : int
        0 none, 1 conservative, 2 balanced, 3 aggressive.
    size, m, m_floor, narrower, kappa
        Size multiple, distance multiple, floor of the distance in calibrated ranges, points off W,
        addition to the hedge ratio.
    open_actions : tuple of str
        What may be done with open condors.
    no_short_layer, refresh : bool
    rules : tuple of str
        Ids of every row that matched; never empty.
    decided_by : str
        The row that set the tier.
    reasons, warnings : tuple of str
    refused : bool
    """

    book: str
    tier: int
    size: float
    m: float
    m_floor: float
    narrower: int
    kappa: float
    open_actions: tuple[str, ...]
    no_short_layer: bool
    refresh: bool
    rules: tuple[str, ...]
    decided_by: str
    reasons: tuple[str, ...]
    warnings: tuple[str, ...]
    refused: bool

    @property
    def tier_name(self) -> str:
        """Name of the tier."""
        return TIERS[self.tier]


@dataclass(frozen=True)
class Action:
    """One ranked thing to do in a book, with the rules that put it there."""

    rank: int
    book: str
    action: str
    rules: tuple[str, ...]
    text: str


@dataclass(frozen=True)
class Decision:
    """Allowance of each book, and the actions they come to."""

    allowances: Mapping[str, Allowance]
    actions: tuple[Action, ...]

    @property
    def refused(self) -> bool:
        """Whether a refusal row matched."""
        return any(allowance.refused for allowance in self.allowances.values())


_ALL_OPEN = ("hold", "resize", "shift_m", "cut_w", "time_shift", "close", "hedge")


def overlay_level(p: float | None, settings: PolicySettings) -> int:
    """Restriction level of a shift probability: 0 none to 3 hold; unknown counts as none."""
    if p is None or not settings.overlay:
        return 0
    if p > settings.p_hold:
        return 3
    return int(p >= settings.p_drop) + int(p >= settings.p_conservative)


def held_level(forecast: Forecast, settings: PolicySettings) -> int:
    """Level after hysteresis: a lower one counts only after enough sessions in a row.

    The highest level of the last `hysteresis_sessions` sessions, today's included; sessions that
    were never forecast restrict nothing.
    """
    window = (forecast.p_shift, *forecast.earlier)[: settings.hysteresis_sessions]
    return max(overlay_level(p, settings) for p in window)


def decide(facts: Mapping[str, Facts], settings: ServingSettings) -> Decision:
    """Evaluate the table for every book.

    Parameters
    ----------
    facts : mapping
        Facts by book, from `serving.facts.gather_facts`.
    settings : ServingSettings

    Returns
    -------
    Decision
        The same for the same input, to the last bit.
    """
    allowances = {book: _allow(book, facts[book], settings) for book in BOOKS if book in facts}
    return Decision(allowances, _rank(allowances))


def _allow(book: str, facts: Facts, settings: ServingSettings) -> Allowance:
    rows = [
        row
        for row in TABLE
        if book in row.books
        and settings.policy.name in row.ladders
        and row.kind != "default"
        and all(_holds(clause, facts, settings) for clause in row.when)
    ]
    refusals = [row for row in rows if row.kind == "refusal"]
    if refusals:
        return _compose(book, refusals, facts, settings, refused=True)
    ladder = [row for row in rows if row.kind == "ladder"]
    if not rows or (book != "alvh" and not ladder):
        rows += [row for row in TABLE if row.kind == "default" and book in row.books]
    return _compose(book, rows, facts, settings, refused=False)


def _compose(
    book: str, rows: Sequence[Row], facts: Facts, settings: ServingSettings, *, refused: bool
) -> Allowance:
    caps = [(row.effect.tier_cap, row) for row in rows if row.effect.tier_cap is not None]
    base = min((cap for cap, row in caps if row.kind == "ladder"), default=len(TIERS) - 1)
    drops = [(row.effect.tier_drop, row) for row in rows if row.effect.tier_drop]
    given_back = int(any(row.kind == "relaxation" for row in rows))
    tier, decided_by = len(TIERS) - 1, rows[-1].id
    for cap, row in caps:
        if cap < tier or row is caps[0][1]:
            tier, decided_by = cap, row.id
    if drops:
        deepest, row = max(drops, key=lambda pair: pair[0])
        dropped = max(base - max(deepest - given_back, 0), 0)
        if dropped < tier:
            tier, decided_by = dropped, row.id
    allowed_open: tuple[str, ...] = reduce(
        lambda left, right: tuple(a for a in left if a in right),
        (row.effect.open_actions for row in rows if row.effect.open_actions is not None),
        _ALL_OPEN,
    )
    return Allowance(
        book=book,
        tier=tier if book != "alvh" else 0,
        size=min(_value(row.effect.size, settings) for row in rows),
        m=max(_value(row.effect.m, settings) for row in rows),
        m_floor=max(_value(row.effect.m_floor, settings) for row in rows),
        narrower=int(max(_value(row.effect.narrower, settings) for row in rows)),
        kappa=max(_value(row.effect.kappa, settings) for row in rows),
        open_actions=allowed_open,
        no_short_layer=any(row.effect.no_short_layer for row in rows),
        refresh=any(row.effect.refresh for row in rows),
        rules=tuple(row.id for row in rows),
        decided_by=decided_by,
        reasons=tuple(row.why for row in rows),
        warnings=tuple(row.effect.warn for row in rows if row.effect.warn),
        refused=refused,
    )


def _rank(allowances: Mapping[str, Allowance]) -> tuple[Action, ...]:
    actions: list[Action] = []
    for book, allowance in allowances.items():
        if allowance.refused:
            word, text = "NO_TRADE", "; ".join(allowance.reasons)
        elif book == "alvh":
            word = "REFRESH" if allowance.refresh else "MAINTAIN"
            text = "top up to target" if allowance.refresh else "roll and harvest by schedule"
        elif allowance.tier == 0:
            word, text = "HOLD", f"no new condor: {allowance.decided_by}"
        else:
            word = "OPEN"
            text = f"up to {allowance.tier_name}, size x{allowance.size:g}, m x{allowance.m:g}"
            text = "; ".join([text, *allowance.warnings])
        rules = allowance.rules
        actions.append(Action(len(actions) + 1, book, word, rules, text))
    for book, allowance in allowances.items():
        # the False Binary: never only one answer; doing nothing always stands beside
        if book != "alvh" and not allowance.refused and allowance.tier > 0:
            text = "open nothing: always allowed"
            actions.append(Action(len(actions) + 1, book, "HOLD", allowance.rules, text))
    return tuple(actions)


def _holds(clause: Clause, facts: Facts, settings: ServingSettings) -> bool:
    fact = getattr(facts, clause.fact)
    if clause.op == "is":
        return bool(fact)
    if clause.op == "not":
        return not fact
    limit = _value(clause.value, settings)
    if clause.op == ">=":
        return bool(fact >= limit)
    if clause.op == ">":
        return bool(fact > limit)
    return bool(fact < limit)


def _value(value: float | str, settings: ServingSettings) -> float:
    if not isinstance(value, str):
        return float(value)
    found: Any = settings
    for part in value.split("."):
        found = getattr(found, part)
    return float(found)
