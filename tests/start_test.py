"""A run starts from given parameters, or from the mean of several."""

import dataclasses

import jax
import numpy as np
import pytest
import tiny

from rcsr_jax.checkpoint import export_params
from rcsr_jax.config import RunConfig, preset, replace_fields
from rcsr_jax.geometry import frame_of_box, to_photo
from rcsr_jax.markup import FACE_68, subset
from rcsr_jax.model import init_params
from rcsr_jax.start import completed, given_params, is_whole
from rcsr_jax.weights import read_weights, shipped_weights

RUN = replace_fields(RunConfig(model=tiny.CONFIG), {"data": "drawn"})
SHAPE = tiny.mean_shape()
WITH_CONTEXT = {"context_widths": (4, 6), "context_blocks": (1,)}


@pytest.fixture(scope="module")
def given(tmp_path_factory):
    """Three exported models: folder -> parameters."""
    place = tmp_path_factory.mktemp("given")
    made = {}
    for number, output in enumerate((0.1, 0.3, 0.8)):
        params = tiny.make_params(output=output)
        params["mean_shape"] = SHAPE + np.float32(number)
        export_params(place / f"{number}", params=params, config=RUN)
        made[str(place / f"{number}")] = params
    return made


def start(*sources, **changes):
    run = replace_fields(RUN, {"init_from": ",".join(sources), **changes})
    return jax.device_get(given_params(run))


def test_without_any_it_starts_from_fresh_ones():
    assert given_params(RUN) is None


def test_one_model_is_taken_to_the_bit(given):
    source, params = next(iter(given.items()))
    jax.tree.map(np.testing.assert_array_equal, start(source), params)


def test_of_several_the_mean_is_taken(given):
    mean = jax.tree.map(
        lambda *leaves: np.mean(np.float64(leaves), axis=0), *given.values()
    )
    found = start(*given)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-6), found, mean)
    np.testing.assert_allclose(found["mean_shape"], SHAPE + 1, rtol=1e-6)


def test_each_of_them_must_be_the_same_network(given, tmp_path):
    wide = replace_fields(RUN, {"hidden_size": 6})
    other = tmp_path / "wide"
    export_params(other, params=tiny.make_params(wide.model), config=wide)
    with pytest.raises(ValueError, match=r"wide is another .*hidden_size is 6, not 5"):
        start(*given, str(other))
    with pytest.raises(ValueError, match="gone does not exist"):
        start(*given, "gone")


def test_landmarks_may_be_called_otherwise_but_not_be_others(given, tmp_path):
    source, params = next(iter(given.items()))
    renamed = dataclasses.replace(FACE_68, name="mine", regions=())
    found = start(source, markup=renamed)
    jax.tree.map(np.testing.assert_array_equal, found, params)


def test_a_model_of_other_landmarks_gives_what_sees_the_picture(tmp_path):
    few = subset(FACE_68, tuple(range(17, 68)), name="51")
    ours = replace_fields(RUN, {**WITH_CONTEXT, "markup": few})
    theirs = replace_fields(RUN, WITH_CONTEXT)
    params = tiny.make_params(theirs.model)
    source = tmp_path / "of_68"
    export_params(source, params=params, config=theirs)
    given = jax.device_get(
        given_params(replace_fields(ours, {"init_from": str(source)}))
    )
    assert not is_whole(given)
    fresh = init_params(jax.random.key(4), config=ours.model, mean_shape=SHAPE[17:])
    found = completed(given, fresh)
    assert jax.tree.map(np.shape, found) == jax.tree.map(np.shape, fresh)
    known = {
        *(f"features/{name}" for name in ("b1", "b2", "b3", "w1", "w2", "w3")),
        *(f"context/{name}" for name in ("first", "down0", "block0_0", "lift0", "up0")),
    }
    for part, layers in found["network"].items():
        for name, layer in layers.items():
            origin = params if f"{part}/{name}" in known else fresh
            expected = origin["network"][part][name]
            jax.tree.map(np.testing.assert_array_equal, layer, expected)
    np.testing.assert_array_equal(found["mean_shape"], fresh["mean_shape"])
    mine = tmp_path / "of_51"
    export_params(mine, params=found, config=ours)
    both = replace_fields(ours, {"init_from": f"{source},{mine}"})
    with pytest.raises(
        ValueError, match="landmarks of 51 and of others: give one kind"
    ):
        given_params(both)


def test_from_crops_of_another_size_the_mean_shape_is_enlarged(given):
    """The same place of the photo, in a crop of the same window with other pixels."""
    source, params = next(iter(given.items()))
    size = 2 * tiny.CONFIG.crop_size
    found = start(source, crop_size=size)
    box = np.array([10.0, 20.0, 70.0, 90.0])
    scale = tiny.CONFIG.frame_scale
    coarse = frame_of_box(box, frame_scale=scale, size=tiny.CONFIG.crop_size)
    fine = frame_of_box(box, frame_scale=scale, size=size)
    np.testing.assert_allclose(
        to_photo(found["mean_shape"], fine),
        to_photo(params["mean_shape"], coarse),
        rtol=1e-6,
    )
    jax.tree.map(np.testing.assert_array_equal, found["network"], params["network"])


def test_shipped_weights_are_named():
    run = replace_fields(preset("fast"), {"init_from": "fast"})
    expected, _ = read_weights(shipped_weights("fast"))
    jax.tree.map(np.testing.assert_array_equal, given_params(run), expected)
    with pytest.raises(
        ValueError,
        match="init_from=base is another network: frame_scale is 1.2, not 1.4, filters",
    ):
        given_params(replace_fields(preset("fast"), {"init_from": "base"}))


def test_mirror_images_may_be_asked_for(given):
    source, params = next(iter(given.items()))
    found = start(source, mirror_average=True)
    jax.tree.map(np.testing.assert_array_equal, found, params)
