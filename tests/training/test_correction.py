from __future__ import annotations

import numpy as np
import pytest

from features.errors import UsageError
from training.correction import benjamini_hochberg, holm


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


def test_a_nan_is_refused() -> None:
    with pytest.raises(UsageError, match="without NaN"):
        holm(np.array([0.1, np.nan]))


def test_an_empty_family_has_no_claims() -> None:
    assert len(holm(np.array([]))) == 0
