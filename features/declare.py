"""What a feature is: one declaration, written once beside the function that computes it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

__all__ = ["GROUPS", "KNOWN_SHARE", "YOUNG_ROWS", "Feature", "family"]

#: Share of the training rows in which a feature must be known before a model uses it, and the rows
#: that suffice at the moments and horizons where young features have a stage of their own.
KNOWN_SHARE = 0.6
YOUNG_ROWS = 150

GROUPS = (
    "liquidations",
    "crypto technicals",
    "closed window",
    "equity technicals",
    "VIX term structure",
    "breadth",
    "stress and value",
    "positioning",
    "events",
    "cross-asset",
    "parity",
)


@dataclass(frozen=True, kw_only=True)
class Feature:
    """One column of the feature table.

    Parameters
    ----------
    name : str
        Column name.
    group : str
        One of `GROUPS`.
    definition : str
        What is computed, in words or a formula.
    unit : str
        Unit of the value.
    inputs : tuple of str
        What it reads, as ``table`` or ``table.series``; the value is null when one of these
        tables has no fresh row.
    lookback : int
        Rows of `clock` that a value depends on, the current one included.
    clock : str
        Grid the look-back counts: ``sessions``, ``hours``, ``days`` (UTC) or ``months``.
    timing : str
        Which data the value at a moment of session t contains.
    reference : str
        Where the definition comes from.
    family : str
        Name of the definition; variants that differ in a window alone share it.
    template : str
        Definition of the whole family, with its ``{variant}`` fields.
    recursive : bool
        Whether it holds an exponential average, whose warm-up `check warmup` measures.
    trainable : bool
        False where the data of today cannot give it a history.
    per_event : bool
        True where it describes an event and is null on a session without one: the translation
        score reads it, the shift model does not.
    """

    name: str
    group: str
    definition: str
    unit: str
    inputs: tuple[str, ...]
    lookback: int
    clock: str
    timing: str
    reference: str
    family: str
    template: str
    recursive: bool = False
    trainable: bool = True
    per_event: bool = False

    @property
    def tables(self) -> tuple[str, ...]:
        """Names of the tables it reads."""
        return tuple(dict.fromkeys(i.partition(".")[0] for i in self.inputs))


def family(
    name: str,
    *,
    group: str,
    definition: str,
    unit: str,
    inputs: tuple[str, ...],
    timing: str,
    reference: str,
    lookback: int | str = 1,
    clock: str = "sessions",
    recursive: bool = False,
    trainable: bool = True,
    per_event: bool = False,
    **variants: tuple[object, ...],
) -> list[Feature]:
    """Declare every variant of one definition.

    Parameters
    ----------
    name, definition : str
        May hold ``{variant}`` fields, filled for each combination of `variants`.
    lookback : int or str
        A number, or the name of a variant with an optional ``+k``, such as ``"n+1"``.
    variants : tuples
        Values of each field, such as ``n=(5, 21)``.

    Returns
    -------
    list of Feature
        One for each combination, in the order given.
    """
    out = []
    for values in product(*variants.values()):
        fields = dict(zip(variants, values, strict=True))
        rows = lookback
        if isinstance(rows, str):
            key, _, more = rows.partition("+")
            rows = int(str(fields[key])) + int(more or 0)
        out.append(
            Feature(
                name=name.format(**fields),
                group=group,
                definition=definition.format(**fields),
                unit=unit,
                inputs=tuple(i.format(**fields) for i in inputs),
                lookback=rows,
                clock=clock,
                timing=timing,
                reference=reference,
                family=name,
                template=definition,
                recursive=recursive,
                trainable=trainable,
                per_event=per_event,
            )
        )
    return out
