"""Runs that differ in a setting, trained and judged."""

import json

import numpy as np
import pytest
import tiny
from rcsr_jax.experiments import variants

from rcsr_jax.config import preset, replace_fields


def test_a_misfit_is_what_place_and_scale_do_not_explain():
    mean = tiny.mean_shape()
    assert variants._misfit(3 * mean + 5, mean) == pytest.approx(0, abs=1e-4)
    corner = np.array([[0.0, 0], [2, 0], [2, 2], [0, 2]])
    kite = corner + np.array([[0, 0], [0, 0], [4, 4], [0, 0]])
    centred, square = kite - kite.mean(0), corner - corner.mean(0)
    scale = np.linalg.lstsq(square.reshape(-1, 1), centred.ravel(), rcond=None)[0]
    left = np.sqrt(np.mean((centred - scale * square) ** 2))
    assert variants._misfit(kite, corner) == pytest.approx(left)


def test_a_table_has_means_and_ranges_over_seeds():
    found = [
        {
            "nme_interocular": value,
            "nme_interpupil": 2 * value,
            "nme_hard": 9.5,
            "training_faces": 400,
        }
        for value in (4.25, 4.75)
    ]
    text = variants.table({"as it is": found, "once": found[:1]})
    assert "| as it is | 4.50 (4.25 to 4.75) | 9.00 (8.50 to 9.50) |" in text
    assert text.endswith("| once | 4.25 | 8.50 | 9.50 | 400 |")


@pytest.mark.slow
def test_rows_are_trained_and_judged(tmp_path):
    config = replace_fields(preset("demo"), {**tiny.RUN, "num_updates": 2})
    rows = {"few": {"training_faces": 6}, "all": {}}
    text = variants.ablate(config, rows=rows, seeds=[0], out=tmp_path)
    told = json.loads((tmp_path / "ablations.json").read_text())
    assert list(told["rows"]) == ["few", "all"]
    assert told["rows"]["few"][0]["training_faces"] == 6
    assert told["rows"]["all"][0]["training_faces"] == 16
    for (found,) in told["rows"].values():
        assert found["nme_interpupil"] > found["nme_interocular"] > 0
        assert found["nme_hard"] > 0
    assert (tmp_path / "ablations.md").read_text() == text + "\n"
