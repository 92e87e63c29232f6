"""Disturbed faces: pictures, points and boxes move together, and errors are counted."""

import numpy as np
import pytest
import tiny

from rcsr_jax.data.cutting import Source
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.disturbance import Disturbance
from rcsr_jax.inference import Predictor
from rcsr_jax.robustness import SWEEPS, measure_robustness
from rcsr_jax.summaries import summarise

FRESH = Predictor(tiny.make_params(output=0), tiny.CONFIG)  # always the mean shape
MOVING = Predictor(tiny.make_params(), tiny.CONFIG)
SMALL = {"shift_x": (-0.2, 0.0, 0.2), "degrees": (0.0, 30.0)}


def drawn(index: int, *, box=None) -> Source:
    def load():
        face = draw_face(3, index)
        return face.image, face.points, face.box if box is None else np.array(box)

    return Source(f"drawn_{index}", load, stamp="1")


def mean_shape_in(box) -> np.ndarray:
    """Where a model that has not learned puts the landmarks, in float64."""
    x0, y0, x1, y1 = np.asarray(box, np.float64)
    scale = 1.5 * ((x1 - x0) + (y1 - y0)) / 2 / 32
    return (tiny.mean_shape() - 15.5) * scale + [(x0 + x1) / 2, (y0 + y1) / 2]


@pytest.mark.parametrize("what", SWEEPS)
def test_each_sweep_holds_the_value_that_changes_nothing(what):
    calm = getattr(Disturbance(), what)
    assert calm in SWEEPS[what]
    low, high = min(SWEEPS[what]), max(SWEEPS[what])
    assert sorted(SWEEPS[what]) == list(SWEEPS[what])
    assert low * high == pytest.approx(1) if what == "scale" else low == -high


def test_the_errors_of_the_mean_shape_by_hand():
    found = measure_robustness(FRESH, [drawn(0), drawn(1)])
    loaded = [drawn(index).load() for index in (0, 1)]
    truth = np.array([points for _, points, _ in loaded])
    markup = tiny.CONFIG.markup

    def summary(disturb, truth=truth):
        points = np.array([mean_shape_in(disturb(box)) for _, _, box in loaded])
        return summarise(points, truth, markup=markup)

    calm = summary(lambda box: box)
    assert found.undisturbed == pytest.approx(calm, rel=1e-4)
    for what, values in SWEEPS.items():
        assert list(found.sweeps[what]) == list(values)
    shifted = summary(
        lambda box: box + 0.15 * (box[2] - box[0]) * np.array([1, 0, 1, 0])
    )
    measured = found.sweeps["shift_x"][0.15]
    ratio = shifted["nme_interocular"] / calm["nme_interocular"]
    assert measured == pytest.approx({**shifted, "ratio": ratio}, rel=1e-4)
    lower = summary(lambda box: box - 0.2 * (box[3] - box[1]) * np.array([0, 1, 0, 1]))
    assert found.sweeps["shift_y"][-0.2]["nme_interpupil"] == pytest.approx(
        lower["nme_interpupil"], rel=1e-4
    )

    def grow(box):
        size = (box[2:] - box[:2]) / 2
        return np.concatenate([box[:2] - 0.25 * size, box[2:] + 0.25 * size])

    assert found.sweeps["scale"][1.25]["nme_box"] == pytest.approx(
        summary(grow)["nme_box"], rel=1e-4
    )
    turned = truth.copy()
    for face, (_, _, box) in enumerate(loaded):
        centre = (box[:2] + box[2:]) / 2
        x, y = (truth[face] - centre).T
        turn = np.exp(-1j * np.pi / 6)  # y points down
        z = (x + 1j * y) * turn
        turned[face] = np.stack([z.real, z.imag], -1) + centre
    assert found.sweeps["degrees"][30.0]["nme_interocular"] == pytest.approx(
        summary(lambda box: box, turned)["nme_interocular"], rel=1e-4
    )
    for what in SWEEPS:
        at = found.sweeps[what][getattr(Disturbance(), what)]
        assert at == {**found.undisturbed, "ratio": 1.0}


def test_undisturbed_faces_are_those_of_the_predictor():
    faces = [drawn(index).load() for index in range(3)]
    points = np.concatenate([MOVING(image, box).points for image, _, box in faces])
    truth = np.stack([points for _, points, _ in faces])
    found = measure_robustness(
        MOVING, [drawn(index) for index in range(3)], sweeps=SMALL
    )
    expected = summarise(points, truth, markup=tiny.CONFIG.markup)
    assert found.undisturbed == pytest.approx(expected, rel=1e-3)
    assert set(found.sweeps) == {"shift_x", "degrees"}
    errors = {at["nme_interocular"] for at in found.sweeps["shift_x"].values()}
    assert len(errors) == 3  # it looks at the picture


def test_a_face_that_fails_once_takes_no_part_anywhere():
    corner = [-59, 0, 1, 60]  # shifted to the left it leaves the photo
    seen = []
    sources = [drawn(0), drawn(1, box=corner), drawn(2)]
    found = measure_robustness(
        FRESH,
        sources,
        sweeps={"shift_x": (-0.1, 0.0)},
        on_progress=lambda *count: seen.append(count),
    )
    (refusal,) = found.refused
    assert refusal.name == "drawn_1" and "outside the image" in refusal.reason
    assert found.undisturbed["num_faces"] == 2
    assert found.sweeps["shift_x"][0.0]["num_faces"] == 2
    assert seen == [(1, 3), (2, 3), (3, 3)]


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(ValueError, match="none of 1 faces .*: drawn_0: box .* outside"):
        measure_robustness(FRESH, [drawn(0, box=[9e3, 9e3, 9.1e3, 9.1e3])])
    with pytest.raises(ValueError, match="none of 0 faces"):
        measure_robustness(FRESH, [])
    with pytest.raises(ValueError, match="are shift_x, .*; got haze"):
        measure_robustness(FRESH, [drawn(0)], sweeps={"haze": (1.0,)})


def test_a_strict_measurement_ends_at_the_first_face_that_fails():
    seen = []
    sources = [drawn(0), drawn(1, box=[9e3, 9e3, 9.1e3, 9.1e3]), drawn(2)]
    with pytest.raises(ValueError, match="^drawn_1: box .* outside the image"):
        measure_robustness(
            FRESH,
            sources,
            sweeps={"shift_x": (0.0,)},
            strict=True,
            on_progress=lambda *count: seen.append(count),
        )
    assert seen == [(1, 3)]
