"""Crop caches whose build was interrupted, killed, or shared between processes."""

import os
import pathlib
import signal
import time

import numpy as np
import pytest
from counted_faces import DATA, MODEL, Folder, build

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data import crop_builds, crops
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.sources import drawn_sources


def test_an_interrupted_build_does_no_harm(tmp_path):
    def interrupt(done, total):
        if done == 3:
            raise KeyboardInterrupt

    faces = Folder()
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "cache", faces, on_progress=interrupt)
    assert not crops.is_cache(tmp_path / "cache")
    assert (tmp_path / "cache.building").is_dir()
    (tmp_path / "cache.building" / "crops.npy").write_bytes(b"half")
    cache = build(tmp_path / "cache", faces)
    np.testing.assert_array_equal(cache.crops, build(tmp_path / "new", Folder()).crops)
    assert not (tmp_path / "cache.building").exists()


def test_an_interrupted_rebuild_keeps_the_old_cache(tmp_path):
    def interrupt(done, total):
        raise KeyboardInterrupt

    before = np.array(build(tmp_path / "cache", Folder()).crops)
    changed = Folder(num_faces=4)
    with pytest.raises(KeyboardInterrupt):
        build(tmp_path / "cache", changed, on_progress=interrupt)
    np.testing.assert_array_equal(crops.open_cache(tmp_path / "cache").crops, before)


def many(**options) -> Folder:
    return Folder(num_faces=200, **options)  # four parts


class Killed(BaseException):
    """What ends a build from outside."""


def content_of(folder):
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The files of a build that nothing disturbed, with faces that were refused."""
    folder = tmp_path_factory.mktemp("whole") / "cache"
    build(folder, many(broken=(5, 130)))
    return content_of(folder)


@pytest.mark.parametrize("last", [64, 128, 200])
def test_a_killed_build_goes_on_where_it_stopped(last, whole, tmp_path):
    def kill(done, total):
        if done == last:
            raise Killed

    with pytest.raises(Killed):
        build(tmp_path / "cache", many(broken=(5, 130)), on_progress=kill)
    again, seen = many(broken=(5, 130)), []
    build(tmp_path / "cache", again, on_progress=lambda *n: seen.append(n))
    assert again.loads <= 200 - last
    assert seen == [(n, 200) for n in range(1, 201)]
    assert content_of(tmp_path / "cache") == whole
    assert [path.name for path in tmp_path.iterdir()] == ["cache"]


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("part-0000001.npz", lambda content: content[: len(content) // 2]),
        ("part-0000001.npz", lambda content: b""),
        ("part-0000001.npz", None),
        ("rows.npy", lambda content: content[:-9000] + b"9" * 9000),
        ("rows.npy", lambda content: content[:-9000]),
        ("plan.json", lambda content: b"{"),
        ("plan.json", None),
    ],
)
def test_what_a_kill_left_damaged_is_cut_again(name, change, whole, tmp_path):
    def kill(done, total):
        if done == total:
            raise Killed

    with pytest.raises(Killed):
        build(tmp_path / "cache", many(broken=(5, 130)), on_progress=kill)
    path = tmp_path / "cache.building" / name
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change(path.read_bytes()))
    again = many(broken=(5, 130))
    build(tmp_path / "cache", again)
    assert 0 < again.loads <= 200
    assert content_of(tmp_path / "cache") == whole


@pytest.mark.parametrize(
    ("moment", "broken"),
    [
        ("replace", ()),
        ("replace", (5, 130)),
        ("rename", ()),
        ("rename", (5, 130)),
        ("hardlink_to", ()),  # with broken faces nothing is linked
    ],
)
def test_a_build_that_was_killed_at_its_end_loads_nothing_again(
    moment, broken, tmp_path, monkeypatch
):
    build(tmp_path / "whole", many(broken=broken))
    real = getattr(pathlib.Path, moment)
    ends = ("cache.json.unfinished", "cache.building", "crops.npy")

    def killed(self, target):
        if self.name in ends:
            raise Killed
        return real(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(pathlib.Path, moment, killed)
        with pytest.raises(Killed):
            build(tmp_path / "cache", many(broken=broken))
    again = many(broken=broken)
    build(tmp_path / "cache", again)
    assert again.loads == 0
    assert content_of(tmp_path / "cache") == content_of(tmp_path / "whole")


def test_a_build_of_something_else_starts_anew(tmp_path):
    def kill(done, total):
        if done == 128:
            raise Killed

    with pytest.raises(Killed):
        build(tmp_path / "cache", many(), on_progress=kill)
    other = many()
    other.sources[3] = other.sources[3]._replace(stamp="2")
    build(tmp_path / "cache", other)
    assert other.loads == 200


def test_no_two_threads_read_headers_at_once(tmp_path, monkeypatch):
    # Python 3.11 cannot always parse two of them together
    open_memmap, inside, most = np.lib.format.open_memmap, [], []

    def watched(*arguments, **options):
        inside.append(1)
        most.append(len(inside))
        time.sleep(0.05)  # the others come, if they may
        try:
            return open_memmap(*arguments, **options)
        finally:
            inside.pop()

    monkeypatch.setattr(np.lib.format, "open_memmap", watched)
    monkeypatch.setattr(os, "cpu_count", lambda: 4)
    build(tmp_path / "cache", many())
    assert len(most) > 4 and max(most) == 1


def test_processes_cut_the_same(tmp_path):
    model, data = ModelConfig(crop_size=32), DataConfig(drawn_faces=70)
    sources = drawn_sources(model, data)
    for jobs in (None, 2):
        folder = tmp_path / str(jobs)
        crop_builds.open_or_build(folder, sources, model=model, data=data, jobs=jobs)
    assert content_of(tmp_path / "2") == content_of(tmp_path / "None")


def _end_process():
    os.kill(os.getpid(), signal.SIGKILL)


def test_a_killed_process_is_told(tmp_path):
    sources = [Source("face", _end_process, stamp="1")]
    with pytest.raises(ValueError, match="was killed; the same command again goes on"):
        crop_builds.open_or_build(
            tmp_path / "cache", sources, model=MODEL, data=DATA, jobs=1
        )


def test_a_folder_behind_a_link_is_replaced_there(tmp_path):
    (tmp_path / "disk").mkdir()
    link = tmp_path / "cache"
    link.symlink_to(tmp_path / "disk")
    cache = build(link, Folder())
    assert link.is_symlink() and crops.is_cache(tmp_path / "disk")
    np.testing.assert_array_equal(cache.crops, build(tmp_path / "new", Folder()).crops)


def test_a_mount_is_refused_before_any_face_is_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(pathlib.Path, "is_mount", lambda path: path.name == "cache")
    faces = Folder()
    with pytest.raises(ValueError, match="cache is where a disk is mounted"):
        build(tmp_path / "cache", faces)
    assert list(tmp_path.iterdir()) == []
