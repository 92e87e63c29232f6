"""Other landmark finders, on photos of drawn faces; each row uses one thread."""

import functools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from rcsr_jax.config import preset
from rcsr_jax.data.drawn import draw_face
from rcsr_jax.detection import import_dlib
from rcsr_jax.inference import Predictor

from .process import num_cores
from .rows import OURS, random_params
from .timing import Row

_PURPOSE = "dlib's shape predictor"
_BOX_SIDE = 200  # pixels of a face box
_NUM_PHOTOS = 64  # the trees of one face stay in the cache, those of many do not
_DLIB_STEPS = 10  # its cascade, unless the model was trained with another

Photo = tuple[np.ndarray, np.ndarray]  # uint8 grey [height, width], box float [4]


def open_shape_predictor(path: str | Path) -> Any:
    """A trained dlib shape predictor.

    Raises:
        ValueError: dlib is not installed or cannot read the file.
    """
    try:
        return import_dlib(purpose=_PURPOSE).shape_predictor(str(path))
    except RuntimeError as error:
        raise ValueError(f"{path} is no dlib shape predictor: {error}.") from error


def rectangle(box: np.ndarray) -> Any:
    """A face box for dlib, in whole pixels."""
    return import_dlib(purpose=_PURPOSE).rectangle(
        *(round(float(side)) for side in box)
    )


@functools.cache
def photos() -> list[Photo]:
    """Drawn faces whose boxes are about 200 pixels wide and high."""
    found = []
    for index in range(_NUM_PHOTOS):
        small = draw_face(0, index)
        side = np.mean(small.box[2:] - small.box[:2])
        face = draw_face(0, index, size=round(len(small.image) * _BOX_SIDE / side))
        grey = np.ascontiguousarray(face.image.mean(axis=-1).round().astype(np.uint8))
        found.append((grey, np.asarray(face.box)))
    return found


def dlib_rows(path: str) -> list[Row]:
    """A trained dlib shape predictor, one photo after the other.

    Raises:
        ValueError: dlib is not installed or cannot read the model.
    """
    find = open_shape_predictor(path)
    faces = [(image, rectangle(box)) for image, box in photos()]
    known = {"num_steps": _DLIB_STEPS, "threads": 1}
    return [_one_by_one("dlib", lambda face: find(*face), faces, **known)]


def cropping_rows(presets: Sequence[str], *, num_steps: int) -> list[Row]:
    """Our predictor from photo and box on, cropping included, as the peers are timed."""
    rows = []
    for name in presets:
        model = preset(name).model
        predictor = Predictor(random_params(model), model)
        find = functools.partial(_find, predictor, num_steps)
        known = {
            "preset": name,
            "sampling": model.sampling,
            "num_steps": num_steps,
            "threads": num_cores(),
        }
        rows.append(_one_by_one(f"{OURS} with cropping", find, photos(), **known))
    return rows


def _find(predictor: Predictor, num_steps: int, photo: Photo) -> Any:
    return predictor(*photo, num_steps=num_steps)


def _one_by_one(
    name: str, find: Callable[[Any], Any], faces: Sequence[Any], **known: Any
) -> Row:
    """A row whose call takes the faces in turn: they do not cost the same."""
    fields = {"name": name, "preset": "", "sampling": "", "batch": 1, **known}
    return Row(fields, lambda: [find(face) for face in faces], len(faces))
