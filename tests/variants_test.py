"""Runs that differ in a setting, trained and judged."""

import json

import numpy as np
import pytest
import tiny
from rcsr_jax.experiments import variants

from rcsr_jax.answers import predict
from rcsr_jax.config import preset, replace_fields

pytestmark = pytest.mark.usefixtures("few_replicates")


def test_the_fifth_that_lies_furthest_from_the_mean_shape_is_hard():
    easy, hard = variants.easy_and_hard(np.array([3.0, 9, 1, 2, 8, 4, 5, 6, 7, 10, 0]))
    assert set(hard) == {1, 9}
    assert list(easy) == [10, 2, 3, 0, 5, 6, 7, 8, 4]
    assert [list(part) for part in variants.easy_and_hard(np.ones(1))] == [[], [0]]
    # a face whose error nobody knows is neither
    some = np.array([np.nan, 2.0, 1, 5, np.nan, 3, 4])
    assert [list(part) for part in variants.easy_and_hard(some)] == [[2, 1, 5, 6], [3]]


def test_a_table_has_means_and_ranges_over_seeds():
    found = [
        {
            "nme_interocular": value,
            "nme_interpupil": 2 * value,
            "nme_hard": 9.5,
            "training_faces": 400,
            "multiply_adds": 31,
        }
        for value in (4.25, 4.75)
    ]
    text = variants.table({"as it is": found, "once": found[:1]})
    assert "| as it is | 4.50 (4.25 to 4.75) | 9.00 (8.50 to 9.50) |" in text
    assert text.endswith("| once | 4.25 | 8.50 | 9.50 | 400 | 31 |")


@pytest.mark.parametrize("rows", sorted(variants.ROWS))
@pytest.mark.parametrize("name", ["base", "fast", "large"])
def test_every_row_is_a_run_of_the_presets_with_context(name, rows):
    config = preset(name)
    runs = [replace_fields(config, row) for row in variants.ROWS[rows].values()]
    if name == "fast":  # whose tables are told; rows that change nothing are left out
        assert len(set(runs)) == len(runs)


def test_a_row_that_changes_nothing_is_left_out(tmp_path, capsys):
    config = replace_fields(preset("demo"), tiny.RUN)
    steps = config.model.num_steps
    rows = {"as many steps": {"num_steps": steps}}
    text = variants.ablate(config, rows=rows, seeds=[0], out=tmp_path)
    assert "as many steps" not in text
    assert "as many steps: that is the run as it is" in capsys.readouterr().err


def test_a_row_that_cannot_be_is_refused_before_any_is_trained(tmp_path):
    config = replace_fields(preset("demo"), {**tiny.RUN, "num_updates": 2})
    rows = {"all": {}, "bent": {"context_widths": (8, 8)}}
    with pytest.raises(ValueError, match="'bent'.*context_widths"):
        variants.ablate(config, rows=rows, seeds=[0], out=tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.slow
def test_rows_are_trained_and_judged(tmp_path):
    config = tiny.tiny_run()
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
    assert predict._cache_size() == 0  # the programs of a row end with it
