"""Boxes of another detector: a known map is found again, whatever the faces."""

import dataclasses
import json
import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from rcsr_jax.boxes import TYPICAL_BOX, BoxMap, calibrate_boxes, read_box_map
from rcsr_jax.data.face_boxes import detector_like_box

MAP = BoxMap(shift_x=0.04, shift_y=-0.15, scale_w=0.9, scale_h=1.25)


def some_boxes(generator, count: int) -> np.ndarray:
    low = generator.uniform(-50, 400, (count, 2))
    return np.concatenate([low, low + generator.uniform(40, 300, (count, 2))], axis=1)


def noisy(boxes, generator, *, noise: float) -> np.ndarray:
    size = np.tile(boxes[:, 2:] - boxes[:, :2], 2)
    return boxes + noise * size * generator.standard_normal(boxes.shape)


def assert_close(found: BoxMap, wanted: BoxMap, *, atol: float) -> None:
    pair = dataclasses.astuple(found), dataclasses.astuple(wanted)
    np.testing.assert_allclose(*pair, atol=atol)


def landmarks_in(boxes, generator, *, num_points: int = 20) -> np.ndarray:
    """Landmarks whose tight boxes are the given ones."""
    share = generator.uniform(0, 1, (len(boxes), num_points, 2))
    share[:, 0], share[:, 1] = 0, 1
    low, high = boxes[:, None, :2], boxes[:, None, 2:]
    return low + share * (high - low)


def test_a_map_by_hand():
    # 100 wide around 150, 200 high around 300: 10 to the right, 40 up, 50 by 300
    half = BoxMap(shift_x=0.1, shift_y=-0.2, scale_w=0.5, scale_h=1.5)
    np.testing.assert_allclose(half.apply([100, 200, 200, 400]), [135, 110, 185, 410])
    boxes = np.array([[[100, 200, 200, 400]], [[0, 0, 10, 10]]])
    np.testing.assert_allclose(half.apply(boxes)[1, 0], [3.5, -4.5, 8.5, 10.5])


def test_a_map_is_applied_inside_jit_as_outside(generator):
    boxes = some_boxes(generator, 5).astype(np.float32)
    inside = jax.jit(MAP.apply)(boxes)
    assert isinstance(inside, jax.Array) and inside.dtype == np.float32
    np.testing.assert_allclose(inside, MAP.apply(boxes), rtol=1e-5, atol=1e-3)
    slope = jax.grad(lambda b: MAP.apply(b)[0, 2])(jnp.asarray(boxes))
    # the right edge: (x0 + x1) / 2 + (shift_x + scale_w / 2) (x1 - x0)
    np.testing.assert_allclose(slope[0], [0.5 - 0.49, 0, 0.5 + 0.49, 0], atol=1e-6)
    np.testing.assert_array_equal(slope[1:], 0)


def test_without_being_told_nothing_changes(generator):
    boxes = some_boxes(generator, 5)
    np.testing.assert_allclose(BoxMap().apply(boxes), boxes, rtol=1e-12)


def test_the_map_is_in_units_of_the_box(generator):
    boxes = some_boxes(generator, 5)
    moved = np.tile([30, -70], 2)
    np.testing.assert_allclose(MAP.apply(boxes + moved), MAP.apply(boxes) + moved)
    np.testing.assert_allclose(MAP.apply(3 * boxes), 3 * MAP.apply(boxes))


@pytest.mark.parametrize("count", [3, 4, 40])
def test_an_exact_map_is_found_exactly(count, generator):
    boxes = some_boxes(generator, count)
    assert_close(calibrate_boxes(boxes, ours=MAP.apply(boxes)), MAP, atol=1e-12)
    assert_close(calibrate_boxes(boxes, ours=boxes), BoxMap(), atol=1e-12)


def test_the_map_is_found_from_landmarks(generator):
    boxes = some_boxes(generator, 6)
    tight = MAP.apply(boxes)
    points = landmarks_in(tight, generator)
    points[:, 5:8] = np.nan
    found = calibrate_boxes(boxes, landmarks=points)
    wanted = calibrate_boxes(boxes, ours=TYPICAL_BOX.apply(tight))
    assert_close(found, wanted, atol=1e-6)
    assert found.scale_w == pytest.approx(0.973 * 0.9, abs=1e-6)
    assert found.scale_h == pytest.approx(0.997 * 1.25, abs=1e-6)


def test_noise_averages_out(generator):
    boxes = some_boxes(generator, 400)
    ours = noisy(MAP.apply(boxes), generator, noise=0.05)
    # a median of 400 has a deviation of 1.25 / 20 of theirs, which is at most 0.09
    assert_close(calibrate_boxes(boxes, ours=ours), MAP, atol=0.025)


def test_some_wrong_faces_are_outvoted(generator):
    boxes = some_boxes(generator, 15)
    ours = noisy(MAP.apply(boxes), generator, noise=0.002)
    calm = calibrate_boxes(boxes, ours=ours)
    for face in (2, 7, 8, 11):
        ours[face] += 500  # the box of another face
    ours[13, 2:] += 900  # a landmark astray
    found = calibrate_boxes(boxes, ours=ours)
    assert_close(found, MAP, atol=0.01)
    assert_close(found, calm, atol=0.01)


def test_where_the_faces_lie_and_how_large_they_are_does_not_matter(generator):
    boxes = some_boxes(generator, 9)
    ours = noisy(MAP.apply(boxes), generator, noise=0.03)
    found = calibrate_boxes(boxes, ours=ours)
    scales = np.linspace(0.1, 9, 9)[:, None]
    again = calibrate_boxes(scales * boxes + 77, ours=scales * ours + 77)
    assert_close(again, found, atol=1e-9)
    order = generator.permutation(9)
    assert_close(calibrate_boxes(boxes[order], ours=ours[order]), found, atol=1e-12)


def test_the_typical_box_is_the_middle_of_the_drawn_ones():
    box = np.array([100, 50, 300, 290.0])
    generator = np.random.default_rng(0)
    drawn = [detector_like_box(box, generator=generator) for _ in range(4000)]
    mean = np.mean(drawn, axis=0)
    # 4,000 draws of corners with a deviation of about 11 px
    np.testing.assert_allclose(mean, TYPICAL_BOX.apply(box), atol=0.7)


def test_a_map_goes_to_json_and_back():
    text = json.dumps(MAP.to_dict())
    assert BoxMap.from_dict(json.loads(text)) == MAP
    assert BoxMap.from_dict({"shift_y": 1}) == BoxMap(shift_y=1.0)
    with pytest.raises(ValueError, match="BoxMap has no field zoom"):
        BoxMap.from_dict({"zoom": 2})
    with pytest.raises(ValueError, match="scale_w must be float; got 'wide'"):
        BoxMap.from_dict({"scale_w": "wide"})


@pytest.mark.parametrize(
    "fields", [{"scale_w": 0.0}, {"scale_h": -1.0}, {"shift_x": math.nan}]
)
def test_a_map_that_makes_no_boxes_is_refused(fields):
    with pytest.raises(ValueError, match="its scales are positive; got BoxMap"):
        BoxMap(**fields)


def test_what_cannot_be_calibrated_is_refused(generator):
    boxes = some_boxes(generator, 4)
    points = landmarks_in(boxes, generator)
    with pytest.raises(ValueError, match="either the landmarks .* or our boxes"):
        calibrate_boxes(boxes)
    with pytest.raises(ValueError, match="either the landmarks .* or our boxes"):
        calibrate_boxes(boxes, landmarks=points, ours=boxes)
    with pytest.raises(ValueError, match="at least 3 of them; got 2 boxes and 2"):
        calibrate_boxes(boxes[:2], ours=boxes[:2])
    with pytest.raises(ValueError, match="a box for each face .* 4 boxes and 3 faces"):
        calibrate_boxes(boxes, landmarks=points[:3])
    with pytest.raises(ValueError, match=r"boxes must be \[faces, 4\]; got \(4, 3\)"):
        calibrate_boxes(boxes[:, :3], ours=boxes)
    with pytest.raises(ValueError, match=r"ours must be \[faces, 4\]; got \(4,\)"):
        calibrate_boxes(boxes, ours=boxes[0])
    with pytest.raises(ValueError, match=r"landmarks must be \[faces, num_points, 2\]"):
        calibrate_boxes(boxes, landmarks=points[..., :1])
    with pytest.raises(ValueError, match=r"a box is \(x0, .*shape \(4, 3\)"):
        BoxMap().apply(boxes[:, :3])


def test_a_bad_face_is_named(generator):
    boxes = some_boxes(generator, 4)
    points = landmarks_in(boxes, generator)
    points[2, 1:] = np.nan
    with pytest.raises(ValueError, match="face 2 has 1 landmarks; leave it out"):
        calibrate_boxes(boxes, landmarks=points)
    inverted = boxes.copy()
    inverted[1] = boxes[1, [2, 1, 0, 3]]
    with pytest.raises(ValueError, match="boxes: box 1 is inverted, empty or not"):
        calibrate_boxes(inverted, ours=boxes)
    inverted[1] = 300, 200, 100, 100
    with pytest.raises(ValueError, match=r"if it is \(x, y, width, height\), give"):
        calibrate_boxes(inverted, ours=boxes)
    endless = boxes.copy()
    endless[3, 0] = -np.inf
    with pytest.raises(ValueError, match="ours: box 3 is inverted, empty or not"):
        calibrate_boxes(boxes, ours=endless)


def test_corner_and_size_are_not_taken_for_two_corners(generator):
    boxes = some_boxes(generator, 6) + 600
    low, size = boxes[:, :2] / 20, boxes[:, 2:] - boxes[:, :2] + 40
    with pytest.raises(ValueError, match="6 of 6 boxes do not meet .*not .x, y, width"):
        calibrate_boxes(np.concatenate([low, size], axis=1), ours=boxes)


def test_a_map_is_read_from_its_file(tmp_path):
    path = tmp_path / "map.json"
    path.write_text(json.dumps(MAP.to_dict()))
    assert read_box_map(path) == MAP
    for text in (
        "[]",
        '{"scale_w": 0}',
        '{"zoom": 1}',
        '{"shift_x": true}',
        "{",
        "1e999",
    ):
        path.write_text(text)
        with pytest.raises(ValueError, match=r"map\.json is no file of a box map"):
            read_box_map(path)
    path.write_text('{"shift_x": 1' + "0" * 400 + "}")
    with pytest.raises(ValueError, match="too large"):
        read_box_map(path)
    with pytest.raises(ValueError, match=r"none\.json is no file of a box map"):
        read_box_map(tmp_path / "none.json")
