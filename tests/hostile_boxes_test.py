"""Boxes and photos that are wrong, enormous or nearly nothing, as a program passes them."""

import functools
import resource

import numpy as np
import pytest
import tiny
from hostile import check_message, deadline

from rcsr_jax.box_checks import check_boxes
from rcsr_jax.detection import detect_faces
from rcsr_jax.inference import Predictor

PHOTO = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
BOX = [10.0, 5, 60, 55]
NAN, INF = np.nan, np.inf
BAD = "is inverted, empty or not finite; boxes are (x0, y0, x1, y1)"
SIZES = ": if it is (x, y, width, height), give (x, y, x + width, y + height)."
OUTSIDE = "lies outside the image of 80 x 60 pixels."
BAD_FRAME = "a crop frame must be finite"
NUMBERS = "boxes must be numbers [faces, 4]"
SHAPE = "boxes must be [faces, 4]; got"
PICTURE = "an image must be uint8 [height, width]"


@functools.cache
def predictor() -> Predictor:
    return Predictor(tiny.make_params(), tiny.CONFIG)


REFUSED = [
    ([NAN, 5, 60, 55], f"box (nan, 5, 60, 55) {BAD}."),
    ([10, 5, INF, 55], f"box (10, 5, inf, 55) {BAD}."),
    ([-INF, -INF, INF, INF], f"box (-inf, -inf, inf, inf) {BAD}."),
    ([60, 5, 10, 55], f"box (60, 5, 10, 55) {BAD}{SIZES}"),
    ([60, 5, -10, 55], f"box (60, 5, -10, 55) {BAD}."),  # no width
    ([10, 55, 60, 5], f"box (10, 55, 60, 5) {BAD}{SIZES}"),
    ([10, 5, 10, 55], f"box (10, 5, 10, 55) {BAD}"),
    ([10, 5, 60, 5], f"box (10, 5, 60, 5) {BAD}"),
    ([0, 0, 0, 0], f"box (0, 0, 0, 0) {BAD}."),
    ([100, 5, 150, 55], f"box (100, 5, 150, 55) {OUTSIDE}"),
    ([-60, 5, -1, 55], f"box (-60, 5, -1, 55) {OUTSIDE}"),
    ([10, 60, 60, 80], f"box (10, 60, 60, 80) {OUTSIDE}"),
    ([10, -90, 60, -3], f"box (10, -90, 60, -3) {OUTSIDE}"),
    ([1e30, 1e30, 2e30, 2e30], OUTSIDE),
    ([79.5, 0, 90, 10], f"box (79.5, 0, 90, 10) {OUTSIDE}"),  # beyond the last pixel
    ([-9, 5, -0.5, 55], f"box (-9, 5, -0.5, 55) {OUTSIDE}"),
    ([-1e12, -1e12, 1e12, 1e12], BAD_FRAME),
    ([-1e300, -1e300, 1e300, 1e300], BAD_FRAME),
    ([10, 5, 10 + 1e-12, 5 + 1e-12], "is smaller than a pixel"),
    ([40, 30, 40.5, 30.5], "is smaller than a pixel"),
    (["a", "b", "c", "d"], NUMBERS),
    ([[1, 2, 3, 4], [1, 2, 3]], NUMBERS),
    ({"x0": 1}, NUMBERS),
    ([1 + 2j, 0, 5, 5], NUMBERS),
    (None, SHAPE),
    (7, SHAPE),
    ([1, 2, 3], SHAPE),
    (np.zeros((2, 5)), SHAPE),
    (np.zeros((1, 2, 4)), SHAPE),
]


@pytest.mark.filterwarnings("ignore::numpy.exceptions.ComplexWarning")
@pytest.mark.parametrize(
    ("boxes", "message"), REFUSED, ids=lambda value: str(value)[:40]
)
def test_a_hostile_box_is_refused(boxes, message):
    with deadline(60), pytest.raises(ValueError) as caught:
        predictor()(PHOTO, boxes)
    check_message(str(caught.value), message)


def test_the_first_wrong_box_of_many_is_named():
    boxes = np.array([BOX, [60, 5, 10, 55], [9, 9, 1, 1]])
    with pytest.raises(ValueError) as caught:
        check_boxes(boxes, PHOTO.shape)
    check_message(str(caught.value), f"box (60, 5, 10, 55) {BAD}")


@pytest.mark.parametrize(
    "image",
    [
        np.zeros((0, 80, 3), np.uint8),
        np.zeros((60, 0), np.uint8),
        np.zeros((0, 80), np.uint8),
        np.zeros((60, 80, 4), np.uint8),
        np.zeros((60, 80, 1), np.uint8),
        np.zeros((2, 60, 80, 3), np.uint8),
        np.zeros(80, np.uint8),
        np.zeros((60, 80)),
        np.zeros((60, 80), bool),
        np.zeros((60, 80), ">u2"),
        np.full((60, 80), NAN, np.float32),
        np.array([["a"]]),
        None,
    ],
    ids=lambda image: f"{type(image).__name__} {getattr(image, 'shape', image)}",
)
@pytest.mark.parametrize("boxes", [BOX, []], ids=["a box", "no box"])
def test_what_is_no_photo_is_refused(image, boxes):
    with pytest.raises(ValueError) as caught:
        predictor()(image, boxes)
    check_message(str(caught.value), PICTURE)


@pytest.mark.parametrize("image", ["photo.jpg", [[1, 2], [3]]], ids=str)
def test_what_is_no_array_is_refused(image):
    with pytest.raises(ValueError) as caught:
        predictor()(image, BOX)
    check_message(str(caught.value))


@pytest.mark.parametrize(
    "box",
    [
        [-1000, -1000, 1000, 1000],
        [-1e6, -1e6, 1e6, 1e6],
        [79, 59, 500, 500],
        [-500, -500, 0.4, 0.4],
        [40, 30, 41, 31],
        [-1e4, 29, 1e4, 31],
        [39, -1e4, 41, 1e4],
    ],
    ids=str,
)
def test_a_strange_box_gets_an_answer_of_its_own_size_and_place(box):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with deadline(60):
        faces = predictor()(PHOTO, box)
    assert np.isfinite(faces.points).all() and np.isfinite(faces.expected_error).all()
    side = (box[2] - box[0] + box[3] - box[1]) / 2
    centre = np.array([box[0] + box[2], box[1] + box[3]]) / 2
    # a model of random weights, which moves points by no more than its crop
    assert np.abs(faces.points - centre).max() < 20 * side
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300 << 10


@pytest.mark.parametrize("shape", [(1, 1), (1, 1, 3), (1, 20_000), (20_000, 1, 3)])
def test_photos_of_one_pixel_and_of_twenty_thousand_are_answered(shape):
    image = np.full(shape, 7, np.uint8)
    height, width = shape[:2]
    with deadline(60):
        whole = predictor()(image, [-0.5, -0.5, width - 0.5, height - 0.5])
        assert np.isfinite(whole.points).all()
        found = detect_faces(image)
    assert len(found.boxes) == 0


def test_how_an_array_lies_in_memory_does_not_matter():
    plain = predictor()(PHOTO, BOX).points
    wide = np.zeros((120, 160, 3), np.uint8)
    wide[::2, ::2] = PHOTO
    fixed = PHOTO.copy()
    fixed.flags.writeable = False
    turned = np.asfortranarray(PHOTO)
    back = np.ascontiguousarray(PHOTO[::-1, ::-1])[::-1, ::-1]
    for same in (wide[::2, ::2], fixed, turned, back, PHOTO.tolist()):
        image = np.asarray(same, np.uint8)
        np.testing.assert_array_equal(predictor()(image, BOX).points, plain)
    for same in (tuple(BOX), np.float32(BOX), np.array(BOX)[None], np.int64(BOX)):
        np.testing.assert_array_equal(predictor()(PHOTO, same).points, plain)


def test_a_search_that_would_take_gigabytes_is_refused():
    with pytest.raises(
        ValueError, match="faces of 1 would .* min_face can be 14 there"
    ):
        detect_faces(np.zeros((2000, 2000), np.uint8), min_face=1)
