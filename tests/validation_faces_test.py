"""The faces that a run held out, for the programs that measure its model."""

from typing import NamedTuple

import pytest
from rcsr_jax.experiments.validation_faces import held_out, note_of_further_data

from rcsr_jax.config import DataConfig
from rcsr_jax.data.held_out import hold_out


class Face(NamedTuple):
    """As much of a face as is looked at."""

    name: str


FACES = [Face(f"{number:04d}.png") for number in range(10)]


def test_they_are_those_that_training_holds_out():
    assert held_out(FACES, count=3) == hold_out(FACES, count=3)[1]


@pytest.mark.parametrize("count", [0, 10])
def test_a_number_that_cannot_be_is_told_with_the_flag(count):
    with pytest.raises(
        ValueError, match=rf"--validation_faces .* got {count}\. Else\."
    ):
        held_out(FACES, count=count, instead="Else.")


def test_a_further_data_set_of_the_run_holds_no_such_faces(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = DataConfig(data="one, two", last_data="three,one")
    for name in ("one", "./one/", "other"):
        assert note_of_further_data(name, run) == ""
    for name in ("two", "two/", str(tmp_path / "three")):
        note = note_of_further_data(name, run)
        assert note.startswith(f"the model was trained on all faces of {name}")
        assert note.endswith("faces of one alone.")
