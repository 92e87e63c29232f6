"""Data sets as records, with what is refused, on tiny blank photos."""

import numpy as np
import pytest
from photo_folders import POINTS, add_face, add_image, names_of, small_300_w
from PIL import ExifTags, Image
from three import THREE

from rcsr_jax.data.annotations import write_pts
from rcsr_jax.data.faces import read_faces
from rcsr_jax.markup import Markup


@pytest.fixture
def folder(tmp_path):
    return small_300_w(tmp_path / "300 w")


def test_images_beside_pts_are_found_at_any_depth(tmp_path):
    names = ["a b/c é/1.JPG", "a b/x.y.png", "top.tif"]
    for name in names:
        add_face(tmp_path, name)
    (tmp_path / "top.tif").with_suffix(".pts").rename(tmp_path / "top.PTS")
    add_image(tmp_path / "unannotated.png")
    add_face(tmp_path, ".hidden/1.png")
    (tmp_path / "a b" / "._x.y.pts").touch()

    found = read_faces(tmp_path, markup=THREE)
    assert names_of(found) == names
    assert found.refused == ()
    for face in found.faces:
        assert face.path == tmp_path / face.name
        assert face.points.dtype == face.box.dtype == np.float32
        np.testing.assert_array_equal(face.points, POINTS)


def test_folders_behind_links_are_read_once(tmp_path):
    add_face(tmp_path / "elsewhere", "1.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "data")
    assert names_of(read_faces(tmp_path / "data", markup=THREE)) == ["linked/1.png"]


@pytest.mark.parametrize(
    ("split", "expected"),
    [
        ("train", ["helen/trainset/1_1.jpg", "lfpw/trainset/image_0001.png"]),
        (
            "test",
            ["IBUG/image_003_1.jpg", "afw/Test/2_1.jpg", "lfpw/testset/image_0001.png"],
        ),
        ("lfpw/testset", ["lfpw/testset/image_0001.png"]),
        ("lfpw/", ["lfpw/testset/image_0001.png", "lfpw/trainset/image_0001.png"]),
        ("val", ["val/5.png"]),
    ],
)
def test_splits(folder, split, expected):
    assert names_of(read_faces(folder, markup=THREE, split=split)) == expected


def test_each_part_of_a_split_has_faces(folder):
    both = read_faces(folder, markup=THREE, split="IBUG, lfpw/testset")
    assert names_of(both) == ["IBUG/image_003_1.jpg", "lfpw/testset/image_0001.png"]
    for split, named in (("IBUG,lfpw/tesset", "lfpw/tesset"), ("IBUG, ibug", "ibug")):
        with pytest.raises(ValueError, match=f"no face in split '{named}'"):
            read_faces(folder, markup=THREE, split=split)
    # a comma too many is not the whole folder, with its test faces
    assert names_of(read_faces(folder, markup=THREE, split="afw/Test,")) == [
        "afw/Test/2_1.jpg"
    ]
    for split in ("", ",", " "):
        with pytest.raises(ValueError, match="no face in split"):
            read_faces(folder, markup=THREE, split=split)


def test_all_is_every_split_and_folders_above_data_do_not_count(folder):
    assert len(read_faces(folder, markup=THREE).faces) == 6
    test = folder / "lfpw" / "testset"
    assert names_of(read_faces(test, markup=THREE, split="train")) == ["image_0001.png"]


def test_an_unknown_split_lists_the_folders(folder):
    with pytest.raises(ValueError, match=r"split 'lfp'.*afw/Test.*lfpw/trainset"):
        read_faces(folder, markup=THREE, split="lfp")
    with pytest.raises(ValueError, match=r"split 'test'.*folders are none"):
        read_faces(folder / "lfpw" / "testset", markup=THREE, split="test")


def test_landmarks_in_shares_of_the_photo_are_refused(tmp_path):
    """The photo is 40 x 30; the landmarks span 20 x 15 of it, half of either side."""
    add_face(tmp_path, "shares.png", points=POINTS / [40, 30])
    add_face(tmp_path, "pixels.png")
    found = read_faces(tmp_path, markup=THREE)
    assert names_of(found) == ["pixels.png"]
    (refusal,) = found.refused
    assert refusal.name == "shares.png"
    assert refusal.reason == (
        "its landmarks span 0.5 pixels: they are in pixels, not in shares of the photo's "
        "sides"
    )
    (tmp_path / "pixels.png").unlink()
    (tmp_path / "pixels.pts").unlink()
    with pytest.raises(
        ValueError, match="1 of 1 faces cannot be used: shares.png: its"
    ):
        read_faces(tmp_path, markup=THREE)


@pytest.mark.parametrize(
    "points",
    [[[10, 10], [12, 10], [11, 10]], [[10, 10], [np.nan] * 2, [np.nan] * 2]],
    ids=["on a line two pixels long", "one landmark annotated"],
)
def test_few_or_level_landmarks_are_a_face_where_a_box_is_given(points, tmp_path):
    add_face(tmp_path, "1.png", points=np.array(points))
    boxes = tmp_path / "boxes.csv"
    boxes.write_text("image,x0,y0,x1,y1\n1.png,5,5,30,25\n", encoding="utf-8")
    assert names_of(read_faces(tmp_path, markup=THREE, boxes=boxes)) == ["1.png"]


@pytest.mark.parametrize("strict", [False, True])
def test_landmarks_of_another_number_are_told_what_to_do(strict, tmp_path):
    for name in ("1.png", "2.png"):
        add_face(tmp_path, name, points=np.vstack([POINTS, POINTS[:1]]))
    with pytest.raises(ValueError) as caught:
        read_faces(tmp_path, markup=THREE, strict=strict)
    said = str(caught.value)
    assert "2 of 2 faces cannot be used: 1.png: 4 points, where 3 are needed;" in said
    assert said.endswith(
        " To train on 4 landmarks describe them with --markup=FILE.json "
        "(docs/own_landmarks.md); other programs take a model of 4 landmarks as "
        "--checkpoint."
    )


def test_a_face_that_lacks_a_landmark_is_no_other_markup(tmp_path):
    add_face(tmp_path, "1.png", points=POINTS[:2])
    add_face(tmp_path, "2.png")
    with pytest.raises(ValueError, match="1.png: 2 points, where 3 are needed.$"):
        read_faces(tmp_path, markup=THREE, strict=True)


def test_broken_faces_are_counted_and_named(tmp_path):
    add_face(tmp_path, "good.png")
    add_face(tmp_path, "two.png", points=POINTS[:2])
    add_face(tmp_path, "blank.png", points=np.full((3, 2), np.nan))
    add_face(tmp_path, "one.png", points=np.array([[5, 5], *2 * [[np.nan] * 2]]))
    add_face(tmp_path, "outside.png", points=POINTS + 500)
    add_face(tmp_path, "text.png")
    (tmp_path / "text.pts").write_text("version: 1\nn_points: 1\n{\na b\n}\n")
    write_pts(tmp_path / "alone.pts", POINTS)
    add_face(tmp_path, "twins.png")
    add_image(tmp_path / "twins.jpg")
    add_face(tmp_path, "broken.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")

    found = read_faces(tmp_path, markup=THREE)
    assert names_of(found) == ["good.png"]
    reasons = dict(found.refused)
    expected = {
        "alone.pts": "found none",
        "blank.png": "no landmark is annotated",
        "broken.png": "not an image",
        "one.png": "empty or inverted",
        "outside.png": "outside the image",
        "text.png": "landmark 0 is not two numbers",
        "twins.pts": "found twins.jpg, twins.png",
        "two.png": "2 points, where 3 are needed",
    }
    assert list(reasons) == list(expected)
    for name, reason in expected.items():
        assert reason in reasons[name]
    with pytest.raises(ValueError, match=r"8 of 9 faces cannot be used: alone\.pts: "):
        read_faces(tmp_path, markup=THREE, strict=True)


def test_points_refer_to_the_upright_picture(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    # 60 x 20 in the file, 20 x 60 upright: the points fit only the latter.
    points = np.array([[2, 40], [18, 40], [10, 55]])
    add_face(tmp_path, "a.jpg", points=points, size=(60, 20), exif=exif)
    add_face(tmp_path, "b.jpg", points=points, size=(60, 20))
    found = read_faces(tmp_path, markup=THREE)
    assert names_of(found) == ["a.jpg"]
    assert [name for name, _ in found.refused] == ["b.jpg"]


def test_all_faces_refused_is_an_error(folder):
    wide = Markup(name="4", mirror=(0, 1, 2, 3), eye_corners=(0, 1), eyes=((0,), (1,)))
    with pytest.raises(ValueError, match=r"6 of 6 faces.*IBUG/.*3 points, where 4"):
        read_faces(folder, markup=wide)
