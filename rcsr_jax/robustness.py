"""How the error grows when the box is wrong or the head is turned in the picture.

One thing is disturbed at a time: the box is shifted or scaled, as by another detector, or
the photo is turned about the middle of the box, which stays upright, as a detector's does.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from rcsr_jax.boxes import BoxMap
from rcsr_jax.data.crops import Source
from rcsr_jax.data.faces import Refusal
from rcsr_jax.data.sources import use_each
from rcsr_jax.geometry import Frame, join_frames
from rcsr_jax.inference import Predictor
from rcsr_jax.metrics import summarise

# What is disturbed and by how much; the value that changes nothing is in each of them.
SWEEPS: Mapping[str, tuple[float, ...]] = {
    "shift_x": (-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2),
    "shift_y": (-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2),
    "scale": (0.8, 0.87, 0.93, 1.0, 1.08, 1.16, 1.25),
    "degrees": (-45.0, -30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 45.0),
}
_RIM = 1.1  # a turned window goes beyond the frame's corners: resampling looks there


class Disturbance(NamedTuple):
    """One way in which a face is made harder. By default nothing changes.

    Attributes:
        shift_x: the box moves to the right by this share of its width.
        shift_y: it moves down by this share of its height.
        scale: its sides become this many times as long.
        degrees: the photo is turned by this, anticlockwise as one looks at it.
    """

    shift_x: float = 0.0
    shift_y: float = 0.0
    scale: float = 1.0
    degrees: float = 0.0

    def box(self, box: np.ndarray) -> np.ndarray:
        """The disturbed box, of float [..., 4]."""
        moved = BoxMap(
            shift_x=self.shift_x,
            shift_y=self.shift_y,
            scale_w=self.scale,
            scale_h=self.scale,
        )
        return moved.apply(box)


class Robustness(NamedTuple):
    """The errors of a model on disturbed faces.

    Attributes:
        undisturbed: summary as `metrics.summarise` gives it.
        sweeps: what is disturbed -> value -> the summary there, with `ratio`: its
            inter-ocular error by that of the undisturbed faces.
        refused: faces that could not be used, and why.
    """

    undisturbed: dict[str, float]
    sweeps: dict[str, dict[float, dict[str, float]]]
    refused: tuple[Refusal, ...]


def measure_robustness(
    predictor: Predictor,
    sources: Sequence[Source],
    *,
    sweeps: Mapping[str, Sequence[float]] = SWEEPS,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Robustness:
    """The errors of adaptive prediction under each disturbance.

    Args:
        predictor: to be judged.
        sources: annotated faces; one that cannot be used, disturbed or not, takes no part
            anywhere, so that every value is measured on the same faces.
        sweeps: the fields of `Disturbance` to vary, one at a time, with their values.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: no face can be used, or there is no such disturbance.
    """
    if unknown := sorted(set(sweeps) - set(Disturbance._fields)):
        known = ", ".join(Disturbance._fields)
        raise ValueError(f"disturbances are {known}; got {', '.join(unknown)}.")
    calm = Disturbance()
    kinds = list(
        dict.fromkeys(
            [calm, *(calm._replace(**{k: v}) for k, vs in sweeps.items() for v in vs)]
        )
    )
    found, refused = use_each(
        sources,
        lambda source: _predict_disturbed(predictor, source, kinds),
        purpose="measured",
        on_progress=on_progress,
    )
    answers, truths = zip(*found, strict=True)
    markup = predictor.config.markup
    summaries = {
        kind: summarise(points, truth, markup=markup)
        for kind, points, truth in zip(
            kinds, np.stack(answers, 1), np.stack(truths, 1), strict=True
        )
    }
    reference = summaries[calm]

    def at(kind: Disturbance) -> dict[str, float]:
        ratio = summaries[kind]["nme_interocular"] / reference["nme_interocular"]
        return {**summaries[kind], "ratio": ratio}

    return Robustness(
        undisturbed=reference,
        sweeps={
            name: {value: at(calm._replace(**{name: value})) for value in values}
            for name, values in sweeps.items()
        },
        refused=refused,
    )


def turn_photo(
    image: np.ndarray,
    points: np.ndarray,
    box: np.ndarray,
    *,
    degrees: float,
    reach: float,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """A window of a photo, turned about the middle of a box.

    Args:
        image: uint8 [height, width] or [height, width, 3]; its edges are repeated
            beyond.
        points: float [num_points, 2], px.
        box: float [4], px. It stays upright and keeps its size.
        degrees: anticlockwise as one looks at it.
        reach: how far around the middle there has to be picture afterwards, in pixels.

    Returns:
        uint8 [side, side] or [side, side, 3]; the turned points and the box in its
        pixels.
    """
    centre = np.asarray(box, np.float64).reshape(2, 2).mean(0)
    low = np.floor(centre - reach).astype(int)
    side = int(np.ceil(2 * reach)) + 2
    rows, columns = (
        np.clip(np.arange(first, first + side), 0, length - 1)
        for first, length in zip(low[::-1], image.shape[:2], strict=True)
    )
    window = Image.fromarray(image[rows[:, None], columns])
    middle = centre - low
    turned = window.rotate(
        degrees, Image.Resampling.BICUBIC, center=tuple(middle + 0.5)
    )
    sine, cosine = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
    # y points down: anticlockwise takes (1, 0) to (cos, -sin)
    rotation = np.array([[cosine, sine], [-sine, cosine]])
    moved = (np.asarray(points, np.float64) - centre) @ rotation.T + middle
    return np.asarray(turned), moved, np.asarray(box, np.float64) - np.tile(low, 2)


def _predict_disturbed(
    predictor: Predictor, source: Source, kinds: Sequence[Disturbance]
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks found and true, each [kinds, num_points, 2], in pixels of the pictures."""
    image, points, box = source.load()
    crops: list[np.ndarray] = []
    frames: list[Frame] = []
    truths: list[Any] = []
    for kind in kinds:
        picture, truth, upright = image, points, box
        if kind.degrees:
            side = np.subtract(box[2:], box[:2]).mean()
            reach = _RIM * predictor.config.frame_scale * side / math.sqrt(2)
            picture, truth, upright = turn_photo(
                image, points, box, degrees=kind.degrees, reach=reach
            )
        crop, frame = predictor.crops(picture, kind.box(upright))
        crops.append(crop)
        frames.append(frame)
        truths.append(truth)
    where = join_frames(frames)
    found = predictor.from_crops(np.concatenate(crops), where).points
    return found, np.array(truths, np.float32)
