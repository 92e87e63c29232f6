"""How far to trust an answer: expected errors that are calibrated, and a score of a face.

The network learns the error that it expects at each landmark (`losses.doubt_loss`). On
faces that it has not seen errors are a little larger, and a face's error scatters around
the expected one: both are measured on held-out faces and stored with the model, and how
much larger errors along the outlines are than those across. How the annotation is shifted
as a whole is measured first (`annotation.py`): that is no doubt.
"""

import dataclasses
import math
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.scipy.special import ndtr
from jax.typing import ArrayLike

from rcsr_jax.annotation import as_annotated, measure_shift
from rcsr_jax.config import ModelConfig
from rcsr_jax.ellipses import measure_ratios
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import DEFAULT_LIMIT, interocular_distance

# settings of a model that `measure_model` finds
MEASURED = ("annotation_shift", "error_scale", "error_spread", "error_ratios")
_LEAST_SPREAD = 0.05


def unmeasured(config: ModelConfig) -> ModelConfig:
    """The model as `measure_model` wants it asked: what it sees and expects by itself."""
    return dataclasses.replace(config, error_scale=1.0, annotation_shift=(0.0, 0.0))


def measure_model(
    points: ArrayLike, truth: ArrayLike, expected: ArrayLike, *, markup: Markup
) -> dict[str, Any]:
    """The settings of a model that make its answers like annotation, its errors true.

    Args:
        points: float [faces, num_points, 2], predicted by the model `unmeasured` for
            faces it was not trained on.
        truth: float [faces, num_points, 2], annotated, NaN where not annotated.
        expected: float [faces, num_points], the error that the network expects of each
            point, in the unit of the points and not calibrated.
        markup: what the landmarks mean.

    Returns:
        those of `MEASURED`, as `ModelConfig` takes them.

    Raises:
        ValueError: no face has both eye corners annotated and an answer that is finite.
    """
    points, truth = np.asarray(points), np.asarray(truth)
    distance = np.asarray(interocular_distance(truth, markup=markup), np.float64)
    seen = np.asarray(interocular_distance(points, markup=markup), np.float64)
    shift = measure_shift(points, truth, markup=markup)
    points = as_annotated(points, shift=shift, markup=markup)
    errors = np.linalg.norm(np.subtract(points, truth), axis=-1)
    scale, spread = calibrate_errors(
        np.asarray(expected) / np.where(seen > 0, seen, np.nan)[:, None],
        errors / np.where(distance > 0, distance, np.nan)[:, None],
    )
    ratios = measure_ratios(points, truth, expected, markup=markup)
    return dict(zip(MEASURED, (shift, scale, spread, ratios), strict=True))


def calibrate_errors(expected: ArrayLike, errors: ArrayLike) -> tuple[float, float]:
    """What makes expected errors right on average, and how the faces scatter around them.

    Args:
        expected: float [faces, num_points], as the network expects them, eye distances.
        errors: float [faces, num_points], the true ones, NaN where not annotated. A
            landmark with either that is not finite takes no part.

    Returns:
        The factor for the expected errors; and the standard deviation of the logarithm of
        a face's mean error over the mean error expected.

    Raises:
        ValueError: no landmark takes part.
    """
    errors, expected = np.asarray(errors, np.float64), np.asarray(expected, np.float64)
    known = np.isfinite(errors) & np.isfinite(expected)
    if not known.any():
        raise ValueError(
            "no face has an annotated landmark, both eye corners and an answer that is "
            "finite: there is nothing to calibrate on."
        )
    errors, expected = (np.where(known, each, np.nan) for each in (errors, expected))
    scale = float(np.nanmean(errors) / np.nanmean(expected))
    faces = known.any(-1)
    ratios = np.nanmean(errors[faces], -1) / (scale * np.nanmean(expected[faces], -1))
    spread = float(np.std(np.log(np.maximum(ratios, 1e-6))))
    return float(f"{scale:.4g}"), float(f"{max(spread, _LEAST_SPREAD):.4g}")


def score_of(expected: ArrayLike, *, spread: float) -> Array:
    """The probability that a face's mean error is below `metrics.DEFAULT_LIMIT`.

    Args:
        expected: float [faces], calibrated mean error of each face, eye distances.
        spread: standard deviation of the logarithm of the true error over this.

    Returns:
        float32 [faces], 0 to 1; NaN where the expected error is.
    """
    # of a lognormal distribution whose mean is the expected error
    middle = jnp.log(jnp.maximum(jnp.asarray(expected), 1e-9)) - spread**2 / 2
    return ndtr((math.log(DEFAULT_LIMIT) - middle) / spread)
