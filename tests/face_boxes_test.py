"""The box of each face: listed, drawn, refused."""

import unicodedata

import numpy as np
import pytest
from photo_folders import (
    POINTS,
    add_face,
    add_image,
    names_of,
    small_300_w,
)
from three import THREE

from rcsr_jax.data.annotations import (
    AnnotatedFace,
    write_annotations,
    write_boxes,
    write_landmarks_json,
)
from rcsr_jax.data.face_boxes import detector_like_box
from rcsr_jax.data.faces import read_faces
from rcsr_jax.data.refusals import Refusal


@pytest.fixture
def folder(tmp_path):
    return small_300_w(tmp_path / "300 w")


@pytest.mark.parametrize(("listed", "called"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_may_be_spelt_in_two_ways(listed, called, tmp_path):
    ours, theirs = (unicodedata.normalize(form, "Zoë.png") for form in (listed, called))
    add_face(tmp_path, theirs)
    box = np.array([8, 7, 31, 26.5], np.float32)
    write_boxes(tmp_path / "boxes.csv", {ours: box})
    found = read_faces(tmp_path, markup=THREE, boxes=tmp_path / "boxes.csv")
    assert names_of(found) == [theirs]
    np.testing.assert_array_equal(found.faces[0].box, box)


def test_boxes_are_looked_up_from_the_data_folder_and_from_the_csv(folder, monkeypatch):
    add_face(folder, "lfpw/testset/image_0002.png")
    path = folder / "detector_boxes.csv"
    box = np.array([8, 7, 31, 26.5], np.float32)
    write_boxes(path, {"lfpw/testset/image_0001.png": box})

    whole = read_faces(folder, markup=THREE, split="lfpw", boxes=path)
    assert names_of(whole) == ["lfpw/testset/image_0001.png"]
    np.testing.assert_array_equal(whole.faces[0].box, box)

    monkeypatch.chdir(folder / "lfpw")
    part = read_faces("testset", markup=THREE, boxes="../detector_boxes.csv")
    assert names_of(part) == ["image_0001.png"]
    np.testing.assert_array_equal(part.faces[0].box, box)
    assert part.refused[0].name == "image_0002.png"
    assert part.refused[0].reason.startswith("no row in ../detector_boxes.csv")


def test_boxes_that_are_named_from_a_folder_within_the_data(folder):
    path = folder / "lfpw" / "boxes.csv"
    write_boxes(path, {"./testset/image_0001.png": np.array([8, 7, 31, 26.5])})
    found = read_faces(folder, markup=THREE, split="lfpw", boxes=path)
    assert names_of(found) == ["lfpw/testset/image_0001.png"]


def test_boxes_may_be_named_as_the_annotation_names_its_images(tmp_path):
    """Which leaves out the folder img beside it."""
    add_image(tmp_path / "img" / "a.png")
    add_image(tmp_path / "img" / "b.png")
    points = dict.fromkeys(("a.png", "b.png"), POINTS)
    write_landmarks_json(tmp_path / "landmarks.json", points)
    path = tmp_path / "boxes.csv"
    box = np.array([8, 7, 31, 26.5], np.float32)
    write_boxes(path, {"a.png": box})
    found = read_faces(tmp_path, markup=THREE, boxes=path)
    assert names_of(found) == ["img/a.png"]
    np.testing.assert_array_equal(found.faces[0].box, box)
    reason = f"no row in {path}; looked for img/b.png and b.png"
    assert found.refused == (Refusal("img/b.png", reason),)


def test_what_is_looked_for_is_told_once(folder):
    path = folder / "boxes.csv"
    write_boxes(path, {"other.png": np.array([8, 7, 31, 26.5])})
    with pytest.raises(ValueError, match=r"looked for lfpw/testset/image_0001\.png;"):
        read_faces(folder, markup=THREE, split="lfpw", boxes=path)


def test_boxes_of_another_photo_of_the_same_name_are_not_taken(tmp_path):
    for name, shade in (("a.png", 10), ("test/a.png", 90), ("test/b.png", 90)):
        add_face(tmp_path, name, shade=shade)
    add_face(tmp_path, "b.png", shade=90)  # a copy
    boxes = {"a.png": [8, 7, 31, 26], "b.png": [8, 7, 32, 26]}
    path = tmp_path / "test/boxes.csv"
    write_boxes(path, {name: np.float32(box) for name, box in boxes.items()})
    found = read_faces(tmp_path, markup=THREE, boxes=path, split="all")
    assert names_of(found) == ["b.png", "test/a.png", "test/b.png"]
    np.testing.assert_array_equal(found.faces[0].box, boxes["b.png"])
    (refused,) = found.refused
    assert refused.name == "a.png"
    assert refused.reason.endswith(
        f"looked for a.png; a.png there is {path.parent}/a.png"
    )


def test_of_several_boxes_the_one_on_the_landmarks_is_taken(tmp_path):
    add_face(tmp_path, "a.png")
    rows = np.array([[0, 0, 12, 12], [9, 8, 31, 27], [0, 0, 39, 29]], np.float32)
    write_boxes(tmp_path / "b.csv", {"a.png": rows})
    found = read_faces(tmp_path, markup=THREE, boxes=tmp_path / "b.csv")
    np.testing.assert_array_equal(found.faces[0].box, rows[1])


def test_a_missing_or_wrong_box_file_is_an_error_at_once(folder):
    with pytest.raises(ValueError, match=r"gone\.csv: cannot read it"):
        read_faces(folder, markup=THREE, boxes=folder / "gone.csv")


def test_drawn_boxes_depend_on_seed_and_name_alone(folder):
    # A file of boxes that nobody asked for is not used.
    boxes = {"lfpw/testset/image_0001.png": np.array([0, 0, 39, 29])}
    write_boxes(folder / "detector_boxes.csv", boxes)
    first = read_faces(folder, markup=THREE, seed=3).faces
    again = read_faces(folder, markup=THREE, seed=3, split="test").faces
    by_name = {face.name: face.box for face in first}
    for face in again:
        np.testing.assert_array_equal(face.box, by_name[face.name])
    other = read_faces(folder, markup=THREE, seed=4).faces
    assert all((a.box != b.box).all() for a, b in zip(first, other, strict=True))
    assert len({tuple(face.box) for face in first}) == len(first)


def test_detector_like_boxes_have_the_measured_spread():
    generator = np.random.default_rng(0)
    tight = np.array([100, 50, 300, 150], np.float32)  # 200 wide, 100 high
    boxes = np.stack(
        [detector_like_box(tight, generator=generator) for _ in range(20_000)]
    )
    assert boxes.dtype == np.float32
    size = (boxes[:, 2:] - boxes[:, :2]) / [200, 100]
    shift = ((boxes[:, 2:] + boxes[:, :2]) / 2 - [200, 100]) / [200, 100]
    np.testing.assert_allclose(shift.mean(0), 0, atol=0.001)
    np.testing.assert_allclose(shift.std(0), [0.038, 0.028], rtol=0.03)
    np.testing.assert_allclose(size.mean(0), [0.973, 0.997], atol=0.002)
    np.testing.assert_allclose(size.std(0), [0.079, 0.058], rtol=0.03)
    # Twenty thousand draws reach the cut at three standard deviations, and stop there.
    np.testing.assert_allclose(abs(shift).max(0), [0.114, 0.084], atol=1e-5)
    np.testing.assert_allclose(size.max(0), [0.973 + 0.237, 0.997 + 0.174], atol=1e-5)


def test_a_detector_like_box_moves_and_grows_with_its_box():
    def draw(box):
        return detector_like_box(np.array(box), generator=np.random.default_rng(5))

    box = draw([0, 0, 10, 20])
    moved = draw([100, 200, 110, 220])
    np.testing.assert_allclose(moved - box, [100, 200, 100, 200], atol=1e-4)
    np.testing.assert_allclose(draw([0, 0, 30, 60]), 3 * box, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([41, 5, 60, 25], "outside the image of (40, 30) pixels"),
        ([-20, 5, -1, 25], "outside the image of (40, 30) pixels"),
        ([0, 0, 9, 29], "does not touch the landmarks [10.0, 10.0, 30.0, 25.0]"),
    ],
)
def test_boxes_off_the_image_or_the_landmarks_are_refused(tmp_path, box, reason):
    add_face(tmp_path, "a.png")
    add_face(tmp_path, "b.png")
    boxes = {"a.png": np.array(box), "b.png": np.array([8, 7, 31, 26.5])}
    write_boxes(tmp_path / "boxes.csv", boxes)
    found = read_faces(tmp_path, markup=THREE, boxes=tmp_path / "boxes.csv")
    assert names_of(found) == ["b.png"]
    assert reason in found.refused[0].reason


def test_a_face_without_a_box_does_not_get_its_neighbours(tmp_path):
    add_image(tmp_path / "a.png", size=(240, 200))
    near, far = POINTS * 4, POINTS * 4 + [75, 30]
    faces = [AnnotatedFace("a.png", points) for points in (near, far)]
    write_annotations(tmp_path / "landmarks.json", faces)
    table = tmp_path / "boxes.csv"
    write_boxes(table, {"a.png": np.array([38, 38, 122, 102])})
    found = read_faces(tmp_path, markup=THREE, boxes=table)
    assert [face.name for face in found.faces] == ["a.png#1"]
    (refusal,) = found.refused
    assert refusal.name == "a.png#2"
    assert refusal.reason.startswith(f"no box of {table} lies around its landmarks")
