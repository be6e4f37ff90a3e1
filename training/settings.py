"""What a retrain may choose: the ``[training]`` section of ``stormpetrel.toml``."""

from __future__ import annotations

from datetime import date
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from features.errors import UsageError
from features.home import Home

__all__ = ["TrainingSettings", "load_settings"]

MIN_BLOCK_SESSIONS = 21


class TrainingSettings(BaseModel):
    """Choices of the laboratory, all made before a scored year is seen.

    Parameters
    ----------
    moments : tuple of str
        Moments that are trained.
    first_test : date
        The first calendar year that is scored starts here, when there is data enough before it.
    min_train_sessions : int
        Sessions with closes that a fold needs before its first scored session: three years for
        the path prior and its look-back, and a year of rows that have a prior to learn from.
    embargo_sessions : int
        Whole sessions between the last label that training knows and the first scored session.
    cv_embargo_sessions : int
        Sessions left out after each test block of combinatorial cross-validation, where training
        rows follow the block.
    bootstrap_repeats : int
        Draws of the stationary bootstrap.
    mean_block_sessions : int
        Mean length of a bootstrap block; longer for a horizon above half of it.
    interval : float
        Coverage of every interval.
    seed : int
        Seed of the bootstrap and of the calibration bands.
    primary : tuple of str
        Heads, in the evening, that decide on promotion.
    group_heads : tuple of str
        Heads of the group table in the evening; the next-session heads at the other moments.
    group_years : int
        Years that one fit of the group table forecasts. Both sides of a comparison use it.
    group_blocks : int
        Ensemble members of a fit of the group table, on both sides.
    champion_tolerance : float
        How much skill a challenger may lose to the champion on common rows, on average.
    ece_limits : dict of int to float
        Largest calibration error by horizon; above it a head must lie inside its noise band.
    stability_floor : float
        Smallest rank correlation between old and new mean absolute contributions.
    unbroken_sessions : int
        Sessions before the end in which no SPX or VIX close may be missing.
    keep_fold_models : int
        Runs whose fold models stay on disk; older ones are removed.
    lock_wait_seconds : float
        How long a second retrain waits for the first.
    experiment, registered_model : str
        Names in MLflow.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    moments: tuple[str, ...] = ("evening", "eve", "preopen")
    first_test: date = date(2008, 1, 1)
    min_train_sessions: Annotated[int, Field(ge=250)] = 1100
    embargo_sessions: Annotated[int, Field(ge=1)] = 1
    cv_embargo_sessions: Annotated[int, Field(ge=0)] = 21
    bootstrap_repeats: Annotated[int, Field(ge=200)] = 1000
    mean_block_sessions: Annotated[int, Field(ge=MIN_BLOCK_SESSIONS)] = MIN_BLOCK_SESSIONS
    interval: Annotated[float, Field(gt=0.5, lt=1.0)] = 0.90
    seed: int = 20080915
    primary: tuple[str, ...] = ("shift_up_5", "shift_up_10")
    group_heads: tuple[str, ...] = ("shift_up_5", "shift_up_10", "shift_down_5", "shift_down_10")
    group_years: Annotated[int, Field(ge=1)] = 1
    group_blocks: Annotated[int, Field(ge=2)] = 3
    champion_tolerance: Annotated[float, Field(ge=0.0)] = 0.005
    ece_limits: dict[int, float] = {1: 0.03, 5: 0.03, 10: 0.05, 21: 0.05}
    stability_floor: Annotated[float, Field(ge=-1.0, le=1.0)] = 0.5
    unbroken_sessions: Annotated[int, Field(ge=21)] = 252
    keep_fold_models: Annotated[int, Field(ge=1)] = 3
    lock_wait_seconds: Annotated[float, Field(ge=0.0)] = 1800.0
    experiment: str = "stormpetrel"
    registered_model: str = "stormpetrel-regime"


def load_settings(home: Home) -> TrainingSettings:
    """Read ``[training]`` of the home's configuration; absent keys take their defaults.

    Raises
    ------
    UsageError
        If a key is unknown or a value is out of range.
    """
    section = home.config_section("training")
    try:
        return TrainingSettings.model_validate(section)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UsageError(
            f"[training] {where} in {home.config_path}: {first['msg']}, got {first['input']!r}. "
            "Mend or remove that line."
        ) from error
