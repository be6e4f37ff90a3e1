"""One bundle, two interpreters: the same numbers to 1e-10 whatever numpy and scipy they bring.

Runs where a second environment with the same lock is given:
``STORMPETREL_OTHER_PYTHON=/path/to/bin/python pytest tests/models/test_two_pythons.py``.
"""

from __future__ import annotations

import dataclasses
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from models.bundle import load_bundle, write_bundle

OTHER = os.environ.get("STORMPETREL_OTHER_PYTHON")
ROOT = Path(__file__).resolve().parents[2]
TOLERANCE = 1e-10

SCORE = """
import dataclasses, json, sys
from pathlib import Path
import numpy as np, pandas as pd
from models.bundle import load_bundle
folder = Path(sys.argv[1])
tables = [pd.read_parquet(folder / f"{name}.parquet") for name in ("features", "spine")]
bundle = load_bundle(next((folder / "bundles").iterdir()))
told = bundle.forecast(at="evening", features=tables[0], spine=tables[1])
paths = bundle.prior("evening").sample(tables[1], tables[0].index[:2], 21)
print(json.dumps({
    "python": sys.version.split()[0], "numpy": np.__version__,
    "told": [dataclasses.asdict(session) for session in told],
    "paths": [part.tolist() for part in paths],
}, default=str))
"""


def _numbers(value: Any, where: str = "") -> dict[str, float]:
    """Every number of a JSON value by its place."""
    if isinstance(value, dict):
        return {k: v for n, x in value.items() for k, v in _numbers(x, f"{where}.{n}").items()}
    if isinstance(value, list):
        return {k: v for i, x in enumerate(value) for k, v in _numbers(x, f"{where}[{i}]").items()}
    return {where: float(value)} if isinstance(value, int | float) else {}


@pytest.mark.skipif(OTHER is None, reason="STORMPETREL_OTHER_PYTHON names no second interpreter")
def test_both_interpreters_give_the_same_numbers(fitted: Any, tmp_path: Path) -> None:
    write_bundle(tmp_path / "bundles", {"evening": fitted.forecaster})
    features = fitted.dataset.features.loc[fitted.later[:60]]
    features.to_parquet(tmp_path / "features.parquet")
    fitted.dataset.spine.to_parquet(tmp_path / "spine.parquet")
    done = subprocess.run(
        [str(OTHER), "-c", SCORE, str(tmp_path)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert done.returncode == 0, done.stderr
    theirs = json.loads(done.stdout)
    folder = next((tmp_path / "bundles").iterdir())
    spine = pd.read_parquet(tmp_path / "spine.parquet")
    rows = pd.read_parquet(tmp_path / "features.parquet")
    bundle = load_bundle(folder)
    ours = bundle.forecast(at="evening", features=rows, spine=spine)
    mine = _numbers(json.loads(json.dumps([dataclasses.asdict(s) for s in ours], default=str)))
    other = _numbers(theirs["told"])
    assert mine.keys() == other.keys()
    assert len(mine) > 2000
    worst = max(abs(mine[name] - other[name]) for name in mine)
    print(f"{theirs['python']} numpy {theirs['numpy']}: {len(mine)} numbers, worst {worst:.1e}")
    assert worst <= TOLERANCE
    paths = bundle.prior("evening").sample(spine, rows.index[:2], 21)
    for a, b in zip(paths, theirs["paths"], strict=True):
        np.testing.assert_allclose(a, np.array(b), rtol=0, atol=TOLERANCE)
