"""Photos as arrays: every usual kind of picture, upright, 8 bits, three channels.

Points and boxes refer to the upright picture: an EXIF orientation is applied first. The
kind of a picture is told by its content, whatever it is called.
"""

import functools
import importlib
import importlib.util
import io
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

import jax
import numpy as np
from PIL import ExifTags, Image, ImageOps
from PIL.TiffImagePlugin import TiffImageFile

_HEIC = (".heic", ".heics", ".heif", ".heifs", ".hif")  # of phones
# an optional package reads them, https://pillow-heif.readthedocs.io
_READS_HEIC = importlib.util.find_spec("pillow_heif") is not None
# What counts as an image in a folder, in lower case: what Pillow calls the formats below,
# but for .pbm and .pfm, which are masks and depths beside photos.
IMAGE_SUFFIXES = (
    *(".apng", ".avif", ".avifs", ".bmp", ".dib", ".gif"),
    *(".j2c", ".j2k", ".jfif", ".jp2", ".jpc", ".jpe", ".jpeg", ".jpf", ".jpg", ".jpx"),
    *(".pgm", ".png", ".pnm", ".ppm", ".tif", ".tiff", ".webp"),
    *(_HEIC if _READS_HEIC else ()),
)
_PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_EXIF_TEXT = b"Raw profile type exif"  # as ImageMagick keeps it
# Photos all the same, of phones and as cameras' sensors give them, that are not read.
UNREAD_SUFFIXES = (
    *(() if _READS_HEIC else _HEIC),
    *(".3fr", ".arw", ".cr2", ".cr3", ".crw", ".dng", ".erf", ".iiq", ".jxl", ".kdc"),
    *(".mos", ".mrw", ".nef", ".nrw", ".orf", ".pef", ".raf", ".raw", ".rw2", ".rwl"),
    *(".sr2", ".srf", ".srw", ".x3f"),
)

# What is read, by Pillow's names. Not all that Pillow knows: EPS is a program, which it
# would have Ghostscript run.
_FORMATS = {
    "AVIF",
    "BMP",
    "DIB",
    "GIF",
    "HEIF",
    "JPEG",
    "JPEG2000",
    "PNG",
    "PPM",
    "TIFF",
    "WEBP",
}
_BAND = 1 << 20  # pixels of deep grey that are worked on at once

_MEANING, _ZERO_IS_WHITE = 262, 0  # of the numbers of a TIFF: tag and value
_UPRIGHT = {  # EXIF orientation -> what undoes it
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def load_image(path: str | Path, *, content: bytes | None = None) -> np.ndarray:
    """The picture in a file as RGB, upright and 8 bits deep.

    Grey becomes three equal channels, transparency is laid over white, 16-bit grey is
    divided by 257, and an animation gives its first frame. Other deep grey (float, 32
    bits) is divided by the smallest usual full scale that holds its largest value: 1
    (float only), 255 (float only), 65535, else that value itself; what is negative or
    not finite becomes black.

    Args:
        path: JPEG, PNG, WebP, TIFF, GIF, BMP, JPEG 2000, PPM or AVIF; HEIC where
            pillow-heif is installed.
        content: of the file, where it is in memory; then the path is but a name.

    Returns:
        uint8 [height, width, 3], 0 to 255.

    Raises:
        ValueError: the file is missing or no file but a pipe or a device, is not such an
            image, is cut short, has no pixels, or has more of them than Pillow's limit
            (`PIL.Image.MAX_IMAGE_PIXELS`); below it 20 bytes a pixel are enough.
    """
    with _open(path, content) as image:
        image.load()
        orientation = _orientation(image)  # after loading: TIFF has then turned itself
        if image.mode in ("P", "PA") and not image.getpalette():
            raise ValueError("its palette is missing")  # Pillow would make it black
        if image.mode == "F" or image.mode.startswith("I"):
            pixels = Image.fromarray(_to_8_bits(np.asarray(image)))
            tags = image.tag_v2 if isinstance(image, TiffImageFile) else {}
            if tags.get(_MEANING) == _ZERO_IS_WHITE:
                pixels = ImageOps.invert(pixels)  # which Pillow does for 8 bits alone
        else:
            pixels = image
        if pixels.mode in ("LA", "PA", "RGBA", "RGBa") or "transparency" in pixels.info:
            pixels = pixels.convert("RGBA")
            white = Image.new("RGBA", pixels.size, "white")
            pixels = Image.alpha_composite(white, pixels)
        pixels = pixels.convert("RGB")
        if orientation in _UPRIGHT:
            pixels = pixels.transpose(_UPRIGHT[orientation])
        return np.array(pixels)


def image_size(path: str | Path) -> tuple[int, int]:
    """Width and height of the upright picture in pixels, from the file's header alone.

    Raises:
        ValueError: as for `load_image`, as far as the header shows it.
    """
    with _open(path) as image:
        width, height = image.size
        # asked for EXIF, Pillow would decode a PNG that has none
        if image.format == "PNG" and not _may_be_turned(Path(path)):
            return width, height
        # Pillow already reports the upright size of a TIFF.
        turned = _orientation(image) >= 5 and image.format != "TIFF"
        return (height, width) if turned else (width, height)


def checked_image(image: Any) -> np.ndarray:
    """A picture as a NumPy array.

    Raises:
        ValueError: it is a path, is traced by JAX, is not uint8 [height, width] or
            [height, width, 3], or is empty.
    """
    if isinstance(image, str | Path):
        raise ValueError(
            f"an image must be an array, not a path: rcsr_jax.load_image({str(image)!r})."
        )
    if isinstance(image, jax.core.Tracer):
        raise ValueError(
            "photos are cut outside of jit, vmap and grad; inside them call "
            "rcsr_jax.predict with crops that are cut."
        )
    image = np.asarray(image)
    planar = image.ndim == 2 or (image.ndim == 3 and image.shape[2] == 3)
    if image.dtype != np.uint8 or not planar or not image.size:
        raise ValueError(
            f"an image must be uint8 [height, width] or [height, width, 3]; got "
            f"{image.dtype} {image.shape}."
        )
    return image


def save_image(path: str | Path, image: np.ndarray) -> None:
    """Writes a picture in the format that the suffix names.

    Args:
        path: the file to write; its folder exists.
        image: uint8 [height, width] or [height, width, 3], 0 to 255.

    Raises:
        ValueError: the array is no 8-bit picture, or the file cannot be written.
    """
    try:
        image = checked_image(image)
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from error
    try:
        Image.fromarray(image).save(path)
    except (OSError, ValueError) as error:
        raise ValueError(f"{path}: cannot write this image: {error}") from error


@contextmanager
def _open(path: str | Path, content: bytes | None = None) -> Iterator[Image.Image]:
    """The opened image; whatever goes wrong with it becomes one ValueError."""
    if not isinstance(path, str | os.PathLike):
        raise ValueError(
            f"an image is the name of a file; got {type(path).__name__}. What is in memory "
            "goes with a name: load_image(name, content=data)."
        )
    try:
        special = Path(path).exists() and not Path(path).is_file()
        if content is None and special:  # a pipe would never end
            raise ValueError("it is a folder, a pipe or a device; give a file")
        with (
            _file(path, content) as file,
            Image.open(file, formats=_formats()) as image,
        ):
            width, height = image.size
            if width * height == 0:
                raise ValueError("it has no pixels")
            # Pillow only warns up to twice its limit, and warning filters are no
            # remedy: they are shared by all threads.
            if Image.MAX_IMAGE_PIXELS and width * height > Image.MAX_IMAGE_PIXELS:
                raise Image.DecompressionBombError
            yield image
    except FileNotFoundError as error:
        raise ValueError(f"{path}: no such image.") from error
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ValueError(
            f"{path}: the image is larger than {Image.MAX_IMAGE_PIXELS} pixels; make "
            "it smaller, or raise PIL.Image.MAX_IMAGE_PIXELS if you trust it."
        ) from error
    except Image.UnidentifiedImageError as error:
        raise ValueError(
            f"{path}: empty, or not an image of a kind that is read: "
            f"{', '.join(_formats())}."
        ) from error
    # Decoders meet broken files with SyntaxError, struct.error, EOFError and more.
    except Exception as error:
        raise ValueError(f"{path}: cannot read this image: {error}") from error


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    if _READS_HEIC:
        importlib.import_module("pillow_heif").register_heif_opener()
    return tuple(sorted(_FORMATS.intersection(Image.OPEN)))  # AVIF came later


def _file(path: str | Path, content: bytes | None) -> BinaryIO:
    return Path(path).open("rb") if content is None else io.BytesIO(content)


def _may_be_turned(path: Path) -> bool:
    """Whether a PNG has a chunk, before or behind its pixels, that may say how it lies."""
    with path.open("rb") as file:
        file.seek(len(_PNG_SIGNATURE))
        while len(head := file.read(8)) == 8:
            length, kind = struct.unpack(">I4s", head)
            if kind in (b"eXIf", b"iTXt", b"zTXt"):  # XMP and packed EXIF are texts
                return True
            begin = file.read(min(length, len(_EXIF_TEXT))) if kind == b"tEXt" else b""
            if begin == _EXIF_TEXT:
                return True
            file.seek(length - len(begin) + 4, os.SEEK_CUR)
    return False


def _orientation(image: Image.Image) -> int:
    try:
        orientation = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # a broken EXIF block is no reason to refuse the photo
        return 1
    return orientation if orientation in _UPRIGHT else 1


def _to_8_bits(values: np.ndarray) -> np.ndarray:
    scales = (1.0, 255.0, 65535.0) if values.dtype.kind == "f" else (65535.0,)
    largest = float(values.max(where=np.isfinite(values), initial=0))
    full_scale = next((scale for scale in scales if largest <= scale), largest)
    picture = np.empty(values.shape, np.uint8)
    rows = max(_BAND // values.shape[1], 1)
    for first in range(0, len(values), rows):
        band = values[first : first + rows].astype(np.float64)
        band = np.nan_to_num(band, posinf=0.0).clip(min=0.0)
        picture[first : first + rows] = np.rint(band * (255.0 / full_scale))
    return picture
