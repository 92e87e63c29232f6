"""How gradients change parameters: Muon, Adam or the paper's SGD, steadied and guarded."""

import functools
import math
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jax import Array

from rcsr_jax.config import TrainConfig
from rcsr_jax.model import Params
from rcsr_jax.orthogonal import orthogonalised

_VIEWS = 6  # of a face in an epoch of the paper: it and its mirror image in three boxes
# Of Adam's changes, in learning rates, where gradients are mostly noise.
_ADAM_RMS = 0.2
_MOMENTUM = 0.95  # of Muon
_STEADY_INPUTS = 4096  # of a layer of the memory, up to which it takes the whole rate


def make_optimiser(
    config: TrainConfig, *, num_faces: int
) -> optax.GradientTransformation:
    """The optimiser of a run; it leaves everything as it is where a gradient is not finite.

    Args:
        config: which, and how fast.
        num_faces: in the training set; the paper's schedule counts epochs, in which each
            face is seen six times.
    """
    if config.optimiser == "sgd":
        update = _sgd(config, num_faces=num_faces)
    else:
        update = _muon(config) if config.optimiser == "muon" else _adam(config)
    if config.clip_norm > 0:
        update = optax.chain(optax.clip_by_global_norm(config.clip_norm), update)
    return _if_finite(update)


def _if_finite(inner: optax.GradientTransformation) -> optax.GradientTransformation:
    """Leaves all as it is where a gradient is not finite, and counts how often.

    One bad gradient would spoil the parameters and both moments for good. The rate stands
    still as well, so a run ends as many updates before its rate does. The state is that
    of `optax.apply_if_finite`, whose branch makes a GPU wait for the host at every update;
    here both outcomes are there and one is selected.
    """

    def init(params: Params) -> optax.ApplyIfFiniteState:
        return optax.ApplyIfFiniteState(
            notfinite_count=jnp.zeros((), jnp.int32),
            last_finite=jnp.array(True),
            total_notfinite=jnp.zeros((), jnp.int32),
            inner_state=inner.init(params),
        )

    def update(
        gradients: Params, state: optax.ApplyIfFiniteState, params: Params | None = None
    ) -> tuple[Params, optax.ApplyIfFiniteState]:
        leaves = jax.tree.leaves(gradients)
        finite = jnp.stack([jnp.isfinite(leaf).all() for leaf in leaves]).all()

        def if_finite(tree: Any, other: Any) -> Any:
            return jax.tree.map(functools.partial(jnp.where, finite), tree, other)

        zeros = jax.tree.map(jnp.zeros_like, gradients)
        changes, after = inner.update(
            if_finite(gradients, zeros), state.inner_state, params
        )
        bad = 1 - finite.astype(jnp.int32)
        return if_finite(changes, zeros), optax.ApplyIfFiniteState(
            notfinite_count=bad * (state.notfinite_count + 1),
            last_finite=finite,
            total_notfinite=state.total_notfinite + bad,
            inner_state=if_finite(after, state.inner_state),
        )

    return optax.GradientTransformation(init, update)


def _sgd(config: TrainConfig, *, num_faces: int) -> optax.GradientTransformation:
    """Momentum, with the rate of the paper: halved every few epochs.

    From the middle of the run on the network is fine-tuned with new replicates (section
    4.1): the rate begins anew, or the second half would change nothing.
    """
    epoch = max(_VIEWS * num_faces // config.batch_size, 1)
    rate = optax.exponential_decay(
        config.learning_rate,
        transition_steps=config.halving_epochs * epoch,
        decay_rate=0.5,
        staircase=True,
    )
    rate = optax.join_schedules([rate, rate], [config.num_updates // 2])
    return optax.sgd(rate, momentum=0.9)


def _adam(config: TrainConfig) -> optax.GradientTransformation:
    """Adam with decoupled weight decay (Loshchilov and Hutter, 2019)."""
    adam = optax.adamw(
        _warm_cosine(config), weight_decay=config.weight_decay, mask=_decayed_leaves
    )
    return optax.chain(adam, optax.stateless(_steadied))


def _muon(config: TrainConfig) -> optax.GradientTransformation:
    """Muon for convolutions from channels to channels, Adam for all else.

    A kernel changes along the directions of its momentum, by the same amount along each:
    the singular values of the change are made equal (Jordan and others, 2024). Its root
    mean square is that of Adam's, so that both take the same rate (Liu and others, 2025).
    """
    orthogonal = optax.chain(
        optax.trace(_MOMENTUM, nesterov=True),
        optax.stateless(lambda changes, _: jax.tree.map(_evened, changes)),
        optax.add_decayed_weights(config.weight_decay),
        optax.scale_by_learning_rate(_warm_cosine(config)),
    )
    return optax.partition({True: orthogonal, False: _adam(config)}, _hidden_kernels)


def _evened(change: Array) -> Array:
    """A change of a kernel with singular values that are alike, as large as Adam's."""
    inputs, outputs = math.prod(change.shape[:-1]), change.shape[-1]
    even = orthogonalised(change.reshape(inputs, outputs))
    return _ADAM_RMS * math.sqrt(max(inputs, outputs)) * even.reshape(change.shape)


def _warm_cosine(config: TrainConfig) -> optax.Schedule:
    """A rate that rises for a while and falls to zero at the end of the run."""
    warmup = min(config.warmup_updates, config.num_updates // 4)
    return optax.warmup_cosine_decay_schedule(
        config.learning_rate / max(warmup, 1),
        config.learning_rate,
        warmup_steps=warmup,
        decay_steps=config.num_updates,
    )


def _hidden_kernels(params: Params) -> Any:
    """Which parameters are kernels between channels: of the memory and the pyramid.

    Not those that read the picture or give the answer, which are few and whose inputs
    and outputs are no channels that a network may turn as it likes.
    """

    def is_hidden(path: Any, leaf: Array) -> bool:
        names = [entry.key for entry in path]
        inside = names[0] == "cell" or (
            names[0] == "context" and names[1] not in ("first", "last")
        )
        return inside and leaf.ndim == 4

    network = jax.tree.map_with_path(is_hidden, params["network"])
    return {"network": network, "mean_shape": False}


def _steadied(changes: Params, params: Params | None) -> Params:
    """Smaller changes to the layers of the memory, and on top of it, with many inputs.

    Adam moves every weight by the rate, whatever its gradient. Where inputs share their
    sign, as HOG and a ReLU without biases do, ten thousand of them pull together: gates
    would be driven into saturation within a few updates, the same for every face, and
    stay there.
    """

    def steady(path: Any, change: Array) -> Array:
        inputs = math.prod(change.shape[:-1])
        of_memory = path[0].key.startswith(("cell", "dense"))
        share = min(1.0, _STEADY_INPUTS / inputs) if of_memory else 1.0
        return change if share == 1 else change * share

    network = changes["network"]
    return changes | {"network": jax.tree.map_with_path(steady, network)}


def _decayed_leaves(params: Params) -> Any:
    """Kernels decay; biases and the measured mean shape do not."""
    return {
        "network": jax.tree.map(lambda leaf: leaf.ndim > 1, params["network"]),
        "mean_shape": False,
    }
