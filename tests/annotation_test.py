"""The shift of a whole annotation: measured, added, and where it must not be lost."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import tiny
from scipy import stats

from rcsr_jax.annotation import as_annotated, as_seen, measure_shift
from rcsr_jax.answers import predict, predict_adaptive
from rcsr_jax.config import ModelConfig
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.face_shapes import frontal_landmarks
from rcsr_jax.export import export_program
from rcsr_jax.inference import Predictor
from rcsr_jax.markup import FACE_68
from rcsr_jax.refine import Estimate

SHIFT = (0.05, -0.02)
SHIFTED = dataclasses.replace(tiny.CONFIG, annotation_shift=SHIFT)


def eye_distance(points) -> np.ndarray:
    return np.linalg.norm(points[..., 36, :] - points[..., 45, :], axis=-1)


def faces(generator, *, count=200, shift=(0.0, 0.0), scatter=0.03):
    """Shapes of many sizes; annotation lies beside each by its own and a common shift."""
    sizes = generator.uniform(20, 400, (count, 1, 1))
    points = frontal_landmarks() * sizes + generator.uniform(0, 500, (count, 1, 2))
    eyes = eye_distance(points)[:, None, None]
    own = generator.normal(0, scatter, (count, 1, 2))
    return points, points + eyes * (own + np.array(shift))


def test_a_shift_is_found_whatever_the_size_of_the_faces(generator):
    points, truth = faces(generator, shift=(0.02, -0.03), scatter=0.01)
    found = measure_shift(points, truth, markup=FACE_68)
    # by SciPy; a thousandth less for chance
    of_faces = (truth - points).mean(1) / eye_distance(points)[:, None]
    expected = stats.trim_mean(of_faces, 0.1, axis=0)
    np.testing.assert_allclose(found, expected, rtol=0.01)
    np.testing.assert_allclose(found, (0.02, -0.03), atol=3 * 0.001)
    larger = measure_shift(7 * points, 7 * truth, markup=FACE_68)
    assert larger == pytest.approx(found, abs=1e-6)
    # some that diverged, and some that nobody annotated, change little
    truth[:9] += 1e4
    truth[9:20] = np.nan
    truth[20:40, 5:] = np.nan
    points[40] = np.nan
    again = measure_shift(points, truth, markup=FACE_68)
    np.testing.assert_allclose(again, (0.02, -0.03), atol=3 * 0.0012)


def test_chance_is_no_shift(generator):
    zero = [
        measure_shift(*faces(generator), markup=FACE_68).count(0.0) for _ in range(40)
    ]
    # of a Gaussian, 68 per cent lie within one standard error: of 80 numbers 55
    assert 42 < sum(zero) < 68
    points, truth = faces(generator, count=19, shift=(0.3, 0.3))
    assert measure_shift(points, truth, markup=FACE_68) == (0.0, 0.0)
    nothing = np.zeros((0, 68, 2))
    assert measure_shift(nothing, nothing, markup=FACE_68) == (0.0, 0.0)


def test_a_model_that_has_not_learned_has_a_shift_that_settings_take(generator):
    points, truth = faces(generator, shift=(7.0, -3.0))
    points[:100, 20:] = np.inf
    points[:100, :5] = -np.inf
    found = measure_shift(points, truth, markup=FACE_68)
    assert found == (1.0, -1.0)
    assert ModelConfig(annotation_shift=found).annotation_shift == found


def test_a_shape_is_moved_by_its_eye_distances():
    points = np.stack([frontal_landmarks() * 10, frontal_landmarks() * 30])
    moved = as_annotated(points, shift=SHIFT, markup=FACE_68)
    by_hand = points + eye_distance(points)[:, None, None] * np.array(SHIFT)
    np.testing.assert_allclose(moved, by_hand, rtol=1e-5)
    back = as_seen(moved, shift=SHIFT, markup=FACE_68)
    np.testing.assert_allclose(back, points, atol=1e-4)
    # arrays stay what they are
    assert isinstance(moved, np.ndarray) and moved.dtype == points.dtype == np.float64
    assert isinstance(back, np.ndarray) and back.dtype == np.float64
    traced = as_annotated(jnp.asarray(points), shift=SHIFT, markup=FACE_68)
    assert isinstance(traced, jax.Array) and traced.dtype == np.float32
    # nothing is computed where nothing is shifted
    assert as_annotated(points, shift=(0.0, 0.0), markup=FACE_68) is points
    assert as_seen(points, shift=(0.0, 0.0), markup=FACE_68) is points


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(3).integers(0, 256, (3, 32, 32), dtype=np.uint8)


@pytest.fixture(scope="module")
def params():
    return tiny.make_params()


def moved(points):
    points = np.asarray(points)
    return points + eye_distance(points)[..., None, None] * np.array(SHIFT)


@pytest.mark.parametrize("loop", [predict, predict_adaptive])
@pytest.mark.parametrize("mirror_average", [False, True])
def test_predictions_are_moved_and_nothing_else_changes(
    params, crops, loop, mirror_average
):
    plain = dataclasses.replace(tiny.CONFIG, mirror_average=mirror_average)
    before = loop(params, crops, config=plain)
    after = loop(
        params, crops, config=dataclasses.replace(plain, annotation_shift=SHIFT)
    )
    np.testing.assert_allclose(after.points, moved(before.points), atol=1e-4)
    np.testing.assert_allclose(after.trajectory, moved(before.trajectory), atol=1e-4)
    for name in ("num_steps", "settled", "expected_error", "score", "hidden"):
        np.testing.assert_allclose(
            getattr(after, name), getattr(before, name), rtol=1e-5
        )


def test_a_prediction_goes_on_from_where_the_network_saw_it(params, crops):
    first = predict(params, crops, config=SHIFTED, num_steps=2)
    start = Estimate(first.points, first.hidden)
    endless = dataclasses.replace(SHIFTED, tolerance=0.0, max_steps=2)
    went_on = predict_adaptive(params, crops, config=endless, start=start)
    at_once = predict(params, crops, config=SHIFTED, num_steps=4)
    np.testing.assert_allclose(went_on.points, at_once.points, atol=1e-3)


def test_gradients_pass_through_the_shift(params, crops):
    def total(config, shift=None):
        def pull(some):
            points = predict(params, some, config=config).points
            if shift is not None:
                points = (
                    points + eye_distance_jax(points)[:, None, None] * shift[None, None]
                )
            return jnp.square(points).sum()

        return jax.grad(pull)(crops.astype("float32"))

    def eye_distance_jax(points):
        return jnp.linalg.norm(points[:, 36] - points[:, 45], axis=-1)

    expected = total(tiny.CONFIG, jnp.array(SHIFT))
    assert jnp.abs(expected).max() > 0
    np.testing.assert_allclose(total(SHIFTED), expected, rtol=1e-3, atol=1e-3)


def test_the_movement_of_the_first_step_holds_no_shift(params):
    face = draw_face(3, 0)
    predictor = Predictor(params, SHIFTED)
    found = predictor(face.image, face.box, num_steps=1)
    crops, frames = predictor.crops(face.image, face.box)
    seen = predict(params, crops, config=tiny.CONFIG, num_steps=1).points
    # both shapes lie where people would annotate them
    away = moved(seen)[0] - moved(tiny.mean_shape())
    expected = frames.scale[0] * np.linalg.norm(away, axis=-1)
    np.testing.assert_allclose(found.spread[0], expected, rtol=1e-3)


def test_an_exported_program_has_it(params, crops):
    program = export_program(params, config=SHIFTED, num_steps=2, platforms=["cpu"])
    expected = predict(params, crops, config=SHIFTED, num_steps=2)
    np.testing.assert_allclose(
        program.call(crops)["points"], expected.points, atol=1e-4
    )


@pytest.mark.parametrize(
    "shift", [(0.0, 1.5), (float("nan"), 0.0), (0.1,), (0.1, 0.0, 0.0), ()]
)
def test_a_shift_that_is_none_is_refused(shift):
    with pytest.raises(ValueError, match="annotation_shift must be two numbers"):
        ModelConfig(annotation_shift=shift)
