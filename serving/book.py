"""The user's portfolio: read strictly from ``book.toml`` or CSV, never written to."""

from __future__ import annotations

import csv
import tomllib
from datetime import date
from pathlib import Path
from typing import Any, Literal

import pandas as pd
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from features.errors import DataError, UsageError
from features.home import Home
from serving.condor import Condor
from serving.settings import SizingSettings

__all__ = ["Book", "HedgeLayer", "OpenCondor", "paper_book", "read_book"]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class OpenCondor(_Part):
    """An open condor; credit in hundredths of a point, as sold."""

    id: str = Field(min_length=1)
    book: Literal["condor_1dte", "condor_30_60"]
    expiry: date
    put_long: int = Field(gt=0)
    put_short: int = Field(gt=0)
    call_short: int = Field(gt=0)
    call_long: int = Field(gt=0)
    quantity: int = Field(gt=0)
    credit: int = Field(gt=0)
    opened: date
    rolls_used: int = Field(0, ge=0)
    realised_loss_cents: int = Field(0, ge=0)
    original_max_loss_cents: int | None = Field(None, gt=0)

    @model_validator(mode="after")
    def _is_a_condor(self) -> OpenCondor:
        if self.opened > self.expiry:
            raise ValueError(f"`opened` {self.opened} lies after `expiry` {self.expiry}")
        try:
            self.condor()
        except DataError as error:
            raise ValueError(str(error)) from error
        return self

    def condor(self, *, fees_cents: int = 0) -> Condor:
        """Give the position as a condor."""
        return Condor(
            expiry=self.expiry,
            put_long=self.put_long,
            put_short=self.put_short,
            call_short=self.call_short,
            call_long=self.call_long,
            credit=self.credit,
            fees_cents=fees_cents,
        )


class HedgeLayer(_Part):
    """VIX calls held in one layer; cost in hundredths of a point each."""

    layer: Literal["S", "M", "L"]
    expiry: date
    strike: float = Field(gt=0)
    quantity: int = Field(gt=0)
    cost: int = Field(gt=0)
    opened: date | None = None


class Book(_Part):
    """Everything the ticket needs to know about the account.

    Attributes
    ----------
    equity_cents : int
    condors : tuple of OpenCondor
    hedges : tuple of HedgeLayer
    hedge_spent_252_cents : int
        Premium spent on the hedge in the last 252 sessions.
    condor_credit_63_cents : int, optional
        Condor credit taken in the last 63 sessions, for the warning on the hedge's share.
    risk_per_trade, open_risk_cap : float, optional
        The user's own limits; they can only be tighter than the configuration's hard caps.
    paper : bool
        No book was given: an account of the configuration's size, without positions.
    """

    equity_cents: int = Field(gt=0)
    condors: tuple[OpenCondor, ...] = ()
    hedges: tuple[HedgeLayer, ...] = ()
    hedge_spent_252_cents: int = Field(0, ge=0)
    hedge_proceeds_held_cents: int = Field(0, ge=0)
    hedge_harvested: date | None = None
    condor_credit_63_cents: int | None = Field(None, ge=0)
    risk_per_trade: float | None = Field(None, gt=0, le=1)
    open_risk_cap: float | None = Field(None, gt=0, le=1)
    paper: bool = False

    @model_validator(mode="after")
    def _distinct(self) -> Book:
        ids = [position.id for position in self.condors]
        twice = sorted({i for i in ids if ids.count(i) > 1})
        if twice:
            raise ValueError(f"each condor needs its own `id`, these stand twice: {twice}")
        return self

    def require_opened_by(self, day: pd.Timestamp) -> None:
        """Refuse a book that holds something opened after `day`.

        Raises
        ------
        DataError
            If a position was opened later: the book is not of that time.
        """
        for name, opened in (
            *((f"condor {p.id}", p.opened) for p in self.condors),
            *((f"hedge layer {h.layer}", h.opened) for h in self.hedges),
        ):
            if opened is not None and opened > day.date():
                raise DataError(
                    f"the book's {name} was opened on {opened}, after {day:%Y-%m-%d}, the session "
                    "of this ticket. Expected the book as it stood then; give it with --book."
                )

    @property
    def open_risk_cents(self) -> int:
        """Sum of the open condors' maximum losses."""
        return sum(p.condor().max_loss_cents * p.quantity for p in self.condors)

    def of(self, book: str) -> tuple[OpenCondor, ...]:
        """Open condors of one book."""
        return tuple(position for position in self.condors if position.book == book)


def paper_book(settings: SizingSettings) -> Book:
    """Give the flagged account that a ticket works on when the user has no book."""
    return Book(equity_cents=settings.paper_equity_cents, paper=True)


def read_book(home: Home, settings: SizingSettings, path: Path | None = None) -> Book:
    """Read the user's book.

    Parameters
    ----------
    home : Home
        ``book.toml``, else ``book.csv``, is looked for in its root.
    settings : SizingSettings
        Size of the paper account.
    path : Path, optional
        Another file.

    Returns
    -------
    Book
        The paper account when there is no file.

    Raises
    ------
    UsageError
        If a named file does not exist.
    DataError
        If the file cannot be read, has an unknown key, or a position makes no sense.
    """
    if path is None:
        found = [p for name in ("book.toml", "book.csv") if (p := home.root / name).is_file()]
        if not found:
            return paper_book(settings)
        path = found[0]
    elif not path.is_file():
        raise UsageError(f"there is no book at {path}. Expected a TOML or CSV file of positions.")
    try:
        text = path.read_text(encoding="utf-8")
        typed = path.suffix == ".toml"  # CSV has no types: there a number may stand as text
        raw = tomllib.loads(text) if typed else _from_csv(text, settings)
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"cannot read the book {path}: {error}. Mend the file.") from error
    try:
        if "paper" in raw:
            raise DataError(f"the book {path} must not set `paper`: it is for books that lack.")
        for name in ("condors", "hedges"):
            if isinstance(raw.get(name), list):
                raw[name] = tuple(raw[name])
        return Book.model_validate(raw, strict=typed)
    except ValidationError as error:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in item['loc']) or 'book'}: {item['msg']}"
            for item in error.errors()
        )
        raise DataError(
            f"the book {path} cannot be used: {wrong}. See docs/ticket.md for its keys."
        ) from error


def _from_csv(text: str, settings: SizingSettings) -> dict[str, Any]:
    """Rows of kind account, condor or hedge; an empty cell is an absent key."""
    raw: dict[str, Any] = {"condors": [], "hedges": []}
    reader = csv.DictReader(text.splitlines())
    if reader.fieldnames is None or "kind" not in reader.fieldnames:
        raise DataError("a book as CSV needs a header with the column `kind`. See docs/ticket.md.")
    for line, row in enumerate(reader, start=2):
        if None in row:
            raise DataError(f"line {line} of the book has more cells than the header. Mend it.")
        kind = row.pop("kind")
        values = {key: value for key, value in row.items() if value not in ("", None)}
        if kind == "condor":
            raw["condors"].append(values)
        elif kind == "hedge":
            raw["hedges"].append(values)
        elif kind == "account":
            raw |= values
        else:
            raise DataError(
                f"line {line} of the book has kind {kind!r}. Expected account, condor or hedge."
            )
    raw.setdefault("equity_cents", settings.paper_equity_cents)
    return raw
