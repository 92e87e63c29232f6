"""Shards cover a collection, each photo once; archives are read whatever they hold."""

import io
import os
import pathlib
import tarfile

import numpy as np
import pytest

from rcsr_jax.data.images import load_image, save_image
from rcsr_jax.data.shards import find_shards, folder_of_shards, photos_of


def write_photo(path, value=0):
    path.parent.mkdir(parents=True, exist_ok=True)
    save_image(path, np.full((5, 4, 3), value, np.uint8))


def write_tar(path, members, mode="w"):
    """An archive of (name, content) in this order."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as archive:
        for name, content in members:
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def png(value, tmp_path):
    write_photo(tmp_path / "one.png", value)
    return (tmp_path / "one.png").read_bytes()


@pytest.fixture
def folder(tmp_path):
    """Seven photos at several depths, and what is none."""
    root = tmp_path / "photos"
    for number, name in enumerate(
        ["b.png", "a.png", "x/1.png", "x/2.PNG", "x/y/3.jpg", "z/4.png", "z/5.png"]
    ):
        write_photo(root / name, number)
    for name in ("a.txt", ".hidden.png", ".cache/c.png"):
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_bytes(b"no photo")
    return root


def shards_of(*inputs, size=3):
    return find_shards(map(str, inputs), photos_per_shard=size)


def test_a_folder_is_cut_into_pieces_in_order(folder):
    shards = shards_of(folder)
    assert [shard.photos for shard in shards] == [
        ("a.png", "b.png", "x/1.png"),
        ("x/2.PNG", "x/y/3.jpg", "z/4.png"),
        ("z/5.png",),
    ]
    names = [shard.name for shard in shards]
    assert len(set(names)) == 3
    assert {folder_of_shards(name) for name in names} == {names[0][:-6]}
    (first, *_) = photos_of(shards[1])
    assert (first.name, first.path) == ("x/2.PNG", folder / "x/2.PNG")
    np.testing.assert_array_equal(first.load(), load_image(folder / "x/2.PNG"))


def test_files_that_are_no_photos_are_told(folder):
    others = []
    find_shards([str(folder)], photos_per_shard=3, on_other=others.append)
    assert others == [folder / "a.txt"]  # hidden ones apart


def test_shards_are_the_same_from_anywhere(folder, monkeypatch):
    expected = shards_of(folder)
    monkeypatch.chdir(folder.parent)
    assert shards_of("photos") == shards_of("./photos/") == expected


def test_a_changed_photo_changes_the_stamp_of_its_shard_alone(folder):
    before = shards_of(folder)
    os.utime(folder / "x/y/3.jpg", ns=(0, 0))
    after = shards_of(folder)
    assert [a.stamp == b.stamp for a, b in zip(before, after, strict=True)] == [
        True,
        False,
        True,
    ]
    write_photo(folder / "z/6.png")
    assert [shard.name for shard in shards_of(folder)] == [s.name for s in after]


@pytest.mark.parametrize("suffix", [".tar", ".tar.gz", ".tgz"])
def test_an_archive_gives_its_photos(suffix, tmp_path):
    content = png(9, tmp_path)
    path = tmp_path / f"some{suffix}"
    members = [("x/1.png", content), ("1.json", b"{}"), ("2.png", content)]
    write_tar(path, members, "w" if suffix == ".tar" else "w:gz")
    (shard,) = shards_of(path)
    photos = list(photos_of(shard))
    assert [photo.name for photo in photos] == ["x/1.png", "2.png"]
    assert photos[0].path == path / "x/1.png"
    for photo in photos:
        np.testing.assert_array_equal(photo.load(), np.full((5, 4, 3), 9))


def test_archives_in_a_folder_are_shards_of_their_own(folder, tmp_path):
    write_tar(folder / "z/more.tar", [("m.png", png(1, tmp_path))])
    shards = shards_of(folder, size=100)
    assert sorted(len(shard.photos) for shard in shards) == [0, 7]


def test_nothing_in_an_archive_is_unpacked(tmp_path):
    content = png(1, tmp_path)
    names = ["../out.png", "/etc/out.png", "a/../../b.png"]
    path = tmp_path / "in/bad.tar"
    write_tar(path, [(name, content) for name in names])
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("link.png")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    before = sorted(tmp_path.rglob("*"))
    photos = list(photos_of(shards_of(path)[0]))
    # a name, nothing more
    assert [photo.name for photo in photos] == [*names, "link.png"]
    for photo in photos[:3]:
        photo.load()
    with pytest.raises(
        ValueError, match=r"link.png: is a link; links are not followed"
    ):
        photos[3].load()
    assert sorted(tmp_path.rglob("*")) == before


def test_photos_of_kinds_that_are_not_read_are_among_those_of_an_archive(tmp_path):
    members = [("a.png", png(1, tmp_path)), ("b.NEF", b"raw"), ("c.txt", b"text")]
    write_tar(tmp_path / "raw.TAR", members)
    good, raw = photos_of(shards_of(tmp_path / "raw.TAR")[0])
    assert good.load().shape == (5, 4, 3)
    with pytest.raises(ValueError, match=r"b.NEF: empty, or not an image of a kind"):
        raw.load()


def test_overlays_of_results_are_no_photos(folder):
    before = shards_of(folder)
    write_photo(folder / "x/1_overlay.png")
    assert shards_of(folder) == before


def test_a_name_that_comes_twice_is_taken_once(tmp_path):
    write_tar(tmp_path / "two.tar", [("a.png", png(v, tmp_path)) for v in (1, 2)])
    first, second = photos_of(shards_of(tmp_path / "two.tar")[0])
    assert first.load()[0, 0, 0] == 1
    with pytest.raises(ValueError, match=r"two.tar/a.png: comes twice"):
        second.load()


# in the photo, in its header, before it, and before the end
@pytest.mark.parametrize("length", [2570, 2200, 2048, 3072])
def test_an_archive_cut_short_gives_what_it_has_and_says_so(length, tmp_path):
    path = tmp_path / "cut.tar"
    write_tar(path, [(f"{n}.png", png(n, tmp_path)) for n in range(3)])
    path.write_bytes(path.read_bytes()[:length])
    *photos, last = photos_of(shards_of(path)[0])
    whole = ["0.png", "1.png", "2.png"][: 3 if length == 3072 else 2]
    assert [photo.name for photo in photos] == whole
    assert last.name == ""
    with pytest.raises(ValueError, match=r"cut.tar: cannot be read on"):
        last.load()


@pytest.mark.parametrize("content", [b"", b"no archive" * 100])
def test_what_is_no_archive_says_so(content, tmp_path):
    (tmp_path / "bad.tar").write_bytes(content)
    for photo in photos_of(shards_of(tmp_path / "bad.tar")[0]):
        with pytest.raises(ValueError, match=r"bad.tar: cannot be read on"):
            photo.load()


def test_a_member_of_any_size_is_not_read(tmp_path, monkeypatch):
    monkeypatch.setattr("rcsr_jax.data.shards._LARGEST_MEMBER", 20)
    write_tar(tmp_path / "big.tar", [("a.png", png(1, tmp_path))])
    (photo,) = photos_of(shards_of(tmp_path / "big.tar")[0])
    with pytest.raises(ValueError, match=r"a.png: has \d+ bytes"):
        photo.load()


def test_inputs_that_are_none_are_refused(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for path in (tmp_path / "empty", tmp_path / "nowhere", folder / "a.txt"):
        with pytest.raises(ValueError, match=f"{path.name} is not a tar archive"):
            shards_of(path)
    for name, remedy in (
        ("nowhere", "there is nothing of this name"),
        ("*.jpg", "patterns are not taken"),
        ("a.png", "name the folder of the photo, or take rcsr-predict"),
    ):
        with pytest.raises(ValueError, match=remedy):
            shards_of(folder / name)
    with pytest.raises(ValueError, match=r"photos/x lies in .*photos: .* come twice"):
        shards_of(folder, folder / "x")
    with pytest.raises(ValueError, match="would come twice"):
        shards_of(folder, folder)


def test_many_inputs_are_told_apart_at_once(tmp_path, monkeypatch):
    """One look at the parents of each, not at each pair."""
    asked = []
    monkeypatch.setattr(
        pathlib.PurePath, "is_relative_to", lambda *paths: asked.append(paths)
    )
    names = [tmp_path / f"{n}.tar" for n in range(50)]
    for name in names:
        with tarfile.open(name, "w") as archive:
            archive.addfile(tarfile.TarInfo("a.png"))
    assert len(shards_of(*names)) == 50 and not asked
