"""What holds for all inputs, tried on many that Hypothesis makes up."""

import dataclasses
import json
import math
import shutil
import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from rcsr_jax import geometry
from rcsr_jax.box_checks import check_boxes
from rcsr_jax.boxes import BoxMap, calibrate_boxes
from rcsr_jax.config import (
    AugmentConfig,
    DataConfig,
    ModelConfig,
    RunConfig,
    TrainConfig,
    from_dict,
    to_dict,
)
from rcsr_jax.data import annotations
from rcsr_jax.data.annotations import AnnotatedFace
from rcsr_jax.data.annotations.records import to_box, to_points
from rcsr_jax.data.cutting import cut_crop
from rcsr_jax.data.held_out import photo_of
from rcsr_jax.data.names import name_problem, shown
from rcsr_jax.geometry import Frame, frame_of_box, to_crop, to_photo
from rcsr_jax.markup import FACE_49, FACE_68

settings.register_profile(
    "short",
    max_examples=60,
    deadline=None,
    database=None,
    derandomize=True,
    suppress_health_check=list(HealthCheck),
)
settings.load_profile("short")

PIXELS = st.floats(-1e5, 1e5, width=32)
SIDES = st.floats(1, 5e3, width=32)
# Everything that may be in a file's name, and much that may not.
NAMES = st.one_of(
    st.text(max_size=12),
    st.text("ab/.\\ \n\r\x00'\"<&;,#\ud800é", max_size=8),
    st.sampled_from(["a.png", "b/c.jpg"]),
)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["points", "box", "images", "annotations", "id", "bbox"])
            | st.sampled_from(["image_id", "file_name", "keypoints", "a.png"]),
            inner,
            max_size=4,
        )
    ),
    max_leaves=20,
)


@st.composite
def boxes(draw):
    x, y = draw(PIXELS), draw(PIXELS)
    return np.array([x, y, x + draw(SIDES), y + draw(SIDES)], np.float32)


@st.composite
def points_of(draw, count):
    found = draw(arrays.arrays(np.float32, (count, 2), elements=PIXELS))
    found[draw(arrays.arrays(bool, count))] = np.nan
    return found


@st.composite
def face_lists(draw):
    count = draw(st.integers(1, 5))
    images = st.lists(NAMES, min_size=1, max_size=4)
    return [
        AnnotatedFace(image, draw(points_of(count)), draw(boxes()))
        for image in draw(images)
    ]


def in_folder(use):
    """Calls with a fresh folder: a fixture would be one for all examples."""
    folder = Path(tempfile.mkdtemp())
    try:
        return use(folder)
    finally:
        shutil.rmtree(folder)


def same(found, wanted, *, atol):
    if wanted is None or np.isnan(wanted).all():  # tables cannot tell these apart
        assert found is None or np.isnan(found).all()
        return
    np.testing.assert_allclose(found, wanted, atol=atol, rtol=1e-6)


@pytest.mark.parametrize("kind", ["json", "csv", "coco"])
@given(faces=face_lists())
def test_what_is_written_is_read_again_or_refused(kind, faces):
    def round_trip(folder):
        path = folder / f"faces{'.json' if kind == 'coco' else f'.{kind}'}"
        bad = any(name_problem(face.image) for face in faces)
        bad |= kind == "csv" and any(f.image != f.image.strip() for f in faces)
        try:
            annotations.write_annotations(path, faces, kind=kind)
        except ValueError as error:
            assert bad and str(path) in str(error)
            return
        assert not bad
        # each format keeps the faces of an image together, in their order
        order = sorted(
            range(len(faces)),
            key=lambda n: [f.image for f in faces].index(faces[n].image),
        )
        wanted = [faces[n] for n in order] if kind == "json" else faces
        found = annotations.read_annotations(path)
        assert [face.image for face in found] == [face.image for face in wanted]
        for face, other in zip(found, wanted, strict=True):
            assert face.problem == ""
            same(face.points, other.points, atol=1e-5)
            same(face.box, other.box, atol=0.02)  # float32 at 1e5

    in_folder(round_trip)


@given(faces=face_lists())
def test_dlib_keeps_whole_pixels_or_refuses(faces):
    faces = [
        face._replace(points=face.points.round(), box=face.box.round())
        for face in faces
    ]

    def round_trip(folder):
        path = folder / "faces.xml"
        bad = any(name_problem(face.image) or "\\" in face.image for face in faces)
        try:
            annotations.write_annotations(path, faces)
        except ValueError as error:
            assert bad and str(path) in str(error)
            return
        assert not bad
        found = annotations.read_annotations(path)
        assert sorted(face.image for face in found) == sorted(f.image for f in faces)
        for image, rows in (
            (image, [f for f in faces if f.image == image])
            for image in {face.image for face in faces}
        ):
            again = [face for face in found if face.image == image]
            for face, other in zip(again, rows, strict=True):
                np.testing.assert_array_equal(face.box, other.box)
                # what nobody annotates has no name in the file
                known = [~np.isnan(f.points).any(1) for f in faces]
                kept = np.any(known, axis=0)
                same(face.points, other.points[kept] if kept.any() else None, atol=0)

    in_folder(round_trip)


@given(points=st.integers(1, 70).flatmap(points_of))
def test_pts_keep_a_millionth_of_a_pixel(points):
    def round_trip(folder):
        annotations.write_pts(folder / "a.pts", points)
        return annotations.read_pts(folder / "a.pts", num_points=len(points))

    np.testing.assert_allclose(in_folder(round_trip), points, atol=1e-6, rtol=1e-6)


@given(
    rows=st.dictionaries(NAMES, st.lists(boxes(), min_size=1, max_size=3), max_size=3)
)
def test_boxes_keep_a_thousandth_of_a_pixel_or_are_refused(rows):
    def told_apart(boxes):
        return {tuple(box.astype(np.float64).round(3).tolist()) for box in boxes}

    bad = any(name_problem(name) or name != name.strip() for name in rows)
    bad |= any(len(told_apart(boxes)) < len(boxes) for boxes in rows.values())

    def round_trip(folder):
        path = folder / "boxes.csv"
        try:
            annotations.write_boxes(path, {k: np.array(v) for k, v in rows.items()})
        except ValueError as error:
            assert bad and str(path) in str(error)
            return
        assert not bad
        if rows:
            found = annotations.read_boxes(path)
            assert list(found) == list(rows)
            for name, wanted in rows.items():
                np.testing.assert_allclose(found[name], wanted, atol=0.01)

    in_folder(round_trip)


@given(text=st.text(max_size=80) | st.binary(max_size=80))
@pytest.mark.parametrize("name", ["a.pts", "a.csv", "a.json", "a.xml", "boxes.csv"])
def test_any_text_is_read_or_refused_by_name(name, text):
    reads = {"a.pts": annotations.read_pts, "boxes.csv": annotations.read_boxes}

    def read(folder):
        path = folder / name
        path.write_bytes(
            text if isinstance(text, bytes) else text.encode(errors="surrogatepass")
        )
        try:
            reads.get(name, annotations.read_annotations)(path)
        except ValueError as error:
            assert str(path) in str(error)

    in_folder(read)


@given(content=VALUES)
def test_any_json_is_faces_with_reasons_or_refused(content):
    def read(folder):
        path = folder / "a.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        try:
            found = annotations.read_annotations(path)
        except ValueError as error:
            assert str(path) in str(error)
            return
        for face in found:
            assert bool(face.problem) == (face.points is None and face.box is None)
            if face.box is not None:
                assert np.isfinite(face.box).all()
                assert (face.box[:2] < face.box[2:]).all()
            if face.points is not None:
                missing = np.isnan(face.points)
                assert (missing[:, 0] == missing[:, 1]).all()

    in_folder(read)


@given(value=VALUES)
def test_any_value_is_points_a_box_or_refused(value):
    for read in (to_points, to_box):
        try:
            found = read(value)
        except ValueError:
            continue
        assert not np.isinf(found).any()


@given(data=st.data())
@pytest.mark.parametrize("kind", [ModelConfig, DataConfig, AugmentConfig, TrainConfig])
def test_any_setting_is_taken_as_it_is_or_refused_by_name(kind, data):
    names = [field.name for field in dataclasses.fields(kind)]
    name = data.draw(st.sampled_from(names))
    value = data.draw(VALUES | st.integers() | st.floats() | st.integers(2**1023))
    try:
        made = from_dict(kind, {name: value})
    except ValueError as error:
        if not isinstance(value, dict):  # of a markup or a map its own fields are named
            assert any(name in str(error) for name in [*names, "Markup", "BoxMap"])
        return
    kept = getattr(made, name)
    if isinstance(kept, float):
        value = float(value)
    assert kept == (tuple(value) if isinstance(value, list) else value)
    assert not isinstance(kept, float) or math.isfinite(kept)


@given(name=NAMES)
def test_a_name_that_is_shown_is_a_name(name):
    assert name_problem(shown(name)) == ("" if name else "its name is empty")
    if name and not name_problem(name):
        assert shown(name) == name
        name.encode()
        assert isinstance(photo_of(name), str)


@given(box=boxes(), scale=st.floats(0.5, 4), size=st.integers(8, 256))
def test_a_frame_holds_its_box_and_crop_and_photo_are_inverse(box, scale, size):
    frame = frame_of_box(box, frame_scale=scale, size=size)
    corners = np.array([box[:2], box[2:]], np.float64)
    there = to_crop(corners, frame)
    # the middle of the box is the middle of the crop, its mean side a part of it
    np.testing.assert_allclose(there.mean(0), (size - 1) / 2, atol=1e-2)
    np.testing.assert_allclose((there[1] - there[0]).mean(), size / scale, rtol=1e-3)
    np.testing.assert_allclose(to_photo(there, frame), corners, rtol=1e-9, atol=1e-6)


@given(points=points_of(68), width=st.integers(1, 4000))
def test_a_mirror_undoes_itself_and_keeps_distances(points, width):
    for markup, shape in ((FACE_68, points), (FACE_49, points[:49])):
        once = geometry.mirror_points(shape, width=width, markup=markup)
        twice = geometry.mirror_points(once, width=width, markup=markup)
        np.testing.assert_allclose(twice, shape, atol=0.05)
        known = ~np.isnan(shape).any(-1)
        assert np.isnan(once).any(-1).sum() == (~known).sum()
        np.testing.assert_array_equal(
            np.sort(once[..., 1].ravel()), np.sort(shape[..., 1].ravel())
        )


@given(first=boxes(), second=boxes(), shift=st.floats(-1000, 1000))
def test_overlap_is_a_share_whichever_way_round(first, second, shift):
    share = geometry.overlap(first, second)
    assert 0 <= share <= 1 + 1e-9
    assert share == geometry.overlap(second, first)
    assert geometry.overlap(first, first) == pytest.approx(1)
    moved = [box.astype(np.float64) + shift for box in (first, second)]
    assert geometry.overlap(*moved) == pytest.approx(share, abs=1e-6)


@given(
    rows=st.lists(boxes(), min_size=3, max_size=8),
    numbers=st.tuples(
        st.floats(-0.3, 0.3),
        st.floats(-0.3, 0.3),
        st.floats(0.5, 2),
        st.floats(0.5, 2),
    ),
)
def test_a_box_map_is_found_from_what_it_made(rows, numbers):
    made = BoxMap(
        shift_x=numbers[0], shift_y=numbers[1], scale_w=numbers[2], scale_h=numbers[3]
    )
    rows = np.array(rows, np.float64)
    found = calibrate_boxes(rows, ours=made.apply(rows))
    np.testing.assert_allclose(list(found.to_dict().values()), numbers, atol=1e-6)
    assert BoxMap.from_dict(json.loads(json.dumps(made.to_dict()))) == made


@given(
    box=arrays.arrays(
        np.float64,
        4,
        elements=st.floats(-300, 300) | st.floats() | st.integers(-2, 80).map(float),
    ),
    shape=st.tuples(st.integers(1, 80), st.integers(1, 80)),
    level=st.integers(0, 255),
)
def test_any_box_is_refused_or_cuts_a_crop_of_the_photo(box, shape, level):
    """A photo of one grey gives a crop of that grey, wherever the box lies."""
    image = np.full(shape, level, np.uint8)
    try:
        check_boxes(box[None], shape)
        frame = frame_of_box(box, frame_scale=1.5, size=16)
        crop = cut_crop(image, frame, size=16)
    except ValueError:
        if not (np.abs(box) < 1e6).all():  # NaN is not, either
            return
        # of a long box the frame is in its middle
        centre, reach = (box[:2] + box[2:]) / 2, 0.75 * (box[2:] - box[:2]).mean()
        far = np.array(shape[::-1]) - 1
        seen = (np.minimum(box[2:], centre + reach) > 0).all()
        seen &= (np.maximum(box[:2], centre - reach) < far).all()
        assert not (seen and (box[:2] + 1 <= box[2:]).all())
        return
    assert crop.shape == (16, 16) and (crop == level).all()


@given(
    corner=st.tuples(st.integers(0, 20), st.integers(0, 20)), size=st.integers(1, 12)
)
def test_a_crop_of_one_to_one_is_the_pixels_themselves(corner, size):
    image = np.random.default_rng(0).integers(0, 256, (40, 40), np.uint8)
    x, y = corner
    crop = cut_crop(image, Frame(np.array([x, y], float), np.float64(1)), size=size)
    np.testing.assert_array_equal(crop, image[y : y + size, x : x + size])


@given(
    rate=st.floats(1e-9, 1e3),
    count=st.integers(1, 10**9),
    share=st.floats(0, 1),
    data=st.text(max_size=20),
)
def test_settings_go_to_json_and_back(rate, count, share, data):
    run = RunConfig(
        data=DataConfig(data=data),
        augment=AugmentConfig(mirror=share),
        train=TrainConfig(learning_rate=rate, num_updates=count),
    )
    assert from_dict(RunConfig, json.loads(json.dumps(to_dict(run)))) == run
    assert math.isfinite(run.train.learning_rate)
