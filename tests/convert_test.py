"""rcsr-convert: what it replaces, what it counts and what it leaves out."""

import json
from pathlib import Path

import commands
import numpy as np
import pytest
from photo_folders import POINTS, add_image, names_of
from PIL import Image
from three import THREE

from rcsr_jax.data.annotations import read_annotations, read_boxes
from rcsr_jax.data.faces import read_faces

pytestmark = pytest.mark.slow  # each starts programs

BOX = [8, 7, 31, 26]
FACE = {"points": POINTS.tolist(), "box": BOX}


def write_json(path: Path, content) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def contents(folder: Path) -> dict:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def convert_in_part(*arguments, cwd: Path) -> tuple[str, str]:
    """What a conversion that leaves something out prints, and its errors."""
    done = commands.run("rcsr-convert", *arguments, cwd=cwd)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    return done.stdout, done.stderr


def test_every_file_of_a_folder_is_replaced_with_overwrite_only(tmp_path):
    write_json(tmp_path / "in/faces.json", {"a.png": FACE})
    add_image(tmp_path / "in/a.png")
    words = ["--data=in/faces.json", "--copy_images", "--out=out"]
    for name in ("boxes.csv", "a.png"):
        out = tmp_path / "out"
        out.mkdir(exist_ok=True)
        (out / name).write_text("of somebody")
        told = commands.fail("rcsr-convert", *words, cwd=tmp_path)
        assert f"out/{name} is there already; --overwrite replaces it" in told
        assert contents(out) == {name: b"of somebody"}
        commands.succeed("rcsr-convert", *words, "--overwrite", cwd=tmp_path)
        assert set(contents(out)) == {"a.png", "a.pts", "boxes.csv"}
        assert (out / "a.png").read_bytes() == (tmp_path / "in/a.png").read_bytes()
        assert list(read_boxes(out / "boxes.csv")) == ["a.png"]
        for path in out.iterdir():
            path.unlink()


def test_other_pts_files_do_not_stay_beside_the_new_ones(tmp_path):
    write_json(tmp_path / "faces.json", {"a.png": FACE})
    words = ["rcsr-convert", "--data=faces.json", "--out=out"]
    commands.succeed(*words, cwd=tmp_path)
    (tmp_path / "out/sub").mkdir()
    (tmp_path / "out/sub/b.pts").write_text("of before")
    told = commands.fail(*words, "--overwrite", cwd=tmp_path)
    assert "out holds 1 .pts files that would stay beside the new ones" in told
    assert "out/sub/b.pts the first" in told


def test_a_folder_with_its_landmarks_in_json_is_taken(tmp_path):
    write_json(tmp_path / "in/landmarks.json", {"a.png": FACE})
    commands.succeed("rcsr-convert", "--data=in", "--out=one.csv", cwd=tmp_path)
    (face,) = read_annotations(tmp_path / "one.csv")
    np.testing.assert_allclose(face.points, POINTS, atol=1e-5)


def test_files_are_named_as_they_will_be_read(tmp_path):
    write_json(tmp_path / "faces.json", {"a.png": FACE})
    for kind, out, wanted in (
        ("coco", "out.csv", ".json"),
        ("coco", "out", ".json"),
        ("boxes", "out.json", ".csv"),
        ("dlib", "out.json", ".xml"),
    ):
        words = ["--data=faces.json", f"--format={kind}", f"--out={out}"]
        told = commands.fail("rcsr-convert", *words, cwd=tmp_path)
        assert f"--format={kind} is a {wanted} file; got --out={out}" in told


def test_a_photo_that_is_missing_is_told_before_anything_is_written(tmp_path):
    write_json(tmp_path / "faces.json", {"a.png": FACE, "gone.png": FACE})
    add_image(tmp_path / "a.png")
    words = ["--data=faces.json", "--copy_images", "--out=out"]
    told = commands.fail("rcsr-convert", *words, cwd=tmp_path)
    assert "faces.json: gone.png: no such image beside it" in told
    assert not (tmp_path / "out").exists()


def test_faces_that_a_format_does_not_hold_are_named_and_not_counted(tmp_path):
    faces = {"a.png": FACE, "bare.png": POINTS.tolist(), "boxed.png": {"box": BOX}}
    write_json(tmp_path / "faces.json", faces)
    for out, left_out in (
        ("boxes.csv", "bare.png: it has no box"),
        ("folder", "boxed.png: it has no landmarks"),
    ):
        words = ["--data=faces.json", f"--out={out}"]
        words += ["--format=boxes"] if out == "boxes.csv" else []
        told, errors = convert_in_part(*words, cwd=tmp_path)
        assert told == f"wrote 2 faces of 2 images to {out}\n"
        assert f"left out {left_out}\n" in errors
        assert "error: 1 of 3 entries were left out." in errors
    assert list(read_boxes(tmp_path / "boxes.csv")) == ["a.png", "boxed.png"]
    written = {path.name for path in (tmp_path / "folder").iterdir()}
    assert written == {"a.pts", "bare.pts", "boxes.csv"}

    write_json(tmp_path / "bare.json", {"bare.png": POINTS.tolist()})
    words = ["--data=bare.json", "--out=none.csv", "--format=boxes"]
    told = commands.fail("rcsr-convert", *words, cwd=tmp_path)
    assert "bare.json: no face in it that can be written (bare.png: it has no" in told
    assert not (tmp_path / "none.csv").exists()


def test_a_face_of_nothing_does_not_keep_the_others_from_being_written(tmp_path):
    header = "image,box_x0,box_y0,box_x1,box_y1,x_0,y_0,x_1,y_1"
    rows = ["empty.png,,,,,,,,", "a.png,0,0,9,9,1,1,5,5"]
    (tmp_path / "faces.csv").write_text("\n".join([header, *rows]))
    for out in ("faces.xml", "coco.json"):
        kind = "dlib" if out == "faces.xml" else "coco"
        words = ["--data=faces.csv", f"--out={out}", f"--format={kind}"]
        told, errors = convert_in_part(*words, cwd=tmp_path)
        assert told == f"wrote 1 faces of 1 images to {out}\n"
        assert f"left out empty.png: {kind} needs a box or landmarks" in errors
        assert "error: 1 of 2 entries were left out." in errors
        (face,) = read_annotations(tmp_path / out)
        assert face.image == "a.png" and not face.problem


def test_boxes_that_are_written_are_found_again(tmp_path):
    """Photos lie in img/ beside the annotation, which does not say so."""
    write_json(tmp_path / "faces.json", {"a.png": FACE})
    add_image(tmp_path / "img/a.png")
    words = ["--data=faces.json", "--out=boxes.csv", "--format=boxes"]
    commands.succeed("rcsr-convert", *words, cwd=tmp_path)
    data = tmp_path / "faces.json"
    found = read_faces(data, markup=THREE, boxes=tmp_path / "boxes.csv")
    assert names_of(found) == ["img/a.png"]
    np.testing.assert_array_equal(found.faces[0].box, BOX)

    # and as the data folder and the table's own folder have it
    for number, table in enumerate(("data.csv", "img/own.csv")):
        name = "img/a.png" if table == "data.csv" else "a.png"
        (tmp_path / table).write_text(f"image,x0,y0,x1,y1\n{name},9,8,31,27\n")
        words = ["--data=faces.json", f"--boxes={table}", f"--out={number}.json"]
        commands.succeed("rcsr-convert", *words, cwd=tmp_path)
        (face,) = read_annotations(tmp_path / f"{number}.json")
        assert face.box.tolist() == [9, 8, 31, 27]


def test_coco_does_without_the_size_of_a_torn_photo(tmp_path):
    write_json(tmp_path / "faces.json", {"a.png": FACE, "b.png": FACE})
    add_image(tmp_path / "a.png")
    (tmp_path / "b.png").write_bytes(b"torn")
    words = ["--data=faces.json", "--out=c.json", "--format=coco"]
    commands.succeed("rcsr-convert", *words, cwd=tmp_path)
    images = json.loads((tmp_path / "c.json").read_text())["images"]
    sizes = {image["file_name"]: image.get("width") for image in images}
    assert sizes == {"a.png": 40, "b.png": None}


def test_two_kinds_of_landmarks_in_a_folder_are_refused(tmp_path):
    write_json(tmp_path / "in/landmarks.json", {"a.png": FACE})
    words = ["rcsr-convert", "--data=in/landmarks.json", "--out=in/folder"]
    commands.succeed(*words, cwd=tmp_path)
    words = ["rcsr-convert", "--data=in", "--out=one.csv"]
    told = commands.fail(*words, cwd=tmp_path)
    assert "in: holds both landmarks.json and .pts files; give the JSON file" in told
    assert not (tmp_path / "one.csv").exists()


def fill_the_disk(source, target):
    target.write(source.read(10))
    raise OSError(28, "No space left on device")


def test_a_copy_that_fails_leaves_no_part_of_a_picture(tmp_path):
    write_json(tmp_path / "in/faces.json", {"a.png": FACE})
    add_image(tmp_path / "in/a.png")
    done = commands.run(
        *("rcsr-convert", "--data=in/faces.json", "--copy_images", "--out=out"),
        cwd=tmp_path,
        replaced={"shutil.copyfileobj": fill_the_disk},
    )
    assert done.returncode == 1 and "No space left" in done.stderr
    assert not list((tmp_path / "out").glob("a.png*"))


def test_pictures_that_are_still_to_lie_beside_their_landmarks_are_told(tmp_path):
    write_json(tmp_path / "faces.json", {"a.png": FACE, "b.png": FACE})
    add_image(tmp_path / "a.png")
    words = ["rcsr-convert", "--data=faces.json", "--out=out"]
    done = commands.run(*words, cwd=tmp_path)
    assert done.returncode == 0
    told = "2 images are still to lie in out, a.png the first: --copy_images puts"
    assert told in done.stderr
    done = commands.run(*words, "--copy_images", "--overwrite", cwd=tmp_path)
    assert done.returncode == 1 and "b.png: no such image" in done.stderr


def test_a_photo_of_108_megapixels_is_one(tmp_path):
    write_json(tmp_path / "faces.json", {"a.png": FACE})
    Image.new("1", (12_000, 9_000)).save(tmp_path / "a.png")
    words = ["--data=faces.json", "--format=coco", "--out=coco.json"]
    done = commands.run("rcsr-convert", *words, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    (image,) = json.loads((tmp_path / "coco.json").read_text())["images"]
    assert (image["width"], image["height"]) == (12_000, 9_000)
