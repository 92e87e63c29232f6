"""How long to go on: the two loops over a step function.

`unroll` runs a fixed number of steps and can be differentiated; `settle` goes on until
each face stands still. Neither knows what a step does, so training and inference cannot
drift apart.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from rcsr_jax.markup import Markup
from rcsr_jax.metrics import interocular_distance

_MOST_FLAT = 32  # steps


class Estimate(NamedTuple):
    """What is known of a batch of faces between two steps.

    Attributes:
        points: float [batch, num_points, 2], (x, y) in pixels.
        hidden: float [batch, ...], the memory of the recurrent cell.
    """

    points: Array
    hidden: Array


class Settled(NamedTuple):
    """Where `settle` stopped.

    Attributes:
        points: float [batch, num_points, 2], the last shape of each face.
        num_steps: int32 [batch], the steps each face took.
        settled: bool [batch], whether it stood still before the steps ran out.
        trajectory: float [max_steps, batch, num_points, 2], the shape after each step;
            a settled face keeps its last one.
        hidden: float [batch, ...], the memory after the last step of each face.
    """

    points: Array
    num_steps: Array
    settled: Array
    trajectory: Array
    hidden: Array


Step = Callable[[Estimate], Estimate]


def increment_size(
    new: Array | np.ndarray,
    old: Array | np.ndarray,
    *,
    markup: Markup,
    norm: str = "shape",
) -> Array:
    """How far a shape moved, in eye distances of the shape it moved to (section 4.3).

    Args:
        new: float [batch, num_points, 2], px.
        old: float [batch, num_points, 2], px.
        markup: names the outer eye corners.
        norm: "shape" for the l2 norm of the whole vector, as the paper writes;
            "mean_point" for the mean distance over landmarks.

    Returns:
        float [batch].

    Raises:
        ValueError: there is no such norm.
    """
    if norm not in ("shape", "mean_point"):
        raise ValueError(f"norm must be shape or mean_point; got {norm!r}.")
    moved = jnp.linalg.norm(new - old, axis=-1)
    size = jnp.linalg.norm(moved, axis=-1) if norm == "shape" else moved.mean(-1)
    return size / interocular_distance(new, markup=markup)


def points_of(estimate: Estimate) -> Array:
    """The shape alone: what `unroll` keeps of each step unless told otherwise."""
    return estimate.points


def unroll(
    step: Step,
    start: Estimate,
    *,
    num_steps: int,
    flatten: bool | None = None,
    keep: Callable[[Estimate], Any] = points_of,
) -> Any:
    """What is kept of each of `num_steps` steps, by `lax.scan`; differentiable.

    Args:
        step: takes an estimate to the next one.
        start: before the first step.
        num_steps: how many.
        flatten: write the loop out; by default on a CPU, where the gradient of a
            convolution inside a loop falls to a single thread, for up to 32 steps, as
            each has to be compiled.
        keep: what of an estimate is returned; by default the shape.

    Returns:
        float [num_steps, batch, num_points, 2], the shape after each step; or the arrays
        that `keep` gives, with the steps as their first axis.
    """
    if flatten is None:
        flatten = jax.default_backend() == "cpu" and num_steps <= _MOST_FLAT

    def body(estimate, _):
        estimate = step(estimate)
        return estimate, keep(estimate)

    return lax.scan(body, start, length=num_steps, unroll=num_steps if flatten else 1)[
        1
    ]


def settle(
    step: Step,
    start: Estimate,
    *,
    max_steps: int,
    tolerance: float,
    moved: Callable[[Array, Array], Array],
) -> Settled:
    """Steps until no face moves by `tolerance` any more, by `lax.while_loop`.

    Each face of the batch stops by itself and then stays, so its answer does not depend
    on the others. There is no reverse mode through a while loop: for gradients take
    `unroll`.

    Args:
        step: takes an estimate to the next one.
        start: before the first step.
        max_steps: at most.
        tolerance: a face has settled when its increment is below this.
        moved: (new points, old points) -> [batch], the size of an increment.
    """
    batch = start.points.shape[0]

    def unsettled(carry):
        done, _, settled, _, _ = carry
        return (done < max_steps) & ~settled.all()

    def advance(carry):
        done, old, settled, num_steps, trajectory = carry
        new = step(old)
        small = moved(new.points, old.points) < tolerance
        new = jax.tree.map(lambda n, o: jnp.where(_as(settled, n), o, n), new, old)
        num_steps = num_steps + ~settled
        # everything from this step on, so that the rows after the last one hold it too
        rows = (jnp.arange(max_steps) >= done).reshape(-1, 1, 1, 1)
        trajectory = jnp.where(rows, new.points[None], trajectory)
        return done + 1, new, settled | small, num_steps, trajectory

    nothing = jnp.zeros(batch, bool)
    trajectory = jnp.broadcast_to(start.points, (max_steps, *start.points.shape))
    carry = (0, start, nothing, jnp.zeros(batch, jnp.int32), trajectory)
    _, last, settled, num_steps, trajectory = lax.while_loop(unsettled, advance, carry)
    return Settled(last.points, num_steps, settled, trajectory, last.hidden)


def _as(faces: Array, like: Array) -> Array:
    """[batch] with as many axes as `like`."""
    return faces.reshape(-1, *(1,) * (like.ndim - 1))
