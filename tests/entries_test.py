"""Which faces an annotation lists, and which images they have, in every layout."""

import json
import unicodedata

import numpy as np
import pytest
from photo_folders import POINTS, add_image, names_of, small_300_w
from three import THREE

from rcsr_jax.data.annotations import write_boxes, write_landmarks_json
from rcsr_jax.data.faces import read_faces
from rcsr_jax.data.refusals import Refusal


@pytest.fixture
def folder(tmp_path):
    return small_300_w(tmp_path / "300 w")


@pytest.mark.parametrize("nested", [False, True])
def test_landmarks_json(tmp_path, nested):
    add_image(tmp_path / "b.png")
    add_image(tmp_path / "img" / "a c.png")
    points = [[10, 10], None, [20, 25]]
    entry = {"points": points, "trusted_scale": 1} if nested else points
    text = json.dumps({"b.png": entry, "a c.png": entry})
    (tmp_path / "landmarks.json").write_text(text)
    for data in (tmp_path, tmp_path / "landmarks.json"):
        found = read_faces(data, markup=THREE)
        assert names_of(found) == ["b.png", "img/a c.png"]
        assert found.faces[1].path == tmp_path / "img" / "a c.png"
        expected = [[10, 10], [np.nan, np.nan], [20, 25]]
        np.testing.assert_array_equal(found.faces[0].points, expected)


def test_keypoint_csv_finds_images_in_its_folder_or_beside_it(tmp_path):
    add_image(tmp_path / "train" / "a_01.jpg")
    add_image(tmp_path / "b.jpg")
    path = tmp_path / "train_keypoints.csv"
    row = "10,10,30,10,20,25"
    path.write_text(f",0,1,2,3,4,5\nb.jpg,{row}\na_01.jpg,{row}\nc.jpg,{row}\n")
    found = read_faces(path, markup=THREE, split="train")
    assert names_of(found) == ["b.jpg", "train/a_01.jpg"]
    assert [name for name, _ in found.refused] == ["train/c.jpg"]
    np.testing.assert_array_equal(found.faces[1].points, POINTS)


@pytest.mark.parametrize(("listed", "called"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_an_image_is_found_however_its_accents_are_spelt(tmp_path, listed, called):
    ours, theirs = (unicodedata.normalize(form, "Zoë.png") for form in (listed, called))
    add_image(tmp_path / "img" / theirs)
    text = json.dumps({ours: POINTS.tolist()}, ensure_ascii=False)
    (tmp_path / "landmarks.json").write_text(text, encoding="utf-8")
    found = read_faces(tmp_path, markup=THREE)
    assert names_of(found) == [f"img/{theirs}"]
    np.testing.assert_array_equal(found.faces[0].points, POINTS)


def test_broken_entries_of_a_json_are_refused_one_by_one(tmp_path):
    for name in ("good.png", "text.png", "two.png"):
        add_image(tmp_path / "img" / name)
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
    add_image(tmp_path.parent / "outside.png")
    found = read_faces(tmp_path, markup=THREE)
    assert names_of(found) == ["img/good.png"]
    assert found.refused[0] == Refusal(
        "../outside.png", "an image must lie in the data folder"
    )
    reasons = dict(found.refused)
    assert len(found.refused) == 6
    assert "annotated twice" in reasons["img/good.png"]
    assert "not two numbers" in reasons["img/text.png"]
    assert "2 points, where 3 are needed" in reasons["img/two.png"]
    assert "no such image" in reasons["gone.png"]


def test_where_nothing_can_be_read_it_says_what_was_looked_for(tmp_path):
    with pytest.raises(ValueError, match="gone: no such data folder or file"):
        read_faces(tmp_path / "gone", markup=THREE)
    with pytest.raises(
        ValueError, match=r"no annotation; .*\.pts .*landmarks\.json\.$"
    ):
        read_faces(tmp_path, markup=THREE)
    (tmp_path / "train_keypoints.csv").write_text(",0,1\n")
    with pytest.raises(ValueError, match=r"give the file: \['train_keypoints\.csv'\]"):
        read_faces(tmp_path, markup=THREE)
    with pytest.raises(ValueError, match="lists no image"):
        read_faces(tmp_path / "train_keypoints.csv", markup=THREE)


def test_two_kinds_of_annotation_in_one_folder_are_an_error(folder):
    write_landmarks_json(folder / "landmarks.json", {"val/5.png": POINTS})
    with pytest.raises(ValueError, match=r"both landmarks\.json and \.pts files"):
        read_faces(folder, markup=THREE)
    alone = read_faces(folder / "landmarks.json", markup=THREE)
    assert names_of(alone) == ["val/5.png"]


def test_several_faces_of_an_image_are_numbered_and_keep_their_boxes(tmp_path):
    add_image(tmp_path / "images" / "b.png")
    add_image(tmp_path / "a_1.png")
    parts = "".join(
        f"<part name='{i}' x='{x:.0f}' y='{y:.0f}'/>" for i, (x, y) in enumerate(POINTS)
    )
    box = f"<box left='8' top='7' width='24' height='20'>{parts}</box>"
    blank = "<box left='0' top='0' width='9' height='9'/>"
    (tmp_path / "faces.xml").write_text(
        f"<dataset><images><image file='b.png'>{box}{blank}{box}</image>"
        f"<image file='a_1.png'>{box}</image></images></dataset>"
    )
    found = read_faces(tmp_path / "faces.xml", markup=THREE, split="train")
    assert names_of(found) == ["a_1.png", "images/b.png#1", "images/b.png#3"]
    assert dict(found.refused) == {"images/b.png#2": "no landmark is annotated"}
    for face in found.faces:
        np.testing.assert_array_equal(face.box, [8, 7, 31, 26])
        np.testing.assert_array_equal(face.points, POINTS)
    listed = np.array([[9, 8, 31, 27], [0, 0, 12, 12]], np.float32)
    write_boxes(tmp_path / "boxes.csv", {"images/b.png": listed})
    other = read_faces(
        tmp_path / "faces.xml", markup=THREE, boxes=tmp_path / "boxes.csv"
    )
    assert names_of(other) == ["images/b.png#1", "images/b.png#3"]
    np.testing.assert_array_equal(other.faces[1].box, listed[0])


def test_coco_finds_its_images_and_boxes(tmp_path):
    add_image(tmp_path / "img" / "a.png")
    flat = [value for x, y in POINTS.tolist() for value in (x, y, 2)]
    annotation = {"id": 9, "image_id": 7, "keypoints": flat, "bbox": [9, 9, 22, 17]}
    content = {
        "images": [{"id": 7, "file_name": "a.png"}],
        "annotations": [annotation],
    }
    (tmp_path / "coco.json").write_text(json.dumps(content))
    (face,) = read_faces(tmp_path / "coco.json", markup=THREE).faces
    assert face.name == "img/a.png"
    np.testing.assert_array_equal(face.points, POINTS)
    np.testing.assert_array_equal(face.box, [8.5, 8.5, 30.5, 25.5])


def test_the_folder_beside_a_table_wins_over_one_of_its_name(tmp_path):
    """faces.csv of rcsr-predict among photos, of which some lie in a folder faces."""
    for name in ("a.png", "faces/a.png"):
        add_image(tmp_path / name)
    rows = "a.png,10,10,30,10,20,25\nfaces/a.png,10,10,30,10,21,25\n"
    (tmp_path / "faces.csv").write_text(f"image,x_0,y_0,x_1,y_1,x_2,y_2\n{rows}")
    found = read_faces(tmp_path / "faces.csv", markup=THREE)
    assert names_of(found) == ["a.png", "faces/a.png"] and not found.refused
    assert [face.points[2, 0] for face in found.faces] == [20, 21]
