"""Every face is looked at once more in the mirror, where a model's settings say so."""

import dataclasses
import functools

import jax
import numpy as np
import pytest
import tiny
from skimage import data

from rcsr_jax.answers import predict
from rcsr_jax.config import DataConfig, RunConfig
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.ellipses import error_ellipses
from rcsr_jax.geometry import (
    frame_of_box,
    frame_of_shape,
    frames_at,
    mirror_points,
    tilt_of,
    to_photo,
)
from rcsr_jax.inference import Predictor, load_predictor
from rcsr_jax.validation import Judge

SHIFT = (0.06, -0.04)
CONFIG = dataclasses.replace(
    tiny.CONFIG, mirrored_look=True, annotation_shift=SHIFT, error_ratios=(1.5,) * 68
)
MEAN = tiny.mean_shape()
BOXES = np.array([[180, 120, 300, 240], [90, 60, 190, 150], [250, 200, 330, 290]])


@functools.cache
def photo() -> np.ndarray:
    y, x = np.mgrid[:400, :500] / 17
    grey = 127 + 60 * np.sin(x + 0.4 * y) + 60 * np.cos(y - 0.3 * x)
    return np.rint(grey).astype(np.uint8)


@functools.cache
def predictor(**changes) -> Predictor:
    return Predictor(
        tiny.make_params(output=0.05), dataclasses.replace(CONFIG, **changes)
    )


def moved(points: np.ndarray) -> np.ndarray:
    """Shapes [..., 68, 2] as people annotate them: by shares of the eye distance."""
    eyes = np.linalg.norm(points[..., 36, :] - points[..., 45, :], axis=-1)
    return points + eyes[..., None, None] * np.array(SHIFT)


@pytest.fixture(scope="module")
def by_hand() -> dict[str, np.ndarray]:
    """What is seen in the mirror images of upright crops, in the photo."""
    once = predictor(mirrored_look=False)(photo(), BOXES, num_steps=3).points
    first = moved(MEAN.astype(np.float64))
    tilt = tilt_of(once, mean_shape=first, markup=CONFIG.markup)
    frames = frame_of_shape(once, angle=tilt, mean_shape=first)
    crops = [cut_crop(photo(), frames_at(frames, face), size=32) for face in range(3)]
    plain = dataclasses.replace(
        CONFIG, mirrored_look=False, annotation_shift=(0.0, 0.0)
    )
    seen = predict(
        predictor().params, np.stack(crops)[:, :, ::-1], config=plain, num_steps=3
    )
    order = list(CONFIG.markup.mirror)

    def back(shapes):
        shapes = np.array(shapes, np.float64)[..., order, :]
        shapes[..., 0] = 31 - shapes[..., 0]
        return to_photo(moved(shapes), frames)

    error = np.asarray(seen.expected_error)[:, order] * frames.scale[:, None]
    return {
        "points": back(seen.points),
        "trajectory": back(seen.trajectory),
        "expected_error": error,
        "score": np.asarray(seen.score),
    }


def test_the_answer_is_the_mean_of_both_looks(by_hand):
    once = predictor(mirrored_look=False)(photo(), BOXES, num_steps=3)
    both = predictor()(photo(), BOXES, num_steps=3)
    assert np.abs(once.points - by_hand["points"]).max() > 2
    for name, values in by_hand.items():
        expected = (getattr(once, name) + values) / 2
        np.testing.assert_allclose(
            getattr(both, name), expected, rtol=1e-4, atol=0.01, err_msg=name
        )
        assert getattr(both, name).dtype == np.float32
    ellipses = error_ellipses(
        both.points,
        both.expected_error,
        ratios=CONFIG.error_ratios,
        markup=CONFIG.markup,
    )
    np.testing.assert_array_equal(both.ellipses, ellipses)


def test_a_sight_keeps_the_crops_of_the_look_before():
    sight = predictor().look(photo(), predictor().frames(photo(), BOXES))
    once = predictor(mirrored_look=False).look(photo(), sight.frames)
    assert sight.num_looks.tolist() == [2, 2, 2]
    np.testing.assert_array_equal(sight.crops, once.crops)
    for one, other in zip(sight.estimate, once.estimate, strict=True):
        np.testing.assert_array_equal(one, other)


def test_the_slower_look_tells_the_steps():
    config = {"max_steps": 6, "tolerance": 0.1}
    once = predictor(mirrored_look=False, **config)(photo(), BOXES)
    both = predictor(**config)(photo(), BOXES)
    assert (both.num_steps >= once.num_steps).all()
    assert (both.settled <= once.settled).all()


class Astray(Predictor):
    """Finds the first of two faces beyond the edge of its photo."""

    def _finish(self, pieces, crops, frames, **more):
        sight = super()._finish(pieces, crops, frames, **more)
        off = np.float32([[[300, 0]], [[0, 0]]])[-len(crops) :]
        return sight._replace(
            faces=sight.faces._replace(points=sight.faces.points + off)
        )


def test_a_face_that_cannot_be_seen_keeps_its_first_answer():
    looking = Astray(predictor().params, CONFIG)
    frames = looking.frames(photo(), BOXES[:2] + 100)
    sight = looking.look(photo(), frames)
    assert sight.num_looks.tolist() == [1, 2]
    once = predictor(mirrored_look=False).look(photo(), frames).faces
    np.testing.assert_allclose(
        sight.faces.points[0] - [300, 0], once.points[0], atol=1e-4
    )
    assert np.abs(sight.faces.points[1] - once.points[1]).max() > 0.5
    none = predictor()(photo(), np.zeros((0, 4)))
    assert none.points.shape == (0, 68, 2)


def test_it_comes_behind_the_further_looks():
    params = tiny.make_params(output=0)  # answers the mean shape, shifted
    params["mean_shape"] = params["mean_shape"] + np.float32([12, 0])  # off its crop
    for max_looks in (1, 3):
        model = dataclasses.replace(
            CONFIG, max_looks=max_looks, annotation_shift=(0.4, 0.0)
        )
        looking = Predictor(params, model)
        frames = looking.frames(photo(), BOXES)
        sight = looking.look(photo(), frames)
        plain = dataclasses.replace(model, mirrored_look=False)
        before = Predictor(params, plain).look(photo(), frames)
        np.testing.assert_array_equal(sight.num_looks, before.num_looks + 1)


@pytest.mark.parametrize("num_steps", [None, 4])
def test_a_stream_answers_as_a_call(num_steps):
    items = [(photo(), BOXES[:1]), (photo()[:300], BOXES[1:]), (photo(), BOXES[:0])]
    answers = predictor().stream(items, num_steps=num_steps, batch_size=2)
    for (image, boxes), answer in zip(items, answers, strict=True):
        direct = predictor()(image, boxes, num_steps=num_steps)
        np.testing.assert_allclose(answer.points, direct.points, atol=2e-2)


def test_compiling_beforehand_is_enough(caplog):
    looking = predictor(tolerance=0.0131).compile((3,))  # programs of its own
    looking.look(photo(), looking.frames(photo(), BOXES[:1]))  # NumPy's part of it
    with jax.log_compiles(), caplog.at_level("WARNING"):
        looking.look(photo(), looking.frames(photo(), BOXES))
    told = [record.getMessage() for record in caplog.records]
    assert [message for message in told if message.startswith("Compiling")] == []


def test_a_run_is_judged_by_what_calls_answer():
    """Held-out faces are seen in cached crops, which are 1.125 times as fine."""
    run = RunConfig(model=CONFIG, data=DataConfig(cache_margin=2.0))
    side = 72
    wide = frame_of_box(BOXES.astype(float), frame_scale=3.0, size=side)
    cached = [cut_crop(photo(), frames_at(wide, face), size=side) for face in range(3)]
    truth = np.random.default_rng(2).normal(0, 1, (3, 68, 2)) + (side - 1) / 2
    cache = CropCache(
        np.stack(cached), truth.astype(np.float32), wide, ("a", "b", "c"), ()
    )
    judge = Judge(cache, run)
    found = judge.predict(tiny.make_params(output=0.05))
    looking = predictor(annotation_shift=(0.0, 0.0))
    sight = looking.look(photo(), looking.frames(photo(), BOXES), num_steps=2)
    scale = sight.frames.scale
    there = to_photo(found.points, sight.frames)
    apart = np.linalg.norm(there - sight.faces.points, axis=-1) / scale[:, None]
    assert apart.mean() < 0.1 and apart.max() < 1  # crop px; a look moves them by 2
    error = found.expected_error * scale[:, None]
    np.testing.assert_allclose(error, sight.faces.expected_error, rtol=0.1)
    plain = Judge(cache, RunConfig(model=tiny.CONFIG, data=run.data))
    once = plain.predict(tiny.make_params(output=0.05))
    assert np.abs(once.points - found.points).max() > 0.5


@pytest.mark.slow
def test_a_mirrored_photo_has_nearly_the_mirrored_answer():
    """The looks at a face and at its mirror image are each other's, but for the box."""
    shipped = load_predictor(preset="fast")
    config = dataclasses.replace(shipped.config, annotation_shift=(0.0, 0.0))
    box, image = np.array([179, 86, 271, 178]), data.astronaut()
    flipped = np.array([511 - box[2], box[1], 511 - box[0], box[3]])
    apart = []
    for mirrored_look in (False, True):
        model = dataclasses.replace(config, mirrored_look=mirrored_look)
        looking = Predictor(shipped.params, model)
        plain = looking(image, box).points
        turned = looking(image[:, ::-1], flipped).points
        back = mirror_points(turned, width=512, markup=config.markup)
        apart.append(np.linalg.norm(plain - back, axis=-1).mean())
    assert apart[1] < 0.8 * apart[0]
