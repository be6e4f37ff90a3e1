"""What a group was worth is tested on rows and on fits, pooled first, and corrected over all."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t

from training.ablation import WHOLE, own_span
from training.group_table import (
    GROUP_COLUMNS,
    NOT_TAKEN,
    ONE_FIT,
    OWN_SPAN,
    TOO_SHORT,
    VERDICT_COLUMNS,
    group_table,
    no_groups,
)
from training.settings import TrainingSettings


def refit(p: np.ndarray, y: np.ndarray, head: str = "spike") -> pd.DataFrame:
    days = pd.bdate_range("2020-01-01", periods=len(y))
    return pd.DataFrame(
        {"session": days, "at": "evening", "head": head, "horizon": 1, "y": y, "p": p}
    ).assign(prior=0.3, climatology=0.3, until=days[np.arange(len(y)) // 100 * 100])


def test_a_young_group_is_compared_with_the_fit_on_its_own_span(quick: TrainingSettings) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(600) < 0.3).astype(float)
    informed, blind = np.where(y > 0, 0.5, 0.2), np.full(600, 0.3)
    refits = {
        WHOLE: refit(blind, y),
        own_span("crypto"): refit(informed, y),
        "crypto": refit(blind, y),
        "breadth": refit(blind, y),
    }
    asked = [(group, "evening", "spike", 1) for group in ("crypto", "breadth", "stress")]
    both = group_table(refits, asked, quick)
    table, verdicts = (frame.set_index("group") for frame in both)
    expected = np.mean(
        np.where(y > 0, np.log(0.5) - np.log(0.3), np.log(0.8) - np.log(0.7))
    ) / np.mean(np.where(y > 0, -np.log(0.3), -np.log(0.7)))
    assert np.isclose(float(table.loc["crypto", "gain"]), expected)
    assert table["note"].tolist() == [OWN_SPAN, NOT_TAKEN, TOO_SHORT]
    assert table["gain"].isna().tolist() == [False, True, True]
    # shown, however sure it looks, and never a verdict
    assert table.loc["crypto", "p_value"] < 0.01
    assert not table["useful"].any() and not verdicts["useful"].any()
    # with one head a moment the verdict is that head's
    for name in ("gain", "gain_lo", "gain_hi", "p_value"):
        assert verdicts.loc["crypto", name] == pytest.approx(table.loc["crypto", name])
    assert verdicts["heads"].tolist() == [1, 0, 0]
    assert verdicts["note"].tolist() == table["note"].tolist()


def test_the_correction_counts_the_questions_that_the_model_could_answer(
    quick: TrainingSettings,
) -> None:
    rng = np.random.default_rng(3)
    y = (rng.random(600) < 0.3).astype(float)
    informed, blind = np.where(y > 0, 0.5, 0.2), np.full(600, 0.3)
    noisy = np.clip(informed + 0.02 * rng.standard_normal(600), 0.01, 0.99)
    refits = {
        WHOLE: refit(informed, y),
        "breadth": refit(blind, y),
        "events": refit(noisy, y),
        own_span("crypto"): refit(informed, y),
        "crypto": refit(blind, y),
    }
    asked = [(group, "evening", "spike", 1) for group in ("breadth", "events", "crypto")]
    table = group_table(refits, asked, quick)[0].set_index("group")
    # a family of two
    assert table.loc["breadth", "p_family"] == 2 * table.loc["breadth", "p_value"]
    assert table["useful"].tolist() == [True, False, False]


def test_a_lucky_fit_is_no_group(quick: TrainingSettings) -> None:
    rng = np.random.default_rng(4)
    y = (rng.random(600) < 0.3).astype(float)
    informed, blind = np.where(y > 0, 0.5, 0.2), np.full(600, 0.3)
    # five folds of six took nothing from the group; the sixth was right on every row
    lucky = np.where(np.arange(600) < 500, blind, informed)
    refits = {WHOLE: refit(lucky, y), "breadth": refit(blind, y)}
    row = group_table(refits, [("breadth", "evening", "spike", 1)], quick)[0].iloc[0]
    assert row["gain"] > 0.0
    # by hand: fold totals of the gain, t with five degrees of freedom
    saved = np.where(y > 0, np.log(lucky) - np.log(0.3), np.log1p(-lucky) - np.log(0.7))
    paid = np.where(y > 0, -np.log(0.3), -np.log(0.7))
    left = (saved - saved.sum() / paid.sum() * paid).reshape(6, 100).sum(axis=1)
    error = np.sqrt(6 / 5 * (left**2).sum()) / paid.sum()
    assert row["p_value"] == pytest.approx(t.sf(row["gain"] / error, 5))
    assert row["gain_lo"] == pytest.approx(row["gain"] - t.ppf(0.95, 5) * error)
    assert row["gain_lo"] < 0.0 and not row["useful"]


def test_one_fit_gives_no_interval(quick: TrainingSettings) -> None:
    y = (np.random.default_rng(5).random(90) < 0.3).astype(float)
    refits = {WHOLE: refit(np.full(90, 0.2), y), "breadth": refit(np.full(90, 0.3), y)}
    row = group_table(refits, [("breadth", "evening", "spike", 1)], quick)[0].iloc[0]
    assert row["note"] == ONE_FIT and row["gain"] is None


def test_heads_that_are_helped_a_little_pass_together(quick: TrainingSettings) -> None:
    rng = np.random.default_rng(8)
    heads, n = ("spike", "breach", "breach_down"), 900
    whole, without = [], []
    for head in heads:
        y = (rng.random(n) < 0.3).astype(float)
        hint = np.clip(0.3 + 0.06 * (y - 0.3) + 0.11 * rng.standard_normal(n), 0.05, 0.95)
        whole.append(refit(hint, y, head))
        # the refit without the group is as noisy, and knows nothing
        blind = np.clip(0.3 + 0.11 * rng.standard_normal(n), 0.05, 0.95)
        without.append(refit(blind, y, head))
    refits = {WHOLE: pd.concat(whole), "breadth": pd.concat(without)}
    asked = [("breadth", "evening", head, 1) for head in heads]
    table, verdicts = group_table(refits, asked, quick)
    verdict = verdicts.iloc[0]
    assert verdict["heads"] == 3 and verdict["n"] == n
    assert verdict["useful"] and verdict["p_family"] == verdict["p_value"]
    assert verdict["p_value"] < table["p_value"].min()
    assert table["p_family"].tolist() == pytest.approx(
        np.maximum(np.minimum(3 * table["p_value"], 1.0), verdict["p_family"])
    )
    # by hand: nats saved over all heads, as a share of climatology's
    both = refits[WHOLE].assign(q=refits["breadth"]["p"].to_numpy())
    y, p, q = (both[name].to_numpy() for name in ("y", "p", "q"))

    def loss(f: np.ndarray) -> float:
        return float(-(y * np.log(f) + (1 - y) * np.log1p(-f)).sum())

    assert verdict["gain"] == pytest.approx((loss(q) - loss(p)) / loss(np.full(y.size, 0.3)))


def test_no_head_is_useful_where_its_group_is_not(quick: TrainingSettings) -> None:
    rng = np.random.default_rng(9)
    n = 900
    y, other = ((rng.random(n) < 0.3).astype(float) for _ in range(2))
    hint = np.where(y > 0, 0.34, 0.28)
    misled = np.where(other > 0, 0.2, 0.4)
    blind = np.full(n, 0.3)
    whole = pd.concat([refit(hint, y), refit(misled, other, "breach")])
    without = pd.concat([refit(blind, y), refit(blind, other, "breach")])
    asked = [("breadth", "evening", head, 1) for head in ("spike", "breach")]
    table, verdicts = group_table({WHOLE: whole, "breadth": without}, asked, quick)
    assert 2 * table["p_value"].iloc[0] < 0.05
    assert not verdicts["useful"].any() and not table["useful"].any()


def test_a_retrain_without_groups_has_tables_of_the_same_form(quick: TrainingSettings) -> None:
    y = (np.random.default_rng(5).random(300) < 0.3).astype(float)
    refits = {WHOLE: refit(np.full(300, 0.2), y), "breadth": refit(np.full(300, 0.3), y)}
    asked = [("breadth", "evening", "spike", 1)]
    for full, empty in zip(group_table(refits, asked, quick), no_groups(), strict=True):
        assert list(full.columns) == list(empty.columns) and empty.empty
    assert list(no_groups()[0].columns)[:7] == list(GROUP_COLUMNS)
    assert list(no_groups()[1].columns) == list(VERDICT_COLUMNS)
