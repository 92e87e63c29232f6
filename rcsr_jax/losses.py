"""The progressive loss of eq. 8: every step counts, the later ones more."""

import math

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rcsr_jax.directions import along_and_across, outline_directions
from rcsr_jax.markup import Markup
from rcsr_jax.metrics import error_unit, interocular_distance
from rcsr_jax.patches import own_patches

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
        ValueError: there is no such scheme, or no step.
    """
    if num_steps < 1:
        raise ValueError(f"num_steps must be at least 1; got {num_steps}.")
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
    across_weight: float = 1.0,
) -> Array:
    """The loss of each face: weighted over the steps, mean over annotated landmarks.

    Args:
        trajectory: float [num_steps, batch, num_points, 2], the shape after each step.
        truth: float [batch, num_points, 2], NaN where not annotated.
        markup: names the outer eye corners, whose true distance is the unit of errors.
        mean_eye_distance: float scalar, same pixels, see `metrics.error_unit`.
        kind: "l2" squared error as in eq. 8, "l1" distance, or "wing".
        scheme: weights of the steps, see `step_weights`.
        across_weight: how many times as much the part of an error across the outline of
            its landmark counts as that along it, where on the line it sits being what
            people disagree on; the mean square of both weights is one.

    Returns:
        float [batch]; 0 for a face without annotated landmarks.

    Raises:
        ValueError: there is no such kind or scheme, or the shapes do not fit.
    """
    if trajectory.ndim != 4 or trajectory.shape[1:] != truth.shape:
        raise ValueError(
            "the shape after each step must be [num_steps, batch, num_points, 2], the "
            f"truth [batch, num_points, 2]; got {trajectory.shape} and {truth.shape}."
        )
    offsets, annotated = _offsets(trajectory, truth, markup, mean_eye_distance)
    squared = jnp.square(offsets).sum(-1)
    if across_weight != 1:
        directions = outline_directions(truth, markup=markup)[None]
        along, across = map(jnp.square, along_and_across(offsets, directions))
        weighted = (along + across_weight**2 * across) / (1 + across_weight**2)
        squared = jnp.where((directions != 0).any(-1), 2 * weighted, squared)
    errors = _error(squared, kind) * annotated[None]
    by_step = (
        errors.sum(-1) / jnp.maximum(annotated.sum(-1), 1)[None]
    )  # [num_steps, batch]
    return jnp.asarray(step_weights(len(trajectory), scheme=scheme)) @ by_step


def _offsets(
    trajectory: Array, truth: Array, markup: Markup, mean_eye_distance: Array
) -> tuple[Array, Array]:
    """Errors in units of `error_unit`, and which landmarks are annotated.

    Returns:
        float [num_steps, batch, num_points, 2], 0 where not annotated; bool [batch,
        num_points].
    """
    annotated = jnp.isfinite(truth).all(-1)
    distance = interocular_distance(truth, markup=markup)
    unit = error_unit(distance, mean_eye_distance=mean_eye_distance)
    # masked before the norm: its gradient at NaN would be NaN even behind a mask
    offsets = jnp.where(annotated[None, ..., None], trajectory - truth[None], 0.0)
    return offsets / unit[None, :, None, None], annotated


def doubt_loss(
    log_doubts: Array,
    trajectory: Array,
    truth: Array,
    *,
    markup: Markup,
    mean_eye_distance: Array,
) -> Array:
    """How badly expected errors fit the true ones: s + e exp(-s), least at exp(s) = E[e].

    That is the likelihood of an exponential distribution. No gradient reaches the shapes.

    Args:
        log_doubts: float [num_steps, batch, num_points], logarithms of expected errors in
            eye distances.
        trajectory: float [num_steps, batch, num_points, 2], the shapes they are about.
        truth, markup, mean_eye_distance: as in `progressive_loss`.

    Returns:
        float [batch], mean over steps and annotated landmarks.
    """
    offsets, annotated = _offsets(
        lax.stop_gradient(trajectory), truth, markup, mean_eye_distance
    )
    errors = jnp.sqrt(jnp.square(offsets).sum(-1))
    fit = (log_doubts + errors * jnp.exp(-log_doubts)) * annotated[None]
    return fit.sum(-1).mean(0) / jnp.maximum(annotated.sum(-1), 1)


def heatmap_loss(scores: Array, truth: Array, *, stride: float) -> Array:
    """How far the scores of each landmark's plane are from marking its place.

    Cross-entropy of the softmax over a plane with the true place, shared out between the
    four cells around it.

    Args:
        scores: float [batch, num_points, height, width], the middle of cell (0, 0) at
            the origin.
        truth: float [batch, num_points, 2], px, NaN where not annotated.
        stride: px from one cell to the next.

    Returns:
        float [batch], mean over the landmarks that are annotated and on the plane; 0 for
        a face without any.
    """
    height, width = scores.shape[2:]
    places = truth / stride
    limit = jnp.array([width - 1, height - 1]).reshape(1, 1, 2)
    seen = ((places >= 0) & (places <= limit)).all(-1)  # [batch, num_points]; NaN: not
    places = jnp.where(seen[..., None], places, 0.0)

    flat = scores.astype(jnp.float32).reshape(*scores.shape[:2], -1)
    logs = jax.nn.log_softmax(flat).reshape(*scores.shape, 1)
    at_truth = own_patches(logs, places, size=1)[..., 0, 0, 0]
    return -(at_truth * seen).sum(-1) / jnp.maximum(seen.sum(-1), 1)


def _error(squared: Array, kind: str) -> Array:
    if kind == "l2":
        return squared
    distance = jnp.sqrt(squared + 1e-8)  # smooth within a hundredth of a pixel
    if kind == "l1":
        return distance
    if kind == "wing":
        near = WING_WIDTH * jnp.log1p(distance / WING_CURVATURE)
        edge = WING_WIDTH * math.log1p(WING_WIDTH / WING_CURVATURE) - WING_WIDTH
        return jnp.where(distance < WING_WIDTH, near, distance + edge)
    raise ValueError(f"loss must be l2, l1 or wing; got {kind!r}.")
