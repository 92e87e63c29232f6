"""Data sets of every layout as records, with what is refused, on tiny drawn images."""

import json

import numpy as np
import pytest
from PIL import ExifTags, Image

from rcsr_jax.data.annotations import write_boxes, write_landmarks_json, write_pts
from rcsr_jax.data.face_boxes import detector_like_box
from rcsr_jax.data.faces import read_faces
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.markup import Markup

MARKUP = Markup(name="3", mirror=(1, 0, 2), eye_corners=(0, 1), eyes=((0,), (1,)))
POINTS = np.array(
    [[10, 10], [30, 10], [20, 25]], np.float32
)  # tight box 10..30, 10..25


def _add_image(path, *, size=(40, 30), **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("L", size).save(path, **options)


def _add_face(root, name, *, points=POINTS, **options):
    _add_image(root / name, **options)
    write_pts((root / name).with_suffix(".pts"), points)


def _names(found):
    return [face.name for face in found.faces]


@pytest.fixture
def folder(tmp_path):
    """A small 300-W: two sources with training folders, tests in three places."""
    for name in (
        "lfpw/trainset/image_0001.png",
        "lfpw/testset/image_0001.png",
        "helen/trainset/1_1.jpg",
        "afw/Test/2_1.jpg",
        "IBUG/image_003_1.jpg",
        "val/5.png",
    ):
        _add_face(tmp_path / "300 w", name)
    return tmp_path / "300 w"


def test_images_beside_pts_are_found_at_any_depth(tmp_path):
    names = ["a b/c é/1.JPG", "a b/x.y.png", "top.tif"]
    for name in names:
        _add_face(tmp_path, name)
    (tmp_path / "top.tif").with_suffix(".pts").rename(tmp_path / "top.PTS")
    _add_image(tmp_path / "unannotated.png")
    _add_face(tmp_path, ".hidden/1.png")
    (tmp_path / "a b" / "._x.y.pts").touch()

    found = read_faces(tmp_path, markup=MARKUP)
    assert _names(found) == names
    assert found.refused == ()
    for face in found.faces:
        assert face.path == tmp_path / face.name
        assert face.points.dtype == face.box.dtype == np.float32
        np.testing.assert_array_equal(face.points, POINTS)


def test_folders_behind_links_are_read_once(tmp_path):
    _add_face(tmp_path / "elsewhere", "1.png")
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere" / "round").symlink_to(tmp_path / "data")
    assert _names(read_faces(tmp_path / "data", markup=MARKUP)) == ["linked/1.png"]


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
    assert _names(read_faces(folder, markup=MARKUP, split=split)) == expected


def test_all_is_every_split_and_folders_above_data_do_not_count(folder):
    assert len(read_faces(folder, markup=MARKUP).faces) == 6
    test = folder / "lfpw" / "testset"
    assert _names(read_faces(test, markup=MARKUP, split="train")) == ["image_0001.png"]


def test_an_unknown_split_lists_the_folders(folder):
    with pytest.raises(ValueError, match=r"split 'lfp'.*afw/Test.*lfpw/trainset"):
        read_faces(folder, markup=MARKUP, split="lfp")
    with pytest.raises(ValueError, match=r"split 'test'.*folders are none"):
        read_faces(folder / "lfpw" / "testset", markup=MARKUP, split="test")


@pytest.mark.parametrize("nested", [False, True])
def test_landmarks_json(tmp_path, nested):
    _add_image(tmp_path / "b.png")
    _add_image(tmp_path / "img" / "a c.png")
    points = [[10, 10], None, [20, 25]]
    entry = {"points": points, "trusted_scale": 1} if nested else points
    text = json.dumps({"b.png": entry, "a c.png": entry})
    (tmp_path / "landmarks.json").write_text(text)
    for data in (tmp_path, tmp_path / "landmarks.json"):
        found = read_faces(data, markup=MARKUP)
        assert _names(found) == ["b.png", "img/a c.png"]
        assert found.faces[1].path == tmp_path / "img" / "a c.png"
        expected = [[10, 10], [np.nan, np.nan], [20, 25]]
        np.testing.assert_array_equal(found.faces[0].points, expected)


def test_keypoint_csv_finds_images_in_its_folder_or_beside_it(tmp_path):
    _add_image(tmp_path / "train" / "a_01.jpg")
    _add_image(tmp_path / "b.jpg")
    path = tmp_path / "train_keypoints.csv"
    row = "10,10,30,10,20,25"
    path.write_text(f",0,1,2,3,4,5\nb.jpg,{row}\na_01.jpg,{row}\nc.jpg,{row}\n")
    found = read_faces(path, markup=MARKUP, split="train")
    assert _names(found) == ["b.jpg", "train/a_01.jpg"]
    assert [name for name, _ in found.refused] == ["train/c.jpg"]
    np.testing.assert_array_equal(found.faces[1].points, POINTS)


def test_boxes_are_looked_up_from_the_data_folder_and_from_the_csv(folder, monkeypatch):
    _add_face(folder, "lfpw/testset/image_0002.png")
    path = folder / "detector_boxes.csv"
    box = np.array([8, 7, 31, 26.5], np.float32)
    write_boxes(path, {"lfpw/testset/image_0001.png": box})

    whole = read_faces(folder, markup=MARKUP, split="lfpw", boxes=path)
    assert _names(whole) == ["lfpw/testset/image_0001.png"]
    np.testing.assert_array_equal(whole.faces[0].box, box)

    monkeypatch.chdir(folder / "lfpw")
    part = read_faces("testset", markup=MARKUP, boxes="../detector_boxes.csv")
    assert _names(part) == ["image_0001.png"]
    np.testing.assert_array_equal(part.faces[0].box, box)
    assert part.refused[0].name == "image_0002.png"
    assert part.refused[0].reason.startswith("no row in ../detector_boxes.csv")


def test_boxes_that_are_named_from_a_folder_within_the_data(folder):
    path = folder / "lfpw" / "boxes.csv"
    write_boxes(path, {"./testset/image_0001.png": np.array([8, 7, 31, 26.5])})
    found = read_faces(folder, markup=MARKUP, split="lfpw", boxes=path)
    assert _names(found) == ["lfpw/testset/image_0001.png"]


def test_of_several_boxes_the_one_on_the_landmarks_is_taken(tmp_path):
    _add_face(tmp_path, "a.png")
    rows = np.array([[0, 0, 12, 12], [9, 8, 31, 27], [0, 0, 39, 29]], np.float32)
    write_boxes(tmp_path / "b.csv", {"a.png": rows})
    found = read_faces(tmp_path, markup=MARKUP, boxes=tmp_path / "b.csv")
    np.testing.assert_array_equal(found.faces[0].box, rows[1])


def test_a_missing_or_wrong_box_file_is_an_error_at_once(folder):
    with pytest.raises(ValueError, match=r"gone\.csv: cannot read it"):
        read_faces(folder, markup=MARKUP, boxes=folder / "gone.csv")


def test_drawn_boxes_depend_on_seed_and_name_alone(folder):
    # A file of boxes that nobody asked for is not used.
    boxes = {"lfpw/testset/image_0001.png": np.array([0, 0, 39, 29])}
    write_boxes(folder / "detector_boxes.csv", boxes)
    first = read_faces(folder, markup=MARKUP, seed=3).faces
    again = read_faces(folder, markup=MARKUP, seed=3, split="test").faces
    by_name = {face.name: face.box for face in first}
    for face in again:
        np.testing.assert_array_equal(face.box, by_name[face.name])
    other = read_faces(folder, markup=MARKUP, seed=4).faces
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


def test_broken_faces_are_counted_and_named(tmp_path):
    _add_face(tmp_path, "good.png")
    _add_face(tmp_path, "two.png", points=POINTS[:2])
    _add_face(tmp_path, "blank.png", points=np.full((3, 2), np.nan))
    _add_face(tmp_path, "one.png", points=np.array([[5, 5], *2 * [[np.nan] * 2]]))
    _add_face(tmp_path, "outside.png", points=POINTS + 500)
    _add_face(tmp_path, "text.png")
    (tmp_path / "text.pts").write_text("version: 1\nn_points: 1\n{\na b\n}\n")
    write_pts(tmp_path / "alone.pts", POINTS)
    _add_face(tmp_path, "twins.png")
    _add_image(tmp_path / "twins.jpg")
    _add_face(tmp_path, "broken.png")
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")

    found = read_faces(tmp_path, markup=MARKUP)
    assert _names(found) == ["good.png"]
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
        read_faces(tmp_path, markup=MARKUP, strict=True)


def test_broken_entries_of_a_json_are_refused_one_by_one(tmp_path):
    for name in ("good.png", "text.png", "two.png"):
        _add_image(tmp_path / "img" / name)
    good = POINTS.tolist()
    entries = {
        "good.png": good,
        "img/good.png": good,
        "text.png": [["a", 1]],
        "two.png": good[:2],
        "gone.png": good,
        "../outside.png": good,
        str(tmp_path / "img" / "two.png"): good,
    }
    (tmp_path / "landmarks.json").write_text(json.dumps(entries))
    _add_image(tmp_path.parent / "outside.png")
    found = read_faces(tmp_path, markup=MARKUP)
    assert _names(found) == ["img/good.png"]
    assert found.refused[0] == Refusal(
        "../outside.png", "an image must lie in the data folder"
    )
    reasons = dict(found.refused)
    assert len(found.refused) == 6
    assert "annotated twice" in reasons["img/good.png"]
    assert "not two numbers" in reasons["img/text.png"]
    assert "2 points, where 3 are needed" in reasons["img/two.png"]
    assert "no such image" in reasons["gone.png"]


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ([41, 5, 60, 25], "outside the image of (40, 30) pixels"),
        ([-20, 5, -1, 25], "outside the image of (40, 30) pixels"),
        ([0, 0, 9, 29], "does not touch the landmarks [10.0, 10.0, 30.0, 25.0]"),
    ],
)
def test_boxes_off_the_image_or_the_landmarks_are_refused(tmp_path, box, reason):
    _add_face(tmp_path, "a.png")
    _add_face(tmp_path, "b.png")
    boxes = {"a.png": np.array(box), "b.png": np.array([8, 7, 31, 26.5])}
    write_boxes(tmp_path / "boxes.csv", boxes)
    found = read_faces(tmp_path, markup=MARKUP, boxes=tmp_path / "boxes.csv")
    assert _names(found) == ["b.png"]
    assert reason in found.refused[0].reason


def test_points_refer_to_the_upright_picture(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    # 60 x 20 in the file, 20 x 60 upright: the points fit only the latter.
    points = np.array([[2, 40], [18, 40], [10, 55]])
    _add_face(tmp_path, "a.jpg", points=points, size=(60, 20), exif=exif)
    _add_face(tmp_path, "b.jpg", points=points, size=(60, 20))
    found = read_faces(tmp_path, markup=MARKUP)
    assert _names(found) == ["a.jpg"]
    assert [name for name, _ in found.refused] == ["b.jpg"]


def test_where_nothing_can_be_read_it_says_what_was_looked_for(tmp_path):
    with pytest.raises(ValueError, match="gone: no such data folder or file"):
        read_faces(tmp_path / "gone", markup=MARKUP)
    with pytest.raises(
        ValueError, match=r"no annotation; .*\.pts .*landmarks\.json\.$"
    ):
        read_faces(tmp_path, markup=MARKUP)
    (tmp_path / "train_keypoints.csv").write_text(",0,1\n")
    with pytest.raises(ValueError, match=r"give the file: \['train_keypoints\.csv'\]"):
        read_faces(tmp_path, markup=MARKUP)
    with pytest.raises(ValueError, match="lists no image"):
        read_faces(tmp_path / "train_keypoints.csv", markup=MARKUP)


def test_two_kinds_of_annotation_in_one_folder_are_an_error(folder):
    write_landmarks_json(folder / "landmarks.json", {"val/5.png": POINTS})
    with pytest.raises(ValueError, match=r"both landmarks\.json and \.pts files"):
        read_faces(folder, markup=MARKUP)
    alone = read_faces(folder / "landmarks.json", markup=MARKUP)
    assert _names(alone) == ["val/5.png"]


def test_several_faces_of_an_image_are_numbered_and_keep_their_boxes(tmp_path):
    _add_image(tmp_path / "images" / "b.png")
    _add_image(tmp_path / "a_1.png")
    parts = "".join(
        f"<part name='{i}' x='{x:.0f}' y='{y:.0f}'/>" for i, (x, y) in enumerate(POINTS)
    )
    box = f"<box left='8' top='7' width='24' height='20'>{parts}</box>"
    blank = "<box left='0' top='0' width='9' height='9'/>"
    (tmp_path / "faces.xml").write_text(
        f"<dataset><images><image file='b.png'>{box}{blank}{box}</image>"
        f"<image file='a_1.png'>{box}</image></images></dataset>"
    )
    found = read_faces(tmp_path / "faces.xml", markup=MARKUP, split="train")
    assert _names(found) == ["a_1.png", "images/b.png#1", "images/b.png#3"]
    assert dict(found.refused) == {"images/b.png#2": "no landmark is annotated"}
    for face in found.faces:
        np.testing.assert_array_equal(face.box, [8, 7, 31, 26])
        np.testing.assert_array_equal(face.points, POINTS)
    listed = np.array([[9, 8, 31, 27], [0, 0, 12, 12]], np.float32)
    write_boxes(tmp_path / "boxes.csv", {"images/b.png": listed})
    other = read_faces(
        tmp_path / "faces.xml", markup=MARKUP, boxes=tmp_path / "boxes.csv"
    )
    assert _names(other) == ["images/b.png#1", "images/b.png#3"]
    np.testing.assert_array_equal(other.faces[1].box, listed[0])


def test_coco_finds_its_images_and_boxes(tmp_path):
    _add_image(tmp_path / "img" / "a.png")
    flat = [value for x, y in POINTS.tolist() for value in (x, y, 2)]
    annotation = {"id": 9, "image_id": 7, "keypoints": flat, "bbox": [9, 9, 22, 17]}
    content = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [annotation],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    (face,) = read_faces(tmp_path / "coco.json", markup=MARKUP).faces
    assert face.name == "img/a.png"
    np.testing.assert_array_equal(face.points, POINTS)
    np.testing.assert_array_equal(face.box, [8.5, 8.5, 30.5, 25.5])


def test_all_faces_refused_is_an_error(folder):
    wide = Markup(name="4", mirror=(0, 1, 2, 3), eye_corners=(0, 1), eyes=((0,), (1,)))
    with pytest.raises(ValueError, match=r"6 of 6 faces.*IBUG/.*3 points, where 4"):
        read_faces(folder, markup=wide)
