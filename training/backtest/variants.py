"""What is compared: the served policy, its alternatives, and the served policy less one part."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from serving.policy import Allowance

__all__ = ["ALTERNATIVES", "Variant", "conservative"]

Source = Literal["model", "vix", "none"]


@dataclass(frozen=True)
class Variant:
    """One way to run the replay.

    Attributes
    ----------
    name : str
        Key in the results.
    forecast : {"model", "vix", "none"}
        Walk-forward model, its VIX-only baseline, or no forecast overlay.
    always_conservative : bool
        Ignore the table: the conservative tier at full size every session.
    preopen : bool
        The forecast before the opening can restrict the same session's opening orders further.
    books : tuple of str
        Condor books traded.
    hedge : bool
        Whether the ALVH is held.
    time_shift : bool
        Challenged 1 DTE condors are rolled at the opening of their expiry session.
    off : frozenset of str
        Ids of policy rows that are switched off; see `training.backtest.switches`.
    muted : frozenset of str
        Rule features taken as null.
    silent : str
        Feature group taken out of the model's forecast; empty for none.
    """

    name: str
    forecast: Source = "model"
    always_conservative: bool = False
    preopen: bool = False
    books: tuple[str, ...] = ("condor_1dte", "condor_30_60")
    hedge: bool = True
    time_shift: bool = False
    off: frozenset[str] = frozenset()
    muted: frozenset[str] = frozenset()
    silent: str = ""


_SERVED = Variant("served")
ALTERNATIVES = (
    _SERVED,
    replace(_SERVED, name="served_preopen", preopen=True),
    replace(_SERVED, name="served_time_shift", time_shift=True),
    replace(_SERVED, name="condors_only", hedge=False),
    replace(_SERVED, name="condor_1dte_only", books=("condor_1dte",), hedge=False),
    replace(_SERVED, name="condor_30_60_only", books=("condor_30_60",), hedge=False),
    replace(_SERVED, name="rules_vix_model", forecast="vix"),
    replace(_SERVED, name="rules_no_forecast", forecast="none"),
    replace(_SERVED, name="always_conservative", forecast="none", always_conservative=True),
)


def conservative(book: str) -> Allowance:
    """Give the allowance of the naive alternative: conservative, full size, no rule but itself."""
    return Allowance(
        book=book,
        tier=1,
        size=1.0,
        m=1.0,
        m_floor=0.0,
        narrower=0,
        kappa=0.0,
        open_actions=("hold", "close"),
        no_short_layer=False,
        refresh=False,
        rules=("ALWAYS_CONSERVATIVE",),
        decided_by="ALWAYS_CONSERVATIVE",
        reasons=("the naive alternative",),
        warnings=(),
        refused=False,
    )
