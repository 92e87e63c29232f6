"""Landmarks of other programs are found by image and face, and judged like a model's."""

import csv
import json

import numpy as np
import pytest
from commands import fail, succeed
from rcsr_jax.experiments.given_landmarks import read_given
from three import THREE

from rcsr_jax.data.annotations import AnnotatedFace, write_annotations, write_pts
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.drawn import draw_face

SHAPE = np.array([[20, 15], [40, 15], [30, 30]], np.float32)
IMAGE = np.zeros((50, 60, 3), np.uint8)


def source(name, points=SHAPE):
    return Source(name, lambda: (IMAGE, points, np.array([15, 8, 45, 38.0])), "1")


def broken(name):
    def load():
        raise ValueError("torn")

    return Source(name, load, "1")


def given(tmp_path, faces, sources):
    write_annotations(tmp_path / "theirs.json", faces)
    return read_given(tmp_path / "theirs.json", sources, markup=THREE)


def test_each_face_gets_the_landmarks_that_overlap_it_most(tmp_path):
    theirs = [AnnotatedFace("a/1.png", SHAPE + shift) for shift in (22, 3, -13)]
    found = given(
        tmp_path,
        [*theirs, AnnotatedFace("b/1.png", SHAPE - 90)],
        [source("a/1.png#1"), source("a/1.png#2", SHAPE + 20), source("b/1.png")],
    )
    assert found.names == ("a/1.png#1", "a/1.png#2", "b/1.png") and not found.refused
    np.testing.assert_array_equal(found.truth, [SHAPE, SHAPE + 20, SHAPE])
    # a single face is taken wherever it lies: it is an error, not a gap
    np.testing.assert_array_equal(found.points, [SHAPE + 3, SHAPE + 22, SHAPE - 90])


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("x.png", "lfpw/testset/x.png"),
        ("300W/lfpw/testset/x.png", "lfpw/testset/x.png"),
        ("cafe\u0301/x.png", "caf\u00e9/x.png"),
    ],
)
def test_an_image_is_known_by_the_end_of_its_path(theirs, ours, tmp_path):
    others = [AnnotatedFace(name, SHAPE + 9) for name in ("y.png", "other/ax.png")]
    found = given(tmp_path, [AnnotatedFace(theirs, SHAPE), *others], [source(ours)])
    np.testing.assert_array_equal(found.points, [SHAPE])


def test_what_is_missing_or_not_clear_is_named(tmp_path):
    theirs = [
        AnnotatedFace("p/q/1.png", SHAPE),
        AnnotatedFace("r/q/1.png", SHAPE + 1),
        AnnotatedFace("2.png", SHAPE[:2]),
        AnnotatedFace("3.png", box=np.array([1.0, 2, 30, 40])),
        AnnotatedFace("5.png", SHAPE),
    ]
    sources = [source(f"{n}.png") for n in (1, 2, 3, 4)] + [broken("5.png")]
    found = given(tmp_path, theirs, [*sources, source("r/q/1.png")])
    assert found.names == ("r/q/1.png",)
    np.testing.assert_array_equal(found.points, [SHAPE + 1])
    reasons = dict(found.refused)
    assert reasons["1.png"] == "the file names several images of this name"
    assert reasons["2.png"].startswith("2 landmarks in ")
    assert reasons["3.png"] == reasons["4.png"] == "no landmarks of it in the file"
    assert reasons["5.png"] == "torn"
    with pytest.raises(ValueError, match="4.png: no landmarks of it in the file"):
        given(tmp_path, theirs, [source("4.png")])


@pytest.mark.slow
def test_what_another_program_found_is_judged_and_compared(tmp_path):
    succeed("rcsr-draw", "--num_faces=4", "--size=96", "--out=faces", cwd=tmp_path)
    faces = [draw_face(2, index, size=96) for index in range(4)]
    for name, moved in (("near", 1.0), ("far", 2.0)):
        shapes = [face.points + [moved, 0] for face in faces]
        theirs = [AnnotatedFace(f"face_{n:04d}.png", p) for n, p in enumerate(shapes)]
        write_annotations(tmp_path / f"{name}.csv", theirs)
        words = ["--data=faces", "--split=all", f"--out={name}"]
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.html").write_text("of other numbers")
        command = ["rcsr-evaluate", f"--landmarks={name}.csv", *words]
        told = fail(*command, cwd=tmp_path)  # they may be of anybody
        assert f"{name}/report.html is none of rcsr-evaluate; choose another" in told
        (tmp_path / name / "metrics.json").write_text('{"made_by": {}}')
        said = succeed(*command, cwd=tmp_path)
        assert f"{name}.csv" in said and said.startswith("4 faces; per cent")
        left = {path.name for path in (tmp_path / name).iterdir()}
        assert left == {"metrics.json", "errors.csv", "ced.png"}
    eyes = [np.linalg.norm(f.points[45] - f.points[36]) for f in faces]
    told = json.loads((tmp_path / "near/metrics.json").read_text())
    assert told["nme_interocular"] == pytest.approx(100 * np.mean(1 / np.array(eyes)))
    assert told["num_refused"] == 0 and "--landmarks=near" in told["made_by"]["command"]
    with (tmp_path / "far/errors.csv").open(encoding="utf-8") as file:
        errors = [float(row["nme_interocular"]) for row in csv.DictReader(file)]
    np.testing.assert_allclose(errors, 200 / np.array(eyes), atol=0.01)
    said = succeed("rcsr-compare", "near", "far", cwd=tmp_path)
    assert "far against near: +" in said and "larger on 100 %" in said
    told = fail(
        *("rcsr-evaluate", "--landmarks=gone.csv", "--data=faces", "--split=all"),
        "--out=none",
        cwd=tmp_path,
    )
    assert "gone.csv" in told


def test_one_answer_is_not_that_of_two_faces(tmp_path):
    sources = [source("a.png#1"), source("a.png#2", SHAPE + 20)]
    found = given(tmp_path, [AnnotatedFace("a.png", SHAPE + 1)], sources)
    assert found.names == ("a.png#1",)
    assert dict(found.refused) == {"a.png#2": "no landmarks of it in the file"}


def test_a_folder_of_pts_needs_no_photos_beside_them(tmp_path):
    """As rcsr-predict leaves them: NAME.pts of one face, NAME_face2.pts of several."""
    for name, shift in (("a", 1), ("b_face1", 2), ("b_face2", 22)):
        write_pts(tmp_path / f"{name}.pts", SHAPE + shift)
    (tmp_path / "c.pts").write_text("torn")
    sources = [source(f"x/{name}") for name in ("a.jpg", "b.png#1", "c.png")]
    sources.append(source("x/b.png#2", SHAPE + 20))
    found = read_given(tmp_path, sources, markup=THREE)
    assert found.names == ("x/a.jpg", "x/b.png#1", "x/b.png#2")
    np.testing.assert_array_equal(found.points, [SHAPE + 1, SHAPE + 2, SHAPE + 22])
    ((name, reason),) = found.refused
    assert name == "x/c.png" and "c.pts" in reason
