"""Validation sees held-out faces as prediction would, and judges shapes by hand's rules."""

import dataclasses
import functools

import numpy as np
import pytest
import tiny

from rcsr_jax import updates, validation
from rcsr_jax.answers import predict
from rcsr_jax.config import DataConfig, RunConfig, TrainConfig, replace_fields
from rcsr_jax.data.augment import STRAIGHT, cut_view
from rcsr_jax.data.batches import TrainingSet
from rcsr_jax.data.crop_builds import open_or_build
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.cutting import Source, cut_crop
from rcsr_jax.geometry import Frame, frame_of_box, to_crop
from rcsr_jax.stopping import calibrate_tolerance
from rcsr_jax.validation import Judge, measured_tolerance, points_in_crops

RUN = RunConfig(
    model=tiny.CONFIG,
    data=DataConfig(cache_margin=1.4),
    train=TrainConfig(batch_size=64),
)
SIDE = 50  # 32 crop pixels, 1.4 times as wide, 1.125 times as fine, rounded
BOX = np.array([40, 30, 90, 84], np.float32)


def photo() -> np.ndarray:
    y, x = np.mgrid[:120, :140] / 9
    grey = 127 + 50 * np.sin(x + 0.4 * y) + 50 * np.cos(y - 0.3 * x)
    return np.rint(grey).astype(np.uint8)


@pytest.fixture(scope="module")
def one_face(tmp_path_factory) -> tuple[CropCache, np.ndarray]:
    """A cached face and its landmarks in the photo."""
    points = np.random.default_rng(0).uniform(40, 84, (68, 2)).astype(np.float32)
    source = Source("face", lambda: (photo(), points, BOX), stamp="1")
    folder = tmp_path_factory.mktemp("cache") / "crops"
    return open_or_build(folder, [source], model=RUN.model, data=RUN.data), points


@functools.cache
def many_faces(count: int = 70) -> CropCache:
    random = np.random.default_rng(1)
    crops = random.integers(0, 256, (count, SIDE, SIDE), dtype=np.uint8)
    points = (tiny.mean_shape() - 15.5) * SIDE / (1.4 * 32) + (SIDE - 1) / 2
    points = points + random.normal(0, 2, (count, 1, 2))
    frames = Frame(np.zeros((count, 2)), np.ones(count))
    names = tuple(str(n) for n in range(count))
    return CropCache(crops, points.astype(np.float32), frames, names, ())


@functools.cache
def judge() -> Judge:
    return Judge(many_faces(), RUN)


def test_landmarks_lie_in_the_crop_as_in_a_crop_of_the_photo(one_face):
    cache, points = one_face
    where = frame_of_box(BOX, frame_scale=RUN.model.frame_scale, size=32)
    found = points_in_crops(cache, RUN.model, RUN.data)
    np.testing.assert_allclose(found[0], to_crop(points, where), atol=1e-4)


def test_the_straight_view_moves_landmarks_alike():
    found = points_in_crops(many_faces(), RUN.model, RUN.data)
    for face in (0, 69):
        expected = cut_view(
            many_faces().crops[face],
            many_faces().points[face],
            STRAIGHT,
            size=32,
            margin=1.4,
            markup=RUN.model.markup,
        )[1]
        np.testing.assert_allclose(found[face], expected, atol=1e-4)


def test_it_looks_at_what_prediction_would_see(one_face):
    seen = Judge(one_face[0], RUN).crops[0]
    where = frame_of_box(BOX, frame_scale=RUN.model.frame_scale, size=32)
    np.testing.assert_allclose(seen, cut_crop(photo(), where, size=32), atol=6)


def test_a_perfect_shape_has_no_error():
    assert judge().error(judge().points) == 0


def test_the_error_of_a_shift_is_its_share_of_the_eye_distance():
    shifted = judge().points + np.float32([3, 4])
    eyes = judge().points[:, [36, 45]]
    distance = np.hypot(*(eyes[:, 0] - eyes[:, 1]).T)  # 13 crop px, like the mean shape
    np.testing.assert_allclose(distance, 13, rtol=1e-4)
    assert judge().error(shifted) == pytest.approx(100 * 5 / 13, rel=1e-4)


def test_the_error_of_the_mean_shape_by_hand():
    guess = np.broadcast_to(tiny.mean_shape(), judge().points.shape)
    truth = np.asarray(judge().points, np.float64)
    away = np.linalg.norm(guess - truth, axis=-1).mean(-1)
    eyes = np.linalg.norm(truth[:, 36] - truth[:, 45], axis=-1)
    expected = 100 * (away / eyes).mean()
    assert judge().error(guess) == pytest.approx(expected, rel=1e-4)
    # a model that has learned nothing answers the mean shape, where people annotate it
    points, measured = judge().measure(tiny.make_params(output=0))
    shift = np.array(measured["annotation_shift"])
    away = np.linalg.norm(guess + 13 * shift - truth, axis=-1).mean(-1)
    expected = 100 * (away / eyes).mean()
    assert judge().error(points) == pytest.approx(expected, rel=1e-4)
    assert (
        np.abs(shift).max() < 3 * 2 / np.sqrt(70) / 13
    )  # of faces that are not shifted


def test_what_is_judged_is_what_a_model_with_these_settings_predicts():
    params = tiny.make_params()
    points, measured = judge().measure(params)  # in two pieces
    config = dataclasses.replace(RUN.model, **measured)
    found = predict(params, judge().crops, config=config).points
    np.testing.assert_allclose(points, found, atol=1e-4)
    assert judge().error(points) > 1


def test_a_shift_of_the_annotation_is_no_error():
    shift = np.float32([4, -3])
    moved = many_faces()._replace(points=many_faces().points + shift)
    params = tiny.make_params(output=0)
    judged = Judge(moved, RUN)
    points, measured = judged.measure(params)
    before, plain = judge().measure(params)
    apart = np.subtract(measured["annotation_shift"], plain["annotation_shift"])
    unit = SIDE / (1.4 * 32)  # cached pixels per crop pixel
    np.testing.assert_allclose(apart, shift / unit / 13, atol=0.03)
    assert judged.error(points) == pytest.approx(judge().error(before), rel=0.03)


def missing_eyes(faces) -> CropCache:
    points = many_faces().points.copy()
    points[faces, 36] = np.nan
    return many_faces()._replace(points=points)


def test_faces_without_eye_corners_do_not_count():
    partly = Judge(missing_eyes([0, 5]), RUN)
    shifted = judge().points + np.float32([3, 4])
    shifted[[0, 5]] += 100
    assert partly.error(shifted) == pytest.approx(100 * 5 / 13, rel=1e-4)


def test_a_shape_that_diverged_counts():
    points = judge().points.copy()
    points[3] = np.nan
    assert judge().error(points) == np.inf


def test_without_any_eye_corner_nothing_can_be_judged():
    with pytest.raises(ValueError, match="no validation face has both eye corners"):
        Judge(missing_eyes(slice(None)), RUN)


@pytest.fixture
def asked(monkeypatch):
    """Replicates without their slow compilation; the steps that were asked for."""
    steps = []

    def straight(step, number, faces, *, config, mean_shape):
        steps.append(int(step))
        here = slice(0, len(number))
        points = points_in_crops(many_faces().take(number), config.model, config.data)
        return judge().crops[here], points

    monkeypatch.setattr(validation, "_cut_examples", straight)
    return steps


def tolerance_of(params) -> float:
    return measured_tolerance(state_of(params), training_set(), config=RUN)


def state_of(params) -> updates.TrainState:
    return updates.TrainState(step=0, params={}, average=params, opt_state=())


def training_set() -> TrainingSet:
    return TrainingSet(many_faces().crops, many_faces().points)


def test_the_tolerance_is_measured_on_replicates_that_no_update_has_seen(asked):
    first = tolerance_of(tiny.make_params())
    assert asked == [6000, 6001, 6002, 6003]  # 256 faces, behind the last update
    crops, points = judge().crops[:64], judge().points[:64]
    found = predict(tiny.make_params(), crops, config=RUN.model, num_steps=4)
    expected = calibrate_tolerance(
        found.trajectory,
        np.broadcast_to(tiny.mean_shape(), points.shape),
        points,
        markup=RUN.model.markup,
        norm="shape",
    )
    assert first == expected


def test_the_tolerance_is_that_of_the_last_faces_where_there_are_some(asked):
    config = replace_fields(RUN, {"last_data": "last", "last_updates": 5})
    faces = training_set()
    asked_of = []

    class Numbered:
        def __getitem__(self, numbers):
            asked_of.extend(numbers)
            return faces.points[numbers]

        def __len__(self):
            return len(faces.points)

    measured_tolerance(
        state_of(tiny.make_params()),
        TrainingSet(Numbered(), faces.points, num_last=3),
        config=config,
    )
    count = len(faces.points)
    assert set(asked_of) == {count - 3, count - 2, count - 1}


def test_faces_without_eye_corners_leave_the_tolerance_as_it_is(asked, monkeypatch):
    real = points_in_crops

    def without_corners(*arguments):
        points = real(*arguments)
        points[:, RUN.model.markup.eye_corners[0]] = np.nan
        return points

    monkeypatch.setitem(globals(), "points_in_crops", without_corners)
    assert tolerance_of(tiny.make_params()) == RUN.model.tolerance


def test_a_model_that_never_moves_may_stop_at_once(asked):
    assert tolerance_of(tiny.make_params(output=0)) == 1.0
