"""A folder for results that cannot be one is refused before the work."""

import sys
import tempfile
from pathlib import Path

import pytest
from commands import run, run_module
from rcsr_jax.experiments.out_folder import check_kind, folder_to_write


def test_a_file_is_no_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.jpg").touch()
    (tmp_path / "nowhere").symlink_to("gone")
    (tmp_path / "to_here").symlink_to(tmp_path)
    for name in ("plain.jpg", "plain.jpg/deeper/still", str(tmp_path / "plain.jpg")):
        with pytest.raises(ValueError, match=r"plain\.jpg is a file; name a folder"):
            folder_to_write(name)
    with pytest.raises(ValueError, match="nowhere is a link to nothing; name a fold"):
        folder_to_write("nowhere")
    for name in (".", "new", "new/and/deep", "to_here", str(tmp_path)):
        assert str(folder_to_write(name)) == name


def test_a_folder_that_takes_no_file_is_named(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert folder_to_write("new") == Path("new")
    assert not list(tmp_path.iterdir())  # what was tried is gone

    def refuse(*, dir):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    told = (
        rf"nothing can be written to {tmp_path} \(Permission denied\); choose another"
    )
    for name in ("new/deep", ".", tmp_path):
        with pytest.raises(ValueError, match=told):
            folder_to_write(name)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")
def test_a_real_folder_that_takes_no_file():
    with pytest.raises(ValueError, match="nothing can be written to /proc "):
        folder_to_write("/proc/new")


def test_a_suffix_of_an_unknown_kind_is_no_folder():
    for name in ("model.h5", "x.mp4", "x.tflite"):
        with pytest.raises(ValueError, match=rf"no format for {name}: .* in \.npz, or"):
            check_kind(Path(name), [".npz"])
    for name in ("model.npz", "model", "run.2", "of.2026-10-01"):
        check_kind(Path(name), [".npz"])


def refuse_but_in_crops(*, dir):
    if Path(dir).name != "crops":
        raise PermissionError(13, "Permission denied")
    return tempfile.SpooledTemporaryFile()


def test_crops_are_made_beside_their_place(tmp_path):
    (tmp_path / "crops").mkdir()
    done = run(
        *("rcsr-prepare", "--data=drawn", "--out=crops"),
        cwd=tmp_path,
        replaced={"tempfile.TemporaryFile": refuse_but_in_crops},
    )
    assert done.returncode == 1
    assert f"nothing can be written to {tmp_path} (" in done.stderr


@pytest.mark.parametrize(
    ("program", "arguments", "name"),
    [
        ("benchmark", [], "speed.json"),
        ("calibrate", ["--data=drawn"], "model"),
        ("ert", ["--data=drawn"], "ert.dat"),
    ],
)
def test_the_folder_of_a_file_is_looked_at_first(tmp_path, program, arguments, name):
    if program == "ert":
        pytest.importorskip("dlib")
    (tmp_path / "plain.jpg").touch()
    done = run_module(program, *arguments, f"--out=plain.jpg/{name}", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: plain.jpg is a file; name a folder.\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "arguments"),
    [
        ("predict", ["--filled", "photo.png"]),
        ("evaluate", ["--data=drawn"]),
        ("prepare", ["--data=drawn"]),
        ("bulk", ["--workers=0", "."]),
        ("draw", []),
    ],
)
def test_programs_say_so_before_they_work(tmp_path, program, arguments):
    (tmp_path / "plain.jpg").write_text("mine")
    done = run_module(program, *arguments, "--out=plain.jpg", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "error: plain.jpg is a file; name a folder.\n"
    assert [path.name for path in tmp_path.iterdir()] == ["plain.jpg"]


@pytest.mark.parametrize(
    ("program", "words"),
    [
        ("predict", ["--out=", "--filled", "photo.png"]),
        ("train", ["--data=drawn", "--workdir="]),
    ],
)
def test_a_folder_without_a_name_is_refused(tmp_path, program, words):
    done = run_module(program, *words, cwd=tmp_path)
    assert done.returncode == 1
    assert "the name of a folder is missing; . is the one you are in" in done.stderr
    assert list(tmp_path.iterdir()) == []
