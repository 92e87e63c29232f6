"""Weights files: a model comes back within float16, and damage has one clear message."""

import dataclasses
import json

import jax
import numpy as np
import pytest
import tiny
from three import THREE

from rcsr_jax import weights
from rcsr_jax.checkpoint import load_params
from rcsr_jax.config import RunConfig, replace_fields
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.inference import Predictor, load_predictor

RUN = RunConfig(model=tiny.CONFIG)
PARAMS = tiny.make_params()


def write(path, config: RunConfig = RUN, params=PARAMS):
    weights.write_weights(path, params=params, config=config)
    return path


def contents(path) -> dict:
    with np.load(path, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def rewrite(path, **changes) -> None:
    """The file with other arrays or another header; None removes."""
    arrays = {**contents(path), **changes}
    np.savez(path, **{name: a for name, a in arrays.items() if a is not None})


def header_with(path, **changes) -> np.ndarray:
    return np.array(
        json.dumps({**json.loads(str(contents(path)["header"])), **changes})
    )


def test_a_model_comes_back_as_float32_within_float16(tmp_path):
    params, config = weights.read_weights(write(tmp_path / "deep" / "model.npz"))
    assert config == RUN
    assert jax.tree.structure(params) == jax.tree.structure(PARAMS)
    np.testing.assert_array_equal(params["mean_shape"], PARAMS["mean_shape"])

    def close(found, stored):
        assert found.dtype == np.float32
        # half of the last of 11 bits, or of the smallest step there is
        np.testing.assert_array_less(
            np.abs(found - stored), np.abs(stored) / 2**11 + 2.0**-25 + 1e-12
        )

    jax.tree.map(close, params["network"], PARAMS["network"])
    kernel = np.asarray(PARAMS["network"]["output"]["kernel"])
    assert (params["network"]["output"]["kernel"] != kernel).any()


def test_a_file_takes_two_bytes_a_weight(tmp_path):
    size = write(tmp_path / "model.npz").stat().st_size
    leaves = jax.tree.leaves(PARAMS)
    count = sum(leaf.size for leaf in leaves)
    assert 2 * count < size < 2 * count + 8000 + 600 * len(leaves)


def test_writing_and_reading_again_changes_nothing_more(tmp_path):
    first = write(tmp_path / "first.npz")
    params, config = weights.read_weights(first)
    second = write(tmp_path / "second.npz", config, params)
    assert first.read_bytes() == second.read_bytes()


def test_the_answers_hardly_change(tmp_path):
    face = draw_face(5, 0)
    predictor = load_predictor(write(tmp_path / "model.npz"))
    assert predictor.config == tiny.CONFIG
    before = Predictor(PARAMS, tiny.CONFIG)(face.image, face.box, num_steps=2).points
    after = predictor(face.image, face.box, num_steps=2).points
    size = face.box[2] - face.box[0]
    assert 0 < np.abs(after - before).max() < 0.01 * size


def test_what_reads_a_checkpoint_reads_a_weights_file(tmp_path):
    path = write(tmp_path / "model.npz")
    found, read = load_params(str(path))[0], weights.read_weights(path)[0]
    jax.tree.map(np.testing.assert_array_equal, found, read)
    with pytest.raises(ValueError, match="gone.npz cannot be read: there is no such"):
        load_params(tmp_path / "gone.npz")


def test_a_model_of_own_landmarks_comes_back(tmp_path):
    run = replace_fields(RUN, {"markup": THREE})
    params, config = weights.read_weights(
        write(tmp_path / "model.npz", run, tiny.make_params(run.model))
    )
    assert config == run and config.model.markup == THREE
    assert params["mean_shape"].shape == (3, 2)


def test_the_folders_of_the_training_data_are_not_told(tmp_path):
    changes = {"data": "/home/me/300W,drawn,b/c/", "boxes": "/home/me/boxes.csv"}
    changes |= {"last_data": "/home/me/exact,.", "last_updates": 5}
    path = write(tmp_path / "model.npz", replace_fields(RUN, changes))
    data = weights.read_weights(path)[1].data
    assert (data.data, data.boxes) == ("300W,drawn,c", "boxes.csv")
    assert data.last_data == "exact,."
    assert "home" not in str(contents(path)["header"])


def test_nothing_in_a_file_needs_pickle(tmp_path):
    for name, array in contents(write(tmp_path / "model.npz")).items():
        kind = "U" if name == "header" else "f"
        assert array.dtype.kind == kind, name


@pytest.mark.parametrize("value", [7e4, np.inf, np.nan])
def test_a_weight_that_float16_cannot_hold_is_named(value, tmp_path):
    params = jax.tree.map(np.copy, PARAMS)
    params["network"]["output"]["bias"][3] = value
    with pytest.raises(ValueError, match=r"network/output/bias holds .*float16"):
        write(tmp_path / "model.npz", params=params)
    assert not (tmp_path / "model.npz").exists()


def test_what_could_not_be_read_is_not_written(tmp_path):
    other = dataclasses.replace(
        RUN, model=dataclasses.replace(RUN.model, hidden_size=7)
    )
    with pytest.raises(ValueError, match=r"has the shape \(.*, where the model has \("):
        write(tmp_path / "model.npz", other)
    astray = {**PARAMS, "mean_shape": np.full_like(PARAMS["mean_shape"], np.nan)}
    with pytest.raises(ValueError, match="mean_shape holds what is not a finite"):
        write(tmp_path / "model.npz", params=astray)
    assert list(tmp_path.iterdir()) == []


def test_a_file_is_not_overwritten_and_has_its_ending(tmp_path):
    path = write(tmp_path / "model.npz")
    with pytest.raises(ValueError, match=r"model\.npz exists already; choose a new"):
        write(path)
    with pytest.raises(ValueError, match=r"model\.zip: a weights file ends in \.npz"):
        write(tmp_path / "model.zip")


def test_a_flipped_weight_is_noticed(tmp_path):
    path = write(tmp_path / "model.npz")
    kernel = contents(path)["network/output/kernel"]
    kernel[0, 0] += 1
    rewrite(path, **{"network/output/kernel": kernel})  # a whole zip file
    with pytest.raises(
        ValueError, match=r"model\.npz .*: .* does not match its checks"
    ):
        weights.read_weights(path)


def test_a_changed_setting_is_noticed(tmp_path):
    path = write(tmp_path / "model.npz")
    run = json.loads(str(contents(path)["header"]))["run"]
    run["model"]["tolerance"] = 0.5
    rewrite(path, header=header_with(path, run=run))
    with pytest.raises(
        ValueError, match=r"model\.npz .*: .* does not match its checks"
    ):
        weights.read_weights(path)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.999])
def test_a_cut_file_is_named(part, tmp_path):
    path = write(tmp_path / "model.npz")
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    with pytest.raises(ValueError, match=r"weights file .*model\.npz cannot be read: "):
        weights.read_weights(path)


def test_a_byte_flipped_anywhere_never_passes_for_another_model(tmp_path):
    path = write(tmp_path / "model.npz")
    content = path.read_bytes()
    read = weights.read_weights(path)
    for place in np.linspace(0, len(content) - 1, 60).astype(int):
        damaged = bytearray(content)
        damaged[place] ^= 255
        path.write_bytes(damaged)
        try:
            found = weights.read_weights(path)
        except ValueError as error:
            assert "model.npz cannot be read: " in str(error)
        else:  # a date or another field that nothing depends on
            jax.tree.map(np.testing.assert_array_equal, found[0], read[0])
            assert found[1] == read[1]


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": 2}, "it is of format 2, where this version .* reads 1"),
        ([], "it is of format None"),
        ({"format": 1}, "its header lacks run, sha256"),
        ("{", "Expecting property name"),
    ],
)
def test_a_header_of_another_version_is_named(header, message, tmp_path):
    path = write(tmp_path / "model.npz")
    text = header if isinstance(header, str) else json.dumps(header)
    rewrite(path, header=np.array(text))
    with pytest.raises(ValueError, match=f"model.npz cannot be read: .*{message}"):
        weights.read_weights(path)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"hidden_size": 7}, r"has the shape \(.*\), where the model has \("),
        ({"cell": "gru"}, "where the model has"),
    ],
)
def test_parameters_of_another_model_are_named(changes, message, tmp_path, monkeypatch):
    with monkeypatch.context() as patch:  # as an earlier version wrote them
        patch.setattr(weights, "check_params", lambda params, *, config: None)
        path = write(tmp_path / "model.npz", replace_fields(RUN, changes))
    with pytest.raises(ValueError, match=f"model.npz cannot be read: .*{message}"):
        weights.read_weights(path)


def test_shipped_weights_are_found_by_their_preset(tmp_path, monkeypatch):
    monkeypatch.setattr(weights, "_SHIPPED", tmp_path)
    with pytest.raises(ValueError, match=r"preset 'base' come with .* has none; give"):
        load_predictor()
    base = write(tmp_path / "base.npz")
    other = replace_fields(RUN, {"tolerance": 0.123})
    fast = write(tmp_path / "fast.npz", other)
    assert (weights.shipped_weights("base"), weights.shipped_weights("fast")) == (
        base,
        fast,
    )
    assert load_predictor().config == RUN.model
    assert load_predictor(preset="base").config == RUN.model
    assert load_predictor(preset="fast").config == other.model
    for preset in ("large", "../base", ""):
        with pytest.raises(
            ValueError, match=f"{preset!r} come .* has base, fast; give"
        ):
            load_predictor(preset=preset)
    with pytest.raises(ValueError, match="a checkpoint or a preset; got .*'fast'"):
        load_predictor(base, preset="fast")
    # a name means shipped weights where no model lies here that is called so
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fast").mkdir()  # of what an evaluation wrote, say
    assert load_predictor("fast").config == other.model
    (tmp_path / "fast" / "checkpoints").mkdir()
    with pytest.raises(ValueError, match="fast holds no finished checkpoint yet"):
        load_predictor("fast")
    with pytest.raises(ValueError, match="large does not exist"):
        load_predictor("large")


def test_all_that_is_shipped_can_be_read_and_stays_small():
    files = sorted(weights._SHIPPED.glob("*.npz"))
    assert sum(path.stat().st_size for path in files) <= 8 * 2**20
    for path in files:
        assert weights.read_weights(path)[1].model.num_points > 0
