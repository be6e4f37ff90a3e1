"""Ask every gate about a candidate, and decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pandas as pd

from features.home import Home
from training import gates
from training.answers import Look
from training.explanations import mean_contributions, recent_contributions
from training.gates import Gate
from training.inputs import Inputs
from training.promote import Champion
from training.records import load_oos
from training.settings import TrainingSettings

__all__ = ["ask_gates", "decide"]


def ask_gates(
    home: Home,
    inputs: Inputs,
    looked: Look,
    candidate: Path,
    champion: Champion | None,
    oos: pd.DataFrame,
    skill: pd.DataFrame,
    reasons: Mapping[str, pd.DataFrame],
    settings: TrainingSettings,
) -> list[Gate]:
    """Answer every gate, in the order of the report.

    Parameters
    ----------
    looked : Look
        Has the answer about look-ahead.
    candidate : Path
        Folder of the bundle under judgement.
    champion : Champion or None
        What serves now.
    oos, skill : DataFrame
        The candidate's out-of-sample rows and their table.
    reasons : mapping of str to DataFrame
        The candidate's recent contributions by head.
    """
    from features.catalog import CATALOG
    from models.bundle import load_bundle

    bundle = load_bundle(candidate)
    dataset = next(iter(inputs.datasets.values()))
    theirs, old = None, None
    if champion is not None:
        theirs = load_oos(home, champion.model_version)
        if not champion.fallback:
            standing = load_bundle(home.mlruns / champion.bundle)
            old = mean_contributions(recent_contributions(standing, dataset), settings)
    return [
        gates.champion_gate(
            oos,
            theirs,
            settings,
            champion=champion.model_version if champion else None,
            champion_is_fallback=bool(champion and champion.fallback),
        ),
        gates.baseline_gate(skill, settings),
        gates.calibration_gate(oos, settings),
        gates.look_ahead_gate(looked.differences, checked=looked.checked),
        gates.data_gate(inputs.spine, inputs.until, settings),
        gates.features_gate(bundle.feature_names, list(CATALOG)),
        gates.stability_gate(old, mean_contributions(reasons, settings), settings),
    ]


def decide(answers: Sequence[Gate], champion: Champion | None) -> tuple[bool, bool]:
    """Say whether to promote, and whether as a fallback that answers with the baseline.

    Notes
    -----
    All gates open: promote. Else, with no champion yet or one that is a fallback itself, a closed
    gate on skill promotes a fallback, so that the evening has an honest answer. A closed gate on
    look-ahead, data or features promotes nothing.
    """
    closed = {answer.gate for answer in answers if not answer.passed}
    if not closed:
        return True, False
    if closed & set(gates.INTEGRITY_GATES):
        return False, False
    vacant = champion is None or champion.fallback
    return vacant, vacant
