"""Data of every kind becomes faces: their pictures, landmarks and boxes."""

import dataclasses

import numpy as np
import pytest
from noisy_photos import (
    BOX,
    DRAWN,
    MODEL,
    MODEL_68,
    of_folder,
    photo,
    points_of,
    write_folder,
)
from PIL import ExifTags, Image

from rcsr_jax.config import DataConfig
from rcsr_jax.data import crop_builds
from rcsr_jax.data.annotations import write_pts
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.sources import (
    drawn_sources,
    last_names_of,
    names_of,
    open_cached,
    read_sources,
)
from rcsr_jax.markup import FACE_51


@pytest.fixture
def folder(tmp_path):
    return write_folder(tmp_path / "300w")


def test_drawn_sources_are_the_faces_of_their_stream():
    sources = drawn_sources(MODEL_68, DRAWN)
    assert [s.name for s in sources] == [f"drawn/train/face_{i:06d}" for i in range(6)]
    image, points, box = sources[4].load()
    face = draw_face(0, 4)
    np.testing.assert_array_equal(image, face.image)
    np.testing.assert_array_equal(points, face.points)
    assert not np.array_equal(box, face.box)  # as a detector finds it
    assert np.abs(box - face.box).max() < 0.3 * (face.box[2:] - face.box[:2]).max()


def test_drawn_sources_come_out_the_same_each_time():
    first, again = drawn_sources(MODEL_68, DRAWN), drawn_sources(MODEL_68, DRAWN)
    for left, right in zip(first[2].load(), again[2].load(), strict=True):
        np.testing.assert_array_equal(left, right)
    assert not np.array_equal(first[2].load()[0], first[3].load()[0])


def test_drawn_splits_are_of_different_streams():
    train = drawn_sources(MODEL_68, DRAWN)
    test = drawn_sources(MODEL_68, dataclasses.replace(DRAWN, split="test"))
    assert {s.name for s in train}.isdisjoint(s.name for s in test)
    photos = [s.load()[0].tobytes() for s in [*train, *test]]
    assert len(set(photos)) == 12


@pytest.mark.parametrize("split", ["all", "lfpw/testset"])
def test_drawn_faces_have_two_splits(split):
    with pytest.raises(ValueError, match=f"splits train and test, not {split}"):
        drawn_sources(MODEL_68, dataclasses.replace(DRAWN, split=split))


def test_drawn_faces_have_one_markup():
    model = dataclasses.replace(MODEL_68, markup=FACE_51)
    with pytest.raises(ValueError, match="68 landmarks; markup 51 has 51"):
        drawn_sources(model, DRAWN)


def test_the_boxes_of_the_csv_are_those_of_the_sources(folder):
    sources, refused = read_sources(str(folder), MODEL, of_folder(folder, split="all"))
    assert refused == () and len(sources) == 7
    place = {source.name: source for source in sources}
    image, points, box = place["lfpw/trainset/image_0002.png"].load()
    np.testing.assert_array_equal(image, photo(2))
    np.testing.assert_allclose(points, points_of(2), atol=1e-5)
    np.testing.assert_allclose(box, BOX + 0.5, atol=1e-3)


@pytest.mark.parametrize("split", ["test", "helen/testset"])
def test_a_split_is_passed_on(split, folder):
    sources, _ = read_sources(str(folder), MODEL, of_folder(folder, split=split))
    assert [source.name for source in sources] == ["helen/testset/9_1.png"]


def test_crops_are_no_photos_to_be_judged_on(folder, tmp_path):
    data = of_folder(folder, split="all")
    sources, _ = read_sources(str(folder), MODEL, data)
    crop_builds.open_or_build(tmp_path / "ready", sources, model=MODEL, data=data)
    with pytest.raises(ValueError, match="ready holds crops of rcsr-prepare, which"):
        read_sources(str(tmp_path / "ready"), MODEL, DataConfig(split="all"))


def test_a_turned_photo_is_cut_upright(tmp_path):
    upright = np.zeros((50, 60), np.uint8)
    upright[29:32, 29:32] = 255  # around the third point, (30, 30)
    turned = Image.fromarray(upright).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned clockwise
    (tmp_path / "data").mkdir()
    turned.save(tmp_path / "data" / "a.png", exif=exif)
    write_pts(tmp_path / "data" / "a.pts", points_of(0))
    data = DataConfig(data=str(tmp_path / "data"))
    cache = open_cached(data.data, MODEL, data, folder=tmp_path)
    row, column = np.unravel_index(cache.crops[0].argmax(), cache.crops[0].shape)
    np.testing.assert_allclose([column, row], cache.points[0, 2], atol=0.51)


def test_spaces_around_commas_are_no_part_of_a_name():
    data = DataConfig(data="drawn, a b ", last_data=" drawn,drawn")
    assert names_of(data) == ["drawn", "a b"]
    assert last_names_of(data) == ["drawn", "drawn"]
