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


def test_pts_with_another_count_are_named(tmp_path):
    with pytest.raises(ValueError, match=r"face\.pts: 2 points, where 68 are needed"):
        annotations.read_pts(_write(tmp_path, PTS), num_points=68)


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
        ("[[1, 2]]", "a landmark file is one JSON object"),
        ('{"a": 5}', "a: not a list of points."),
        ('{"a": [[1, 2], [1, 2, 3]]}', "a: landmark 1 is not an x and a y"),
        ('{"a": {"box": [0, 0, 1, 1]}}', "a: no points."),
        (
            '{"a": [{"points": [[1, 2]]}, {"points": [[3, 4]]}]}',
            "a: it has several fac",
        ),
    ],
)
def test_json_of_one_face_each_is_refused_as_a_whole(tmp_path, text, message):
    with pytest.raises(ValueError, match=rf"marks\.json: {message}"):
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


def test_other_landmark_files_are_refused(tmp_path):
    with pytest.raises(ValueError, match=r"face\.pts: .* \.json, \.csv or \.xml file"):
        annotations.read_annotations(_write(tmp_path, PTS))


@pytest.mark.parametrize("suffix", ["pts", "csv", "json", "xml"])
def test_a_file_that_is_gone_is_named(tmp_path, suffix):
    read = annotations.read_pts if suffix == "pts" else annotations.read_annotations
    with pytest.raises(ValueError, match=rf"gone\.{suffix}: cannot read it: No such"):
        read(tmp_path / f"gone.{suffix}")
