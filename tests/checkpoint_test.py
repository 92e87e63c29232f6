"""Checkpoints: what goes in comes out to the bit, and damage has one clear message."""

import dataclasses
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
import tiny
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from rcsr_jax import checkpoint
from rcsr_jax.config import RunConfig, preset, replace_fields
from rcsr_jax.inference import load_predictor
from rcsr_jax.markup import Markup

OWN = Markup(
    name="mine",
    mirror=(1, 0, 2, 3),
    eye_corners=(0, 1),
    eyes=((0,), (1,)),
    regions=(("nose", (2, 3)),),
    outlines=((0, 2, 1),),
)
RUN = RunConfig(model=tiny.CONFIG)
PARAMS = tiny.make_params()


def assert_same(left, right):
    assert jax.tree.structure(left) == jax.tree.structure(right)
    jax.tree.map(np.testing.assert_array_equal, left, right)


def training_of(step: int) -> dict:
    """What a run goes on from, small."""
    return {"step": jnp.asarray(step, jnp.int32), "moments": jnp.arange(3.0) * step}


def scaled(factor: float) -> dict:
    return jax.tree.map(lambda leaf: (leaf * factor).astype(np.float32), PARAMS)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    """A run of six checkpoints whose second was the best."""
    folder = tmp_path_factory.mktemp("run")
    with checkpoint.open_manager(folder) as manager:
        for step, error in enumerate([5.0, 3.0, 4.0, 6.0, 7.0, 8.0], start=1):
            checkpoint.save_step(
                manager,
                10 * step,
                params=scaled(step),
                training=training_of(10 * step),
                config=replace_fields(RUN, {"tolerance": step / 100}),
                nme=error,
            )
        manager.wait_until_finished()
    return folder


def export(folder, config: RunConfig = RUN, params=PARAMS):
    checkpoint.export_params(folder, params=params, config=config)
    return folder


def test_an_export_comes_back_to_the_bit(tmp_path):
    params, config = checkpoint.load_params(export(tmp_path / "deep" / "model"))
    assert_same(jax.device_get(params), PARAMS)
    assert config == RUN
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))


def test_the_config_comes_back_whole(tmp_path):
    run = replace_fields(
        preset("paper"),
        {
            "markup": OWN,
            "crop_size": 40,
            "patch_size": 14,
            "filters": (3, 2, 2),
            "hidden_size": 3,
            "tolerance": 0.0123,
            "data": "a/b c,drawn",
            "max_seconds": 1.5,
        },
    )
    params = tiny.make_params(run.model)
    loaded, config = checkpoint.load_params(export(tmp_path / "model", run, params))
    assert config == run and config.model.markup == OWN
    assert isinstance(hash(config.model), int)  # a static argument again
    assert_same(jax.device_get(loaded), params)
    assert load_predictor(tmp_path / "model").config == run.model


def test_an_empty_folder_can_be_exported_into(tmp_path):
    assert_same(jax.device_get(checkpoint.load_params(export(tmp_path))[0]), PARAMS)


@pytest.mark.parametrize("what", ["notes", "export", "file"])
def test_an_export_overwrites_nothing(what, tmp_path):
    folder = tmp_path / "model"
    if what == "export":
        export(folder)
    elif what == "notes":
        folder.mkdir()
        (folder / "notes.txt").write_text("mine")
    else:
        folder.write_text("mine")
    with pytest.raises(ValueError, match="model exists already; choose a new folder"):
        export(folder, params=scaled(2))
    if what == "export":
        assert_same(jax.device_get(checkpoint.load_params(folder)[0]), PARAMS)


def test_the_latest_two_and_the_best_are_kept(workdir):
    with checkpoint.open_manager(workdir) as manager:
        assert sorted(manager.all_steps()) == [20, 50, 60]
        assert manager.best_step() == 20
        assert manager.latest_step() == 60


def test_a_work_folder_means_its_best_checkpoint(workdir):
    assert checkpoint.find_checkpoint(workdir) == workdir / "checkpoints" / "20"
    params, config = checkpoint.load_params(workdir)
    assert_same(jax.device_get(params), scaled(2))
    assert config.model.tolerance == 0.02


def test_a_checkpoint_can_be_chosen(workdir):
    place = workdir / "checkpoints" / "60"
    assert checkpoint.find_checkpoint(place) == place
    params, config = checkpoint.load_params(str(place))
    assert_same(jax.device_get(params), scaled(6))
    assert config == replace_fields(RUN, {"tolerance": 0.06})


def test_an_export_is_found_as_it_is(tmp_path, monkeypatch):
    export(tmp_path / "model")
    assert checkpoint.find_checkpoint(tmp_path / "model") == tmp_path / "model"
    monkeypatch.chdir(tmp_path)
    assert checkpoint.find_checkpoint("model") == tmp_path / "model"


def test_a_checkpoint_exports_to_the_same_parameters(workdir, tmp_path):
    params, config = checkpoint.load_params(workdir)
    again = checkpoint.load_params(export(tmp_path / "model", config, params))
    assert_same(jax.device_get(again[0]), scaled(2))
    assert again[1] == config


def test_training_is_restored_with_its_parameters(workdir):
    params, training, config = checkpoint.restore_step(
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
    with checkpoint.open_manager(tmp_path) as manager:
        checkpoint.save_step(
            manager, 7, params=params, training=training, config=RUN, nme=1.0
        )
        checkpoint.finish_saving(manager)
    restored = checkpoint.restore_step(
        tmp_path, 7, params=PARAMS, training=training_of(0)
    )[:2]
    assert_same(jax.device_get(restored), jax.device_get((PARAMS, training_of(7))))
    for leaf in jax.tree.leaves(restored):
        assert leaf.devices() == {jax.devices()[0]}
    loaded = checkpoint.load_params(tmp_path)[0]
    for leaf in jax.tree.leaves(loaded):
        assert leaf.devices() == {jax.devices()[0]}


def save(manager, step: int) -> None:
    checkpoint.save_step(
        manager,
        step,
        params=scaled(step),
        training=training_of(step),
        config=RUN,
        nme=float(step),
    )
    checkpoint.finish_saving(manager)


def restored_step(folder) -> int:
    found, _ = checkpoint.restore_latest(folder, params=PARAMS, training=training_of(0))
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
    with checkpoint.open_manager(folder) as manager:
        save(manager, 1)
    with broken(folder):
        with (
            pytest.raises(
                ValueError, match=r"can be written to .*/checkpoints: .*room"
            ),
            checkpoint.open_manager(folder) as manager,
        ):
            save(manager, 2)
        assert restored_step(folder) == 1
        assert_same(jax.device_get(checkpoint.load_params(folder)[0]), scaled(1))
    with checkpoint.open_manager(folder) as manager:
        save(manager, 2)
    assert checkpoint.saved_steps(folder) == [1, 2] and restored_step(folder) == 2


def test_what_a_killed_save_has_left_is_no_checkpoint_and_goes(tmp_path):
    with checkpoint.open_manager(tmp_path) as manager:
        save(manager, 1)
    left = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "checkpoints/1", left)
    assert checkpoint.saved_steps(tmp_path) == [1] and restored_step(tmp_path) == 1
    assert left.is_dir()  # reading changes nothing: its writer may be at work
    with checkpoint.open_manager(tmp_path) as manager:
        save(manager, 2)
    assert not left.exists() and restored_step(tmp_path) == 2


@pytest.mark.parametrize("text", ["", "{", "[]", '{"nme_interocular": "a"}'])
def test_a_damaged_error_is_named_and_put_aside(text, workdir, tmp_path):
    shutil.copytree(workdir, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoints/20/metrics/metrics"  # of an older one
    path.write_text(text)
    for use in (checkpoint.open_manager, checkpoint.load_params):
        with pytest.raises(ValueError, match="20/metrics/metrics is damaged"):
            use(tmp_path)
    found, problems = checkpoint.restore_latest(
        tmp_path, params=PARAMS, training=training_of(0)
    )
    assert int(found.training["step"]) == 60
    assert len(problems) == 1 and "20/metrics/metrics is damaged" in problems[0]
    assert (tmp_path / "damaged/20").is_dir()
    assert checkpoint.find_checkpoint(tmp_path).name == "50"


@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_damaged_parameters_name_the_folder(damage, tmp_path):
    folder = export(tmp_path / "model")
    files = [path for path in (folder / "params").rglob("*") if path.is_file()]
    path = max(files, key=lambda path: path.stat().st_size)  # the arrays themselves
    content = bytearray(path.read_bytes())
    if damage == "flip":
        middle = len(content) // 2
        content[middle : middle + 8] = bytes(
            b ^ 255 for b in content[middle : middle + 8]
        )
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[: len(content) // 2])
    else:
        path.unlink()
    with pytest.raises(ValueError, match="checkpoint .*model cannot be read: .*again"):
        checkpoint.load_params(folder)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"model": 3}', '{"speed": {}}'])
def test_a_damaged_config_names_the_folder(text, tmp_path):
    folder = export(tmp_path / "model")
    (path,) = (p for p in (folder / "config").rglob("*") if p.name == "metadata")
    path.write_text(text)
    with pytest.raises(ValueError, match="checkpoint .*model cannot be read"):
        checkpoint.load_params(folder)


def test_parameters_of_another_model_name_the_folder(tmp_path):
    other = dataclasses.replace(tiny.CONFIG, hidden_size=7)
    folder = export(tmp_path / "model", RunConfig(model=other))
    with pytest.raises(ValueError, match="checkpoint .*model cannot be read"):
        checkpoint.load_params(folder)


def test_changed_parameters_do_not_match_their_checksum(tmp_path):
    folder = export(tmp_path / "model")
    shutil.rmtree(folder / "params")
    export(tmp_path / "other", params=scaled(1.0001))
    (tmp_path / "other" / "params").rename(folder / "params")
    with pytest.raises(ValueError, match="model cannot be read: its parameters do not"):
        checkpoint.load_params(folder)
    shutil.rmtree(folder / "checksum")  # as before there were checksums
    assert_same(jax.device_get(checkpoint.load_params(folder)[0]), scaled(1.0001))


def test_the_reason_for_a_refusal_is_one_line(tmp_path):
    folder = export(tmp_path / "model")
    for path in (folder / "params").rglob("d/*"):
        path.unlink()
    with pytest.raises(ValueError, match="cannot be read") as caught:
        checkpoint.load_params(folder)
    assert "\n" not in str(caught.value) and len(str(caught.value)) < 600


def test_a_work_folder_without_a_checkpoint_says_so(tmp_path):
    checkpoint.open_manager(tmp_path).close()
    with pytest.raises(ValueError, match="holds no finished checkpoint yet"):
        checkpoint.load_params(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [("nowhere", "nowhere does not exist"), (".", "is no checkpoint: give the folder")],
)
def test_what_is_no_checkpoint_is_refused(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        checkpoint.find_checkpoint(tmp_path / name)
