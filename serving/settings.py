"""Every number of the evening's decisions; ``[serving]`` of ``stormpetrel.toml``."""

from __future__ import annotations

import hashlib
import json
from functools import cached_property
from typing import Any, Literal

from pydantic import Field, ValidationError, model_validator

from features.errors import UsageError
from features.home import Home
from serving.settings_rules import (
    HedgeSettings,
    LayerSettings,
    MonitorSettings,
    PolicySettings,
    RefusalSettings,
)
from serving.settings_trade import (
    CondorSettings,
    CostSettings,
    EdrSettings,
    OddsSettings,
    Section,
    SizingSettings,
    TimeShiftSettings,
)

__all__ = [
    "BOOKS",
    "TIERS",
    "CondorSettings",
    "CostSettings",
    "EdrSettings",
    "HedgeSettings",
    "LayerSettings",
    "MonitorSettings",
    "OddsSettings",
    "PolicySettings",
    "RefusalSettings",
    "ServingSettings",
    "SizingSettings",
    "TimeShiftSettings",
    "load_settings",
]

TIERS = ("none", "conservative", "balanced", "aggressive")
BOOKS = ("condor_1dte", "condor_30_60", "alvh")


class ServingSettings(Section):
    """The section ``[serving]``: everything above, each with its default."""

    primary_book: Literal["condor_1dte", "condor_30_60"] = Field(
        "condor_1dte", description="book whose condor stands at the top of the ticket"
    )
    condor: CondorSettings = CondorSettings()
    costs: CostSettings = CostSettings()
    sizing: SizingSettings = SizingSettings()
    policy: PolicySettings = PolicySettings()
    time_shift: TimeShiftSettings = TimeShiftSettings()
    edr: EdrSettings = EdrSettings()
    hedge: HedgeSettings = HedgeSettings()
    odds: OddsSettings = OddsSettings()
    refusal: RefusalSettings = RefusalSettings()
    monitor: MonitorSettings = MonitorSettings()

    @model_validator(mode="after")
    def _on_the_strikes(self) -> ServingSettings:
        if self.policy.divergence_w % self.condor.strike_step:
            raise ValueError(
                f"`policy.divergence_w` {self.policy.divergence_w} must be a multiple of "
                f"`condor.strike_step` {self.condor.strike_step}"
            )
        return self

    @cached_property
    def config_hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the canonical JSON of all settings."""
        text = json.dumps(self.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()[:16]


def load_settings(home: Home) -> ServingSettings:
    """Read ``[serving]`` of the home's configuration; what is absent keeps its default.

    Raises
    ------
    UsageError
        If a key is unknown or a value is out of its range; the message names each.
    """
    section: dict[str, Any] = home.config_section("serving")
    try:
        return ServingSettings.model_validate(section)
    except ValidationError as error:
        wrong = "; ".join(
            f"serving.{'.'.join(str(part) for part in item['loc'])}: {item['msg']}"
            for item in error.errors()
        )
        raise UsageError(
            f"{home.config_path} has settings that cannot be used: {wrong}. Mend or remove them."
        ) from error
