"""The faces of a run: cut once, and split into those to train on and those held out."""

import dataclasses

import numpy as np
import pytest
import tiny
from noisy_photos import (
    BOX,
    DRAWN,
    MODEL,
    MODEL_68,
    of_folder,
    photo,
    points_of,
    write_face,
    write_folder,
)

from rcsr_jax.config import DataConfig
from rcsr_jax.data import crop_builds, crops
from rcsr_jax.data.annotations import write_boxes, write_pts
from rcsr_jax.data.held_out import photo_of
from rcsr_jax.data.images import save_image
from rcsr_jax.data.sources import open_cached, read_sources
from rcsr_jax.data.training_faces import open_faces, open_last_faces
from rcsr_jax.geometry import Frame, to_photo


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "300w")


def test_drawn_faces_split_into_disjoint_parts(tmp_path):
    training, validation = open_faces(MODEL_68, DRAWN, folder=tmp_path)
    assert (len(training.names), len(validation.names)) == (4, 2)
    assert len({*training.names, *validation.names}) == 6
    side = crops.cached_size(MODEL_68, DRAWN)
    assert training.crops.shape == (4, side, side)
    assert validation.points.shape == (2, 68, 2)
    again = open_faces(MODEL_68, DRAWN, folder=tmp_path)
    assert again[0].names == training.names
    np.testing.assert_array_equal(again[1].crops, validation.crops)


def test_crops_are_cut_once(tmp_path):
    seen = []
    for _ in range(2):
        open_faces(
            MODEL_68, DRAWN, folder=tmp_path, on_progress=lambda *n: seen.append(n)
        )
    assert seen == [(n, 6) for n in range(1, 7)]
    assert len(list((tmp_path / "crops").iterdir())) == 1


def test_faces_of_a_folder_keep_their_points_and_boxes(folder, tmp_path):
    training, validation = open_faces(MODEL, of_folder(folder), folder=tmp_path)
    found = {
        name: to_photo(cache.points[n], Frame(*(part[n] for part in cache.frames)))
        for cache in (training, validation)
        for n, name in enumerate(cache.names)
    }
    assert "helen/testset/9_1.png" not in found and len(found) == 6
    for index, name in enumerate(
        sorted(found, key=lambda name: (name[0] == "h", name))
    ):
        np.testing.assert_allclose(found[name], points_of(index), atol=1e-3)
    # the frame is 1.5 * 1.5 boxes of 30 px, on 27 px
    np.testing.assert_allclose(training.frames.scale, 67.5 / 27, rtol=1e-6)


def test_faces_of_a_photo_stay_together(folder, tmp_path):
    for count in range(1, 5):
        data = of_folder(folder, validation_faces=count)
        training, validation = open_faces(MODEL, data, folder=tmp_path)
        assert len(validation.names) in (count, count + 1)
        held = {photo_of(name) for name in validation.names}
        assert held.isdisjoint(photo_of(name) for name in training.names)


def test_more_training_faces_hold_fewer_s(tmp_path):
    data = DataConfig(drawn_faces=40, validation_faces=10)
    everything, held = open_faces(tiny.CONFIG, data, folder=tmp_path)
    before: set[str] = set()
    for count in (3, 7, 20, 30):
        some = dataclasses.replace(data, training_faces=count)
        training, validation = open_faces(tiny.CONFIG, some, folder=tmp_path)
        assert len(training.names) == count and before < set(training.names)
        assert validation.names == held.names
        place = [everything.names.index(name) for name in training.names]
        np.testing.assert_array_equal(training.points, everything.points[place])
        before = set(training.names)
    with pytest.raises(
        ValueError, match="training_faces is 31, and 30 faces are there"
    ):
        open_faces(
            tiny.CONFIG, dataclasses.replace(data, training_faces=31), folder=tmp_path
        )


@pytest.mark.parametrize("change", ["points", "photo", "boxes"])
def test_a_changed_face_is_cut_again(change, folder, tmp_path):
    seen = []
    data = of_folder(folder)
    open_faces(MODEL, data, folder=tmp_path)
    path = folder / "lfpw/trainset/image_0001.png"
    if change == "points":
        write_pts(path.with_suffix(".pts"), points_of(3))
    elif change == "photo":
        save_image(path, photo(20))
    else:
        data = of_folder(folder, boxes="")
    open_faces(MODEL, data, folder=tmp_path, on_progress=lambda *n: seen.append(n))
    assert len(seen) == 6


def test_a_torn_photo_is_refused_by_name(folder, tmp_path):
    path = folder / "lfpw/trainset/image_0001.png"
    path.write_bytes(path.read_bytes()[:2000])  # the header says nothing of it
    write_pts(folder / "lonely.pts", points_of(0))
    cache = open_cached(str(folder), MODEL, of_folder(folder), folder=tmp_path)
    assert [name for name, _ in cache.refused] == [
        "lonely.pts",
        "lfpw/trainset/image_0001.png",
    ]
    assert "cannot read this image" in cache.refused[1].reason
    training, _ = open_faces(MODEL, of_folder(folder), folder=tmp_path)
    assert training.refused == cache.refused
    with pytest.raises(ValueError, match="lonely.pts"):
        open_faces(MODEL, of_folder(folder, strict=True), folder=tmp_path)


def test_a_prepared_folder_is_taken_as_it_is(folder, tmp_path):
    data = of_folder(folder, split="all")
    sources, _ = read_sources(str(folder), MODEL, data)
    cache = crop_builds.open_or_build(
        tmp_path / "ready", sources, model=MODEL, data=data
    )
    prepared = DataConfig(data=str(tmp_path / "ready"), validation_faces=2, split="all")
    training, validation = open_faces(MODEL, prepared, folder=tmp_path / "run")
    assert {*training.names, *validation.names} == set(cache.names)
    place = cache.names.index(training.names[0])
    np.testing.assert_array_equal(training.crops[0], cache.crops[place])
    assert not (tmp_path / "run").exists()
    other = dataclasses.replace(MODEL, crop_size=20)
    with pytest.raises(ValueError, match=r"ready was prepared for cached crops of 27"):
        open_faces(other, prepared, folder=tmp_path / "run")


def test_taught_faces_are_none_to_validate_on(folder, tmp_path):
    data = of_folder(folder)
    sources, _ = read_sources(str(folder), MODEL, data)
    held = open_faces(MODEL, data, folder=tmp_path)[1].names
    for kept, count in ((held, 0), (held[1:], 1)):
        told = [s._replace(taught=s.name not in kept) for s in sources]
        place = tmp_path / f"taught{count}"
        crop_builds.open_or_build(place, told, model=MODEL, data=data)
        prepared = dataclasses.replace(data, data=str(place), boxes="")
        if not count:
            assert open_faces(MODEL, prepared, folder=tmp_path)[1].names == held
            # what is not validated on may be taught
            both = dataclasses.replace(data, data=f"{folder},{place}")
            open_faces(MODEL, both, folder=tmp_path)
        else:
            with pytest.raises(ValueError, match=rf"1 of the 2 .* as {held[0]}\. Give"):
                open_faces(MODEL, prepared, folder=tmp_path)


def test_test_faces_of_a_prepared_folder_are_not_trained_on(folder, tmp_path):
    data = of_folder(folder, split="all")
    sources, _ = read_sources(str(folder), MODEL, data)
    crop_builds.open_or_build(tmp_path / "ready", sources, model=MODEL, data=data)

    def names(**changes):
        prepared = DataConfig(
            data=str(tmp_path / "ready"), validation_faces=2, **changes
        )
        found = open_faces(MODEL, prepared, folder=tmp_path / "run")
        return {name for part in found for name in part.names}

    uncut = open_faces(MODEL, of_folder(folder), folder=tmp_path / "run")
    assert names() == {name for part in uncut for name in part.names}
    assert "helen/testset/9_1.png" not in names()
    assert names(split="lfpw") == {n for n in names() if n.startswith("lfpw")}
    with pytest.raises(ValueError, match="ready: no face in split 'afw'"):
        names(split="afw")


def test_faces_held_out_are_not_trained_on_in_another_data_set(folder, tmp_path):
    data = of_folder(folder)
    sources, _ = read_sources(str(folder), MODEL, data)
    crop_builds.open_or_build(tmp_path / "taught", sources, model=MODEL, data=data)
    # another folder with a photo of a held-out name, whose face lies elsewhere
    _, held = open_faces(MODEL, data, folder=tmp_path / "run")
    other = tmp_path / "other"
    write_face(other, held.names[0])
    write_boxes(other / "boxes.csv", {held.names[0]: BOX + [25, 18, 12, 9]})
    elsewhere, _ = read_sources(str(other), MODEL, of_folder(other))
    crop_builds.open_or_build(tmp_path / "cut", elsewhere, model=MODEL, data=data)
    three = of_folder(folder, data=f"{folder},{tmp_path / 'taught'},{tmp_path / 'cut'}")
    training, validation = open_faces(MODEL, three, folder=tmp_path / "run")
    assert validation.names == held.names
    rest = [source.name for source in sources if source.name not in held.names]
    assert training.names == (
        *(f"0/{name}" for name in rest),
        *(f"1/{name}" for name in rest),
        f"2/{held.names[0]}",
    )
    assert [name for name, _ in training.refused] == list(held.names)
    assert "holds it out" in training.refused[0].reason


@pytest.mark.parametrize("outer", [False, True])
def test_held_out_faces_are_known_in_a_folder_of_the_data_set(outer, folder, tmp_path):
    """One of the two data sets lies inside the other, so the names differ."""
    roots = [str(folder), str(folder / "lfpw")]
    data = of_folder(folder, boxes="", data=",".join(roots[::-1] if outer else roots))
    training, held = open_faces(MODEL, data, folder=tmp_path / "run")
    kept = [name.split("/", 1)[1].removeprefix("lfpw/") for name in training.names]
    photos = {name.removeprefix("lfpw/") for name in held.names}
    assert any("trainset/image" in name for name in photos)
    assert photos.isdisjoint(kept)
    assert {r.name.removeprefix("lfpw/") for r in training.refused} == {
        name for name in photos if "image" in name
    }


def test_numbered_photos_are_not_taken_for_a_held_out_one(tmp_path):
    """More than 20 of NAME_1, NAME_2, ... are as many photos, also in a further set."""
    root, taught = tmp_path / "faces", str(tmp_path / "taught")
    for index in range(1, 31):
        write_face(root, f"img_{index}.png", index=index)
    write_boxes(root / "boxes.csv", {f"img_{i}.png": BOX for i in range(1, 31)})
    data = of_folder(root)
    sources, _ = read_sources(str(root), MODEL, data)
    crop_builds.open_or_build(taught, sources[:9], model=MODEL, data=data)
    crop_builds.open_or_build(taught + "2", sources, model=MODEL, data=data)
    both = of_folder(root, data=f"{root},{taught},{taught}2")
    training, held = open_faces(MODEL, both, folder=tmp_path / "run")
    assert len(held.names) == 2
    again = [s.name for s in [*sources[:9], *sources] if s.name in held.names]
    assert [name for name, _ in training.refused] == again
    assert len(training.names) == 28 + 9 + 30 - len(again)


def test_the_last_faces_are_without_those_held_out(folder, tmp_path):
    write_face(tmp_path / "more", "b.png", index=2)
    last = f"{folder},{tmp_path / 'more'}"
    data = of_folder(folder, boxes="", last_data=last)
    training, held = open_faces(MODEL, data, folder=tmp_path / "run")
    found = open_last_faces(MODEL, data, held=held, folder=tmp_path / "run")
    assert found.names == (*(f"0/{name}" for name in training.names), "1/b.png")
    assert [name for name, _ in found.refused] == list(held.names)
    np.testing.assert_array_equal(found.crops[:-1], training.crops)
    alone = dataclasses.replace(data, last_data=str(tmp_path / "more"))
    found = open_last_faces(MODEL, alone, held=held, folder=tmp_path / "run")
    assert found.names == ("b.png",)


def test_last_faces_that_are_all_held_out_are_refused(folder, tmp_path):
    data = of_folder(folder)
    _, held = open_faces(MODEL, data, folder=tmp_path / "run")
    sources, _ = read_sources(str(folder), MODEL, data)
    some = [source for source in sources if source.name in held.names]
    last = str(tmp_path / "last")
    crop_builds.open_or_build(last, some, model=MODEL, data=data)
    data = dataclasses.replace(data, last_data=last)
    with pytest.raises(ValueError, match=r"last_data .*/last holds no face but those"):
        open_last_faces(MODEL, data, held=held, folder=tmp_path / "run")
    nameless = dataclasses.replace(data, last_data=f"{last},")
    with pytest.raises(ValueError, match="last_data .* names a data set that has no"):
        open_last_faces(MODEL, nameless, held=held, folder=tmp_path / "run")


def test_boxes_of_the_last_faces_alone_are_taken(folder, tmp_path):
    open_faces(MODEL, of_folder(folder), folder=tmp_path)
    (prepared,) = (tmp_path / "crops").iterdir()
    data = of_folder(folder, data=str(prepared), last_data=str(folder))
    _, held = open_faces(MODEL, data, folder=tmp_path / "run")
    found = open_last_faces(MODEL, data, held=held, folder=tmp_path / "run")
    boxed = open_cached(str(folder), MODEL, of_folder(folder), folder=tmp_path / "all")
    places = [boxed.names.index(name) for name in found.names]
    np.testing.assert_array_equal(found.frames.corner, boxed.frames.corner[places])


def test_boxes_that_would_change_nothing_are_refused(folder, tmp_path):
    open_faces(MODEL, of_folder(folder), folder=tmp_path)
    (prepared,) = (tmp_path / "crops").iterdir()
    for data, model in ((str(prepared), MODEL), ("drawn", MODEL_68)):
        with pytest.raises(ValueError, match=r"boxes.csv would change nothing"):
            open_faces(model, of_folder(folder, data=data), folder=tmp_path)
    with pytest.raises(ValueError, match=r"boxes.csv would change nothing"):
        read_sources("drawn", MODEL_68, of_folder(folder, data="drawn"))
    # photos beside prepared faces do take them
    both = of_folder(folder, data=f"{prepared},{folder}")
    training, _ = open_faces(MODEL, both, folder=tmp_path / "run")
    assert len(training.names) == 6 - 2 + 6 - 2


@pytest.mark.parametrize("data", ["drawn,", ",drawn", "", "drawn, ,drawn"])
def test_a_data_set_without_a_name_is_refused(data, tmp_path):
    with pytest.raises(ValueError, match="a data set that has no name"):
        open_faces(MODEL_68, dataclasses.replace(DRAWN, data=data), folder=tmp_path)


def test_data_sets_joined_by_commas(folder, tmp_path):
    write_face(tmp_path / "more", "helen/trainset/7_1.png", index=1)
    write_face(tmp_path / "more", "b.png", index=2)
    data = of_folder(folder, data=f"{folder},{tmp_path / 'more'}", boxes="")
    training, validation = open_faces(MODEL, data, folder=tmp_path / "run")
    first = of_folder(folder, boxes="")
    expected = open_faces(MODEL, first, folder=tmp_path / "first")
    assert validation.names == expected[1].names  # of the first set alone
    assert training.names == (
        *(f"0/{name}" for name in expected[0].names),
        "1/b.png",
        "1/helen/trainset/7_1.png",
    )
    for cache in (training, validation):
        sizes = {len(cache.crops), len(cache.points), *map(len, cache.frames)}
        assert sizes == {len(cache.names)}
    alone = open_cached(str(tmp_path / "more"), MODEL, data, folder=tmp_path / "run")
    np.testing.assert_array_equal(training.crops[-2:], alone.crops)
    np.testing.assert_array_equal(training.points[-2:], alone.points)


def test_the_refusals_of_all_data_sets_are_told(folder, tmp_path):
    write_face(tmp_path / "more", "b.png")
    for root in (folder, tmp_path / "more"):
        write_pts(root / "lonely.pts", points_of(0))
    data = of_folder(folder, data=f"{folder},{tmp_path / 'more'}", boxes="")
    training, _ = open_faces(MODEL, data, folder=tmp_path / "run")
    assert [name for name, _ in training.refused] == ["lonely.pts"] * 2


@pytest.mark.parametrize("count", [6, 100])
def test_something_must_be_left_to_train_and_validate_on(count, tmp_path):
    data = dataclasses.replace(DRAWN, validation_faces=count)
    with pytest.raises(
        ValueError,
        match=f"of the 6 faces of drawn to train on; got {count}: give "
        "--validation_faces=1",
    ):
        open_faces(MODEL_68, data, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()  # before any is cut


def test_too_few_annotated_or_prepared_faces_are_refused_before_any_is_cut(
    folder, tmp_path
):
    for index in range(10):
        write_face(folder / "more", f"photo{index}.png", index=index)
    data = DataConfig(data=str(folder), validation_faces=16)
    message = "of the 16 faces of .*300w to train on; got 16: give --validation_faces=3"
    with pytest.raises(ValueError, match=message):
        open_faces(MODEL, data, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()
    sources, _ = read_sources(str(folder), MODEL, data)
    crop_builds.open_or_build(tmp_path / "cut", sources[:5], model=MODEL, data=data)
    prepared = dataclasses.replace(data, data=str(tmp_path / "cut"))
    with pytest.raises(ValueError, match="of the 5 faces .* --validation_faces=1"):
        open_faces(MODEL, prepared, folder=tmp_path / "run")
    # one number that works where the other does not
    fewer = dataclasses.replace(data, validation_faces=3)
    training, held = open_faces(MODEL, fewer, folder=tmp_path / "run")
    assert len(training.names) + len(held.names) == 16


def test_faces_that_are_refused_while_cut_do_not_count(folder, tmp_path):
    path = folder / "lfpw/trainset/image_0000.png"
    path.write_bytes(path.read_bytes()[:-3000])
    data = of_folder(folder, validation_faces=5)
    with pytest.raises(ValueError, match="of the 5 faces of .*; got 5"):
        open_faces(MODEL, data, folder=tmp_path / "run")


def test_no_face_to_validate_on_is_refused_before_any_is_cut(tmp_path):
    data = dataclasses.replace(DRAWN, validation_faces=0)
    with pytest.raises(ValueError, match="validation_faces must be at least 1; got 0"):
        open_faces(MODEL_68, data, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_one_photo_cannot_be_split(tmp_path):
    for number in (1, 2):
        write_face(tmp_path / "data", f"a_{number}.png")
    data = DataConfig(data=str(tmp_path / "data"), validation_faces=1)
    with pytest.raises(ValueError, match="they come from 1 photos, which move whole"):
        open_faces(MODEL, data, folder=tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_data_that_is_not_there_is_named(tmp_path):
    data = DataConfig(data=str(tmp_path / "nowhere"))
    with pytest.raises(ValueError, match="nowhere: no such data folder or file"):
        open_faces(MODEL, data, folder=tmp_path)
