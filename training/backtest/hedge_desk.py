"""The hedge's side of a replay: VIX calls ordered in the evening, filled at the next opening."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from features.errors import DataError
from serving.book import Book, HedgeLayer
from serving.hedge import holding_of
from serving.ladder import plan_hedge
from serving.policy import Allowance
from serving.settings import ServingSettings
from serving.state import MarketState
from serving.vix_curve import curve_of
from training.backtest.accounts import Account
from training.backtest.holdings import CENTS
from training.backtest.shelf import Shelf
from training.backtest.states import Tape

__all__ = ["HedgeDesk"]

_YEAR = 252


class HedgeDesk:
    """VIX calls and pending orders of one replay.

    Parameters
    ----------
    tape, settings, shelf, account
        What it reads, decides with, and books to.
    layers : tuple of HedgeLayer
        Calls held at the start.
    """

    def __init__(
        self,
        tape: Tape,
        settings: ServingSettings,
        shelf: Shelf,
        account: Account,
        layers: tuple[HedgeLayer, ...],
    ) -> None:
        self.tape, self.settings, self.shelf, self.account = tape, settings, shelf, account
        self.layers = list(layers)
        self._orders: list[dict[str, Any]] = []
        self._spent: list[tuple[int, int]] = []
        self._session = tape.market.sessions

    def decide(
        self, place: int, allowance: Allowance, p_shift: float | None, equity: int, exposure: int
    ) -> None:
        """Decide tonight's orders; they fill at the next opening.

        Parameters
        ----------
        place : int
            Position of the evening.
        allowance : Allowance
            Of the book ``alvh``.
        p_shift : float or None
            The overlay's probability.
        equity, exposure : int
            Equity and the condors' maximum loss, cents.
        """
        state = self.tape.evening[place]
        self._orders = []
        if state is None or equity <= 0:
            return
        if state.vvix is None:
            raise DataError(
                f"no VVIX on {state.session.date()}: VIX calls have no price. Import it, or choose "
                "a span after 2006 that ends before it."
            )
        recent = [cents for at, cents in self._spent if at > place - _YEAR]
        book = Book(
            equity_cents=equity, hedges=tuple(self.layers), hedge_spent_252_cents=sum(recent)
        )
        plan = plan_hedge(
            self.shelf.hedge_state(state),
            book,
            allowance,
            p_shift=p_shift,
            exposure_cents=exposure,
            settings=self.settings.hedge,
            summarise=False,
        )
        self._orders = list(plan.orders)

    def at_open(self, place: int) -> None:
        """Settle what expires, then fill the orders of the evening before."""
        self._settle(place)
        self._fill(place)

    def mark(self, state: MarketState) -> int:
        """Give the market value of the calls at a close, cents."""
        if not self.layers:
            return 0
        if state.vvix is None:
            raise DataError(
                f"no VVIX on {state.session.date()}: VIX calls have no mark. Import it."
            )
        marked = self.shelf.hedge_state(state)
        curve = curve_of(marked)
        return sum(
            int(np.rint(holding_of(layer, marked, curve).mark * CENTS)) * layer.quantity
            for layer in self.layers
        )

    def _settle(self, place: int) -> None:
        today = self._session[place]
        for layer in [h for h in self.layers if pd.Timestamp(h.expiry) <= today]:
            final = self.tape.final.get(pd.Timestamp(layer.expiry), self.tape.open_vix[place])
            if not np.isfinite(final):
                raise DataError(f"VIX calls expire on {layer.expiry} without a final settlement.")
            paid = int(np.rint(max(final - layer.strike, 0.0) * CENTS)) * layer.quantity
            self.layers.remove(layer)
            self._post(place, "settle", paid, 0, "ALVH_SETTLE", layer.layer)

    def _fill(self, place: int) -> None:
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
                self.layers.append(
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
                self._post(place, "buy", -paid - fees, fees, order["rule"], order["layer"])
            else:
                price = max(int(np.floor(round((moved - lost) * 20, 6))) * 5, 0)
                self._sell(place, order, price, fees)

    def _sell(self, place: int, order: dict[str, Any], price: int, fees: int) -> None:
        expiry = pd.Timestamp(order["expiry"]).date()
        for i, layer in enumerate(self.layers):
            same = (layer.layer, layer.expiry, layer.strike)
            if same == (order["layer"], expiry, order["strike"]) and layer.quantity >= order["qty"]:
                left = layer.quantity - order["qty"]
                self.layers[i : i + 1] = (
                    [layer.model_copy(update={"quantity": left})] if left else []
                )
                received = price * 100 * order["qty"] - fees
                self._post(place, "sell", received, fees, order["rule"], order["layer"])
                return

    def _post(self, place: int, what: str, cents: int, fees: int, rule: str, layer: str) -> None:
        self.account.post(
            f"{self._session[place]:%Y-%m-%d}",
            "alvh",
            what,
            cents,
            fees=fees,
            rule=rule,
            position=f"alvh-{layer}",
        )
