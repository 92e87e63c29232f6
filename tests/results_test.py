"""What is left of each photo: files, tables and what counts as done."""

import csv
import json
from pathlib import Path

import numpy as np
import pytest
from rcsr_jax.experiments import results as results_module
from rcsr_jax.experiments.found import Found
from rcsr_jax.experiments.inputs import Input, find_inputs
from rcsr_jax.experiments.results import Results
from three import THREE

from rcsr_jax.data.annotations import read_annotations, read_pts
from rcsr_jax.data.images import load_image
from rcsr_jax.inference import Faces


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
    results.write(photo, answer, markup=THREE, **options)
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
    anew.write(photo, found(1), markup=THREE, overlay=False)
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


def test_several_faces_are_numbered_beside_their_boxes(tmp_path, photo):
    def boxed(boxes, side):
        several = found(len(boxes), side=side)
        return several._replace(boxes=np.array(boxes, float))

    def brightest(boxes, side, name):
        """Where the picture is white, as the numbers are: their middle, x and y."""
        target = photo._replace(result=name)
        write(tmp_path, target, boxed(boxes, side))
        drawn = load_image(tmp_path / f"{name}_overlay.png")
        white = (drawn == 255).all(-1)
        rows, columns = np.nonzero(white)
        return np.stack([columns, rows], -1)

    left, right = [400, 400, 800, 800], [1600, 2000, 2000, 2400]
    assert not len(brightest([left], 3200, "one"))
    # 400 pixels high, half of that in the picture: numbers of 25 pixels above the box
    marks = brightest([left, right], 3200, "two")
    for box in (left, right):
        x0, y0 = box[0] / 2, box[1] / 2
        near = marks[(np.abs(marks - [x0, y0]) < 40).all(-1)]
        assert len(near) > 10 and len(near) < len(marks)
        assert (near[:, 0] >= x0 - 1).all() and (near[:, 0] < x0 + 25).all()
        assert (near[:, 1] >= y0 - 31).all() and (near[:, 1] < y0).all()
    # enlarged twelve times, without room above
    marks = brightest([[2, 0, 10, 10], [22, 1, 39, 30]], 40, "small")
    assert len(marks[(marks < 60).all(-1)]) >= 10
    assert len(marks[(np.abs(marks - [22 * 12, 0]) < 60).all(-1)]) >= 10


def test_faces_below_a_score_are_left_out_everywhere_and_counted(tmp_path, photo):
    answer = found(3)
    scores = np.array([0.9, 0.05, 0.1], np.float32)
    answer = answer._replace(faces=answer.faces._replace(score=scores))
    results = write(tmp_path, photo, answer, min_score=0.1, steps=True)
    assert results.write_table([photo]) == [2]
    assert results.num_left_out([photo]) == 1
    content = json.loads((tmp_path / "sub/a.json").read_text())
    assert [face["score"] for face in content["faces"]] == [0.9, 0.1]
    for number, index in ((1, 0), (2, 2)):
        pts = read_pts(tmp_path / f"sub/a_face{number}.pts")
        np.testing.assert_allclose(pts, answer.faces.points[index])
    assert not (tmp_path / "sub/a_face3.pts").exists()
    rows = (tmp_path / "faces.csv").read_text().splitlines()
    assert len(rows) == 3
    results = write(tmp_path, photo, answer, min_score=1.0, overwrite=True)
    assert [path.name for path in (tmp_path / "sub").iterdir()] == ["a.json"]
    assert results.num_left_out([photo]) == 3
    results = write(tmp_path, photo, answer, overwrite=True)
    assert results.write_table([photo]) == [3] and results.num_left_out([photo]) == 0


def test_files_that_are_no_results_are_not_replaced(tmp_path, photo):
    (tmp_path / "sub").mkdir()
    for name in ("a.pts", "a_face1.pts", "a_face2.pts", "a_overlay.png"):
        mine = tmp_path / "sub" / name
        mine.write_text("by hand")
        results = Results(tmp_path, made_with="x", overwrite=False)
        with pytest.raises(ValueError, match=rf"{name} is there .* another --out"):
            results.is_done(photo)
        with pytest.raises(ValueError, match=r"--overwrite replaces it"):
            write(tmp_path, photo, found(1 if name == "a.pts" else 2))
        assert [path.name for path in mine.parent.iterdir()] == [name]
        assert mine.read_text() == "by hand"
        mine.unlink()
    # with more faces than anybody looks for beforehand
    (tmp_path / "sub/a_face3.pts").write_text("by hand")
    with pytest.raises(ValueError, match=r"a_face3\.pts is there already"):
        write(tmp_path, photo, found(3))
    results = write(tmp_path, photo, found(3), overwrite=True)
    assert results.was_written(photo)
    assert len(read_pts(tmp_path / "sub/a_face3.pts")) == 3


def test_what_a_killed_run_left_of_a_photo_is_its_own(tmp_path, photo, monkeypatch):
    def killed(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Path, "replace", killed)
        patched.setattr(Path, "unlink", lambda *_, **__: None)  # nobody cleans up
        write(tmp_path, photo, found(2))
    assert not (tmp_path / "sub/a.json").exists()
    assert (tmp_path / "sub/a_face2.pts").exists()
    assert not Results(tmp_path, made_with="x", overwrite=False).is_done(photo)
    results = write(tmp_path, photo, found(1))
    assert results.is_done(photo)
    names = sorted(path.name for path in (tmp_path / "sub").iterdir())
    assert names == ["a.json", "a.pts", "a_overlay.png"]


def test_what_cannot_be_written_leaves_nothing_in_the_way(tmp_path, photo, monkeypatch):
    def full(*_):
        raise OSError("no space left")

    with monkeypatch.context() as patched, pytest.raises(OSError, match="no space"):
        patched.setattr(results_module, "save_image", full)
        write(tmp_path, photo, found(2))
    assert list((tmp_path / "sub").iterdir()) == []
    assert not Results(tmp_path, made_with="x", overwrite=False).is_done(photo)


def test_another_photo_of_the_same_size_is_another_photo(tmp_path, photo):
    results = write(tmp_path, photo, found(1))
    photo.path.write_bytes(b"54321")
    with pytest.raises(ValueError, match=r"a\.json was made of another photo"):
        results.is_done(photo)
    photo.path.write_bytes(b"12345")
    assert results.is_done(photo)


def test_results_without_a_digest_are_told_by_what_they_have(tmp_path, photo):
    results = write(tmp_path, photo, found(1))
    content = json.loads((tmp_path / "sub/a.json").read_text())
    del content["sha256"]
    (tmp_path / "sub/a.json").write_text(json.dumps(content))
    assert results.is_done(photo)
    photo.path.write_bytes(b"123456")
    with pytest.raises(ValueError, match=r"a\.json was made of another photo"):
        results.is_done(photo)


@pytest.fixture
def table(tmp_path, photo):
    """faces.csv of a run that found a face in one photo."""
    conclude(write(tmp_path, photo, found(1)), [photo])
    return tmp_path / "faces.csv"


def conclude(results, photos):
    counts = results.write_table(photos)
    results.write_summary({"photos_done": len(photos)})
    return counts


def later(table):
    return Results(table.parent, made_with="x", overwrite=False)


def test_a_run_that_finds_nothing_leaves_the_table(table, photo, capsys):
    text = table.read_text()
    assert conclude(later(table), []) == []
    assert table.read_text() == text
    table.write_text(text.replace("10.0", "11.5"))  # corrected
    for _ in range(2):
        assert conclude(later(table), [photo]) == [1]
        assert conclude(later(table), []) == []
    assert table.read_text() == text.replace("10.0", "11.5")
    table.write_text("")  # as if killed at the wrong moment
    conclude(later(table), [photo])
    assert table.read_text() == text
    table.unlink()
    conclude(later(table), [])
    assert not table.exists()
    conclude(later(table), [photo])
    assert table.read_text() == text
    assert capsys.readouterr() == ("", "")


def test_new_faces_go_to_the_table_and_corrections_are_kept(table, photo, capsys):
    other = photo._replace(name="b.jpg", result="b")
    third = photo._replace(name="c.jpg", result="c")
    conclude(write(table.parent, other, found(1)), [photo, other])
    assert len(table.read_text().splitlines()) == 3
    assert capsys.readouterr().err == ""
    corrected = table.read_text().replace("10.0", "11.5")
    table.write_text(corrected)
    conclude(later(table), [photo, other])  # which does not take it for its own
    conclude(write(table.parent, third, found(1)), [photo, other, third])
    told = capsys.readouterr().err
    assert "faces.csv may hold corrections: it is faces.csv.corrected now" in told
    assert len(table.read_text().splitlines()) == 4
    kept = table.with_name("faces.csv.corrected")
    assert kept.read_text() == corrected
    table.write_text("corrected again")
    conclude(write(table.parent, third, found(1)), [third])
    assert kept.read_text() == corrected
    again = table.with_name("faces.csv.corrected-2")
    assert again.read_text() == "corrected again"
    # those of earlier runs come behind
    images = [row.split(",")[0] for row in table.read_text().splitlines()]
    assert images == ["image", "c.jpg", "b.jpg", "sub/a.jpg"]


def test_the_table_leaves_out_what_other_settings_found(table, photo):
    other = photo._replace(name="b.jpg", result="b")
    results = Results(table.parent, made_with="y", overwrite=False)
    results.write(other, found(1), markup=THREE, overlay=False)
    (table.parent / "notes.json").write_text('{"faces": [{"points": []}]}')
    conclude(results, [other])
    images = [row.split(",")[0] for row in table.read_text().splitlines()]
    assert images == ["image", "b.jpg"]


def test_photos_that_share_a_name_keep_their_results(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    owners = {"face": "face.jpg", "face-2": "face.png"}

    def results_of(*names):
        inputs = find_inputs(names, owner_of=owners.get)
        return {photo.name: photo.result for photo in inputs.photos}

    assert results_of("face.bmp", "face.jpg", "face.png") == {
        "face.bmp": "face-3",
        "face.jpg": "face",
        "face.png": "face-2",
    }
    assert results_of("face.png", "face.jpg")["face.png"] == "face-2"
    # a photo that is alone has its name: results of another one are told
    assert results_of("face.bmp") == {"face.bmp": "face"}
