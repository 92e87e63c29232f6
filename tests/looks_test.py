"""Faces that do not lie in their crops as faces do are looked at again, and no others."""

import dataclasses
import functools
import weakref

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from PIL import Image
from skimage import data

from rcsr_jax.disturbance import Disturbance, disturb
from rcsr_jax.geometry import (
    Frame,
    frame_of_box,
    frames_at,
    to_crop,
    to_photo,
    turned,
)
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.looks import join_sights, tilt_worth_turning

CONFIG = dataclasses.replace(tiny.CONFIG, max_looks=3)
ASTRONAUT = np.array([179, 86, 271, 178])
MEAN = tiny.mean_shape()
EYES = np.linalg.norm(MEAN[45] - MEAN[36])
IMAGE = np.zeros((400, 500), np.uint8)


@functools.cache
def fast(max_looks: int = 3) -> Predictor:
    shipped = load_predictor(preset="fast")
    config = dataclasses.replace(shipped.config, max_looks=max_looks)
    return Predictor(shipped.params, config)


@functools.cache
def upright() -> tuple[np.ndarray, float]:
    """The landmarks of the astronaut, and the distance between her eyes."""
    points = fast()(data.astronaut(), ASTRONAUT).points[0]
    return points, float(np.linalg.norm(points[45] - points[36]))


class Oracle(Predictor):
    """Finds the face wherever it is, whatever it sees; counts its looks."""

    def __init__(self, face, config=CONFIG):
        super().__init__(tiny.make_params(output=0), config)
        object.__setattr__(self, "face", np.asarray(face, np.float32))
        object.__setattr__(self, "seen", [])

    def _finish(self, pieces, crops, frames, **more):
        self.seen.append(frames)
        sight = super()._finish(pieces, crops, frames, **more)
        points = np.repeat(self.face[None], len(crops), 0)
        return sight._replace(faces=sight.faces._replace(points=points))


def placed(frame: Frame, *, shift=(0.0, 0.0), scale=1.0, degrees=0.0) -> np.ndarray:
    """The mean shape in a frame, resized and turned about its middle and moved."""
    middle = MEAN.mean(0)
    lies = turned(scale * (MEAN - middle), np.deg2rad(degrees)) + middle
    return to_photo(lies + np.multiply(shift, EYES), frame)


BOX = np.array([180.0, 120.0, 300.0, 240.0])
FRAME = frame_of_box(BOX, frame_scale=CONFIG.frame_scale, size=CONFIG.crop_size)


@pytest.mark.parametrize(
    ("placing", "looks"),
    [
        ({}, 1),
        ({"shift": (0.24, 0.0)}, 1),
        ({"shift": (0.0, -0.26)}, 2),
        ({"shift": (0.18, 0.18)}, 2),
        ({"scale": 1.19}, 1),
        ({"scale": 1.21}, 2),
        ({"scale": 0.89}, 1),
        ({"scale": 0.87}, 2),
        ({"degrees": 17.0}, 1),
        ({"degrees": -19.0}, 2),
        ({"degrees": 170.0}, 2),
        # where there is no face, landmarks may be anywhere, and in a heap
        ({"scale": 0.2}, 1),
        ({"scale": 4.5}, 1),
        ({"scale": 0.0}, 1),
        ({"shift": (9.0, 0.0)}, 1),
        ({"shift": (2.0, 0.0)}, 1),  # in the photo, but no more in the crop
        ({"shift": (np.nan, 0.0)}, 1),
    ],
)
def test_a_face_is_looked_at_again_where_it_lies_astray(placing, looks):
    oracle = Oracle(placed(FRAME, **placing))
    sight = oracle.look(IMAGE, oracle.frames(IMAGE, BOX))
    np.testing.assert_array_equal(sight.num_looks, [looks])
    assert len(oracle.seen) == looks
    np.testing.assert_array_equal(sight.faces.points[0], oracle.face)
    if looks == 2:  # it lies as the mean shape does then, as large as one face
        lies = to_crop(oracle.face[None].astype(float), sight.frames)[0]
        middle = (MEAN.min(0) + MEAN.max(0)) / 2
        np.testing.assert_allclose(lies, middle + 1.03 * (MEAN - middle), atol=1e-3)


def test_how_faces_lie_is_told_by_the_mean_shape_as_it_is_annotated():
    config = dataclasses.replace(CONFIG, annotation_shift=(0.3, 0.0))
    for shift, looks in ((0.3, 1), (0.0, 2)):
        oracle = Oracle(placed(FRAME, shift=(shift, 0.0)), config)
        sight = oracle.look(IMAGE, oracle.frames(IMAGE, BOX))
        np.testing.assert_array_equal(sight.num_looks, [looks])


@pytest.mark.parametrize(
    "frames",
    [
        Frame(FRAME.corner[None], FRAME.scale[None]),  # without its angle
        FRAME,  # of one face
        frame_of_box(jnp.asarray(BOX)[None], frame_scale=CONFIG.frame_scale, size=32),
        Frame(np.rint(FRAME.corner[None]).astype(int), FRAME.scale[None]),
    ],
    ids=["no angle", "one", "of JAX", "whole numbers"],
)
def test_frames_of_any_kind_are_looked_at_again(frames):
    predictor = Oracle(placed(FRAME, shift=(0.5, 0.1)))
    sight = predictor.look(IMAGE, frames)
    assert sight.num_looks.tolist() == [2]
    better = predictor.frames_around(predictor.face[None])
    for one, other in zip(sight.frames, better, strict=True):
        assert isinstance(one, np.ndarray) and one.dtype == np.float64
        np.testing.assert_array_equal(one, other)


def test_a_picture_of_pillow_is_looked_at_again_like_an_array():
    image, shifted = data.astronaut(), ASTRONAUT + np.array([40, 0, 40, 0])
    expected = fast()(image, shifted)
    photo = Image.fromarray(image)
    np.testing.assert_array_equal(fast()(photo, shifted).points, expected.points)
    (streamed,) = fast().stream([(photo, shifted[None])])
    np.testing.assert_array_equal(streamed.points, expected.points)


def test_a_face_that_is_never_at_rest_is_looked_at_as_often_as_is_allowed():
    class Restless(Oracle):
        def _finish(self, pieces, crops, frames, **more):
            sight = super()._finish(pieces, crops, frames, **more)
            first = Frame(*(values[0] for values in frames))
            points = placed(first, shift=(0.5, 0.0))[None].astype(np.float32)
            return sight._replace(faces=sight.faces._replace(points=points))

    for most in (1, 2, 3, 5):
        config = dataclasses.replace(CONFIG, max_looks=most)
        restless = Restless(MEAN, config)
        sight = restless.look(IMAGE, restless.frames(IMAGE, BOX))
        assert len(restless.seen) == sight.num_looks[0] == most


def test_only_the_faces_that_need_it_are_looked_at_again():
    oracle = Oracle(placed(FRAME))
    boxes = np.stack([BOX, BOX + 60, BOX - 3])
    sight = oracle.look(IMAGE, oracle.frames(IMAGE, boxes))
    np.testing.assert_array_equal(sight.num_looks, [1, 2, 1])
    assert [len(frames.scale) for frames in oracle.seen] == [3, 1]
    around = oracle.frames_around(oracle.face[None])
    np.testing.assert_array_equal(sight.frames.corner[1], around.corner[0])
    np.testing.assert_array_equal(sight.frames.corner[2], FRAME.corner - 3)


def test_a_face_whose_middle_is_outside_the_photo_is_looked_at_once():
    oracle = Oracle(placed(FRAME, shift=(0.5, 0.0)))
    for width, looks in ((400, 2), (200, 1)):
        sight = oracle.look(IMAGE[:, :width], oracle.frames(IMAGE[:, :width], BOX))
        np.testing.assert_array_equal(sight.num_looks, [looks])


def test_a_small_tilt_is_not_worth_turning():
    tilts = np.array([0.0, 9.0, -9.9, 10.1, -100.0])
    shapes = np.stack([turned(MEAN, np.deg2rad(tilt)) for tilt in tilts])
    angles = tilt_worth_turning(shapes, mean_shape=MEAN, markup=CONFIG.markup)
    np.testing.assert_allclose(np.rad2deg(angles), [0, 0, 0, 10.1, -100], atol=1e-9)


@pytest.mark.parametrize(
    ("kind", "once", "often"),
    [
        (Disturbance(degrees=65), 0.025, 0.02),
        (Disturbance(degrees=-65), 0.03, 0.02),
        (Disturbance(scale=0.6), 0.03, 0.02),
        (Disturbance(scale=1.7), 0.03, 0.02),
        (Disturbance(shift_x=0.4), 0.03, 0.02),
        (Disturbance(shift_y=-0.35, scale=1.3), 0.02, 0.02),
    ],
)
@pytest.mark.slow
def test_a_bad_box_costs_little_with_further_looks(kind, once, often):
    points, eyes = upright()
    frame_scale = fast().config.frame_scale
    seen = disturb(data.astronaut(), points, ASTRONAUT, kind, frame_scale=frame_scale)

    def off(predictor):
        found = predictor(seen[0], seen[2]).points[0]
        return np.linalg.norm(found - seen[1], axis=-1).mean() / eyes

    assert off(fast(1)) > once
    assert off(fast()) < often


@pytest.mark.parametrize("num_steps", [None, 4])
def test_a_stream_looks_as_often_as_a_call(num_steps):
    """Batches of several photos, whose faces are looked at again in part."""
    image = data.astronaut()
    boxes = [
        ASTRONAUT + np.array(shift) for shift in ([0] * 4, [40, 0] * 2, [-30, 20] * 2)
    ]
    items = [(image, boxes[:1]), (image[:400], boxes), (image, boxes[2:]), (image, [])]
    answers = fast().stream(
        [items[0], lambda: items[1], *items[2:]], num_steps=num_steps, batch_size=4
    )
    for (photo, some), answer in zip(items, answers, strict=True):
        direct = fast()(photo, np.array(some), num_steps=num_steps)
        np.testing.assert_allclose(answer.points, direct.points, atol=2e-2)
        np.testing.assert_array_equal(answer.num_steps, direct.num_steps)
        assert answer.trajectory.shape == direct.trajectory.shape
    points, eyes = upright()
    again = fast().look(items[1][0], fast().frames(items[1][0], np.array(boxes)))
    np.testing.assert_array_equal(again.num_looks, [1, 2, 2])
    off = np.linalg.norm(again.faces.points - points, axis=-1).mean(-1) / eyes
    assert off.max() < 0.02


def test_the_crops_of_the_last_look_give_the_answer_of_a_call():
    image = data.astronaut()
    box = ASTRONAUT + np.array([40, 0, 40, 0])
    frames = fast().frames(image, box)
    sight = fast().look(image, frames)
    assert sight.num_looks.tolist() == [2]
    answer = fast().from_crops(sight.crops, sight.frames)
    np.testing.assert_array_equal(answer.points, fast()(image, box).points)
    np.testing.assert_array_equal(answer.trajectory, fast()(image, box).trajectory)
    _, estimate = fast().resume(sight.crops, sight.frames)
    for one, other in zip(sight.estimate, estimate, strict=True):
        np.testing.assert_array_equal(one, other)
    there = to_photo(sight.estimate.points, sight.frames)
    np.testing.assert_allclose(there, sight.faces.points, atol=1e-3)
    once = fast(1).look(image, frames)
    assert once.num_looks.tolist() == [1]
    for one, other in zip(once.frames, frames, strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_array_equal(once.crops, fast().crops(image, box)[0])


def test_what_was_seen_of_several_photos_is_joined():
    image = data.astronaut()
    boxes = ASTRONAUT + np.array([[0, 0, 0, 0], [40, 0, 40, 0], [-30, 20, -30, 20]])
    frames = fast().frames(image, boxes)
    whole = fast().look(image, frames)
    photos = [
        fast().look(image, frames_at(frames, faces)) for faces in ([0], [1, 2], [])
    ]
    joined = join_sights(photos)
    assert jax.tree.structure(joined) == jax.tree.structure(whole)
    for one, other in zip(jax.tree.leaves(joined), jax.tree.leaves(whole), strict=True):
        assert one.dtype == other.dtype
        of_crops = one.dtype == np.uint8  # placed by landmarks to their last bits
        np.testing.assert_allclose(
            one.astype(float), other, rtol=0, atol=1 if of_crops else 2e-2
        )


def test_a_stream_of_sights_gives_what_single_looks_give():
    image = data.astronaut()
    boxes = ASTRONAUT + np.array([[40, 0, 40, 0], [0, 0, 0, 0]])
    items = [(image, boxes), (image, boxes[:0]), (image, boxes[:1])]
    for (photo, some), sight in zip(items, fast().sights(items), strict=True):
        direct = fast().look(photo, fast().frames(photo, some))
        for one, other in zip(
            jax.tree.leaves(sight), jax.tree.leaves(direct), strict=True
        ):
            assert one.shape == other.shape
            atol = 1 if one.dtype == np.uint8 else 2e-2
            np.testing.assert_allclose(one.astype(float), other, rtol=0, atol=atol)


def test_streams_keep_photos_that_may_be_looked_at_again_and_no_others():
    alive = set()

    def photo(boxes):
        image = np.zeros((40, 50), np.uint8)
        alive.add(id(image))
        weakref.finalize(image, alive.discard, id(image))
        return image, boxes

    def most_alive(max_looks, boxes):
        config = dataclasses.replace(CONFIG, max_looks=max_looks)
        predictor = Predictor(tiny.make_params(), config)
        items = [functools.partial(photo, boxes) for _ in range(64)]
        answers = predictor.stream(items, batch_size=8, num_threads=1)
        return max(len(alive) for _ in answers)

    box = np.array([[10.0, 10, 30, 30]])
    assert most_alive(1, box) <= 2
    assert most_alive(3, box[:0]) <= 2
    assert 8 <= most_alive(3, box) <= 25


def test_compiling_beforehand_is_enough_for_further_looks(caplog):
    config = dataclasses.replace(CONFIG, tolerance=0.0132)  # programs of its own
    oracle = Oracle(placed(FRAME), config).compile((4,))
    boxes = np.stack([BOX, BOX + 60, BOX - 60, BOX - 50])
    oracle.look(IMAGE, oracle.frames(IMAGE, boxes[:2]))  # NumPy's part of it
    with jax.log_compiles(), caplog.at_level("WARNING"):
        sight = oracle.look(IMAGE, oracle.frames(IMAGE, boxes))
    np.testing.assert_array_equal(sight.num_looks, [1, 2, 2, 2])
    told = [record.getMessage() for record in caplog.records]
    assert [message for message in told if message.startswith("Compiling")] == []


@pytest.mark.parametrize("looks", [0, -1, 1001, 1.5])
def test_a_number_of_looks_that_cannot_be_is_refused(looks):
    with pytest.raises(ValueError, match="max_looks"):
        dataclasses.replace(CONFIG, max_looks=looks)
