"""Formats of other programs, and every format to every other: values, origins, errors."""

import json
from pathlib import Path

import numpy as np
import pytest

from rcsr_jax.data import annotations
from rcsr_jax.data.annotations import AnnotatedFace

NAN = float("nan")
DLIB = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset>
<name>faces</name>
<images>
  <image file='a b\\\xe9.jpg' width='90' height='80'>
    <box top='20' left='10' width='30' height='40'>
      <label>face</label>
      <part name='2' x='11' y='21'/>
      <part name='10' x='15' y='-1'/>
      <part name='1' x='0' y='25'/>
    </box>
    <box top='1' left='2' width='3' height='4' ignore='1'/>
    <box top='2' left='3' width='30' height='30'><part name='10' x='7' y='8'/></box>
  </image>
  <image file='blank.jpg'/>
</images>
</dataset>
"""
BOX = "<box top='0' left='0' width='9' height='9'"


def write(tmp_path, content, name):
    text = content if isinstance(content, str) else json.dumps(content)
    (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / name


def some_faces(generator, *, rounded=False):
    """Two images, one of them with two faces, a landmark not annotated."""
    faces = []
    for image in ("a.png", "sub/b é.jpg", "sub/b é.jpg"):
        points = generator.uniform(5, 300, (12, 2)).astype(np.float32)
        points[3] = NAN
        corner = generator.uniform(0, 99, 2)
        box = np.concatenate([corner, corner + generator.uniform(20, 90, 2)])
        face = AnnotatedFace(image, points, box.astype(np.float32))
        if rounded:
            face = face._replace(points=points.round(), box=face.box.round())
        faces.append(face)
    return faces


def assert_same(found, wanted, *, atol=1e-4):
    assert [face.image for face in found] == [face.image for face in wanted]
    for face, other in zip(found, wanted, strict=True):
        assert face.problem == ""
        for value, expected in ((face.points, other.points), (face.box, other.box)):
            assert value.dtype == np.float32
            np.testing.assert_allclose(value, expected, atol=atol, rtol=0)


def test_dlib_parts_go_by_their_numbers_and_boxes_are_its_rectangles(tmp_path):
    path = tmp_path / "faces.xml"
    path.write_bytes(DLIB.encode("latin-1"))
    first, second = annotations.read_annotations(path)
    assert first.image == second.image == "a b/é.jpg"
    np.testing.assert_array_equal(first.points, [[0, 25], [11, 21], [15, -1]])
    np.testing.assert_array_equal(first.box, [10, 20, 39, 59])
    np.testing.assert_array_equal(second.points, [[NAN, NAN], [NAN, NAN], [7, 8]])


def test_named_dlib_parts_go_by_the_alphabet(tmp_path):
    parts = "<part name='nose' x='1' y='2'/><part name='10' x='3' y='4'/>"
    text = f"<dataset><images><image file='a'>{BOX}>{parts}</box></image></images>"
    (face,) = annotations.read_annotations(
        write(tmp_path, text + "</dataset>", "a.xml")
    )
    np.testing.assert_array_equal(face.points, [[3, 4], [1, 2]])


def test_dlib_itself_reads_what_is_written(tmp_path, generator):
    dlib = pytest.importorskip("dlib")
    from PIL import Image

    faces = some_faces(generator)
    faces = [
        face._replace(box=None) if face.image == "a.png" else face for face in faces
    ]
    (tmp_path / "sub").mkdir()
    for name in ("a.png", "sub/b é.jpg"):
        Image.new("L", (320, 320)).save(tmp_path / name)
    annotations.write_annotations(tmp_path / "faces.xml", faces)
    options = dlib.shape_predictor_training_options()
    options.cascade_depth = options.num_trees_per_cascade_level = options.tree_depth = 1
    options.oversampling_amount = 1
    trained = str(tmp_path / "trained.dat")
    dlib.train_shape_predictor(str(tmp_path / "faces.xml"), trained, options)
    image = np.zeros((320, 320), np.uint8)
    shape = dlib.shape_predictor(trained)(image, dlib.rectangle(10, 10, 60, 60))
    assert shape.num_parts == 11  # landmark 3 is annotated nowhere


def test_coco_keypoints_are_centres_and_a_bbox_counts_from_the_edge(tmp_path):
    whole = {"keypoints": [0, 0, 2, 5, 6.5, 1, 0, 0, 0], "bbox": [0, 0, 40, 30]}
    content = {
        "images": [{"id": 3, "file_name": "a.png"}, {"id": 4, "file_name": "b.png"}],
        "annotations": [
            {"image_id": 4, **whole},
            {"image_id": 3, "iscrowd": 1},
            {"image_id": 3, "bbox": [1.5, 2, 3, 4]},
        ],
    }
    first, second = annotations.read_annotations(write(tmp_path, content, "c.json"))
    assert (first.image, second.image) == ("b.png", "a.png")
    np.testing.assert_array_equal(first.points, [[0, 0], [5, 6.5], [NAN, NAN]])
    # a picture of 40 x 30 pixels spans -0.5 to 39.5 and 29.5
    np.testing.assert_array_equal(first.box, [-0.5, -0.5, 39.5, 29.5])
    assert second.points is None
    np.testing.assert_array_equal(second.box, [1, 1.5, 4, 5.5])


def test_written_coco_holds_what_its_readers_need(tmp_path, generator):
    faces = some_faces(generator)
    faces[0] = faces[0]._replace(box=None)
    path = tmp_path / "coco.json"
    annotations.write_coco(path, faces, sizes={"a.png": (320, 240)})
    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["images"][0] == {
        "id": 1,
        "file_name": "a.png",
        "width": 320,
        "height": 240,
    }
    assert [entry["image_id"] for entry in content["annotations"]] == [1, 2, 2]
    assert [entry["id"] for entry in content["annotations"]] == [1, 2, 3]
    assert "bbox" not in content["annotations"][0]
    assert content["annotations"][1]["num_keypoints"] == 11
    assert content["annotations"][1]["keypoints"][9:12] == [0, 0, 0]
    assert len(content["categories"][0]["keypoints"]) == 12


@pytest.mark.parametrize("kind", ["csv", "json", "coco"])
def test_round_trip_keeps_points_boxes_and_what_is_missing(tmp_path, generator, kind):
    faces = some_faces(generator)
    path = tmp_path / ("faces.csv" if kind == "csv" else "faces.json")
    annotations.write_annotations(path, faces, kind=kind)
    assert_same(annotations.read_annotations(path), faces)
    # of some faces only a part is known
    parts = [faces[0]._replace(box=None), faces[1]._replace(points=None)]
    annotations.write_annotations(path, parts, kind=kind)
    found = annotations.read_annotations(path)
    assert [face.box is None for face in found] == [True, False]
    assert [face.points is None for face in found] == [False, True]


def test_round_trip_through_dlib_is_exact_in_whole_pixels(tmp_path, generator):
    faces = some_faces(generator, rounded=True)
    faces[0].points[3] = 7, 8  # a landmark that none has would be none of the file
    path = tmp_path / "faces.xml"
    annotations.write_annotations(path, faces)
    assert_same(annotations.read_annotations(path), faces, atol=0)
    moved = [face._replace(points=face.points + 0.25) for face in faces]
    annotations.write_annotations(path, moved)
    assert_same(annotations.read_annotations(path), faces, atol=0)


def test_pts_of_several_faces_get_numbers(tmp_path, generator):
    faces = some_faces(generator)
    written = annotations.write_pts_folder(tmp_path, faces)
    assert [name for name, _ in written] == ["a.png", "sub/b é.jpg", "sub/b é_2.jpg"]
    for name, _ in written:
        (tmp_path / name).touch()
    found = annotations.read_annotations(tmp_path)
    for face, wanted in zip(found, faces, strict=True):
        np.testing.assert_allclose(face.points, wanted.points, atol=1e-4)
    second = np.array([[5.0, 6.0]])
    one = annotations.write_pts_folder(tmp_path / "o", [AnnotatedFace("x.png", second)])
    assert len(one) == 1
    assert "\n6.000000 7.000000\n" in (tmp_path / "o/x.pts").read_text()  # 1-based
    with pytest.raises(
        ValueError, match=r"x\.pts would belong to x\.png and to x\.jpg; rename"
    ):
        annotations.write_pts_folder(
            tmp_path / "p", [AnnotatedFace(name, second) for name in ("x.png", "x.jpg")]
        )
    with pytest.raises(ValueError, match=r"\.\./x\.png does not lie in this folder"):
        annotations.write_pts_folder(tmp_path, [AnnotatedFace("../x.png", second)])


def test_boxes_alone_are_a_format(tmp_path, generator):
    faces = some_faces(generator)
    path = tmp_path / "boxes.csv"
    annotations.write_annotations(path, faces, kind="boxes")
    assert len(annotations.read_boxes(path)["sub/b é.jpg"]) == 2
    for face, wanted in zip(annotations.read_annotations(path), faces, strict=True):
        assert face.image == wanted.image and face.points is None
        np.testing.assert_allclose(face.box, wanted.box, atol=1e-3)


def test_faces_that_a_format_cannot_hold_are_refused(tmp_path, generator):
    faces = some_faces(generator)
    faces[1] = faces[1]._replace(points=faces[1].points[:5])
    for name in ("f.csv", "f.xml", "f.coco"):
        kind = "coco" if name == "f.coco" else None
        with pytest.raises(ValueError, match=r"12 in .*5 in sub"):
            annotations.write_annotations(tmp_path / name, faces[:2], kind=kind)
    with pytest.raises(ValueError, match=r"a\.png: too dark"):
        broken = [AnnotatedFace("a.png", problem="too dark")]
        annotations.write_annotations(tmp_path / "f.json", broken)
    with pytest.raises(
        ValueError, match=r"no format for \.txt; .* a folder, named without"
    ):
        annotations.write_annotations(tmp_path / "f.txt", faces)
    with pytest.raises(ValueError, match="got 'yaml'"):
        annotations.write_annotations(tmp_path / "f.json", faces, kind="yaml")


@pytest.mark.parametrize(
    ("kind", "lacking", "message"),
    [
        ("pts", {"points": None}, "it has no landmarks"),
        ("boxes", {"box": None}, "it has no box"),
        ("csv", {"points": None, "box": None}, "csv needs a box or landmarks"),
        ("json", {"points": None, "box": None}, "json needs a box or landmarks"),
        ("coco", {"points": None, "box": None}, "coco needs a box or landmarks"),
        ("dlib", {"points": None, "box": None}, "dlib needs a box or landmarks"),
        (
            "dlib",
            {"points": np.full((12, 2), NAN), "box": None},
            "dlib needs a box or landmarks",
        ),
    ],
)
def test_a_face_without_what_a_format_holds_is_refused(
    tmp_path, generator, kind, lacking, message
):
    faces = some_faces(generator)
    assert not any(annotations.lack(face, kind=kind) for face in faces)
    faces[1] = faces[1]._replace(**lacking)
    assert annotations.lack(faces[1], kind=kind).startswith(message)
    with pytest.raises(ValueError, match=rf"out: sub/b é\.jpg: {message}"):
        annotations.write_annotations(tmp_path / "out", faces, kind=kind)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["csv", "boxes", "json", "coco", "dlib"])
def test_a_refusal_leaves_the_file_that_was_there(tmp_path, generator, kind):
    path = tmp_path / "faces"
    path.write_text("old")
    faces = some_faces(generator)
    faces[2] = faces[2]._replace(image="a\nb.png")
    with pytest.raises(ValueError, match="rename it"):
        annotations.write_annotations(path, faces, kind=kind)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", ["csv", "boxes", "json", "coco", "dlib"])
def test_files_are_written_whole_or_not_at_all(tmp_path, generator, kind, monkeypatch):
    path = tmp_path / "faces"
    path.write_text("old")

    def killed(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", killed)
    with pytest.raises(KeyboardInterrupt):
        annotations.write_annotations(path, some_faces(generator), kind=kind)
    assert path.read_text() == "old" and list(tmp_path.iterdir()) == [path]


def test_a_folder_of_pts_is_checked_before_any_is_written(tmp_path, generator):
    faces = some_faces(generator)
    for change in ({"image": "../x.png"}, {"points": np.full((12, 2), np.inf)}):
        wrong = [*faces, faces[0]._replace(**change)]
        with pytest.raises(ValueError):
            annotations.write_annotations(tmp_path, wrong, kind="pts")
        assert not list(tmp_path.iterdir())
