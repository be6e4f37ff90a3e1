"""The equity bias: when it speaks, when it says why not, and that it moves nothing."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest

from features.errors import UsageError
from features.home import Home
from models.bundle import load_bundle, write_bundle
from models.logit import RidgeLogit
from models.translation import INPUTS, Translation
from serving.champion import load_champion, read_champion
from serving.panel import equity_bias
from serving.reasons import OFFSET, PRIOR, drift, explain_rows
from serving.score import score
from serving.screen import ticket_screen
from serving.texts import ticket_text
from serving.ticket import ticket
from serving.translation import bias_line, translation_fields
from serving.why_screen import why_table

COUNTS = {"sessions": 300, "clusters": 63, "weak": 34, "weak_clusters": 17, "fleeting": 6}
CASCADE = {name: 0.0 for name in INPUTS} | {"casc_new": 2.0}


def fitted(gain_base: float = 0.01, gain_vix: float = 0.01, push: float = 1.0) -> Translation:
    """Base rate 10 %; one unit of casc_new_z adds `push`; both move by up to 0.2 in the draws."""
    k = len(INPUTS)
    coef = np.eye(k)[0] * push
    start = float(np.log(0.1 / 0.9))
    spread = np.linspace(-0.2, 0.2, 41)
    draws = np.array([[start + d, *(np.eye(k)[0] * (push + d))] for d in spread])
    model = RidgeLogit(
        INPUTS, np.zeros(k), np.ones(k), np.full(k, -np.inf), np.full(k, np.inf), start, coef
    )
    skill = [
        {"forecast": "translation", "against": name, "gain_lo": lo}
        for name, lo in (("base_rate", gain_base), ("vix", gain_vix))
    ]
    return Translation(None, COUNTS, 0.1, model, (1.0,) * k, {}, draws, tuple(skill))


@pytest.mark.parametrize(
    ("translation", "values", "at", "label", "score", "words"),
    [
        (None, CASCADE, "evening", "neutral", None, "retrain"),
        (fitted(), CASCADE, "preopen", "neutral", None, "evening cut-off"),
        (fitted(), CASCADE | {"casc_new": None}, "evening", "neutral", None, "not be measured"),
        (fitted(), CASCADE | {"casc_new": 0.0}, "evening", "none", None, "no new cascade"),
        (Translation("too few events: 3", COUNTS), CASCADE, "evening", "neutral", None, "too few"),
        (fitted(-0.1), CASCADE | {"casc_new_z": 2.0}, "evening", "neutral", 0.451, "base rate"),
        (fitted(0.1, -0.1), CASCADE | {"casc_new_z": 2.0}, "evening", "neutral", 0.451, "VIX"),
        (fitted(), CASCADE | {"casc_new_z": 2.0}, "evening", "weakness", 0.451, "above"),
        (fitted(), CASCADE | {"casc_new_z": -2.0}, "evening", "fleeting", 0.015, "below"),
        (fitted(), CASCADE, "evening", "neutral", 0.1, "holds the base rate"),
        (fitted(), CASCADE | {"casc_new_z": None}, "evening", "neutral", 0.1, "holds"),
    ],
)
def test_what_is_said_and_why(
    translation: Translation | None,
    values: dict[str, float | None],
    at: str,
    label: str,
    score: float | None,
    words: str,
) -> None:
    told = translation_fields(translation, values, at)
    assert told["label"] == label
    assert words in told["reason"]
    assert told["score"] == (None if score is None else pytest.approx(score, abs=1e-3))
    # a row of the feature table says the same as a mapping
    row = pd.Series(values, dtype=float)
    assert json.dumps(translation_fields(translation, row, at)) == json.dumps(told)
    line = bias_line(equity_bias({"heads": [], "translation": told}, values))
    assert line.startswith(f"equity bias: {label}") and words in line
    assert ("63 independent clusters" in line) == (score is not None)


def test_never_scored_out_of_sample_is_no_voice() -> None:
    told = translation_fields(
        dataclasses.replace(fitted(), skill=()), CASCADE | {"casc_new_z": 2.0}, "evening"
    )
    assert (told["label"], told["beats_base_rate"]) == ("neutral", None)


def test_an_older_forecast_gives_nulls_and_the_reason() -> None:
    bias = equity_bias(
        {"heads": [{"head": "breach_down", "probability": 0.2, "prior": 0.1}]}, {"bw_c": 1.0}
    )
    assert bias["score"] is None and bias["label"] == "neutral" and bias["beats_vix"] is None
    assert (bias["breach_down"], bias["breach_down_prior"]) == (0.2, 0.1)
    assert "recorded without" in bias["reason"] and bias["inputs"]["bw_c"] == 1.0


def with_translation(home: Home, told: Translation) -> None:
    """Promote the same forecasters with a translation score beside them."""
    record = read_champion(home)
    bundle = load_bundle(home.mlruns / record["bundle"])
    folder = write_bundle(home.mlruns / "bundles", bundle.forecasters, translation=told)
    record |= {"model_version": folder.name, "bundle": f"bundles/{folder.name}"}
    (home.mlruns / "champion.json").write_text(json.dumps(record), encoding="utf-8")


def test_a_bundle_without_it_serves_and_says_so(home: Home) -> None:
    assert load_champion(home).translation is None
    made = ticket(home, "2023-02-01")
    assert made["equity_bias"]["score"] is None
    assert "retrain" in made["equity_bias"]["reason"]
    with pytest.raises(
        UsageError, match="translation 5 is not scored on 2023-02-01: the model holds no"
    ):
        explain_rows(score(home, ["2023-02-01"])[0], "translation", 5)


def test_it_moves_nothing_on_the_ticket(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    before = ticket(home, "2023-02-01")
    with_translation(home, fitted(push=3.0))
    from serving import documents

    def busy(translation: Any, features: Any, at: str) -> dict[str, Any]:
        return translation_fields(translation, CASCADE | {"casc_new_z": 2.0}, at)

    monkeypatch.setattr(documents, "translation_fields", busy)
    after = ticket(home, "2023-02-01")
    assert after["equity_bias"]["label"] == "weakness"
    assert after["equity_bias"]["interval"][0] > after["equity_bias"]["base_rate"] == 0.1
    named = ("equity_bias", "model_version", "signal_id")
    assert {k: v for k, v in after.items() if k not in named} == {
        k: v for k, v in before.items() if k not in named
    }
    assert "equity bias: weakness" in ticket_text(after)
    from rich.console import Console

    console = Console(width=200, record=True, file=None)
    with console.capture() as shown:
        console.print(ticket_screen(after))
    assert "equity bias: weakness, 98 %" in shown.get()


def test_explain_adds_up_to_the_score(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with_translation(home, fitted())
    from serving import documents

    def busy(translation: Any, features: Any, at: str) -> dict[str, Any]:
        return translation_fields(translation, CASCADE | {"casc_new_z": 2.0}, at)

    monkeypatch.setattr(documents, "translation_fields", busy)
    document = score(home, ["2023-02-01"])[0]
    rows = explain_rows(document, "translation", 5)
    assert [row["term"] for row in rows[:2]] == [PRIOR, OFFSET]
    assert {row["term"] for row in rows[2:-1]} == set(INPUTS)
    assert rows[0]["probability"] == pytest.approx(0.1)
    assert sum(row["log_odds"] for row in rows[:-1]) == pytest.approx(rows[-1]["log_odds"])
    assert rows[-1]["probability"] == pytest.approx(document["translation"]["score"], abs=1e-12)
    assert why_table(document, "translation", 5).row_count > 3
    assert drift([document], "translation", 5)["sessions"][0]["probability"] == pytest.approx(
        0.451, abs=1e-3
    )
    with pytest.raises(UsageError, match=r"Expected one of .*translation 5"):
        explain_rows(document, "translation", 10)
