"""The progressive loss of eq. 8: every step counts, the later ones more."""

import jax.numpy as jnp
import numpy as np
from jax import Array

from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance

WING_WIDTH, WING_CURVATURE = (
    0.10,
    0.02,
)  # in eye distances: 10 and 2 px of the wing paper


def step_weights(num_steps: int, *, scheme: str) -> np.ndarray:
    """Weights of the steps, increasing and normalised to a sum of one.

    Args:
        num_steps: T.
        scheme: "progressive" for 10^(t/T), t = 1..T (section 3.1.1), or "log_range" for
            10^w with w evenly spread over [-2, 2] (section 4.4).

    Returns:
        float32 [num_steps].

    Raises:
        ValueError: there is no such scheme.
    """
    if scheme == "progressive":
        exponents = np.arange(1, num_steps + 1) / num_steps
    elif scheme == "log_range":
        exponents = np.linspace(-2, 2, num_steps)
    else:
        raise ValueError(f"step weights are progressive or log_range; got {scheme!r}.")
    weights = 10.0**exponents
    return (weights / weights.sum()).astype(np.float32)


def progressive_loss(
    trajectory: Array,
    truth: Array,
    *,
    markup: Markup,
    mean_eye_distance: Array,
    kind: str = "l2",
    scheme: str = "progressive",
) -> Array:
    """The loss of each face: weighted over the steps, mean over annotated landmarks.

    Args:
        trajectory: float [num_steps, batch, num_points, 2], the shape after each step.
        truth: float [batch, num_points, 2], NaN where not annotated.
        markup: names the outer eye corners, whose true distance is the unit of errors.
        mean_eye_distance: float scalar, same pixels: the unit where a corner is not
            annotated, and half of it the least one, so that profiles do not dominate.
        kind: "l2" squared error as in eq. 8, "l1" distance, or "wing".
        scheme: weights of the steps, see `step_weights`.

    Returns:
        float [batch]; 0 for a face without annotated landmarks.

    Raises:
        ValueError: there is no such kind or scheme.
    """
    annotated = jnp.isfinite(truth).all(-1)  # [batch, num_points]
    unit = interocular_distance(truth, markup=markup)
    unit = jnp.where(jnp.isfinite(unit), unit, mean_eye_distance)
    unit = jnp.maximum(unit, mean_eye_distance / 2)
    # masked before the norm: its gradient at NaN would be NaN even behind a mask
    offsets = jnp.where(annotated[None, ..., None], trajectory - truth[None], 0.0)
    squared = jnp.square(offsets / unit[None, :, None, None]).sum(-1)
    errors = _error(squared, kind) * annotated[None]
    by_step = (
        errors.sum(-1) / jnp.maximum(annotated.sum(-1), 1)[None]
    )  # [num_steps, batch]
    return jnp.asarray(step_weights(len(trajectory), scheme=scheme)) @ by_step


def _error(squared: Array, kind: str) -> Array:
    if kind == "l2":
        return squared
    distance = jnp.sqrt(squared + 1e-8)  # smooth within a hundredth of a pixel
    if kind == "l1":
        return distance
    if kind == "wing":
        near = WING_WIDTH * jnp.log1p(distance / WING_CURVATURE)
        edge = WING_WIDTH * np.log1p(WING_WIDTH / WING_CURVATURE) - WING_WIDTH
        return jnp.where(distance < WING_WIDTH, near, distance + edge)
    raise ValueError(f"loss must be l2, l1 or wing; got {kind!r}.")
