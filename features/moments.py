"""The moments at which a forecast is made, built in and of the home's configuration."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, Literal, get_args

from features.errors import UsageError
from features.home import Home

__all__ = ["MOMENTS", "Moment", "moments"]

Day = Literal["session", "before_next", "next"]


@dataclass(frozen=True)
class Moment:
    """When a forecast for session t is made.

    Parameters
    ----------
    name : str
        What the command line calls it.
    clock : str
        New York wall clock, ``HH:MM``.
    day : {"session", "before_next", "next"}
        The day of the clock: t itself, the calendar day before the next session, or the next
        session.
    only_when_closed : bool
        Whether the moment exists only when its day is no session (a weekend or holiday is ending).
    """

    name: str
    clock: str
    day: Day
    only_when_closed: bool = False

    def __post_init__(self) -> None:
        if not re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", self.clock):
            raise UsageError(f"`clock` of moment {self.name!r} must be HH:MM, got {self.clock!r}.")
        if self.day not in get_args(Day):
            raise UsageError(
                f"`day` of moment {self.name!r} must be one of {', '.join(get_args(Day))}, "
                f"got {self.day!r}."
            )


MOMENTS: dict[str, Moment] = {
    "evening": Moment("evening", "18:00", "session"),
    "eve": Moment("eve", "17:00", "before_next", only_when_closed=True),
    "preopen": Moment("preopen", "09:00", "next"),
}


def moments(home: Home) -> dict[str, Moment]:
    """Merge the section ``[moments]`` of the home's configuration over the built-in moments.

    Each entry is a table, for example ``evening = {clock = "18:30"}`` to move a known moment, or a
    new name with `clock`, `day` and, if wanted, `only_when_closed`.

    Raises
    ------
    UsageError
        If an entry is no table, has an unknown key, or lacks one that a new moment needs.
    """
    merged = dict(MOMENTS)
    for name, entry in home.config_section("moments").items():
        merged[name] = _moment(name, entry, merged.get(name))
    return merged


def _moment(name: str, entry: Any, base: Moment | None) -> Moment:
    known = {"clock", "day", "only_when_closed"}
    if not isinstance(entry, dict) or not set(entry) <= known:
        raise UsageError(
            f"[moments] {name} must be a table with keys of {sorted(known)}, got {entry!r}."
        )
    values: dict[str, Any] = {}
    if base is not None:
        values = {"clock": base.clock, "day": base.day, "only_when_closed": base.only_when_closed}
    values |= entry
    if not {"clock", "day"} <= set(values):
        raise UsageError(f"[moments] {name} is a new moment and needs both `clock` and `day`.")
    return Moment(name, **values)
