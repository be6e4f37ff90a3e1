from __future__ import annotations

import numpy as np
import pytest

from features.bands import BAND_EDGES, BAND_NAMES, band_index, band_name


@pytest.mark.parametrize(
    ("vix", "name"),
    [
        (9.14, "calm"),
        (14.999, "calm"),
        (15.0, "normal"),  # an edge belongs to the band above it
        (19.99, "normal"),
        (20.0, "elevated"),
        (29.99, "elevated"),
        (30.0, "crisis"),
        (82.69, "crisis"),
        (float("nan"), None),
    ],
)
def test_the_bands_of_the_design(vix: float, name: str | None) -> None:
    assert band_name(vix) == name


def test_every_edge_has_a_band_on_both_sides() -> None:
    assert len(BAND_NAMES) == len(BAND_EDGES) + 1


def test_bands_keep_the_shape_and_rise_with_the_vix() -> None:
    levels = np.linspace(5.0, 90.0, 400)
    bands = band_index(levels)
    assert bands.shape == levels.shape
    assert (np.diff(bands) >= 0).all()
    assert band_index(np.full((2, 3), np.nan)).tolist() == [[-1, -1, -1], [-1, -1, -1]]
