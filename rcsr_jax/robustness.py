"""How the error grows when the box is wrong or the head is turned in the picture.

One thing is disturbed at a time: the box is shifted or scaled, as by another detector, or
the photo is turned about the middle of the box, which stays upright, as a detector's does.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, cast

import numpy as np

from rcsr_jax.data.cutting import Source
from rcsr_jax.data.refusals import Refusal
from rcsr_jax.data.sources import use_each
from rcsr_jax.disturbance import Disturbance, disturb
from rcsr_jax.inference import Faces, Predictor
from rcsr_jax.summaries import summarise

# What is disturbed and by how much; the value that changes nothing is in each of them.
SWEEPS: Mapping[str, tuple[float, ...]] = {
    "shift_x": (-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2),
    "shift_y": (-0.2, -0.15, -0.1, -0.05, 0.0, 0.05, 0.1, 0.15, 0.2),
    "scale": (0.8, 0.87, 0.93, 1.0, 1.08, 1.16, 1.25),
    "degrees": (-45.0, -30.0, -20.0, -10.0, 0.0, 10.0, 20.0, 30.0, 45.0),
}


class Robustness(NamedTuple):
    """The errors of a model on disturbed faces.

    Attributes:
        undisturbed: summary as `summaries.summarise` gives it.
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
    strict: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Robustness:
    """The errors of adaptive prediction under each disturbance.

    Args:
        predictor: to be judged.
        sources: annotated faces; one that cannot be used, disturbed or not, takes no part
            anywhere, so that every value is measured on the same faces.
        sweeps: the fields of `Disturbance` to vary, one at a time, with their values.
        strict: end at the first face that cannot be used, rather than leave it out.
        on_progress: called with (faces done, faces).

    Raises:
        ValueError: no face can be used, or one cannot and `strict` holds, or there is no
            such disturbance.
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
        strict=strict,
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


def _predict_disturbed(
    predictor: Predictor, source: Source, kinds: Sequence[Disturbance]
) -> tuple[np.ndarray, np.ndarray]:
    """Landmarks found and true, each [kinds, num_points, 2], in pixels of the pictures."""
    face = source.load()
    scale = predictor.config.frame_scale
    images, truths, boxes = zip(
        *(disturb(*face, kind, frame_scale=scale) for kind in kinds), strict=True
    )
    found = predictor.stream(zip(images, boxes, strict=True))
    points = np.stack([cast(Faces, faces).points[0] for faces in found])
    return points, np.array(truths, np.float32)
