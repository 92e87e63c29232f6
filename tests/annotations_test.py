"""Our annotation formats: values as written on disk, round trips and clear errors."""

import json

import numpy as np
import pytest

from rcsr_jax.data import annotations

NAN = float("nan")
PTS = "version: 1\nn_points: 2\n{\n1 1\n10.5 20.25\n}\n"


def _write(tmp_path, text, name="face.pts"):
    (tmp_path / name).write_bytes(text.encode())
    return tmp_path / name


@pytest.mark.parametrize(
    "text",
    [
        PTS,
        PTS.replace("\n", "\r\n"),
        PTS.replace("\n", "\n\n  \n"),
        PTS.replace("n_points: 2", "n_points:2"),
        PTS.replace("n_points: 2\n", "n_points:  2 {\n").replace("\n{", ""),
        PTS.rstrip(),
        PTS.replace("1 1", "\t1.0   1e0  # the eye"),
        "# made by hand\n" + PTS.replace("{", "// all points\n{"),
        "\ufeff" + PTS,
    ],
)
def test_pts_count_from_1_on_disk_and_from_0_in_memory(tmp_path, text):
    points = annotations.read_pts(_write(tmp_path, text), num_points=2)
    assert points.dtype == np.float32
    np.testing.assert_array_equal(points, [[0.0, 0.0], [9.5, 19.25]])


def test_written_pts_hold_1_more(tmp_path):
    path = tmp_path / "a face é.pts"
    annotations.write_pts(path, np.array([[0.0, -1.0], [9.5, NAN], [NAN, NAN]])[[0, 2]])
    assert path.read_text() == (
        "version: 1\nn_points: 2\n{\n1.000000 0.000000\nnan nan\n}\n"
    )


def test_pts_round_trip(tmp_path):
    points = np.random.default_rng(0).uniform(-50, 900, (68, 2)).astype(np.float32)
    points[7] = NAN
    annotations.write_pts(tmp_path / "face.pts", points)
    back = annotations.read_pts(tmp_path / "face.pts", num_points=68)
    np.testing.assert_allclose(back, points, atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "braces"),
        (PTS.replace("{", ""), "braces"),
        (PTS.replace("}", ""), "braces"),
        (PTS + "{\n1 1\n}\n", "braces"),
        (PTS + "3 3\n", "braces"),
        (PTS.replace("n_points: 2", ""), "n_points: NUMBER"),
        (PTS.replace("n_points: 2", "n_points: two"), "n_points: NUMBER"),
        (PTS.replace(": 2", ": 3"), "n_points is 3, but there are 2"),
        (PTS.replace("1 1", "one 1"), "landmark 0 is not two numbers"),
        (PTS.replace("10.5 20.25", "10,5 20,25"), "landmark 1 is not two numbers"),
        (PTS.replace("1 1", "1 1 1"), "landmark 0 is not an x and a y"),
        (PTS.replace("1 1", "1"), "landmark 0 is not an x and a y"),
        (PTS.replace("1 1", "nan 1"), "landmark 0 is not two pixel"),
        (PTS.replace("1 1", "inf 1"), "landmark 0 is not two pixel"),
        (PTS.replace("1 1", "1 -1e300"), "landmark 0 is not two pixel"),
        ("version: 1\nn_points: 0\n{\n}\n", "not a list of points"),
    ],
)
def test_wrong_pts_are_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"face\.pts: .*{message}"):
        annotations.read_pts(_write(tmp_path, text))


def test_pts_with_another_count_or_no_text_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"face\.pts: 2 points, where 68 are needed"):
        annotations.read_pts(_write(tmp_path, PTS), num_points=68)
    with pytest.raises(ValueError, match=r"gone\.pts: cannot read it"):
        annotations.read_pts(tmp_path / "gone.pts")
    (tmp_path / "binary.pts").write_bytes(b"\xff\xfe\x00{")
    with pytest.raises(ValueError, match=r"binary\.pts: not a text file"):
        annotations.read_pts(tmp_path / "binary.pts")


@pytest.mark.parametrize("shape", [(68,), (68, 3), (1, 68, 2)])
def test_only_points_are_written(tmp_path, shape):
    with pytest.raises(ValueError, match=r"out\.pts: points are \[num_points, 2\]"):
        annotations.write_pts(tmp_path / "out.pts", np.zeros(shape))
    with pytest.raises(ValueError, match=r"a\.png: points are"):
        annotations.write_landmarks_json(
            tmp_path / "o.json", {"a.png": np.zeros(shape)}
        )


def test_boxes_are_read_by_column_name(tmp_path):
    text = (
        "\ufeffscore, image,x0,y0,x1,y1\r\n"
        '0.9,"a, b.png",0,1.5,10,20\r\n'
        "0.8,c d/é.jpg,-3,-4,5,6\r\n"
        "\r\n"
        '0.7,"a, b.png",0,1.5,10,21\r\n'
    )
    boxes = annotations.read_boxes(_write(tmp_path, text, "boxes.csv"))
    assert list(boxes) == ["a, b.png", "c d/é.jpg"]
    assert boxes["c d/é.jpg"].dtype == np.float32
    np.testing.assert_array_equal(boxes["c d/é.jpg"], [[-3, -4, 5, 6]])
    np.testing.assert_array_equal(
        boxes["a, b.png"], [[0, 1.5, 10, 20], [0, 1.5, 10, 21]]
    )


def test_boxes_of_a_table_of_landmarks_are_read(tmp_path):
    text = "image,face,box_x0,box_y0,box_x1,box_y1,x_0,y_0\na.png,1,2,3,40,50,7,8\n"
    boxes = annotations.read_boxes(_write(tmp_path, text, "faces.csv"))
    np.testing.assert_array_equal(boxes["a.png"], [[2, 3, 40, 50]])
    gap = text + "b.png,1,,,,,7,8\na.png,2,2,3,4,5,7,8\n"
    boxes = annotations.read_boxes(_write(tmp_path, gap, "faces.csv"))
    assert boxes.keys() == {"a.png"} and len(boxes["a.png"]) == 2
    both = "image,x0,y0,x1,y1,box_x0,box_y0,box_x1,box_y1\na.png,1,2,3,4,5,6,7,8\n"
    boxes = annotations.read_boxes(_write(tmp_path, both, "both.csv"))
    np.testing.assert_array_equal(boxes["a.png"], [[1, 2, 3, 4]])


def test_boxes_round_trip(tmp_path):
    boxes = {
        "a, b.png": np.array([0.125, 1, 2, 3]),
        'the "best"/é.jpg': np.array([[0, 0, 5, 6], [1, 1, 7, 8.5]], np.float32),
    }
    path = tmp_path / "boxes.csv"
    annotations.write_boxes(path, boxes)
    assert path.read_bytes().startswith(
        b'image,x0,y0,x1,y1\n"a, b.png",0.125,1.000,2.000,3.000\n'
    )
    back = annotations.read_boxes(path)
    assert list(back) == list(boxes)
    for name, rows in boxes.items():
        np.testing.assert_array_equal(back[name], rows.reshape(-1, 4))


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (
            "image,x0,y0,x1\na,0,0,1",
            r"line 1 must name .*lacks y1 and has image,x0,y0,x1\.",
        ),
        ("a.png,0,0,1,1\n", r"line 1 must name .* and has a\.png,0,0,1,1\."),
        (
            "filename,xmin,ymin,xmax,ymax\na,0,0,1,1",
            r"line 1 .*lacks image,x0,y0,x1,y1 and has filename,xmin,ymin,xmax,ymax\.",
        ),
        (
            "image;x0;y0;x1;y1\na;0;0;1;1",
            "line 1 .*has image;x0;y0;x1;y1: fields are separated by commas, not by semi",
        ),
        ("image\tx0\ty0\tx1\ty1\na\t0\t0\t1\t1", "line 1 .*by commas, not by tabs"),
        (
            "Image,X0,Y0,X1,Y1\na,0,0,1,1",
            "line 1 .*has Image,X0,Y0,X1,Y1: names are written in small letters",
        ),
        (
            "image,x0,y0,x1,y1\na,0,0,1,1\nb,127.6,81.6,102.5,160.4",
            r"line 3: a box has finite x0 < x1, y0 < y1; got \(127.6, 81.6, 102.5, 160.4"
            r"\): if it is \(x, y, width, height\), give \(x, y, x \+ width, y \+ height\)",
        ),
        (
            "image,x0,y0,x1,y1\na,0,0,1e9,1e9",
            r"line 2: .*got \(0.0, 0.0, 1000000000.0, 1.*\)\.$",
        ),
        ("image,x0,y0,x1,y1\na,0,0,1,1\nb,0,zero,1,1", "line 3: .* not four numbers"),
        ("image,x0,y0,x1,y1\n\na,0,0,1", "line 3: needs a value"),
        ("image,x0,y0,x1,y1\n,0,0,1,1", "line 2: needs a value"),
        ("image,x0,y0,x1,y1\na,0,0,,1", "line 2: .* not four numbers"),
        ("image,x0,y0,x1,y1\na,1,0,0,1", "line 2: a box has finite x0 < x1"),
        ("image,x0,y0,x1,y1\na,0,3,1,3", "line 2: a box has finite x0 < x1"),
        ("image,x0,y0,x1,y1\na,0,0,nan,1", "line 2: a box has finite"),
        ("image,x0,y0,x1,y1\na,0,0,inf,1", "line 2: a box has finite"),
        ("image,x0,y0,x1,y1\na,0,0,1,1\na,0,0,1,1", "line 3: a has this box twice"),
        ("image,x0,y0,x1,y1\n", "no box"),
        ('image,x0,y0,x1,y1\n"a,0,0,1,1\n', "line 2: unexpected end"),
        ("", "the file is empty"),
    ],
)
def test_wrong_boxes_name_file_and_line(tmp_path, rows, message):
    with pytest.raises(ValueError, match=rf"boxes\.csv: {message}"):
        annotations.read_boxes(_write(tmp_path, rows, "boxes.csv"))


def test_json_has_two_shapes_and_null_is_nan(tmp_path):
    entries = {
        "img/a.png": [[0, 1], [2.5, 3], None],
        "é b.png": {"points": [[4, 5], [None, None]], "trusted_scale": True},
    }
    path = _write(tmp_path, json.dumps(entries), "landmarks.json")
    points = annotations.read_landmarks_json(path)
    assert list(points) == list(entries)
    assert points["img/a.png"].dtype == np.float32
    np.testing.assert_array_equal(points["img/a.png"], [[0, 1], [2.5, 3], [NAN, NAN]])
    np.testing.assert_array_equal(points["é b.png"], [[4, 5], [NAN, NAN]])


def test_json_round_trip(tmp_path):
    path = tmp_path / "landmarks.json"
    landmarks = {
        "é b.png": np.array([[0.1, 2.0], [NAN, NAN]], np.float32),
        "c.png": np.array([[-1.5, 300.25]]),
    }
    annotations.write_landmarks_json(path, landmarks)
    assert json.loads(path.read_text("utf-8")) == {
        "é b.png": [[0.1, 2.0], [None, None]],
        "c.png": [[-1.5, 300.25]],
    }
    back = annotations.read_landmarks_json(path)
    for name, points in landmarks.items():
        np.testing.assert_array_equal(back[name], points.astype(np.float32))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not a JSON landmark file"),
        ("{", "not a JSON landmark file"),
        ("[" * 100_000, "not a JSON landmark file"),
        ("[[1, 2]]", "one JSON object"),
        ('{"a": [[1, 2]], "a": [[1, 2]]}', "a is named twice"),
        ('{"a": 5}', "a: not a list of points"),
        ('{"a": []}', "a: not a list of points"),
        ('{"a": {"shape": []}}', "a: not a list of points"),
        ('{"a": [1, 2]}', "a: landmark 0 is not an x and a y"),
        ('{"a": [[1, 2], [1, 2, 3]]}', "a: landmark 1 is not an x and a y"),
        ('{"a": [[1, "left"]]}', "a: landmark 0 is not two numbers"),
        ('{"a": [[1, [2]]]}', "a: landmark 0 is not two numbers"),
        ('{"a": [[1, null]]}', "a: landmark 0 is not two pixel"),
        ('{"a": [[1, Infinity]]}', "a: landmark 0 is not two pixel"),
        ('{"a": [[1, 1%s]]}' % ("0" * 400), "a: landmark 0 is not two numbers"),
    ],
)
def test_wrong_json_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"marks\.json: .*{message}"):
        annotations.read_landmarks_json(_write(tmp_path, text, "marks.json"))


def _read_one_each(path):
    """image -> points of the faces that can be used, and image -> problem of the others."""
    faces = annotations.read_annotations(path)
    good = {face.image: face.points for face in faces if not face.problem}
    return good, {face.image: face.problem for face in faces if face.problem}


def test_keypoint_csv_has_a_header_and_counts_from_0(tmp_path):
    text = ',0,1,2,3\n"a, b.jpg",0,1.5,2,3\n\né.jpg,4,5,,\n'
    points, _ = _read_one_each(_write(tmp_path, text, "keypoints.csv"))
    assert list(points) == ["a, b.jpg", "é.jpg"]
    np.testing.assert_array_equal(points["a, b.jpg"], [[0, 1.5], [2, 3]])
    np.testing.assert_array_equal(points["é.jpg"], [[4, 5], [NAN, NAN]])


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the file is empty"),
        ("a.jpg,0,1\n", "line 1 must be a header, not the face a.jpg"),
        (",0,1\na.jpg,0,1\na.jpg,0,1\n", "line 3: a.jpg is named twice"),
        (",0,1\n,0,1\n", "line 2: the image name is missing"),
        ("image,x_0,y_0\n,0,1\n", "line 2: the image name is missing"),
        ("image,x_0,y_0\na,0,1,2\n", "line 2: 4 fields, where line 1 has 3"),
        ("image,x_0,y_0,x_1\na,0,1,2\n", "line 1 lacks the columns y_1"),
        ("image,x_0,y_0,box_x0\na,0,1,2\n", "line 1 lacks the columns box_y0,box_x1"),
        ("frame,face,x_0,y_0\n0,0,1,2\n", "line 1 names x_0 but no column image"),
        (
            "image,x0,y0,width,height\na,0,1,2,3\n",
            "line 1 has the column height: a box",
        ),
        (
            "image,x0,x1,x2,y0,y1,y2\na,0,1,2,3,4,5\n",
            "line 1 does not take turns of x and y",
        ),
        ("image;x_0;y_0\na;0;1\n", "line 1 is not understood: fields are separated by"),
        (
            "Image,X0,Y0,X1,Y1\na,0,1,2,3\n",
            "line 1 is not .*: names are written in small",
        ),
    ],
)
def test_wrong_csv_is_named(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"keypoints\.csv: {message}"):
        annotations.read_annotations(_write(tmp_path, text, "keypoints.csv"))


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (",0,1,2\na.jpg,0,1,2\n", "line 2: landmark 1 is not an x and a y"),
        (",0,1\na.jpg,0,one\n", "line 2: landmark 0 is not two numbers"),
        (",0,1\na.jpg\n", "line 2: not a list of points"),
        ("image,x_0,y_0\na.jpg,0,one\n", "line 2: landmark 0 is not two numbers"),
        (
            "image,box_x0,box_y0,box_x1,box_y1,x_0,y_0\na.jpg,5,0,4,1,0,0\n",
            "line 2: a box has finite x0 < x1",
        ),
    ],
)
def test_a_wrong_row_is_named_and_kept_apart(tmp_path, text, problem):
    good, broken = _read_one_each(_write(tmp_path, text, "keypoints.csv"))
    assert not good and broken["a.jpg"].startswith(problem)


def test_broken_entries_are_kept_apart_from_the_others(tmp_path):
    text = json.dumps({"a.png": [[1, 2]], "b.png": [["x", 2]], "c.png": [[3, 4]]})
    good, broken = _read_one_each(_write(tmp_path, text, "marks.JSON"))
    assert list(good) == ["a.png", "c.png"]
    assert list(broken) == ["b.png"]
    assert "landmark 0 is not two numbers" in broken["b.png"]


def test_a_json_image_may_have_several_faces_and_boxes(tmp_path):
    entries = {
        "a.png": [{"points": [[1, 2]]}, {"box": [0, 0, 3, 4]}, {"points": "x"}, [1]],
        "b.png": {"points": [[1, 2]], "box": [0, 0, 3]},
        "c.png": None,
    }
    path = _write(tmp_path, json.dumps(entries), "marks.json")
    first, second, third, fourth, b, c = annotations.read_annotations(path)
    np.testing.assert_array_equal(first.points, [[1, 2]])
    assert first.box is None and second.points is None
    np.testing.assert_array_equal(second.box, [0, 0, 3, 4])
    assert third.problem == "face 3: not a list of points"
    assert fourth.problem.startswith("face 4: landmark 0 is not an x and a y")
    assert b.problem == "its box [0, 0, 3] is not four numbers"
    assert c.problem == "not a list of points"
    with pytest.raises(ValueError, match=r"a\.png: no points"):
        annotations.read_landmarks_json(path)


def test_other_landmark_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"face\.pts: .* \.json, \.csv or \.xml file"):
        annotations.read_annotations(_write(tmp_path, PTS))
    with pytest.raises(ValueError, match=r"gone\.json: cannot read it"):
        annotations.read_annotations(tmp_path / "gone.json")
