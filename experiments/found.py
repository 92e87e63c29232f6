"""The faces that were found in a photo, as plain values and as a picture."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from rcsr_jax.inference import Faces
from rcsr_jax.markup import Markup
from rcsr_jax.plots import draw_overlay
from rcsr_jax.prediction import by_field

from .face_numbers import draw_face_numbers

_OVERLAY_SIDE = 1600  # pixels at most; to look at, and quick to write


class Found(NamedTuple):
    """The faces of a photo.

    Attributes:
        image: uint8 [height, width, 3].
        boxes: float [faces, 4].
        scores: float [faces], of the detector; None where the boxes were given.
        faces: their landmarks.
    """

    image: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray | None
    faces: Faces


def sure_faces(found: Found, *, min_score: float) -> Found:
    """The faces whose landmarks fit well enough; all of them at 0.

    Args:
        found: the photo and its faces.
        min_score: of `Faces.score`.
    """
    if not min_score:
        return found
    kept = found.faces.score >= min_score
    return Found(
        found.image,
        np.asarray(found.boxes)[kept],
        None if found.scores is None else np.asarray(found.scores)[kept],
        by_field(lambda leaf, axis: np.compress(kept, leaf, axis), found.faces),
    )


def described(found: Found) -> Iterator[dict[str, Any]]:
    """Each face as plain JSON values; 0-based, the centre of the first pixel being (0, 0).

    All that the predictor says of a face is there, but for the trajectory.
    """
    told = {
        name: values
        for name, values in found.faces._asdict().items()
        if name not in ("points", "trajectory")
    }
    for index, points in enumerate(found.faces.points):
        face = {"box": _rounded(found.boxes[index])}
        if found.scores is not None:
            face["detection_score"] = _rounded(found.scores[index])
        face["points"] = _rounded(points)
        yield face | {name: _rounded(values[index]) for name, values in told.items()}


def overlay_of(
    found: Found, *, markup: Markup, boxes: bool, steps: bool, errors: bool
) -> np.ndarray:
    """The photo with its faces drawn over it, shrunk where it is large.

    Several faces have their numbers, from 1, as the names of their files.

    Args:
        found: the photo and its faces.
        markup: what the landmarks mean.
        boxes: draw the boxes.
        steps: draw the way of the landmarks to their places.
        errors: draw the errors to expect of them.
    """
    image, faces = found.image, found.faces
    shrink = min(1.0, _OVERLAY_SIDE / max(image.shape[:2]))
    if shrink < 1:
        height, width = (max(round(side * shrink), 1) for side in image.shape[:2])
        image = np.asarray(
            Image.fromarray(image).resize((width, height), reducing_gap=2)
        )

    def place(values: np.ndarray) -> np.ndarray:
        return (values + 0.5) * shrink - 0.5

    drawn = draw_overlay(
        image,
        place(faces.points),
        markup=markup,
        box=place(np.asarray(found.boxes)) if boxes else None,
        trajectory=place(faces.trajectory) if steps else None,
        ellipses=faces.ellipses * [shrink, shrink, 1] if errors else None,
    )
    count = len(faces.points)
    if count < 2:
        return drawn
    enlarged = len(drawn) / len(image)  # small ones are
    places = (place(np.asarray(found.boxes)) + 0.5) * enlarged - 0.5
    return draw_face_numbers(drawn, places, numbers=range(1, count + 1))


def _rounded(values: Any) -> Any:
    values = np.asarray(values)
    if values.dtype.kind == "f":
        return values.astype(np.float64).round(3).tolist()
    return values.tolist()
