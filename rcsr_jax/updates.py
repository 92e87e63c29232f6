"""One parameter update: examples, loss, gradients averaged over devices, new parameters.

The state is one small pytree, passed and returned unstacked; `parallel_update` maps the
update over all devices: with `jax.pmap` those of one process, with `jax.shard_map` those of
several. What pmap returns belongs to its process alone; of several processes the state has
to be one array over all of them, or a checkpoint could not be written by them together.
"""

import functools
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import flax.struct
import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import Array, lax
from jax.sharding import PartitionSpec

from rcsr_jax.config import RunConfig
from rcsr_jax.data.augment import augment
from rcsr_jax.data.batches import faces_of_step, keys_of_step
from rcsr_jax.features.pyramid import STRIDE
from rcsr_jax.losses import doubt_loss, heatmap_loss, progressive_loss
from rcsr_jax.metrics import interocular_distance
from rcsr_jax.model import Params, log_doubts, make_scene, make_step
from rcsr_jax.refine import unroll
from rcsr_jax.sharing import AXIS, mesh_of, own_places, shared_out

_DOUBT_WEIGHT = 0.1  # Adam does not mind; clipping the gradient would


class TrainingSet(NamedTuple):
    """All cached faces of a run.

    Attributes:
        crops: uint8 [faces, side, side], cached crops; arrays, or `Rows` on the disk.
        points: float32 [faces, num_points, 2], in cached pixels; likewise.
        num_last: how many of them, at the end, are for the last updates alone.
    """

    crops: Any
    points: Any
    num_last: int = 0


class Batch(NamedTuple):
    """The cached faces of a step, or of some places in it.

    Attributes:
        crops: uint8 [..., side, side].
        points: float32 [..., num_points, 2], in cached pixels.
    """

    crops: Any
    points: Any


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
    axis_name: str | None = None,
) -> tuple[TrainState, dict[str, Array]]:
    """The state after one update, and what there is to log.

    A gradient that is not finite changes no parameter and is counted in "skipped" and
    "skipped_in_a_row"; the average comes nearer to the parameters all the same.

    Args:
        state: before.
        places: int [faces of this device], their places in the batch of this step.
        batch: the faces in these places.
        config: the run.
        optimiser: from `make_optimiser`.
        axis_name: of the devices to average over.
    """
    crops, points = examples(state.step, places, batch, config=config)
    (_, loss), gradients = jax.value_and_grad(batch_loss, has_aux=True)(
        state.params, crops, points, config=config
    )
    if axis_name is not None:  # after differentiation: inside it would change gradients
        loss, gradients = lax.pmean((loss, gradients), axis_name)
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


def faces_at(
    step: int, places: np.ndarray, faces: TrainingSet, *, config: RunConfig
) -> Batch:
    """The faces of a step, in some places of its batch.

    Args:
        step: from 0.
        places: int [...], in the batch.
        faces: the training set; only these are read of what is on the disk.
        config: the run.

    Returns:
        Their arrays, with the shape of `places` in front.
    """
    chosen = numbers_at(step, places, faces, config=config)
    return Batch(faces.crops[chosen], faces.points[chosen])


def numbers_at(
    step: int, places: np.ndarray, faces: TrainingSet, *, config: RunConfig
) -> np.ndarray:
    """The numbers of the faces of a step, in some places of its batch.

    Args:
        step: from 0.
        places: int [...], in the batch.
        faces: the training set.
        config: the run.

    Returns:
        int64, with the shape of `places`.
    """
    train = config.train
    first, count = 0, len(faces.crops) - faces.num_last
    begins = train.num_updates - train.last_updates
    if faces.num_last and step >= begins:
        step, first, count = step - begins, count, faces.num_last
    chosen = faces_of_step(
        step, seed=train.seed, num_faces=count, batch_size=train.batch_size
    )
    return first + chosen[places]


def examples(
    step: Array, places: Array, batch: Batch, *, config: RunConfig
) -> tuple[Array, Array]:
    """The training examples of a step: a pure function of (seed, step, place).

    Args:
        step: int scalar, from 0.
        places: int [faces], their places in the whole batch.
        batch: the faces in these places; `faces_at` says which.
        config: the run.

    Returns:
        float [faces, crop_size, crop_size] and float [faces, num_points, 2].
    """
    model, train = config.model, config.train
    vary = functools.partial(
        augment,
        config=config.augment,
        size=model.crop_size,
        margin=config.data.cache_margin,
        frame_scale=model.frame_scale,
        markup=model.markup,
    )
    keys = keys_of_step(step, places, seed=train.seed)
    return jax.vmap(vary)(keys, batch.crops, batch.points)


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
    mine = functools.partial(update, config=config, optimiser=optimiser, axis_name=AXIS)
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
