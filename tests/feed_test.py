"""Resident and streamed faces are the same, in the same order, from any update on."""

import itertools

import jax
import numpy as np
import pytest

from rcsr_jax import feed as feeds
from rcsr_jax.config import preset, replace_fields
from rcsr_jax.data.batches import TrainingSet, faces_of_step
from rcsr_jax.data.rows import Rows
from rcsr_jax.feed import feed, is_streamed


@pytest.fixture
def faces(tmp_path, generator) -> TrainingSet:
    """Fifty small faces on the disk."""
    np.save(tmp_path / "crops.npy", generator.integers(0, 256, (50, 6, 6), np.uint8))
    np.save(tmp_path / "points.npy", generator.random((50, 4, 2), np.float32))
    return TrainingSet(
        *(
            Rows([np.load(tmp_path / name, mmap_mode="r")])
            for name in ("crops.npy", "points.npy")
        )
    )


def run(choice):
    return replace_fields(preset("demo"), {"batch_size": 8, "stream_faces": choice})


@pytest.mark.parametrize("choice", ["always", "never"])
@pytest.mark.parametrize(("first", "num_devices"), [(0, 1), (5, 4)])
def test_a_feed_gives_each_device_its_faces_of_each_step(
    choice, first, num_devices, faces
):
    devices = jax.devices()[:num_devices]
    batches = feed(faces, first, config=run(choice), devices=devices)
    for step in range(first, first + 9):
        batch = next(batches)
        chosen = faces_of_step(step, seed=0, num_faces=50, batch_size=8)
        shares = chosen.reshape(num_devices, -1)
        assert batch.crops.sharding.device_set == set(devices)
        for shard in batch.crops.addressable_shards:
            assert shard.data.shape == (1, 8 // num_devices, 6, 6)
        np.testing.assert_array_equal(batch.crops, faces.crops[shares])
        np.testing.assert_array_equal(batch.points, faces.points[shares])
    batches.close()


@pytest.mark.parametrize("choice", ["always", "never"])
def test_the_last_updates_get_the_last_faces(choice, faces):
    config = replace_fields(
        run(choice), {"num_updates": 9, "last_data": "last", "last_updates": 4}
    )
    devices = jax.devices()[:2]
    for first in (0, 7):  # a run that goes on finds the same
        some_last = faces._replace(num_last=18)
        batches = feed(some_last, first, config=config, devices=devices)
        for step in range(first, 12):
            batch = next(batches)
            if step < 5:  # of the 32 before, as if there were no others
                chosen = faces_of_step(step, seed=0, num_faces=32, batch_size=8)
            else:  # steps behind the last one, for replicates, see these as well
                chosen = 32 + faces_of_step(
                    step - 5, seed=0, num_faces=18, batch_size=8
                )
            np.testing.assert_array_equal(
                batch.points, faces.points[chosen.reshape(2, -1)]
            )
        batches.close()


def test_resident_faces_are_shared_out_and_come_to_the_bit(faces):
    crops, points = np.asarray(faces.crops), np.asarray(faces.points)
    points[7] = np.nan  # not annotated; zeros of the other devices are added
    points[8, 0] = -0.0
    devices = jax.devices()[:4]
    held = feeds._held(points, devices)
    assert [s.data.shape for s in held.addressable_shards] == [(1, 13, 4, 2)] * 4
    np.testing.assert_array_equal(np.asarray(held).reshape(-1, 4, 2)[:50], points)
    batches = feed(TrainingSet(crops, points), 0, config=run("never"), devices=devices)
    chosen = [faces_of_step(n, seed=0, num_faces=50, batch_size=8) for n in range(6)]
    assert 7 in np.concatenate(chosen)
    for wanted in chosen:
        batch = next(batches)
        np.testing.assert_array_equal(batch.points, points[wanted.reshape(4, 2)])
    batches.close()


def test_only_the_faces_of_a_few_steps_are_read(faces, monkeypatch):
    read = []
    real = feeds.faces_at
    monkeypatch.setattr(
        feeds,
        "faces_at",
        lambda step, *rest, **options: (
            read.append(step),
            real(step, *rest, **options),
        )[1],
    )
    batches = feed(faces, 3, config=run("always"), devices=jax.devices()[:1])
    list(itertools.islice(batches, 4))
    batches.close()
    assert min(read) == 3 and max(read) <= 3 + 4 + feeds._AHEAD
    assert len(read) == len(set(read))


def test_what_is_read_wrongly_ends_the_training(faces, monkeypatch):
    def fail(*arguments, **options):
        raise ValueError("crops.npy is shorter than it was.")

    monkeypatch.setattr(feeds, "faces_at", fail)
    batches = feed(faces, 0, config=run("always"), devices=jax.devices()[:1])
    with pytest.raises(ValueError, match="shorter than it was"):
        next(batches)


@pytest.mark.parametrize(
    ("memory", "num_devices", "streamed"),
    # 50 faces of 36 + 32 bytes are 3,400 bytes, shared out; CPU devices have one memory
    [(13_600, 1, False), (13_599, 1, True), (13_600, 2, False), (13_599, 2, True)],
)
def test_faces_are_streamed_where_they_take_a_quarter_of_the_memory(
    memory, num_devices, streamed, faces, monkeypatch
):
    monkeypatch.setattr(feeds, "memory_of_process", lambda: memory)
    devices = jax.devices()[:num_devices]
    assert is_streamed(faces, choice="auto", devices=devices) == streamed
    assert is_streamed(faces, choice="always", devices=devices)
    assert not is_streamed(faces, choice="never", devices=devices)


@pytest.mark.parametrize(("memory", "streamed"), [(6_800, False), (6_799, True)])
def test_faces_are_streamed_where_a_device_has_no_room(
    memory, streamed, faces, monkeypatch
):
    """As of GPUs, which have a memory each: here a half of 3,400 bytes."""
    monkeypatch.setattr(feeds, "memory_of", lambda device: memory)
    assert is_streamed(faces, choice="auto", devices=jax.devices()[:2]) == streamed


def test_the_memory_of_a_cpu_is_known():
    assert 2**28 < feeds.memory_of(jax.devices()[0]) < 2**50


def test_streaming_without_grain_says_what_to_install(faces, monkeypatch):
    monkeypatch.setattr(feeds.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r'pip install "rcsr-jax\[stream\]"'):
        feed(faces, 0, config=run("always"), devices=jax.devices()[:1])
