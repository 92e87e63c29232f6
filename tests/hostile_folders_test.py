"""Folders full of loops, pipes, closed doors and names that nobody would choose."""

import contextlib
import json
import os
import shutil
import sys
import tempfile
from pathlib import Path

import numpy as np
import pytest
from commands import run_module
from hostile import check_message, deadline
from photo_folders import POINTS, add_face
from rcsr_jax.experiments.inputs import Input, find_inputs
from rcsr_jax.experiments.results import Results
from three import THREE

from rcsr_jax.data.annotations import (
    AnnotatedFace,
    read_annotations,
    write_annotations,
)
from rcsr_jax.data.annotations.json_files import write_json
from rcsr_jax.data.crops import open_cache
from rcsr_jax.data.faces import read_faces
from rcsr_jax.data.folders import files_below
from rcsr_jax.data.shards import find_shards

NOBODY = 65534


@contextlib.contextmanager
def as_nobody():
    """Root may look into every folder; others may not."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)


@pytest.fixture
def closed():
    """A folder with a face that may be read, one that may not, and a closed folder."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    for name in ("good/1.png", "good/2.png", "shut/3.png"):
        add_face(root, name)
    (root / "good/2.png").chmod(0)
    (root / "shut").chmod(0)
    yield root
    (root / "shut").chmod(0o755)
    shutil.rmtree(root)


def problems(root):
    told = {}
    found = list(
        files_below(root, on_problem=lambda p, why: told.update({str(p): why}))
    )
    return [path.as_posix() for path in found], told


@pytest.mark.skipif(sys.platform == "win32", reason="no permissions")
def test_closed_folders_and_files_are_told_and_the_others_read(closed):
    (
        find_inputs([str(closed)]),
        read_faces(closed, markup=THREE),
    )  # imports all they use
    with as_nobody():
        found, told = problems(closed)
        assert "good/1.png" in found and not any("3.png" in name for name in found)
        assert told == {"shut": "cannot look into this folder: Permission denied"}
        faces = read_faces(closed, markup=THREE)
        inputs = find_inputs([str(closed)])
        alone = find_inputs([str(closed / "shut")])
        inside = find_inputs([str(closed / "shut" / "3.png")])
    assert [face.name for face in faces.faces] == ["good/1.png"]
    reasons = dict(faces.refused)
    assert set(reasons) == {"good/2.png", "shut/*"}
    assert "Permission denied" in reasons["good/2.png"]
    assert reasons["shut/*"].startswith("cannot look into this folder")
    assert [item.name for item in inputs.photos] == ["good/1.png", "good/2.png"]
    assert list(inputs.empty) == [f"{closed}/shut"] == list(alone.empty)
    assert "Permission denied" in inputs.empty[f"{closed}/shut"]
    assert len(inside.photos) == 1  # and reading it tells why it cannot be read


@pytest.mark.skipif(sys.platform == "win32", reason="no permissions")
def test_a_closed_folder_is_refused_before_a_collection_is_begun(closed):
    with as_nobody(), pytest.raises(ValueError, match="shut: cannot look into this"):
        find_shards([str(closed)], photos_per_shard=2)


@pytest.mark.skipif(sys.platform == "win32", reason="no links")
def test_links_are_followed_once_and_loops_end(tmp_path):
    add_face(tmp_path, "data/real/1.png")
    add_face(tmp_path, "elsewhere/2.png")
    data = tmp_path / "data"
    for name, target in (
        ("again", "real"),
        ("b", "."),
        ("c", "."),
        ("d", ".."),
        ("real/up", ".."),
        ("real/up2", ".."),
        ("link1", tmp_path / "elsewhere"),
        ("link2", tmp_path / "elsewhere"),
        ("self", "self"),
        ("ping", "pong"),
        ("pong", "ping"),
        ("gone.png", "nowhere.png"),
    ):
        (data / name).symlink_to(target)
    with deadline(20):
        found, told = problems(data)
        names = [face.image for face in read_annotations(data) if not face.problem]
        photos = [item.name for item in find_inputs([str(data)]).photos]
        pattern = [item.name for item in find_inputs([f"{data}/**/*.png"]).photos]
        every = find_inputs([f"{data}/**"]).photos
    pictures = [name for name in found if name.endswith(".png")]
    # d leads to the folder above, and there to elsewhere before the links do
    assert sorted(pictures) == ["d/elsewhere/2.png", "gone.png", "real/1.png"]
    assert told == {}
    assert sorted(names) == ["d/elsewhere/2.png", "real/1.png"]
    assert sorted(photos) == sorted(pictures)
    assert pattern == ["real/1.png"]  # ** does not go through links
    assert {item.name for item in every} >= {"real/1.png", "real/1.pts"}


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes")
def test_pipes_among_files_end_nothing(tmp_path):
    add_face(tmp_path, "good.png")
    for name in ("pipe.png", "other.pts"):
        os.mkfifo(tmp_path / name)
    for name in ("pipe.pts", "other.png"):
        shutil.copy(tmp_path / f"good{name[-4:]}", tmp_path / name)
    with deadline(20):
        found = read_faces(tmp_path, markup=THREE)
    assert [face.name for face in found.faces] == ["good.png"]
    reasons = dict(found.refused)
    assert reasons["other.png"] == "other.pts is a pipe or a device"
    assert "a pipe or a device" in reasons["pipe.png"]


UNFIT = {
    b"a\nb": "a\\nb.png",
    b"\x1b[2J": "\\x1b[2J.png",
    b"\xff\xfe": "\\udcff\\udcfe.png",
    b"a\x7f": "a\\x7f.png",
}
FINE = ["é", "日本", "a b", "👩\u200d🚀", "-rf", "#", "%s{}", "'\"", "x" * 200, "=1+1"]


@pytest.mark.skipif(sys.platform != "linux", reason="names of bytes")
@pytest.mark.parametrize("name", UNFIT, ids=ascii)
def test_names_that_tables_cannot_hold_are_refused_and_shown_harmless(tmp_path, name):
    add_face(tmp_path, "good.png")
    for suffix in (b".png", b".pts"):
        good = (tmp_path / f"good{suffix.decode()}").read_bytes()
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/" + name + suffix)).write_bytes(
            good
        )
    found = read_faces(tmp_path, markup=THREE)
    assert [face.name for face in found.faces] == ["good.png"]
    (refusal,) = found.refused
    assert refusal.name == UNFIT[name]
    check_message(refusal.reason, "rename it")
    inputs = find_inputs([str(tmp_path)])
    assert [item.name for item in inputs.photos] == ["good.png"]
    assert list(inputs.empty) == [UNFIT[name]]
    json.dumps(inputs.empty, ensure_ascii=False).encode()


@pytest.mark.parametrize("name", FINE, ids=lambda name: ascii(name)[:20])
def test_other_names_are_names(tmp_path, name):
    add_face(tmp_path, f"sub/{name}.png")
    found = read_faces(tmp_path, markup=THREE)
    assert [face.name for face in found.faces] == [f"sub/{name}.png"]
    (photo,) = find_inputs([str(tmp_path / "sub" / f"{name}.png")]).photos
    assert photo.name == f"{name}.png"
    for suffix in (".json", ".csv", ".xml"):
        write_annotations(tmp_path / f"a{suffix}", read_annotations(tmp_path / "sub"))
        (read,) = read_annotations(tmp_path / f"a{suffix}")
        assert read.image == f"{name}.png"


OUT_OF_PLACE = [
    "../secret.png",
    "/etc/hostname",
    "a/../../secret.png",
    "x" * 300 + ".png",
    "a/" * 2000 + "b.png",
    "nul\0.png",
    "\ud800.png",
    "",
    ".",
    "gone.png",
]


@pytest.mark.parametrize("name", OUT_OF_PLACE, ids=lambda name: ascii(name)[:20])
def test_a_table_leads_nowhere_else(tmp_path, name):
    add_face(tmp_path, "data/good.png")
    add_face(tmp_path, "secret.png")
    points = POINTS.tolist()
    table = tmp_path / "data" / "landmarks.json"
    table.write_text(json.dumps({"good.png": points, name: points}))
    found = read_faces(table, markup=THREE)
    assert [face.name for face in found.faces] == ["good.png"]
    assert len(found.refused) == 1
    json.dumps(found.refused[0], ensure_ascii=False).encode()


ODD_ARGUMENTS = [
    ("x" * 300, "x" * 300),
    ("x" * 5000, None),
    ("", None),
    ("a\0b", None),
    ("[", None),
    ("**", None),
    ("*" * 3000, None),
    ("**/" * 500 + "x", None),
    ("**/a/" * 500, None),
    ("[!" + "a" * 1000, None),
    ("\udcff", None),
]


@pytest.mark.parametrize(
    ("argument", "photo"), ODD_ARGUMENTS, ids=lambda value: ascii(value)[:20]
)
def test_odd_arguments_end(tmp_path, monkeypatch, argument, photo):
    monkeypatch.chdir(tmp_path)
    with deadline(20):
        inputs = find_inputs([argument])
    assert [item.name for item in inputs.photos] == ([photo] if photo else [])
    assert len(inputs.empty) == (0 if photo else 1)
    json.dumps(inputs.empty, ensure_ascii=False).encode()


@pytest.mark.parametrize(
    "header",
    [
        "",
        "[]",
        "[" * 10**6,
        "null",
        '{"settings": 5}',
        '{"settings": {"format": 9}}',
        '{"settings": {"format": 2}, "checksums": ["crops.npy"]}',
    ],
    ids=lambda header: header[:30],
)
def test_a_forged_crop_cache_is_refused(tmp_path, header):
    (tmp_path / "cache.json").write_text(header)
    with deadline(10), pytest.raises(ValueError, match=r"cache.json is no crop cache"):
        open_cache(tmp_path)


@pytest.mark.parametrize(
    "content", ["[]", "[" * 10**6, '{"faces": 5}', '{"faces": [5]}', "\0"]
)
def test_forged_results_are_not_taken_for_those_of_a_photo(tmp_path, content):
    results = Results(tmp_path, made_with="a", overwrite=False)
    photo = Input("a.png", tmp_path / "a.png", "a")
    (tmp_path / "a.json").write_text(content)
    with deadline(10), pytest.raises(ValueError, match="--overwrite replaces it"):
        results.is_done(photo)
    assert results.write_table([photo]) == [0]


@pytest.mark.slow
def test_programs_answer_hostile_files_with_lines_and_do_the_others(tmp_path):
    photos = tmp_path / "photos"
    add_face(photos, "good.png")
    (photos / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR" + b"\x7f" * 99)
    (photos / "text.jpg").write_text("\x1b[2J")
    (photos / "loop.png").symlink_to("loop.png")
    os.mkfifo(photos / "pipe.png")
    Path(os.fsdecode(os.fsencode(photos) + b"/\xff.png")).write_bytes(b"")
    arguments = ["--preset=fast", "--filled", "--out=found"]
    done = run_module("predict", *arguments, "photos", "x" * 300, cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "\x1b" not in done.stderr + done.stdout
    summary = json.loads((tmp_path / "found/summary.json").read_text(encoding="utf-8"))
    assert summary["photos_done"] == 1 and len(summary["failed"]) == 6
    assert (tmp_path / "found/good.pts").is_file()
    (photos / "deep.json").write_text("[" * 10**6)
    for arguments in (
        ["--data=photos/deep.json", "--out=a.csv"],
        ["--data=" + "x" * 300, "--out=a.csv"],
        ["--data=photos/text.jpg", "--out=a.csv"],
    ):
        done = run_module("convert", *arguments, cwd=tmp_path)
        assert done.returncode == 1 and "Traceback" not in done.stderr
        lines = [
            line for line in done.stderr.splitlines() if line.startswith("error: ")
        ]
        assert len(lines) == 1 and len(lines[0]) < 5000


def test_a_video_is_no_list_of_other_files(tmp_path):
    video = pytest.importorskip("rcsr_jax.video")
    (tmp_path / "secret.txt").write_text("secret")
    lists = {
        "ffconcat": "ffconcat version 1.0\nfile secret.txt\n",
        "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nsecret.txt\n",
        "pictures": "P6 2 2 255\n" + "a" * 12,
        "text": "no video at all",
    }
    for name, text in lists.items():
        path = tmp_path / f"{name}.mp4"
        path.write_text(text)
        with pytest.raises(ValueError, match=f"{name}.mp4: cannot be opened"):
            video.Video(path)
    os.mkfifo(tmp_path / "pipe.mp4")
    for name in (
        str(tmp_path / "pipe.mp4"),
        "http://127.0.0.1:9/clip.mp4",
        "concat:a|b",
    ):
        with deadline(10), pytest.raises(ValueError, match="cannot be opened"):
            video.Video(name)


def test_faces_that_no_box_meets_are_left_out(tmp_path):
    here = np.float32([[1, 1], [8, 1], [4, 8]])
    faces = [
        AnnotatedFace("a.png", np.full((3, 2), np.nan, np.float32)),
        AnnotatedFace("b.png", here),
        AnnotatedFace("c.png", here + 500),
        AnnotatedFace("d.png", here),
    ]
    write_json(tmp_path / "a.json", faces)
    boxes = [f"{name}.png,0,0,9,9" for name in "abc"]
    (tmp_path / "b.csv").write_text("\n".join(["image,x0,y0,x1,y1", *boxes]))
    options = ["--data=a.json", "--boxes=b.csv"]
    done = run_module("convert", *options, "--out=c.json", cwd=tmp_path)
    assert done.returncode == 1
    for name in "ac":
        assert (
            f"left out {name}.png: no box in b.csv lies around its landmarks"
            in done.stderr
        )
    assert "left out d.png: no row in b.csv; looked for d.png\n" in done.stderr
    assert "3 of 4 entries were left out" in done.stderr
    (kept,) = read_annotations(tmp_path / "c.json")
    assert kept.image == "b.png" and kept.box.tolist() == [0, 0, 9, 9]
    write_json(tmp_path / "a.json", faces[2:])
    done = run_module("convert", *options, "--out=d.json", cwd=tmp_path)
    assert done.returncode == 1 and not (tmp_path / "d.json").exists()
    assert "c.png: no box in b.csv lies around its landmarks" in done.stderr
