"""Cached crops keep pixels and points together; stale or damaged caches are noticed."""

import dataclasses
import json

import numpy as np
import pytest
from counted_faces import DATA, MODEL, SIDE, Folder, build, photo_of, points_of
from three import THREE

from rcsr_jax.data import crop_builds, crops
from rcsr_jax.data.cutting import Source, cut_crop
from rcsr_jax.data.rows import Rows
from rcsr_jax.geometry import Frame, to_photo


def test_a_cache_holds_the_crops_points_and_frames(tmp_path):
    cache = build(tmp_path / "cache", Folder())
    assert crops.cached_size(MODEL, DATA) == SIDE
    assert cache.crops.shape == (5, SIDE, SIDE) and cache.crops.dtype == np.uint8
    assert cache.names == tuple(f"face_{i}" for i in range(5))
    assert cache.refused == ()
    # the box is 50 px wide and its centre (45, 40); 1.5 * 1.5 boxes on 27 px
    scale = 50 * 2.25 / SIDE
    np.testing.assert_allclose(cache.frames.scale, scale)
    np.testing.assert_allclose(
        cache.frames.corner, [[45 - 13 * scale, 40 - 13 * scale]] * 5
    )
    for index in range(5):
        where = Frame(cache.frames.corner[index], cache.frames.scale[index])
        np.testing.assert_array_equal(
            cache.crops[index], cut_crop(photo_of(index), where, size=SIDE)
        )
        np.testing.assert_allclose(
            to_photo(cache.points[index], where), points_of(index), atol=1e-4
        )


def test_crops_stay_on_the_disk(tmp_path):
    cache = build(tmp_path / "cache", Folder())
    assert isinstance(cache.crops, np.memmap) and not cache.crops.flags.writeable
    assert isinstance(cache.take([1, 0]).crops, Rows)
    assert isinstance(cache.take([1, 0]).points, Rows)


def test_a_second_opening_loads_no_face(tmp_path):
    faces = Folder()
    seen = []
    first = build(tmp_path, faces, on_progress=lambda *count: seen.append(count))
    assert seen == [(n, 5) for n in range(1, 6)]
    again = build(tmp_path, faces, on_progress=lambda *count: seen.append(count))
    assert faces.loads == len(seen) == 5
    np.testing.assert_array_equal(again.crops, first.crops)
    np.testing.assert_array_equal(again.points, first.points)
    np.testing.assert_array_equal(again.frames.corner, first.frames.corner)
    assert again.names == first.names and again.refused == first.refused


def test_the_cache_of_other_faces_is_told_from_its_own(tmp_path):
    faces = Folder()
    other = crop_builds.is_other_cache
    assert not other(tmp_path, faces.sources, model=MODEL, data=DATA)  # there is none
    build(tmp_path, faces)
    assert not other(tmp_path, faces.sources, model=MODEL, data=DATA)
    assert other(tmp_path, faces.sources[1:], model=MODEL, data=DATA)
    wide = dataclasses.replace(DATA, cache_margin=1.7)
    assert other(tmp_path, faces.sources, model=MODEL, data=wide)
    (tmp_path / "cache.json").write_text("torn")
    assert not other(tmp_path, faces.sources[1:], model=MODEL, data=DATA)


@pytest.mark.parametrize("what", ["stamp", "name", "fewer", "order"])
def test_a_cache_is_rebuilt_when_its_faces_change(what, tmp_path):
    faces = Folder()
    build(tmp_path, faces)
    sources = faces.sources
    if what == "stamp":
        sources[2] = sources[2]._replace(stamp="2")
    elif what == "name":
        sources[2] = sources[2]._replace(name="other")
    elif what == "fewer":
        del sources[2]
    else:
        sources.reverse()
    cache = build(tmp_path, faces)
    assert faces.loads == 5 + len(sources)
    assert cache.names == tuple(source.name for source in sources)


@pytest.mark.parametrize(
    ("model", "data"),
    [
        ({"crop_size": 20}, {}),
        ({"frame_scale": 1.6}, {}),
        ({"markup": dataclasses.replace(THREE, name="mine")}, {}),
        ({}, {"cache_margin": 1.7}),
    ],
)
def test_a_cache_is_rebuilt_when_its_settings_change(model, data, tmp_path):
    faces = Folder()
    build(tmp_path, faces)
    model, data = dataclasses.replace(MODEL, **model), dataclasses.replace(DATA, **data)
    cache = build(tmp_path, faces, model=model, data=data)
    assert faces.loads == 10
    assert cache.crops.shape[1] == crops.cached_size(model, data)


def test_what_does_not_touch_the_crops_leaves_the_cache(tmp_path):
    faces = Folder()
    build(tmp_path, faces)
    other = dataclasses.replace(MODEL, hidden_size=3, num_steps=9, tolerance=0.1)
    build(tmp_path, faces, model=other, data=dataclasses.replace(DATA, split="all"))
    assert faces.loads == 5


@pytest.mark.parametrize("name", ["crops.npy", "points.npy", "frames.npy"])
@pytest.mark.parametrize("damage", ["flip", "cut", "remove"])
def test_a_damaged_file_is_named_and_made_anew(name, damage, tmp_path):
    faces = Folder()
    expected = np.array(build(tmp_path / "cache", faces).crops)
    path = tmp_path / "cache" / name
    content = bytearray(path.read_bytes())
    if damage == "flip":
        content[-7] ^= 1
        path.write_bytes(content)
    elif damage == "cut":
        path.write_bytes(content[:-7])
    else:
        path.unlink()
    with pytest.raises(ValueError, match=f"{name} is missing or damaged; delete"):
        crops.open_cache(tmp_path / "cache")
    cache = build(tmp_path / "cache", faces)
    assert faces.loads == 10
    np.testing.assert_array_equal(cache.crops, expected)


@pytest.mark.parametrize(
    "change",
    [
        lambda header: header.update(settings={"format": 99}),
        lambda header: header["checksums"].update({"../other.npy": "0"}),
        lambda header: header["checksums"].pop("points.npy"),
        lambda header: header.pop("names"),
        lambda header: header.pop("made_from"),
        lambda header: header.pop("refused"),
    ],
)
def test_a_damaged_header_is_named_and_made_anew(change, tmp_path):
    faces = Folder()
    build(tmp_path, faces)
    path = tmp_path / "cache.json"
    header = json.loads(path.read_text())
    change(header)
    path.write_text(json.dumps(header))
    with pytest.raises(ValueError, match="cache.json is no crop cache"):
        crops.open_cache(tmp_path)
    build(tmp_path, faces)
    assert faces.loads == 10


@pytest.mark.parametrize("text", ["", "{", "[]", "7", '{"settings": 3}'])
def test_what_is_no_header_is_named(text, tmp_path):
    (tmp_path / "cache.json").write_text(text)
    with pytest.raises(ValueError, match="cache.json is no crop cache"):
        crops.open_cache(tmp_path)
    assert len(build(tmp_path, Folder()).names) == 5


def test_a_folder_without_a_cache_is_refused(tmp_path):
    assert not crops.is_cache(tmp_path)
    with pytest.raises(ValueError, match="cache.json is no crop cache"):
        crops.open_cache(tmp_path)
    build(tmp_path / "cache", Folder())
    assert crops.is_cache(tmp_path / "cache")


def test_a_refused_face_is_named_and_left_out(tmp_path):
    cache = build(tmp_path, Folder(broken=(0, 3)))
    assert cache.names == ("face_1", "face_2", "face_4")
    assert [tuple(refusal) for refusal in cache.refused] == [
        ("face_0", "face 0 is torn"),
        ("face_3", "face 3 is torn"),
    ]
    whole = build(tmp_path / "whole", Folder())
    np.testing.assert_array_equal(cache.crops, whole.crops[[1, 2, 4]])
    np.testing.assert_array_equal(cache.points, whole.points[[1, 2, 4]])
    assert build(tmp_path, Folder()).refused == cache.refused


def test_a_box_outside_its_photo_is_a_refusal(tmp_path):
    faces = Folder()
    photo, points = photo_of(1), points_of(1)
    faces.sources[1] = Source(
        "far", lambda: (photo, points, np.array([500, 500, 540, 540])), stamp="1"
    )
    (refusal,) = build(tmp_path, faces).refused
    assert refusal.name == "far" and "outside the image of 90 x 80" in refusal.reason


def test_strict_stops_at_the_first_broken_face(tmp_path):
    strict = dataclasses.replace(DATA, strict=True)
    faces = Folder(num_faces=400, broken=(2,))
    with pytest.raises(ValueError, match="^face_2: face 2 is torn$"):
        build(tmp_path / "cache", faces, data=strict)
    assert faces.loads < 400  # it does not go through all the others first
    assert not crops.is_cache(tmp_path / "cache")


def test_faces_that_are_all_refused_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="none of 2 faces .*face_0: face 0 is torn"):
        build(tmp_path / "cache", Folder(num_faces=2, broken=(0, 1)))
    with pytest.raises(ValueError, match="none of 0 faces"):
        build(tmp_path / "cache", Folder(num_faces=0))


@pytest.mark.parametrize(
    ("model", "data", "message"),
    [
        (
            {"crop_size": 20},
            {},
            r"for cached crops of 27 pixels \(crop_size, cache_margin\); this model takes "
            r"cached crops of 34 pixels .*: give rcsr-prepare the preset",
        ),
        ({"frame_scale": 2.0}, {}, "for frames of 2.25 boxes .* takes frames of 3 box"),
        ({}, {"cache_margin": 2.0}, "of 27 pixels .* and frames of 2.25 .* of 36 pix"),
        (
            {"markup": dataclasses.replace(THREE, name="x")},
            {},
            r"landmarks of 'three' \(3 of them\); this model takes the landmarks of 'x'",
        ),
    ],
)
def test_a_cache_for_another_model_is_refused(model, data, message, tmp_path):
    build(tmp_path, Folder())
    crops.check_fits(tmp_path, model=MODEL, data=DATA)
    model, data = dataclasses.replace(MODEL, **model), dataclasses.replace(DATA, **data)
    with pytest.raises(ValueError, match=message):
        crops.check_fits(tmp_path, model=model, data=data)


def test_take_chooses_faces_in_order(tmp_path):
    cache = build(tmp_path, Folder(broken=(1,)))
    some = cache.take([3, 0])
    assert some.names == ("face_4", "face_0") and some.refused == cache.refused
    np.testing.assert_array_equal(some.crops, [cache.crops[3], cache.crops[0]])
    np.testing.assert_array_equal(some.points, cache.points[[3, 0]])
    np.testing.assert_array_equal(some.frames.corner, cache.frames.corner[[3, 0]])
    np.testing.assert_array_equal(some.frames.scale, cache.frames.scale[[3, 0]])
    assert cache.take([]).crops.shape == (0, SIDE, SIDE)
