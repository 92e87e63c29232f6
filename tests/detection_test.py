"""The face detector on the photo that scikit-image carries, and without dlib."""

import importlib.util

import numpy as np
import pytest

from rcsr_jax import detection
from rcsr_jax.boxes import BoxMap
from rcsr_jax.detection import accepted, detect_faces
from rcsr_jax.geometry import overlap

FACE = np.array([179.0, 86.0, 271.0, 178.0])  # marked by hand


@pytest.fixture(scope="module")
def photo():
    pytest.importorskip("dlib")
    return pytest.importorskip("skimage.data").astronaut()


def test_the_face_of_a_photo_is_found_alone(photo):
    found = detect_faces(photo)
    assert found.boxes.shape == (1, 4) and found.scores.shape == (1,)
    assert found.boxes.dtype == found.scores.dtype == np.float32
    assert overlap(found.boxes[0], FACE) > 0.7
    assert found.scores[0] > 1


def test_boxes_move_and_grow_with_the_photo(photo):
    part = np.ascontiguousarray(photo[:288, 64:416])
    whole, moved = (
        detect_faces(image, min_face=60).boxes[0] for image in (photo, part)
    )
    assert overlap(moved + [64, 0, 64, 0], whole) > 0.9
    large = part.repeat(2, axis=0).repeat(2, axis=1)
    grown = detect_faces(large, min_face=120).boxes[0]
    assert overlap((grown + 0.5) / 2 - 0.5, moved) > 0.9


def test_grey_photos_and_parts_of_arrays_are_taken(photo):
    photo = photo[:288]
    grey = photo.mean(axis=-1).astype(np.uint8)
    for image in (grey, np.asfortranarray(photo), photo[:, ::-1]):
        found = detect_faces(image)
        assert len(found.boxes) == 1
    mirrored = found.boxes[0][[2, 1, 0, 3]] * [-1, 1, -1, 1] + [511, 0, 511, 0]
    assert overlap(mirrored, FACE) > 0.7


def test_small_faces_are_found_where_they_are_sought(photo):
    small = np.full((400, 600, 3), 128, np.uint8)
    small[100:228, 200:328] = photo[::4, ::4]  # a face of 23 pixels
    assert not len(detect_faces(small).boxes)
    (box,) = detect_faces(small, min_face=20).boxes
    assert overlap(box, FACE / 4 + [200, 100, 200, 100]) > 0.6
    assert len(detect_faces(photo[::4, ::4]).boxes) == 1  # as small photos are enlarged


def test_the_map_of_boxes_is_applied(photo):
    (raw,) = detect_faces(photo, box_map=BoxMap()).boxes
    (ours,) = detect_faces(photo).boxes
    np.testing.assert_allclose(ours, detection.DLIB_BOXES.apply(raw), rtol=1e-5)
    assert ours[1] > raw[1] and ours[2] - ours[0] < raw[2] - raw[0]


def test_a_photo_without_a_face_has_none(photo, generator):
    noise = generator.integers(0, 256, (90, 120, 3), dtype=np.uint8)
    for image in (np.zeros((3, 200), np.uint8), noise, photo[:80]):
        found = detect_faces(image)
        assert found.boxes.shape == (0, 4) and found.scores.shape == (0,)


@pytest.mark.parametrize(
    ("scores", "threshold", "taken"),
    [
        ([2.0, 0.0, -0.1], 0.0, [True, True, False]),
        ([-0.1, -0.15], 0.0, [True, False]),  # one doubtful face rather than none
        ([-0.3], 0.0, [False]),
        ([-0.3], -0.2, [True]),
        ([0.9, 0.7], 1.0, [True, False]),
        ([], 0.0, []),
    ],
)
def test_a_doubtful_face_is_taken_only_where_no_other_is(scores, threshold, taken):
    scores = np.array(scores, np.float32)
    np.testing.assert_array_equal(accepted(scores, threshold=threshold), taken)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"min_face": 0}, "min_face at least 1 pixel; got 0.0 and 0"),
        ({"min_face": np.inf}, "min_face"),
        ({"threshold": np.nan}, "threshold must be finite"),
    ],
)
def test_wrong_numbers_are_told(options, message):
    with pytest.raises(ValueError, match=message):
        detect_faces(np.zeros((9, 9), np.uint8), **options)


def test_wrong_images_are_told():
    with pytest.raises(ValueError, match="uint8"):
        detect_faces(np.zeros((9, 9)))


def test_without_dlib_the_extra_is_named(monkeypatch):
    detection._detector.cache_clear()
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ValueError, match=r"rcsr-jax\[detect\]"):
        detect_faces(np.zeros((96, 96), np.uint8))
