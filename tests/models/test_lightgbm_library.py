"""LightGBM's library says what its Python package says, to the last bit, without importing it."""

from __future__ import annotations

import subprocess
import sys

import lightgbm
import numpy as np
import pytest

from features.errors import DataError
from models.lightgbm_library import Trees


@pytest.fixture(scope="module")
def native() -> lightgbm.Booster:
    rng = np.random.default_rng(7)
    x = rng.standard_normal((800, 9))
    x[rng.random(x.shape) < 0.1] = np.nan
    y = (np.nan_to_num(x[:, 0]) + np.nan_to_num(x[:, 1] * x[:, 2]) > 0).astype(float)
    settings = {"objective": "binary", "num_leaves": 7, "verbosity": -1, "num_threads": 1}
    return lightgbm.train(settings, lightgbm.Dataset(x, y), num_boost_round=40)


def test_scores_and_contributions_are_those_of_the_package(native: lightgbm.Booster) -> None:
    trees = Trees(native.model_to_string(), 9)
    asked = np.random.default_rng(8).standard_normal((300, 9))
    asked[::7, 3] = np.nan
    raw = native.predict(asked, raw_score=True, num_threads=1)
    reasons = native.predict(asked, pred_contrib=True, num_threads=1)
    assert len(np.unique(raw)) > 100
    for x in (asked, np.asfortranarray(asked)):
        np.testing.assert_array_equal(trees.raw_score(x), raw)
        np.testing.assert_array_equal(trees.contributions(x), reasons)
    np.testing.assert_array_equal(trees.raw_score(asked[5:6]), raw[5:6])
    np.testing.assert_array_equal(trees.contributions(asked[5:6]), reasons[5:6])
    assert trees.contributions(asked[:0]).shape == (0, 10)


def test_a_text_without_sizes_is_read_alike(native: lightgbm.Booster) -> None:
    text = native.model_to_string()
    assert "\ntree_sizes=" in text
    plain = "\n".join(line for line in text.split("\n") if not line.startswith("tree_sizes="))
    x = np.random.default_rng(9).standard_normal((20, 9))
    np.testing.assert_array_equal(Trees(plain, 9).raw_score(x), Trees(text, 9).raw_score(x))


def test_what_it_cannot_do_is_said(native: lightgbm.Booster) -> None:
    trees = Trees(native.model_to_string(), 9)
    with pytest.raises(DataError, match=r"9 columns was given an array of shape \(4, 8\)"):
        trees.raw_score(np.zeros((4, 8)))
    with pytest.raises(DataError, match="LightGBM refused"):
        Trees("no model at all", 9)


def test_no_package_is_imported_for_it(native: lightgbm.Booster) -> None:
    code = (
        "import sys, numpy as np\n"
        "from models.lightgbm_library import Trees\n"
        "trees = Trees(sys.stdin.read(), 9)\n"
        "trees.contributions(np.zeros((1, 9)))\n"
        "print(sorted({'lightgbm', 'scipy', 'sklearn', 'pandas'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        input=native.model_to_string(),
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() in ("[]", "['pandas']"), done.stdout
