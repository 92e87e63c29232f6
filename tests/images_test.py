"""Photos of every kind become upright uint8 RGB, or an error that names the file."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import ExifTags, Image
from PIL.PngImagePlugin import PngImageFile, PngInfo

from rcsr_jax.data.images import (
    IMAGE_SUFFIXES,
    UNREAD_SUFFIXES,
    image_size,
    load_image,
    save_image,
)

# A 2 x 3 picture without any symmetry.
PICTURE = np.arange(18, dtype=np.uint8).reshape(2, 3, 3) * 14


def _saved(tmp_path, image, name="face.png", **options):
    image.save(tmp_path / name, **options)
    return tmp_path / name


@pytest.mark.parametrize("name", ["face.png", "face.bmp", "a face é.PNG", "face.tif"])
def test_a_saved_picture_loads_unchanged(tmp_path, name):
    save_image(tmp_path / name, PICTURE)
    loaded = load_image(tmp_path / name)
    assert loaded.dtype == np.uint8
    np.testing.assert_array_equal(loaded, PICTURE)
    loaded[:] = 0  # the array is the caller's own


def test_grey_becomes_three_equal_channels(tmp_path):
    save_image(tmp_path / "grey.png", PICTURE[..., 0])
    loaded = load_image(tmp_path / "grey.png")
    np.testing.assert_array_equal(loaded, np.repeat(PICTURE[..., :1], 3, axis=2))


def test_palettes_keep_colours_and_transparency(tmp_path):
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 200, 100, 50])
    image.putpixel((1, 0), 1)
    opaque = load_image(_saved(tmp_path, image))
    np.testing.assert_array_equal(opaque, [[[10, 20, 30], [200, 100, 50]]])
    clear = load_image(_saved(tmp_path, image, transparency=1))
    np.testing.assert_array_equal(clear, [[[10, 20, 30], [255, 255, 255]]])


@pytest.mark.parametrize(
    ("values", "suffix", "expected"),
    [
        (np.array([0, 257, 32896, 65535], np.uint16), "png", [0, 1, 128, 255]),
        (np.array([0, 257, 32896, 65535], np.uint16), "tif", [0, 1, 128, 255]),
        (np.array([-5, 257, 32896, 65535], np.int32), "tif", [0, 1, 128, 255]),
        (np.array([0, 100_000, 200_000, 500_000], np.int32), "tif", [0, 51, 102, 255]),
        (np.array([0.0, 0.2, 1.0, np.nan], np.float32), "tif", [0, 51, 255, 0]),
        (np.array([-1.0, 2.0, 200.0, np.inf], np.float32), "tif", [0, 2, 200, 0]),
        (np.array([0.0, 257.0, 65535.0, 0.0], np.float32), "tif", [0, 1, 255, 0]),
        (np.zeros(4, np.float32), "tif", [0, 0, 0, 0]),
    ],
)
def test_deep_grey_is_scaled_not_clipped(tmp_path, values, suffix, expected):
    path = _saved(tmp_path, Image.fromarray(values[None]), f"deep.{suffix}")
    np.testing.assert_array_equal(load_image(path)[0, :, 1], expected)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_whose_zero_is_white_is_no_negative(tmp_path, dtype):
    most = np.iinfo(dtype).max
    path = _saved(
        tmp_path, Image.fromarray(np.array([[0, most // 5, most]], dtype)), "scan.tif"
    )
    held = path.read_bytes()
    entry = struct.pack("<HHIHH", 262, 3, 1, 1, 0)  # PhotometricInterpretation
    assert held.count(entry) == 1
    path.write_bytes(held.replace(entry, struct.pack("<HHIHH", 262, 3, 1, 0, 0)))
    np.testing.assert_array_equal(load_image(path)[0, :, 0], [255, 204, 0])


def test_deep_grey_is_turned_upright_too(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # a quarter turn clockwise
    deep = Image.fromarray(np.array([[0, 65535]], np.uint16))
    path = _saved(tmp_path, deep, exif=exif)
    np.testing.assert_array_equal(load_image(path)[..., 0], [[0], [255]])


@pytest.mark.filterwarnings("ignore:Corrupt EXIF data")
@pytest.mark.parametrize(
    "exif", [b"Exif\0\0nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff"]
)
def test_a_broken_exif_block_is_ignored(tmp_path, exif):
    path = _saved(tmp_path, Image.new("RGB", (3, 2), "white"), "a.jpg", exif=exif)
    assert load_image(path).shape == (2, 3, 3)
    assert image_size(path) == (3, 2)


@pytest.mark.filterwarnings("ignore::PIL.Image.DecompressionBombWarning")
@pytest.mark.parametrize("limit", [5, 2])  # Pillow warns, Pillow raises
def test_more_pixels_than_the_limit_is_an_error(tmp_path, monkeypatch, limit):
    path = tmp_path / "bomb.png"
    save_image(path, PICTURE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 6)
    assert load_image(path).shape == (2, 3, 3)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    for read in (load_image, image_size):
        with pytest.raises(ValueError, match=rf"bomb\.png: .* larger than {limit} pix"):
            read(path)


@pytest.mark.filterwarnings("error")
def test_the_limit_holds_where_warnings_are_errors(tmp_path, monkeypatch):
    save_image(tmp_path / "bomb.png", PICTURE)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 5)
    with pytest.raises(ValueError, match="larger than 5 pixels"):
        load_image(tmp_path / "bomb.png")


@pytest.mark.parametrize(
    "image",
    [
        PICTURE.astype(float),
        PICTURE[..., :2],
        PICTURE[None],
        np.zeros((0, 3), np.uint8),
    ],
)
def test_only_8_bit_pictures_are_saved(tmp_path, image):
    with pytest.raises(ValueError, match=r"out\.png: an image must be uint8"):
        save_image(tmp_path / "out.png", image)


def test_where_a_picture_cannot_be_saved_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"out\.nonsense"):
        save_image(tmp_path / "out.nonsense", PICTURE)
    with pytest.raises(ValueError, match="no folder"):
        save_image(tmp_path / "no folder" / "out.png", PICTURE)


def test_suffixes_are_those_that_pillow_gives_the_kinds_that_are_read():
    assert sorted(IMAGE_SUFFIXES) == sorted(set(IMAGE_SUFFIXES))
    assert all(suffix == suffix.lower() for suffix in IMAGE_SUFFIXES)
    with pytest.raises(ValueError, match="that is read: ") as told:
        load_image("text", content=b"no picture")
    kinds = set(str(told.value).rstrip(".").rpartition("read: ")[2].split(", "))
    known = {s for s, kind in Image.registered_extensions().items() if kind in kinds}
    assert known - set(IMAGE_SUFFIXES) == {".pbm", ".pfm"}
    assert known.isdisjoint(UNREAD_SUFFIXES)
    # Pillow reads AVIF since 11.3
    assert set(IMAGE_SUFFIXES) - known <= {".avif", ".avifs"}


@pytest.mark.skipif(".heic" not in IMAGE_SUFFIXES, reason="needs pillow-heif")
@pytest.mark.parametrize("turned", [False, True])
def test_photos_of_phones_are_read_upright(tmp_path, turned):
    load_image("text.png", content=_png_of(PICTURE))  # the opener is there from now on
    wide = np.zeros((64, 96, 3), np.uint8)
    wide[:, :48] = 250  # the left half is white
    photo, exif = Image.fromarray(wide), Image.Exif()
    exif[ExifTags.Base.Orientation] = 6 if turned else 1  # to be turned clockwise
    photo.info["exif"] = exif.tobytes()  # the file tells its turn twice, as phones do
    photo.save(tmp_path / "a.heic", quality=95)
    found = load_image(tmp_path / "a.heic")
    assert found.shape == ((96, 64, 3) if turned else (64, 96, 3))
    assert image_size(tmp_path / "a.heic") == found.shape[1::-1]
    upright = np.rot90(wide, -1) if turned else wide
    np.testing.assert_allclose(found, upright, atol=12)
    content = (tmp_path / "a.heic").read_bytes()
    np.testing.assert_array_equal(load_image("in.tar/a", content=content), found)
    with pytest.raises(ValueError, match="cut.heic: (cannot read|empty, or not)"):
        load_image("cut.heic", content=content[: len(content) // 2])


def _png_of(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    return file.getvalue()


@pytest.mark.parametrize("suffix", [".avif", ".jfif", ".jpe", ".dib", ".apng", ".j2k"])
def test_pictures_are_read_by_their_lesser_known_names(tmp_path, suffix):
    if suffix not in Image.registered_extensions():
        pytest.skip("this Pillow does not read it")
    path = tmp_path / f"face{suffix}"
    save_image(path, np.full((8, 9, 3), 200, np.uint8))
    np.testing.assert_allclose(load_image(path), 200, atol=2)


@pytest.mark.parametrize("turned", [False, True])
def test_the_size_of_a_png_needs_none_of_its_pixels(turned, tmp_path, monkeypatch):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    about = PngInfo()
    about.add_text("Software", "a program")
    options = {"exif": exif} if turned else {}
    path = tmp_path / "a.png"
    Image.new("L", (40, 30)).save(path, pnginfo=about, **options)

    def decoded(self):
        raise AssertionError("decoded")

    monkeypatch.setattr(PngImageFile, "load", decoded)
    assert image_size(path) == ((30, 40) if turned else (40, 30))


def test_a_png_may_say_behind_its_pixels_how_it_lies(tmp_path):
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    path = tmp_path / "a.png"
    Image.new("L", (40, 30)).save(path)
    content, chunk = path.read_bytes(), exif.tobytes().removeprefix(b"Exif\0\0")
    head, end = content[:-12], content[-12:]  # IEND
    body = b"eXIf" + chunk
    packed = struct.pack(">I", len(chunk)) + body + struct.pack(">I", zlib.crc32(body))
    path.write_bytes(head + packed + end)
    assert load_image(path).shape == (40, 30, 3)
    assert image_size(path) == (30, 40)


def test_what_is_in_memory_is_not_taken_for_a_name():
    with pytest.raises(ValueError, match="got bytes.*content=data") as told:
        load_image(bytes(1_000_000))
    assert len(str(told.value)) < 200
    with pytest.raises(ValueError, match="got BytesIO"):
        load_image(io.BytesIO())
