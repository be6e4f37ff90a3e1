from __future__ import annotations

import numpy as np
import pytest

from features.errors import UsageError
from training.correction import benjamini_hochberg, hierarchical, holm


def test_holm_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04 times 3, 2, 1 = 0.03, 0.04, 0.04, made monotone
    assert holm(np.array([0.04, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.04])


def test_benjamini_hochberg_by_hand() -> None:
    # sorted 0.01, 0.02, 0.04 times 3/1, 3/2, 3/3 = 0.03, 0.03, 0.04
    assert benjamini_hochberg(np.array([0.04, 0.01, 0.02])) == pytest.approx([0.04, 0.03, 0.03])


def test_parity_with_statsmodels() -> None:
    multitest = pytest.importorskip("statsmodels.stats.multitest")
    p = np.random.default_rng(3).uniform(size=40) ** 3
    assert holm(p) == pytest.approx(multitest.multipletests(p, method="holm")[1])
    assert benjamini_hochberg(p) == pytest.approx(multitest.multipletests(p, method="fdr_bh")[1])


def test_holm_keeps_the_family_error_under_dependence() -> None:
    from scipy.special import ndtr

    rng = np.random.default_rng(11)
    # 20 claims that share half of their variance, none of them true
    common = rng.standard_normal((4000, 1))
    z = np.sqrt(0.5) * common + np.sqrt(0.5) * rng.standard_normal((4000, 20))
    wrong = np.array([(holm(ndtr(-row)) <= 0.05).any() for row in z])
    assert wrong.mean() < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)
    assert (ndtr(-z) <= 0.05).any(axis=1).mean() > 0.25


def test_hierarchical_by_hand() -> None:
    families, members = np.array([0.01, 0.2]), np.array([0.001, 0.03, 0.0001])
    outer, inner = hierarchical(families, members, np.array([0, 0, 1]))
    # three questions: two in the first family, one in the second
    assert outer == pytest.approx([0.015, 0.6])
    assert inner == pytest.approx([0.015, 0.09, 0.6])


def test_hierarchical_keeps_the_error_of_both_levels_where_some_families_are_true() -> None:
    from scipy.special import ndtr

    rng = np.random.default_rng(12)
    member = np.repeat(np.arange(6), 4)
    # the first family holds one strong truth and three nulls; all other families are null
    truth = np.zeros(24)
    truth[0] = 6.0
    false_claims = found = 0
    for _ in range(4000):
        noise = np.sqrt(0.5) * rng.standard_normal() + np.sqrt(0.5) * rng.standard_normal(24)
        z = truth + noise
        # each family's own test: the mean of its members, standardised under this dependence
        mean = z.reshape(6, 4).mean(axis=1) / np.sqrt(0.5 + 0.5 / 4)
        outer, inner = hierarchical(ndtr(-mean), ndtr(-z), member)
        false_claims += bool((outer[1:] <= 0.05).any() or (inner[1:] <= 0.05).any())
        found += bool(outer[0] <= 0.05)
    assert false_claims / 4000 < 0.05 + 2 * np.sqrt(0.05 * 0.95 / 4000)
    assert found / 4000 > 0.1


def test_a_family_without_questions_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one question"):
        hierarchical(np.array([0.1, 0.2]), np.array([0.1]), np.array([0]))


def test_a_nan_is_refused() -> None:
    with pytest.raises(UsageError, match="without NaN"):
        holm(np.array([0.1, np.nan]))


def test_an_empty_family_has_no_claims() -> None:
    assert len(holm(np.array([]))) == 0
