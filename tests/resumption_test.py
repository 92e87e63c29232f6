"""What a run saves: it comes back to the bit, and what cannot be written harms nothing."""

import os
import resource
import shutil
import subprocess
from contextlib import contextmanager
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from saved_runs import PARAMS, RUN, assert_same, save_run, scaled, training_of

from rcsr_jax import checkpoint, resumption
from rcsr_jax.config import replace_fields


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_run(folder)
    return folder


def test_the_latest_two_and_the_best_are_kept(workdir):
    with resumption.open_manager(workdir) as manager:
        assert sorted(manager.all_steps()) == [20, 50, 60]
        assert manager.best_step() == 20
        assert manager.latest_step() == 60


def test_training_is_restored_with_its_parameters(workdir):
    params, training, config = resumption.restore_step(
        workdir, 50, params=PARAMS, training=training_of(0)
    )
    assert config == replace_fields(RUN, {"tolerance": 0.05})
    assert_same(jax.device_get(params), scaled(5))
    assert_same(jax.device_get(training), jax.device_get(training_of(50)))
    assert training["step"].dtype == jnp.int32


def test_a_state_of_four_devices_is_restored_on_one(tmp_path):
    mesh = Mesh(np.array(jax.devices()[:4]), ("data",))
    everywhere = NamedSharding(mesh, PartitionSpec())
    params, training = jax.device_put((PARAMS, training_of(7)), everywhere)
    with resumption.open_manager(tmp_path) as manager:
        resumption.save_step(
            manager, 7, params=params, training=training, config=RUN, nme=1.0
        )
        resumption.finish_saving(manager)
    restored = resumption.restore_step(
        tmp_path, 7, params=PARAMS, training=training_of(0)
    )[:2]
    assert_same(jax.device_get(restored), jax.device_get((PARAMS, training_of(7))))
    for leaf in jax.tree.leaves(restored):
        assert leaf.devices() == {jax.devices()[0]}
    assert_same(checkpoint.load_params(tmp_path)[0], PARAMS)


def save(manager, step: int) -> None:
    resumption.save_step(
        manager,
        step,
        params=scaled(step),
        training=training_of(step),
        config=RUN,
        nme=float(step),
    )
    resumption.finish_saving(manager)


def restored_step(folder) -> int:
    found, _ = resumption.restore_latest(folder, params=PARAMS, training=training_of(0))
    assert_same(jax.device_get(found.params), scaled(int(found.training["step"])))
    return int(found.training["step"])


@contextmanager
def no_room(folder: Path):
    """No file grows beyond a block: what writes get to see on a full disk."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)


@contextmanager
def full(folder: Path):
    """The file system is filled up to the last bytes."""
    left = os.statvfs(folder)
    filler = folder / "filler"
    filler.write_bytes(b"x" * ((left.f_bavail - 2) * left.f_frsize))
    yield
    filler.unlink()


@contextmanager
def read_only(folder: Path):
    subprocess.run(["mount", "-o", "remount,ro", folder], check=True)
    yield
    subprocess.run(["mount", "-o", "remount,rw", folder], check=True)


@pytest.fixture
def disk(tmp_path):
    """A small file system of its own; only root may have one."""
    folder = tmp_path / "disk"
    folder.mkdir()
    made = ["mount", "-t", "tmpfs", "-o", "size=4m", "none", str(folder)]
    if os.geteuid() or subprocess.run(made, capture_output=True).returncode:
        pytest.skip("no file system can be mounted here")
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


@pytest.mark.parametrize("broken", [no_room, full, read_only])
def test_what_cannot_be_written_is_told_and_the_others_stay(broken, request, tmp_path):
    folder = request.getfixturevalue("disk") if broken is not no_room else tmp_path
    with resumption.open_manager(folder) as manager:
        save(manager, 1)
    with broken(folder):
        with (
            pytest.raises(
                ValueError, match=r"can be written to .*/checkpoints: .*room"
            ),
            resumption.open_manager(folder) as manager,
        ):
            save(manager, 2)
        assert restored_step(folder) == 1
        assert_same(jax.device_get(checkpoint.load_params(folder)[0]), scaled(1))
    with resumption.open_manager(folder) as manager:
        save(manager, 2)
    assert checkpoint.saved_steps(folder) == [1, 2] and restored_step(folder) == 2


def test_what_a_killed_save_has_left_is_no_checkpoint_and_goes(tmp_path):
    with resumption.open_manager(tmp_path) as manager:
        save(manager, 1)
    left = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "checkpoints/1", left)
    assert checkpoint.saved_steps(tmp_path) == [1] and restored_step(tmp_path) == 1
    assert left.is_dir()  # reading changes nothing: its writer may be at work
    with resumption.open_manager(tmp_path) as manager:
        save(manager, 2)
    assert not left.exists() and restored_step(tmp_path) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nme_interocular": "a"}'])
def test_a_damaged_error_is_named_and_put_aside(text, workdir, tmp_path):
    shutil.copytree(workdir, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoints/20/metrics/metrics"  # of an older one
    path.write_text(text)
    for use in (resumption.open_manager, checkpoint.load_params):
        with pytest.raises(ValueError, match="20/metrics/metrics is damaged"):
            use(tmp_path)
    found, problems = resumption.restore_latest(
        tmp_path, params=PARAMS, training=training_of(0)
    )
    assert int(found.training["step"]) == 60
    assert len(problems) == 1 and "20/metrics/metrics is damaged" in problems[0]
    assert (tmp_path / "damaged/20").is_dir()
    assert checkpoint.find_checkpoint(tmp_path).name == "50"
