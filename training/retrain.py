"""The verb: from the store to a judged, recorded and, when the gates pass, promoted model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from time import perf_counter
from typing import Any

import pandas as pd

from features.errors import StormpetrelError
from features.home import Home
from training.alone import alone
from training.answers import Answers, answer, look
from training.evaluate import baselines_compared
from training.explanations import RECENT_SESSIONS, recent_contributions
from training.gates import Gate
from training.inputs import Inputs, check_until, config_hash, gather
from training.jobs import Result
from training.judge import ask_gates, decide
from training.plan import Plan, make_plan
from training.plots import Pictures, draw_all
from training.plots_reasons import draw_reasons
from training.promote import read_champion, set_champion
from training.records import run_folder
from training.report import RetrainReport, clean, rewrite_report
from training.settings import TrainingSettings, load_settings
from training.shelf import prune_folds, publish, staging
from training.tune import TuneReport
from training.walk_forward import run_jobs
from training.workers import Crew, crew
from training.write_up import record

__all__ = ["retrain"]

Progress = Callable[[float, str], None]


def retrain(
    home: Home,
    *,
    until: Any,
    ats: Sequence[str] | None = None,
    groups: bool = True,
    all_heads: bool = False,
    processes: int = 2,
    model_settings: Any = None,
    tuning: TuneReport | None = None,
    progress: Progress | None = None,
) -> RetrainReport:
    """Train, judge, record and, when the gates pass, promote.

    Parameters
    ----------
    home : Home
    until : date-like
        Last session that anything may be known of.
    ats : sequence of str, optional
        Moments; those of ``[training]`` by default.
    groups : bool
        Whether to refit without each feature group.
    all_heads : bool
        Ask the group table about every head, not only the primary ones.
    processes : int
        Worker processes; the result does not depend on it.
    model_settings : ModelSettings, optional
        Instead of ``[models]`` of the configuration.
    tuning : TuneReport, optional
        A search whose settings are used instead; the run keeps it with its trials.
    progress : callable, optional
        Called with the fraction done and a word.

    Returns
    -------
    RetrainReport

    Raises
    ------
    UsageError
        If `until` is no session or lies before the data.
    DataError
        If the store has no closes, or too few for one fold. Nothing is written.
    RefusedError
        If another retrain holds the home for longer than ``lock_wait_seconds``.

    Notes
    -----
    *Timing:* the store is read as of the end of `until` in New York; the final fit learns from
    labels that ended by then, each walk-forward fold from labels that ended before its first
    scored session less the embargo.
    """
    from models.settings import ModelSettings

    began = perf_counter()
    settings = load_settings(home)
    model = model_settings or ModelSettings.from_json(
        tuning.settings if tuning else home.config_section("models")
    )
    day, spine = check_until(home, until)
    tell = progress or (lambda fraction, what: None)
    with alone(home, settings, tell), crew(processes) as hands:
        chosen = tuple(ats or settings.moments)
        inputs = gather(home, day, spine, chosen, crew=hands, progress=_part(tell, 0.0, 0.12))
        run = _Run(home, settings, model, inputs, hands, tuning, tell, began)
        return run.execute(groups=groups, all_heads=all_heads)


@dataclass
class _Run:
    home: Home
    settings: TrainingSettings
    model: Any
    inputs: Inputs
    crew: Crew
    tuning: TuneReport | None
    tell: Progress
    began: float

    def __post_init__(self) -> None:
        self.stages: dict[str, float] = {}
        self.forecasters: dict[str, Any] = {}
        self._stage("inputs")

    def execute(self, *, groups: bool, all_heads: bool) -> RetrainReport:
        from features.catalog import CATALOG

        group_of = {name: feature.group for name, feature in CATALOG.items()} if groups else None
        with staging(self.home) as self.stage:
            self.pictures = Pictures(self.crew, self.stage / "plots")
            plan = make_plan(
                self.inputs,
                self.settings,
                group_of,
                group_model=replace(self.model, blocks=self.settings.group_blocks),
                min_share=self.model.min_share,
                keep=self.stage / "folds",
                all_heads=all_heads,
            )
            results = run_jobs(
                [*plan.main, *plan.final, *plan.groups],
                self.inputs.datasets,
                self.model,
                crew=self.crew,
                meanwhile=self._look,
                seen=self._seen,
                progress=_part(self.tell, 0.12, 0.88),
            )
            self._stage("fits")
            self.tell(0.88, "skill tables")
            answers = answer(results, plan, self.inputs, self.settings, self.looked, self.crew)
            if self.tuning:
                answers.tables["trials"] = pd.DataFrame(self.tuning.table)
            self._stage("tables")
            return self._finish(plan, answers)

    def _look(self) -> None:
        """Do what waits for no fit, while the workers fit."""
        from training.track import prepare

        self.looked = look(self.home, self.inputs, self.settings)
        with suppress(StormpetrelError):  # `push` will say so
            prepare(self.home, self.settings)

    def _seen(self, result: Result) -> None:
        """Write and explain the candidate as soon as its last moment is fitted."""
        from models.bundle import load_bundle

        if result.forecaster is None:
            return
        self.forecasters[result.job.at] = result.forecaster
        if len(self.forecasters) < len(self.inputs.datasets):
            return
        self.candidate = self._bundle(fallback=False)
        dataset = next(iter(self.inputs.datasets.values()))
        self.reasons = recent_contributions(load_bundle(self.candidate), dataset)
        mine = {key: self.reasons[key] for key in self.settings.primary if key in self.reasons}
        recent = dataset.features.tail(RECENT_SESSIONS)
        self.pictures.draw(draw_reasons, mine, recent)

    def _finish(self, plan: Plan, answers: Answers) -> RetrainReport:
        self.tell(0.91, "gates")
        self.pictures.draw(
            draw_all, answers.oos, self.inputs.spine, answers.tables, self.settings.primary
        )
        champion = read_champion(self.home)
        gates = ask_gates(
            self.home,
            self.inputs,
            self.looked,
            self.candidate,
            champion,
            answers.oos,
            answers.tables["skill"],
            self.reasons,
            self.settings,
        )
        promoted, fallback = decide(gates, champion)
        candidate = self._bundle(fallback=True) if fallback else self.candidate
        version = publish(self.home, candidate, self.stage / "folds", plan.folds)
        report = self._report(version, promoted, fallback, gates, answers)
        self._stage("gates")
        self.tell(0.94, "plots and records")
        folder = record(
            self.home, report, self.inputs, answers, self.settings, self.model, self._config()
        )
        self.pictures.hang(folder / "plots")
        if promoted:
            set_champion(
                self.home,
                model_version=version,
                fallback=fallback,
                until=report.until,
                action="retrain",
                reason="no skill shown: answers with the baseline"
                if fallback
                else "all gates passed",
            )
        prune_folds(self.home, keep=self.settings.keep_fold_models)
        self._stage("records")
        return self._track(report)

    def _bundle(self, *, fallback: bool) -> Path:
        from models.bundle import write_bundle

        return write_bundle(
            self.stage / "bundles",
            self.forecasters,
            fallback=fallback,
            fields={
                "config_hash": config_hash(self._config()),
                "data_hash": self.inputs.data_hash,
            },
            translation=self.looked.translation,
        )

    def _report(
        self,
        version: str,
        promoted: bool,
        fallback: bool,
        gates: list[Gate],
        answers: Answers,
    ) -> RetrainReport:
        tables, translation = answers.tables, answers.translation
        return RetrainReport(
            run_id=None,
            model_version=version,
            promoted=promoted,
            fallback=fallback,
            until=f"{self.inputs.until:%Y-%m-%d}",
            config_hash=config_hash(self._config()),
            data_hash=self.inputs.data_hash,
            seconds=perf_counter() - self.began,
            oos_path=str(run_folder(self.home, version) / "oos.parquet"),
            gates=gates,
            skill=clean(tables["skill"]),
            groups=clean(tables["groups"]),
            group_verdicts=clean(tables["group_verdicts"]),
            direction=clean(tables["direction"]),
            event_study=clean(tables["event_study"]),
            baselines=baselines_compared(answers.oos),
            translation=None if translation is None else translation.summary(),
            tuning=self.tuning.summary() if self.tuning else None,
            stages=self.stages,
        )

    def _track(self, report: RetrainReport) -> RetrainReport:
        from training.track import push

        self.tell(0.96, "tracking")
        try:
            report = replace(report, run_id=push(self.home, report.model_version, self.settings))
        except StormpetrelError as error:
            # the model is on disk and serves; tracking can follow later
            report = replace(report, tracking_error=str(error))
        self._stage("tracking")
        report = replace(report, seconds=perf_counter() - self.began)
        rewrite_report(self.home, report)
        self.tell(1.0, "done")
        return report

    def _config(self) -> dict[str, Any]:
        return {
            "training": self.settings.model_dump(mode="json"),
            "models": self.model.to_json(),
            "moments": list(self.inputs.datasets),
        }

    def _stage(self, name: str) -> None:
        self.stages[name] = perf_counter() - self.began - sum(self.stages.values())


def _part(tell: Progress, low: float, high: float) -> Progress:
    return lambda fraction, what: tell(low + fraction * (high - low), what)
