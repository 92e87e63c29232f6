"""Faces to look at: which of an evaluation are shown, cut out of their photos.

The pictures are small, so that a page can hold them: a hundred take about two megabytes.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from rcsr_jax.evaluation import Evaluation
from rcsr_jax.geometry import Frame, box_of, to_crop
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_errors

SIDE = 320  # pixels of a picture
_ROOM = 1.2  # its side, in sides of what it has to show


class GalleryFace(NamedTuple):
    """One face, with all that was found in it.

    Points are in pixels of `image`, counted from its upper left corner: the centre of the
    first pixel is (0.5, 0.5).

    Attributes:
        name: of the face.
        groups: why it is shown: "worst", "best", "random".
        image: uint8 [SIDE, SIDE, 3].
        truth: float32 [num_points, 2], NaN where not annotated.
        shapes: float32 [num_steps + 1, num_points, 2], the first shape and that after
            each step.
        errors: float64 [num_steps + 1], the inter-ocular error of each shape, per cent.
        box: float32 [4], (x0, y0, x1, y1).
        settled: whether the shape stood still at the end.
        ellipses: float32 [num_points, 3], of the errors that the model expects.
        score: how sure the model is that the face was found.
    """

    name: str
    groups: tuple[str, ...]
    image: np.ndarray
    truth: np.ndarray
    shapes: np.ndarray
    errors: np.ndarray
    box: np.ndarray
    settled: bool
    ellipses: np.ndarray
    score: float


def choose_faces(
    errors: ArrayLike, *, count: int, seed: int = 0
) -> dict[int, tuple[str, ...]]:
    """The faces with the largest and smallest errors and some at random.

    Args:
        errors: float [num_faces]; NaN: the face has none and is not chosen.
        count: faces of each group, fewer where there are no more.
        seed: of those at random.

    Returns:
        the index of each chosen face, the worst first, with its groups.
    """
    values = np.asarray(errors, np.float64)
    known = np.flatnonzero(~np.isnan(values))
    order = known[np.argsort(-values[known], kind="stable")]
    rows = {
        "worst": order[:count],
        "best": order[::-1][:count],
        "random": np.random.default_rng(seed).permutation(order)[:count],
    }
    groups = {
        int(face): tuple(name for name, row in rows.items() if face in row)
        for face in order
    }
    return {face: names for face, names in groups.items() if names}


def make_gallery(
    evaluation: Evaluation,
    *,
    markup: Markup,
    load_image: Callable[[str], np.ndarray],
    count: int,
) -> list[GalleryFace]:
    """The worst, the best and some random faces of an evaluation.

    Args:
        evaluation: of a predictor.
        markup: of its landmarks.
        load_image: gives the photo of a face, uint8 [height, width, ...], by its name.
        count: faces of each group.
    """
    truth, found = evaluation.truth, evaluation.adaptive
    shapes = np.concatenate([evaluation.mean_shape[None], found.trajectory])
    errors = 100.0 * interocular_errors(shapes, truth, markup=markup)
    last = errors[found.num_steps, np.arange(len(truth))]

    def show(face: int, groups: tuple[str, ...]) -> GalleryFace:
        window = _window(truth[face], evaluation.boxes[face])

        def place(points: np.ndarray) -> np.ndarray:
            return (to_crop(points, window) + 0.5).astype(np.float32)

        taken = slice(int(found.num_steps[face]) + 1)
        name = evaluation.names[face]
        return GalleryFace(
            name=name,
            groups=groups,
            image=_cut(load_image(name), window),
            truth=place(truth[face]),
            shapes=place(shapes[taken, face]),
            errors=errors[taken, face],
            box=place(evaluation.boxes[face].reshape(2, 2)).reshape(4),
            settled=bool(found.settled[face]),
            ellipses=found.ellipses[face] / [window.scale, window.scale, 1],
            score=float(found.score[face]),
        )

    return [show(*chosen) for chosen in choose_faces(last, count=count).items()]


def _window(truth: np.ndarray, box: np.ndarray) -> Frame:
    """The square of a photo that shows the annotation and the box."""
    seen = box_of(np.concatenate([truth, box.reshape(2, 2)])).astype(np.float64)
    scale = _ROOM * (seen[2:] - seen[:2]).max() / SIDE
    return Frame((seen[:2] + seen[2:]) / 2 - scale * (SIDE - 1) / 2, scale)


def _cut(image: np.ndarray, window: Frame) -> np.ndarray:
    """The square as a picture; black where it reaches beyond the photo."""
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    edge = window.corner + (1 - window.scale) / 2  # from the photo's upper left corner
    size = np.array(image.shape[1::-1])
    # whole pixels of the picture that lie in the photo: a box may be as large as it likes
    low = np.ceil(np.clip(-edge / window.scale, 0, SIDE)).astype(int)
    high = np.floor(np.clip((size - edge) / window.scale, 0, SIDE)).astype(int)
    if (high > low).all():
        part = np.concatenate([edge + low * window.scale, edge + high * window.scale])
        part = part.clip(0, np.tile(size, 2))  # but for rounding it is inside already
        shown = Image.fromarray(image).convert("RGB")
        shown = shown.resize(
            tuple((high - low).tolist()), Image.Resampling.BICUBIC, box=tuple(part)
        )
        picture[low[1] : high[1], low[0] : high[0]] = np.asarray(shown)
    return picture
