"""From what is named as data to annotated faces, and to their cached crops.

The one place that knows the kinds of data: drawn faces, annotated photos in any layout
that `faces` reads, and folders that `rcsr-prepare` made.
"""

import functools
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np

from rcsr_jax.config import DataConfig, ModelConfig
from rcsr_jax.data import crop_builds, crops
from rcsr_jax.data.crops import CropCache
from rcsr_jax.data.cutting import Source
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.data.face_boxes import detector_like_box
from rcsr_jax.data.faces import Face, read_faces
from rcsr_jax.data.held_out import hold_out, names_in_split
from rcsr_jax.data.images import load_image
from rcsr_jax.data.refusals import Refusal, none_usable
from rcsr_jax.markup import FACE_68

DRAWN = "drawn"
# Drawn faces of each split come from a random stream of their own.
_DRAWN_STREAMS = {"train": 0, "test": 1}
_SHARE_HELD_OUT = 5  # one of so many, where the number that is given is too large

OnProgress = Callable[[int, int], None]
Used = TypeVar("Used")


def names_of(data: DataConfig) -> list[str]:
    """The data sets that a run names, with commas.

    Raises:
        ValueError: one has no name; it would be the current folder.
    """
    return _named(data.data, "data")


def last_names_of(data: DataConfig) -> list[str]:
    """The data sets that a run names for its last updates; none: those of all others.

    Raises:
        ValueError: one has no name.
    """
    return _named(data.last_data, "last_data") if data.last_data else []


def _named(given: str, setting: str) -> list[str]:
    names = [name.strip() for name in given.split(",")]
    if not all(names):
        raise ValueError(
            f"{setting} {given!r} names a data set that has no name: see to the commas."
        )
    return names


def check_boxes(data: DataConfig) -> None:
    """Checks that the boxes that are given change a face of those that are named.

    Raises:
        ValueError: all of them are drawn, or cut already.
    """
    names = names_of(data) + last_names_of(data)
    fixed = [name == DRAWN or crops.is_cache(name) for name in names]
    if data.boxes and all(fixed):
        raise ValueError(
            f"the boxes of {data.boxes} would change nothing, for the faces of "
            f"{','.join(names)} are drawn or cut already: give them to rcsr-prepare, or "
            "leave them out."
        )


def use_each(
    sources: Sequence[Source],
    use: Callable[[Source], Used],
    *,
    purpose: str,
    strict: bool = False,
    on_progress: OnProgress = lambda done, total: None,
) -> tuple[list[Used], tuple[Refusal, ...]]:
    """What is made of each face, and the faces of which nothing can be made.

    Args:
        sources: annotated faces.
        use: raises ValueError where a face cannot be used.
        purpose: of it, as in "evaluated".
        strict: end at the first face that cannot be used, rather than leave it out.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: no face can be used, or one cannot and `strict` holds.
    """
    used: list[Used] = []
    refused = []
    for done, source in enumerate(sources, start=1):
        try:
            used.append(use(source))
        except ValueError as error:
            if strict:
                raise ValueError(f"{source.name}: {error}") from error
            refused.append(Refusal(source.name, str(error)))
        on_progress(done, len(sources))
    if not used:
        raise none_usable(refused, purpose=purpose)
    return used, tuple(refused)


def open_cached(
    name: str,
    model: ModelConfig,
    data: DataConfig,
    *,
    folder: Path,
    held_out: int = 0,
    on_progress: OnProgress = lambda done, total: None,
) -> CropCache:
    """The crop cache of one data set, cut now unless it is there already.

    Args:
        name: "drawn", a folder or a file.
        model: gives the crop and the markup.
        data: gives the split, the boxes and how to cut.
        folder: the cache of data that is not prepared yet goes to `folder/crops`.
        held_out: how many faces will be validated on; others must remain.
        on_progress: called with (faces done, faces) while crops are cut.

    Raises:
        ValueError: the data cannot be read, was prepared for another model, or has too
            few faces.
    """
    if name != DRAWN and crops.is_cache(name):
        crops.check_fits(name, model=model, data=data)
        cache = crops.open_cache(name)
        inside = names_in_split(cache.names, split=data.split, origin=name)
        cache = cache.kept([face in inside for face in cache.names])
        _check_held_out(cache.names, held_out, name=name)
        return cache
    sources, refused = read_sources(name, model, data)
    _check_held_out([source.name for source in sources], held_out, name=name)
    where = folder / "crops" / hashlib.sha256(name.encode()).hexdigest()[:12]
    cache = crop_builds.open_or_build(
        where, sources, model=model, data=data, on_progress=on_progress
    )
    _check_held_out(cache.names, held_out, name=name)  # without those now refused
    return cache._replace(refused=refused + cache.refused)


def _check_held_out(faces: Sequence[str], count: int, *, name: str) -> None:
    """Checks that faces are left to train on where so many are held out; 0: all are."""
    if count >= len(faces):
        fewer = len(faces) // _SHARE_HELD_OUT or 1
        remedy = f"give --validation_faces={fewer}" if len(faces) > 1 else "add faces"
        raise ValueError(
            f"validation_faces must leave some of the {len(faces)} faces of {name} to "
            f"train on; got {count}: {remedy}."
        )
    if count:
        hold_out(faces, count=count)


def read_sources(
    name: str, model: ModelConfig, data: DataConfig
) -> tuple[list[Source], tuple[Refusal, ...]]:
    """The annotated faces of a data set, and those that cannot be used.

    Args:
        name: "drawn", a folder or a file.
        model: gives the markup.
        data: gives the split and the boxes.

    Raises:
        ValueError: the data cannot be read, or there are boxes for drawn faces alone.
    """
    if name == DRAWN:
        check_boxes(data)
        return drawn_sources(model, data), ()
    if crops.is_cache(name):
        raise ValueError(
            f"{name} holds crops of rcsr-prepare, which rcsr-train alone takes; give the "
            "photos that they were cut from."
        )
    found = read_faces(
        name,
        markup=model.markup,
        split=data.split,
        boxes=data.boxes or None,
        strict=data.strict,
    )
    return [_photo_source(face) for face in found.faces], found.refused


def drawn_sources(model: ModelConfig, data: DataConfig) -> list[Source]:
    """The drawn faces of a split.

    Raises:
        ValueError: the markup is not that of the drawn faces.
    """
    if model.markup.num_points != FACE_68.num_points:
        raise ValueError(
            f"drawn faces have {FACE_68.num_points} landmarks; markup "
            f"{model.markup.name} has {model.markup.num_points}."
        )
    if data.split not in _DRAWN_STREAMS:
        raise ValueError(
            f"drawn faces have the splits train and test, not {data.split}."
        )
    stream = _DRAWN_STREAMS[data.split]
    return [
        Source(
            f"{DRAWN}/{data.split}/face_{index:06d}",
            functools.partial(_draw, stream, index),
            stamp="1",
        )
        for index in range(data.drawn_faces)
    ]


def _draw(stream: int, index: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    face = draw_face(stream, index)
    generator = np.random.default_rng([stream, index, 1])
    return face.image, face.points, detector_like_box(face.box, generator=generator)


def _photo_source(face: Face) -> Source:
    state = face.path.stat()
    inputs = f"{state.st_size} {state.st_mtime_ns}".encode()
    stamp = hashlib.sha256(inputs + face.points.tobytes() + face.box.tobytes())
    return Source(face.name, functools.partial(_load, face), stamp.hexdigest())


def _load(face: Face) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return load_image(face.path), face.points, face.box
