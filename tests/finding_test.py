"""Where boxes come from: a table, the photo's size, or a detector with the model's map."""

import unicodedata

import numpy as np
import pytest
from rcsr_jax.experiments.finding import box_finder
from rcsr_jax.experiments.inputs import Input

from rcsr_jax.boxes import BoxMap
from rcsr_jax.data.annotations import write_boxes

PLAIN = np.zeros((60, 90, 3), np.uint8)
MAP = BoxMap(shift_x=0.1, shift_y=-0.2, scale_w=1.5, scale_h=0.5)


def test_a_table_is_looked_up_by_path_and_by_name(tmp_path, monkeypatch):
    boxes = {"sub/a.jpg": [1, 2, 30, 40], "b.jpg": [[5, 6, 20, 30], [40, 6, 60, 30]]}
    write_boxes(tmp_path / "boxes.csv", {k: np.array(v) for k, v in boxes.items()})
    monkeypatch.chdir(tmp_path.parent)
    find = box_finder(table=str(tmp_path / "boxes.csv"))
    for name, path, wanted in (
        ("a", tmp_path / "sub/a.jpg", [boxes["sub/a.jpg"]]),  # relative to the table
        ("b.jpg", tmp_path / "elsewhere/c.jpg", boxes["b.jpg"]),  # by its name
        ("x", tmp_path / "elsewhere/b.jpg", boxes["b.jpg"]),  # by that of its file
    ):
        found, scores = find(Input(name, path, "out"), PLAIN)
        np.testing.assert_array_equal(found, wanted)
        assert scores is None
    with pytest.raises(
        ValueError, match=r"no box in .*boxes\.csv; looked for .*c\.jpg"
    ):
        find(Input("c.jpg", tmp_path / "c.jpg", "out"), PLAIN)


def test_a_row_of_another_photo_of_the_name_is_not_taken(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path.parent)
    for path in (tmp_path / "a.jpg", tmp_path / "day2/a.jpg", tmp_path / "day2/b.jpg"):
        path.parent.mkdir(exist_ok=True)
        path.touch()
    table = tmp_path / "boxes.csv"
    table.write_text("image,x0,y0,x1,y1\na.jpg,1,2,30,40\nb.jpg,5,6,30,40\n")
    find = box_finder(table=str(table))
    with pytest.raises(ValueError, match="no box in"):
        find(Input("day2/a.jpg", tmp_path / "day2/a.jpg", "out"), PLAIN)
    for path in (tmp_path / "day2/b.jpg", tmp_path / "x.tar/a.jpg"):
        boxes, _ = find(Input("its own", path, "out"), PLAIN)  # of no other photo
        np.testing.assert_array_equal(boxes[:, 2:], [[30, 40]])


@pytest.mark.parametrize(("listed", "called"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_accents_may_be_spelt_in_two_ways(listed, called, tmp_path):
    """As by Linux and by a Mac: one character, or a letter and what goes above it."""
    ours, theirs = (unicodedata.normalize(form, "Zoë.jpg") for form in (listed, called))
    assert ours != theirs
    table = tmp_path / "boxes.csv"
    table.write_text(f"image,x0,y0,x1,y1\n{ours},1,2,30,40\n", encoding="utf-8")
    find = box_finder(table=str(table))
    for path in (tmp_path / theirs, tmp_path / "elsewhere" / theirs):
        boxes, _ = find(Input(path.name, path, "out"), PLAIN)
        np.testing.assert_array_equal(boxes, [[1, 2, 30, 40]])


def test_a_path_is_found_however_it_is_spelt(tmp_path, monkeypatch):
    for folder in ("here", "lists", "photos", "store"):
        (tmp_path / folder).mkdir()
    (tmp_path / "photos/link").symlink_to(tmp_path / "store")
    monkeypatch.chdir(tmp_path / "here")
    keys = {
        "./a.jpg": "lists/a.jpg",
        "./deep/../b.jpg": "lists/b.jpg",
        "../photos/c.jpg": "photos/c.jpg",
        "../../" + tmp_path.name + "/photos/d.jpg": "photos/d.jpg",
        "../here/./e.jpg": "here/e.jpg",
        f"{tmp_path}/lists/../f.jpg": "f.jpg",
        "../photos/link/g.jpg": "store/g.jpg",
        "../store/h.jpg": "photos/link/h.jpg",
    }
    rows = [f"{key},{number},0,50,50" for number, key in enumerate(keys)]
    table = tmp_path / "lists/boxes.csv"
    table.write_text("\n".join(["image,x0,y0,x1,y1", *rows]))
    find = box_finder(table=str(table))
    for number, path in enumerate(keys.values()):
        boxes, _ = find(Input("by no name", tmp_path / path, "out"), PLAIN)
        np.testing.assert_array_equal(boxes, [[number, 0, 50, 50]])
    # as archives call what is in them
    boxes, _ = find(Input("./a.jpg", tmp_path / "x.tar/a.jpg", "out"), PLAIN)
    np.testing.assert_array_equal(boxes, [[0, 0, 50, 50]])


def test_boxes_of_two_spellings_belong_to_one_photo(tmp_path):
    rows = ["a.jpg,1,2,30,40", "./a.jpg,1,2,30,40", "./a.jpg,5,6,30,40", "\0/b,0,0,1,1"]
    table = tmp_path / "boxes.csv"
    table.write_text("\n".join(["image,x0,y0,x1,y1", *rows]))
    boxes, _ = box_finder(table=str(table))(Input("a.jpg", tmp_path, "a"), PLAIN)
    np.testing.assert_array_equal(boxes, [[1, 2, 30, 40], [5, 6, 30, 40]])


def test_a_photo_that_is_one_face_is_filled_by_it(tmp_path):
    find = box_finder(filled=True)
    found, scores = find(Input("a", tmp_path / "a.jpg", "a"), PLAIN)
    # 0.7 of 60 pixels around the middle of 90 x 60, whose first pixel is centred at 0
    np.testing.assert_allclose(found, [[44.5 - 21, 29.5 - 21, 44.5 + 21, 29.5 + 21]])
    assert scores is None


@pytest.mark.parametrize(
    ("ignored", "message"),
    [
        ({"table": "b.csv", "filled": True}, "not both"),
        (
            {"filled": True, "threshold": 0.5},
            "threshold and min_face are the detector's",
        ),
        ({"table": "b.csv", "min_face": 40.0}, "threshold and min_face are the"),
    ],
)
def test_settings_that_would_be_ignored_are_refused(ignored, message):
    with pytest.raises(ValueError, match=message):
        box_finder(**ignored)


def test_the_detector_s_boxes_go_through_the_model_s_map(tmp_path):
    pytest.importorskip("dlib")
    photo = pytest.importorskip("skimage.data").astronaut()
    given = Input("a", tmp_path / "a.jpg", "a")
    raw, scores = box_finder(box_map=BoxMap())(given, photo)
    mapped, again = box_finder(box_map=MAP)(given, photo)
    assert len(raw) == 1 and scores == again
    np.testing.assert_allclose(mapped, MAP.apply(raw), rtol=1e-5)
