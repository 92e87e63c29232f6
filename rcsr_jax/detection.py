"""Where the faces of a photo are, for those who have no boxes.

The detector is dlib's: histograms of gradients and a linear classifier, 11 MB with nothing
to download. It finds faces that look at the camera, up to about half a profile.
"""

import functools
import importlib
import importlib.util
import math
import threading
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from rcsr_jax.boxes import DLIB_BOXES, BoxMap
from rcsr_jax.data.images import checked_image

# Below the threshold a face is doubtful. One is still taken where a photo has no other:
# that finds half of the faces that were missed, and adds nothing to photos with faces.
_DOUBT = 0.2

_WINDOW = 80  # pixels; the smallest face that dlib finds in a picture as it is
# A face is sought that is at least this share of the longer side: smaller ones would
# cost seconds in large photos, and small photos are cheap to search thoroughly.
_SMALLEST, _SMALL = 1 / 20, 1 / 6
_MOST_PIXELS = 1 << 27  # of the picture that is searched; hundreds of bytes each
# float [faces, 4], and the scores of a detector where one has found them
FoundBoxes = tuple[np.ndarray, np.ndarray | None]

_ONE_AT_A_TIME = threading.Lock()  # a detector keeps the picture that it searches


class Detections(NamedTuple):
    """The faces that were found in one photo, the surest first.

    Attributes:
        boxes: float32 [faces, 4], (x0, y0, x1, y1) in pixels of the photo, as
            `Predictor` takes them. They may reach beyond the photo.
        scores: float32 [faces], distance from the decision; about 0 for doubtful faces
            and 1 to 3 for clear ones.
    """

    boxes: np.ndarray
    scores: np.ndarray


def detect_faces(
    image: np.ndarray,
    *,
    threshold: float = 0.0,
    min_face: float | None = None,
    box_map: BoxMap = DLIB_BOXES,
) -> Detections:
    """The faces of a photo, by dlib's frontal face detector.

    Args:
        image: uint8 [height, width] or [height, width, 3].
        threshold: of the score; lower finds more faces, and more that are none. Where no
            face reaches it, the best above `threshold` - 0.2 is taken.
        min_face: pixels, about the smallest width of a face that is found; the time goes
            with its inverse square. By default 80, but at least a twentieth of the longer
            side and at most a sixth.
        box_map: from dlib's boxes to those that the model expects: its
            `config.detector_boxes`; by default that of the shipped models.

    Raises:
        ValueError: the image is no picture, a number is out of range, or dlib is not
            installed.
    """
    image = checked_image(image)
    longer = max(image.shape[:2])
    if min_face is None:
        min_face = max(min(max(_WINDOW, _SMALLEST * longer), _SMALL * longer), 1)
    if not (math.isfinite(threshold) and 1 <= min_face < math.inf):
        raise ValueError(
            "threshold must be finite and min_face at least 1 pixel; got "
            f"{threshold} and {min_face}."
        )
    wanted = image.shape[0] * image.shape[1] * (_WINDOW / min_face) ** 2
    if wanted > _MOST_PIXELS:
        least = min_face * math.sqrt(wanted / _MOST_PIXELS)
        raise ValueError(
            f"to search {image.shape[1]} x {image.shape[0]} pixels for faces of "
            f"{min_face:g} would take too much memory; min_face can be {least:.0f} there."
        )
    grey, scale = _resized(image, scale=_WINDOW / min_face)
    with _ONE_AT_A_TIME:
        found, scored, _ = _detector().run(grey, 0, threshold - _DOUBT)
    corners = [(box.left(), box.top(), box.right(), box.bottom()) for box in found]
    boxes = (np.reshape(corners, (-1, 4)) + 0.5) / np.tile(scale, 2) - 0.5
    scores = np.array(scored, np.float32)
    kept = accepted(scores, threshold=threshold)
    return Detections(box_map.apply(boxes).astype(np.float32)[kept], scores[kept])


def accepted(scores: np.ndarray, *, threshold: float) -> np.ndarray:
    """bool [faces], which of the faces of a photo are taken; see `detect_faces`.

    Args:
        scores: float [faces].
        threshold: of the score.
    """
    clear = scores >= threshold
    if clear.any() or not len(scores):
        return clear
    return (scores == scores.max()) & (scores >= threshold - _DOUBT)


def _resized(image: np.ndarray, *, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """The grey image, resized, and the scale in x and y that whole pixels gave it."""
    picture = Image.fromarray(image).convert("L")
    old = np.array(picture.size)
    new = np.maximum(np.rint(old * scale), 1).astype(int)
    if (new != old).any():
        picture = picture.resize(
            tuple(new.tolist()), Image.Resampling.BILINEAR, reducing_gap=2.0
        )
    return np.asarray(picture), new / old


def import_dlib(*, purpose: str) -> Any:
    """The package dlib, which is loaded when it is needed.

    Args:
        purpose: what needs it.

    Raises:
        ValueError: it is not installed.
    """
    if importlib.util.find_spec("dlib") is None:
        raise ValueError(f'{purpose} needs dlib: pip install "rcsr-jax[detect]".')
    return importlib.import_module("dlib")


@functools.cache
def _detector() -> Any:
    dlib = import_dlib(purpose="finding faces, where no boxes are given,")
    return dlib.get_frontal_face_detector()
