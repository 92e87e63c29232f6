"""What is left of each photo: files, tables and what counts as done."""

import csv
import json

import numpy as np
import pytest
from rcsr_jax.experiments.inputs import Input
from rcsr_jax.experiments.results import Found, Results

from rcsr_jax.data.annotations import read_annotations, read_pts
from rcsr_jax.data.images import load_image
from rcsr_jax.inference import Faces
from rcsr_jax.markup import Markup

MARKUP = Markup(name="3", mirror=(1, 0, 2), eye_corners=(0, 1), eyes=((0,), (1,)))


@pytest.fixture
def photo(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"12345")
    return Input("sub/a.jpg", tmp_path / "a.jpg", "sub/a")


def found(count, *, scores=True, side=40):
    points = np.array([[10, 10], [30, 10], [20, 25]], np.float32) * side / 40
    points = points + np.arange(count, dtype=np.float32)[:, None, None]
    faces = Faces(
        points=points,
        num_steps=np.full(count, 2, np.int32),
        settled=np.ones(count, bool),
        trajectory=np.stack([points - 6, points]),
        spread=np.full((count, 3), 0.25, np.float32),
        expected_error=np.full((count, 3), 0.5, np.float32),
        ellipses=np.tile(np.float32([0.6, 0.4, 30]), (count, 3, 1)),
        score=np.full(count, 0.75, np.float32),
    )
    boxes = np.tile(np.array([[5.0, 6, 35, 36]]), (count, 1))
    image = np.full((side, side, 3), 128, np.uint8)
    return Found(image, boxes, np.full(count, 1.5) if scores else None, faces)


def write(out, photo, answer, *, made_with="x", overwrite=False, **options):
    results = Results(out, made_with=made_with, overwrite=overwrite)
    options = {"overlay": True, "steps": False, **options}
    results.write(photo, answer, markup=MARKUP, **options)
    return results


def test_json_and_pts_agree_with_what_was_found(tmp_path, photo):
    answer = found(2)
    write(tmp_path / "out", photo, answer)
    content = json.loads((tmp_path / "out/sub/a.json").read_text())
    assert content["image"] == "sub/a.jpg"
    for number, face in enumerate(content["faces"]):
        np.testing.assert_allclose(face["points"], answer.faces.points[number])
        pts = read_pts(tmp_path / f"out/sub/a_face{number + 1}.pts")
        np.testing.assert_allclose(pts, answer.faces.points[number])
        assert (face["num_steps"], face["settled"]) == (2, True)
        assert face["detection_score"] == 1.5 and face["spread"] == [0.25] * 3
        assert face["ellipses"] == [[0.6, 0.4, 30.0]] * 3
        assert "trajectory" not in face
    given = found(1, scores=False)
    write(tmp_path / "given", photo, given)
    content = json.loads((tmp_path / "given/sub/a.json").read_text())
    assert "detection_score" not in content["faces"][0]
    assert (tmp_path / "given/sub/a.pts").is_file()


def test_the_table_has_a_row_for_each_face_and_is_an_annotation_file(tmp_path, photo):
    results = write(tmp_path, photo, found(2))
    blank = photo._replace(name="b.jpg", result="b")
    write(tmp_path, blank, found(0))
    assert results.write_table([photo, blank]) == [2, 0]
    with (tmp_path / "faces.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [(row["image"], row["face"]) for row in rows] == [
        ("sub/a.jpg", "1"),
        ("sub/a.jpg", "2"),
    ]
    assert rows[1]["x_2"] == "21.0" and rows[1]["spread_2"] == "0.25"
    faces = read_annotations(tmp_path / "faces.csv")
    np.testing.assert_allclose(faces[1].points, found(2).faces.points[1])
    np.testing.assert_allclose(faces[0].box, [5, 6, 35, 36])


def test_done_is_what_was_made_of_this_photo_with_these_settings(tmp_path, photo):
    out = tmp_path / "out"
    assert not Results(out, made_with="x", overwrite=False).is_done(photo)
    results = write(out, photo, found(1))
    assert results.is_done(photo)
    anew = Results(out, made_with="x", overwrite=True)
    assert not anew.is_done(photo)
    anew.write(photo, found(1), markup=MARKUP, overlay=False)
    assert anew.is_done(photo)  # replaced, which is all that was asked
    for other in (
        (Results(out, made_with="y", overwrite=False), photo),
        (results, photo._replace(name="a.jpg")),
    ):
        with pytest.raises(ValueError, match=r"a\.json was made of another photo"):
            other[0].is_done(other[1])
    photo.path.write_bytes(b"another photo")
    with pytest.raises(ValueError, match="--overwrite"):
        results.is_done(photo)
    (out / "sub/a.json").write_text("{")
    with pytest.raises(ValueError, match="--overwrite"):
        results.is_done(photo)


def test_results_that_are_replaced_leave_nothing_behind(tmp_path, photo):
    write(tmp_path / "out", photo, found(3))
    write(tmp_path / "out", photo, found(1), overwrite=True)
    names = sorted(path.name for path in (tmp_path / "out/sub").iterdir())
    assert names == ["a.json", "a.pts", "a_overlay.png"]
    write(tmp_path / "out", photo, found(0), overwrite=True)
    assert [path.name for path in (tmp_path / "out/sub").iterdir()] == ["a.json"]
    write(tmp_path / "out", photo, found(1), overwrite=True)
    write(tmp_path / "out", photo, found(1), overwrite=True, overlay=False)
    names = sorted(path.name for path in (tmp_path / "out/sub").iterdir())
    assert names == ["a.json", "a.pts"]


def test_overlays_are_of_a_size_to_look_at_and_show_the_way(tmp_path, photo):
    write(tmp_path, photo, found(1, side=3200))
    plain = load_image(tmp_path / "sub/a_overlay.png")
    assert plain.shape == (1600, 1600, 3)
    # (800, 800) of the photo is marked at (399.75, 399.75) of the half
    marked = np.argwhere((plain[300:500, 300:500] != 128).any(-1)).mean(0) + 300
    np.testing.assert_allclose(marked, 399.75, atol=0.1)
    write(tmp_path, photo, found(1, side=3200), boxes=True)
    boxed = load_image(tmp_path / "sub/a_overlay.png")
    drawn = np.argwhere((boxed != plain).any(-1))
    assert drawn.min() <= 6 and drawn.max() < 30  # (5, 6) to (35, 36) of the photo
    write(tmp_path, photo, found(1), steps=True)
    ways = load_image(tmp_path / "sub/a_overlay.png")
    write(tmp_path, photo, found(1))
    assert (load_image(tmp_path / "sub/a_overlay.png") != ways).any()
    write(tmp_path / "none", photo, found(1), overlay=False)
    write(tmp_path / "none", photo._replace(result="b"), found(0))
    assert not list((tmp_path / "none").rglob("*.png"))
