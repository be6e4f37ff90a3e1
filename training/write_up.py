"""What a run leaves on disk for a person: a note, the catalogue of its features, tables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from features.home import PROJECT_ROOT, Home
from training.answers import Answers
from training.evaluate import SKILL_COLUMNS
from training.inputs import Inputs, git_revision
from training.report import RetrainReport, dataset_entry, details, flat, write_run
from training.served_frame import input_frame
from training.settings import TrainingSettings

__all__ = ["catalogue_table", "note", "record", "run_details"]

EXAMPLE_SESSIONS = 600


def record(
    home: Home,
    report: RetrainReport,
    inputs: Inputs,
    answers: Answers,
    settings: TrainingSettings,
    model: Any,
    config: dict[str, Any],
) -> Path:
    """Write the run's folder: report, out-of-sample rows and tables."""
    dataset, tables = next(iter(inputs.datasets.values())), answers.tables
    last = dataset.features.tail(1)
    history = inputs.spine.loc[: last.index[-1]].tail(EXAMPLE_SESSIONS)
    revision = git_revision(PROJECT_ROOT)
    return write_run(
        home,
        report,
        run_details(report, inputs, tables["skill"], settings, model.to_json(), revision=revision),
        oos=answers.oos,
        example=input_frame(last, history),
        tables=tables | {"features": catalogue_table(dataset.features)},
        config=config,
    )


def run_details(
    report: RetrainReport,
    inputs: Inputs,
    skill: pd.DataFrame,
    settings: TrainingSettings,
    model: dict[str, Any],
    *,
    revision: str | None,
) -> dict[str, Any]:
    """Collect what tracking sends beside the report."""
    at, dataset = next(iter(inputs.datasets.items()))
    return details(
        params={
            **flat("training", settings.model_dump(mode="json")),
            **flat("models", model),
            "moments": ",".join(inputs.datasets),
            "features": str(dataset.features.shape[1]),
        },
        datasets=[
            dataset_entry(
                f"features {name}",
                d.features,
                digest=inputs.data_hash,
                source="market",
                context="training",
            )
            for name, d in inputs.datasets.items()
        ],
        git_revision=revision,
        note=note(report, skill),
        example_at=at,
    )


def note(report: RetrainReport, skill: pd.DataFrame) -> str:
    """Describe a run in Markdown: span, state, skill with intervals, gates."""
    lines = [
        f"Trained on everything known by {report.until}. "
        + ("Answers with the baseline (fallback)." if report.fallback else "")
        + ("Promoted." if report.promoted else "Not promoted."),
        *([_tuned(report.tuning)] if report.tuning else []),
        "",
        "| head | n | gain over best baseline | 90 % interval |",
        "|---|---|---|---|",
    ]
    lines += [
        f"| {r.at} {r.head} {r.horizon} | {r.n} | {r.gain:+.4f} ({r.best_baseline}) "
        f"| [{r.gain_lo:+.4f}, {r.gain_hi:+.4f}] |"
        for r in skill[list(SKILL_COLUMNS)].itertuples()
    ]
    lines += [
        "",
        *(f"- {a.gate}: {'passed' if a.passed else 'CLOSED'}, {a.detail}" for a in report.gates),
    ]
    return "\n".join(lines)


def _tuned(tuning: dict[str, Any]) -> str:
    risk = tuning["overfitting"]
    return (
        f"Tuned on {tuning['span']['first']} to {tuning['span']['last']}: "
        + ("the winner replaces the default" if tuning["accepted"] else "the default stays")
        + f" after {tuning['trials']} trials ({tuning['pruned']} pruned); held-back gain "
        f"{tuning['held_gain']:+.4f} [{tuning['held_lo']:+.4f}, {tuning['held_hi']:+.4f}]"
        + (f"; probability of overfitting {risk:.2f}." if risk is not None else ".")
    )


def catalogue_table(features: pd.DataFrame) -> pd.DataFrame:
    """List the features of a run with their definition and the span in which they are known."""
    from features.catalog import CATALOG

    known = features.notna().to_numpy()
    some = known.any(axis=0)
    days = pd.DatetimeIndex(features.index).strftime("%Y-%m-%d").to_numpy()
    first, last = known.argmax(axis=0), len(days) - 1 - known[::-1].argmax(axis=0)
    return pd.DataFrame(
        {
            "name": features.columns,
            "group": [CATALOG[str(c)].group for c in features.columns],
            "unit": [CATALOG[str(c)].unit for c in features.columns],
            "definition": [CATALOG[str(c)].definition for c in features.columns],
            "first": np.where(some, days[first], ""),
            "last": np.where(some, days[last], ""),
            "known": known.sum(axis=0),
        }
    )
