"""Pictures that are broken, mislabelled, bombs, of odd sizes, modes and orientations."""

import io
import os
import struct
import sys
import zlib

import numpy as np
import pytest
from hostile import Case, check_bounded, deadline, each, judge
from PIL import ExifTags, Image, PngImagePlugin

from rcsr_jax.data.images import image_size, load_image

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".gif": "GIF",
    ".bmp": "BMP",
    ".tif": "TIFF",
    ".webp": "WEBP",
    ".jp2": "JPEG2000",
    ".ppm": "PPM",
}
COLOUR = (200, 40, 90)
NOISE = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
NO_IMAGE = "empty, or not an image of a kind that is read: "
BROKEN = "cannot read this image: "


def encoded(image, form, **options) -> bytes:
    file = io.BytesIO()
    image.save(file, form, **options)
    return file.getvalue()


def plain(size=(5, 3), form="PNG", colour=COLOUR, **options) -> bytes:
    return encoded(Image.new("RGB", size, colour), form, **options)


def shows(colour, *, size=(5, 3), atol=6):
    """A check: the picture has this size and, at both ends, this colour."""

    def check(image):
        assert image.dtype == np.uint8 and image.shape == (size[1], size[0], 3)
        np.testing.assert_allclose(image[0, 0], colour, atol=atol)
        np.testing.assert_allclose(image[-1, -1], colour, atol=atol)

    return check


def chunk(name: bytes, content: bytes, *, checksum: int | None = None) -> bytes:
    checksum = zlib.crc32(name + content) if checksum is None else checksum
    return (
        struct.pack(">I", len(content)) + name + content + struct.pack(">I", checksum)
    )


def png(width, height, *chunks, depth=8, colour_type=2) -> bytes:
    """A PNG of any header; without chunks it holds a few zeros, packed."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour_type, 0, 0, 0)
    body = chunks or (chunk(b"IDAT", zlib.compress(bytes(1000))),)
    return b"".join(
        [b"\x89PNG\r\n\x1a\n", chunk(b"IHDR", header), *body, chunk(b"IEND", b"")]
    )


def bmp(width, height, body=b"") -> bytes:
    head = struct.pack("<2sIHHI", b"BM", 54 + len(body), 0, 0, 54)
    return (
        head + struct.pack("<IiiHHIIiiII", 40, width, height, 1, 24, *6 * (0,)) + body
    )


def tiff(*entries, following=0) -> bytes:
    """A TIFF of one directory; entries are (tag, kind, count, value)."""
    packed = b"".join(struct.pack("<HHII", *entry) for entry in entries)
    directory = struct.pack("<H", len(entries)) + packed + struct.pack("<I", following)
    return b"II*\0" + struct.pack("<I", 8) + directory


def flipped(content: bytes, place: int) -> bytes:
    return content[:place] + bytes([content[place] ^ 0xFF]) + content[place + 1 :]


def with_exif(orientation, form="PNG") -> bytes:
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    corner = np.zeros((32, 48, 3), np.uint8)
    corner[:16, :16] = 255  # a mark in the first corner
    return encoded(Image.fromarray(corner), form, exif=exif)


def marked(row, column, *, turned):
    """A check: the mark is in this corner of the upright picture."""

    def check(image):
        assert image.shape == ((48, 32, 3) if turned else (32, 48, 3))
        corners = image[[4, -5]][:, [4, -5], 0]
        assert corners[row, column] > 200 and (corners > 200).sum() == 1

    return check


CUT = [
    Case(
        f"{form} cut at {kept:.0%}",
        encoded(Image.fromarray(NOISE), form)[
            : int(kept * len(encoded(Image.fromarray(NOISE), form)))
        ],
        NO_IMAGE if kept == 0 else "hostile",
        suffix,
    )
    for suffix, form in FORMATS.items()
    for kept in (0, 0.02, 0.5, 0.95)
]
MISLABELLED = [
    Case(f"{form} called {wrong}", plain(form=form), shows(COLOUR, atol=12), wrong)
    for form, wrong in zip(
        FORMATS.values(), [*list(FORMATS)[3:], *list(FORMATS)[:3]], strict=True
    )
]
NO_PICTURES = [
    Case("a text", "no picture at all\n" * 50, NO_IMAGE),
    Case("a web page", "<!doctype html><img src=face.jpg>", NO_IMAGE),
    Case("an SVG", "<svg xmlns='http://www.w3.org/2000/svg'/>", NO_IMAGE),
    Case("a PDF", b"%PDF-1.7\n%\xe2\xe3\xcf\xd3\n1 0 obj\n", NO_IMAGE),
    Case("a ZIP", b"PK\x03\x04" + bytes(60), NO_IMAGE),
    Case("a program", b"\x7fELF\x02\x01\x01" + bytes(60), NO_IMAGE),
    Case("a video", b"\0\0\0\x20ftypisom\0\0\2\0isomiso2avc1mp41", NO_IMAGE),
    Case(
        "a pickle", b"\x80\x04\x95\x1a\0\0\0\0\0\0\0\x8c\x05posix\x8c\6system", NO_IMAGE
    ),
    Case("zeros", bytes(5000), NO_IMAGE),
    Case("ones", b"\xff" * 5000, NO_IMAGE),
    # Ghostscript would run it
    Case(
        "PostScript",
        b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n%%EndComments\nshowpage\n",
        NO_IMAGE,
    ),
    Case("an icon", encoded(Image.new("RGB", (16, 16)), "ICO"), NO_IMAGE),
    Case(
        "a TGA, which has no mark", encoded(Image.new("RGB", (9, 9)), "TGA"), NO_IMAGE
    ),
]
HUGE = "hostile.png: the image is larger than "
BOMBS = [
    Case("PNG of 3.6 G pixels", png(60_000, 60_000), HUGE),
    Case("PNG of 4 T pixels", png(2**31 - 1, 2000), HUGE),
    Case("PNG just above the limit", png(9460, 9460), HUGE),
    Case("BMP of 900 M pixels", bmp(30_000, 30_000), HUGE),
    Case("GIF of 4 G pixels", b"GIF89a" + struct.pack("<HHBBB", 65535, 65535, 0, 0, 0)
         + b"," + struct.pack("<HHHHB", 0, 0, 65535, 65535, 0) + b"\x02\x02\x4c\x01\0;",
         HUGE),
    Case("GIF with a frame beyond its screen", b"GIF89a"
         + struct.pack("<HHBBB", 2, 2, 0, 0, 0) + b","
         + struct.pack("<HHHHB", 60000, 60000, 5000, 5000, 0) + b"\x02\x02\x4c\x01\0;",
         HUGE),
    Case("JPEG of 4 G pixels", b"\xff\xd8\xff\xc0\0\x11\x08\xff\xf0\xff\xf0\3\1\x11\0"
         b"\2\x11\0\3\x11\0\xff\xda\0\x0c\3\1\0\2\0\3\0\0\x3f\0\xff\xd9", HUGE),
    Case("PPM of 10 G pixels", b"P6 100000 100000 255\n" + bytes(30), HUGE),
    Case("TIFF of 4 G pixels", tiff((256, 4, 1, 65000), (257, 4, 1, 65000),
         (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 8),
         (277, 3, 1, 1), (278, 4, 1, 65000), (279, 4, 1, 10)), HUGE),
    Case("WebP of 16383 squared", b"RIFF\x16\0\0\0WEBPVP8X\x0a\0\0\0\0\0\0\0"
         + (16382).to_bytes(3, "little") * 2, "hostile.png"),
    Case("PNG with a text of 64 MB", png(5, 3, chunk(b"zTXt", b"a\0\0"
         + zlib.compress(bytes(64 << 20), 9)), chunk(b"IDAT", zlib.compress(bytes(48)))),
         BROKEN),
    Case("PNG with a profile of 64 MB", png(5, 3, chunk(b"iCCP", b"a\0\0"
         + zlib.compress(bytes(64 << 20), 9)), chunk(b"IDAT", zlib.compress(bytes(48)))),
         BROKEN),
    Case("PNG whose rows go on for 64 MB", png(5, 3, chunk(b"IDAT",
         zlib.compress(bytes(64 << 20), 9))), shows((0, 0, 0))),
]  # fmt: skip
SIZES = [
    *[
        Case(f"{form} of one pixel", plain((1, 1), form), shows(COLOUR, size=(1, 1)))
        for form in FORMATS.values()
    ],
    *[
        Case(f"{form} of {size}", plain(size, form), shows(COLOUR, size=size))
        for form in ("PNG", "JPEG")
        for size in ((20_000, 1), (1, 20_000), (20_000, 3))
    ],
    Case("PNG 0 wide", png(0, 5), "hostile.png"),
    Case("PNG 0 high", png(5, 0), "hostile.png"),
    Case("PNG of 0", png(0, 0), "hostile.png"),
    Case("BMP 0 wide", bmp(0, 5), "hostile.png"),
    Case("GIF of 0", b"GIF89a" + bytes(7) + b";", "hostile.png"),
    Case("PPM 0 wide", b"P6 0 5 255\n", "hostile.png"),
    Case("PPM of a negative width", b"P6 -5 5 255\n" + bytes(75), "hostile.png"),
    Case("TIFF without a size", tiff((259, 3, 1, 1), (262, 3, 1, 1)), "hostile.png"),
    Case("BMP from the top down", bmp(1, -2, bytes([90, 40, 200, 0] * 2)),
         shows(COLOUR, size=(1, 2))),
]  # fmt: skip
WHITE, GREY = (255, 255, 255), (70, 70, 70)
MODES = [
    Case(f"{form} of mode {mode}", encoded(Image.new(mode, (5, 3), fill), form),
         shows(seen, atol=atol))
    for mode, form, fill, seen, atol in (
        ("1", "PNG", 1, WHITE, 0), ("1", "TIFF", 1, WHITE, 0),
        ("L", "PNG", 70, GREY, 0), ("L", "TIFF", 70, GREY, 0), ("L", "JPEG", 70, GREY, 2),
        ("L", "JPEG2000", 70, GREY, 0), ("L", "PPM", 70, GREY, 0),
        ("LA", "PNG", (70, 255), GREY, 0), ("LA", "TIFF", (70, 0), WHITE, 0),
        ("LA", "PNG", (0, 51), (204, 204, 204), 0), ("PA", "TIFF", (0, 0), WHITE, 0),
        ("RGB", "TIFF", COLOUR, COLOUR, 0), ("RGBX", "TIFF", (*COLOUR, 0), COLOUR, 0),
        ("RGBA", "PNG", (*COLOUR, 255), COLOUR, 0),
        ("RGBA", "PNG", (10, 20, 30, 0), WHITE, 0),
        ("RGBA", "PNG", (0, 100, 200, 51), (204, 224, 244), 0),  # a fifth over white
        ("RGBA", "TIFF", (9, 9, 9, 0), WHITE, 0),
        ("RGBA", "WEBP", (*COLOUR, 255), COLOUR, 12),
        ("RGBA", "JPEG2000", (*COLOUR, 255), COLOUR, 0),
        ("CMYK", "TIFF", (255, 0, 0, 0), (0, 255, 255), 0),
        ("CMYK", "JPEG", (255, 0, 0, 0), (0, 255, 255), 3),
        ("YCbCr", "JPEG", (70, 128, 128), GREY, 3),
        ("LAB", "TIFF", (255, 128, 128), WHITE, 3),
        ("I;16", "PNG", 70 * 257, GREY, 0), ("I;16", "TIFF", 70 * 257, GREY, 0),
        ("I;16", "JPEG2000", 70 * 257, GREY, 0), ("I;16B", "TIFF", 70 * 257, GREY, 0),
        ("I", "TIFF", 70 * 257, (255, 255, 255), 255), ("F", "TIFF", 70.0, GREY, 0),
        ("F", "TIFF", 0.5, (128, 128, 128), 0), ("F", "TIFF", float("nan"), (0, 0, 0), 0),
        ("F", "TIFF", float("-inf"), (0, 0, 0), 0), ("F", "TIFF", 1e38, WHITE, 0),
        ("I", "TIFF", -5, (0, 0, 0), 0),
    )
]  # fmt: skip
MODES = [
    case._replace(title=f"{case.title}, {number}") for number, case in enumerate(MODES)
]
_TURNED = {
    1: (0, 0),
    2: (0, 1),
    3: (1, 1),
    4: (1, 0),
    5: (0, 0),
    6: (0, 1),
    7: (1, 1),
    8: (1, 0),
}
EXIF = [
    Case(f"{form} of EXIF orientation {number}", with_exif(number, form),
         marked(*corner, turned=number >= 5))
    for number, corner in _TURNED.items()
    for form in ("JPEG", "WEBP", "PNG", "TIFF")
] + [
    Case(f"EXIF orientation {value!r}", with_exif(value), marked(0, 0, turned=False))
    for value in (0, 9, 65535)
]  # fmt: skip
FRAMES = [Image.new("RGB", (5, 3), colour) for colour in (COLOUR, (0, 0, 0), "white")]
MOVING = [
    Case(f"{form} of three frames", encoded(FRAMES[0], form, save_all=True,
         append_images=FRAMES[1:]), shows(COLOUR, atol=12))
    for form in ("GIF", "PNG", "WEBP", "TIFF", "MPO")
] + [
    Case("GIF without a frame", b"GIF89a" + struct.pack("<HHBBB", 5, 3, 0, 0, 0) + b";",
         "hostile.png"),
]  # fmt: skip
PNG = plain()
ZERO_ROWS = chunk(b"IDAT", zlib.compress(bytes(48)))
BENT = [
    Case("PNG with a wrong checksum", flipped(PNG, PNG.index(b"IDAT") + 6), BROKEN),
    Case("PNG with a wrong header", flipped(PNG, 17), "hostile.png"),
    Case("PNG of an unknown bit depth", png(5, 3, depth=7), "hostile.png"),
    Case("PNG of an unknown colour type", png(5, 3, colour_type=5), "hostile.png"),
    Case("PNG without pixels", png(5, 3, chunk(b"tEXt", b"a\0b")), BROKEN),
    Case("PNG whose rows are too short", png(5, 3, chunk(b"IDAT",
         zlib.compress(bytes(20)))), BROKEN),
    Case("PNG whose rows are no zlib", png(5, 3, chunk(b"IDAT", b"nonsense")), BROKEN),
    Case("PNG with a chunk of 2 GB", png(5, 3, struct.pack(">I", 2**31 - 1) + b"IDAT"),
         BROKEN),
    Case("PNG without a palette", png(5, 3, chunk(b"IDAT", zlib.compress(bytes(18))),
         colour_type=3), "its palette is missing"),
    Case("PNG with a text behind it", PNG + b"<script>" * 99, shows(COLOUR)),
    Case("PNG with a transparency of one byte", png(5, 3, chunk(b"tRNS", b"\1"),
         ZERO_ROWS), "hostile.png"),
    Case("JPEG of markers alone", b"\xff\xd8" + b"\xff\xe0\0\2" * 999 + b"\xff\xd9",
         "hostile.png"),
    Case("JPEG without tables", b"\xff\xd8\xff\xc0\0\x0b\x08\0\x08\0\x08\1\1\x11\0"
         b"\xff\xda\0\x08\1\1\0\0\x3f\0\xff\xd9", BROKEN),
    Case("TIFF that leads to itself", tiff((256, 4, 1, 5), (257, 4, 1, 3), following=8),
         "hostile.png"),
    Case("TIFF that leads beyond its end", b"II*\0\xf0\xff\xff\xff", "hostile.png"),
    Case("TIFF with a strip beyond its end", tiff((256, 4, 1, 5), (257, 4, 1, 3),
         (258, 3, 1, 8), (259, 3, 1, 1), (262, 3, 1, 1), (273, 4, 1, 9**9),
         (277, 3, 1, 1), (278, 4, 1, 3), (279, 4, 1, 15)), BROKEN),
    Case("TIFF of an unknown compression", tiff((256, 4, 1, 5), (257, 4, 1, 3),
         (258, 3, 1, 8), (259, 3, 1, 999), (262, 3, 1, 1), (273, 4, 1, 8),
         (277, 3, 1, 1), (278, 4, 1, 3), (279, 4, 1, 15)), "hostile.png"),
    Case("BMP whose pixels begin beyond its end", bmp(5, 3)[:10]
         + struct.pack("<I", 9**9) + bmp(5, 3)[14:], BROKEN),
    Case("GIF of an endless block", b"GIF89a" + struct.pack("<HHBBB", 5, 3, 0, 0, 0)
         + b"," + struct.pack("<HHHHB", 0, 0, 5, 3, 0) + b"\x02" + b"\xff" * 3000,
         "hostile.png"),
    Case("PPM of words", b"P3 5 3 255\n one two three", BROKEN),
    Case("PPM of 65535 levels, empty", b"P6 5 3 65535\n", BROKEN),
    Case("PPM of 70000 levels", b"P6 5 3 70000\n" + bytes(90), "hostile.png"),
]  # fmt: skip
CASES = CUT + MISLABELLED + NO_PICTURES + BOMBS + SIZES + MODES + EXIF + MOVING + BENT


@pytest.mark.filterwarnings("ignore")  # of Pillow, about what it meets
@each(CASES)
def test_a_hostile_picture_is_refused_or_right(tmp_path, case):
    def read(path):
        image = load_image(path)
        assert image_size(path) == image.shape[1::-1]
        return image

    judge(case, read, tmp_path, suffix=".png")


@each([case for case in SIZES if isinstance(case.expected, str)])
def test_a_picture_without_pixels_has_no_size(tmp_path, case):
    judge(case, image_size, tmp_path, suffix=".png")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: os.mkfifo(path), "a pipe or a device; give a file"),
        (lambda path: path.mkdir(), "it is a folder"),
        (lambda path: path.symlink_to("/dev/zero"), "a pipe or a device; give a file"),
        (lambda path: path.symlink_to("gone"), "no such image"),
        (lambda path: path.symlink_to(path), BROKEN),
        (lambda path: None, "no such image"),
    ],
    ids=["pipe", "folder", "device", "dangling link", "link to itself", "nothing"],
)
def test_what_is_no_file_ends_at_once(tmp_path, make, message):
    path = tmp_path / "face.png"
    make(path)
    for read in (load_image, image_size):
        with deadline(5), pytest.raises(ValueError, match=f"face.png: .*{message}"):
            read(path)


@pytest.mark.parametrize("name", ["a\0.png", "x" * 300 + ".png", "\udcff.png"])
def test_names_that_no_file_can_have_are_no_traceback(name):
    with pytest.raises(ValueError, match="png: "):
        load_image(name)


# What bombs and pictures just below the limit may take, beside the interpreter.
LIMITED = """
import sys, warnings
from pathlib import Path
sys.path.insert(0, sys.argv[1])
import hostile
import hostile_images_test as cases
from PIL import Image
from rcsr_jax.data.images import load_image
warnings.simplefilter("ignore")
Image.MAX_IMAGE_PIXELS = 10_000_000
folder = Path(sys.argv[2])
deep = folder / "deep.png"
Image.new("I;16", (3000, 3000), 70 * 257).save(deep)
clear = folder / "clear.png"
Image.new("RGBA", (3000, 3000), (9, 9, 9, 0)).save(clear, compress_level=1)
load_image(cases.__file__.replace("tests/hostile_images_test.py", "docs/steps.png"))
hostile.limit_memory(256 << 20)
for case in cases.BOMBS:
    cases.judge(case, load_image, folder, suffix=".png")
assert (load_image(deep) == 70).all()
assert (load_image(clear) == 255).all()
print("bounded")
"""


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_bombs_and_large_pictures_stay_within_a_quarter_gigabyte(tmp_path):
    check_bounded(LIMITED, tmp_path)


def test_what_is_unpacked_is_what_the_header_says():
    # Pillow's own guards, on which the bombs above rely
    assert Image.MAX_IMAGE_PIXELS == 89_478_485
    assert PngImagePlugin.MAX_TEXT_CHUNK <= 1 << 20
