"""Checkpoints: what goes in comes out to the bit, and damage has one clear message."""

import dataclasses
import errno
import json
import os
import shutil
from pathlib import Path

import jax
import numpy as np
import pytest
import tiny
from saved_runs import PARAMS, RUN, assert_same, save_run, scaled

from rcsr_jax import checkpoint, resumption, weights
from rcsr_jax.config import RunConfig, preset, replace_fields
from rcsr_jax.inference import load_predictor
from rcsr_jax.markup import Markup
from rcsr_jax.model import params_like

OWN = Markup(
    name="mine",
    mirror=(1, 0, 2, 3),
    eye_corners=(0, 1),
    eyes=((0,), (1,)),
    regions=(("nose", (2, 3)),),
    outlines=((0, 2, 1),),
)


@pytest.fixture(scope="module")
def workdir(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    save_run(folder)
    return folder


def export(folder, config: RunConfig = RUN, params=PARAMS):
    checkpoint.export_params(folder, params=params, config=config)
    return folder


def names_in(folder) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("name", ["fast", "paper", "demo"])
def test_parameters_are_float32_whatever_numbers_jax_prefers(name):
    with jax.enable_x64(True):
        leaves = jax.tree.leaves(params_like(preset(name).model))
    assert {leaf.dtype for leaf in leaves} == {np.dtype("float32")}


def test_a_checkpoint_is_read_where_jax_prefers_float64(tmp_path):
    with jax.enable_x64(True):
        params, config = checkpoint.load_params(export(tmp_path / "model"))
        assert_same(jax.device_get(params), PARAMS)
    assert config == RUN


def test_an_export_comes_back_to_the_bit(tmp_path):
    params, config = checkpoint.load_params(export(tmp_path / "deep" / "model"))
    assert_same(jax.device_get(params), PARAMS)
    assert config == RUN
    assert all(leaf.dtype == np.float32 for leaf in jax.tree.leaves(params))


def test_parameters_are_bound_to_no_device_as_those_of_a_weights_file(tmp_path):
    params, _ = checkpoint.load_params(export(tmp_path / "model"))
    assert all(type(leaf) is np.ndarray for leaf in jax.tree.leaves(params))


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


@pytest.mark.parametrize("name", ["folder", "file.npz"])
def test_the_settings_of_a_model_alone_are_refused(name, tmp_path):
    """A predictor holds these: what was written could not be read again."""
    with pytest.raises(ValueError, match="config must be a RunConfig, as load_params"):
        checkpoint.write_model(tmp_path / name, params=PARAMS, config=RUN.model)
    assert not list(tmp_path.iterdir())


def test_shipped_weights_are_read_by_name():
    by_name = checkpoint.load_params("fast")
    by_path = checkpoint.load_params(weights.shipped_weights("fast"))
    assert by_name[1] == by_path[1]
    jax.tree.map(np.testing.assert_array_equal, by_name[0], by_path[0])
    assert weights.model_source(Path("fast")) == weights.shipped_weights("fast")


def test_an_empty_folder_can_be_exported_into(tmp_path):
    assert_same(jax.device_get(checkpoint.load_params(export(tmp_path))[0]), PARAMS)


def test_an_empty_folder_can_be_exported_into_through_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    assert_same(checkpoint.load_params(export(tmp_path / "link"))[0], PARAMS)
    assert (tmp_path / "link").readlink() == Path("real")
    assert names_in(tmp_path) == ["link", "real"]


def notes(folder):
    folder.mkdir()
    (folder / "notes.txt").write_text("mine")


PUT_THERE = {
    "notes": notes,
    "export": export,
    "file": lambda path: path.write_text("mine"),
    "pipe": os.mkfifo,  # as a device: neither file nor folder
    "link_to_nothing": lambda path: path.symlink_to("gone"),
    "link_to_itself": lambda path: path.symlink_to(path.name),
}


@pytest.mark.parametrize("what", PUT_THERE)
def test_an_export_overwrites_nothing(what, tmp_path):
    folder = tmp_path / "model"
    PUT_THERE[what](folder)
    before = folder.lstat()
    with pytest.raises(ValueError, match="model exists already; choose a new folder"):
        export(folder, params=scaled(2))
    assert names_in(tmp_path) == ["model"]
    after = folder.lstat()
    assert (after.st_ino, after.st_mode) == (before.st_ino, before.st_mode)
    if what == "export":
        assert_same(jax.device_get(checkpoint.load_params(folder)[0]), PARAMS)


def refuse_to_write(*arguments, **options):
    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


@pytest.mark.parametrize("seen_by", ["us", "orbax"])
def test_an_export_without_room_tells_the_folder_and_leaves_nothing(
    seen_by, tmp_path, monkeypatch, caplog
):
    export(tmp_path / "old")
    with monkeypatch.context() as patch:
        if seen_by == "us":
            usage = shutil.disk_usage(tmp_path)._replace(free=1000)
            patch.setattr(shutil, "disk_usage", lambda folder: usage)
        else:  # once its temporary folder is there
            patch.setattr(json, "dumps", refuse_to_write)
        told = (
            r"can be written to .*/model: .*No space left.*See to room and permissions"
        )
        with pytest.raises(ValueError, match=told):
            export(tmp_path / "model")
    assert names_in(tmp_path) == ["old"]
    assert seen_by == "orbax" or not caplog.records  # no line but ours
    export(tmp_path / "model")


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
    folder = export(tmp_path / "model")
    other = RunConfig(model=dataclasses.replace(tiny.CONFIG, hidden_size=7))
    with pytest.raises(ValueError, match="has the shape .*, where the model has"):
        export(tmp_path / "other", other)
    export(tmp_path / "other", other, tiny.make_params(other.model))
    shutil.rmtree(folder / "config")
    (tmp_path / "other" / "config").rename(folder / "config")
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
    resumption.open_manager(tmp_path).close()
    with pytest.raises(ValueError, match="holds no finished checkpoint yet"):
        checkpoint.load_params(tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("nowhere", "nowhere does not exist"),
        (".", "is no checkpoint: give the folder"),
        ("face.stablehlo", "face.stablehlo is a program, which is not read back"),
        ("face.onnx", "face.onnx is a program, which is not read back"),
    ],
)
def test_what_is_no_checkpoint_is_refused(name, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        checkpoint.find_checkpoint(tmp_path / name)
