"""The desk of a replay: fills orders on the design's clock and books every cent."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from serving.book import Book, HedgeLayer, OpenCondor
from serving.hedge import holding_of
from serving.ladder import plan_hedge
from serving.policy import Allowance
from serving.proposal import Plan, price_tier, size_condor
from serving.settings import ServingSettings
from serving.vix_curve import curve_of
from training.backtest.accounts import Account
from training.backtest.holdings import CENTS, Held, close_cents, mark_condors, settle_cents
from training.backtest.shelf import Shelf
from training.backtest.states import Tape
from training.backtest.variants import Variant

__all__ = ["Desk"]

_TAKE_PROFIT, _STOP, _OUT_DTE = 0.5, 2.0, 21  # exit policy tp50_sl2x_21dte of the ticket
_YEAR = 252


class Desk:
    """Positions and pending orders of one replay.

    Parameters
    ----------
    tape, settings, shelf, account
        What it reads, decides with, and books to.
    book : Book
        Positions at the start.
    """

    def __init__(
        self, tape: Tape, settings: ServingSettings, shelf: Shelf, account: Account, book: Book
    ) -> None:
        self.tape, self.settings, self.shelf, self.account = tape, settings, shelf, account
        self.condors = [Held(position, "BOOK") for position in book.condors]
        self.hedges = list(book.hedges)
        self._exits: dict[str, str] = {}
        self._orders: list[dict[str, Any]] = []
        self._spent: list[tuple[int, int]] = []
        self._count = 0
        self._session = tape.market.sessions

    def given(self, book: str, plan: Plan) -> dict[str, bool]:
        """Give what the policy must know of a plan before the strike search."""
        own = self.settings.condor
        floor = own.premium_floor * own.gauge_width
        same = any(
            h.position.book == book and h.position.expiry == plan.expiry.date()
            for h in self.condors
        )
        return {
            "premium_short": plan.gauge is not None and plan.gauge < floor,
            "same_expiry": same,
        }

    def decide_hedge(
        self, place: int, allowance: Allowance, p_shift: float | None, variant: Variant, equity: int
    ) -> None:
        """Decide tonight's hedge orders; they fill at the next opening."""
        state = self.tape.evening[place]
        self._orders = []
        if not variant.hedge or state is None or state.vvix is None or equity <= 0:
            return
        recent = [cents for at, cents in self._spent if at > place - _YEAR]
        book = Book(
            equity_cents=equity,
            hedges=tuple(self.hedges),
            hedge_spent_252_cents=sum(recent),
        )
        plan = plan_hedge(
            self.shelf.hedge_state(state),
            book,
            allowance,
            p_shift=p_shift,
            exposure_cents=self.risk_cents(),
            settings=self.settings.hedge,
        )
        self._orders = list(plan.orders)

    def at_open(
        self, place: int, allowances: Mapping[str, Allowance], variant: Variant, equity: int
    ) -> None:
        """Settle VIX calls, then fill the orders of the evening before at this opening."""
        self._settle_hedges(place)
        self._fill_hedges(place)
        state = self.tape.at_open(place)
        if state is None:
            raise DataError(f"no opening level for {self._session[place].date()}. Import the bar.")
        own = [h for h in self.condors if h.position.book == "condor_30_60"]
        leaving = [h for h in own if h.position.id in self._exits]
        inputs = self.shelf.inputs(state)
        prices = mark_condors(
            leaving,
            today=self._session[place],
            spot=state.spx,
            inputs=inputs,
            rate=state.rate or 0.0,
            after_open=True,
        )
        for held, price in zip(leaving, prices, strict=True):
            cost, fees = close_cents(float(price), held.position, self.settings.costs)
            self._leave(place, held, "close", -cost, fees, self._exits[held.position.id])
        self._exits = {}
        if "condor_30_60" in variant.books:
            self._open("condor_30_60", place, state, place - 1, allowances, equity)

    def at_close(
        self, place: int, allowances: Mapping[str, Allowance], variant: Variant, equity: int
    ) -> None:
        """Settle what expires on this close, then fill the 1 DTE book at 15:10 Chicago."""
        today = self._session[place].date()
        close = float(self.tape.market.column("close")[place])
        if not close > 0:
            raise DataError(f"no SPX close on {today}: what expires cannot settle. Import the bar.")
        for held in [h for h in self.condors if h.position.expiry <= today]:
            owed = settle_cents(held.position, close)
            self._leave(place, held, "settle", -owed, 0, held.rule)
        if "condor_1dte" in variant.books:
            state = self.tape.at_close(place)
            if state is None:
                raise DataError(f"no VIX close on {today}: no mark for the 1 DTE book. Import it.")
            self._open("condor_1dte", place, state, place, allowances, equity)

    def marks(self, place: int) -> tuple[dict[str, int], int]:
        """Mark everything at this close; also decide which condors leave at the next opening."""
        state = self.tape.evening[place]
        if state is None:
            day = self._session[place].date()
            raise DataError(
                f"no SPX or VIX close on {day}: open positions have no mark. Import it."
            )
        today = self._session[place]
        prices = mark_condors(
            self.condors,
            today=today,
            spot=state.spx,
            inputs=self.shelf.inputs(state),
            rate=state.rate or 0.0,
        )
        out = {"condor_1dte": 0, "condor_30_60": 0, "alvh": 0, "cash": 0}
        for held, price in zip(self.condors, prices, strict=True):
            position = held.position
            out[position.book] -= int(np.rint(price * CENTS)) * position.quantity
            if position.book == "condor_30_60":
                self._watch(position, float(price), today)
        if self.hedges:
            if state.vvix is None:
                raise DataError(f"no VVIX on {today.date()}: VIX calls have no mark. Import it.")
            marked = self.shelf.hedge_state(state)
            curve = curve_of(marked)
            for layer in self.hedges:
                mark = holding_of(layer, marked, curve).mark
                out["alvh"] += int(np.rint(mark * CENTS)) * layer.quantity
        return out, self.risk_cents()

    def risk_cents(self) -> int:
        """Sum of the open condors' maximum losses."""
        return sum(h.position.condor().max_loss_cents * h.position.quantity for h in self.condors)

    def _open(
        self,
        book: str,
        place: int,
        state: Any,
        known: int,
        allowances: Mapping[str, Allowance],
        equity: int,
    ) -> None:
        allowance = allowances[book]
        if allowance.refused or allowance.tier == 0 or equity <= 0:
            return
        edr, edr_cal = self.tape.edr[known], self.tape.edr_cal[known]
        plan = self.shelf.plan(book, state, edr.points(state.spx) or 0.0)
        if self.given(book, plan)["same_expiry"]:
            return
        quote = price_tier(plan, allowance, edr, edr_cal, self.settings)
        if quote.condor is None:
            return
        account = Book(equity_cents=equity, condors=tuple(h.position for h in self.condors))
        count, _ = size_condor(quote, quote.condor, allowance, account, self.settings, 0)
        if count < 1:
            return
        day = self._session[place]
        self._count += 1
        condor = quote.condor
        position = OpenCondor(
            id=f"{book}-{self._count}",
            book=book,
            expiry=condor.expiry,
            put_long=condor.put_long,
            put_short=condor.put_short,
            call_short=condor.call_short,
            call_long=condor.call_long,
            quantity=count,
            credit=quote.min_credit,
            opened=day.date(),
        )
        fees = 4 * self.settings.costs.fee_cents * count
        received = quote.min_credit * 100 * count - fees
        self.condors.append(Held(position, allowance.decided_by))
        self.account.post(
            f"{day:%Y-%m-%d}",
            book,
            "open",
            received,
            fees=fees,
            rule=allowance.decided_by,
            position=position.id,
        )

    def _leave(self, place: int, held: Held, what: str, cents: int, fees: int, rule: str) -> None:
        self.condors.remove(held)
        self.account.post(
            f"{self._session[place]:%Y-%m-%d}",
            held.position.book,
            what,
            cents,
            fees=fees,
            rule=held.rule if what == "settle" else f"{held.rule}:{rule}",
            position=held.position.id,
        )

    def _watch(self, position: OpenCondor, price: float, today: pd.Timestamp) -> None:
        credit = position.credit / 100
        if price <= _TAKE_PROFIT * credit:
            self._exits[position.id] = "TP50"
        elif price >= _STOP * credit:
            self._exits[position.id] = "SL2X"
        elif (pd.Timestamp(position.expiry) - today).days <= _OUT_DTE:
            self._exits[position.id] = "DTE21"

    def _settle_hedges(self, place: int) -> None:
        today = self._session[place]
        for layer in [h for h in self.hedges if pd.Timestamp(h.expiry) <= today]:
            final = self.tape.final.get(pd.Timestamp(layer.expiry), self.tape.open_vix[place])
            if not np.isfinite(final):
                raise DataError(f"VIX calls expire on {layer.expiry} without a final settlement.")
            paid = int(np.rint(max(final - layer.strike, 0.0) * CENTS)) * layer.quantity
            self.hedges.remove(layer)
            self._post_hedge(place, "settle", paid, 0, "ALVH_SETTLE", layer.layer)

    def _fill_hedges(self, place: int) -> None:
        if not self._orders:
            return
        before, costs = self.tape.evening[place - 1], self.settings.costs
        if before is None:
            return
        # the curve opens with the VIX: each order's future moves by its layer's beta
        jump = float(self.tape.open_vix[place]) - before.vix
        betas = {layer.id: layer.beta for layer in self.settings.hedge.layers}
        for order in self._orders:
            delta = order["delta"] if order["delta"] is not None else 0.5
            moved = max(order["mid"] + delta * betas[order["layer"]] * jump, 0.05)
            lost = costs.vix_slippage / 100
            fees = costs.fee_cents * order["qty"]
            if order["action"] == "BTO":
                price = int(np.ceil(round((moved + lost) * 20, 6))) * 5
                paid = price * 100 * order["qty"]
                self.hedges.append(
                    HedgeLayer(
                        layer=order["layer"],
                        expiry=pd.Timestamp(order["expiry"]).date(),
                        strike=order["strike"],
                        quantity=order["qty"],
                        cost=price,
                        opened=self._session[place].date(),
                    )
                )
                self._spent.append((place, paid + fees))
                self._post_hedge(place, "buy", -paid - fees, fees, order["rule"], order["layer"])
            else:
                price = max(int(np.floor(round((moved - lost) * 20, 6))) * 5, 0)
                self._sell(place, order, price, fees)

    def _sell(self, place: int, order: dict[str, Any], price: int, fees: int) -> None:
        expiry = pd.Timestamp(order["expiry"]).date()
        for i, layer in enumerate(self.hedges):
            same = (layer.layer, layer.expiry, layer.strike)
            if same == (order["layer"], expiry, order["strike"]) and layer.quantity >= order["qty"]:
                left = layer.quantity - order["qty"]
                self.hedges[i : i + 1] = (
                    [layer.model_copy(update={"quantity": left})] if left else []
                )
                received = price * 100 * order["qty"] - fees
                self._post_hedge(place, "sell", received, fees, order["rule"], order["layer"])
                return

    def _post_hedge(
        self, place: int, what: str, cents: int, fees: int, rule: str, layer: str
    ) -> None:
        self.account.post(
            f"{self._session[place]:%Y-%m-%d}",
            "alvh",
            what,
            cents,
            fees=fees,
            rule=rule,
            position=f"alvh-{layer}",
        )
