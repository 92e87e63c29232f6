"""Folders that one run at a time may write into."""

import counted_faces
import pytest
import tiny

from rcsr_jax.config import preset, replace_fields
from rcsr_jax.data.locks import alone_in
from rcsr_jax.training import train


def test_a_second_run_in_a_folder_is_refused(tmp_path):
    with (
        alone_in(tmp_path),
        pytest.raises(ValueError, match="another run is at work in"),
        alone_in(tmp_path),
    ):
        pass
    with alone_in(tmp_path):  # it goes with the run, however that ends
        pass


def test_a_folder_that_was_moved_away_meanwhile_is_told(tmp_path, monkeypatch):
    place, moved = tmp_path / "building", tmp_path / "done"
    place.mkdir()
    real = alone_in.__wrapped__.__globals__["os"].open

    def opened(path, flags):
        held = real(path, flags)
        place.rename(moved)  # the other run finishes between opening and holding
        return held

    monkeypatch.setattr("rcsr_jax.data.locks.os.open", opened)
    with pytest.raises(ValueError, match="has just finished"), alone_in(place):
        pass


def test_a_cache_that_another_run_cuts_is_left_to_it(tmp_path):
    building = tmp_path / "crops.building"
    building.mkdir()
    with alone_in(building), pytest.raises(ValueError, match=r"crops\.building: wait"):
        counted_faces.build(tmp_path / "crops", counted_faces.Folder())
    cache = counted_faces.build(tmp_path / "crops", counted_faces.Folder())
    assert len(cache.names) == 5
    assert not building.exists()


def test_a_work_folder_has_one_run(tmp_path):
    config = replace_fields(preset("demo"), tiny.RUN)
    with alone_in(tmp_path), pytest.raises(ValueError, match="another run is at work"):
        train(config, workdir=tmp_path)
