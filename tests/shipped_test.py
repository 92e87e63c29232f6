"""The weights that come with the package, on a photo that scikit-image carries.

The photo is NASA's portrait of the astronaut Eileen Collins, in the public domain.
"""

import numpy as np
import pytest

import rcsr_jax

PRESETS = ("base", "fast")
BOX = np.array([179.0, 86.0, 271.0, 178.0])
# Marked by hand on an enlarged picture: landmark -> (x, y) in pixels of the photo.
MARKED = {
    8: (223.0, 177.5),  # chin
    36: (193.0, 100.0),  # outer eye corners
    45: (258.5, 103.0),
    48: (205.0, 140.5),  # mouth corners
    54: (243.5, 141.0),
}


@pytest.fixture(scope="module")
def photo():
    return pytest.importorskip("skimage.data").astronaut()


@pytest.fixture(scope="module", params=PRESETS)
def predictor(request):
    return rcsr_jax.load_predictor(preset=request.param)


def test_the_landmarks_lie_where_a_person_sees_them(predictor, photo):
    faces = predictor(photo, BOX)
    assert faces.points.shape == (1, 68, 2)
    assert faces.settled.all()
    indices = list(MARKED)
    errors = np.linalg.norm(faces.points[0, indices] - list(MARKED.values()), axis=-1)
    eyes = np.linalg.norm(np.subtract(MARKED[36], MARKED[45]))
    # the marks are one person's, good to a pixel or two of the 65 between the eyes
    assert errors.max() < 0.1 * eyes, dict(zip(indices, errors, strict=True))
    assert errors.mean() < 0.06 * eyes


def test_a_shifted_and_resized_box_finds_the_same_face(predictor, photo):
    straight = predictor(photo, BOX).points[0]
    middle, side = (BOX[:2] + BOX[2:]) / 2, BOX[2] - BOX[0]
    eyes = np.linalg.norm(straight[36] - straight[45])
    for shift, scale in [((0.06, 0.0), 1.0), ((0.0, -0.06), 1.0), ((0.0, 0.0), 1.08)]:
        corner = middle + np.multiply(shift, side) - scale * side / 2
        box = np.concatenate([corner, corner + scale * side])
        moved = predictor(photo, box).points[0]
        distance = np.linalg.norm(moved - straight, axis=-1).mean()
        assert distance < 0.04 * eyes, (shift, scale)


def test_the_mirrored_photo_gives_the_mirrored_face(predictor, photo):
    width = photo.shape[1]
    straight = predictor(photo, BOX).points[0]
    box = np.array([width - 1 - BOX[2], BOX[1], width - 1 - BOX[0], BOX[3]])
    mirrored = predictor(np.ascontiguousarray(photo[:, ::-1]), box).points[0]
    back = mirrored[list(rcsr_jax.FACE_68.mirror)]
    back = np.stack([width - 1 - back[:, 0], back[:, 1]], axis=-1)
    eyes = np.linalg.norm(straight[36] - straight[45])
    assert np.linalg.norm(back - straight, axis=-1).mean() < 0.04 * eyes


def test_base_is_what_is_loaded_without_a_name():
    named = rcsr_jax.load_predictor(preset="base")
    found = rcsr_jax.load_predictor()
    assert found.config == named.config
    np.testing.assert_array_equal(
        found.params["mean_shape"], named.params["mean_shape"]
    )
