"""One parameter update: examples, loss, gradients averaged over devices, new parameters.

The state is one small pytree, passed and returned unstacked; `parallel_update` maps the
update over all devices: with `jax.pmap` those of one process, with `jax.shard_map` those of
several. What pmap returns belongs to its process alone; of several processes the state has
to be one array over all of them, or a checkpoint could not be written by them together.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any

import flax.struct
import jax
import jax.numpy as jnp
import optax
from jax import Array, lax
from jax.sharding import PartitionSpec

from rcsr_jax.config import RunConfig
from rcsr_jax.data.batches import Batch, examples
from rcsr_jax.features.pyramid import STRIDE
from rcsr_jax.losses import doubt_loss, heatmap_loss, progressive_loss
from rcsr_jax.metrics import interocular_distance
from rcsr_jax.model import Params, log_doubts, make_scene, make_step
from rcsr_jax.refine import unroll
from rcsr_jax.sharing import AXIS, mesh_of, own_places, shared_out

_DOUBT_WEIGHT = 0.1  # Adam does not mind; clipping the gradient would


@flax.struct.dataclass
class TrainState:
    """Everything that changes from update to update.

    Attributes:
        step: int32 scalar, updates done.
        params: as learned.
        average: exponential moving average of the parameters; what is evaluated.
        opt_state: of the optimiser.
    """

    step: Array
    params: Params
    average: Params
    opt_state: optax.OptState


def init_state(
    params: Params, *, optimiser: optax.GradientTransformation
) -> TrainState:
    """The state before the first update."""
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        average=jax.tree.map(jnp.copy, params),
        opt_state=optimiser.init(params),
    )


def batch_loss(
    params: Params, crops: Array, points: Array, *, config: RunConfig
) -> tuple[Array, Array]:
    """The mean loss of a batch of examples: eq. 8 and what helps it.

    Args:
        params: the parameters to differentiate by.
        crops: float [batch, crop_size, crop_size], grey levels.
        points: float [batch, num_points, 2], crop px, NaN where not annotated.
        config: the run.

    Returns:
        float scalar, what is to be lowered, and float scalar, eq. 8 alone.
    """
    model, train = config.model, config.train
    scene = make_scene(params, crops, config=model)
    step, start = make_step(params, crops, config=model, scene=scene)
    if train.remat:
        step = jax.checkpoint(step)
    trajectory, hidden = unroll(step, start, num_steps=model.num_steps, keep=tuple)
    mean_shape = lax.stop_gradient(params["mean_shape"])
    distance = interocular_distance(mean_shape, markup=model.markup)
    loss = progressive_loss(
        trajectory,
        points,
        markup=model.markup,
        mean_eye_distance=distance,
        kind=train.loss,
        scheme=train.step_weights,
        across_weight=train.across_weight,
    ).mean()
    doubts = jax.vmap(lambda memory: log_doubts(params, memory, config=model))(hidden)
    misfit = doubt_loss(
        doubts, trajectory, points, markup=model.markup, mean_eye_distance=distance
    )
    total = loss + _DOUBT_WEIGHT * misfit.mean()
    if train.heatmap_weight:
        marks = heatmap_loss(scene[-1][..., 0], points, stride=STRIDE).mean()
        total = total + train.heatmap_weight * marks
    return total, loss


def update(
    state: TrainState,
    places: Array,
    batch: Batch,
    *,
    config: RunConfig,
    optimiser: optax.GradientTransformation,
) -> tuple[TrainState, dict[str, Array]]:
    """One update, on one of the devices of the mapped axis `sharing.AXIS`.

    A gradient that is not finite changes no parameter and is counted in "skipped" and
    "skipped_in_a_row"; the average comes nearer to the parameters all the same.

    Args:
        state: before.
        places: int [faces of this device], their places in the batch of this step.
        batch: the faces in these places.
        config: the run.
        optimiser: from `make_optimiser`.

    Returns:
        The state after it, and what there is to log, scalars: "loss", "skipped" and
        "skipped_in_a_row".
    """
    shape = state.params["mean_shape"]
    crops, points = examples(state.step, places, batch, config=config, mean_shape=shape)
    (_, loss), gradients = jax.value_and_grad(batch_loss, has_aux=True)(
        state.params, crops, points, config=config
    )
    # after differentiation: inside it would change gradients
    loss, gradients = lax.pmean((loss, gradients), AXIS)
    changes, opt_state = optimiser.update(gradients, state.opt_state, state.params)
    params = optax.apply_updates(state.params, changes)
    # young averages forget faster, or they would remember the start
    decay = jnp.minimum(config.train.ema_decay, (1 + state.step) / (10 + state.step))
    network = optax.incremental_update(
        params["network"], state.average["network"], 1 - decay
    )
    # what is not learned is its own average: a sum of shares of it would be rounded
    average = {**params, "network": network}
    state = TrainState(state.step + 1, params, average, opt_state)
    return state, {
        "loss": loss,
        "skipped": opt_state.total_notfinite,
        "skipped_in_a_row": opt_state.notfinite_count,
    }


def parallel_update(
    *,
    config: RunConfig,
    optimiser: optax.GradientTransformation,
    devices: Sequence[jax.Device],
) -> Callable[[TrainState, Batch], tuple[TrainState, dict[str, Array]]]:
    """`update` over several devices, each with its share of the batch.

    What it returns takes the state and the faces of the step, `shared_out`, in the order of
    `places_of`. The state that it is given is donated: its memory becomes that of the new
    one.

    Raises:
        ValueError: the batch cannot be shared out evenly.
    """
    places = shared_out(own_places(config, devices=devices), devices)
    mine = functools.partial(update, config=config, optimiser=optimiser)
    if jax.process_count() == 1:
        mapped = jax.pmap(
            mine,
            axis_name=AXIS,
            in_axes=(None, 0, 0),
            out_axes=(None, None),
            devices=list(devices),
            donate_argnums=(0,),
        )
    else:
        mapped = jax.jit(
            jax.shard_map(
                lambda state, *share: mine(state, *_unstacked(share)),
                mesh=mesh_of(devices),
                in_specs=(PartitionSpec(), PartitionSpec(AXIS), PartitionSpec(AXIS)),
                out_specs=PartitionSpec(),
                check_vma=False,  # gradients are averaged by hand, as under pmap
            ),
            donate_argnums=(0,),
        )
    return lambda state, batch: mapped(state, places, batch)


def _unstacked(share: Any) -> Any:
    """The arrays [1, ...] that a device sees of arrays that are `shared_out`."""
    return jax.tree.map(lambda leaf: leaf[0], share)
